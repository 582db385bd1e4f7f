// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the tags of a table's slots while the programs go on writing them.
 * This file knows nothing of what is in the slots.
 */
#include "slots.h"

#include <sys/mman.h>

#define SLOTS_OF_WORD 8

__u64 slots_tags(const struct ftpfix_flow_group *groups, __u32 slot)
{
	const struct ftpfix_flow_group *group = &groups[slot / FTPFIX_GROUP_SLOTS];
	const __u64 *tags = &group->tags[slot % FTPFIX_GROUP_SLOTS / SLOTS_OF_WORD];

	return __atomic_load_n(tags, __ATOMIC_ACQUIRE) >> slot % SLOTS_OF_WORD * 8;
}

__u32 slots_next_taken(const struct ftpfix_flow_group *groups, __u32 group_count, __u32 slot)
{
	__u32 end = group_count * FTPFIX_GROUP_SLOTS;

	while (slot < end) {
		__u64 tags = slots_tags(groups, slot);
		__u32 free;

		if (!tags) {
			slot = (slot / SLOTS_OF_WORD + 1) * SLOTS_OF_WORD;
			continue;
		}
		free = __builtin_ctzll(tags) / 8;
		slot += free;
		if ((__u8)(tags >> free * 8) >= FTPFIX_TAG_FIRST)
			return slot;
		slot++;
	}
	return end;
}

const void *slots_memory(int map, size_t length)
{
	void *memory = mmap(NULL, length, PROT_READ, MAP_SHARED, map, 0);

	return memory == MAP_FAILED ? NULL : memory;
}
