/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel says of an interface: what it is, and what lies below it.
 * This header knows nothing of who asks.
 */
#ifndef LINK_H
#define LINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "ftpfix.h"

#define LINK_KIND_MAX 16

struct link {
	unsigned int index;
	char kind[LINK_KIND_MAX]; /* "veth", "vlan" and so on; empty for hardware */
	unsigned int lower;	  /* the interface below it; 0: none */
	bool lower_elsewhere;	  /* that one is in another network namespace */
	bool is_vlan;
	bool is_8021q;	   /* a VLAN of IEEE 802.1Q, not of 802.1ad */
	__u16 vlan;	   /* its identifier */
	__u32 xdp_program; /* the id of the XDP program on it; 0: none */
};

/* Reads one RTM_NEWLINK message. */
void link_read(const struct nlmsghdr *message, struct link *link);

/* Asks the kernel. 0 or a negative errno. */
int link_ask(unsigned int index, struct link *link);

/* Whether the interface takes VLAN tags off before a program in its driver sees them. */
bool link_takes_tags(unsigned int index);

#endif /* LINK_H */
