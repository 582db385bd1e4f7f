// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the table of flows while the programs go on writing it.
 * This file knows nothing of how flows are shown or counted to anybody.
 *
 * Nothing keeps the programs from removing a flow and putting another one into its slot while
 * it is read. So a slot is copied, and the copy counts if the slot had one tag and one key,
 * and was live, before and after: a slot that changes hands loses its mark and its tag first,
 * and gets them last. What changes within a flow meanwhile, as the numbers of its bytes do,
 * may be of two moments.
 */
#include "flow_table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "flow_key.h"
#include "slots.h"

#define OWN_LENGTH (FTPFIX_OWN_MAX * sizeof(struct ftpfix_addr))

static __u32 slot_count(const struct flow_table *table)
{
	return table->group_count * FTPFIX_GROUP_SLOTS;
}

static __u32 next_taken(const struct flow_table *table, __u32 slot)
{
	return slots_next_taken(table->groups, table->group_count, slot);
}

/* Whether it is an established connection's entry for what comes in on the uplink. Each
 * connection has one. */
static bool is_counted(const struct ftpfix_flow *flow)
{
	const __u8 asked = FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED;

	return (flow->marks & asked) == (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED) &&
	       (flow->place & FTPFIX_PLACE_HOOK) == FTPFIX_HOOK_UPLINK_IN;
}

/* Copies the flow of a slot. False when it has none, or not the same one all the time. */
static bool copy_flow(const struct flow_table *table, __u32 slot, struct ftpfix_flow *copy)
{
	const struct ftpfix_flow *flow;
	struct ftpfix_flow_key key;
	__u8 tag;

	if (slot >= slot_count(table))
		return false;
	flow = &table->flows[slot];
	tag = slots_tags(table->groups, slot);
	key = flow->key;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	memcpy(copy, flow, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return tag >= FTPFIX_TAG_FIRST && tag == (__u8)slots_tags(table->groups, slot) &&
	       copy->marks & flow->marks & FTPFIX_MARK_LIVE && flow_key_equal(&copy->key, &key) &&
	       flow_key_equal(&flow->key, &key);
}

/* The address from which packets of the flow leave; NULL for that from which they came. */
static const struct ftpfix_addr *own_address(const struct flow_table *table,
					     const struct ftpfix_flow *flow)
{
	if (!flow->source || flow->source >= FTPFIX_OWN_MAX)
		return NULL;
	return &table->own_addresses[flow->source];
}

/* Packets of the flow come in as those of its peer go on, turned round: a source that the peer
 * keeps is where the flow's packets go. */
static void derive_tuples(const struct flow_table *table, struct flow_view *view)
{
	const struct ftpfix_flow *flow = &view->flow, *peer = &view->peer;
	const struct ftpfix_addr *source = own_address(table, flow);
	const struct ftpfix_addr *dialled = own_address(table, peer);

	view->from = (struct ftpfix_tuple){
		.source = peer->destination,
		.destination = dialled ? *dialled : flow->destination,
		.be_source_port = peer->be_destination_port,
		.be_destination_port = peer->be_source_port,
	};
	view->to = (struct ftpfix_tuple){
		.source = source ? *source : view->from.source,
		.destination = flow->destination,
		.be_source_port = flow->be_source_port,
		.be_destination_port = flow->be_destination_port,
	};
}

/* Copies the connection whose entry for what comes in on the uplink stands in the slot. */
static bool copy_connection(const struct flow_table *table, __u32 slot, struct flow_view *view)
{
	/* Most slots of a full table are other directions': they are not copied. */
	if (!is_counted(&table->flows[slot]) || !copy_flow(table, slot, &view->flow) ||
	    !is_counted(&view->flow) || !copy_flow(table, view->flow.peer, &view->peer) ||
	    view->peer.peer != slot)
		return false;
	derive_tuples(table, view);
	return true;
}

int flow_table_each(const struct flow_table *table, __u32 *slot, flow_each each, void *context)
{
	struct flow_view view;
	int err = 0;

	while (!err && (*slot = next_taken(table, *slot)) < slot_count(table)) {
		if (copy_connection(table, *slot, &view))
			err = each(&view, context);
		++*slot;
	}
	return err;
}

unsigned long flow_table_count(const struct flow_table *table)
{
	unsigned long count = 0;

	for (__u32 slot = next_taken(table, 0); slot < slot_count(table);
	     slot = next_taken(table, slot + 1))
		count += is_counted(&table->flows[slot]);
	return count;
}

static bool slot_holds(const struct flow_maps *maps, __u32 slot, const struct ftpfix_flow_key *key)
{
	struct ftpfix_flow flow;

	return !bpf_map_lookup_elem(maps->flows, &slot, &flow) &&
	       flow.marks & (FTPFIX_MARK_LIVE | FTPFIX_MARK_COMING) &&
	       flow_key_equal(&flow.key, key);
}

bool flow_table_holds(const struct flow_maps *maps, const struct ftpfix_tuple *tuple)
{
	struct ftpfix_flow_group group;
	struct ftpfix_flow_key key;
	struct flow_spot spot;

	flow_key(&key, tuple, maps->seed);
	flow_spot(&spot, &key, maps->seed, maps->group_count);
	for (int choice = 0; choice < 2; choice++) {
		if (bpf_map_lookup_elem(maps->groups, &spot.group[choice], &group))
			continue;
		for (__u32 slot = 0; slot < FTPFIX_GROUP_SLOTS; slot++)
			if ((__u8)slots_tags(&group, slot) == spot.tag &&
			    slot_holds(maps, spot.group[choice] * FTPFIX_GROUP_SLOTS + slot, &key))
				return true;
	}
	return false;
}

static size_t groups_length(const struct flow_table *table)
{
	return table->group_count * sizeof(*table->groups);
}

static size_t flows_length(const struct flow_table *table)
{
	return slot_count(table) * sizeof(*table->flows);
}

int flow_table_open(struct flow_table *table, const struct flow_maps *maps)
{
	int err;

	*table = (struct flow_table){.group_count = maps->group_count};
	table->groups = slots_memory(maps->groups, groups_length(table));
	if (table->groups)
		table->flows = slots_memory(maps->flows, flows_length(table));
	if (table->flows)
		table->own_addresses = slots_memory(maps->own_addresses, OWN_LENGTH);
	if (table->own_addresses)
		return 0;
	err = -errno;
	flow_table_close(table);
	return err;
}

void flow_table_close(struct flow_table *table)
{
	if (table->groups)
		munmap((void *)table->groups, groups_length(table));
	if (table->flows)
		munmap((void *)table->flows, flows_length(table));
	if (table->own_addresses)
		munmap((void *)table->own_addresses, OWN_LENGTH);
	*table = (struct flow_table){0};
}
