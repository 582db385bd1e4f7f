/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows in the table, in which every connection has a pair of entries, one for each
 * direction: finding them, inserting and removing pairs, and the turns by which connections
 * that open or are closed give way. How far a connection has come is not known here.
 */
#ifndef FTPFIX_FLOW_TABLE_H
#define FTPFIX_FLOW_TABLE_H

#include "counter.h"
#include "flow_slots.h"
#include "own.h"
#include "packet.h"
#include "scratch.h"

static __always_inline struct ftpfix_flow *flow_find(const struct ftpfix_tuple *key)
{
	__u32 slot = flow_slot(key);

	return slot ? flow_at(slot - 1) : NULL;
}

/* The other direction's entry. NULL when it is gone. */
static __always_inline struct ftpfix_flow *flow_peer(const struct ftpfix_flow *flow)
{
	struct ftpfix_flow *peer = flow_at(flow->peer);

	return peer && peer->marks & FTPFIX_MARK_LIVE ? peer : NULL;
}

/* What a packet of the flow, which came as `from`, becomes. */
static __always_inline void flow_to(const struct ftpfix_flow *flow, const struct ftpfix_tuple *from,
				    struct ftpfix_tuple *to)
{
	const struct ftpfix_addr *own = own_address(flow->source);

	to->source = own ? *own : from->source;
	to->destination = flow->destination;
	to->be_source_port = flow->be_source_port;
	to->be_destination_port = flow->be_destination_port;
}

/* How packets of the flow come: as those of its peer go on, turned round. A source that the
 * peer keeps is where this direction's packets go. */
static __always_inline void flow_from(const struct ftpfix_flow *flow,
				      const struct ftpfix_flow *peer, struct ftpfix_tuple *from)
{
	const struct ftpfix_addr *own = own_address(peer->source);

	from->source = peer->destination;
	from->destination = own ? *own : flow->destination;
	from->be_source_port = peer->be_destination_port;
	from->be_destination_port = peer->be_source_port;
}

/* Whether both sides have finished. */
static __always_inline int flow_finished(const struct ftpfix_flow *flow)
{
	return flow->progress & FTPFIX_PROGRESS_FIN && flow->marks & FTPFIX_MARK_PEER_FIN;
}

/* Whether they have, or one has reset: late packets may still come. */
static __always_inline int flow_closing(const struct ftpfix_flow *flow)
{
	return flow->marks & FTPFIX_MARK_CLOSED || flow_finished(flow);
}

/* The server of a control connection, from either of its entries. Returns 1, or 0 where none
 * is to be counted. */
static __always_inline int flow_server(const struct ftpfix_flow *flow,
				       const struct ftpfix_flow *peer,
				       struct ftpfix_endpoint *server)
{
	if ((flow->place & FTPFIX_PLACE_HOOK) != FTPFIX_HOOK_UPLINK_IN)
		flow = peer;
	if (!(flow->place & FTPFIX_PLACE_CONTROL) ||
	    (flow->place & FTPFIX_PLACE_HOOK) != FTPFIX_HOOK_UPLINK_IN)
		return 0;
	server->addr = flow->destination;
	server->be_port = flow->be_destination_port;
	server->padding = 0;
	return 1;
}

static __always_inline void flow_load(const struct ftpfix_endpoint *server, __s64 sessions)
{
	struct ftpfix_load *load = bpf_map_lookup_elem(&loads, server), none = {};

	if (!load) {
		bpf_map_update_elem(&loads, server, &none, BPF_NOEXIST);
		load = bpf_map_lookup_elem(&loads, server);
	}
	if (load)
		__sync_fetch_and_add(&load->sessions, sessions);
}

/* Of a pair the entry of the opener, whose marks decide what happens once. */
static __always_inline struct ftpfix_flow *flow_first(struct ftpfix_flow *flow,
						      struct ftpfix_flow *peer)
{
	return flow->place & FTPFIX_PLACE_OPENER ? flow : peer;
}

static __always_inline void flow_count_load(const struct ftpfix_flow *flow,
					    const struct ftpfix_flow *peer, __s64 sessions)
{
	struct ftpfix_endpoint server;

	if (flow_server(flow, peer, &server))
		flow_load(&server, sessions);
}

/* Whether these are the marks of an established connection. */
static __always_inline int marks_established(__u8 marks)
{
	return (marks & (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED)) ==
	       (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED);
}

/* A connection that has opened gives its turn back: so who comes to that place need not look
 * for it. */
static __always_inline void flow_return_turn(const struct ftpfix_flow *first, __u32 slot)
{
	__u32 place = FTPFIX_TURN_OPENING * turn_places + first->turn;
	__u32 *noted = bpf_map_lookup_elem(&turns, &place);

	/* It may be another's by now. */
	if (noted)
		__sync_val_compare_and_swap(noted, slot + 1, 0);
}

/* The connection has opened. Returns 1 for whoever says so first. */
static __always_inline int flow_settle(struct ftpfix_flow *flow, struct ftpfix_flow *peer)
{
	struct ftpfix_flow *first = flow_first(flow, peer);
	__u8 before = flow_mark(first, FTPFIX_MARK_SETTLED);

	flow_mark(first == flow ? peer : flow, FTPFIX_MARK_SETTLED);
	if (before & (FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED) || !(before & FTPFIX_MARK_LIVE))
		return 0;
	/* A second pair has none. */
	if (!(first->place & FTPFIX_PLACE_INNER))
		flow_return_turn(first, first == flow ? peer->peer : flow->peer);
	flow_count_load(flow, peer, 1);
	return 1;
}

/* The connection is over, and serves late packets. Returns 1 for whoever says so first. */
static __always_inline int flow_close(struct ftpfix_flow *flow, struct ftpfix_flow *peer)
{
	struct ftpfix_flow *first = flow_first(flow, peer);
	__u8 before = flow_mark(first, FTPFIX_MARK_CLOSED);

	flow_mark(first == flow ? peer : flow, FTPFIX_MARK_CLOSED);
	if (before & FTPFIX_MARK_CLOSED || !(before & FTPFIX_MARK_LIVE))
		return 0;
	if (before & FTPFIX_MARK_SETTLED)
		flow_count_load(flow, peer, -1);
	return 1;
}

/* How often that is tried while other CPUs change marks or what is beside them. */
#define KILL_TRIES_MAX 8

/* Takes the mark of life away, but from an established connection if these are spared. Returns
 * the marks of before, or 0 where nothing was done. */
static __always_inline __u8 flow_kill(struct ftpfix_flow *first, int sparing)
{
	union flow_word before, after;
	__u8 marks;

	for (int try = 0; sparing && try < KILL_TRIES_MAX; try++) {
		before.word = *(volatile __u32 *)flow_word(first);
		if (!(before.marks & FTPFIX_MARK_LIVE) || marks_established(before.marks))
			return 0;
		after = before;
		after.marks &= ~FTPFIX_MARK_LIVE;
		if (__sync_val_compare_and_swap(flow_word(first), before.word, after.word) ==
		    before.word)
			return before.marks;
	}
	if (sparing)
		return 0;
	marks = flow_unmark(first, FTPFIX_MARK_LIVE);
	return marks & FTPFIX_MARK_LIVE ? marks : 0;
}

/* Removes both directions of a connection, of which this slot has one, but no established one
 * if these are spared. Returns the marks that it had, or 0: of several that do so at once, one
 * gets them. */
__global int flow_remove(__u32 slot, int sparing)
{
	struct ftpfix_flow *flow = flow_at(slot), *peer, *first;
	__u32 other;
	__u8 before;

	if (!flow)
		return 0;
	other = flow->peer;
	peer = flow_at(other);
	if (!peer)
		return 0;
	first = flow_first(flow, peer);
	before = flow_kill(first, sparing);
	if (!before)
		return 0;
	if (marks_established(before))
		flow_count_load(flow, peer, -1);
	flow_unmark(first == flow ? peer : flow, FTPFIX_MARK_LIVE);
	*slot_stamp(flow) = *slot_stamp(peer) = grace_stamp();
	slot_release(slot);
	slot_release(other);
	return before;
}

/* Whether a connection whose turn is over still only opens, or is only closed, so that it must
 * give way. */
static __always_inline int flow_yields(const struct ftpfix_flow *first, __u32 turn, __u32 kind)
{
	__u8 place = first->place & (FTPFIX_PLACE_OPENER | FTPFIX_PLACE_INNER);

	/* A second pair has no turn of its own. */
	if (first->turn != turn || !(first->marks & FTPFIX_MARK_LIVE) ||
	    place != FTPFIX_PLACE_OPENER)
		return 0;
	if (kind == FTPFIX_TURN_CLOSED)
		return first->marks & FTPFIX_MARK_CLOSED;
	return !(first->marks & (FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED));
}

/*
 * Gives the connection, by its opener's entry, a turn of its kind. Returns one more than the
 * slot of the connection that had this turn, if that must give way now; or 0. Two CPUs write
 * one place only when all places were taken in between: then the second takes the turn of the
 * first.
 */
static __always_inline __u32 flow_take_turn(struct ftpfix_flow *first, __u32 slot, __u32 kind)
{
	__u32 turn = __sync_fetch_and_add(&turns_taken[kind & 1], 1) & (turn_places - 1);
	__u32 place = kind * turn_places + turn, before;
	__u32 *noted = bpf_map_lookup_elem(&turns, &place);
	const struct ftpfix_flow *other;

	if (!noted)
		return 0;
	first->turn = turn;
	before = __sync_lock_test_and_set(noted, slot + 1);
	if (!before || before == slot + 1)
		return 0;
	other = flow_at(before - 1);
	return other && flow_yields(other, turn, kind) ? before : 0;
}

#endif /* FTPFIX_FLOW_TABLE_H */
