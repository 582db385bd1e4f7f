/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tables of slots with tags (see struct ftpfix_flow_group) have in common for who reads
 * them as memory. This header knows nothing of what is in the slots.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stddef.h>

#include "ftpfix.h"

/* The tags of eight slots, the given one's in the lowest byte, with those behind it. */
__u64 slots_tags(const struct ftpfix_flow_group *groups, __u32 slot);

/* The first slot from this one on that is taken, or the number of slots. */
__u32 slots_next_taken(const struct ftpfix_flow_group *groups, __u32 group_count, __u32 slot);

/* The values of an array map as memory, to be given back with munmap(); NULL, and errno, when
 * that cannot be. */
const void *slots_memory(int map, size_t length);

#endif /* SLOTS_H */
