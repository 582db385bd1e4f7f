/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a session whose control connection is silent is alive all the same, because one
 * of its data connections moves bytes: many clients and servers say nothing else while a
 * long transfer lasts. Nothing is ended here.
 */
#ifndef FTPFIX_KEEPALIVE_H
#define FTPFIX_KEEPALIVE_H

#include "flow_table.h"
#include "session_table.h"

/* What is asked of a data connection: in one place, for the stack of these calls is short. */
struct alive {
	struct ftpfix_tuple key; /* as it came from its opener */
	__u32 now_ticks;
	__u32 limit; /* of silence, in ticks */
	int found;
};

/* Whether there is that connection, and it has not been silent for longer. */
static __always_inline int alive_flow(const struct alive *alive)
{
	const struct ftpfix_flow *flow = flow_find(&alive->key);
	__s32 age;

	if (!flow || flow->place & FTPFIX_PLACE_CONTROL)
		return 0;
	age = alive->now_ticks - flow->seen_ticks;
	if (age <= (__s32)alive->limit)
		return 1;
	flow = flow_peer(flow);
	age = flow ? alive->now_ticks - flow->seen_ticks : 0;
	return flow && age <= (__s32)alive->limit;
}

/* Whether the client dialled the own address of this number: which one it was told is written
 * nowhere, and they are few. */
static long alive_told(__u32 index, void *context)
{
	struct alive *alive = context;
	const struct ftpfix_addr *told = own_address(index + 1);

	if (!told)
		return 1;
	alive->key.destination = *told;
	alive->found = alive_flow(alive);
	return alive->found;
}

/* Whether the connection is alive that a server announced to the session's client: at the address
 * that this one dialled before, or was told. */
static __always_inline int alive_passive(struct alive *alive, const struct ftpfix_tuple *session)
{
	alive->key.source = session->source;
	alive->key.destination = session->destination;
	if (alive_flow(alive))
		return 1;
	bpf_loop(own_count, alive_told, alive, 0);
	return alive->found;
}

/* The same of one that the client announced to the server, behind its control connection where
 * that is `carried`, or NULL. */
static __always_inline int alive_active(struct alive *alive, const struct ftpfix_tuple *session,
					const struct ftpfix_flow *carried)
{
	const struct ftpfix_addr *own = carried ? own_address(carried->source) : NULL;

	alive->key.source = carried ? carried->destination : session->destination;
	alive->key.destination = own ? *own : session->source;
	return alive_flow(alive);
}

/* Whether a data connection of the session has moved bytes not longer ago than `limit` ticks;
 * `carried` is the client's entry where ftpfix carries the control connection, or NULL. */
static __noinline int session_alive(const struct ftpfix_session_key *key,
				    const struct ftpfix_flow *carried, __u32 now_ticks, __u32 limit)
{
	const struct ftpfix_session *session = session_find(key);
	struct alive alive = {.now_ticks = now_ticks, .limit = limit};

	if (!session)
		return 0;
#pragma unroll
	for (int slot = 0; slot < FTPFIX_EXPECTED_MAX; slot++) {
		alive.key.be_source_port = session->expected[slot].be_peer_port;
		alive.key.be_destination_port = session->expected[slot].be_port;
		if (alive.key.be_source_port && (alive_active(&alive, &key->tuple, carried) ||
						 alive_passive(&alive, &key->tuple)))
			return 1;
	}
	return 0;
}

#endif /* FTPFIX_KEEPALIVE_H */
