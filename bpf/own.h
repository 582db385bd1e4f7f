/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses that packets leave from: those that the node and the servers behind it are
 * known by. They are few, so that flows and expectations, which are many, keep the number of
 * one instead of its 16 bytes. A number keeps its meaning as long as the programs are loaded.
 */
#ifndef FTPFIX_OWN_H
#define FTPFIX_OWN_H

#include <linux/errno.h>

#include "maps.h"

/* The address of this number, or NULL for none: 0, or one that was never given. */
static __always_inline const struct ftpfix_addr *own_address(__u32 number)
{
	return number ? bpf_map_lookup_elem(&own_addresses, &number) : NULL;
}

/* Nobody has got the number. Where another CPU has taken the next one it stays unused. */
static __always_inline void own_give_back(__u32 number)
{
	__sync_val_compare_and_swap(&own_count, number, number - 1);
}

/* The number of the address, which it gets where it has none: 1 to FTPFIX_OWN_MAX - 1; or 0
 * when all are given or there is no memory for one more. */
static __noinline __u32 own_number(const struct ftpfix_addr *addr)
{
	/* What an argument of a caller points to is no key for Linux 6.1. */
	struct ftpfix_addr own = *addr, *place;
	__u32 *found = bpf_map_lookup_elem(&own_numbers, &own), number;

	if (found)
		return *found;
	if (own_count >= FTPFIX_OWN_MAX - 1)
		return 0;
	number = __sync_fetch_and_add(&own_count, 1) + 1;
	place = bpf_map_lookup_elem(&own_addresses, &number);
	if (place) {
		*place = own;
		if (!bpf_map_update_elem(&own_numbers, &own, &number, BPF_NOEXIST))
			return number;
	}
	own_give_back(number);
	/* Another CPU may have numbered it meanwhile. */
	found = bpf_map_lookup_elem(&own_numbers, &own);
	return found ? *found : 0;
}

#endif /* FTPFIX_OWN_H */
