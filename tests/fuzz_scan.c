// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fuzzes the line scanner with the bytes of one direction of a control
 * connection: wherever they are cut it must come to the same lines, and to those
 * that plain searches in the C library come to.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ftp_engine.h"
#include "fuzz.h"

#define STREAM_MAX 4096

/* The scanner's state at the end of each line, and of all. */
struct trace {
	size_t lines;
	size_t end[STREAM_MAX];
	struct ftp_scan scan[STREAM_MAX + 1];
};

/* Feeds the stream in pieces: all of one size, or of any when that is 0. */
static void feed(const uint8_t *data, size_t size, size_t piece, int replies, struct trace *trace)
{
	struct ftp_scan scan = {};
	size_t at = 0;

	trace->lines = 0;
	while (at < size) {
		size_t length = piece ? piece : 1 + fuzz_random() % FTP_CHUNK_MAX;
		struct ftp_chunk chunk;

		memset(&chunk, 0xaa, sizeof(chunk));
		chunk.length = length < size - at ? length : size - at;
		chunk.offset = 0;
		memcpy(chunk.bytes, data + at, chunk.length);
		while (chunk.offset < chunk.length) {
			if (!ftp_scan_line(&scan, &chunk)) {
				require(chunk.offset == chunk.length);
				break;
			}
			trace->end[trace->lines] = at + chunk.offset;
			trace->scan[trace->lines++] = scan;
			if (replies)
				ftp_scan_reply_done(&scan);
			else
				ftp_scan_command_done(&scan);
		}
		at += chunk.length;
	}
	trace->scan[trace->lines] = scan;
}

/* The lines are those between newlines, kept up to the bound and no further. */
static void check_lines(const uint8_t *data, size_t size, const struct trace *trace)
{
	size_t start = 0;

	for (size_t number = 0; number <= trace->lines; number++) {
		const struct ftp_scan *scan = &trace->scan[number];
		const uint8_t *newline = memchr(data + start, '\n', size - start);
		size_t end = newline ? (size_t)(newline - data) + 1 : size;
		char line[FTPFIX_LINE_MAX] = {};

		require(!newline == (number == trace->lines));
		require(number == trace->lines || trace->end[number] == end);
		require(scan->column == end - start);
		memcpy(line, data + start, end - start < sizeof(line) ? end - start : sizeof(line));
		require(!memcmp(scan->line, line, sizeof(line)));
		start = end;
	}
}

static const struct {
	const char *name;
	enum ftp_verb verb;
} verbs[] = {
	{"PASV", FTP_VERB_PASV}, {"EPSV", FTP_VERB_EPSV}, {"PORT", FTP_VERB_PORT},
	{"EPRT", FTP_VERB_EPRT}, {"HOST", FTP_VERB_HOST}, {"AUTH", FTP_VERB_AUTH},
	{"LPSV", FTP_VERB_LONG}, {"LPRT", FTP_VERB_LONG}, {"CCC", FTP_VERB_CCC},
};

static enum ftp_verb reference_verb(const char *line)
{
	size_t length;

	for (int synch = 0; synch < 4 && *line & 0x80; synch++)
		line++;
	length = strcspn(line, " \r\n");
	for (size_t at = 0; at < sizeof(verbs) / sizeof(*verbs); at++)
		if (strlen(verbs[at].name) == length &&
		    !strncasecmp(line, verbs[at].name, length)) {
			const char *argument = line + length + strspn(line + length, " ");

			if (verbs[at].verb == FTP_VERB_EPSV && argument > line + length &&
			    strcspn(argument, " \r\n") == 3 && !strncasecmp(argument, "ALL", 3))
				return FTP_VERB_EPSV_ALL;
			return verbs[at].verb;
		}
	return FTP_VERB_OTHER;
}

/* What is said of a line agrees with what was said of its beginnings. */
static void check_line(const struct ftp_scan *scan)
{
	enum ftp_kind reply = ftp_scan_reply_kind(scan), command = ftp_scan_command_kind(scan);
	enum ftp_verb verb = ftp_scan_verb(scan), expected;
	struct ftp_scan start = {};
	int foreign = ftp_scan_foreign(scan);
	char line[FTPFIX_LINE_MAX + 1] = {};

	memcpy(line, scan->line, FTPFIX_LINE_MAX);
	expected = reference_verb(line);
	if (expected == FTP_VERB_OTHER)
		require(verb == FTP_VERB_OTHER || verb == FTP_VERB_UNKNOWN);
	else if (scan->column <= FTPFIX_LINE_MAX)
		require(verb == expected);
	require(reply == (!strncmp(line, "227 ", 4)   ? FTP_227
			  : !strncmp(line, "229 ", 4) ? FTP_229
						      : FTP_NONE));
	require(command == (!strncasecmp(line, "PORT ", 5)   ? FTP_PORT
			    : !strncasecmp(line, "EPRT ", 5) ? FTP_EPRT
			    : !strncasecmp(line, "HOST ", 5) ? FTP_HOST
							     : FTP_NONE));
	/* No command that is known makes a connection foreign, but for those that
	 * are longer than any command that comes first. */
	if (verb != FTP_VERB_UNKNOWN && strncasecmp(line + ftp_scan_start(scan), "XSHA", 4))
		require(!foreign);
	for (__u32 column = 1; column < scan->column && column <= FTPFIX_LINE_MAX; column++) {
		memcpy(start.line, line, column);
		start.column = column;
		require(ftp_scan_reply_open(&start) || !reply);
		require(ftp_scan_command_open(&start, 1) || !command);
		require(ftp_scan_command_open(&start, 0) || !command || command == FTP_HOST);
		require(ftp_scan_command_open(&start, 1) || !ftp_scan_command_open(&start, 0));
		require(foreign || !ftp_scan_foreign(&start));
	}
}

static void check_plain(const uint8_t *data, size_t size)
{
	struct ftp_chunk chunk;
	int text = size >= 6 && size <= FTP_CHUNK_MAX && data[size - 2] == '\r' &&
		   data[size - 1] == '\n';
	int client, server;

	memset(&chunk, 'A', sizeof(chunk));
	chunk.length = size;
	memcpy(chunk.bytes, data, size < FTP_CHUNK_MAX ? size : FTP_CHUNK_MAX);
	client = ftp_plain(&chunk, 1);
	server = ftp_plain(&chunk, 0);
	for (size_t at = 0; at < size && text; at++)
		text = isprint(data[at]) || data[at] == '\r' || data[at] == '\n';
	require(server == (text && data[0] >= '1' && data[0] <= '6' && isdigit(data[1]) &&
			   isdigit(data[2]) && (data[3] == ' ' || data[3] == '-')));
	require(!client || (text && isalpha(data[0]) && isalpha(data[1]) && isalpha(data[2])));
	if (text) {
		struct ftp_scan scan = {.column = FTPFIX_LINE_MAX};

		memcpy(scan.line, chunk.bytes, sizeof(scan.line));
		require(client == (ftp_scan_verb(&scan) != FTP_VERB_UNKNOWN));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace whole, cut;

	if (size > STREAM_MAX)
		return 0;
	fuzz_seed(data, size);
	for (int replies = 0; replies < 2; replies++) {
		feed(data, size, FTP_CHUNK_MAX, replies, &whole);
		check_lines(data, size, &whole);
		for (size_t piece = 0; piece < 3; piece++) {
			feed(data, size, piece, replies, &cut);
			require(cut.lines == whole.lines);
			require(!memcmp(cut.end, whole.end, whole.lines * sizeof(*whole.end)));
			require(!memcmp(cut.scan, whole.scan,
					(whole.lines + 1) * sizeof(*whole.scan)));
		}
	}
	for (size_t line = 0; line < whole.lines; line++)
		check_line(&whole.scan[line]);
	check_plain(data, size);
	return 0;
}
