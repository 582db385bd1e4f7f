/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a session whose control connection is silent is alive all the same, because one
 * of its data connections moves bytes: many clients and servers say nothing else while a
 * long transfer lasts. Nothing is ended here.
 */
#ifndef FTPFIX_KEEPALIVE_H
#define FTPFIX_KEEPALIVE_H

#include "flow_table.h"

/* Whether the connection came from that endpoint to that one, and has not been silent longer
 * than `limit` ticks. */
static __always_inline int alive_flow(const struct ftpfix_addr *peer, __be16 be_peer_port,
				      const struct ftpfix_addr *public, __be16 be_public_port,
				      __u32 now_ticks, __u32 limit)
{
	struct ftpfix_tuple key = {
		.source = *peer,
		.destination = *public,
		.be_source_port = be_peer_port,
		.be_destination_port = be_public_port,
	};
	const struct ftpfix_flow *flow = flow_find(&key);
	__s32 age;

	if (!flow || flow->place & FTPFIX_PLACE_CONTROL)
		return 0;
	age = now_ticks - flow->seen_ticks;
	if (age <= (__s32)limit)
		return 1;
	flow = flow_peer(flow);
	age = flow ? now_ticks - flow->seen_ticks : 0;
	return flow && age <= (__s32)limit;
}

/* One announcement of the session's, which its peer came for. */
struct alive {
	const struct ftpfix_session_key *session;
	const struct ftpfix_expected *expected;
	__u32 now_ticks;
	__u32 limit;
	int found;
};

/* Whether the client dialled the own address of this number: which one it was told is written
 * nowhere, and they are few. */
static long alive_told(__u32 index, void *context)
{
	struct alive *alive = context;
	const struct ftpfix_addr *told = own_address(index + 1);

	if (!told)
		return 1;
	alive->found = alive_flow(&alive->session->tuple.source, alive->expected->be_peer_port,
				  told, alive->expected->be_port, alive->now_ticks, alive->limit);
	return alive->found;
}

/*
 * Whether the connection of that announcement is alive: of the server's to the client, who dials
 * the address that it dialled before, or was told another one; or of the client's to the server.
 */
static __always_inline int alive_expected(struct alive *alive, const struct ftpfix_flow *carried)
{
	const struct ftpfix_tuple *tuple = &alive->session->tuple;
	__be16 be_peer = alive->expected->be_peer_port, be_public = alive->expected->be_port;
	__u32 now_ticks = alive->now_ticks, limit = alive->limit;
	struct ftpfix_tuple beyond = *tuple;

	if (!be_peer)
		return 0;
	if (carried)
		flow_to(carried, tuple, &beyond);
	if (alive_flow(&tuple->source, be_peer, &tuple->destination, be_public, now_ticks, limit) ||
	    alive_flow(&beyond.destination, be_peer, &beyond.source, be_public, now_ticks, limit))
		return 1;
	bpf_loop(own_count, alive_told, alive, 0);
	return alive->found;
}

/* Whether a data connection of the session has moved bytes not longer ago than `limit` ticks;
 * `carried` is the client's entry where ftpfix carries the control connection, or NULL. */
static __noinline int session_alive(const struct ftpfix_session_key *key,
				    const struct ftpfix_flow *carried, __u32 now_ticks, __u32 limit)
{
	const struct ftpfix_session *session = bpf_map_lookup_elem(&sessions, key);
	struct alive alive = {.session = key, .now_ticks = now_ticks, .limit = limit};

	if (!session)
		return 0;
	for (int slot = 0; slot < FTPFIX_EXPECTED_MAX; slot++) {
		alive.expected = &session->expected[slot];
		if (alive_expected(&alive, carried))
			return 1;
	}
	return 0;
}

#endif /* FTPFIX_KEEPALIVE_H */
