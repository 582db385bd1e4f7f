// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The reader of announcing lines: what every known server prints, what is
 * malformed, and what is only cut short.
 */
#include "unit.h"

struct row {
	const char *server;
	const char *line;
	__u32 address; /* host order; 0 for 229 */
	__u32 port;
};

static void what_servers_print(void **state)
{
	const __u32 address = address_of(172, 17, 9, 135);
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
		{"port 0", "227 (0,0,0,0,0,0)\r\n", 0, 0},
		{"vsftpd", "229 Entering Extended Passive Mode (|||21485|)\r\n", 0, 21485},
		{"with a dot", "229 Entering Extended Passive Mode (|||1024|).\r\n", 0, 1024},
		{"pure-ftpd", "229 Extended Passive mode OK (|||65535|)\r\n", 0, 65535},
		{"busybox", "229 EPSV ok (|||9|)\r\n", 0, 9},
		{"other delimiter", "229 ok (!!!21485!)\r\n", 0, 21485},
		{"zero padded", "229 ok (|||01024|)\r\n", 0, 1024},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftp_announcement line = announcement_of(rows[row].line, 1);

		if (ftp_read(&line))
			fail_msg("%s: not read: %s", rows[row].server, rows[row].line);
		assert_int_equal(line.host_port, rows[row].port);
		if (line.code == FTP_CODE_227)
			assert_int_equal(line.host_address, rows[row].address);
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
		struct ftp_announcement line = announcement_of(lines[row], 1);

		if (ftp_read(&line) != -EBADMSG)
			fail_msg("read: %s", lines[row]);
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
		{"227 172,17,9,135,83,237\r\n", sizeof("227 172,17,9,135,83,237\r") - 1},
		{"229 Entering Extended Passive Mode (|||21485|)\r\n",
		 sizeof("229 Entering Extended Passive Mode (|||21485|)") - 1},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++)
		for (size_t length = 4; length < strlen(rows[row].line); length++) {
			struct ftp_announcement line = announcement_of(rows[row].line, 0);

			line.length = length;
			memset(line.text + length, '7', FTP_LINE_MAX - length);
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

		line.code = rand() & 1 ? FTP_CODE_227 : FTP_CODE_229;
		line.length = rand() % (FTP_LINE_MAX + 1);
		for (__u32 at = 0; at < line.length; at++)
			line.text[at] = "0123456789,,,,((()|||. \r\n-"[rand() % 26];
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
		cmocka_unit_test(cut_short),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
