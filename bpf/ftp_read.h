/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the endpoint out of an announcing line: 227 (RFC 959 section 4.1.2,
 * RFC 1123 section 4.1.2.6) and 229 (RFC 2428 section 3). Pure C over a buffer;
 * it judges the form alone, not whether the endpoint is acceptable.
 */
#ifndef FTPFIX_FTP_READ_H
#define FTPFIX_FTP_READ_H

#include <linux/errno.h>

#include "ftp_scan.h"

/* No server prints its announcement further right than this. */
#define FTP_LINE_MAX 128

/* Where the code and its space end. */
#define FTP_TEXT_START 4

/* An announcing line, and what was read in it. Indexes count from the start
 * of the line. The caller fills code, text, length and complete. */
struct ftp_announcement {
	char text[FTP_LINE_MAX];
	__u32 length;	/* valid bytes of text, at most FTP_LINE_MAX */
	__u32 code;	/* enum ftp_code */
	__u32 complete; /* 1: the line's end is known to have been seen */

	__u32 host_address; /* 227: IPv4, host order */
	__u32 host_port;    /* 0..65535 */
	__u32 first;	    /* index of the first digit of the numbers */
	__u32 last;	    /* index after their last digit */
	__u32 parenthesis;  /* 1: they stand in parentheses; always so for 229 */

	/* Of the reader alone, between two bytes: */
	__u32 field;  /* numbers finished */
	__u32 value;  /* of the current number */
	__u32 digits; /* of the current number */
	__u32 state;  /* enum ftp_read_state */
	__u8 number[8];
};

enum ftp_read_state { FTP_READ_ON, FTP_READ_DONE, FTP_READ_BAD };

struct ftp_read_loop {
	struct ftp_announcement *line;
};

static inline char ftp_text(const struct ftp_announcement *line, __u32 index)
{
	return index < line->length && index < FTP_LINE_MAX ? line->text[index] : 0;
}

/* Finds where the numbers of a 227 begin: a parenthesis before a digit, which
 * ends the search, or else the first number that stands by itself. */
static inline long ftp_find_227(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	__u32 at = FTP_TEXT_START + index;

	if (!ftp_digit(ftp_text(line, at)))
		return 0;
	if (ftp_text(line, at - 1) == '(') {
		line->first = at;
		line->parenthesis = 1;
		return 1;
	}
	if (!line->first && ftp_text(line, at - 1) == ' ')
		line->first = at;
	return 0;
}

/* One byte of "h1,h2,h3,h4,p1,p2". */
static inline long ftp_read_227_byte(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	__u32 at = line->first + index;
	char byte = ftp_text(line, at);

	if (ftp_digit(byte)) {
		line->value = line->value * 10 + (byte - '0');
		line->digits++;
		if (line->digits <= 3 && line->value <= 255)
			return 0;
		line->state = FTP_READ_BAD;
		return 1;
	}
	if (!line->digits || line->field > 5) {
		line->state = FTP_READ_BAD;
		return 1;
	}
	line->number[line->field & 7] = line->value;
	line->field++;
	line->value = 0;
	line->digits = 0;
	if (line->field < 6 && byte == ',')
		return 0;
	line->last = at;
	line->state = line->field == 6 ? FTP_READ_DONE : FTP_READ_BAD;
	return 1;
}

static inline void ftp_read_227(struct ftp_announcement *line)
{
	struct ftp_read_loop loop = {.line = line};
	const __u8 *number = line->number;

	each(FTP_LINE_MAX - FTP_TEXT_START, ftp_find_227, &loop);
	if (!line->first) {
		line->state = FTP_READ_BAD;
		return;
	}
	each(sizeof("255,255,255,255,255,255"), ftp_read_227_byte, &loop);
	if (line->state != FTP_READ_DONE)
		return;
	if (line->parenthesis && ftp_text(line, line->last) != ')')
		line->state = FTP_READ_BAD;
	line->host_address = (__u32)number[0] << 24 | number[1] << 16 | number[2] << 8 | number[3];
	line->host_port = number[4] << 8 | number[5];
}

static inline long ftp_find_229(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;

	if (ftp_text(line, FTP_TEXT_START + index) != '(')
		return 0;
	line->first = FTP_TEXT_START + index + sizeof("(|||") - 1;
	line->parenthesis = 1;
	return 1;
}

static inline long ftp_read_229_byte(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	char byte = ftp_text(line, line->first + index);

	if (!ftp_digit(byte)) {
		line->last = line->first + index;
		line->state = FTP_READ_DONE;
		return 1;
	}
	line->value = line->value * 10 + (byte - '0');
	line->digits++;
	return 0;
}

static inline void ftp_read_229(struct ftp_announcement *line)
{
	struct ftp_read_loop loop = {.line = line};
	char delimiter;

	each(FTP_LINE_MAX - FTP_TEXT_START, ftp_find_229, &loop);
	if (!line->first) {
		line->state = FTP_READ_BAD;
		return;
	}
	each(sizeof("65535"), ftp_read_229_byte, &loop);
	/* RFC 2428 section 2: any printable character but a digit delimits. */
	delimiter = ftp_text(line, line->first - 1);
	if (line->state != FTP_READ_DONE || !line->digits || line->value > 65535 ||
	    delimiter < 33 || delimiter > 126 || ftp_digit(delimiter) ||
	    ftp_text(line, line->first - 2) != delimiter ||
	    ftp_text(line, line->first - 3) != delimiter ||
	    ftp_text(line, line->last) != delimiter || ftp_text(line, line->last + 1) != ')')
		line->state = FTP_READ_BAD;
	line->host_port = line->value & 65535;
}

/* How far a terminator must be behind the numbers for them to be whole. */
static inline __u32 ftp_numbers_end(const struct ftp_announcement *line)
{
	return line->last + (line->code == FTP_CODE_229 ? 2 : 1);
}

/*
 * Reads the announcement in line. Returns 0; -EAGAIN when the text ends before
 * the announcement does and more may follow; -EBADMSG when there is none.
 */
__global int ftp_read(struct ftp_announcement *line)
{
	if (!line)
		return -EBADMSG;
	line->host_address = 0;
	line->host_port = 0;
	line->first = 0;
	line->last = 0;
	line->parenthesis = 0;
	line->field = 0;
	line->value = 0;
	line->digits = 0;
	line->state = FTP_READ_ON;
	if (line->code == FTP_CODE_227)
		ftp_read_227(line);
	else
		ftp_read_229(line);
	/* A text that stops short reads as zero bytes, which are no numbers;
	 * nor can numbers be whole that nothing yet follows. */
	if (line->state == FTP_READ_DONE && ftp_numbers_end(line) <= line->length)
		return 0;
	return line->complete || line->length >= FTP_LINE_MAX ? -EBADMSG : -EAGAIN;
}

#endif /* FTPFIX_FTP_READ_H */
