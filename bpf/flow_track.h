/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a connection has come: its sequence numbers, its handshake, its FINs and
 * resets, and whether it therefore has a turn, or goes. It translates nothing.
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

/* Notes that the packet acknowledges the peer's FIN, behind which nothing comes. Returns 1 when
 * with that both FINs are acknowledged. */
static __always_inline int flow_acknowledge_fin(struct ftpfix_flow *flow,
						const struct ftpfix_flow *peer,
						const struct packet *packet)
{
	if (!(flow->marks & FTPFIX_MARK_PEER_FIN) ||
	    flow->progress & FTPFIX_PROGRESS_FIN_ACKNOWLEDGED || !(packet->flags & TCP_ACK) ||
	    sequence_after(peer->end_sequence, packet->host_acknowledgement))
		return 0;
	flow->progress |= FTPFIX_PROGRESS_FIN_ACKNOWLEDGED;
	/* A barrier: of two directions that do so at once at least one sees the other's. */
	flow_mark(flow, 0);
	return *(volatile const __u8 *)&peer->progress & FTPFIX_PROGRESS_FIN_ACKNOWLEDGED;
}

/* Whether a segment with this end, which is new, belongs to the stream: because
 * it is near, or because the peer has acknowledged all in front of it. */
static __always_inline int flow_continues(const struct ftpfix_flow *flow,
					  const struct ftpfix_flow *peer,
					  const struct packet *packet, __u32 end)
{
	return end - flow->end_sequence <= FLOW_AHEAD_MAX ||
	       (peer->progress & FTPFIX_PROGRESS_ACKNOWLEDGING &&
		!sequence_after(packet->host_sequence, peer->acknowledged));
}

/* The stream goes on to `end`. */
static __always_inline void flow_extend(struct ftpfix_flow *flow, __u32 end)
{
	flow->wraps += end - flow->first_sequence < flow->end_sequence - flow->first_sequence;
	flow->end_sequence = end;
}

/* Whether the packet acknowledges the peer's SYN, and nothing that the peer has not sent. */
static __always_inline int flow_acknowledges(const struct ftpfix_flow *peer,
					     const struct packet *packet)
{
	return peer->progress & FTPFIX_PROGRESS_SYN &&
	       sequence_after(packet->host_acknowledgement, peer->first_sequence) &&
	       !sequence_after(packet->host_acknowledgement, peer->end_sequence);
}

/* Whether the SYN is an earlier connection's, which has given its source port up: not the one
 * that has come, or an answer to another. */
static __always_inline int flow_foreign(const struct ftpfix_flow *flow,
					const struct ftpfix_flow *peer, const struct packet *packet)
{
	if (flow->progress & FTPFIX_PROGRESS_SYN)
		return packet->host_sequence != flow->first_sequence;
	return packet->flags & TCP_ACK && !flow_acknowledges(peer, packet);
}

static __always_inline void flow_advance(struct ftpfix_flow *flow, const struct ftpfix_flow *peer,
					 const struct packet *packet)
{
	__u32 end = packet->host_sequence + packet->payload_length + !!(packet->flags & TCP_SYN) +
		    !!(packet->flags & TCP_FIN);

	/* Before its own SYN a side speaks of an earlier connection: a server
	 * in TIME_WAIT answers so, and the client's reset is to clear it. */
	if (!(packet->flags & TCP_SYN) && !(flow->progress & FTPFIX_PROGRESS_SYN))
		return;
	if (packet->flags & TCP_SYN && flow_foreign(flow, peer, packet))
		return;
	if (!(flow->progress & FTPFIX_PROGRESS_SYN)) {
		flow->first_sequence = packet->host_sequence;
		flow->end_sequence = end;
		flow->progress |= FTPFIX_PROGRESS_SYN;
	}
	if (sequence_after(end, flow->end_sequence) && !(flow->progress & FTPFIX_PROGRESS_FIN) &&
	    flow_continues(flow, peer, packet, end))
		flow_extend(flow, end);
	if (packet->flags & TCP_ACK &&
	    (!(flow->progress & FTPFIX_PROGRESS_ACKNOWLEDGING) ||
	     sequence_after(packet->host_acknowledgement, flow->acknowledged))) {
		flow->acknowledged = packet->host_acknowledgement;
		flow->progress |= FTPFIX_PROGRESS_ACKNOWLEDGING;
	}
}

static __always_inline void flow_note_fin(struct ftpfix_flow *flow, struct ftpfix_flow *peer,
					  const struct packet *packet)
{
	/* Nothing comes behind a FIN: another place is not its own. */
	if (!(packet->flags & TCP_FIN) ||
	    flow->end_sequence != packet->host_sequence + packet->payload_length + 1)
		return;
	flow->progress |= FTPFIX_PROGRESS_FIN;
	flow_mark(peer, FTPFIX_MARK_PEER_FIN);
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
 * the peer's SYN. A stranger who never saw that SYN cannot know the number.
 */
static __always_inline int flow_answers(const struct ftpfix_flow *flow,
					const struct ftpfix_flow *peer, const struct packet *packet)
{
	if ((packet->flags & (TCP_SYN | TCP_ACK)) != TCP_ACK ||
	    !(flow->progress & FTPFIX_PROGRESS_SYN))
		return 0;
	return flow_acknowledges(peer, packet);
}

/* Whether the opener's packets may still have to tell the client's address: they do until one of
 * them is answered. */
static __always_inline int flow_unanswered(const struct ftpfix_flow *flow)
{
	return client_address == FTPFIX_CLIENT_ADDRESS_TOA && !(flow->marks & FTPFIX_MARK_ANSWERED);
}

/* Notes that the packet is the answer to the opener, if it is. */
static __always_inline void flow_note_answer(struct ftpfix_flow *flow, struct ftpfix_flow *peer,
					     const struct packet *packet)
{
	if (!flow_unanswered(flow) || flow->place & FTPFIX_PLACE_OPENER ||
	    !flow_answers(flow, peer, packet))
		return;
	flow_mark(flow, FTPFIX_MARK_ANSWERED);
	flow_mark(peer, FTPFIX_MARK_ANSWERED);
}

/* Removes a connection, of which this slot has one direction, and its second pair, through the
 * stack, too. Returns as flow_remove(). */
__global int flow_remove_all(__u32 slot, int sparing)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_flow *flow = flow_at(slot), *peer, *first, *inner;
	__u32 second = 0;
	int marks;

	peer = flow ? flow_peer(flow) : NULL;
	if (!scratch || !peer)
		return 0;
	if (path_stack) {
		first = flow_first(flow, peer);
		flow_from(first, first == flow ? peer : flow, &scratch->removed);
		flow_to(first, &scratch->removed, &scratch->removed_to);
		second = flow_slot(&scratch->removed_to);
	}
	marks = flow_remove(slot, sparing);
	inner = marks && second ? flow_at(second - 1) : NULL;
	if (inner && inner->place & FTPFIX_PLACE_INNER)
		flow_remove(second - 1, 0);
	return marks;
}

/* Of a second pair, through the stack, the slot of the first pair's way back: that takes what the
 * second one makes of the answers. Otherwise, or where that is gone, the slot itself. */
__global __u32 flow_outer(__u32 slot)
{
	struct ftpfix_flow *flow = flow_at(slot), *peer = flow ? flow_peer(flow) : NULL, *first;
	struct scratch *scratch = scratch_memory();
	__u32 outer;

	if (!scratch || !peer || !(flow->place & FTPFIX_PLACE_INNER))
		return slot;
	first = flow_first(flow, peer);
	flow_from(first, first == flow ? peer : flow, &scratch->removed);
	tuple_turn(&scratch->removed_to, &scratch->removed);
	outer = flow_slot(&scratch->removed_to);
	return outer ? outer - 1 : slot;
}

/* Takes a connection away: `slot` is one more than that of either direction, or 0. It gives way
 * to others (`sparing`), unless it is established, or to one of its own tuple. Why is counted
 * unless it was closed before. */
static __always_inline void flow_give_up(__u32 slot, int sparing)
{
	const struct ftpfix_flow *flow;
	__u8 place, marks;

	if (!slot)
		return;
	slot = path_stack ? flow_outer(slot - 1) : slot - 1;
	flow = flow_at(slot);
	if (!flow)
		return;
	place = flow->place;
	marks = flow_remove_all(slot, sparing);
	if (!marks || marks & FTPFIX_MARK_CLOSED)
		return;
	if (sparing)
		flow_became(place, FTPFIX_CONNECTION_CROWDED_OUT, FTPFIX_BALANCED_CROWDED_OUT);
	else
		flow_became(place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
}

/* Gives the connection of which this slot has one direction a turn, and takes away the one that
 * had it. A second pair, through the stack, goes with the first. */
__global int flow_turn(__u32 slot, int kind)
{
	struct ftpfix_flow *flow = flow_at(slot), *peer = flow ? flow_peer(flow) : NULL;

	if (!peer || flow->place & FTPFIX_PLACE_INNER)
		return 0;
	if (!(flow->place & FTPFIX_PLACE_OPENER)) {
		slot = flow->peer;
		flow = peer;
	}
	slot = flow_take_turn(flow, slot, kind);
	flow_give_up(slot, 1);
	return 0;
}

/* The connection is over: what still comes of it is carried until its turn, or its time, is over. */
static __always_inline void flow_end(struct ftpfix_flow *flow, struct ftpfix_flow *peer)
{
	if (!flow_close(flow, peer))
		return;
	flow_became(flow->place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
	flow_turn(peer->peer, FTPFIX_TURN_CLOSED);
}

/*
 * Lets the reset end the connection, if it is right. In the midst of one what the other side has
 * sent is under way still, and may have to be answered by one more reset; or that side says that
 * it stands elsewhere (RFC 5961 section 3), because it has not got all.
 */
static __always_inline void flow_track_reset(struct ftpfix_flow *flow, struct ftpfix_flow *peer,
					     const struct packet *packet)
{
	__u8 place = flow->place, marks;

	flow->seen_ticks = ticks_now();
	if (!flow_reset(flow, peer, packet))
		return;
	if (flow->marks & FTPFIX_MARK_SETTLED && !flow_finished(flow)) {
		flow_end(flow, peer);
		return;
	}
	marks = flow_remove(peer->peer, 0);
	if (marks && !(marks & FTPFIX_MARK_CLOSED))
		flow_became(place, FTPFIX_CONNECTION_CLOSED, FTPFIX_BALANCED_CLOSED);
}

/* Whether the packet is in the middle of a stream, where only numbers go on, and nothing need
 * be known of the other direction, whose entry is far away. */
static __always_inline int flow_plain(const struct ftpfix_flow *flow, const struct packet *packet)
{
	if ((packet->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    !(flow->marks & FTPFIX_MARK_SETTLED) || flow->progress & FTPFIX_PROGRESS_FIN ||
	    flow->marks & FTPFIX_MARK_PEER_FIN || flow_unanswered(flow))
		return 0;
	return (__s32)(packet->host_sequence + packet->payload_length - flow->end_sequence) <=
	       FLOW_AHEAD_MAX;
}

/* Follows a packet that is plain, as flow_track() would. */
static __always_inline void flow_pass(struct ftpfix_flow *flow, const struct packet *packet,
				      __u32 now_ticks)
{
	__u32 end = packet->host_sequence + packet->payload_length;

	if (sequence_after(end, flow->end_sequence))
		flow_extend(flow, end);
	if (!(flow->progress & FTPFIX_PROGRESS_ACKNOWLEDGING) ||
	    sequence_after(packet->host_acknowledgement, flow->acknowledged)) {
		flow->acknowledged = packet->host_acknowledgement;
		flow->progress |= FTPFIX_PROGRESS_ACKNOWLEDGING;
	}
	flow->seen_ticks = now_ticks;
}

/* Follows the packet's connection. A reset may have removed the flow afterwards. */
static __always_inline void flow_track(struct ftpfix_flow *flow, const struct packet *packet)
{
	struct ftpfix_flow *peer = flow_peer(flow);

	/* Another CPU is removing it. */
	if (!peer)
		return;
	if (packet->flags & TCP_RST) {
		flow_track_reset(flow, peer, packet);
		return;
	}
	flow_advance(flow, peer, packet);
	flow_note_fin(flow, peer, packet);
	flow_note_answer(flow, peer, packet);
	flow->seen_ticks = ticks_now();
	if (flow_acknowledge_fin(flow, peer, packet)) {
		flow_end(flow, peer);
	} else if (!(flow->marks & FTPFIX_MARK_SETTLED) && !flow_closing(flow) &&
		   flow_answers(flow, peer, packet)) {
		if (flow_settle(flow, peer) && flow->place & FTPFIX_PLACE_CONTROL)
			flow_became(flow->place, FTPFIX_CONNECTION_OPENED,
				    FTPFIX_BALANCED_ESTABLISHED);
	}
}

#endif /* FTPFIX_FLOW_TRACK_H */
