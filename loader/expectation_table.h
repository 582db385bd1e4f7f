/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the table of expectations (see struct ftpfix_expectation) while the programs go on
 * writing it. This header knows nothing of how they are shown or counted to anybody.
 */
#ifndef EXPECTATION_TABLE_H
#define EXPECTATION_TABLE_H

#include "ftpfix.h"

/* Where the table is: the descriptors of its maps, and what the programs were loaded with. */
struct expectation_maps {
	int expectations;
	int groups;
	__u32 group_count;
};

/* The table as memory of the programs, to be read alone. */
struct expectation_table {
	const struct ftpfix_flow_group *groups;
	const struct ftpfix_expectation *expectations;
	__u32 group_count;
};

/* Maps the table into memory; as that of flows it is meant to be closed again after each
 * reading. 0 or a negative errno. */
int expectation_table_open(struct expectation_table *table, const struct expectation_maps *maps);

/* Of one that could not be opened too. */
void expectation_table_close(struct expectation_table *table);

/* Calls `each` for every expectation once, from the slot on; other than 0 ends that and is
 * returned, and the slot is where to go on. What comes or goes meanwhile may be left out. */
typedef int (*expectation_each)(const struct ftpfix_expectation *expectation, void *context);
int expectation_table_each(const struct expectation_table *table, __u32 *slot,
			   expectation_each each, void *context);

/* How many there are. */
unsigned long expectation_table_count(const struct expectation_table *table);

#endif /* EXPECTATION_TABLE_H */
