// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * IPv6 addresses as text: every form is read that inet_pton() reads and no
 * other, and what is written is what inet_ntop() writes.
 */
#include "unit.h"

/* Reads text by the engine. Returns 0 or -1. */
static int read_text(const char *text, struct ftpfix_addr *addr)
{
	struct ftp_ipv6 reader;

	memset(addr, 0, sizeof(*addr));
	ftp_ipv6_begin(&reader);
	for (; *text; text++)
		if (ftp_ipv6_byte(&reader, *text))
			return -1;
	if (ftp_ipv6_end(&reader))
		return -1;
	ftp_ipv6_store(&reader, addr);
	return 0;
}

static void check_text(const char *text)
{
	struct ftpfix_addr addr, expected;
	int valid = inet_pton(AF_INET6, text, &expected) == 1, read;

	read = !read_text(text, &addr);
	if (read != valid)
		fail_msg("%s: %s", valid ? "not read" : "read", text);
	if (valid && memcmp(&addr, &expected, sizeof(addr)))
		fail_msg("read wrongly: %s", text);
}

static void written_out(void **state)
{
	static const struct {
		const char *text;
		__u8 bytes[16];
	} rows[] = {
		{"::", {0}},
		{"::1", {[15] = 1}},
		{"1::", {[1] = 1}},
		{"1080::8:800:200C:417A",
		 {0x10, 0x80, 0, 0, 0, 0, 0, 0, 0, 8, 8, 0, 0x20, 0x0c, 0x41, 0x7a}},
		{"FF01:0:0:0:0:0:0:101", {0xff, 1, [14] = 1, [15] = 1}},
		{"::FFFF:129.144.52.38", {[10] = 255, [11] = 255, 129, 144, 52, 38}},
		{"::13.1.68.3", {[12] = 13, 1, 68, 3}},
		{"64:ff9b::192.0.2.33", {0, 0x64, 0xff, 0x9b, [12] = 192, 0, 2, 33}},
		{"0001:0002:0003:0004:0005:0006:0007:0008",
		 {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
		{"1:2:3:4:5:6:7::", {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0}},
		{"::2:3:4:5:6:7:8", {0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
		{"1:2:3:4:5:6:7.8.9.10", {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 7, 8, 9, 10}},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftpfix_addr addr;

		if (read_text(rows[row].text, &addr))
			fail_msg("not read: %s", rows[row].text);
		assert_memory_equal(&addr, rows[row].bytes, sizeof(addr));
		check_text(rows[row].text);
	}
}

static void no_addresses(void **state)
{
	static const char *const texts[] = {
		"",
		":",
		"1",
		":1",
		"1:",
		":::",
		"1:::2",
		"1::2::3",
		"::1::",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:",
		"1:2:3:4:5:6:7:8:",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:8::",
		"::1:2:3:4:5:6:7:8",
		"1:2:3:4::5:6:7:8",
		"00001::",
		"12345::",
		"g::",
		"fe80::1%eth0",
		"::1/64",
		" ::1",
		"::1 ",
		"[::1]",
		"1.2.3.4",
		"::1.2.3",
		"::1.2.3.",
		"::1.2.3.4.5",
		"::1.2.3.256",
		"::1.2.3.1000",
		"::1.2.3.a",
		"::1.2..4",
		"::.1.2.3",
		"::1.2.3.4:5",
		"1.2.3.4::",
		"::1.02.3.4",
		"::001.2.3.4",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1:2:3:4:5:1.2.3.4",
		"::3:4:5:6:7:8:1.2.3.4",
	};

	(void)state;
	for (size_t at = 0; at < sizeof(texts) / sizeof(*texts); at++) {
		struct ftpfix_addr addr;

		if (!read_text(texts[at], &addr))
			fail_msg("read: %s", texts[at]);
		check_text(texts[at]);
	}
}

/* Texts near to addresses: pieces of them at random. */
static void any_text(void **state)
{
	static const char *const pieces[] = {":",	"::",	  ":",	  "1",	"0",	"ffff",
					     "a:",	"1:2:3:", "0:0:", "12", "00ff", "7:",
					     "1.2.3.4", "256.",	  "9.",	  ".",	"F",	"g"};

	(void)state;
	srand(5);
	for (int round = 0; round < 500000; round++) {
		char text[128] = "";

		for (int piece = rand() % 10; piece >= 0; piece--)
			strcat(text, pieces[rand() % (sizeof(pieces) / sizeof(*pieces))]);
		check_text(text);
	}
}

/* An address of which many groups are zero and some are short. */
static struct ftpfix_addr random_addr(void)
{
	struct ftpfix_addr addr;
	static const __u16 edges[] = {1, 0xf, 0x10, 0xff, 0x100, 0xfff, 0x1000, 0xffff};
	__u8 *bytes = (__u8 *)&addr;

	for (int group = 0; group < 8; group++) {
		__u32 value = rand() & 1 ? 0 : rand() & 1 ? edges[rand() % 8] : rand();

		bytes[group * 2] = value >> 8;
		bytes[group * 2 + 1] = value;
	}
	return addr;
}

/* The text that an edit writes for the address in a HOST line. */
static void write_text(const struct ftpfix_addr *addr, char *text)
{
	struct ftp_announcement line = announcement_of(FTP_HOST, "HOST [::]\r\n", 1);
	struct ftp_edit edit;

	assert_int_equal(ftp_read(&line), 0);
	assert_int_equal(ftp_edit(&line, addr, 0, FTP_ROOM_ADJUST, &edit), 0);
	assert_int_equal(ftp_edit_form(&line, addr) & FTP_FORM_LENGTH, edit.length);
	assert_int_equal(edit.text[0], '[');
	assert_int_equal(edit.text[edit.length - 1], ']');
	memcpy(text, edit.text + 1, edit.length - 2);
	text[edit.length - 2] = 0;
}

static void written_as_rfc_5952_says(void **state)
{
	/* Sections 4.1 to 4.3, and the longest that there is. */
	static const char *const rows[][2] = {
		{"2001:0db8::0001", "2001:db8::1"},
		{"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:DB8::ABCD", "2001:db8::abcd"},
		{"0:0:0:0:0:0:0:0", "::"},
		{"1:0:0:0:0:0:0:0", "1::"},
		{"0:1:0:0:0:0:0:0", "0:1::"},
		{"0:0:0:0:0:0:0:1", "::1"},
		{"0:0:0:0:0:0:102:304", "::102:304"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct ftpfix_addr addr = addr_of(rows[row][0]);
		char text[64];

		write_text(&addr, text);
		assert_string_equal(text, rows[row][1]);
	}
}

/* Against inet_ntop(), which differs where it writes a dotted quad. */
static void written_as_by_the_library(void **state)
{
	int compared = 0;

	(void)state;
	srand(6);
	for (int round = 0; round < 200000; round++) {
		struct ftpfix_addr addr = random_addr();
		char expected[INET6_ADDRSTRLEN], text[64];
		struct ftpfix_addr again;

		if (addr_is_ipv4(&addr))
			continue;
		write_text(&addr, text);
		assert_int_equal(read_text(text, &again), 0);
		assert_memory_equal(&again, &addr, sizeof(addr));
		inet_ntop(AF_INET6, &addr, expected, sizeof(expected));
		if (strchr(expected, '.'))
			continue;
		compared++;
		assert_string_equal(text, expected);
	}
	assert_true(compared > 150000);
}

/* Every pattern of zero groups. */
static void every_run(void **state)
{
	(void)state;
	for (__u32 zeros = 0; zeros < 256; zeros++) {
		struct ftpfix_addr addr = {};
		char expected[INET6_ADDRSTRLEN], text[64];

		for (int group = 0; group < 8; group++)
			if (!(zeros >> group & 1))
				((__u8 *)&addr)[group * 2] = 0x10 + group;
		write_text(&addr, text);
		inet_ntop(AF_INET6, &addr, expected, sizeof(expected));
		if (!strchr(expected, '.'))
			assert_string_equal(text, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_out),
		cmocka_unit_test(no_addresses),
		cmocka_unit_test(any_text),
		cmocka_unit_test(written_as_rfc_5952_says),
		cmocka_unit_test(written_as_by_the_library),
		cmocka_unit_test(every_run),
	};

	return cmocka_run_group_tests_name("ipv6", tests, NULL, NULL);
}
