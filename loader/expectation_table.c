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

#include "slots.h"

static __u32 next_taken(const struct expectation_table *table, __u32 slot)
{
	return slots_next_taken(table->groups, table->group_count, slot);
}

static __u32 slot_count(const struct expectation_table *table)
{
	return table->group_count * FTPFIX_GROUP_SLOTS;
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

int expectation_table_each(const struct expectation_table *table, __u32 *slot,
			   expectation_each each, void *context)
{
	struct ftpfix_expectation copy;
	int err = 0;

	while (!err && (*slot = next_taken(table, *slot)) < slot_count(table)) {
		if (copy_expectation(table, *slot, &copy))
			err = each(&copy, context);
		++*slot;
	}
	return err;
}

unsigned long expectation_table_count(const struct expectation_table *table)
{
	unsigned long count = 0;

	for (__u32 slot = next_taken(table, 0); slot < slot_count(table);
	     slot = next_taken(table, slot + 1))
		count += !!(table->expectations[slot].state & FTPFIX_EXPECTATION_LIVE);
	return count;
}

static size_t groups_length(const struct expectation_table *table)
{
	return table->group_count * sizeof(*table->groups);
}

static size_t expectations_length(const struct expectation_table *table)
{
	return (size_t)slot_count(table) * sizeof(*table->expectations);
}

int expectation_table_open(struct expectation_table *table, const struct expectation_maps *maps)
{
	int err;

	*table = (struct expectation_table){.group_count = maps->group_count};
	table->groups = slots_memory(maps->groups, groups_length(table));
	if (table->groups)
		table->expectations = slots_memory(maps->expectations, expectations_length(table));
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
