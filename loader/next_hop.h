/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the node reaches one address now.
 * This header knows nothing of what is there.
 */
#ifndef NEXT_HOP_H
#define NEXT_HOP_H

#include "address.h"

struct next_hop {
	struct ftpfix_addr source; /* the node's own that it would use */
	unsigned int out_index;
};

/* Asks the kernel, which follows its routing rules. 0; -ELOOP if the address is the
 * node's own; or the negative errno of the kernel. */
int next_hop_find(const struct ftpfix_addr *addr, struct next_hop *hop);

#endif /* NEXT_HOP_H */
