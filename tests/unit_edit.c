// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The editor: every row of what servers print, rewritten at equal length by the
 * rules that real clients bear, and read back the ways that clients read. The
 * expected lines are written out here.
 */
#include "unit.h"

/* Writes the endpoint in this room. Returns 0 and fills result, or -ENOSPC. */
static int rewrite_in(enum ftp_kind kind, const char *text, const struct ftpfix_addr *addr,
		      __u32 port, __u32 room, char *result)
{
	struct ftp_announcement line = announcement_of(kind, text, 1);
	struct ftp_edit edit;
	int digits;

	assert_int_equal(ftp_read(&line), 0);
	digits = ftp_edit_digits(&line, addr, room);
	if (digits < 0) {
		assert_int_equal(digits, -ENOSPC);
		return -ENOSPC;
	}
	if (!ftp_edit_fits(&line, digits, port))
		return -ENOSPC;
	assert_int_equal(ftp_edit(&line, addr, port, room, &edit), 0);
	assert_true(edit.offset + edit.removed <= strlen(text));
	if (room != FTP_ROOM_ADJUST)
		assert_int_equal(edit.length, edit.removed);
	edit_apply(text, &edit, result);
	return 0;
}

/* Writes the endpoint at equal length with the least room that will do, as the
 * dataplane does for a port that may not change. */
static int rewrite(enum ftp_kind kind, const char *text, const struct ftpfix_addr *addr, __u32 port,
		   char *result)
{
	for (__u32 room = 0; room < FTP_ROOM_ADJUST; room++)
		if (!rewrite_in(kind, text, addr, port, room, result))
			return 0;
	return -ENOSPC;
}

struct row {
	const char *server;
	const char *line;
	const char *address;
	__u32 port;
	const char *expected; /* NULL: no room */
};

static const struct row rows[] = {
	/* Shorter, equal: dots right after the parenthesis. */
	{"vsftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", "10.0.0.1", 21485,
	 "227 Entering Passive Mode (10,0,0,1,83,237).....\r\n"},
	{"vsftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", "198.51.1.100", 21485,
	 "227 Entering Passive Mode (198,51,1,100,83,237).\r\n"},
	{"pure-ftpd", "227 Entering Passive Mode (172,17,9,135,83,237)\r\n", "10.0.0.1", 21485,
	 "227 Entering Passive Mode (10,0,0,1,83,237)....\r\n"},
	{"busybox", "227 PASV ok (172,17,9,135,83,237)\r\n", "1.2.3.4", 1024,
	 "227 PASV ok (1,2,3,4,4,0)........\r\n"},
	{"aioftp", "227 (172,17,9,135,83,237)\r\n", "1.2.3.4", 1024,
	 "227 (1,2,3,4,4,0)........\r\n"},
	/* Longer, step 1: the dot goes. */
	{"vsftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", "203.0.113.25", 21485,
	 "227 Entering Passive Mode (203,0,113,25,83,237).\r\n"},
	{"vsftpd", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n", "203.10.113.25", 21485,
	 "227 Entering Passive Mode (203,10,113,25,83,237)\r\n"},
	{"pyftpdlib", "227 Entering passive mode (172,17,9,135,83,237).\r\n", "203.10.113.25",
	 21485, "227 Entering passive mode (203,10,113,25,83,237)\r\n"},
	/* Step 2 is another port: the editor writes the one it is given. */
	{"vsftpd", "227 Entering Passive Mode (10,0,0,175,83,237).\r\n", "203.10.113.250", 2055,
	 "227 Entering Passive Mode (203,10,113,250,8,7)\r\n"},
	/* Step 3: the space before the parenthesis. */
	{"vsftpd, of the issue", "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
	 "123.56.241.199", 21485, "227 Entering Passive Mode(123,56,241,199,83,237)\r\n"},
	{"pure-ftpd", "227 Entering Passive Mode (172,17,9,135,83,237)\r\n", "203.10.113.25", 21485,
	 "227 Entering Passive Mode(203,10,113,25,83,237)\r\n"},
	{"busybox", "227 PASV ok (172,17,9,135,83,237)\r\n", "203.10.113.25", 21485,
	 "227 PASV ok(203,10,113,25,83,237)\r\n"},
	/* Step 4: the spaces between the words. */
	{"vsftpd", "227 Entering Passive Mode (10,0,0,5,83,237).\r\n", "10.200.30.5", 21485,
	 "227 EnteringPassiveMode(10,200,30,5,83,237).\r\n"},
	{"vsftpd", "227 Entering Passive Mode (10,0,0,5,83,237).\r\n", "10.200.100.5", 21485,
	 "227 EnteringPassiveMode(10,200,100,5,83,237)\r\n"},
	{"pure-ftpd", "227 Entering Passive Mode (172,17,9,135,83,237)\r\n", "123.56.241.199",
	 21485, "227 EnteringPassiveMode(123,56,241,199,83,237).\r\n"},
	{"pyftpdlib", "227 Entering passive mode (10,0,0,5,83,237).\r\n", "10.200.100.5", 21485,
	 "227 Enteringpassivemode(10,200,100,5,83,237)\r\n"},
	/* No room. */
	{"vsftpd", "227 Entering Passive Mode (10,0,0,5,83,237).\r\n", "100.200.100.5", 21485,
	 NULL},
	{"pure-ftpd", "227 Entering Passive Mode (10,0,0,5,83,237)\r\n", "100.200.10.5", 21485,
	 NULL},
	{"busybox", "227 PASV ok (10,0,0,5,83,237)\r\n", "10.200.0.5", 21485, NULL},
	{"aioftp: the space belongs to the code", "227 (10,0,0,5,83,237)\r\n", "10.20.0.5", 21485,
	 NULL},
	/* sys-ftpd: only at exactly the same length. */
	{"sys-ftpd", "227 172,17,9,135,83,237\r\n", "198.51.1.100", 21485,
	 "227 198,51,1,100,83,237\r\n"},
	{"sys-ftpd", "227 172,17,9,135,83,237\r\n", "198.51.1.10", 21485, NULL},
	{"sys-ftpd", "227 172,17,9,135,83,237\r\n", "198.51.100.100", 21485, NULL},
	/* 229: the port only; the address is not in the line. */
	{"vsftpd", "229 Entering Extended Passive Mode (|||21485|)\r\n", "203.0.113.5", 30000,
	 "229 Entering Extended Passive Mode (|||30000|)\r\n"},
	{"with a dot", "229 Entering Extended Passive Mode (|||21485|).\r\n", "203.0.113.5", 2148,
	 "229 Entering Extended Passive Mode (|||2148|)..\r\n"},
	{"pure-ftpd", "229 Extended Passive mode OK (|||21485|)\r\n", "203.0.113.5", 1024,
	 "229 Extended Passive mode OK (|||1024|).\r\n"},
	{"other delimiter", "229 ok (!!!21485!)\r\n", "203.0.113.5", 1024,
	 "229 ok (!!!1024!).\r\n"},
	{"busybox", "229 EPSV ok (|||2148|)\r\n", "203.0.113.5", 21485, NULL},
};

static void every_row(void **state)
{
	(void)state;
	for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++) {
		const struct row *row = &rows[at];
		struct ftpfix_addr addr = addr_of(row->address);
		char result[256];
		int err = rewrite(row->line[2] == '7' ? FTP_227 : FTP_229, row->line, &addr,
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
		struct ftpfix_addr addr = {};
		const char *padding;

		snprintf(line, sizeof(line), server, octets[rand() % 6], octets[rand() % 6],
			 octets[rand() % 6], octets[rand() % 6], 4 + rand() % 252, rand() % 256);
		for (int octet = 0; octet < 4; octet++)
			address = address << 8 | octets[rand() % 6];
		addr.be_word[2] = htonl(0xffff);
		addr.be_word[3] = htonl(address);
		if (rewrite(FTP_227, line, &addr, port, result)) {
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

struct command_row {
	const char *line;
	const char *address;
	__u32 port;
	const char *equal;    /* at equal length; NULL: no room */
	const char *adjusted; /* at its natural length */
};

static const struct command_row command_rows[] = {
	/* PORT: zeros in front of p1, then of p2. */
	{"PORT 172,17,9,135,83,237\r\n", "198.51.1.100", 21485, "PORT 198,51,1,100,83,237\r\n",
	 "PORT 198,51,1,100,83,237\r\n"},
	{"PORT 172,17,9,135,83,237\r\n", "198.51.10.10", 21485, "PORT 198,51,10,10,83,237\r\n",
	 "PORT 198,51,10,10,83,237\r\n"},
	{"PORT 172,17,9,135,83,237\r\n", "198.51.1.10", 21485, "PORT 198,51,1,10,083,237\r\n",
	 "PORT 198,51,1,10,83,237\r\n"},
	{"PORT 172,17,9,135,83,237\r\n", "198.51.1.10", 1025, "PORT 198,51,1,10,004,001\r\n",
	 "PORT 198,51,1,10,4,1\r\n"},
	{"port 172,17,9,135,4,5\r\n", "198.51.1.1", 1025, "port 198,51,1,1,004,1\r\n",
	 "port 198,51,1,1,4,1\r\n"},
	{"PORT 172,17,9,135,4,5\r\n", "98.51.1.1", 1025, "PORT 98,51,1,1,004,01\r\n",
	 "PORT 98,51,1,1,4,1\r\n"},
	{"PORT 172,17,9,135,4,5\r\n", "8.51.1.1", 1025, "PORT 8,51,1,1,004,001\r\n",
	 "PORT 8,51,1,1,4,1\r\n"},
	{"PORT 172,17,9,135,4,5\r\n", "8.5.1.1", 1025, NULL, "PORT 8,5,1,1,4,1\r\n"},
	{"PORT 172,17,9,135,4,5\r\n", "8.51.1.1", 65535, "PORT 8,51,1,1,255,255\r\n",
	 "PORT 8,51,1,1,255,255\r\n"},
	{"PORT 10,0,0,5,83,237\r\n", "203.0.113.25", 21485, NULL, "PORT 203,0,113,25,83,237\r\n"},
	{"PORT 10,0,0,5,83,237\n", "203.0.0.5", 1024, "PORT 203,0,0,5,004,0\n",
	 "PORT 203,0,0,5,4,0\n"},
	{"PORT 10,0,0,5,83,237\r\n", "20.10.0.5", 21485, NULL, "PORT 20,10,0,5,83,237\r\n"},
	{"PORT 10,0,0,5,83,237\r\n", "203.1.13.5", 2056, "PORT 203,1,13,5,08,8\r\n",
	 "PORT 203,1,13,5,8,8\r\n"},
	{"PORT 10,0,0,5,83,237\r\n", "fd00::1", 21485, NULL, NULL},
	/* EPRT: zeros in front of the port. */
	{"EPRT |1|172.17.9.135|21485|\r\n", "203.0.113.25", 21485,
	 "EPRT |1|203.0.113.25|21485|\r\n", "EPRT |1|203.0.113.25|21485|\r\n"},
	{"EPRT |1|172.17.9.135|21485|\r\n", "10.0.0.1", 1024, "EPRT |1|10.0.0.1|000001024|\r\n",
	 "EPRT |1|10.0.0.1|1024|\r\n"},
	{"EPRT |1|172.17.9.135|21485|\r\n", "198.51.100.25", 1024,
	 "EPRT |1|198.51.100.25|1024|\r\n", "EPRT |1|198.51.100.25|1024|\r\n"},
	{"EPRT |1|172.17.9.135|21485|\r\n", "198.51.100.25", 21485, NULL,
	 "EPRT |1|198.51.100.25|21485|\r\n"},
	{"EPRT !1!172.17.90.135!021485!\r\n", "1.2.3.4", 80, "EPRT !1!1.2.3.4!000000000080!\r\n",
	 "EPRT !1!1.2.3.4!80!\r\n"},
	{"EPRT !1!172.17.90.135!0021485!\r\n", "1.2.3.4", 80, NULL, "EPRT !1!1.2.3.4!80!\r\n"},
	{"EPRT |2|1080::8:800:200C:417A|5282|\r\n", "2001:db8::1", 21485, NULL,
	 "EPRT |2|2001:db8::1|21485|\r\n"},
	{"EPRT |2|fd00::a:b|5282|\r\n", "2001:db8::1", 5282, NULL, "EPRT |2|2001:db8::1|5282|\r\n"},
	{"EPRT |2|2001:DB8:0::1|5282|\r\n", "2001:db8::1", 5282, "EPRT |2|2001:db8::1|005282|\r\n",
	 "EPRT |2|2001:db8::1|5282|\r\n"},
	/* Between the families the protocol changes, RFC 6384. */
	{"EPRT |2|2001:db8::1|5282|\r\n", "192.0.2.1", 5282, "EPRT |1|192.0.2.1|005282|\r\n",
	 "EPRT |1|192.0.2.1|5282|\r\n"},
	{"EPRT |1|192.0.2.1|5282|\r\n", "2001:db8::1", 528, NULL, "EPRT |2|2001:db8::1|528|\r\n"},
	{"EPRT a1a192.0.2.1a5282a\r\n", "2001:db8::1", 528, NULL, NULL},
	{"EPRT :1:192.0.2.1:5282:\r\n", "2001:db8::1", 528, NULL, NULL},
	{"EPRT a1a192.0.2.1a5282a\r\n", "192.0.2.2", 5283, "EPRT a1a192.0.2.2a5283a\r\n",
	 "EPRT a1a192.0.2.2a5283a\r\n"},
	/* HOST: no port, and no place for padding. */
	{"HOST 192.0.2.1\r\n", "198.1.2.1", 0, "HOST 198.1.2.1\r\n", "HOST 198.1.2.1\r\n"},
	{"HOST 192.0.2.1\r\n", "1.2.3.4", 0, NULL, "HOST 1.2.3.4\r\n"},
	{"HOST 192.0.2.1\r\n", "fe80::1", 0, "HOST [fe80::1]\r\n", "HOST [fe80::1]\r\n"},
	{"HOST [2001:db8::1]\r\n", "fd00::", 0, NULL, "HOST [fd00::]\r\n"},
	{"HOST [fd00::7]\n", "192.0.2.1", 0, "HOST 192.0.2.1\n", "HOST 192.0.2.1\n"},
};

static enum ftp_kind kind_of_command(const char *line)
{
	return line[0] == 'E' ? FTP_EPRT : line[0] == 'H' ? FTP_HOST : FTP_PORT;
}

static void every_command(void **state)
{
	(void)state;
	for (size_t at = 0; at < sizeof(command_rows) / sizeof(*command_rows); at++) {
		const struct command_row *row = &command_rows[at];
		enum ftp_kind kind = kind_of_command(row->line);
		struct ftpfix_addr addr = addr_of(row->address);
		char result[256] = "";
		int err = rewrite(kind, row->line, &addr, row->port, result);

		if (!err != !!row->equal || (row->equal && strcmp(result, row->equal)))
			fail_msg("%s: %s, not %s", row->line, err ? "no room" : result, row->equal);
		err = rewrite_in(kind, row->line, &addr, row->port, FTP_ROOM_ADJUST, result);
		if (!err != !!row->adjusted || (row->adjusted && strcmp(result, row->adjusted)))
			fail_msg("%s: %s, not %s", row->line, err ? "no room" : result,
				 row->adjusted);
		/* These rooms are of 227 alone. */
		assert_int_equal(
			rewrite_in(kind, row->line, &addr, row->port, FTP_ROOM_SPACE, result),
			-ENOSPC);
		assert_int_equal(
			rewrite_in(kind, row->line, &addr, row->port, FTP_ROOM_WORDS, result),
			-ENOSPC);
	}
}

static void replies_of_any_length(void **state)
{
	static const struct command_row replies[] = {
		{"227 Entering Passive Mode (10,0,0,5,83,237).\r\n", "203.100.113.250", 65535, NULL,
		 "227 Entering Passive Mode (203,100,113,250,255,255).\r\n"},
		{"227 Entering Passive Mode (172,17,9,135,83,237)\r\n", "1.2.3.4", 1024, NULL,
		 "227 Entering Passive Mode (1,2,3,4,4,0)\r\n"},
		{"227 172,17,9,135,83,237\r\n", "1.2.3.4", 1024, NULL, "227 1,2,3,4,4,0\r\n"},
		{"227 Entering Passive Mode (10,0,0,5,83,237).\r\n", "2001:db8::1", 1024, NULL,
		 NULL},
		{"229 Entering Extended Passive Mode (|||2148|).\r\n", "1.2.3.4", 65535, NULL,
		 "229 Entering Extended Passive Mode (|||65535|).\r\n"},
		{"229 ok (!!!21485!)\r\n", "2001:db8::1", 80, NULL, "229 ok (!!!80!)\r\n"},
	};

	(void)state;
	for (size_t at = 0; at < sizeof(replies) / sizeof(*replies); at++) {
		const struct command_row *row = &replies[at];
		struct ftpfix_addr addr = addr_of(row->address);
		char result[256] = "";
		int err = rewrite_in(row->line[2] == '7' ? FTP_227 : FTP_229, row->line, &addr,
				     row->port, FTP_ROOM_ADJUST, result);

		if (!err != !!row->adjusted || (row->adjusted && strcmp(result, row->adjusted)))
			fail_msg("%s: %s, not %s", row->line, err ? "no room" : result,
				 row->adjusted);
	}
}

/* What printf() writes of the endpoint, with p1 and p2 or the port that wide. */
static void expected_line(enum ftp_kind kind, char *text, const char *address, int one, int two,
			  __u32 port)
{
	char commas[32];

	strcpy(commas, address);
	for (char *at = commas; *at; at++)
		*at = *at == '.' ? ',' : *at;
	if (kind == FTP_227)
		sprintf(text, "227 ok (%s,%u,%u)", commas, port >> 8, port & 255);
	else if (kind == FTP_229)
		sprintf(text, "229 ok (|||%u|)", port);
	else if (kind == FTP_PORT)
		sprintf(text, "PORT %s,%0*u,%0*u\r\n", commas, one, port >> 8, two, port & 255);
	else
		sprintf(text, "EPRT |%d|%s|%0*u|\r\n", strchr(address, ':') ? 2 : 1, address, one,
			port);
}

/* All ports into every kind of line, in each room. The expected text is the one
 * width of padding of the right length, if there is one. */
static void every_port(void **state)
{
	static const char *const addresses[] = {"1.2.3.4", "203.0.113.25", "255.255.255.255",
						"2001:db8::1"};
	static const char *const lines[] = {"227 ok (10,0,0,175,83,237).......\r\n",
					    "229 ok (|||21485|)\r\n", "PORT 10,0,20,175,83,237\r\n",
					    "EPRT |1|10.0.0.175|21485|\r\n"};

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		enum ftp_kind kind = FTP_227 + at % 4;
		const char *line = lines[at % 4], *address = addresses[at / 4];
		struct ftpfix_addr addr = addr_of(address);
		int impossible = strchr(address, ':') && (kind == FTP_227 || kind == FTP_PORT);

		for (__u32 port = 0; port <= 65535; port++) {
			char result[256], expected[256];
			int err = rewrite_in(kind, line, &addr, port, FTP_ROOM_ADJUST, result);

			assert_int_equal(err, impossible ? -ENOSPC : 0);
			if (impossible)
				break;
			expected_line(kind, expected, address, 1, 1, port);
			assert_memory_equal(result, expected, strlen(expected));
			err = rewrite_in(kind, line, &addr, port, FTP_ROOM_DOT, result);
			for (int one = 1; kind == FTP_PORT && one < 3; one++) {
				expected_line(kind, expected, address, one, 1, port);
				if (strlen(expected) >= strlen(line))
					break;
				expected_line(kind, expected, address, one + 1, 1, port);
			}
			for (int two = 2; kind == FTP_PORT && two <= 3; two++)
				if (strlen(expected) < strlen(line))
					expected_line(kind, expected, address, 3, two, port);
			for (int one = 2; kind == FTP_EPRT && one <= 12; one++)
				if (strlen(expected) < strlen(line))
					expected_line(kind, expected, address, one, 1, port);
			if (kind == FTP_227 || kind == FTP_229) {
				size_t room = strlen(line) - 2 - (kind == FTP_227 ? 6 : 0);

				assert_int_equal(err, strlen(expected) <= room ? 0 : -ENOSPC);
				if (!err)
					assert_memory_equal(result, expected, strlen(expected));
			} else {
				assert_int_equal(err,
						 strlen(expected) == strlen(line) ? 0 : -ENOSPC);
				if (!err)
					assert_string_equal(result, expected);
			}
		}
	}
}

/* An edit that was not asked for by the rules writes nothing too long. */
static void what_does_not_fit(void **state)
{
	struct ftpfix_addr addr = addr_of("1.2.3.4"), ipv6 = addr_of("2001:db8::1");
	struct ftp_announcement line = announcement_of(FTP_PORT, "PORT 10,0,20,175,83,237\r\n", 1);
	struct ftp_edit edit;

	(void)state;
	assert_int_equal(ftp_read(&line), 0);
	assert_int_equal(ftp_edit(&line, &addr, 1024, FTP_ROOM_DOT, &edit), -ENOSPC);
	assert_int_equal(ftp_edit(&line, &ipv6, 1024, FTP_ROOM_ADJUST, &edit), -ENOSPC);
	addr = addr_of("203.100.113.250");
	assert_int_equal(ftp_edit(&line, &addr, 65535, FTP_ROOM_DOT, &edit), -ENOSPC);
	assert_int_equal(ftp_edit(NULL, &addr, 1024, FTP_ROOM_DOT, &edit), -ENOSPC);
	assert_int_equal(ftp_edit(&line, NULL, 1024, FTP_ROOM_DOT, &edit), -ENOSPC);
	assert_int_equal(ftp_edit(&line, &addr, 1024, FTP_ROOM_DOT, NULL), -ENOSPC);
	assert_int_equal(ftp_edit_digits(NULL, &addr, FTP_ROOM_DOT), -ENOSPC);
	assert_int_equal(ftp_edit_digits(&line, NULL, FTP_ROOM_DOT), -ENOSPC);
	assert_int_equal(ftp_edit_fits(NULL, 6, 1024), 0);
}

/* Every digit budget of both codes against the ports counted one by one. */
static void digits_of_ports(void **state)
{
	(void)state;
	for (__u32 port = 1; port <= 65535; port++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", port);
		assert_int_equal(ftp_digits_port(FTP_229, port), strlen(text));
		assert_int_equal(ftp_digits_port(FTP_EPRT, port), strlen(text));
		snprintf(text, sizeof(text), "%u%u", port >> 8, port & 255);
		assert_int_equal(ftp_digits_port(FTP_227, port), strlen(text));
		assert_int_equal(ftp_digits_port(FTP_PORT, port), strlen(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),	   cmocka_unit_test(any_endpoint),
		cmocka_unit_test(every_command),   cmocka_unit_test(replies_of_any_length),
		cmocka_unit_test(every_port),	   cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(digits_of_ports),
	};

	return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
