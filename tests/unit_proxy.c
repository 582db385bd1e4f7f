// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The bytes of PROXY headers, as HAProxy's proxy-protocol.txt gives them in sections 2.1
 * and 2.2.
 */
#include "unit.h"

#include "proxy_text.h"

static struct ftpfix_tuple tuple_of(const char *source, __u16 source_port, const char *destination,
				    __u16 destination_port)
{
	struct ftpfix_tuple tuple = {
		.source = addr_of(source),
		.destination = addr_of(destination),
		.be_source_port = htons(source_port),
		.be_destination_port = htons(destination_port),
	};

	return tuple;
}

static void check_text(const struct ftpfix_tuple *tuple, const char *expected)
{
	struct ftp_edit text;

	memset(&text, 0x55, sizeof(text));
	assert_int_equal(proxy_text(&text, tuple, 1), strlen(expected));
	assert_int_equal(text.length, strlen(expected));
	assert_memory_equal(text.text, expected, strlen(expected));
}

static void version_1(void **state)
{
	struct ftpfix_tuple tuple;

	(void)state;
	tuple = tuple_of("198.51.100.10", 40000, "203.0.113.5", 21);
	check_text(&tuple, "PROXY TCP4 198.51.100.10 203.0.113.5 40000 21\r\n");
	tuple = tuple_of("255.255.255.255", 65535, "0.0.0.0", 1);
	check_text(&tuple, "PROXY TCP4 255.255.255.255 0.0.0.0 65535 1\r\n");
	tuple = tuple_of("2001:db8:c::10", 40000, "2001:db8:5::5", 2121);
	check_text(&tuple, "PROXY TCP6 2001:db8:c::10 2001:db8:5::5 40000 2121\r\n");
	tuple = tuple_of("::1", 1024, "fe80:0:0:1:0:0:0:2", 21);
	check_text(&tuple, "PROXY TCP6 ::1 fe80:0:0:1::2 1024 21\r\n");
}

static void longest(void **state)
{
	const char *most = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	struct ftpfix_tuple tuple = tuple_of(most, 65535, most, 65535);
	char expected[128];

	(void)state;
	snprintf(expected, sizeof(expected), "PROXY TCP6 %s %s 65535 65535\r\n", most, most);
	assert_int_equal(strlen(expected), PROXY_TEXT_MAX);
	check_text(&tuple, expected);
}

#define SIGNATURE 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a

static void check_bytes(const struct ftpfix_tuple *tuple, const __u8 *expected, __u32 length)
{
	struct ftp_edit text;

	memset(&text, 0x55, sizeof(text));
	assert_int_equal(proxy_text(&text, tuple, 2), length);
	assert_memory_equal(text.text, expected, length);
}

static void version_2(void **state)
{
	static const __u8 ipv4[] = {SIGNATURE, 0x21, 0x11, 0, 12,   198,  51, 100, 10,
				    203,       0,    113,  5, 0x9c, 0x40, 0,  21};
	static const __u8 ipv6[] = {
		SIGNATURE, 0x21, 0x21, 0, 36, 0x20, 0x01, 0x0d, 0xb8, 0,    0x0c, 0,	0,    0,
		0,	   0,	 0,    0, 0,  0,    0x10, 0x20, 0x01, 0x0d, 0xb8, 0,	0x05, 0,
		0,	   0,	 0,    0, 0,  0,    0,	  0,	0x05, 0x9c, 0x40, 0x08, 0x49};
	struct ftpfix_tuple tuple;

	(void)state;
	tuple = tuple_of("198.51.100.10", 40000, "203.0.113.5", 21);
	check_bytes(&tuple, ipv4, sizeof(ipv4));
	assert_int_equal(sizeof(ipv4), 28);
	tuple = tuple_of("2001:db8:c::10", 40000, "2001:db8:5::5", 2121);
	check_bytes(&tuple, ipv6, sizeof(ipv6));
	assert_int_equal(sizeof(ipv6), 52);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(longest),
		cmocka_unit_test(version_2),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
