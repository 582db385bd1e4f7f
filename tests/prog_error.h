/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds whole frames of ICMP and ICMPv6 errors from what a test says of them, with
 * checksums computed over every byte. It shares no code with the dataplane.
 */
#ifndef FTPFIX_PROG_ERROR_H
#define FTPFIX_PROG_ERROR_H

#include "prog_packet.h"

#define FRAME_ICMP 1
#define FRAME_ICMPV6 58

enum { UNREACHABLE = 3, REDIRECT = 5, ECHO = 8, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
enum { SIX_UNREACHABLE = 1, SIX_TOO_BIG, SIX_TIME_EXCEEDED, SIX_PARAMETER_PROBLEM, SIX_ECHO = 128 };

/* The code of an unreachable that tells an MTU. */
#define TOO_BIG 4

struct error {
	struct spec outer; /* addresses, TTL, tags, options, padding */
	__u8 type;
	__u8 code;
	__u32 rest; /* of the header, behind the checksum */
	const __u8 *quote;
	__u32 quote_length;
};

/* Computes the checksums of the error anew. */
static inline void error_checksums(struct frame *frame)
{
	__u8 *network = frame->bytes + frame->network;
	__u8 *icmp = frame->bytes + frame->transport;
	__u32 length = frame->end - frame->transport;
	__u64 sum = 0;

	if (network[-2] == 0x86) { /* ETH_P_IPV6 */
		sum = checksum_add(0, network + 8, 32) + FRAME_ICMPV6 + length;
	} else {
		put16(network + 10, 0);
		put16(network + 10,
		      checksum_end(checksum_add(0, network, frame->transport - frame->network)));
	}
	put16(icmp + 2, 0);
	put16(icmp + 2, checksum_end(checksum_add(sum, icmp, length)));
}

static inline void error_build(struct frame *frame, const struct error *error)
{
	const struct spec *outer = &error->outer;
	__u8 *icmp;

	memset(frame, 0, sizeof(*frame));
	frame_ethernet(frame, outer);
	frame->transport = frame->network +
			   (outer->ipv6 ? 40 + 8 * outer->extensions : 20 + outer->ip_options);
	frame->payload = frame->transport + 8;
	frame->end = frame->payload + error->quote_length;
	frame->length = frame->end + outer->padding;
	if (outer->ipv6) {
		__u32 next = outer->extensions ? 40 + 8 * (outer->extensions - 1) : 6;

		frame_ipv6(frame, outer);
		frame->bytes[frame->network + next] = FRAME_ICMPV6;
	} else {
		frame_ipv4(frame, outer);
		frame->bytes[frame->network + 9] = FRAME_ICMP;
	}
	icmp = frame->bytes + frame->transport;
	icmp[0] = error->type;
	icmp[1] = error->code;
	put32(icmp + 4, error->rest);
	memcpy(frame->bytes + frame->payload, error->quote, error->quote_length);
	memset(frame->bytes + frame->end, FRAME_PADDING, outer->padding);
	error_checksums(frame);
}

#endif /* FTPFIX_PROG_ERROR_H */
