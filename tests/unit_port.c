// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The choice of public ports: every candidate fits its line, and wherever a
 * fitting port exists there is one.
 */
#include "unit.h"

#include "port_choice.h"

static int fits(__u32 kind, __u32 port, int digits)
{
	char text[16];

	if (kind == FTP_227 || kind == FTP_PORT)
		snprintf(text, sizeof(text), "%u%u", port >> 8, port & 255);
	else
		snprintf(text, sizeof(text), "%u", port);
	return (int)strlen(text) <= digits;
}

static void check_range(__u32 kind, __u32 low, __u32 high, int digits)
{
	struct port_choice choice = {};
	int err = port_choose(&choice, kind, low, high, digits), exists = 0;
	__u32 usable = 0;

	for (__u32 port = low; port <= high && !exists; port++)
		exists = fits(kind, port, digits);
	if (err) {
		assert_int_equal(err, -ENOSPC);
		if (exists)
			fail_msg("%u: %u-%u with %d digits: none chosen", kind, low, high, digits);
		return;
	}
	for (__u32 index = 0; index < choice.count; index++) {
		__u32 port = port_candidate(&choice, index);

		if (port < low || port > high)
			fail_msg("%u: %u-%u with %d digits: chose %u", kind, low, high, digits,
				 port);
		usable++;
		if (!fits(kind, port, digits))
			fail_msg("%u: %u-%u with %d digits: chose %u", kind, low, high, digits,
				 port);
	}
	if (!usable != !exists)
		fail_msg("%u: %u-%u with %d digits: %u usable", kind, low, high, digits, usable);
}

static void ranges(void **state)
{
	static const struct {
		__u32 low, high;
	} rows[] = {
		{1024, 65535}, {1024, 1024},   {21000, 21999}, {10000, 20000}, {65535, 65535},
		{2559, 2561},  {25599, 25600}, {1100, 1279},   {1130, 1400},   {9999, 10000},
	};

	(void)state;
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++)
		for (int digits = -1; digits <= 8; digits++) {
			for (__u32 kind = FTP_227; kind <= FTP_EPRT; kind++)
				check_range(kind, rows[row].low, rows[row].high, digits);
		}
}

static void any_range(void **state)
{
	(void)state;
	srand(4);
	for (int round = 0; round < 300; round++) {
		__u32 low = 1024 + rand() % 64512;
		__u32 high = low + rand() % (65536 - low);

		check_range(FTP_227 + rand() % 4, low, high, 1 + rand() % 6);
	}
}

/* With room for every digit the whole range is used. */
static void whole_range(void **state)
{
	struct port_choice choice;
	__u32 usable = 0;

	(void)state;
	assert_int_equal(port_choose(&choice, FTP_227, 21000, 21999, 6), 0);
	for (__u32 index = 0; index < choice.count; index++)
		usable += port_candidate(&choice, index) >= 21000 &&
			  port_candidate(&choice, index) <= 21999;
	assert_int_equal(usable, 1000);
	assert_int_equal(port_choose(&choice, FTP_229, 21000, 21999, 5), 0);
	assert_int_equal(choice.count, 1000);
	for (__u32 kind = FTP_227; kind <= FTP_EPRT; kind++) {
		assert_int_equal(port_choose(&choice, kind, 21000, 21999, FTP_DIGITS_ANY), 0);
		assert_true(choice.count >= 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(any_range),
		cmocka_unit_test(whole_range),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
