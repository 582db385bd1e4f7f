/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes another endpoint into an announcing line without changing its length,
 * so that no sequence number moves. What real clients bear decides how room is
 * made. Pure C over a buffer; it neither chooses the endpoint nor sees packets.
 */
#ifndef FTPFIX_FTP_EDIT_H
#define FTPFIX_FTP_EDIT_H

#include "ftp_read.h"

/*
 * How much of the line may give way for a longer 227, in the order in which it
 * is tried; each step includes those before. 229 is never longer than it was
 * and has only the first.
 */
enum ftp_room {
	FTP_ROOM_DOT,	/* the dot after the closing parenthesis */
	FTP_ROOM_SPACE, /* the space before the opening one */
	FTP_ROOM_WORDS, /* the spaces of "Entering Passive Mode" */
	FTP_ROOM_COUNT,
};

struct ftp_edit {
	__u32 offset; /* of the first replaced byte in the line */
	__u32 length; /* replaced bytes, which is also the length of text */
	char text[FTPFIX_EDIT_MAX];
};

#define FTP_WORDS "Entering Passive Mode ("
#define FTP_WORDS_TIGHT "EnteringPassiveMode("

static inline __u32 ftp_digits_octet(__u32 octet)
{
	return octet < 10 ? 1 : octet < 100 ? 2 : 3;
}

static inline __u32 ftp_digits_address(__u32 host_address)
{
	return ftp_digits_octet(host_address >> 24) + ftp_digits_octet(host_address >> 16 & 255) +
	       ftp_digits_octet(host_address >> 8 & 255) + ftp_digits_octet(host_address & 255);
}

/* The digits of a port as the line writes it: decimal in 229, the two octets
 * in 227. */
static inline __u32 ftp_digits_port(__u32 code, __u32 host_port)
{
	if (code == FTP_CODE_227)
		return ftp_digits_octet(host_port >> 8) + ftp_digits_octet(host_port & 255);
	return host_port < 10	   ? 1
	       : host_port < 100   ? 2
	       : host_port < 1000  ? 3
	       : host_port < 10000 ? 4
				   : 5;
}

static inline int ftp_has_dot(const struct ftp_announcement *line)
{
	return line->code == FTP_CODE_227 && line->parenthesis &&
	       ftp_text(line, line->last + 1) == '.';
}

/* A space before the parenthesis that is not the one after the code. */
static inline int ftp_has_space(const struct ftp_announcement *line)
{
	return line->parenthesis && line->first >= FTP_TEXT_START + 2 &&
	       ftp_text(line, line->first - 2) == ' ';
}

struct ftp_words_loop {
	const struct ftp_announcement *line;
	__u32 differ;
	char words[sizeof(FTP_WORDS)];
};

static inline long ftp_words_byte(__u32 index, void *context)
{
	struct ftp_words_loop *loop = context;
	/* pyftpdlib writes the words in lower case. */
	if (index < sizeof(loop->words) &&
	    ftp_upper(ftp_text(loop->line, FTP_TEXT_START + index)) ==
		    ftp_upper(loop->words[index]))
		return 0;
	loop->differ = 1;
	return 1;
}

static inline int ftp_has_words(const struct ftp_announcement *line)
{
	struct ftp_words_loop loop = {.line = line, .words = FTP_WORDS};

	if (line->first != FTP_TEXT_START + sizeof(FTP_WORDS) - 1)
		return 0;
	each(sizeof(FTP_WORDS) - 1, ftp_words_byte, &loop);
	return !loop.differ;
}

/* Bytes that a step of making room gives to the numbers beyond their own, or
 * -ENOSPC when the line does not have what that step takes away. */
static inline int ftp_room_gain(const struct ftp_announcement *line, __u32 room)
{
	int dot = ftp_has_dot(line);

	if (room == FTP_ROOM_DOT)
		return dot;
	if (line->code != FTP_CODE_227)
		return -ENOSPC;
	if (room == FTP_ROOM_SPACE)
		return ftp_has_space(line) ? dot + 1 : -ENOSPC;
	return ftp_has_words(line) ? dot + (int)(sizeof(FTP_WORDS) - sizeof(FTP_WORDS_TIGHT))
				   : -ENOSPC;
}

/*
 * The most digits that a port may have, by ftp_digits_port(), for the line to
 * hold it and host_address within the room. Returns -ENOSPC for none.
 */
__global int ftp_edit_digits(const struct ftp_announcement *line, __u32 host_address, __u32 room)
{
	int digits, gain;

	if (!line)
		return -ENOSPC;
	gain = ftp_room_gain(line, room);
	if (gain < 0)
		return -ENOSPC;
	digits = (int)(line->last - line->first) + gain;
	if (line->code == FTP_CODE_227)
		digits -= ftp_digits_address(host_address) + sizeof(",,,,,") - 1;
	return digits > 0 ? digits : -ENOSPC;
}

/* Whether the line can hold a port, given the digits that it may have. Without
 * a parenthesis there is no place for padding: the length must be the same. */
__global int ftp_edit_fits(const struct ftp_announcement *line, int digits, __u32 host_port)
{
	int needed;

	if (!line)
		return 0;
	needed = ftp_digits_port(line->code, host_port);
	return line->parenthesis ? needed <= digits : needed == digits;
}

static inline void ftp_put(struct ftp_edit *edit, char byte)
{
	if (edit->length < FTPFIX_EDIT_MAX)
		edit->text[edit->length] = byte;
	edit->length++;
}

static inline void ftp_put_octet(struct ftp_edit *edit, __u32 octet)
{
	if (octet >= 100)
		ftp_put(edit, '0' + octet / 100);
	if (octet >= 10)
		ftp_put(edit, '0' + octet / 10 % 10);
	ftp_put(edit, '0' + octet % 10);
}

static inline void ftp_put_port(struct ftp_edit *edit, __u32 host_port)
{
	if (host_port >= 10000)
		ftp_put(edit, '0' + host_port / 10000);
	if (host_port >= 1000)
		ftp_put(edit, '0' + host_port / 1000 % 10);
	if (host_port >= 100)
		ftp_put(edit, '0' + host_port / 100 % 10);
	if (host_port >= 10)
		ftp_put(edit, '0' + host_port / 10 % 10);
	ftp_put(edit, '0' + host_port % 10);
}

struct ftp_put_loop {
	const struct ftp_announcement *line;
	struct ftp_edit *edit;
	__u32 end; /* the edit's length when it is done */
};

/* The words as the server spelled them, without their spaces. */
static inline long ftp_put_word(__u32 index, void *context)
{
	struct ftp_put_loop *loop = context;
	char byte = ftp_text(loop->line, FTP_TEXT_START + index);

	if (byte != ' ')
		ftp_put(loop->edit, byte);
	return 0;
}

static inline long ftp_put_dot(__u32 index, void *context)
{
	struct ftp_put_loop *loop = context;

	(void)index;
	if (loop->edit->length >= loop->end || loop->edit->length >= FTPFIX_EDIT_MAX)
		return 1;
	ftp_put(loop->edit, '.');
	return 0;
}

/*
 * Writes host_address (227 only) and host_port into edit. The port must fit, by
 * ftp_edit_digits() and ftp_edit_fits(), in the room given here. The padding
 * stands right after the parenthesis and is dots: nothing that any client reads.
 */
__global int ftp_edit(const struct ftp_announcement *line, __u32 host_address, __u32 host_port,
		      __u32 room, struct ftp_edit *edit)
{
	struct ftp_put_loop loop = {.line = line, .edit = edit};
	__u32 stop;

	if (!line || !edit)
		return -ENOSPC;
	stop = line->last;
	edit->length = 0;
	edit->offset = line->first;
	if (room == FTP_ROOM_SPACE) {
		edit->offset = line->first - 2;
		ftp_put(edit, '(');
	} else if (room == FTP_ROOM_WORDS) {
		edit->offset = FTP_TEXT_START;
		each(sizeof(FTP_WORDS) - 1, ftp_put_word, &loop);
	}
	if (line->code == FTP_CODE_227) {
		ftp_put_octet(edit, host_address >> 24);
		ftp_put(edit, ',');
		ftp_put_octet(edit, host_address >> 16 & 255);
		ftp_put(edit, ',');
		ftp_put_octet(edit, host_address >> 8 & 255);
		ftp_put(edit, ',');
		ftp_put_octet(edit, host_address & 255);
		ftp_put(edit, ',');
		ftp_put_octet(edit, host_port >> 8 & 255);
		ftp_put(edit, ',');
		ftp_put_octet(edit, host_port & 255);
		stop += line->parenthesis + ftp_has_dot(line);
	} else {
		ftp_put_port(edit, host_port);
		ftp_put(edit, ftp_text(line, line->last));
		stop += sizeof("|)") - 1;
	}
	if (line->parenthesis)
		ftp_put(edit, ')');
	loop.end = stop - edit->offset;
	each(FTPFIX_EDIT_MAX, ftp_put_dot, &loop);
	return edit->length == loop.end && loop.end <= FTPFIX_EDIT_MAX ? 0 : -ENOSPC;
}

#endif /* FTPFIX_FTP_EDIT_H */
