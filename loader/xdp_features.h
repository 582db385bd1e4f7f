/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an interface can do for XDP, as the kernel's "netdev" family tells (Linux 6.3).
 * This header knows nothing of programs.
 */
#ifndef XDP_FEATURES_H
#define XDP_FEATURES_H

#include <linux/types.h>

struct mnl_socket;

/* Bits of enum netdev_xdp_act, which older headers do not name. */
enum xdp_feature {
	XDP_FEATURE_BASIC = 1 << 0,	  /* runs programs in its driver */
	XDP_FEATURE_SENDS = 1 << 2,	  /* frames that were redirected to it */
	XDP_FEATURE_SENDS_FRAGS = 1 << 6, /* also those of several buffers */
};

/* The number of the family on this kernel, and of the group that hears of changes; 0: a
 * kernel without it. */
struct xdp_family {
	__u16 id;
	__u32 group;
};

/* 0, also where the kernel has no such family; or a negative errno. */
int xdp_family_find(struct xdp_family *family);

/* The features of the interface. 0 or a negative errno. */
int xdp_features_ask(const struct xdp_family *family, unsigned int index, __u64 *features);

#endif /* XDP_FEATURES_H */
