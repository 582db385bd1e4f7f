/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of a new connection, and the source port that makes them the only ones of
 * their kind. For whom the connection is was settled before.
 */
#ifndef FTPFIX_FLOW_INSERT_H
#define FTPFIX_FLOW_INSERT_H

#include "expect.h"
#include "flow_track.h"
#include "hop.h"

/* Other ports that are tried where the client's own is taken, and there is no pool. */
#define SOURCE_OTHERS_MAX 32

/* Ports that are tried before the pool counts as exhausted: a pool that is not larger is
 * searched as a whole. */
#define SOURCE_TRIES_MAX 4096

/* Ports that are tried before connections that open or close have to give theirs up: where
 * any are free, one of so many nearly always is, and a flood must not make every SYN search
 * the whole pool. */
#define SOURCE_FREE_TRIES_MAX 128

/* Between the candidates of a larger pool: a prime above the size of any, so that no tries meet
 * before all candidates were tried. */
#define SOURCE_STRIDE 16777259

/* What a new entry says, of a connection whose packets come as `from` here. Returns 0, or -ENOSPC
 * when the address that it goes on from got no number. */
static __always_inline int flow_fill(struct ftpfix_flow *flow, const struct ftpfix_tuple *from,
				     const struct ftpfix_tuple *to, __u32 place)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow_key(&flow->key, from, flow_seed);
	flow->destination = to->destination;
	flow->be_source_port = to->be_source_port;
	flow->be_destination_port = to->be_destination_port;
	if (!address_equal(&to->source, &from->source)) {
		flow->source = own_number(&to->source);
		if (!flow->source)
			return -ENOSPC;
	}
	flow->seen_ticks = ticks_now();
	flow->hop_checked = hop_unasked(flow->seen_ticks);
	flow->place = place;
	return 0;
}

/* Writes an entry of the scratch into the slot that was claimed for it, not live yet. */
static __always_inline void flow_write(const struct ftpfix_flow *entry, __u32 slot, __u32 peer,
				       __u32 out_ifindex)
{
	struct ftpfix_hop hop = {.out_ifindex = out_ifindex};
	struct ftpfix_flow *flow = flow_at(slot);

	if (!flow)
		return;
	*flow = *entry;
	flow->peer = peer;
	flow->marks |= FTPFIX_MARK_COMING;
	hop_keep(flow, &hop);
}

/* Claims a slot for an entry of the scratch. Returns its number plus one, or 0. */
static __always_inline __u32 flow_claim_slot(const struct ftpfix_flow *entry,
					     struct flow_spot *spot)
{
	flow_spot(spot, &entry->key, flow_seed, flow_group_count);
	return slot_claim(spot);
}

/* Whether another connection has the key of the scratch's way ahead (`back` 0) or back (1), or is
 * about to: `except` is one more than our own slot. */
__global int flow_taken(int back, __u32 except)
{
	struct scratch *scratch = scratch_memory();
	struct slot_search search = {.marks = FTPFIX_MARK_LIVE | FTPFIX_MARK_COMING,
				     .except = except};
	const struct flow_spot *spot;

	if (!scratch)
		return 0;
	spot = back ? &scratch->behind_spot : &scratch->ahead_spot;
	search.key = back ? &scratch->behind.key : &scratch->ahead.key;
	search.tag = spot->tag;
	return !!slot_find(&search, spot);
}

static __always_inline void flow_enliven(__u32 slot)
{
	struct ftpfix_flow *flow = flow_at(slot);

	if (!flow)
		return;
	flow_mark(flow, FTPFIX_MARK_LIVE);
	flow_unmark(flow, FTPFIX_MARK_COMING);
}

/* Gives a slot back that no packet could find. */
__global int flow_withdraw(__u32 slot)
{
	struct ftpfix_flow *flow = flow_at(slot);

	if (!flow)
		return 0;
	*slot_stamp(flow) = 0;
	slot_release(slot);
	return 0;
}

/* Whether the scratch's way ahead would go on from a port that a check of the loader's has: from
 * the client's own address none comes. */
static __always_inline int flow_is_checks(const struct scratch *scratch)
{
	return scratch->ahead.source &&
	       port_in(check_ports, bpf_ntohs(scratch->ahead.be_source_port));
}

/*
 * Inserts the two entries of the scratch. The key of the way back, the second one, is what makes
 * the source port ours: of two CPUs that insert the same at once at most one keeps it. For that
 * it is shown to these; to packets, and to who would remove the pair, only when it is ours, and
 * the first one, by which pairs are removed, last. The loader says which port its check has before
 * it looks for the key, and we look for that when the key is shown: never do both keep the port.
 * Returns 0; -EEXIST; -EALREADY when another CPU does the same for the same SYN; or -ENOSPC when
 * no slot is free.
 */
__global int flow_insert_both(__u32 out_ifindex, __u32 in_ifindex)
{
	struct scratch *scratch = scratch_memory();
	__u32 slot, back;
	int err = 0;

	if (!scratch)
		return -ENOSPC;
	slot = flow_claim_slot(&scratch->ahead, &scratch->ahead_spot);
	back = flow_claim_slot(&scratch->behind, &scratch->behind_spot);
	if (!slot || !back) {
		if (slot)
			slot_release(slot - 1);
		if (back)
			slot_release(back - 1);
		return -ENOSPC;
	}
	flow_write(&scratch->ahead, slot - 1, back - 1, out_ifindex);
	flow_write(&scratch->behind, back - 1, slot - 1, in_ifindex);
	slot_publish(back - 1, scratch->behind_spot.tag);
	if (flow_taken(1, back) || flow_is_checks(scratch))
		err = -EEXIST;
	slot_publish(slot - 1, scratch->ahead_spot.tag);
	if (!err && flow_taken(0, slot))
		err = -EALREADY;
	if (err) {
		flow_withdraw(back - 1);
		flow_withdraw(slot - 1);
		return err;
	}
	flow_enliven(back - 1);
	flow_enliven(slot - 1);
	if (!(scratch->ahead.place & FTPFIX_PLACE_INNER))
		scratch->opening.slot = slot;
	return 0;
}

/* Whether the way back in scratch->back is kept by a connection. When no port is left, any that
 * is not established gives way: under a flood nearly all of them are of SYNs that nobody
 * meant. */
static __always_inline int flow_held(struct scratch *scratch)
{
	__u32 slot = flow_slot(&scratch->back);
	const struct ftpfix_flow *flow = slot ? flow_at(slot - 1) : NULL;

	if (!flow)
		return 0;
	if (!scratch->opening.reusing || marks_established(flow->marks))
		return 1;
	flow_give_up(slot, 1);
	return 0;
}

/*
 * Inserts `from` at hook `in`, which becomes `to`, and the way back, which comes in at hook
 * `back`; the other key was looked for before. Returns 0, -EEXIST when the way back is
 * another's, or -ENOSPC when there is no room.
 */
static __noinline int flow_insert_pair(struct scratch *scratch, const struct ftpfix_tuple *from,
				       const struct ftpfix_tuple *to, __u32 hooks)
{
	const struct opening *opening = &scratch->opening;
	__u32 in = hooks & FTPFIX_PLACE_HOOK, back = hooks >> 4 & FTPFIX_PLACE_HOOK;
	__u32 place = opening->place | (hooks >> 8);
	int err;

	tuple_turn(&scratch->back, to);
	if (flow_held(scratch))
		return -EEXIST;
	tuple_turn(&scratch->turned, from);
	err = flow_fill(&scratch->ahead, from, to, in | place | FTPFIX_PLACE_OPENER);
	if (!err)
		err = flow_fill(&scratch->behind, &scratch->back, &scratch->turned, back | place);
	scratch->ahead.marks = scratch->behind.marks = opening->marks;
	scratch->ahead.first_sequence = scratch->packet.host_sequence;
	return err ? err : flow_insert_both(opening->out_ifindex, opening->in_ifindex);
}

#define FLOW_HOOKS(in, back, place) ((in) | (back) << 4 | (place) << 8)

/*
 * Inserts the connection with the source of opening->to. Past the stack it is translated
 * once, on the way in; through the stack the target comes in and the source goes out,
 * so that netfilter sees the peer and the target. Returns as flow_insert_pair().
 */
static __always_inline int flow_insert_as(struct scratch *scratch)
{
	struct opening *opening = &scratch->opening;
	__u32 in = 2 * (opening->side & 1), out = in + 1;
	__u32 other_in = 2 - in, other_out = other_in + 1;
	int err;

	if (!path_stack)
		return flow_insert_pair(scratch, &opening->key, &opening->to,
					FLOW_HOOKS(in, other_in, 0));
	opening->middle = opening->to;
	opening->middle.source = opening->key.source;
	/* The first pair is not made for a port that the second one cannot have: each try would
	 * leave two slots that wait for a grace period. */
	if (!address_equal(&opening->middle.source, &opening->to.source)) {
		tuple_turn(&scratch->back, &opening->to);
		if (flow_held(scratch))
			return -EEXIST;
	}
	err = flow_insert_pair(scratch, &opening->key, &opening->middle, FLOW_HOOKS(in, out, 0));
	if (err || address_equal(&opening->middle.source, &opening->to.source))
		return err;
	err = flow_insert_pair(scratch, &opening->middle, &opening->to,
			       FLOW_HOOKS(other_out, other_in, FTPFIX_PLACE_INNER));
	if (err)
		flow_remove(opening->slot - 1, 0);
	return err;
}

/* The pool's address of this number. */
static __always_inline void source_address(struct opening *opening, __u32 number)
{
	__u32 family = address_mapped(&opening->target.addr) ? FTPFIX_IPV4 : FTPFIX_IPV6;
	__u32 index = family * FTPFIX_SOURCES_MAX + number;
	struct ftpfix_source *source = bpf_map_lookup_elem(&sources, &index);

	if (source)
		opening->to.source = source->addr;
}

/* Candidate `try` of the pool into opening->to: a port of the range, and an address where
 * it is not given. Where the addresses are several, they take turns. */
static __always_inline void source_candidate(struct opening *opening, __u32 try)
{
	__u32 ports = source_port_high - source_port_low + 1;
	__u32 total;
	__u64 at;

	if (!opening->addresses || !ports)
		return;
	total = opening->addresses * ports;
	at = (__u64)try * (total > SOURCE_TRIES_MAX ? SOURCE_STRIDE : 1);
	at = (at + opening->first_try) % total;
	opening->to.be_source_port = bpf_htons(source_port_low + at / opening->addresses);
	if (!address_given(&opening->source))
		source_address(opening, (opening->first_address + at) % opening->addresses);
}

struct insert_loop {
	struct scratch *scratch;
};

/* The first try is with the peer's own port. */
static long source_try(__u32 try, void *context)
{
	struct scratch *scratch = ((struct insert_loop *)context)->scratch;
	struct opening *opening = &scratch->opening;
	__u32 port;

	if (try && opening->pooled)
		source_candidate(opening, try - 1);
	else if (try)
		opening->to.be_source_port = bpf_htons(
			FTPFIX_PORT_MIN + bpf_get_prandom_u32() % (65536 - FTPFIX_PORT_MIN));
	port = bpf_ntohs(opening->to.be_source_port);
	if (opening->pooled && (port < source_port_low || port > source_port_high))
		return 0;
	/* What comes back to a control port would be taken for commands. */
	if (is_service_port(port))
		return 0;
	opening->result = flow_insert_as(scratch);
	return opening->result != -EEXIST;
}

/*
 * Inserts the connection of scratch->opening, keeping the peer's port if it can. Returns 0;
 * -EEXIST when no source port was free; -EALREADY when another CPU opens the same; or -ENOSPC
 * when the table has no room.
 */
__global int flow_insert(void)
{
	struct insert_loop loop = {.scratch = scratch_memory()};
	struct opening *opening;
	__u32 tries = SOURCE_TRIES_MAX, ports;

	if (!loop.scratch)
		return -EINVAL;
	opening = &loop.scratch->opening;
	opening->to.source = opening->key.source;
	opening->to.be_source_port = opening->key.be_source_port;
	opening->to.destination = opening->target.addr;
	opening->to.be_destination_port = opening->target.be_port;
	if (address_given(&opening->source))
		opening->to.source = opening->source;
	else if (opening->pooled && opening->addresses)
		source_address(opening, opening->first_address % opening->addresses);
	ports = source_port_high - source_port_low + 1;
	if (!opening->pooled)
		tries = SOURCE_OTHERS_MAX;
	else if (opening->addresses * ports < tries)
		tries = opening->addresses * ports;
	opening->first_try = bpf_get_prandom_u32();
	opening->result = -EEXIST;
	grace_review();
	bpf_loop((tries < SOURCE_FREE_TRIES_MAX ? tries : SOURCE_FREE_TRIES_MAX) + 1, source_try,
		 &loop, 0);
	if (opening->result == -EEXIST) {
		opening->reusing = 1;
		bpf_loop(tries + 1, source_try, &loop, 0);
	}
	if (!opening->result) {
		loop.scratch->slot = opening->slot;
		flow_turn(opening->slot - 1, FTPFIX_TURN_OPENING);
	}
	return opening->result;
}

#endif /* FTPFIX_FLOW_INSERT_H */
