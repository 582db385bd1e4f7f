/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads whole maps, and writes entries, while the programs go on using them.
 * This header knows nothing of what the entries mean.
 */
#ifndef MAPS_H
#define MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "ftpfix.h"

/* Called for each entry; a negative errno ends the reading. */
typedef int (*map_entry)(const void *key, const void *value, void *context);

/* Up to where a map was read; all zero: not begun. */
struct map_place {
	__u32 position; /* where the kernel goes on */
	bool started;
};

/* Calls `each` for some hundreds of the entries of a hash map, from the place on. 1: there may
 * be more; 0: these were the last; or what `each` returned, which is below 0, or a negative
 * errno of the kernel. */
int map_some(int map, struct map_place *place, size_t key_size, size_t value_size, map_entry each,
	     void *context);

/* Writes the entry of a hash map unless it says that already: with a new element the kernel frees
 * the old one's memory, in which a program may be reading. 0 or a negative errno. */
int map_write(int map, const void *key, const void *value, size_t value_size);

/* How many entries the map holds at most; 0 if the kernel does not say. */
__u32 map_max(int map);

/* Sums each counter over all CPUs. 0 or a negative errno. */
int map_counters(int map, __u64 counters[FTPFIX_REASON_COUNT]);

#endif /* MAPS_H */
