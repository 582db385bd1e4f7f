/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arithmetic of the Internet checksum (RFC 1071), and where TCP keeps its own.
 */
#ifndef FTPFIX_CHECKSUM_H
#define FTPFIX_CHECKSUM_H

#include <linux/tcp.h>
#include <linux/types.h>

#define TCP_CHECK_OFFSET __builtin_offsetof(struct tcphdr, check)

/* Folds a 32-bit one's complement sum to 16 bits. */
static inline __u32 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#endif /* FTPFIX_CHECKSUM_H */
