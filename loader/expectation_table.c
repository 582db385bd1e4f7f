// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the table of expectations while the programs go on writing it.
 * This file knows nothing of how they are shown or counted to anybody.
 *
 * A slot is copied, and the copy counts if the slot had one state before and after, and that is
 * live: a slot that changes hands gets another number in it.
 */
#include "expectation_table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

static bool is_taken(const struct expectation_table *table, __u32 slot)
{
	const struct ftpfix_flow_group *group = &table->groups[slot / FTPFIX_GROUP_SLOTS];
	const __u64 *tags = &group->tags[slot % FTPFIX_GROUP_SLOTS / 8];

	return (__u8)(__atomic_load_n(tags, __ATOMIC_ACQUIRE) >> slot % 8 * 8) >= FTPFIX_TAG_FIRST;
}

static bool copy_expectation(const struct expectation_table *table, __u32 slot,
			     struct ftpfix_expectation *copy)
{
	const struct ftpfix_expectation *expectation = &table->expectations[slot];
	__u16 state = __atomic_load_n(&expectation->state, __ATOMIC_ACQUIRE);

	memcpy(copy, expectation, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return state & FTPFIX_EXPECTATION_LIVE && copy->state == state &&
	       __atomic_load_n(&expectation->state, __ATOMIC_RELAXED) == state;
}

int expectation_table_each(const struct expectation_table *table, expectation_each each,
			   void *context)
{
	struct ftpfix_expectation copy;
	int err = 0;

	for (__u32 slot = 0; !err && slot < table->group_count * FTPFIX_GROUP_SLOTS; slot++)
		if (is_taken(table, slot) && copy_expectation(table, slot, &copy))
			err = each(&copy, context);
	return err;
}

unsigned long expectation_table_count(const struct expectation_table *table)
{
	unsigned long count = 0;

	for (__u32 slot = 0; slot < table->group_count * FTPFIX_GROUP_SLOTS; slot++)
		count += is_taken(table, slot) &&
			 table->expectations[slot].state & FTPFIX_EXPECTATION_LIVE;
	return count;
}

/* The values of an array as memory: NULL when that cannot be. */
static const void *map_memory(int map, size_t length)
{
	void *memory = mmap(NULL, length, PROT_READ, MAP_SHARED, map, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static size_t groups_length(const struct expectation_table *table)
{
	return table->group_count * sizeof(*table->groups);
}

static size_t expectations_length(const struct expectation_table *table)
{
	return (size_t)table->group_count * FTPFIX_GROUP_SLOTS * sizeof(*table->expectations);
}

int expectation_table_open(struct expectation_table *table, const struct expectation_maps *maps)
{
	int err;

	*table = (struct expectation_table){.group_count = maps->group_count};
	table->groups = map_memory(maps->groups, groups_length(table));
	if (table->groups)
		table->expectations = map_memory(maps->expectations, expectations_length(table));
	if (table->expectations)
		return 0;
	err = -errno;
	expectation_table_close(table);
	return err;
}

void expectation_table_close(struct expectation_table *table)
{
	if (table->groups)
		munmap((void *)table->groups, groups_length(table));
	if (table->expectations)
		munmap((void *)table->expectations, expectations_length(table));
	*table = (struct expectation_table){0};
}
