/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The line scanner of FTP control connections (RFC 959 sections 4.1 and 4.2):
 * where lines begin and end, and what kind of line each one is. Pure C over a
 * buffer; it knows nothing of packets and does not read what a line announces.
 */
#ifndef FTPFIX_FTP_SCAN_H
#define FTPFIX_FTP_SCAN_H

#include "ftpfix.h"
#include "loop.h"

#define FTP_CHUNK_MAX 256

/* Columns are counted up to here; only the first ones are ever compared. */
#define FTP_COLUMN_MAX 65535

/* A piece of one direction of a control connection. */
struct ftp_chunk {
	char bytes[FTP_CHUNK_MAX];
	__u32 length; /* valid bytes, at most FTP_CHUNK_MAX */
	__u32 offset; /* first byte not scanned yet */
};

enum ftp_verb { FTP_VERB_OTHER, FTP_VERB_PASV, FTP_VERB_EPSV };

/* The announcing replies, by their code. */
enum ftp_code { FTP_CODE_227 = 227, FTP_CODE_229 = 229 };

struct ftp_scan_loop {
	struct ftpfix_scan *scan;
	struct ftp_chunk *chunk;
};

static inline long ftp_scan_byte(__u32 index, void *context)
{
	struct ftp_scan_loop *loop = context;
	struct ftpfix_scan *scan = loop->scan;
	struct ftp_chunk *chunk = loop->chunk;
	__u32 offset = chunk->offset;
	__u32 column = scan->column;
	char byte;

	(void)index;
	if (offset >= chunk->length || offset >= FTP_CHUNK_MAX)
		return 1;
	byte = chunk->bytes[offset];
	chunk->offset = offset + 1;
	if (column < sizeof(scan->head))
		scan->head[column] = byte;
	if (column < FTP_COLUMN_MAX)
		scan->column = column + 1;
	return byte == '\n';
}

/*
 * Scans on to the end of the current line or of the chunk, whichever is first.
 * Returns 1 when the line ended (its newline is scanned), 0 when the chunk did.
 * After a 1 the caller looks at the line, then calls one ftp_scan_*_done().
 */
__global int ftp_scan_line(struct ftpfix_scan *scan, struct ftp_chunk *chunk)
{
	struct ftp_scan_loop loop = {.scan = scan, .chunk = chunk};
	__u32 first, last;

	if (!scan || !chunk)
		return 0;
	first = chunk->offset;
	each(FTP_CHUNK_MAX, ftp_scan_byte, &loop);
	last = chunk->offset - 1;
	return chunk->offset != first && last < FTP_CHUNK_MAX && chunk->bytes[last] == '\n';
}

static inline void ftp_scan_next_line(struct ftpfix_scan *scan)
{
	__builtin_memset(scan->head, 0, sizeof(scan->head));
	scan->column = 0;
}

static inline char ftp_upper(char byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
}

static inline int ftp_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static inline int ftp_line_end(char byte)
{
	return byte == '\r' || byte == '\n' || byte == 0;
}

/* The verb of the command line that ended. `EPSV ALL` asks for no address
 * (RFC 2428 section 4) and so is not the EPSV that a 229 answers. */
static inline enum ftp_verb ftp_scan_verb(const struct ftpfix_scan *scan)
{
	const char *head = scan->head;
	char first = ftp_upper(head[0]);

	if ((first != 'P' && first != 'E') || ftp_upper(head[3]) != 'V' ||
	    (!ftp_line_end(head[4]) && head[4] != ' '))
		return FTP_VERB_OTHER;
	if (first == 'P' && ftp_upper(head[1]) == 'A' && ftp_upper(head[2]) == 'S')
		return FTP_VERB_PASV;
	if (first == 'E' && ftp_upper(head[1]) == 'P' && ftp_upper(head[2]) == 'S' &&
	    ftp_upper(head[5]) != 'A')
		return FTP_VERB_EPSV;
	return FTP_VERB_OTHER;
}

/* The code that the current reply line starts with, or 0: RFC 959 section 4.2
 * wants three digits, then a space or, in a multi-line reply, a hyphen. */
static inline __u32 ftp_scan_code(const struct ftpfix_scan *scan)
{
	const char *head = scan->head;

	if (scan->column < 4 || !ftp_digit(head[0]) || !ftp_digit(head[1]) || !ftp_digit(head[2]))
		return 0;
	if (head[3] != ' ' && head[3] != '-' && !ftp_line_end(head[3]))
		return 0;
	return (head[0] - '0') * 100 + (head[1] - '0') * 10 + (head[2] - '0');
}

/* Whether the current line has the form of a final 227 or 229 line; the code
 * then, or 0. Whether it stands outside of other replies is not asked here. */
static inline __u32 ftp_scan_announcement(const struct ftpfix_scan *scan)
{
	__u32 code = ftp_scan_code(scan);

	return (code == FTP_CODE_227 || code == FTP_CODE_229) && scan->head[3] == ' ' ? code : 0;
}

/* Whether the current line belongs to a multi-line reply of another code, so
 * that nothing in it is a reply. (aioftp announces on the last line of a
 * multi-line 227: that is one.) */
static inline int ftp_scan_inside(const struct ftpfix_scan *scan, __u32 code)
{
	return scan->multiline && scan->multiline != code;
}

/* Ends a command line. */
static inline void ftp_scan_command_done(struct ftpfix_scan *scan)
{
	ftp_scan_next_line(scan);
}

/* Ends a reply line: RFC 959 section 4.2, "123-" opens a multi-line reply and
 * "123 " with the same code closes it. */
static inline void ftp_scan_reply_done(struct ftpfix_scan *scan)
{
	__u32 code = ftp_scan_code(scan);

	if (code && !scan->multiline && scan->head[3] == '-')
		scan->multiline = code;
	else if (code && scan->multiline == code && scan->head[3] != '-')
		scan->multiline = 0;
	ftp_scan_next_line(scan);
}

#endif /* FTPFIX_FTP_SCAN_H */
