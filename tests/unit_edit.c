// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The editor: every row of what servers print, rewritten at equal length by the
 * rules that real clients bear, and read back the ways that clients read. The
 * expected lines are written out here.
 */
#include "unit.h"

/* Writes the endpoint with the least room that will do, as the dataplane does
 * for a port that may not change. Returns 0 and fills result, or -ENOSPC. */
static int rewrite(const char *text, __u32 address, __u32 port, char *result)
{
	struct ftp_announcement line = announcement_of(text, 1);
	struct ftp_edit edit;

	assert_int_equal(ftp_read(&line), 0);
	strcpy(result, text);
	for (__u32 room = 0; room < FTP_ROOM_COUNT; room++) {
		int digits = ftp_edit_digits(&line, address, room);

		if (digits < 0 || !ftp_edit_fits(&line, digits, port))
			continue;
		assert_int_equal(ftp_edit(&line, address, port, room, &edit), 0);
		assert_true(edit.offset + edit.length <= strlen(text));
		memcpy(result + edit.offset, edit.text, edit.length);
		return 0;
	}
	return -ENOSPC;
}

struct row {
	const char *server;
	const char *line;
	__u8 address[4];
	__u32 port;
	const char *expected; /* NULL: no room */
};

static const struct row rows[] = {
	/* Shorter, equal: dots right after the parenthesis. */
	{"vsftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 {10, 0, 0, 1},
	 21485,
	 "227 Entering Passive Mode (10,0,0,1,83,237).....\r\n"},
	{"vsftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 {198, 51, 1, 100},
	 21485,
	 "227 Entering Passive Mode (198,51,1,100,83,237).\r\n"},
	{"pure-ftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237)\r\n",
	 {10, 0, 0, 1},
	 21485,
	 "227 Entering Passive Mode (10,0,0,1,83,237)....\r\n"},
	{"busybox",
	 "227 PASV ok (172,17,9,135,83,237)\r\n",
	 {1, 2, 3, 4},
	 1024,
	 "227 PASV ok (1,2,3,4,4,0)........\r\n"},
	{"aioftp",
	 "227 (172,17,9,135,83,237)\r\n",
	 {1, 2, 3, 4},
	 1024,
	 "227 (1,2,3,4,4,0)........\r\n"},
	/* Longer, step 1: the dot goes. */
	{"vsftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 {203, 0, 113, 25},
	 21485,
	 "227 Entering Passive Mode (203,0,113,25,83,237).\r\n"},
	{"vsftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 {203, 10, 113, 25},
	 21485,
	 "227 Entering Passive Mode (203,10,113,25,83,237)\r\n"},
	{"pyftpdlib",
	 "227 Entering passive mode (172,17,9,135,83,237).\r\n",
	 {203, 10, 113, 25},
	 21485,
	 "227 Entering passive mode (203,10,113,25,83,237)\r\n"},
	/* Step 2 is another port: the editor writes the one it is given. */
	{"vsftpd",
	 "227 Entering Passive Mode (10,0,0,175,83,237).\r\n",
	 {203, 10, 113, 250},
	 2055,
	 "227 Entering Passive Mode (203,10,113,250,8,7)\r\n"},
	/* Step 3: the space before the parenthesis. */
	{"vsftpd, of the issue",
	 "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 {123, 56, 241, 199},
	 21485,
	 "227 Entering Passive Mode(123,56,241,199,83,237)\r\n"},
	{"pure-ftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237)\r\n",
	 {203, 10, 113, 25},
	 21485,
	 "227 Entering Passive Mode(203,10,113,25,83,237)\r\n"},
	{"busybox",
	 "227 PASV ok (172,17,9,135,83,237)\r\n",
	 {203, 10, 113, 25},
	 21485,
	 "227 PASV ok(203,10,113,25,83,237)\r\n"},
	/* Step 4: the spaces between the words. */
	{"vsftpd",
	 "227 Entering Passive Mode (10,0,0,5,83,237).\r\n",
	 {10, 200, 30, 5},
	 21485,
	 "227 EnteringPassiveMode(10,200,30,5,83,237).\r\n"},
	{"vsftpd",
	 "227 Entering Passive Mode (10,0,0,5,83,237).\r\n",
	 {10, 200, 100, 5},
	 21485,
	 "227 EnteringPassiveMode(10,200,100,5,83,237)\r\n"},
	{"pure-ftpd",
	 "227 Entering Passive Mode (172,17,9,135,83,237)\r\n",
	 {123, 56, 241, 199},
	 21485,
	 "227 EnteringPassiveMode(123,56,241,199,83,237).\r\n"},
	{"pyftpdlib",
	 "227 Entering passive mode (10,0,0,5,83,237).\r\n",
	 {10, 200, 100, 5},
	 21485,
	 "227 Enteringpassivemode(10,200,100,5,83,237)\r\n"},
	/* No room. */
	{"vsftpd",
	 "227 Entering Passive Mode (10,0,0,5,83,237).\r\n",
	 {100, 200, 100, 5},
	 21485,
	 NULL},
	{"pure-ftpd",
	 "227 Entering Passive Mode (10,0,0,5,83,237)\r\n",
	 {100, 200, 10, 5},
	 21485,
	 NULL},
	{"busybox", "227 PASV ok (10,0,0,5,83,237)\r\n", {10, 200, 0, 5}, 21485, NULL},
	{"aioftp: the space belongs to the code",
	 "227 (10,0,0,5,83,237)\r\n",
	 {10, 20, 0, 5},
	 21485,
	 NULL},
	/* sys-ftpd: only at exactly the same length. */
	{"sys-ftpd",
	 "227 172,17,9,135,83,237\r\n",
	 {198, 51, 1, 100},
	 21485,
	 "227 198,51,1,100,83,237\r\n"},
	{"sys-ftpd", "227 172,17,9,135,83,237\r\n", {198, 51, 1, 10}, 21485, NULL},
	{"sys-ftpd", "227 172,17,9,135,83,237\r\n", {198, 51, 100, 100}, 21485, NULL},
	/* 229: the port only; the address is not in the line. */
	{"vsftpd",
	 "229 Entering Extended Passive Mode (|||21485|)\r\n",
	 {203, 0, 113, 5},
	 30000,
	 "229 Entering Extended Passive Mode (|||30000|)\r\n"},
	{"with a dot",
	 "229 Entering Extended Passive Mode (|||21485|).\r\n",
	 {203, 0, 113, 5},
	 2148,
	 "229 Entering Extended Passive Mode (|||2148|)..\r\n"},
	{"pure-ftpd",
	 "229 Extended Passive mode OK (|||21485|)\r\n",
	 {203, 0, 113, 5},
	 1024,
	 "229 Extended Passive mode OK (|||1024|).\r\n"},
	{"other delimiter",
	 "229 ok (!!!21485!)\r\n",
	 {203, 0, 113, 5},
	 1024,
	 "229 ok (!!!1024!).\r\n"},
	{"busybox", "229 EPSV ok (|||2148|)\r\n", {203, 0, 113, 5}, 21485, NULL},
};

static void every_row(void **state)
{
	(void)state;
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		const struct row *row = &rows[at];
		const __u8 *octet = row->address;
		char result[256];
		int err = rewrite(row->line, address_of(octet[0], octet[1], octet[2], octet[3]),
				  row->port, result);

		if (!row->expected) {
			if (err != -ENOSPC)
				fail_msg("%s: wrote %s", row->server, result);
			continue;
		}
		if (strlen(row->expected) != strlen(row->line))
			fail_msg("%s: expected length is wrong: %s", row->server, row->expected);
		if (err || strcmp(result, row->expected))
			fail_msg("%s: wrote %s, not %s", row->server, result, row->expected);
	}
}

/* The ways that clients read a 227. Each fills six numbers and returns 1. */

static int read_as_rfc1123(const char *line, int *number)
{
	line += 4;
	line += strcspn(line, "0123456789");
	return sscanf(line, "%d,%d,%d,%d,%d,%d", number, number + 1, number + 2, number + 3,
		      number + 4, number + 5) == 6;
}

static int read_as_literal_scanf(const char *line, int *number)
{
	return sscanf(line, "227 Entering Passive Mode (%d,%d,%d,%d,%d,%d)", number, number + 1,
		      number + 2, number + 3, number + 4, number + 5) == 6;
}

static int read_between_parentheses(const char *line, int *number)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');

	return open && close && strchr(open, ')') == close &&
	       sscanf(open, "(%d,%d,%d,%d,%d,%d)", number, number + 1, number + 2, number + 3,
		      number + 4, number + 5) == 6;
}

/* .NET takes the fields from the end of the line, cut at every character that
 * is not a digit, after what follows the parenthesis was taken off. */
static int read_from_the_end(const char *line, int *number)
{
	const char *at = strrchr(line, ')');

	for (int field = 5; at && field >= 0; field--) {
		const char *end = at;

		while (ftp_digit(at[-1]))
			at--;
		if (at == end)
			return 0;
		number[field] = atoi(at);
		at--;
	}
	return at != NULL;
}

static void read_back(const char *server, const char *line, const char *result, __u32 address,
		      __u32 port)
{
	static int (*const readers[])(const char *,
				      int *) = {read_as_rfc1123, read_as_literal_scanf,
						read_between_parentheses, read_from_the_end};
	const int expected[] = {address >> 24, address >> 16 & 255, address >> 8 & 255,
				address & 255, port >> 8,	    port & 255};

	for (size_t reader = 0; reader < sizeof(readers) / sizeof(*readers); reader++) {
		int before[6], after[6];

		/* A client that could not read the server never could. */
		if (!readers[reader](line, before))
			continue;
		if (!readers[reader](result, after) || memcmp(after, expected, sizeof(after)))
			fail_msg("%s: reader %zu does not read %s", server, reader, result);
	}
}

/* Any address and port into any server's line: equal length, nothing but dots
 * for padding, and read by every kind of client. */
static void any_endpoint(void **state)
{
	static const char *const servers[] = {
		"227 Entering Passive Mode (%d,%d,%d,%d,%d,%d).\r\n",
		"227 Entering passive mode (%d,%d,%d,%d,%d,%d).\r\n",
		"227 Entering Passive Mode (%d,%d,%d,%d,%d,%d)\r\n",
		"227 PASV ok (%d,%d,%d,%d,%d,%d)\r\n",
		"227 (%d,%d,%d,%d,%d,%d)\r\n",
		"227 %d,%d,%d,%d,%d,%d\r\n",
	};
	static const int octets[] = {0, 9, 10, 99, 100, 255};
	unsigned int written = 0, refused = 0;

	(void)state;
	srand(3);
	for (int round = 0; round < 300000; round++) {
		const char *server = servers[rand() % 6];
		char line[128], result[256];
		__u32 address = 0, port = 1024 + rand() % 64512;
		const char *padding;

		snprintf(line, sizeof(line), server, octets[rand() % 6], octets[rand() % 6],
			 octets[rand() % 6], octets[rand() % 6], 4 + rand() % 252, rand() % 256);
		for (int octet = 0; octet < 4; octet++)
			address = address << 8 | octets[rand() % 6];
		if (rewrite(line, address, port, result)) {
			refused++;
			continue;
		}
		written++;
		assert_int_equal(strlen(result), strlen(line));
		read_back(server, line, result, address, port);
		padding = strrchr(result, ')');
		if (padding)
			assert_int_equal(strspn(padding + 1, ".") + 3, strlen(padding));
	}
	assert_true(written > 1000 && refused > 1000);
}

/* Every digit budget of both codes against the ports counted one by one. */
static void digits_of_ports(void **state)
{
	(void)state;
	for (__u32 port = 1; port <= 65535; port++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", port);
		assert_int_equal(ftp_digits_port(FTP_CODE_229, port), strlen(text));
		snprintf(text, sizeof(text), "%u%u", port >> 8, port & 255);
		assert_int_equal(ftp_digits_port(FTP_CODE_227, port), strlen(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(any_endpoint),
		cmocka_unit_test(digits_of_ports),
	};

	return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
