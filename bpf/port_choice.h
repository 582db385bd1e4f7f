/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which public ports may stand in an announcement: those of a range that have
 * few enough digits, numbered so that they can be tried one after another.
 * Pure C; whether a port is free is not known here.
 */
#ifndef FTPFIX_PORT_CHOICE_H
#define FTPFIX_PORT_CHOICE_H

#include "ftp_edit.h"

/* Rows of ports, one for each upper octet; of each row the first `columns`. Those
 * in front of the range are skipped. For 227 and PORT, which write the two octets
 * apart, few columns mean few digits; 229 and EPRT have one row with all ports. */
struct port_choice {
	__u32 row_first;
	__u32 columns;
	__u32 skip;
	__u32 count; /* candidates: ports in the range */
};

static inline __u32 port_largest(__u32 digits)
{
	return digits == 1 ? 9 : digits == 2 ? 99 : digits == 3 ? 999 : digits == 4 ? 9999 : 65535;
}

static inline __u32 port_smaller(__u32 one, __u32 other)
{
	return one < other ? one : other;
}

/* Chooses of low..high the ports whose upper octet has at most high_digits, and
 * whose lower octet at most low_digits. Returns 0, or -ENOSPC for none. */
static inline int port_choose_octets(struct port_choice *choice, __u32 low, __u32 high,
				     __u32 high_digits, __u32 low_digits)
{
	__u32 columns = port_smaller(255, port_largest(low_digits)) + 1;
	__u32 row_first = low >> 8, row_end, end;

	row_end = port_smaller(high >> 8, port_smaller(255, port_largest(high_digits))) + 1;
	if (row_first >= row_end)
		return -ENOSPC;
	/* Only the range's own last row may end before its columns do. */
	end = (row_end - row_first) * columns;
	if (row_end > high >> 8 && (high & 255) < columns)
		end -= columns - 1 - (high & 255);
	choice->row_first = row_first;
	choice->columns = columns;
	choice->skip = port_smaller(low & 255, columns);
	if (choice->skip >= end)
		return -ENOSPC;
	choice->count = end - choice->skip;
	return 0;
}

/* The ports of low..high (1..65535, low <= high) that a line of this kind (enum
 * ftp_kind) can hold with so many digits. Returns 0, or -ENOSPC when there is
 * none. */
__global int port_choose(struct port_choice *choice, __u32 kind, __u32 low, __u32 high, int digits)
{
	if (!choice || digits < 1)
		return -ENOSPC;
	if (!ftp_in_octets(kind)) {
		high = port_smaller(high, port_largest(digits));
		choice->row_first = 0;
		choice->columns = 65536;
		choice->skip = low;
		choice->count = high - low + 1;
		return low <= high ? 0 : -ENOSPC;
	}
	if (digits > FTP_PORT_DIGITS)
		digits = FTP_PORT_DIGITS;
	choice->count = 0;
	/* The digits are split between the octets so that most ports are left. */
	for (int high_digits = 1; high_digits <= 3; high_digits++) {
		int low_digits = digits - high_digits;
		struct port_choice split;

		if (low_digits >= 1 && low_digits <= 3 &&
		    !port_choose_octets(&split, low, high, high_digits, low_digits) &&
		    split.count > choice->count)
			*choice = split;
	}
	return choice->count ? 0 : -ENOSPC;
}

/* Candidate number `index`, below choice->count. */
static inline __u32 port_candidate(const struct port_choice *choice, __u32 index)
{
	__u32 at = choice->skip + index;

	if (!choice->columns)
		return 0;
	return (choice->row_first + at / choice->columns) * 256 + at % choice->columns;
}

#endif /* FTPFIX_PORT_CHOICE_H */
