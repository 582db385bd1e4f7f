/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the table of flows (see struct ftpfix_flow) while the programs go on writing it.
 * This header knows nothing of how flows are shown or counted to anybody.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stdbool.h>

#include "ftpfix.h"

/* Where the table is: the descriptors of its maps, and what the programs were loaded with. */
struct flow_maps {
	int flows;
	int groups;
	int own_addresses;
	__u32 group_count;
	__u64 seed;
};

/* The table as memory of the programs, to be read alone. */
struct flow_table {
	const struct ftpfix_flow_group *groups;
	const struct ftpfix_flow *flows;
	const struct ftpfix_addr *own_addresses;
	__u32 group_count;
};

/* A connection, as the packets that come in on the uplink see it. */
struct flow_view {
	struct ftpfix_flow flow;
	struct ftpfix_flow peer;  /* of the other direction */
	struct ftpfix_tuple from; /* as the flow's packets come in, */
	struct ftpfix_tuple to;	  /* and as they go on */
};

/* Maps the table into memory. It is meant to be closed again after each reading: as long as it
 * is open the kernel takes all of the table for memory of this process, and this process for
 * the one to end first when memory runs out. 0 or a negative errno. */
int flow_table_open(struct flow_table *table, const struct flow_maps *maps);

/* Of one that could not be opened too. */
void flow_table_close(struct flow_table *table);

/* Calls `each` for every established connection once, from the slot on; other than 0 ends that
 * and is returned, and the slot is where to go on. What comes or goes meanwhile may be left
 * out. */
typedef int (*flow_each)(const struct flow_view *view, void *context);
int flow_table_each(const struct flow_table *table, __u32 *slot, flow_each each, void *context);

/* How many established connections there are. */
unsigned long flow_table_count(const struct flow_table *table);

/* Whether packets of this tuple are those of a connection, be it open or not, or about to be
 * inserted. The table need not be open. */
bool flow_table_holds(const struct flow_maps *maps, const struct ftpfix_tuple *tuple);

#endif /* FLOW_TABLE_H */
