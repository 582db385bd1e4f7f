// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The line scanner: lines found wherever segments cut them, verbs, reply codes
 * and multi-line replies. It knows nothing of what the lines announce.
 */
#include "unit.h"

struct found {
	__u32 end; /* offset in the stream, behind the newline */
	enum ftp_kind reply;
	enum ftp_kind command;
	int inside;
	enum ftp_verb verb;
};

/* Feeds a stream in pieces of `piece` bytes and notes every line. */
static size_t scan(const char *stream, size_t length, size_t piece, struct found *found)
{
	struct ftp_scan scan = {};
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
			found[lines].reply = ftp_scan_reply_kind(&scan);
			found[lines].command = ftp_scan_command_kind(&scan);
			found[lines].inside = ftp_scan_inside(&scan, ftp_scan_code(&scan));
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
		assert_int_equal(found[0].reply, FTP_NONE);
		assert_int_equal(found[0].end, 20);
		assert_int_equal(found[1].reply, FTP_227);
		assert_int_equal(found[1].end, 20 + 48);
		assert_int_equal(found[2].reply, FTP_229);
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
		assert_int_equal(found[1].reply, FTP_227);
		assert_true(found[1].inside);
		assert_int_equal(found[2].reply, FTP_NONE);
		assert_int_equal(found[5].reply, FTP_227);
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
	assert_int_equal(found[0].reply, FTP_NONE);
	assert_int_equal(found[1].reply, FTP_227);
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
		assert_int_equal(found[0].reply, FTP_NONE);
	}
}

static enum ftp_verb verb_of(const char *line, size_t piece)
{
	struct found found[2];

	assert_int_equal(scan_text(line, piece, found), 1);
	return found[0].verb;
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
		{"EPSV ALL\r\n", FTP_VERB_EPSV_ALL},
		{"epsv all\r\n", FTP_VERB_EPSV_ALL},
		{"EPSV   All\n", FTP_VERB_EPSV_ALL},
		{"EPSV ALL \r\n", FTP_VERB_EPSV_ALL},
		{"\xff\xf4\xff\xf2"
		 "EPSV ALL\r\n",
		 FTP_VERB_EPSV_ALL},
		{"EPSV ALLE\r\n", FTP_VERB_EPSV},
		{"EPSV AL\r\n", FTP_VERB_EPSV},
		{"PORT 1,2,3,4,5,6\r\n", FTP_VERB_PORT},
		{"port\r\n", FTP_VERB_PORT},
		{"EPRT |1|10.0.0.1|4|\r\n", FTP_VERB_EPRT},
		{"Host ftp.example.com\r\n", FTP_VERB_HOST},
		{"AUTH TLS\r\n", FTP_VERB_AUTH},
		{"auth tls\n", FTP_VERB_AUTH},
		{"CCC\r\n", FTP_VERB_CCC},
		{"ccc \r\n", FTP_VERB_CCC},
		{"LPSV\r\n", FTP_VERB_LONG},
		{"LPRT 4,4,1,2,3,4,2,5,6\r\n", FTP_VERB_LONG},
		{"PASS PASV\r\n", FTP_VERB_OTHER},
		{"RETR PASV\r\n", FTP_VERB_OTHER},
		/* The Synch in front of ABOR, whole and in the parts that
		 * stacks make of urgent data. */
		{"\xff\xf4\xff\xf2"
		 "ABOR\r\n",
		 FTP_VERB_OTHER},
		{"\xf2"
		 "ABOR\r\n",
		 FTP_VERB_OTHER},
		{"\xff\xf4\xff"
		 "ABOR\r\n",
		 FTP_VERB_OTHER},
		{"\xff\xf4\xff\xf2\xf2"
		 "ABOR\r\n",
		 FTP_VERB_UNKNOWN},
		{"\xff\xf4"
		 "PASV\r\n",
		 FTP_VERB_PASV},
		{"AB\xff\xf4OR\r\n", FTP_VERB_UNKNOWN},
		{"XSHA\r\n", FTP_VERB_OTHER},
		{"XSHA1 f\r\n", FTP_VERB_OTHER},
		{"xsha256 f\r\n", FTP_VERB_OTHER},
		{"XSHA512\r\n", FTP_VERB_OTHER},
		{"XSHA2\r\n", FTP_VERB_UNKNOWN},
		{"XSHA11\r\n", FTP_VERB_UNKNOWN},
		{"XSHA257\r\n", FTP_VERB_UNKNOWN},
		{"XSHA2560\r\n", FTP_VERB_UNKNOWN},
		{"XMD5 f\r\n", FTP_VERB_OTHER},
		{"PASVX\r\n", FTP_VERB_UNKNOWN},
		{"XPASV\r\n", FTP_VERB_UNKNOWN},
		{" PASV\r\n", FTP_VERB_UNKNOWN},
		{"PAS\r\n", FTP_VERB_UNKNOWN},
		{"P\rSV\r\n", FTP_VERB_UNKNOWN},
		{"PASV\t\r\n", FTP_VERB_UNKNOWN},
		{"CCCP\r\n", FTP_VERB_UNKNOWN},
		{"0ASV\r\n", FTP_VERB_UNKNOWN},
		{"\x10"
		 "ASV\r\n",
		 FTP_VERB_UNKNOWN},
		{"@OST x\r\n", FTP_VERB_UNKNOWN},
		{"\r\n", FTP_VERB_UNKNOWN},
		{"\n", FTP_VERB_UNKNOWN},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++)
		for (size_t piece = 1; piece < 16; piece++)
			if (verb_of(rows[row].line, piece) != rows[row].verb)
				fail_msg("%s: verb %d", rows[row].line,
					 verb_of(rows[row].line, piece));
}

/* All verbs without interest; in either case, with an argument and without. */
static void other_verbs(void **state)
{
	static const char known[] =
		/* RFC 959 */
		"USER PASS ACCT CWD CDUP SMNT REIN QUIT TYPE STRU MODE RETR STOR STOU APPE ALLO "
		"REST RNFR RNTO ABOR DELE RMD MKD PWD LIST NLST SITE SYST STAT HELP NOOP "
		/* RFC 775 */
		"XMKD XRMD XPWD XCUP XCWD "
		/* RFC 2228, RFC 2389, RFC 2640, RFC 3659 */
		"ADAT PROT PBSZ MIC CONF ENC FEAT OPTS LANG MDTM SIZE MLST MLSD "
		/* and none of these */
		"CLNT MFMT MFCT XCRC XMD5 XSHA1 XSHA256 XSHA512 HASH AVBL COMB MFF CSID";
	char all[sizeof(known)], line[32], *verb;
	int verbs = 0;

	(void)state;
	memcpy(all, known, sizeof(known));
	for (verb = strtok(all, " "); verb; verb = strtok(NULL, " ")) {
		for (int form = 0; form < 4; form++) {
			snprintf(line, sizeof(line), form & 1 ? "%s x\r\n" : "%s\r\n", verb);
			for (char *at = line; form & 2 && *at; at++)
				*at |= *at >= 'A' && *at <= 'Z' ? 32 : 0;
			if (verb_of(line, 64) != FTP_VERB_OTHER)
				fail_msg("%s: verb %d", line, verb_of(line, 64));
		}
		/* One letter more is none of them. */
		snprintf(line, sizeof(line), "%sQ\r\n", verb);
		assert_int_equal(verb_of(line, 64), FTP_VERB_UNKNOWN);
		verbs++;
	}
	assert_int_equal(verbs, 31 + 5 + 13 + 13);
}

static void kinds_of_commands(void **state)
{
	static const struct {
		const char *line;
		enum ftp_kind kind;
	} rows[] = {
		{"PORT 10,0,0,1,4,0\r\n", FTP_PORT},
		{"port  10,0,0,1,4,0\r\n", FTP_PORT},
		{"EPRT |1|10.0.0.1|1024|\r\n", FTP_EPRT},
		{"HOST [::1]\r\n", FTP_HOST},
		{"PORT \r\n", FTP_PORT},
		{"PORT\r\n", FTP_NONE},
		{"PORTS 1\r\n", FTP_NONE},
		{" PORT 1\r\n", FTP_NONE},
		{"\xff\xf4"
		 "PORT 1\r\n",
		 FTP_NONE},
		{"LPRT 1\r\n", FTP_NONE},
		{"227 (10,0,0,1,4,0)\r\n", FTP_NONE},
		{"PASV\r\n", FTP_NONE},
		{"\r\n", FTP_NONE},
	};
	struct found found[2];

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		assert_int_equal(scan_text(rows[row].line, 7, found), 1);
		if (found[0].command != rows[row].kind)
			fail_msg("%s: kind %d", rows[row].line, found[0].command);
		assert_int_equal(found[0].reply, rows[row].line[0] == '2' ? FTP_227 : FTP_NONE);
	}
}

/* The state in front of a line's end. */
static struct ftp_scan unfinished(const char *text)
{
	struct ftp_scan scan = {};
	struct ftp_chunk chunk = {.length = strlen(text)};

	assert_true(chunk.length <= FTP_CHUNK_MAX);
	memcpy(chunk.bytes, text, chunk.length);
	assert_int_equal(ftp_scan_line(&scan, &chunk),
			 chunk.length && text[chunk.length - 1] == '\n');
	return scan;
}

static void open_replies(void **state)
{
	static const struct {
		const char *text;
		int open;
	} rows[] = {
		{"", 0},	 {"2", 1},     {"22", 1},   {"227", 1},	  {"229", 1},
		{"227 ", 1},	 {"229 ", 1},  {"227-", 0}, {"228", 0},	  {"2 ", 0},
		{"1", 0},	 {"23", 0},    {"2277", 0}, {" 227", 0},  {"227 Entering (1", 1},
		{"229 (|||", 1}, {"226 T", 0}, {"2\r", 0},  {"227\r", 0}, {"227(", 0},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_scan scan = unfinished(rows[row].text);

		if (ftp_scan_reply_open(&scan) != rows[row].open)
			fail_msg("%s: open %d", rows[row].text, !rows[row].open);
	}
}

static void open_commands(void **state)
{
	static const struct {
		const char *text;
		int open;
		int open_with_host;
	} rows[] = {
		{"", 0, 0},	  {"P", 1, 1},	   {"po", 1, 1},       {"POR", 1, 1},
		{"PORT", 1, 1},	  {"PORT ", 1, 1}, {"PORT 1,2", 1, 1}, {"PORTS", 0, 0},
		{"PORT\r", 0, 0}, {"PA", 0, 0},	   {"PORTA", 0, 0},    {"E", 1, 1},
		{"ep", 1, 1},	  {"EPR", 1, 1},   {"EPRT", 1, 1},     {"EPRT |2|", 1, 1},
		{"EPS", 0, 0},	  {"ERRT", 0, 0},  {"H", 0, 1},	       {"hO", 0, 1},
		{"HOS", 0, 1},	  {"HOST", 0, 1},  {"HOST [", 0, 1},   {"HOSTS", 0, 0},
		{"HE", 0, 0},	  {" P", 0, 0},	   {"USER", 0, 0},     {"\xff\xf4P", 0, 0},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_scan scan = unfinished(rows[row].text);

		if (ftp_scan_command_open(&scan, 0) != rows[row].open)
			fail_msg("%s: open %d", rows[row].text, !rows[row].open);
		if (ftp_scan_command_open(&scan, 1) != rows[row].open_with_host)
			fail_msg("%s: open %d", rows[row].text, !rows[row].open_with_host);
	}
}

/* A line that does not fit the scanner's memory is waited for no longer. */
static void open_up_to_the_bound(void **state)
{
	char text[FTPFIX_LINE_MAX + 2];

	(void)state;
	for (size_t length = FTPFIX_LINE_MAX - 1; length < sizeof(text); length++) {
		struct ftp_scan scan;

		memset(text, '0', length);
		text[length] = 0;
		memcpy(text, "227 ", 4);
		scan = unfinished(text);
		assert_int_equal(ftp_scan_reply_open(&scan), length <= FTPFIX_LINE_MAX);
		memcpy(text, "PORT ", 5);
		scan = unfinished(text);
		assert_int_equal(ftp_scan_command_open(&scan, 0), length <= FTPFIX_LINE_MAX);
	}
}

static void foreign_first_lines(void **state)
{
	static const struct {
		const char *text;
		int foreign;
	} rows[] = {
		{"USER anonymous\r\n", 0},
		{"user anonymous\r\n", 0},
		{"AUTH TLS\r\n", 0},
		{"FEAT\r\n", 0},
		{"PWD\r\n", 0},
		{"CCC\n", 0},
		{"QQQQ x\r\n", 0}, /* unknown, but of the form */
		{"GETS x\r\n", 0},
		{"\xff\xf4\xff\xf2"
		 "ABOR\r\n",
		 0},
		/* HTTP, as a web page may cause it */
		{"GET / HTTP/1.1\r\n", 1},
		{"get / HTTP/1.1\r\n", 1},
		{"GET\r\n", 1},
		{"put\n", 1},
		{"PUT / HTTP/1.1\r\n", 1},
		{"POST / HTTP/1.1\r\n", 1},
		{"PRI * HTTP/2.0\r\n", 1},
		{"HEAD / HTTP/1.1\r\n", 1},
		{"OPTIONS / HTTP/1.1\r\n", 1},
		{"CONNECT x:21 HTTP/1.1\r\n", 1},
		{"POST\r\n", 1},
		/* TLS, SIP, SSH, TURN */
		{"\x16\x03\x01\x02", 1},
		{"REGISTER sip:x SIP/2.0\r\n", 1},
		{"SSH-2.0-x\r\n", 1},
		{"\x01\x13", 1},
		{"\r\n", 1},
		{"AB\r\n", 1},
		{"AB CD\r\n", 1},
		{"XSHA1 f\r\n", 1},
		{"US3R x\r\n", 1},
		{" USER x\r\n", 1},
		{"USER\tx\r\n", 1},
		/* What may still become either is not foreign yet. */
		{"", 0},
		{"G", 0},
		{"GET", 0},
		{"POST", 0},
		{"POST ", 1},
		{"OPTI", 0},
		{"OPTIO", 1},
		{"U1", 1},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_scan scan = unfinished(rows[row].text);

		if (ftp_scan_foreign(&scan) != rows[row].foreign)
			fail_msg("%s: foreign %d", rows[row].text, !rows[row].foreign);
	}
}

static int plain(const char *text, size_t length, int from_client)
{
	struct ftp_chunk chunk;

	/* What was there before must not matter. */
	memset(&chunk, 'x', sizeof(chunk));
	chunk.length = length;
	assert_true(length <= FTP_CHUNK_MAX);
	memcpy(chunk.bytes, text, length);
	return ftp_plain(&chunk, from_client);
}

static void plain_text(void **state)
{
	static const struct {
		const char *text;
		int client;
		int server;
	} rows[] = {
		{"PASV\r\n", 1, 0},	     {"pasv\r\n", 1, 0},
		{"PWD \r\n", 1, 0},	     {"LIST a b ~\r\n", 1, 0},
		{"CWD x\r\nPASV\r\n", 1, 0}, {"200 OK\r\n", 0, 1},
		{"631 x\r\n", 0, 1},	     {"200 \r\n", 0, 1},
		{"211-x\r\n x\r\n", 0, 1},   {"PWD\r\n", 0, 0}, /* too short to tell */
		{"200\r\n", 0, 0},	     {"PASV \n", 0, 0},
		{"PASV\r\r", 0, 0},	     {"PASV\r\nLI", 0, 0},
		{"QQQQ\r\n", 0, 0},	     {"700 x\r\n", 0, 0},
		{"000 x\r\n", 0, 0},	     {"2000 x\r\n", 0, 0},
		{"2x0 y\r\n", 0, 0},	     {"22x y\r\n", 0, 0},
		{"200\tx\r\n", 0, 0},	     {"LIST \xc3\xa4\r\n", 0, 0},
		{"LIST \x1b[0m\r\n", 0, 0},  {"LIST \x7f\r\n", 0, 0},
		{"\x17\x03\x03 \r\n", 0, 0}, {"", 0, 0},
	};
	char longest[FTP_CHUNK_MAX];

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		size_t length = strlen(rows[row].text);

		if (plain(rows[row].text, length, 1) != rows[row].client ||
		    plain(rows[row].text, length, 0) != rows[row].server)
			fail_msg("%s", rows[row].text);
	}
	assert_false(plain("PASV \0\r\n", 8, 1));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "LIST ", 5);
	memcpy(longest + sizeof(longest) - 2, "\r\n", 2);
	assert_true(plain(longest, sizeof(longest), 1));
	longest[100] = 1;
	assert_false(plain(longest, sizeof(longest), 1));
}

/* No record of TLS, RFC 8446 section 5.1, whatever it carries. */
static void no_tls_record_is_plain(void **state)
{
	char record[FTP_CHUNK_MAX];

	(void)state;
	for (int type = 20; type <= 24; type++) {
		memcpy(record, "?ASV xxxxxx\r\n", 13);
		record[0] = type;
		assert_false(plain(record, 13, 1));
		memcpy(record, "?20 xxxxxxx\r\n", 13);
		record[0] = type;
		assert_false(plain(record, 13, 0));
	}
}

/* What the predicates say of no memory. */
static void nothing_there(void **state)
{
	struct ftp_scan scan = {};
	struct ftp_chunk chunk = {};

	(void)state;
	assert_int_equal(ftp_scan_line(NULL, &chunk), 0);
	assert_int_equal(ftp_scan_line(&scan, NULL), 0);
	assert_int_equal(ftp_scan_verb(NULL), FTP_VERB_UNKNOWN);
	assert_int_equal(ftp_scan_foreign(NULL), 0);
	assert_int_equal(ftp_scan_reply_open(NULL), 0);
	assert_int_equal(ftp_scan_command_open(NULL, 1), 0);
	assert_int_equal(ftp_plain(NULL, 1), 0);
}

/* The line is kept up to the bound, whatever pieces it comes in, and nothing of
 * it is there in the next one. */
static void lines_are_kept(void **state)
{
	char text[2 * FTPFIX_LINE_MAX];

	(void)state;
	for (size_t length = 1; length < sizeof(text); length++)
		for (size_t piece = 1; piece < 20; piece++) {
			struct ftp_scan scan = {};
			size_t kept = length < FTPFIX_LINE_MAX ? length : FTPFIX_LINE_MAX;

			for (size_t at = 0; at < length; at++)
				text[at] = 'A' + at % 26;
			text[length - 1] = '\n';
			for (size_t at = 0; at < length; at += piece) {
				struct ftp_chunk chunk = {};

				chunk.length = length - at < piece ? length - at : piece;
				memcpy(chunk.bytes, text + at, chunk.length);
				assert_int_equal(ftp_scan_line(&scan, &chunk),
						 at + piece >= length);
			}
			assert_int_equal(scan.column, length);
			assert_memory_equal(scan.line, text, kept);
			ftp_scan_command_done(&scan);
			assert_int_equal(scan.column, 0);
			for (size_t at = 0; at < FTPFIX_LINE_MAX; at++)
				assert_int_equal(scan.line[at], 0);
		}
}

/* Lines longer than a chunk, and than any counter of columns. */
static void long_lines(void **state)
{
	size_t length = FTPFIX_COLUMN_MAX + 1000, at = 0;
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
	assert_int_equal(found[0].reply, FTP_NONE);
	assert_int_equal(found[1].reply, FTP_229);
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
		cmocka_unit_test(other_verbs),
		cmocka_unit_test(kinds_of_commands),
		cmocka_unit_test(open_replies),
		cmocka_unit_test(open_commands),
		cmocka_unit_test(open_up_to_the_bound),
		cmocka_unit_test(foreign_first_lines),
		cmocka_unit_test(plain_text),
		cmocka_unit_test(no_tls_record_is_plain),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(lines_are_kept),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
