/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ties a control connection that is read to the flow by which ftpfix carries it, where
 * it is the balancer. What is read in it, and how flows move, is not known here.
 */
#ifndef FTPFIX_CARRIED_H
#define FTPFIX_CARRIED_H

#include "hop.h"

/* The packet was sent on, and leaves on the uplink: as a reply, for ftpfix carries no client that
 * stands inside. How it looks beyond the node is known without a look at the connection's entries,
 * which are far away. */
static __always_inline void carried_sent(struct scratch *scratch)
{
	struct crossing *crossing = &scratch->crossing;

	crossing->carried = 1;
	crossing->beyond_ifindex = scratch->sent.ifindex;
	crossing->beyond = scratch->sent.from;
}

/*
 * Whether the packet is of a control connection that ftpfix carries itself, in which case
 * its flow says in scratch->crossing how it looks beyond the node. Returns 1 or 0; or -EEXIST when
 * it is of a data connection, of which one port has the number of a control port.
 */
__global int carried_find(void)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_flow *flow, *inner;
	const struct ftpfix_tuple *tuple;
	struct crossing *crossing;
	__u32 slot;

	if (!scratch)
		return 0;
	tuple = &scratch->packet.tuple;
	crossing = &scratch->crossing;
	/* On the uplink the client's entry is looked for, inside the server's: what comes in is
	 * that entry's own packet. */
	tuple_turn(&scratch->back, tuple);
	if (crossing->from_client != (crossing->key.side == FTPFIX_SIDE_UPLINK)) {
		tuple = &scratch->back;
		slot = flow_slot(tuple);
	} else {
		slot = crossing->entering ? scratch->slot : flow_slot(tuple);
	}
	flow = slot ? flow_at(slot - 1) : NULL;
	if (!flow)
		return 0;
	if (!(flow->place & FTPFIX_PLACE_CONTROL))
		return -EEXIST;
	flow_to(flow, tuple, &crossing->beyond);
	/* Through the stack the source is changed by a second pair. */
	inner = path_stack ? flow_find(&crossing->beyond) : NULL;
	if (inner && inner->place & FTPFIX_PLACE_INNER) {
		flow = inner;
		scratch->turned = crossing->beyond;
		flow_to(flow, &scratch->turned, &crossing->beyond);
	}
	crossing->beyond_ifindex = hop_get(flow, &scratch->hop) ? 0 : scratch->hop.out_ifindex;
	if (crossing->from_client)
		return 1;
	tuple_turn(&scratch->back, &crossing->beyond);
	crossing->beyond = scratch->back;
	return 1;
}

/* Leaves the packets of a carried connection, from now on, to TC: its sequence numbers are
 * changed. */
__global int carried_slow(void)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_flow *flow, *peer;

	flow = scratch ? flow_find(&scratch->crossing.key.tuple) : NULL;
	if (!flow)
		return 0;
	flow_mark(flow, FTPFIX_MARK_SLOW);
	peer = flow_peer(flow);
	if (peer)
		flow_mark(peer, FTPFIX_MARK_SLOW);
	return 0;
}

#endif /* FTPFIX_CARRIED_H */
