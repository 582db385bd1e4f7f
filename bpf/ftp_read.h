/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the endpoint out of an announcing line: 227 and PORT (RFC 959 section
 * 4.1.2, RFC 1123 section 4.1.2.6), 229 and EPRT (RFC 2428), HOST (RFC 7151).
 * Pure C over a buffer; it judges the form alone, not whether the endpoint is
 * acceptable.
 */
#ifndef FTPFIX_FTP_READ_H
#define FTPFIX_FTP_READ_H

#include <linux/errno.h>

#include "ftp_ipv6.h"
#include "ftp_scan.h"

/* Digits of a port that an EPRT may have, zeros in front included: what every
 * server bears. A 229 has no more than a port needs. */
#define FTP_EPRT_DIGITS 12
#define FTP_229_DIGITS 5

/* An announcing line, and what was read in it. Indexes count from the start
 * of the line. The caller fills text, length, kind and complete. */
struct ftp_announcement {
	char text[FTPFIX_LINE_MAX];
	char beyond[WORD_BYTES]; /* read with the last bytes of the text, and of no meaning */
	__u32 length;		 /* valid bytes of text, at most FTPFIX_LINE_MAX */
	__u32 kind;		 /* enum ftp_kind */
	__u32 complete;		 /* 1: the line's end is known to have been seen */

	struct ftpfix_addr addr; /* IPv4 mapped; none for 229 */
	__u32 host_port;	 /* 0..65535; 0 for HOST */
	__u32 ipv6;		 /* 1: the line writes it as an IPv6 address */
	/* What an edit replaces. 227, PORT: the six numbers. 229: the port. EPRT:
	 * from the protocol to the last digit of the port. HOST: the literal. */
	__u32 first;	   /* index of its first byte */
	__u32 last;	   /* index after its last byte */
	__u32 parenthesis; /* 1: they stand in parentheses; always so for 229 */

	/* Of the reader alone, between two bytes: */
	__u32 at;    /* where the current part begins */
	__u32 state; /* enum ftp_read_state */
	__u8 number[8];
	struct ftp_ipv6 address;
};

enum ftp_read_state { FTP_READ_ON, FTP_READ_DONE, FTP_READ_BAD, FTP_READ_NAME };

struct ftp_read_loop {
	struct ftp_announcement *line;
	char between;	   /* what ends an address */
	__u64 parenthesis; /* the first byte's mark: it stands behind one */
	__u64 space;	   /* the same behind a space */
};

/* A byte of the line; zero where there is none. The mask changes nothing, but it
 * is the bound that the verifier sees, whatever the compiler made of the test. */
static inline char ftp_text(const struct ftp_announcement *line, __u32 index)
{
	if (index >= line->length || index >= FTPFIX_LINE_MAX)
		return 0;
	barrier_var(index);
	return line->text[index & (FTPFIX_LINE_MAX - 1)];
}

/* Eight bytes of the line from an index on, below FTPFIX_LINE_MAX; zero where there are none. */
static inline __u64 ftp_text_word(const struct ftp_announcement *line, __u32 index)
{
	__u32 left = line->length - index;

	if (index >= line->length)
		return 0;
	barrier_var(index);
	return word_first(word_load(line->text + (index & (FTPFIX_LINE_MAX - 1))),
			  left < WORD_BYTES ? left : WORD_BYTES);
}

/* What is marked of the word at the index, without what stands in front of the line's text. */
static inline __u64 ftp_text_marks(__u64 marks, __u32 index)
{
	return index ? marks : marks >> FTP_TEXT_START * 8 << FTP_TEXT_START * 8;
}

/* Finds where the numbers of a 227 begin: a parenthesis before a digit, which
 * ends the search, or else the first number that stands by itself. One word. */
static inline long ftp_find_227(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	__u32 at = index * WORD_BYTES;
	__u64 word = ftp_text_word(line, at);
	__u64 digits = ftp_text_marks(word_mark_digits(word), at);
	__u64 parentheses = word_mark(word, '('), spaces = word_mark(word, ' ');
	/* Those behind which a digit stands; behind the last byte of a word, in the next one. */
	__u64 opened = digits & (parentheses << 8 | loop->parenthesis);
	__u64 apart = digits & (spaces << 8 | loop->space);

	loop->parenthesis = parentheses >> 56;
	loop->space = spaces >> 56;
	if (opened) {
		line->first = at + word_before(opened);
		line->parenthesis = 1;
		return 1;
	}
	if (!line->first && apart)
		line->first = at + word_before(apart);
	return at + WORD_BYTES >= line->length;
}

/*
 * Reads so many numbers of an octet each, with a byte between two, from line->at on:
 * "h1,h2,h3,h4,p1,p2" or "a.b.c.d". They end at line->last. Returns 0.
 */
__global int ftp_read_octets(struct ftp_announcement *line, __u32 fields, char between)
{
	__u32 field, at;

	if (!line)
		return 0;
	at = line->at;
	line->state = FTP_READ_BAD;
	for (field = 0; field < sizeof(line->number); field++) {
		__u64 word = at < FTPFIX_LINE_MAX ? ftp_text_word(line, at) : 0;
		__u32 digits = word_before(word_mark_digits(word) ^ WORD_ALL(0x80)), value;
		__u64 number;
		char behind;

		if (!digits || digits > 3)
			return 0;
		behind = word >> digits * 8;
		/* The last digit becomes the third byte. */
		number = word << (3 - digits) * 8;
		value = (number & 15) * 100 + (number >> 8 & 15) * 10 + (number >> 16 & 15);
		if (value > 255)
			return 0;
		line->number[field] = value;
		at += digits;
		if (field + 1 >= fields) {
			/* Nor may there be a number too many. */
			line->last = at;
			if (behind != between)
				line->state = FTP_READ_DONE;
			return 0;
		}
		if (behind != between)
			return 0;
		at++;
	}
	return 0;
}

static inline void ftp_read_ipv4(struct ftp_announcement *line)
{
	__u8 *bytes = (__u8 *)&line->addr;

	bytes[10] = 255;
	bytes[11] = 255;
	bytes[12] = line->number[0];
	bytes[13] = line->number[1];
	bytes[14] = line->number[2];
	bytes[15] = line->number[3];
}

/* The six numbers of a 227 or a PORT, from line->first on. */
static inline void ftp_read_six(struct ftp_announcement *line)
{
	line->at = line->first;
	ftp_read_octets(line, 6, ',');
	if (line->state != FTP_READ_DONE)
		return;
	ftp_read_ipv4(line);
	line->host_port = line->number[4] << 8 | line->number[5];
}

static inline void ftp_read_227(struct ftp_announcement *line)
{
	struct ftp_read_loop loop = {.line = line};

	each(FTPFIX_LINE_MAX / WORD_BYTES, ftp_find_227, &loop);
	if (!line->first) {
		line->state = FTP_READ_BAD;
		return;
	}
	ftp_read_six(line);
	/* Numbers cannot be whole that nothing yet follows; nor, without a
	 * parenthesis, be the right ones while one may follow. */
	if (line->last >= line->length ||
	    (line->parenthesis ? ftp_text(line, line->last) != ')' : !line->complete))
		line->state = FTP_READ_BAD;
}

/* Finds where the port of a 229 begins: behind the first parenthesis and three delimiters. One
 * word. */
static inline long ftp_find_229(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	__u32 at = index * WORD_BYTES;
	__u64 marks = ftp_text_marks(word_mark(ftp_text_word(line, at), '('), at);

	if (!marks)
		return at + WORD_BYTES >= line->length;
	line->first = at + word_before(marks) + sizeof("(|||") - 1;
	line->parenthesis = 1;
	return 1;
}

/* Reads a port of no more digits than these from line->at on. It ends at
 * line->last. */
static inline void ftp_read_port(struct ftp_announcement *line, __u32 digits)
{
	__u32 value = 0, count;

	line->state = FTP_READ_BAD;
	for (count = 0; count <= digits; count++) {
		char byte = ftp_text(line, line->at + count);

		if (!ftp_digit(byte)) {
			line->last = line->at + count;
			line->host_port = value;
			if (count)
				line->state = FTP_READ_DONE;
			return;
		}
		value = value * 10 + (byte - '0');
		if (value > 65535)
			return;
	}
}

/* RFC 2428 section 2: any printable character may delimit. No digit, for the
 * parts could not be told apart. */
static inline int ftp_delimiter(char byte)
{
	return byte >= 33 && byte <= 126 && !ftp_digit(byte);
}

/* Nor what can stand in the address that it delimits. */
static inline int ftp_eprt_delimiter(char byte, __u32 ipv6)
{
	return ftp_delimiter(byte) && byte != '.' && !(ipv6 && (byte == ':' || ftp_hex(byte) < 16));
}

static inline void ftp_read_229(struct ftp_announcement *line)
{
	struct ftp_read_loop loop = {.line = line};
	char delimiter;

	each(FTPFIX_LINE_MAX / WORD_BYTES, ftp_find_229, &loop);
	if (!line->first) {
		line->state = FTP_READ_BAD;
		return;
	}
	line->at = line->first;
	ftp_read_port(line, FTP_229_DIGITS);
	delimiter = ftp_text(line, line->first - 1);
	if (!ftp_delimiter(delimiter) || ftp_text(line, line->first - 2) != delimiter ||
	    ftp_text(line, line->first - 3) != delimiter ||
	    ftp_text(line, line->last) != delimiter || ftp_text(line, line->last + 1) != ')')
		line->state = FTP_READ_BAD;
}

static inline long ftp_find_argument(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;

	if (ftp_text(line, FTP_TEXT_START + index) == ' ')
		return 0;
	line->first = FTP_TEXT_START + index;
	return 1;
}

/* Whether the line ends at this index. */
static inline int ftp_read_ends(const struct ftp_announcement *line, __u32 index)
{
	char byte = ftp_text(line, index);

	return byte == '\n' || (byte == '\r' && ftp_text(line, index + 1) == '\n');
}

/* The line must end here, behind the argument: servers and other translators
 * refuse a PORT or an EPRT that has a space there. */
static inline void ftp_read_command_end(struct ftp_announcement *line, __u32 index)
{
	if (line->state == FTP_READ_DONE && !ftp_read_ends(line, index))
		line->state = FTP_READ_BAD;
}

static inline long ftp_read_ipv6_byte(__u32 index, void *context)
{
	struct ftp_read_loop *loop = context;
	struct ftp_announcement *line = loop->line;
	char byte = ftp_text(line, line->at + index);

	if (byte == loop->between) {
		line->last = line->at + index;
		line->state = ftp_ipv6_end(&line->address) ? FTP_READ_BAD : FTP_READ_DONE;
		return 1;
	}
	if (!ftp_ipv6_byte(&line->address, byte))
		return 0;
	line->state = FTP_READ_BAD;
	return 1;
}

/* Reads an IPv6 address from line->at on. The delimiter stands at line->last. */
static inline void ftp_read_ipv6(struct ftp_announcement *line, char delimiter)
{
	struct ftp_read_loop loop = {.line = line, .between = delimiter};

	line->ipv6 = 1;
	ftp_ipv6_begin(&line->address);
	each(FTP_IPV6_TEXT_MAX + 1, ftp_read_ipv6_byte, &loop);
	if (line->state == FTP_READ_DONE)
		ftp_ipv6_store(&line->address, &line->addr);
}

/* "|1|132.235.1.2|6275|" or "|2|1080::8:800:200C:417A|5282|": the delimiter in
 * front of line->first, which is the protocol. */
static inline void ftp_read_eprt(struct ftp_announcement *line)
{
	char delimiter = ftp_text(line, line->first);
	char protocol = ftp_text(line, line->first + 1);

	line->first++;
	line->at = line->first + 2;
	if ((protocol != '1' && protocol != '2') ||
	    !ftp_eprt_delimiter(delimiter, protocol == '2') ||
	    ftp_text(line, line->first + 1) != delimiter) {
		line->state = FTP_READ_BAD;
		return;
	}
	if (protocol == '2')
		ftp_read_ipv6(line, delimiter);
	else
		ftp_read_octets(line, 4, '.');
	if (line->state != FTP_READ_DONE || ftp_text(line, line->last) != delimiter) {
		line->state = FTP_READ_BAD;
		return;
	}
	if (protocol == '1')
		ftp_read_ipv4(line);
	line->at = line->last + 1;
	ftp_read_port(line, FTP_EPRT_DIGITS);
	if (ftp_text(line, line->last) != delimiter)
		line->state = FTP_READ_BAD;
	ftp_read_command_end(line, line->last + 1);
}

/* RFC 7151 section 3: a name, an IPv4 address or an IPv6 address in brackets. */
static inline void ftp_read_host(struct ftp_announcement *line)
{
	char byte = ftp_text(line, line->first);

	line->at = line->first;
	if (byte == '[') {
		line->at++;
		ftp_read_ipv6(line, ']');
		line->last++;
		ftp_read_command_end(line, line->last);
		return;
	}
	if (ftp_line_end(byte)) {
		line->state = FTP_READ_BAD;
		return;
	}
	ftp_read_octets(line, 4, '.');
	ftp_read_command_end(line, line->last);
	if (line->state == FTP_READ_DONE)
		ftp_read_ipv4(line);
	else
		line->state = FTP_READ_NAME;
}

/* The argument of a command. More spaces than one may stand in front of it:
 * some servers bear that, and the others refuse it whatever is written there. */
static inline void ftp_read_command(struct ftp_announcement *line)
{
	struct ftp_read_loop loop = {.line = line};

	each(FTPFIX_LINE_MAX - FTP_TEXT_START, ftp_find_argument, &loop);
	if (line->first <= FTP_TEXT_START)
		line->state = FTP_READ_BAD;
	else if (line->kind == FTP_EPRT)
		ftp_read_eprt(line);
	else if (line->kind == FTP_HOST)
		ftp_read_host(line);
	else
		ftp_read_six(line);
	if (line->kind == FTP_PORT)
		ftp_read_command_end(line, line->last);
}

/*
 * Reads the announcement in line. Returns 0; -EAGAIN when the text ends before
 * the announcement does and more may follow; -EBADMSG when there is none;
 * -ENOENT for a HOST that gives a name.
 */
__global int ftp_read(struct ftp_announcement *line)
{
	if (!line)
		return -EBADMSG;
	__builtin_memset(&line->addr, 0, sizeof(line->addr));
	line->host_port = 0;
	line->ipv6 = 0;
	line->first = 0;
	line->last = 0;
	line->parenthesis = 0;
	line->state = FTP_READ_ON;
	if (line->kind == FTP_227)
		ftp_read_227(line);
	else if (line->kind == FTP_229)
		ftp_read_229(line);
	else if (line->kind)
		ftp_read_command(line);
	if (line->state == FTP_READ_DONE)
		return 0;
	/* A text that stops short reads as zero bytes, which nothing accepts. */
	if (!line->complete && line->length < FTPFIX_LINE_MAX)
		return -EAGAIN;
	return line->state == FTP_READ_NAME ? -ENOENT : -EBADMSG;
}

#endif /* FTPFIX_FTP_READ_H */
