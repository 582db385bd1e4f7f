/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which public ports may stand in an announcement: those of a range that have
 * few enough digits, numbered so that they can be tried one after another.
 * Pure C; whether a port is free is not known here.
 */
#ifndef FTPFIX_PORT_CHOICE_H
#define FTPFIX_PORT_CHOICE_H

#include "ftp_edit.h"

/* Candidate c is (high_first + c / low_count) * 256 + low_first + c % low_count:
 * a rectangle over the two octets of a port, for 227 writes each by itself; for
 * 229, which writes the port as one number, a single row. */
struct port_choice {
	__u32 high_first;
	__u32 high_count;
	__u32 low_first;
	__u32 low_count;
};

static inline __u32 port_largest(__u32 digits)
{
	return digits == 1 ? 9 : digits == 2 ? 99 : digits == 3 ? 999 : digits == 4 ? 9999 : 65535;
}

static inline __u32 port_smaller(__u32 one, __u32 other)
{
	return one < other ? one : other;
}

/* The rectangle of the ports in low..high whose upper octet has at most
 * high_digits and whose lower octet at most low_digits. 0, or -ENOSPC for none. */
static inline int port_choose_octets(struct port_choice *choice, __u32 low, __u32 high,
				     __u32 high_digits, __u32 low_digits)
{
	__u32 last = port_smaller(high >> 8, port_largest(high_digits));

	choice->high_first = low >> 8;
	choice->high_count = last - choice->high_first + 1;
	choice->low_first = 0;
	choice->low_count = port_smaller(255, port_largest(low_digits)) + 1;
	if (choice->high_first > last)
		return -ENOSPC;
	if (choice->high_count == 1) {
		/* One row: the range may begin and end inside of it. */
		choice->low_first = low & 255;
		if (choice->high_first == high >> 8)
			choice->low_count = port_smaller(choice->low_count, (high & 255) + 1);
		if (choice->low_first >= choice->low_count)
			return -ENOSPC;
		choice->low_count -= choice->low_first;
	}
	return 0;
}

/* The ports of low..high (1..65535, low <= high) that a line of this code can
 * hold with so many digits. Returns 0, or -ENOSPC when there is none. */
__global int port_choose(struct port_choice *choice, __u32 code, __u32 low, __u32 high, int digits)
{
	if (!choice || digits < 1)
		return -ENOSPC;
	if (code == FTP_CODE_229) {
		high = port_smaller(high, port_largest(digits));
		choice->high_first = 0;
		choice->high_count = 1;
		choice->low_first = low;
		choice->low_count = high - low + 1;
		return low <= high ? 0 : -ENOSPC;
	}
	if (digits > 6)
		digits = 6;
	/* Digits are split between the octets in that way which leaves most
	 * ports: few for the upper octet, which the range bounds anyway. */
	for (int high_digits = 1; high_digits <= 3; high_digits++) {
		int low_digits = digits - high_digits;

		if (low_digits >= 1 && low_digits <= 3 &&
		    !port_choose_octets(choice, low, high, high_digits, low_digits))
			return 0;
	}
	return -ENOSPC;
}

static inline __u32 port_candidates(const struct port_choice *choice)
{
	return choice->high_count * choice->low_count;
}

/* Candidate number `index`, below port_candidates(). Of a rectangle's first and
 * last row some lie outside of the range: the caller compares. */
static inline __u32 port_candidate(const struct port_choice *choice, __u32 index)
{
	__u32 row = choice->low_count;

	if (!row)
		return 0;
	return (choice->high_first + index / row) * 256 + choice->low_first + index % row;
}

#endif /* FTPFIX_PORT_CHOICE_H */
