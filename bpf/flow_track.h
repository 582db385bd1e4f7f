/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a connection has come: its sequence numbers, its handshake, its FINs and
 * resets, and in which table its pair of flows therefore stands. It translates nothing.
 */
#ifndef FTPFIX_FLOW_TRACK_H
#define FTPFIX_FLOW_TRACK_H

#include "flow_table.h"
#include "session.h"

/*
 * Whether a reset ends the connection: where its sender stands in the stream, or
 * where the peer expects it (RFC 5961 section 3), or as the answer to a SYN.
 * Others travel on and are the receiver's to judge.
 */
static __always_inline int flow_reset(const struct ftpfix_flow *flow,
				      const struct ftpfix_flow *peer, const struct packet *packet)
{
	if (!(flow->progress & FTPFIX_PROGRESS_SYN))
		return packet->flags & TCP_ACK &&
		       packet->host_acknowledgement == peer->end_sequence;
	return packet->host_sequence == flow->end_sequence ||
	       (peer->progress & FTPFIX_PROGRESS_ACKNOWLEDGING &&
		packet->host_sequence == peer->acknowledged);
}

/* Further ahead than any usual window a segment is taken to be a stranger's. */
#define FLOW_AHEAD_MAX (1 << 23)

/* Notes that the packet acknowledges the peer's FIN. Returns 1 when with that
 * both FINs are acknowledged. */
static __always_inline int flow_acknowledge_fin(struct ftpfix_flow *flow,
						const struct packet *packet)
{
	struct ftpfix_flow *peer;

	if (!(flow->peer_progress & FTPFIX_PROGRESS_FIN) ||
	    flow->progress & FTPFIX_PROGRESS_FIN_ACKNOWLEDGED || !(packet->flags & TCP_ACK) ||
	    sequence_after(flow->peer_fin_end, packet->host_acknowledgement))
		return 0;
	flow->progress |= FTPFIX_PROGRESS_FIN_ACKNOWLEDGED;
	peer = flow_peer(flow);
	return peer && peer->progress & FTPFIX_PROGRESS_FIN_ACKNOWLEDGED;
}

/* Whether a segment with this end, which is new, belongs to the stream: because
 * it is near, or because the peer has acknowledged all in front of it. */
static __always_inline int flow_continues(const struct ftpfix_flow *flow,
					  const struct packet *packet, __u32 end)
{
	struct ftpfix_flow *peer;

	if (end - flow->end_sequence <= FLOW_AHEAD_MAX)
		return 1;
	peer = flow_peer(flow);
	return peer && peer->progress & FTPFIX_PROGRESS_ACKNOWLEDGING &&
	       !sequence_after(packet->host_sequence, peer->acknowledged);
}

static __always_inline void flow_advance(struct ftpfix_flow *flow, const struct packet *packet)
{
	__u32 end = packet->host_sequence + packet->payload_length + !!(packet->flags & TCP_SYN) +
		    !!(packet->flags & TCP_FIN);

	/* Before its own SYN a side speaks of an earlier connection: a server
	 * in TIME_WAIT answers so, and the client's reset is to clear it. */
	if (!(packet->flags & TCP_SYN) && !(flow->progress & FTPFIX_PROGRESS_SYN))
		return;
	if (!(flow->progress & FTPFIX_PROGRESS_SYN)) {
		flow->first_sequence = packet->host_sequence;
		flow->end_sequence = end;
		flow->progress |= FTPFIX_PROGRESS_SYN;
	}
	if (sequence_after(end, flow->end_sequence) && flow_continues(flow, packet, end))
		flow->end_sequence = end;
	if (packet->flags & TCP_ACK &&
	    (!(flow->progress & FTPFIX_PROGRESS_ACKNOWLEDGING) ||
	     sequence_after(packet->host_acknowledgement, flow->acknowledged))) {
		flow->acknowledged = packet->host_acknowledgement;
		flow->progress |= FTPFIX_PROGRESS_ACKNOWLEDGING;
	}
}

static __always_inline void flow_count(struct ftpfix_flow *flow, const struct packet *packet)
{
	flow->packets++;
	flow->bytes += packet->network_length;
	flow->seen_ticks = ticks_now();
}

static __always_inline void flow_note_fin(struct ftpfix_flow *flow, const struct packet *packet)
{
	struct ftpfix_flow *peer;

	/* Nothing comes behind a FIN: another place is not its own. */
	if (!(packet->flags & TCP_FIN) ||
	    flow->end_sequence != packet->host_sequence + packet->payload_length + 1)
		return;
	flow->progress |= FTPFIX_PROGRESS_FIN;
	peer = flow_peer(flow);
	if (!peer)
		return;
	peer->peer_fin_end = flow->end_sequence;
	peer->peer_progress |= FTPFIX_PROGRESS_FIN;
}

/* What became of a connection, as data connections count it and as the balancer's do. */
static __always_inline void flow_became(__u8 place, enum ftpfix_reason data,
					enum ftpfix_reason control)
{
	if (!(place & FTPFIX_PLACE_INNER))
		count(place & FTPFIX_PLACE_CONTROL ? control : data);
}

/*
 * Whether the packet ends its connection's handshake: an acknowledgement, not itself a SYN, of
 * the peer's SYN. A stranger who never saw that SYN cannot know the number. Where the opener's
 * packets are to tell the client's address until they are answered, only the answer does.
 */
static __always_inline int flow_answers(const struct ftpfix_flow *flow, const struct packet *packet)
{
	const struct ftpfix_flow *peer;

	if ((packet->flags & (TCP_SYN | TCP_ACK)) != TCP_ACK ||
	    !(flow->progress & FTPFIX_PROGRESS_SYN))
		return 0;
	if (client_address == FTPFIX_CLIENT_ADDRESS_TOA && flow->place & FTPFIX_PLACE_OPENER)
		return 0;
	peer = flow_peer(flow);
	return peer && peer->progress & FTPFIX_PROGRESS_SYN &&
	       sequence_after(packet->host_acknowledgement, peer->first_sequence) &&
	       !sequence_after(packet->host_acknowledgement, peer->end_sequence);
}

/* Lets the reset end the connection, if it is right. */
static __always_inline void flow_track_reset(struct ftpfix_flow *flow,
					     const struct ftpfix_tuple *key,
					     const struct packet *packet)
{
	struct ftpfix_flow *peer = flow_peer(flow);
	int over = !peer || flow_reset(flow, peer, packet), closed = flow_closed(flow);
	__u8 place = flow->place;

	flow_count(flow, packet);
	if (over && flow_remove(key) && !closed)
		flow_became(place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
}

/* Gives up what is left of an earlier connection where a new one begins: its second pair,
 * through the stack, too. */
static __noinline int flow_give_up(const struct ftpfix_tuple *key)
{
	const struct ftpfix_flow *flow = flow_find(key), *inner;
	struct ftpfix_tuple middle;
	int closed;
	__u8 place;

	if (!flow)
		return 0;
	place = flow->place;
	closed = flow_closed(flow);
	if (path_stack) {
		middle = flow->to;
		inner = flow_find(&middle);
		if (inner && inner->place & FTPFIX_PLACE_INNER)
			flow_remove(&middle);
	}
	if (flow_remove(key) && !closed)
		flow_became(place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
	return 0;
}

/*
 * Follows the packet's connection, and moves it to the table where it then belongs. The flow
 * must not be used afterwards. Returns 0, or an error when the connection has opened and
 * the table has no room for it.
 */
static __always_inline int flow_track(struct ftpfix_flow *flow, const struct ftpfix_tuple *key,
				      const struct packet *packet, struct scratch *scratch)
{
	__u8 place = flow->place;
	int over, err = 0;

	if (packet->flags & TCP_RST) {
		flow_track_reset(flow, key, packet);
		return 0;
	}
	flow_advance(flow, packet);
	flow_note_fin(flow, packet);
	over = flow_acknowledge_fin(flow, packet);
	flow_count(flow, packet);
	if (over) {
		if (place & FTPFIX_PLACE_SETTLED && flow_retire(key, scratch))
			flow_became(place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
	} else if (!(place & FTPFIX_PLACE_SETTLED) && !flow_closing(flow) &&
		   flow_answers(flow, packet)) {
		err = flow_settle(key, scratch);
		if (!err && place & FTPFIX_PLACE_CONTROL)
			flow_became(place, FTPFIX_CONNECTION_OPENED, FTPFIX_BALANCED_ESTABLISHED);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

#endif /* FTPFIX_FLOW_TRACK_H */
