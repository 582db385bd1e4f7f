/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors on the wire: RFC 792 with RFC 1191, and RFC 4443.
 */
#ifndef FTPFIX_ICMP_FORMAT_H
#define FTPFIX_ICMP_FORMAT_H

#include <linux/types.h>

enum icmp_type {
	ICMP_UNREACHABLE = 3,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};

/* The code of ICMP_UNREACHABLE that tells an MTU. */
#define ICMP_UNREACHABLE_TOO_BIG 4

enum icmpv6_type {
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG,
	ICMPV6_TIME_EXCEEDED,
	ICMPV6_PARAMETER_PROBLEM,
};

/* In front of the quoted packet. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 be_mtu; /* of what is too big */
};

#endif /* FTPFIX_ICMP_FORMAT_H */
