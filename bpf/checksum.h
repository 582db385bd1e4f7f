/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arithmetic of the Internet checksum (RFC 1071), and where TCP keeps its own.
 */
#ifndef FTPFIX_CHECKSUM_H
#define FTPFIX_CHECKSUM_H

#include <linux/tcp.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define TCP_CHECK_OFFSET __builtin_offsetof(struct tcphdr, check)

/* Folds a 32-bit one's complement sum to 16 bits. */
static inline __u32 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* What changes the checksum of words that become others: the difference of their sums in one's
 * complement, as bpf_csum_diff() tells it, which for so few is mostly the call. */
static __always_inline __u32 checksum_difference(const __be32 *from, const __be32 *to, int words)
{
	__u64 sum = 0;

	for (int i = 0; i < words; i++)
		sum += (__u64)to[i] + (__u32)~from[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

#endif /* FTPFIX_CHECKSUM_H */
