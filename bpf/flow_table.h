/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two tables of flows, in which every connection has a pair of entries, one for each
 * direction: finding them, moving them between the tables, removing them. How far a
 * connection has come is not known here.
 */
#ifndef FTPFIX_FLOW_TABLE_H
#define FTPFIX_FLOW_TABLE_H

#include "counter.h"
#include "packet.h"
#include "scratch.h"

static __always_inline struct ftpfix_flow *flow_find(const struct ftpfix_tuple *key)
{
	struct ftpfix_flow *flow = bpf_map_lookup_elem(&flows, key);

	return flow ? flow : bpf_map_lookup_elem(&unsettled, key);
}

/* The other direction's entry, in the same table. NULL when it is gone. */
static __always_inline struct ftpfix_flow *flow_peer(const struct ftpfix_flow *flow)
{
	struct ftpfix_tuple peer;

	tuple_turn(&peer, &flow->to);
	if (flow->place & FTPFIX_PLACE_SETTLED)
		return bpf_map_lookup_elem(&flows, &peer);
	return bpf_map_lookup_elem(&unsettled, &peer);
}

/* Whether both sides have finished: late packets of theirs may still come. */
static __always_inline int flow_closing(const struct ftpfix_flow *flow)
{
	return flow->progress & FTPFIX_PROGRESS_FIN && flow->peer_progress & FTPFIX_PROGRESS_FIN;
}

/* Whether that was so when the last FIN was acknowledged: its end was counted then. */
static __always_inline int flow_closed(const struct ftpfix_flow *flow)
{
	return !(flow->place & FTPFIX_PLACE_SETTLED) && flow_closing(flow);
}

/* The server of a control connection, from either of its entries. Returns 1, or 0 where none
 * is to be counted. */
static __always_inline int flow_server(const struct ftpfix_flow *flow,
				       const struct ftpfix_flow *peer,
				       struct ftpfix_endpoint *server)
{
	if (peer && (flow->place & FTPFIX_PLACE_HOOK) != FTPFIX_HOOK_UPLINK_IN)
		flow = peer;
	if (!(flow->place & FTPFIX_PLACE_CONTROL) ||
	    (flow->place & FTPFIX_PLACE_HOOK) != FTPFIX_HOOK_UPLINK_IN)
		return 0;
	server->addr = flow->to.destination;
	server->be_port = flow->to.be_destination_port;
	server->padding = 0;
	return 1;
}

static __noinline int flow_load(const struct ftpfix_endpoint *server, __s64 sessions)
{
	struct ftpfix_load *load = bpf_map_lookup_elem(&loads, server), none = {};

	if (!load) {
		bpf_map_update_elem(&loads, server, &none, BPF_NOEXIST);
		load = bpf_map_lookup_elem(&loads, server);
	}
	if (load)
		__sync_fetch_and_add(&load->sessions, sessions);
	return 0;
}

/* Whether of a pair this is the entry whose deletion says who removed it: that on the way in
 * from the uplink, or of a pair that lies on the inside, on the way in there. */
static __always_inline int flow_first(const struct ftpfix_flow *flow)
{
	__u32 hook = flow->place & FTPFIX_PLACE_HOOK;

	return hook == FTPFIX_HOOK_UPLINK_IN || (path_stack && hook == FTPFIX_HOOK_INSIDE_IN);
}

/* Removes both directions of a connection. Of several that do so at once, one
 * gets 1 for it. */
static __noinline int flow_remove(const struct ftpfix_tuple *key)
{
	struct ftpfix_flow *flow = flow_find(key);
	struct ftpfix_endpoint server;
	struct ftpfix_tuple own, other;
	int first, counted, own_gone, other_gone;

	if (!flow)
		return 0;
	own = *key;
	tuple_turn(&other, &flow->to);
	first = flow_first(flow);
	if (flow->place & FTPFIX_PLACE_SETTLED) {
		/* What the entries say is another's once they are deleted. */
		counted = flow_server(flow, bpf_map_lookup_elem(&flows, &other), &server);
		own_gone = !bpf_map_delete_elem(&flows, &own);
		other_gone = !bpf_map_delete_elem(&flows, &other);
	} else {
		counted = 0;
		own_gone = !bpf_map_delete_elem(&unsettled, &own);
		other_gone = !bpf_map_delete_elem(&unsettled, &other);
	}
	if (!(first ? own_gone : other_gone))
		return 0;
	if (counted)
		flow_load(&server, -1);
	return 1;
}

/* Copies an entry into the other table. Returns 0 or an error of the map. */
static __always_inline int flow_copy(void *table, const struct ftpfix_tuple *key,
				     const struct ftpfix_flow *flow, int settled,
				     struct ftpfix_flow *copy)
{
	*copy = *flow;
	copy->place &= ~FTPFIX_PLACE_SETTLED;
	if (settled)
		copy->place |= FTPFIX_PLACE_SETTLED;
	return bpf_map_update_elem(table, key, copy, BPF_ANY);
}

/*
 * Moves a connection that has opened to map flows. Returns 0; -ENOENT when half of it is
 * gone; or an error of the map, which is full: then it stays where it is.
 */
static __noinline int flow_settle(const struct ftpfix_tuple *key, struct scratch *scratch)
{
	struct ftpfix_flow *flow = bpf_map_lookup_elem(&unsettled, key), *peer;
	struct ftpfix_tuple *other = &scratch->back;
	struct ftpfix_endpoint server;
	int err, counted;

	if (!flow)
		return -ENOENT;
	tuple_turn(other, &flow->to);
	peer = bpf_map_lookup_elem(&unsettled, other);
	if (!peer)
		return -ENOENT;
	counted = flow_server(flow, peer, &server);
	err = flow_copy(&flows, other, peer, 1, &scratch->flow);
	if (err)
		return err;
	err = flow_copy(&flows, key, flow, 1, &scratch->flow);
	if (err) {
		bpf_map_delete_elem(&flows, other);
		return err;
	}
	if (counted)
		flow_load(&server, 1);
	bpf_map_delete_elem(&unsettled, other);
	bpf_map_delete_elem(&unsettled, key);
	return 0;
}

/* Moves a connection that is over to map unsettled, where it serves late packets until
 * others push it out. Of several that do so at once, one gets 1 for it. */
static __noinline int flow_retire(const struct ftpfix_tuple *key, struct scratch *scratch)
{
	struct ftpfix_flow *flow = bpf_map_lookup_elem(&flows, key), *peer;
	struct ftpfix_tuple *other = &scratch->back;

	if (!flow)
		return 0;
	tuple_turn(other, &flow->to);
	peer = bpf_map_lookup_elem(&flows, other);
	if (peer)
		flow_copy(&unsettled, other, peer, 0, &scratch->flow);
	flow_copy(&unsettled, key, flow, 0, &scratch->flow);
	return flow_remove(key);
}

#endif /* FTPFIX_FLOW_TABLE_H */
