// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The line scanner: lines found wherever segments cut them, verbs, reply codes
 * and multi-line replies. It knows nothing of what the lines announce.
 */
#include "unit.h"

struct found {
	__u32 end;  /* offset in the stream, behind the newline */
	__u32 code; /* 227, 229 or 0 */
	int inside;
	enum ftp_verb verb;
};

/* Feeds a stream in pieces of `piece` bytes and notes every line. */
static size_t scan(const char *stream, size_t length, size_t piece, struct found *found)
{
	struct ftpfix_scan scan = {};
	size_t lines = 0;

	for (size_t at = 0; at < length; at += piece) {
		struct ftp_chunk chunk = {};
		__u32 scanned;

		chunk.length = length - at < piece ? length - at : piece;
		memcpy(chunk.bytes, stream + at, chunk.length);
		do {
			scanned = chunk.offset;
			if (!ftp_scan_line(&scan, &chunk))
				continue;
			found[lines].end = at + chunk.offset;
			found[lines].code = ftp_scan_announcement(&scan);
			found[lines].inside = ftp_scan_inside(&scan, found[lines].code);
			found[lines].verb = ftp_scan_verb(&scan);
			lines++;
			ftp_scan_reply_done(&scan);
		} while (chunk.offset < chunk.length && chunk.offset != scanned);
	}
	return lines;
}

static size_t scan_text(const char *stream, size_t piece, struct found *found)
{
	return scan(stream, strlen(stream), piece, found);
}

static void announcement_at_any_line(void **state)
{
	static const char stream[] = "200 Type set to I.\r\n"
				     "227 Entering Passive Mode (10,0,0,175,83,237).\r\n"
				     "229 Entering Extended Passive Mode (|||21485|)\r\n";
	struct found found[8];

	(void)state;
	for (size_t piece = 1; piece <= FTP_CHUNK_MAX; piece++) {
		memset(found, 0, sizeof(found));
		assert_int_equal(scan_text(stream, piece, found), 3);
		assert_int_equal(found[0].code, 0);
		assert_int_equal(found[0].end, 20);
		assert_int_equal(found[1].code, 227);
		assert_int_equal(found[1].end, 20 + 48);
		assert_int_equal(found[2].code, 229);
		assert_int_equal(found[2].end, sizeof(stream) - 1);
	}
}

static void nothing_in_a_multiline_reply(void **state)
{
	static const char stream[] = "211-Status\r\n"
				     "227 Entering Passive Mode (10,0,0,9,4,0)\r\n"
				     " 227 (10,0,0,9,4,0)\r\n"
				     "213 of another code\r\n"
				     "211 End\r\n"
				     "227 Entering Passive Mode (10,0,0,175,83,237)\r\n";
	struct found found[8];

	(void)state;
	for (size_t piece = 1; piece <= FTP_CHUNK_MAX; piece++) {
		assert_int_equal(scan_text(stream, piece, found), 6);
		assert_int_equal(found[1].code, 227);
		assert_true(found[1].inside);
		assert_int_equal(found[2].code, 0);
		assert_int_equal(found[5].code, 227);
		assert_false(found[5].inside);
	}
}

/* aioftp: the address stands on the last line of a multi-line 227. */
static void last_line_of_a_multiline_227(void **state)
{
	struct found found[4];

	(void)state;
	assert_int_equal(
		scan_text("227-listen socket created\r\n227 (10,0,0,175,4,1)\r\n", 64, found), 2);
	assert_int_equal(found[0].code, 0);
	assert_int_equal(found[1].code, 227);
	assert_false(found[1].inside);
}

static void codes_that_are_none(void **state)
{
	static const char *const lines[] = {
		"2270 (10,0,0,1,4,0)\r\n",
		"22 7 (10,0,0,1,4,0)\r\n",
		" 227 (10,0,0,1,4,0)\r\n",
		"227-(10,0,0,1,4,0)\r\n",
		"227(10,0,0,1,4,0)\r\n",
		"228 (10,0,0,1,4,0)\r\n",
		"227\r\n",
		"\r\n",
		"x\n",
	};
	struct found found[2];

	(void)state;
	for (size_t line = 0; line < sizeof(lines) / sizeof(*lines); line++) {
		assert_int_equal(scan_text(lines[line], 64, found), 1);
		assert_int_equal(found[0].code, 0);
	}
}

static void verbs(void **state)
{
	static const struct {
		const char *line;
		enum ftp_verb verb;
	} rows[] = {
		{"PASV\r\n", FTP_VERB_PASV},
		{"pasv\r\n", FTP_VERB_PASV},
		{"PaSv\n", FTP_VERB_PASV},
		{"PASV \r\n", FTP_VERB_PASV},
		{"EPSV\r\n", FTP_VERB_EPSV},
		{"EPSV 1\r\n", FTP_VERB_EPSV},
		{"epsv 2\r\n", FTP_VERB_EPSV},
		{"EPSV ALL\r\n", FTP_VERB_OTHER},
		{"epsv all\r\n", FTP_VERB_OTHER},
		{"PASVX\r\n", FTP_VERB_OTHER},
		{"XPASV\r\n", FTP_VERB_OTHER},
		{" PASV\r\n", FTP_VERB_OTHER},
		{"PASS PASV\r\n", FTP_VERB_OTHER},
		{"PAS\r\n", FTP_VERB_OTHER},
		{"EPRT |1|10.0.0.1|4|\r\n", FTP_VERB_OTHER},
		{"RETR PASV\r\n", FTP_VERB_OTHER},
		{"\r\n", FTP_VERB_OTHER},
	};
	struct found found[2];

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++)
		for (size_t piece = 1; piece < 16; piece++) {
			assert_int_equal(scan_text(rows[row].line, piece, found), 1);
			assert_int_equal(found[0].verb, rows[row].verb);
		}
}

/* Lines longer than a chunk, and than any counter of columns. */
static void long_lines(void **state)
{
	size_t length = FTP_COLUMN_MAX + 1000, at = 0;
	struct found found[4];
	char *stream = malloc(length + 64);

	(void)state;
	assert_non_null(stream);
	memset(stream, '2', length);
	stream[length] = '\n';
	at = length + 1;
	strcpy(stream + at, "229 (|||5000|)\r\n");
	assert_int_equal(scan_text(stream, FTP_CHUNK_MAX, found), 2);
	assert_int_equal(found[0].end, at);
	assert_int_equal(found[0].code, 0);
	assert_int_equal(found[1].code, 229);
	free(stream);
}

/* Whatever bytes come, the number of newlines is the number of lines. */
static void any_bytes(void **state)
{
	static struct found found[4096];

	(void)state;
	srand(1);
	for (int round = 0; round < 200; round++) {
		char stream[4096];
		size_t newlines = 0, piece = 1 + rand() % FTP_CHUNK_MAX;

		for (size_t at = 0; at < sizeof(stream); at++) {
			stream[at] = "227 9-\r\n(,)Pasv\0\xff"[rand() % 18];
			newlines += stream[at] == '\n';
		}
		assert_int_equal(scan(stream, sizeof(stream), piece, found), newlines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announcement_at_any_line),
		cmocka_unit_test(nothing_in_a_multiline_reply),
		cmocka_unit_test(last_line_of_a_multiline_227),
		cmocka_unit_test(codes_that_are_none),
		cmocka_unit_test(verbs),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
