// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of announcing lines: what every known server prints, what is
 * malformed, and what is only cut short.
 */
#include "unit.h"

struct row {
	const char *server;
	const char *line;
	const char *address; /* NULL for 229 */
	__u32 port;
};

/* The kind of line that the scanner takes this for. */
static enum ftp_kind kind_of(const char *line)
{
	struct ftp_scan scan = {.column = FTPFIX_LINE_MAX};

	strncpy(scan.line, line, sizeof(scan.line) - 1);
	return ftp_scan_reply_kind(&scan) ? ftp_scan_reply_kind(&scan)
					  : ftp_scan_command_kind(&scan);
}

static void what_servers_print(void **state)
{
	static const char address[] = "172.17.9.135";
	const struct row rows[] = {
		{"vsftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", address, 21485},
		{"proftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", address, 21485},
		{"IIS", "227 Entering Passive Mode (172,17,9,135,4,0).\r\n", address, 1024},
		{"pyftpdlib", "227 Entering passive mode (172,17,9,135,255,255).\r\n", address,
		 65535},
		{"pure-ftpd", "227 Entering Passive Mode (172,17,9,135,83,237)\r\n", address,
		 21485},
		{"busybox", "227 PASV ok (172,17,9,135,83,237)\r\n", address, 21485},
		{"aioftp", "227 (172,17,9,135,83,237)\r\n", address, 21485},
		{"sys-ftpd", "227 172,17,9,135,83,237\r\n", address, 21485},
		{"bare newline", "227 Entering Passive Mode (172,17,9,135,83,237)\n", address,
		 21485},
		{"zero padded", "227 Entering Passive Mode (172,017,009,135,083,237)\r\n", address,
		 21485},
		{"digits before", "227 Mode 2 (172,17,9,135,83,237)\r\n", address, 21485},
		{"port 0", "227 (0,0,0,0,0,0)\r\n", "0.0.0.0", 0},
		{"vsftpd", "229 Entering Extended Passive Mode (|||21485|)\r\n", NULL, 21485},
		{"with a dot", "229 Entering Extended Passive Mode (|||1024|).\r\n", NULL, 1024},
		{"pure-ftpd", "229 Extended Passive mode OK (|||65535|)\r\n", NULL, 65535},
		{"busybox", "229 EPSV ok (|||9|)\r\n", NULL, 9},
		{"other delimiter", "229 ok (!!!21485!)\r\n", NULL, 21485},
		{"zero padded", "229 ok (|||01024|)\r\n", NULL, 1024},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_announcement line =
			announcement_of(kind_of(rows[row].line), rows[row].line, 1);
		struct ftpfix_addr none = {}, addr = none;

		if (ftp_read(&line))
			fail_msg("%s: not read: %s", rows[row].server, rows[row].line);
		assert_int_equal(line.host_port, rows[row].port);
		if (rows[row].address)
			addr = addr_of(rows[row].address);
		assert_memory_equal(&line.addr, &addr, sizeof(addr));
		assert_int_equal(line.ipv6, 0);
		assert_true(ftp_digit(line.text[line.first]));
		assert_false(ftp_digit(line.text[line.last]));
	}
}

static void malformed(void **state)
{
	static const char *const lines[] = {
		"227 Entering Passive Mode\r\n",
		"227 Entering Passive Mode ()\r\n",
		"227 Entering Passive Mode (172,17,9,135,83)\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,)\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,237,1)\r\n",
		"227 172,17,9,135,83,237,1\r\n",
		"227 172,17,9,135,83,237,\r\n",
		"227 Entering Passive Mode (172,17,9,256,83,237)\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,256)\r\n",
		"227 Entering Passive Mode (172,17,9,0135,83,237)\r\n",
		"227 Entering Passive Mode (172, 17,9,135,83,237)\r\n",
		"227 Entering Passive Mode (172,17,,135,83,237)\r\n",
		"227 Entering Passive Mode (172.17.9.135,83,237)\r\n",
		"227 Entering Passive Mode (-172,17,9,135,83,237)\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,237\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,237 )\r\n",
		"227 Entering Passive Mode (172,17,9,135,83,237x)\r\n",
		"229 Entering Extended Passive Mode\r\n",
		"229 Entering Extended Passive Mode (21485)\r\n",
		"229 Entering Extended Passive Mode (||21485|)\r\n",
		"229 Entering Extended Passive Mode (||||)\r\n",
		"229 Entering Extended Passive Mode (|||65536|)\r\n",
		"229 Entering Extended Passive Mode (|||214850|)\r\n",
		"229 Entering Extended Passive Mode (|||001024|)\r\n",
		"229 Entering Extended Passive Mode (|||21485)\r\n",
		"229 Entering Extended Passive Mode (|||21485|\r\n",
		"229 Entering Extended Passive Mode (||!21485|)\r\n",
		"229 Entering Extended Passive Mode (   21485 )\r\n",
		"229 Entering Extended Passive Mode (0002148505)\r\n",
		"229 Entering Extended Passive Mode (|1|10.0.0.1|21485|)\r\n",
		"229 Entering Extended Passive Mode (|||-1|)\r\n",
		"227 "
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (10,0,0,1,4,0)\r\n",
	};

	(void)state;
	for (size_t row = 0; row < sizeof(lines) / sizeof(*lines); row++) {
		struct ftp_announcement line = announcement_of(kind_of(lines[row]), lines[row], 1);

		if (ftp_read(&line) != -EBADMSG)
			fail_msg("read: %s", lines[row]);
	}
}

static void what_clients_print(void **state)
{
	static const struct {
		const char *line;
		const char *address;
		__u32 port;
		int ipv6;
		const char *part; /* what an edit replaces */
	} rows[] = {
		{"PORT 172,17,9,135,83,237\r\n", "172.17.9.135", 21485, 0, "172,17,9,135,83,237"},
		{"port 172,17,9,135,83,237\n", "172.17.9.135", 21485, 0, "172,17,9,135,83,237"},
		{"PORT   0,0,0,0,0,0\r\n", "0.0.0.0", 0, 0, "0,0,0,0,0,0"},
		{"PORT 255,255,255,255,255,255\r\n", "255.255.255.255", 65535, 0,
		 "255,255,255,255,255,255"},
		{"PORT 10,000,0,010,004,000\r\n", "10.0.0.10", 1024, 0, "10,000,0,010,004,000"},
		/* RFC 2428 section 2 */
		{"EPRT |1|132.235.1.2|6275|\r\n", "132.235.1.2", 6275, 0, "1|132.235.1.2|6275"},
		{"EPRT |2|1080::8:800:200C:417A|5282|\r\n", "1080::8:800:200c:417a", 5282, 1,
		 "2|1080::8:800:200C:417A|5282"},
		{"eprt  |1|10.0.0.1|65535|\n", "10.0.0.1", 65535, 0, "1|10.0.0.1|65535"},
		{"EPRT |1|10.0.0.1|0|\r\n", "10.0.0.1", 0, 0, "1|10.0.0.1|0"},
		{"EPRT |1|10.0.0.1|000000065535|\r\n", "10.0.0.1", 65535, 0,
		 "1|10.0.0.1|000000065535"},
		{"EPRT |1|010.0.0.001|1024|\r\n", "10.0.0.1", 1024, 0, "1|010.0.0.001|1024"},
		{"EPRT !1!10.0.0.1!1024!\r\n", "10.0.0.1", 1024, 0, "1!10.0.0.1!1024"},
		{"EPRT ~2~::~1024~\r\n", "::", 1024, 1, "2~::~1024"},
		{"EPRT a1a10.0.0.1a1024a\r\n", "10.0.0.1", 1024, 0, "1a10.0.0.1a1024"},
		{"EPRT g2gfe80::1g1024g\r\n", "fe80::1", 1024, 1, "2gfe80::1g1024"},
		{"EPRT :1:10.0.0.1:1024:\r\n", "10.0.0.1", 1024, 0, "1:10.0.0.1:1024"},
		{"EPRT |2|::ffff:10.0.0.1|1024|\r\n", "::ffff:10.0.0.1", 1024, 1,
		 "2|::ffff:10.0.0.1|1024"},
		{"EPRT |2|ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255|000000065535|\r\n",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 1,
		 "2|ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255|000000065535"},
		/* RFC 7151 section 3 */
		{"HOST 192.0.2.1\r\n", "192.0.2.1", 0, 0, "192.0.2.1"},
		{"host  [2001:DB8::1]\r\n", "2001:db8::1", 0, 1, "[2001:DB8::1]"},
		{"HOST [::ffff:192.0.2.1]\n", "::ffff:192.0.2.1", 0, 1, "[::ffff:192.0.2.1]"},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_announcement line =
			announcement_of(kind_of(rows[row].line), rows[row].line, 1);
		struct ftpfix_addr addr = addr_of(rows[row].address);

		if (ftp_read(&line))
			fail_msg("not read: %s", rows[row].line);
		assert_memory_equal(&line.addr, &addr, sizeof(addr));
		assert_int_equal(line.host_port, rows[row].port);
		assert_int_equal(line.ipv6, rows[row].ipv6);
		assert_int_equal(line.parenthesis, 0);
		assert_int_equal(line.last - line.first, strlen(rows[row].part));
		assert_memory_equal(line.text + line.first, rows[row].part, strlen(rows[row].part));
	}
}

static void malformed_commands(void **state)
{
	static const char *const lines[] = {
		"PORT \r\n",
		"PORT 172,17,9,135,83\r\n",
		"PORT 172,17,9,135,83,\r\n",
		"PORT 172,17,9,135,83,237,\r\n",
		"PORT 172,17,9,135,83,237,1\r\n",
		"PORT 172,17,9,135,83,237 \r\n",
		"PORT 172,17,9,135,83,237x\r\n",
		"PORT 172,17,9,135,83,237\rx\n",
		"PORT 172,17,9,135,83,237\r\r\n",
		"PORT 172,17,9,256,83,237\r\n",
		"PORT 172,17,9,135,83,256\r\n",
		"PORT 172,17,9,0135,83,237\r\n",
		"PORT 172, 17,9,135,83,237\r\n",
		"PORT 172,17,,135,83,237\r\n",
		"PORT ,172,17,9,135,83,237\r\n",
		"PORT (172,17,9,135,83,237)\r\n",
		"PORT x172,17,9,135,83,237\r\n",
		"PORT 172.17.9.135,83,237\r\n",
		"PORT -1,17,9,135,83,237\r\n",
		"EPRT \r\n",
		"EPRT |\r\n",
		"EPRT |1|\r\n",
		"EPRT |1|10.0.0.1\r\n",
		"EPRT |1|10.0.0.1|\r\n",
		"EPRT |1|10.0.0.1||\r\n",
		"EPRT |1|10.0.0.1|1024\r\n",
		"EPRT |1|10.0.0.1|1024|x\r\n",
		"EPRT |1|10.0.0.1|1024| \r\n",
		"EPRT |1|10.0.0.1|1024||\r\n",
		"EPRT |1|10.0.0.1|1024!\r\n",
		"EPRT |1|10.0.0.1!1024|\r\n",
		"EPRT |1!10.0.0.1|1024|\r\n",
		"EPRT !1|10.0.0.1|1024|\r\n",
		"EPRT |0|10.0.0.1|1024|\r\n",
		"EPRT |3|10.0.0.1|1024|\r\n",
		"EPRT |01|10.0.0.1|1024|\r\n",
		"EPRT ||10.0.0.1|1024|\r\n",
		"EPRT |1|10.0.0.256|1024|\r\n",
		"EPRT |1|10.0.0.0001|1024|\r\n",
		"EPRT |1|10.0.1|1024|\r\n",
		"EPRT |1|10.0.0.1.1|1024|\r\n",
		"EPRT |1|10.0.0.1.|1024|\r\n",
		"EPRT |1|10.0..1|1024|\r\n",
		"EPRT |1|10,0,0,1|1024|\r\n",
		"EPRT |1||1024|\r\n",
		"EPRT |1|::1|1024|\r\n",
		"EPRT |2|10.0.0.1|1024|\r\n",
		"EPRT |2|:::1|1024|\r\n",
		"EPRT |2||1024|\r\n",
		"EPRT |2|fe80::1%eth0|1024|\r\n",
		"EPRT |2|[::1]|1024|\r\n",
		"EPRT |1|10.0.0.1|65536|\r\n",
		"EPRT |1|10.0.0.1|0000000001024|\r\n",
		"EPRT |1|10.0.0.1|4294968320|\r\n",
		"EPRT |1|10.0.0.1|+1024|\r\n",
		"EPRT |1|10.0.0.1| 1024|\r\n",
		"EPRT | 1|10.0.0.1|1024|\r\n",
		"EPRT 1110.0.0.1110241\r\n",
		"EPRT .1.10.0.0.1.1024.\r\n",
		"EPRT a2afe80::1a1024a\r\n",
		"EPRT F2F::1F1024F\r\n",
		"EPRT :2:fe80::1:1024:\r\n",
		"EPRT .2.fe80::1.1024.\r\n",
		"EPRT \x7f"
		"1\x7f"
		"10.0.0.1\x7f"
		"1024\x7f\r\n",
		"EPRT \xe4"
		"1\xe4"
		"10.0.0.1\xe4"
		"1024\xe4\r\n",
		"HOST \r\n",
		"HOST [::1\r\n",
		"HOST []\r\n",
		"HOST [::1]x\r\n",
		"HOST [::1] \r\n",
		"HOST [192.0.2.1]\r\n",
		"HOST [ftp.example.com]\r\n",
	};

	(void)state;
	for (size_t row = 0; row < sizeof(lines) / sizeof(*lines); row++) {
		struct ftp_announcement line = announcement_of(kind_of(lines[row]), lines[row], 1);

		if (ftp_read(&line) != -EBADMSG)
			fail_msg("read: %s", lines[row]);
		/* Nothing that is wrong becomes right by its end. */
		line.complete = 0;
		assert_int_equal(ftp_read(&line), -EAGAIN);
	}
}

static void names_of_hosts(void **state)
{
	static const char *const lines[] = {
		"HOST ftp.example.com\r\n", "HOST 192.0.2.1.example.com\r\n",
		"HOST 192.0.2\r\n",	    "HOST 192.0.2.256\r\n",
		"HOST 192.0.2.1 \r\n",	    "HOST ::1\r\n",
		"HOST 192.0.2.1:21\r\n",    "HOST 1\n",
	};

	(void)state;
	for (size_t row = 0; row < sizeof(lines) / sizeof(*lines); row++) {
		struct ftp_announcement line = announcement_of(FTP_HOST, lines[row], 1);

		if (ftp_read(&line) != -ENOENT)
			fail_msg("%s: %d", lines[row], ftp_read(&line));
		line.complete = 0;
		assert_int_equal(ftp_read(&line), -EAGAIN);
	}
}

/* What is read twice is read the same, and no kind at all is no line. */
static void state_is_left_by_none(void **state)
{
	struct ftp_announcement line =
		announcement_of(FTP_EPRT, "EPRT |2|2001:db8::1|21485|\r\n", 1);
	struct ftp_announcement other;

	(void)state;
	assert_int_equal(ftp_read(&line), 0);
	other = line;
	assert_int_equal(ftp_read(&other), 0);
	assert_memory_equal(&line, &other, sizeof(line));
	other.kind = FTP_227;
	assert_int_equal(ftp_read(&other), -EBADMSG);
	other.kind = FTP_NONE;
	assert_int_equal(ftp_read(&other), -EBADMSG);
	assert_int_equal(ftp_read(NULL), -EBADMSG);
}

/* A line that fills the buffer has no end to wait for. */
static void longer_than_the_buffer(void **state)
{
	char text[FTPFIX_LINE_MAX + 64];
	struct ftp_announcement line;

	(void)state;
	for (int spaces = 0; spaces < 120; spaces++) {
		int length = snprintf(text, sizeof(text), "PORT %*s1,2,3,4,5,6\r\n", spaces, "");

		line = announcement_of(FTP_PORT, text, 0);
		assert_int_equal(ftp_read(&line), length <= FTPFIX_LINE_MAX ? 0 : -EBADMSG);
	}
}

/* Of every cut of a line the reader says that more must come, until what it
 * needs is there: never a number that the cut made shorter. */
static void cut_short(void **state)
{
	const struct {
		const char *line;
		size_t enough;
	} rows[] = {
		{"227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
		 sizeof("227 Entering Passive Mode (172,17,9,135,83,237)") - 1},
		{"227 (172,17,9,135,83,237)\r\n", sizeof("227 (172,17,9,135,83,237)") - 1},
		/* Numbers in parentheses may follow: only the caller knows. */
		{"227 172,17,9,135,83,237\r\n", SIZE_MAX},
		{"229 Entering Extended Passive Mode (|||21485|)\r\n",
		 sizeof("229 Entering Extended Passive Mode (|||21485|)") - 1},
		{"PORT 172,17,9,135,83,237\r\n", sizeof("PORT 172,17,9,135,83,237\r\n") - 1},
		{"PORT 172,17,9,135,83,237\n\n", sizeof("PORT 172,17,9,135,83,237\n") - 1},
		{"EPRT |1|172.17.9.135|21485|\r\n", sizeof("EPRT |1|172.17.9.135|21485|\r\n") - 1},
		{"EPRT |2|2001:db8::1|21485|\r\n", sizeof("EPRT |2|2001:db8::1|21485|\r\n") - 1},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++)
		for (size_t length = 4; length <= strlen(rows[row].line); length++) {
			struct ftp_announcement line =
				announcement_of(kind_of(rows[row].line), rows[row].line, 0);

			line.length = length;
			memset(line.text + length, '7', FTPFIX_LINE_MAX - length);
			assert_int_equal(ftp_read(&line), length < rows[row].enough ? -EAGAIN : 0);
			if (length >= rows[row].enough)
				assert_int_equal(line.host_port, 21485);
		}
}

static void any_bytes(void **state)
{
	(void)state;
	srand(2);
	for (int round = 0; round < 200000; round++) {
		struct ftp_announcement line = {.complete = rand() & 1};
		__u32 at = 0;

		line.kind = rand() % (FTP_HOST + 2);
		line.length = rand() % (FTPFIX_LINE_MAX + 1);
		if (line.kind > FTP_229)
			memcpy(line.text, "PORT |1|", at = 5 + rand() % 4);
		for (; at < line.length; at++)
			line.text[at] = "0123456789,,,,((()|||...:: \r\nf[]2"[rand() % 34];
		if (ftp_read(&line))
			continue;
		assert_true(line.first >= FTP_TEXT_START && line.first < line.last);
		assert_true(line.last < line.length);
		assert_true(line.host_port <= 65535);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_servers_print),
		cmocka_unit_test(malformed),
		cmocka_unit_test(what_clients_print),
		cmocka_unit_test(malformed_commands),
		cmocka_unit_test(names_of_hosts),
		cmocka_unit_test(state_is_left_by_none),
		cmocka_unit_test(longer_than_the_buffer),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
