/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes another endpoint into an announcing line, without changing its length
 * where that can be, so that no sequence number moves. What real clients and
 * servers bear decides how room is made. Pure C over a buffer; it neither
 * chooses the endpoint nor sees packets.
 */
#ifndef FTPFIX_FTP_EDIT_H
#define FTPFIX_FTP_EDIT_H

#include "ftp_read.h"
#include "word.h"

/*
 * How much of the line may give way for a longer 227, in the order in which it
 * is tried; each step includes those before. The other lines have only the
 * first, which takes nothing away from them. The last is for all: the line
 * takes the length that it needs.
 */
enum ftp_room {
	FTP_ROOM_DOT,	 /* the dot after the closing parenthesis */
	FTP_ROOM_SPACE,	 /* the space before the opening one */
	FTP_ROOM_WORDS,	 /* the spaces of "Entering Passive Mode" */
	FTP_ROOM_ADJUST, /* no bound, nothing taken away and no padding */
	FTP_ROOM_COUNT,
};

/* `removed` bytes of the line from `offset` on become `length` bytes of text. In
 * every room but FTP_ROOM_ADJUST the two are equal. */
struct ftp_edit {
	__u32 offset;
	__u32 removed;
	__u32 length;
	char text[FTPFIX_LINE_MAX];
	char beyond[WORD_BYTES]; /* what a word writes that begins in the text: never read */
};

/* Digits enough for any port, where nothing bounds them. */
#define FTP_DIGITS_ANY 64

/* The most digits that the two octets of a port have in a PORT. */
#define FTP_PORT_DIGITS 6

/* The length of the most frequent words, with spaces and without. */
#define FTP_WORDS (sizeof("Entering Passive Mode (") - 1)
#define FTP_WORDS_TIGHT (sizeof("EnteringPassiveMode(") - 1)

/* 1 where the number, below 2^31, is above the limit. No branch, of which the verifier would
 * walk each way. */
static inline __u32 ftp_above(__u32 number, __u32 limit)
{
	return (limit - number) >> 31;
}

static inline __u32 ftp_digits_octet(__u32 octet)
{
	return 1 + ftp_above(octet, 9) + ftp_above(octet, 99);
}

/* Of a number up to 65535. */
static inline __u32 ftp_digits_number(__u32 number)
{
	return ftp_digits_octet(number) + ftp_above(number, 999) + ftp_above(number, 9999);
}

/* Whether the port stands as two octets. */
static inline int ftp_in_octets(__u32 kind)
{
	return kind == FTP_227 || kind == FTP_PORT;
}

/* The digits of a port as the line writes it: decimal in 229 and EPRT, the two
 * octets in 227 and PORT. */
static inline __u32 ftp_digits_port(__u32 kind, __u32 host_port)
{
	if (ftp_in_octets(kind))
		return ftp_digits_octet(host_port >> 8) + ftp_digits_octet(host_port & 255);
	return ftp_digits_number(host_port);
}

static inline int ftp_is_ipv4(const struct ftpfix_addr *addr)
{
	const __u8 *bytes = (const __u8 *)addr;

	return !addr->be_word[0] && !addr->be_word[1] && !bytes[8] && !bytes[9] &&
	       bytes[10] == 255 && bytes[11] == 255;
}

/*
 * What ftp_edit_form() returns: the bytes of the new text that are not digits of
 * the port, and above them the groups that an IPv6 address leaves to "::".
 */
#define FTP_FORM_LENGTH 0xff
#define FTP_FORM_RUN_SHIFT 8

/* How the line writes the address. Returns -ENOSPC when it cannot. */
__global int ftp_edit_form(const struct ftp_announcement *line, const struct ftpfix_addr *addr)
{
	struct ftp_ipv6_form form = {.addr = addr};
	const __u8 *bytes = (const __u8 *)addr;
	__u32 length;

	if (!line || !addr)
		return -ENOSPC;
	if (line->kind == FTP_229)
		return 0;
	if (ftp_is_ipv4(addr)) {
		length = ftp_digits_octet(bytes[12]) + ftp_digits_octet(bytes[13]) +
			 ftp_digits_octet(bytes[14]) + ftp_digits_octet(bytes[15]);
		if (ftp_in_octets(line->kind))
			return length + sizeof(",,,,,") - 1;
		length += sizeof("...") - 1;
		return line->kind == FTP_EPRT ? length + sizeof("1||") - 1 : length;
	}
	if (ftp_in_octets(line->kind))
		return -ENOSPC;
	if (line->kind == FTP_EPRT && !ftp_eprt_delimiter(ftp_text(line, line->first - 1), 1))
		return -ENOSPC;
	ftp_ipv6_measure(&form);
	length = form.length + (line->kind == FTP_EPRT ? sizeof("2||") - 1 : sizeof("[]") - 1);
	return (length & FTP_FORM_LENGTH) | (form.run & 0xff) << FTP_FORM_RUN_SHIFT;
}

static inline int ftp_has_dot(const struct ftp_announcement *line)
{
	return line->kind == FTP_227 && line->parenthesis && ftp_text(line, line->last + 1) == '.';
}

/* A space before the parenthesis that is not the one after the code. */
static inline int ftp_has_space(const struct ftp_announcement *line)
{
	return line->parenthesis && line->first >= FTP_TEXT_START + 2 &&
	       ftp_text(line, line->first - 2) == ' ';
}

/* Whether it says "Entering Passive Mode (", or, as pyftpdlib does, the same in
 * another case. No string, for that would become a map of the object. */
static inline int ftp_has_words(const struct ftp_announcement *line)
{
	const char *text = line->text + FTP_TEXT_START;

	return line->first == FTP_TEXT_START + FTP_WORDS && ftp_word(text) == 'ENTE' &&
	       ftp_word(text + 4) == 'RING' && ftp_word(text + 8) == ' PAS' &&
	       ftp_word(text + 12) == 'SIVE' && ftp_word(text + 16) == ' MOD' &&
	       (ftp_word(text + 20) & ~255u) == ('E ( ' & ~255u);
}

/* Bytes that a step of making room gives to the numbers beyond their own, or
 * -ENOSPC when the line does not have what that step takes away. */
static inline int ftp_room_gain(const struct ftp_announcement *line, __u32 room)
{
	int dot = ftp_has_dot(line);

	if (room == FTP_ROOM_DOT)
		return dot;
	if (line->kind != FTP_227)
		return -ENOSPC;
	if (room == FTP_ROOM_SPACE)
		return ftp_has_space(line) ? dot + 1 : -ENOSPC;
	return ftp_has_words(line) ? dot + (int)(FTP_WORDS - FTP_WORDS_TIGHT) : -ENOSPC;
}

/*
 * The most digits that a port may have, by ftp_digits_port(), for the line to
 * hold it and the address within the room. Returns -ENOSPC for none. (PORT and
 * EPRT are padded with zeros in the port, as far as these may go: with more room
 * than that left no port fits.)
 */
__global int ftp_edit_digits(const struct ftp_announcement *line, const struct ftpfix_addr *addr,
			     __u32 room)
{
	int digits, gain, form;

	if (!line || !addr)
		return -ENOSPC;
	form = ftp_edit_form(line, addr);
	if (form < 0)
		return -ENOSPC;
	if (room == FTP_ROOM_ADJUST)
		return FTP_DIGITS_ANY;
	gain = ftp_room_gain(line, room);
	if (gain < 0)
		return -ENOSPC;
	digits = (int)(line->last - line->first) + gain - (form & FTP_FORM_LENGTH);
	if (line->kind == FTP_HOST)
		return digits ? -ENOSPC : FTP_DIGITS_ANY;
	if ((line->kind == FTP_PORT && digits > FTP_PORT_DIGITS) ||
	    (line->kind == FTP_EPRT && digits > FTP_EPRT_DIGITS))
		return -ENOSPC;
	return digits > 0 ? digits : -ENOSPC;
}

/* Whether the line can hold a port, given the digits that it may have. Without
 * a parenthesis a 227 has no place for padding: the length must be the same. */
__global int ftp_edit_fits(const struct ftp_announcement *line, int digits, __u32 host_port)
{
	int needed;

	if (!line)
		return 0;
	if (digits >= FTP_DIGITS_ANY)
		return 1;
	needed = ftp_digits_port(line->kind, host_port);
	if (line->kind == FTP_227 && !line->parenthesis)
		return needed == digits;
	return needed <= digits;
}

static inline void ftp_put(struct ftp_edit *edit, char byte)
{
	if (edit->length < FTPFIX_LINE_MAX)
		edit->text[edit->length] = byte;
	edit->length++;
}

/* The first bytes of the word, eight at most. */
static inline void ftp_put_word(struct ftp_edit *edit, __u64 word, __u32 count)
{
	__u32 at = edit->length;

	if (at < FTPFIX_LINE_MAX) {
		barrier_var(at);
		word_store(edit->text + (at & (FTPFIX_LINE_MAX - 1)), word);
	}
	edit->length += count;
}

/* The most digits of a number up to 65535. */
#define FTP_NUMBER_DIGITS 5

/* A tenth of a number up to 65535. */
static inline __u32 ftp_tenth(__u32 number)
{
	return number * 52429ULL >> 19;
}

/* Adds a number up to 65535, with `least` digits at least, which is no more than
 * FTP_EPRT_DIGITS. Returns 0. */
__global int ftp_put_number(struct ftp_edit *edit, __u32 number, __u32 least)
{
	__u32 tens = ftp_tenth(number), hundreds = ftp_tenth(tens);
	__u32 thousands = ftp_tenth(hundreds), highest = ftp_tenth(thousands);
	__u32 digits = ftp_digits_number(number);
	__u64 word;

	if (!edit)
		return 0;
	if (least > FTP_NUMBER_DIGITS) {
		ftp_put_word(edit, WORD_ALL('0'), least - FTP_NUMBER_DIGITS);
		least = FTP_NUMBER_DIGITS;
	}
	if (digits < least)
		digits = least;
	word = highest | (thousands - highest * 10) << 8 | (hundreds - thousands * 10) << 16 |
	       (tens - hundreds * 10) << 24 | (__u64)(number - tens * 10) << 32;
	word |= WORD_ALL('0');
	ftp_put_word(edit, word >> (FTP_NUMBER_DIGITS - digits) * 8, digits);
	return 0;
}

/* Adds a number up to 255, with `least` digits at least, 1 to 3; and behind it a byte, unless
 * that is zero. */
static __always_inline void ftp_put_octet(struct ftp_edit *edit, __u32 octet, __u32 least,
					  char behind)
{
	__u32 tens = octet * 205 >> 11, hundreds = octet * 41 >> 12;
	__u32 digits = ftp_digits_octet(octet);
	__u64 word;

	if (digits < least)
		digits = least;
	word = hundreds | (tens - hundreds * 10) << 8 | (octet - tens * 10) << 16;
	word |= '0' | '0' << 8 | '0' << 16 | (__u32)behind << 24;
	ftp_put_word(edit, word >> (3 - digits) * 8, digits + !!behind);
}

/* Adds the four octets, with a byte between two, and another one behind unless that is zero.
 * Returns 0. */
__global int ftp_put_ipv4(struct ftp_edit *edit, const struct ftpfix_addr *addr, char between,
			  char behind)
{
	const __u8 *bytes = (const __u8 *)addr;

	if (!edit || !addr)
		return 0;
	ftp_put_octet(edit, bytes[12], 1, between);
	ftp_put_octet(edit, bytes[13], 1, between);
	ftp_put_octet(edit, bytes[14], 1, between);
	ftp_put_octet(edit, bytes[15], 1, behind);
	return 0;
}

struct ftp_put_loop {
	const struct ftp_announcement *line;
	struct ftp_edit *edit;
	const struct ftpfix_addr *addr;
	__u32 run; /* groups of the address that "::" stands for */
};

static inline void ftp_put_hex(struct ftp_edit *edit, __u32 digit)
{
	ftp_put(edit, digit < 10 ? '0' + digit : 'a' + digit - 10);
}

/* One group of an IPv6 address, and what stands in front of it. */
static inline long ftp_put_group(__u32 index, void *context)
{
	struct ftp_put_loop *loop = context;
	struct ftp_edit *edit = loop->edit;
	__u32 number = index & (FTP_IPV6_GROUPS - 1);
	__u32 group = ftp_ipv6_group_of(loop->addr, number);

	if (ftp_ipv6_run_begins(loop->run, number)) {
		ftp_put(edit, ':');
		ftp_put(edit, ':');
	}
	if (loop->run >> number & 1)
		return 0;
	if (ftp_ipv6_colon_before(loop->run, number))
		ftp_put(edit, ':');
	if (group > 0xfff)
		ftp_put_hex(edit, group >> 12);
	if (group > 0xff)
		ftp_put_hex(edit, group >> 8 & 15);
	if (group > 0xf)
		ftp_put_hex(edit, group >> 4 & 15);
	ftp_put_hex(edit, group & 15);
	return 0;
}

static inline void ftp_put_address(struct ftp_put_loop *loop)
{
	if (ftp_is_ipv4(loop->addr))
		ftp_put_ipv4(loop->edit, loop->addr, '.', 0);
	else
		each(FTP_IPV6_GROUPS, ftp_put_group, loop);
}

/* The six numbers of 227 and PORT. The port has so many digits at least, those
 * of its upper octet first. */
static __always_inline void ftp_put_six(struct ftp_put_loop *loop, __u32 host_port, __u32 least)
{
	__u32 upper = host_port >> 8 & 255, lower = host_port & 255;
	__u32 lower_digits = ftp_digits_octet(lower), upper_least = 1, lower_least = 1;

	if (least > lower_digits) {
		upper_least = least - lower_digits < 3 ? least - lower_digits : 3;
		lower_least = least - upper_least;
	}
	ftp_put_ipv4(loop->edit, loop->addr, ',', ',');
	ftp_put_octet(loop->edit, upper, upper_least, ',');
	ftp_put_octet(loop->edit, lower, lower_least, 0);
}

/* The words as the server spelled them, without their spaces. */
static inline long ftp_put_letter(__u32 index, void *context)
{
	struct ftp_put_loop *loop = context;
	char byte = ftp_text(loop->line, FTP_TEXT_START + index);

	if (byte != ' ')
		ftp_put(loop->edit, byte);
	return 0;
}

/* Adds dots until the text has the length. Returns 0. */
__global int ftp_put_dots(struct ftp_edit *edit, __u32 length)
{
	if (!edit)
		return 0;
	for (__u32 word = 0; word < FTPFIX_LINE_MAX / WORD_BYTES && edit->length < length; word++)
		ftp_put_word(edit, WORD_ALL('.'), WORD_BYTES);
	if (edit->length > length)
		edit->length = length;
	return 0;
}

/* 227 and 229. The padding stands right after the parenthesis and is dots:
 * nothing that any client reads. */
static __always_inline void ftp_edit_reply(struct ftp_put_loop *loop, __u32 host_port, __u32 room)
{
	const struct ftp_announcement *line = loop->line;
	struct ftp_edit *edit = loop->edit;
	__u32 stop = line->last;

	if (room == FTP_ROOM_SPACE) {
		edit->offset = line->first - 2;
		ftp_put(edit, '(');
	} else if (room == FTP_ROOM_WORDS) {
		edit->offset = FTP_TEXT_START;
		each(FTP_WORDS, ftp_put_letter, loop);
	}
	if (line->kind == FTP_227)
		ftp_put_six(loop, host_port, 1);
	else
		ftp_put_number(edit, host_port, 1);
	if (room == FTP_ROOM_ADJUST)
		return;
	if (line->kind == FTP_227) {
		stop += line->parenthesis + ftp_has_dot(line);
	} else {
		ftp_put(edit, ftp_text(line, line->last));
		stop += sizeof("|)") - 1;
	}
	if (line->parenthesis)
		ftp_put(edit, ')');
	edit->removed = stop - edit->offset;
	if (edit->length < edit->removed)
		ftp_put_dots(edit, edit->removed);
}

/* PORT, EPRT and HOST. The padding is zeros in front of the port, so many that
 * it has these digits: `least`. */
static __always_inline void ftp_edit_command(struct ftp_put_loop *loop, __u32 host_port,
					     __u32 least)
{
	const struct ftp_announcement *line = loop->line;
	struct ftp_edit *edit = loop->edit;
	int ipv4 = ftp_is_ipv4(loop->addr);
	char delimiter = ftp_text(line, line->first - 1);

	if (line->kind == FTP_PORT) {
		ftp_put_six(loop, host_port, least);
	} else if (line->kind == FTP_EPRT) {
		ftp_put(edit, ipv4 ? '1' : '2');
		ftp_put(edit, delimiter);
		ftp_put_address(loop);
		ftp_put(edit, delimiter);
		ftp_put_number(edit, host_port, least);
	} else {
		if (!ipv4)
			ftp_put(edit, '[');
		ftp_put_address(loop);
		if (!ipv4)
			ftp_put(edit, ']');
	}
}

/*
 * Writes the address (not in a 229) and the port (not in a HOST) into edit. They
 * must fit, by ftp_edit_digits() and ftp_edit_fits(), in the room given here.
 * Returns 0, or -ENOSPC when they do not.
 */
__global int ftp_edit(const struct ftp_announcement *line, const struct ftpfix_addr *addr,
		      __u32 host_port, __u32 room, struct ftp_edit *edit)
{
	struct ftp_put_loop loop = {.line = line, .edit = edit, .addr = addr};
	int form, least = 1;

	if (!line || !addr || !edit)
		return -ENOSPC;
	form = ftp_edit_form(line, addr);
	if (form < 0)
		return -ENOSPC;
	loop.run = form >> FTP_FORM_RUN_SHIFT;
	edit->length = 0;
	edit->offset = line->first;
	edit->removed = line->last - line->first;
	if (line->kind == FTP_227 || line->kind == FTP_229) {
		ftp_edit_reply(&loop, host_port, room);
	} else {
		if (room != FTP_ROOM_ADJUST)
			least = (int)edit->removed - (form & FTP_FORM_LENGTH);
		if (least > (line->kind == FTP_PORT ? FTP_PORT_DIGITS : FTP_EPRT_DIGITS))
			return -ENOSPC;
		ftp_edit_command(&loop, host_port, least > 0 ? least : 1);
	}
	if (edit->length > FTPFIX_LINE_MAX)
		return -ENOSPC;
	return room == FTP_ROOM_ADJUST || edit->length == edit->removed ? 0 : -ENOSPC;
}

#endif /* FTPFIX_FTP_EDIT_H */
