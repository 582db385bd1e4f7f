/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of flows as a test reads and writes it: by tuples. It runs nothing.
 */
#ifndef FTPFIX_PROG_FLOWS_H
#define FTPFIX_PROG_FLOWS_H

#include "flow_key.h"
#include "prog_world.h"

static inline struct ftpfix_tuple tuple_turned(const struct ftpfix_tuple *tuple)
{
	struct ftpfix_tuple turned = {.source = tuple->destination,
				      .destination = tuple->source,
				      .be_source_port = tuple->be_destination_port,
				      .be_destination_port = tuple->be_source_port};

	return turned;
}

static inline __u8 *slot_tag(const struct world *world, __u32 slot)
{
	return (__u8 *)world->groups[slot / FTPFIX_GROUP_SLOTS].tags + slot % FTPFIX_GROUP_SLOTS;
}

static inline struct flow_spot flow_spot_of(const struct world *world,
					    const struct ftpfix_tuple *tuple,
					    struct ftpfix_flow_key *key)
{
	__u64 seed = world->skeleton->rodata->flow_seed;
	struct flow_spot spot;

	flow_key(key, tuple, seed);
	flow_spot(&spot, key, seed, world->group_count);
	return spot;
}

/* The entry of this tuple, or NULL. */
static inline struct ftpfix_flow *flow_of(const struct world *world, struct ftpfix_tuple tuple)
{
	struct ftpfix_flow_key key;
	struct flow_spot spot = flow_spot_of(world, &tuple, &key);

	for (int choice = 0; choice < 2; choice++) {
		__u32 first = spot.group[choice] * FTPFIX_GROUP_SLOTS;

		for (__u32 slot = first; slot < first + FTPFIX_GROUP_SLOTS; slot++)
			if (*slot_tag(world, slot) == spot.tag &&
			    world->flows[slot].marks & FTPFIX_MARK_LIVE &&
			    !memcmp(&world->flows[slot].key, &key, sizeof(key)))
				return &world->flows[slot];
	}
	return NULL;
}

/* Makes all entries of the table older than that. */
static inline void flows_made_old(struct world *world, __u64 age_ns)
{
	__u64 then = now_ns() - age_ns - FTPFIX_SECOND_NS;

	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		world->flows[slot].seen_ticks = then >> FTPFIX_TICK_SHIFT;
}

/* What packets of the entry become, which come with this tuple. */
static inline struct ftpfix_tuple
flow_becomes(const struct world *world, const struct ftpfix_flow *flow, struct ftpfix_tuple tuple)
{
	struct ftpfix_tuple to = {.source = tuple.source,
				  .destination = flow->destination,
				  .be_source_port = flow->be_source_port,
				  .be_destination_port = flow->be_destination_port};
	__u32 number = flow->source;

	if (number)
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.own_addresses),
					    &number, &to.source),
			0);
	return to;
}

static inline struct ftpfix_hop flow_hop(const struct world *world, const struct ftpfix_flow *flow)
{
	struct ftpfix_hop hop;
	__u32 index = flow->hop;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.hops), &index, &hop),
			 0);
	return hop;
}

/* Gives the entry this hop, in a place that is taken from whatever was there. */
static inline void flow_set_hop(const struct world *world, struct ftpfix_flow *flow,
				struct ftpfix_hop hop)
{
	__u32 index = FTPFIX_HOPS_MAX - 1;
	int map = bpf_map__fd(world->skeleton->maps.hops);
	struct ftpfix_hop before;

	assert_int_equal(bpf_map_lookup_elem(map, &index, &before), 0);
	hop.version = before.version + 2;
	hop.shown = now_ns() >> FTPFIX_TICK_SHIFT >> 4;
	assert_int_equal(bpf_map_update_elem(map, &index, &hop, BPF_ANY), 0);
	flow->hop = index;
	flow->hop_version = hop.version >> 1;
}

/* How many entries have just these of the marks. */
static inline __u32 flows_marked(const struct world *world, __u8 marks, __u8 these)
{
	__u32 count = 0;

	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		count += *slot_tag(world, slot) && (world->flows[slot].marks & marks) == these;
	return count;
}

/* How many slots are not free, whatever they hold, */
static inline __u32 flows_taken(const struct world *world)
{
	__u32 count = 0;

	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		count += !!*slot_tag(world, slot);
	return count;
}

/* and how many flows are live, in a free slot too, where none may be. */
static inline __u32 flows_live(const struct world *world)
{
	__u32 count = 0;

	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		count += !!(world->flows[slot].marks & FTPFIX_MARK_LIVE);
	return count;
}

/* The number of an own address, as the dataplane gives it. */
static inline __u16 own_number_of(struct world *world, const struct ftpfix_addr *addr)
{
	int numbers = bpf_map__fd(world->skeleton->maps.own_numbers);
	__u32 number;

	if (!bpf_map_lookup_elem(numbers, addr, &number))
		return number;
	number = ++world->skeleton->bss->own_count;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.own_addresses),
					     &number, addr, BPF_ANY),
			 0);
	assert_int_equal(bpf_map_update_elem(numbers, addr, &number, BPF_NOEXIST), 0);
	return number;
}

/* How many slots of the group are free. */
static inline __u32 group_free_of(const struct world *world, __u32 group)
{
	__u32 count = 0;

	for (__u32 slot = 0; slot < FTPFIX_GROUP_SLOTS; slot++)
		count += !*slot_tag(world, group * FTPFIX_GROUP_SLOTS + slot);
	return count;
}

/* A free slot for the tuple, which then has its tag: of the emptier group, so that a table
 * which is not nearly full has one. */
static inline __u32 flow_claim_of(struct world *world, const struct ftpfix_tuple *tuple,
				  struct ftpfix_flow_key *key)
{
	struct flow_spot spot = flow_spot_of(world, tuple, key);
	__u32 one = group_free_of(world, spot.group[0]),
	      other = group_free_of(world, spot.group[1]);
	__u32 slot = spot.group[one < other] * FTPFIX_GROUP_SLOTS;

	assert_true(one || other);
	while (*slot_tag(world, slot))
		slot++;
	*slot_tag(world, slot) = spot.tag;
	return slot;
}

/*
 * Inserts a pair: packets of `from`, the opener's, become `to`; the other way round at the
 * hook of `back`. Of both entries place, marks and all that tells of the stream are taken
 * over.
 */
static inline void flow_insert_of(struct world *world, struct ftpfix_tuple from,
				  struct ftpfix_tuple to, struct ftpfix_flow ahead,
				  struct ftpfix_flow back)
{
	struct ftpfix_tuple back_from = tuple_turned(&to), back_to = tuple_turned(&from);
	__u32 slot = flow_claim_of(world, &from, &ahead.key);
	__u32 other = flow_claim_of(world, &back_from, &back.key);

	ahead.peer = other;
	ahead.destination = to.destination;
	ahead.be_source_port = to.be_source_port;
	ahead.be_destination_port = to.be_destination_port;
	ahead.source = memcmp(&to.source, &from.source, sizeof(to.source))
			       ? own_number_of(world, &to.source)
			       : 0;
	ahead.place |= FTPFIX_PLACE_OPENER;
	ahead.marks |= FTPFIX_MARK_LIVE;
	back.peer = slot;
	back.destination = back_to.destination;
	back.be_source_port = back_to.be_source_port;
	back.be_destination_port = back_to.be_destination_port;
	back.source = memcmp(&back_to.source, &back_from.source, sizeof(back_to.source))
			      ? own_number_of(world, &back_to.source)
			      : 0;
	back.marks |= FTPFIX_MARK_LIVE;
	world->flows[slot] = ahead;
	world->flows[other] = back;
}

/* Leaves no slot free, with what has no part in the test. */
static inline void flows_fill(struct world *world)
{
	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		if (!*slot_tag(world, slot))
			*slot_tag(world, slot) = FTPFIX_TAG_BUSY;
}

/* Frees one slot again in which the tuple may stand. */
static inline void flows_make_room(struct world *world, struct ftpfix_tuple tuple)
{
	struct ftpfix_flow_key key;
	struct flow_spot spot = flow_spot_of(world, &tuple, &key);
	__u32 slot = spot.group[0] * FTPFIX_GROUP_SLOTS;

	while (*slot_tag(world, slot) != FTPFIX_TAG_BUSY)
		slot++;
	*slot_tag(world, slot) = FTPFIX_TAG_FREE;
}

#endif /* FTPFIX_PROG_FLOWS_H */
