/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The line scanner of FTP control connections (RFC 959 sections 4.1 and 4.2):
 * where lines begin and end, and what kind of line each one is. Pure C over a
 * buffer; it knows nothing of packets and does not read what a line announces.
 */
#ifndef FTPFIX_FTP_SCAN_H
#define FTPFIX_FTP_SCAN_H

#include "ftpfix.h"
#include "ftp_verb.h"
#include "loop.h"
#include "word.h"

#define FTP_CHUNK_MAX 256

/* The length of a reply's code and its space, and of an announcing verb. */
#define FTP_TEXT_START 4

/* Where the scanner of one direction stands between two bytes. */
struct ftp_scan {
	char line[FTPFIX_LINE_MAX]; /* the first bytes of the current line, then zero bytes */
	__u32 column;		    /* bytes of the current line so far, saturating */
	__u32 multiline;	    /* reply code that ends the multi-line reply, or 0 */
};

/* A piece of one direction of a control connection. */
struct ftp_chunk {
	char bytes[FTP_CHUNK_MAX];
	char beyond[WORD_BYTES]; /* read with the last of them, and of no meaning */
	__u32 length;		 /* valid bytes, at most FTP_CHUNK_MAX */
	__u32 offset;		 /* first byte not scanned yet */
};

/* The lines that name an endpoint. */
enum ftp_kind { FTP_NONE, FTP_227, FTP_229, FTP_PORT, FTP_EPRT, FTP_HOST };

struct ftp_scan_loop {
	struct ftp_scan *scan;
	struct ftp_chunk *chunk;
	int ended; /* 1: the line has */
};

/* Words that are scanned in one round: a round costs more than a word. */
#define FTP_SCAN_WORDS 4

/* Scans on by a word at most. Returns 1 at the end of the line or of the chunk. */
static inline long ftp_scan_word(struct ftp_scan_loop *loop)
{
	struct ftp_scan *scan = loop->scan;
	struct ftp_chunk *chunk = loop->chunk;
	__u32 offset = chunk->offset, column = scan->column;
	__u32 count = chunk->length - offset, newline;
	__u64 word;
	char *last;

	if (offset >= chunk->length || offset >= FTP_CHUNK_MAX)
		return 1;
	if (count > WORD_BYTES)
		count = WORD_BYTES;
	word = word_load(chunk->bytes + offset);
	newline = word_before(word_mark(word, '\n'));
	if (newline < count) {
		loop->ended = 1;
		count = newline + 1;
	}
	chunk->offset = offset + count;
	word = word_first(word, count);
	scan->column = column + count < FTPFIX_COLUMN_MAX ? column + count : FTPFIX_COLUMN_MAX;
	if (column <= FTPFIX_LINE_MAX - WORD_BYTES) {
		word_store(scan->line + column, word);
	} else if (column < FTPFIX_LINE_MAX) {
		/* Into the last word, which is zero from the column on. */
		last = scan->line + FTPFIX_LINE_MAX - WORD_BYTES;
		column -= FTPFIX_LINE_MAX - WORD_BYTES;
		word_store(last, word_load(last) | word << column * 8);
	}
	return loop->ended;
}

static inline long ftp_scan_round(__u32 index, void *context)
{
	(void)index;
	for (__u32 word = 0; word < FTP_SCAN_WORDS; word++)
		if (ftp_scan_word(context))
			return 1;
	return 0;
}

/*
 * Scans on to the end of the current line or of the chunk, whichever is first.
 * Returns 1 when the line ended (its newline is scanned), 0 when the chunk did.
 * After a 1 the caller looks at the line, then calls one ftp_scan_*_done().
 */
__global int ftp_scan_line(struct ftp_scan *scan, struct ftp_chunk *chunk)
{
	struct ftp_scan_loop loop = {.scan = scan, .chunk = chunk};

	if (scan && chunk)
		each(FTP_CHUNK_MAX / WORD_BYTES / FTP_SCAN_WORDS, ftp_scan_round, &loop);
	return loop.ended;
}

/* What is not there of a line reads as zero bytes, which end a word. */
static inline void ftp_scan_next_line(struct ftp_scan *scan)
{
	__builtin_memset(scan->line, 0, sizeof(scan->line));
	scan->column = 0;
}

static inline int ftp_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Where the command starts: behind the Telnet Synch, at most, that RFC 959
 * section 4.1.3 puts before ABOR (IAC IP IAC DM: bytes of 0x80 and above). A sum
 * instead of a loop, so that the verifier sees one bounded number. */
static inline __u32 ftp_scan_start(const struct ftp_scan *scan)
{
	const __u8 *line = (const __u8 *)scan->line;
	__u32 one = line[0] >> 7, two = one & line[1] >> 7, three = two & line[2] >> 7;

	return one + two + three + (three & line[3] >> 7);
}

struct ftp_scan_argument {
	const struct ftp_scan *scan;
	__u32 start;
	__u32 at; /* of the first byte that is no space */
};

static inline long ftp_scan_argument_byte(__u32 index, void *context)
{
	struct ftp_scan_argument *loop = context;
	__u32 at = (loop->start + FTP_TEXT_START + index) & (FTPFIX_LINE_MAX - 1);

	if (loop->scan->line[at] == ' ')
		return 0;
	loop->at = at;
	return 1;
}

/* Whether the argument of the EPSV is ALL. */
static inline int ftp_scan_all(const struct ftp_scan *scan, __u32 start)
{
	struct ftp_scan_argument loop = {.scan = scan, .start = start};
	__u32 at;

	each(FTPFIX_LINE_MAX - FTP_TEXT_START, ftp_scan_argument_byte, &loop);
	at = loop.at;
	barrier_var(at);
	if (at <= start + FTP_TEXT_START || at > FTPFIX_LINE_MAX - 4)
		return 0;
	return ftp_word_end(scan->line[at + 3]) &&
	       ((ftp_word(scan->line + at) & ~255u) | ' ') == 'ALL ';
}

/* The verb of the command line that ended, or of what there is of it. */
__global enum ftp_verb ftp_scan_verb(const struct ftp_scan *scan)
{
	enum ftp_verb verb;
	__u32 start;

	if (!scan)
		return FTP_VERB_UNKNOWN;
	start = ftp_scan_start(scan);
	verb = ftp_verb_of(scan->line + start);
	return verb == FTP_VERB_EPSV && ftp_scan_all(scan, start) ? FTP_VERB_EPSV_ALL : verb;
}

static inline int ftp_letter(char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/*
 * Whether the first line of a control connection cannot be FTP. A web page can
 * make a browser behind the NAT send what the page's author wrote to port 21 of
 * a host of his, a PORT among it ("NAT slipstreaming"): but the request that the
 * browser puts in front starts with a method of HTTP, with the binary header of
 * TLS or TURN, or with a longer word. No command of FTP starts like that. Of a
 * line that has not ended only what is there is judged.
 */
__global int ftp_scan_foreign(const struct ftp_scan *scan)
{
	__u32 start, letters, word;
	const char *line;

	if (!scan)
		return 0;
	start = ftp_scan_start(scan);
	line = scan->line + start;
	for (letters = 0; letters < 5; letters++)
		if (!ftp_letter(line[letters]))
			break;
	if (letters <= 4 && scan->column == start + letters)
		return 0; /* the word goes on */
	if (letters < 3 || letters > 4 || !ftp_word_end(line[letters]))
		return 1;
	word = ftp_word(line);
	if (letters == 3)
		word = (word & ~255u) | ' ';
	return word == 'GET ' || word == 'PUT ' || word == 'PRI ' || word == 'POST' ||
	       word == 'HEAD';
}

/* The code that the current reply line starts with, or 0: RFC 959 section 4.2
 * wants three digits, then a space or, in a multi-line reply, a hyphen. */
static inline __u32 ftp_scan_code(const struct ftp_scan *scan)
{
	const char *line = scan->line;

	if (scan->column < 4 || !ftp_digit(line[0]) || !ftp_digit(line[1]) || !ftp_digit(line[2]))
		return 0;
	if (line[3] != ' ' && line[3] != '-' && !ftp_line_end(line[3]))
		return 0;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* The kind of the current reply line by its form: a final 227 or 229 line.
 * Whether it stands outside of other replies is not asked here. */
static inline enum ftp_kind ftp_scan_reply_kind(const struct ftp_scan *scan)
{
	__u32 word = ftp_word(scan->line);

	return word == '227 ' ? FTP_227 : word == '229 ' ? FTP_229 : FTP_NONE;
}

/* The kind of the current command line by its verb, which starts the line: no
 * client sends a Synch before these. */
static inline enum ftp_kind ftp_scan_command_kind(const struct ftp_scan *scan)
{
	__u32 word = ftp_word(scan->line);

	if (scan->line[FTP_TEXT_START] != ' ')
		return FTP_NONE;
	return word == 'PORT'	? FTP_PORT
	       : word == 'EPRT' ? FTP_EPRT
	       : word == 'HOST' ? FTP_HOST
				: FTP_NONE;
}

/* Whether the first bytes of the unfinished line, up to four, are those of the
 * word. */
static inline int ftp_scan_starts(const struct ftp_scan *scan, __u32 word)
{
	__u32 missing = scan->column < 4 ? 32 - scan->column * 8 : 0;

	return (ftp_word(scan->line) ^ word) >> missing == 0;
}

/* Whether the unfinished reply line is one that announces, or may become one. */
__global int ftp_scan_reply_open(const struct ftp_scan *scan)
{
	if (!scan || !scan->column || scan->column > FTPFIX_LINE_MAX)
		return 0;
	return ftp_scan_starts(scan, '227 ') || ftp_scan_starts(scan, '229 ');
}

/* Whether the unfinished command line is a PORT or an EPRT (or, when `host` is
 * 1, a HOST), or may become one. */
__global int ftp_scan_command_open(const struct ftp_scan *scan, int host)
{
	if (!scan || !scan->column || scan->column > FTPFIX_LINE_MAX)
		return 0;
	if (scan->column > FTP_TEXT_START && scan->line[FTP_TEXT_START] != ' ')
		return 0;
	return ftp_scan_starts(scan, 'PORT') || ftp_scan_starts(scan, 'EPRT') ||
	       (host && ftp_scan_starts(scan, 'HOST'));
}

/* Whether the current line belongs to a multi-line reply of another code, so
 * that nothing in it is a reply. (aioftp announces on the last line of a
 * multi-line 227: that is one.) */
static inline int ftp_scan_inside(const struct ftp_scan *scan, __u32 code)
{
	return scan->multiline && scan->multiline != code;
}

/* Ends a command line. */
static inline void ftp_scan_command_done(struct ftp_scan *scan)
{
	ftp_scan_next_line(scan);
}

/* Ends a reply line: RFC 959 section 4.2, "123-" opens a multi-line reply and
 * "123 " with the same code closes it. */
static inline void ftp_scan_reply_done(struct ftp_scan *scan)
{
	__u32 code = ftp_scan_code(scan);

	if (code && !scan->multiline && scan->line[3] == '-')
		scan->multiline = code;
	else if (code && scan->multiline == code && scan->line[3] != '-')
		scan->multiline = 0;
	ftp_scan_next_line(scan);
}

struct ftp_plain_loop {
	const struct ftp_chunk *chunk;
	int other; /* 1: a byte is not of a text */
};

static inline long ftp_plain_byte(__u32 index, void *context)
{
	struct ftp_plain_loop *loop = context;
	const struct ftp_chunk *chunk = loop->chunk;
	char byte;

	if (index >= chunk->length || index >= FTP_CHUNK_MAX)
		return 1;
	byte = chunk->bytes[index];
	if ((byte >= ' ' && byte <= '~') || byte == '\r' || byte == '\n')
		return 0;
	loop->other = 1;
	return 1;
}

/* The least that a whole segment of text holds: "PWD" or "200" would be less,
 * but so would the rest of a TLS record. */
#define FTP_PLAIN_MIN 6

/*
 * Whether the chunk, which is a whole segment, is unmistakably FTP in the clear:
 * lines of printable ASCII that start like a command or a reply. After CCC (RFC
 * 2228 section 3) text follows TLS records, and none of those passes for it: each
 * starts with a byte between 20 and 24.
 */
__global int ftp_plain(const struct ftp_chunk *chunk, int from_client)
{
	struct ftp_plain_loop loop = {.chunk = chunk};
	__u32 length;

	if (!chunk || chunk->length < FTP_PLAIN_MIN || chunk->length > FTP_CHUNK_MAX)
		return 0;
	each(FTP_CHUNK_MAX, ftp_plain_byte, &loop);
	length = chunk->length;
	barrier_var(length);
	if (loop.other || chunk->bytes[(length - 2) & (FTP_CHUNK_MAX - 1)] != '\r' ||
	    chunk->bytes[(length - 1) & (FTP_CHUNK_MAX - 1)] != '\n')
		return 0;
	if (from_client)
		return ftp_verb_of(chunk->bytes) != FTP_VERB_UNKNOWN;
	return chunk->bytes[0] >= '1' && chunk->bytes[0] <= '6' && ftp_digit(chunk->bytes[1]) &&
	       ftp_digit(chunk->bytes[2]) && (chunk->bytes[3] == ' ' || chunk->bytes[3] == '-');
}

#endif /* FTPFIX_FTP_SCAN_H */
