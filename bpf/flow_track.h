/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a data connection has come: its sequence numbers, its FINs and resets,
 * and the removal of the pair of flows when it is over. It translates nothing.
 */
#ifndef FTPFIX_FLOW_TRACK_H
#define FTPFIX_FLOW_TRACK_H

#include "counter.h"
#include "packet.h"
#include "session.h"

/* The time of flows: see FTPFIX_TICK_SHIFT. */
static __always_inline __u32 ticks_now(void)
{
	return bpf_ktime_get_coarse_ns() >> FTPFIX_TICK_SHIFT;
}

/* Removes both directions of a connection. Of several that do so at once, one
 * gets 1 for it. */
static __noinline int flow_remove(const struct ftpfix_tuple *key)
{
	struct ftpfix_flow *flow = bpf_map_lookup_elem(&flows, key);
	struct ftpfix_tuple own, peer;
	int removed;

	if (!flow)
		return 0;
	own = *key;
	tuple_turn(&peer, &flow->to);
	removed = !bpf_map_delete_elem(&flows, &own);
	bpf_map_delete_elem(&flows, &peer);
	return removed;
}

static __always_inline struct ftpfix_flow *flow_peer(const struct ftpfix_flow *flow)
{
	struct ftpfix_tuple peer;

	tuple_turn(&peer, &flow->to);
	return bpf_map_lookup_elem(&flows, &peer);
}

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

/* Follows the packet's connection; ends it when the packet does. The flow must
 * not be used afterwards. */
static __always_inline void flow_track(struct ftpfix_flow *flow, const struct ftpfix_tuple *key,
				       const struct packet *packet)
{
	int over = 0;

	if (packet->flags & TCP_RST) {
		struct ftpfix_flow *peer = flow_peer(flow);

		over = !peer || flow_reset(flow, peer, packet);
	} else {
		flow_advance(flow, packet);
		flow_note_fin(flow, packet);
		over = flow_acknowledge_fin(flow, packet);
	}
	flow_count(flow, packet);
	if (over && flow_remove(key))
		count(FTPFIX_CONNECTION_CLOSED);
}

#endif /* FTPFIX_FLOW_TRACK_H */
