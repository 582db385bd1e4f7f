/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Data connections: the SYN that claims an expectation becomes a pair of flows,
 * their packets are translated and sent on, and their end ends the pair. What
 * was announced to bring this about is not known here.
 */
#ifndef FTPFIX_FLOW_H
#define FTPFIX_FLOW_H

#include "expect.h"
#include "flow_track.h"
#include "nat.h"
#include "scratch.h"

/* Other source ports that are tried when the client's own is taken. */
#define SOURCE_PORT_TRIES_MAX 32

/* Inserts the direction target → peer of scratch->to. Its key is what makes
 * the source port toward the target ours. Returns 0 or an error of the map. */
static __always_inline int flow_insert_back(const struct ftpfix_tuple *key, __u32 ifindex,
					    enum ftpfix_side side, struct scratch *scratch)
{
	struct ftpfix_flow *flow = &scratch->flow;

	__builtin_memset(flow, 0, sizeof(*flow));
	tuple_turn(&flow->to, key);
	flow->out_ifindex = ifindex;
	flow->seen_ticks = ticks_now();
	flow->place = side == FTPFIX_SIDE_UPLINK ? FTPFIX_HOOK_INSIDE_IN : FTPFIX_HOOK_UPLINK_IN;
	tuple_turn(&scratch->back, &scratch->to);
	return bpf_map_update_elem(&flows, &scratch->back, flow, BPF_NOEXIST);
}

/* Inserts both directions of scratch->to, keeping the peer's port if it can; `ifindex` and
 * `side` are where the peer's packets come in. Returns 0; -EEXIST when no source port was
 * free; or another error of the map. */
static __noinline int flow_insert(const struct ftpfix_tuple *key, __u32 ifindex,
				  enum ftpfix_side side, struct scratch *scratch)
{
	struct ftpfix_flow *flow = &scratch->flow;
	int err = -EEXIST;

	for (int try = 0; try < SOURCE_PORT_TRIES_MAX && err == -EEXIST; try++) {
		if (try)
			scratch->to.be_source_port =
				bpf_htons(FTPFIX_PORT_MIN +
					  bpf_get_prandom_u32() % (65536 - FTPFIX_PORT_MIN));
		/* What comes back to a control port would be taken for commands. */
		if (!is_service_port(bpf_ntohs(scratch->to.be_source_port)))
			err = flow_insert_back(key, ifindex, side, scratch);
	}
	if (err)
		return err;
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->to = scratch->to;
	flow->out_ifindex = scratch->expectation.out_ifindex;
	flow->seen_ticks = ticks_now();
	flow->place = 2 * side;
	err = bpf_map_update_elem(&flows, key, flow, BPF_ANY);
	if (err)
		bpf_map_delete_elem(&flows, &scratch->back);
	return err;
}

/* Finds what the packet's sender is expected for, or what anybody is. The key is left
 * in the scratch. */
static __always_inline struct ftpfix_expectation *flow_expected(const struct packet *packet,
								struct scratch *scratch)
{
	struct ftpfix_expectation_key *key = &scratch->expectation_key;
	struct ftpfix_expectation *expectation;

	__builtin_memset(key, 0, sizeof(*key));
	key->peer = packet->tuple.source;
	key->be_port = packet->tuple.be_destination_port;
	expectation = bpf_map_lookup_elem(&expectations, key);
	if (expectation)
		return expectation;
	__builtin_memset(&key->peer, 0, sizeof(key->peer));
	return bpf_map_lookup_elem(&expectations, key);
}

/*
 * Takes the expectation that this SYN is for: from the one peer, on its side of the node,
 * to the endpoint that it was told, before the deadline, untagged, and once. Returns 0
 * with scratch->expectation filled, or -ENOENT.
 */
static __always_inline int flow_claim(const struct packet *packet, enum ftpfix_side side,
				      struct scratch *scratch)
{
	struct ftpfix_expectation_key *key = &scratch->expectation_key;
	struct ftpfix_expectation *expectation = flow_expected(packet, scratch);

	if (!expectation || expectation->side != side)
		return -ENOENT;
	if (!address_equal(&packet->tuple.destination, &expectation->dialled) &&
	    !address_equal(&packet->tuple.destination, &expectation->advertised))
		return -ENOENT;
	if (expectation->deadline_ns < bpf_ktime_get_coarse_ns())
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	scratch->expectation = *expectation;
	/* Of several that want it, the one whose deletion succeeds has it. */
	return bpf_map_delete_elem(&expectations, key) ? -ENOENT : 0;
}

/* Makes a flow of a SYN that was expected. Returns 0; -ENOENT when nothing was
 * expected; or another error when the packet must be dropped. */
static __noinline int flow_open(struct __sk_buff *skb, const struct packet *packet,
				enum ftpfix_side side, struct scratch *scratch)
{
	const struct ftpfix_tuple *key = &packet->tuple;
	struct ftpfix_expectation *expectation;
	struct ftpfix_tuple *to;
	int err;

	if (flow_claim(packet, side, scratch))
		return -ENOENT;
	expectation = &scratch->expectation;
	/* A peer that connects again from the same port has given the old
	 * connection up. */
	if (flow_remove(key))
		count(FTPFIX_CONNECTION_CLOSED);
	to = &scratch->to;
	to->source = address_given(&expectation->source) ? expectation->source : key->source;
	to->be_source_port = key->be_source_port;
	to->destination = expectation->target.addr;
	to->be_destination_port = expectation->target.be_port;
	err = flow_insert(key, skb->ifindex, side, scratch);
	if (!err) {
		count(FTPFIX_CONNECTION_OPENED);
		return 0;
	}
	/* The peer will send its SYN again: let it be expected still. */
	bpf_map_update_elem(&expectations, &scratch->expectation_key, expectation, BPF_NOEXIST);
	report(err == -EEXIST ? FTPFIX_CONNECTION_NO_SOURCE_PORT : FTPFIX_CONNECTION_TABLE_FULL,
	       &expectation->session, &expectation->target, NULL);
	return -EBUSY;
}

/* What keeps a packet of a flow from being sent on; 0 when nothing does. */
static __always_inline int flow_obstacle(struct __sk_buff *skb, const struct packet *packet,
					 __u32 out_ifindex)
{
	__u32 mtu = 0;
	int err;

	if (packet->ttl <= 1) {
		count(FTPFIX_PACKET_TTL);
		return -ETIME;
	}
	err = bpf_check_mtu(skb, out_ifindex, &mtu, 0, BPF_MTU_CHK_SEGS);
	if (err > 0) {
		count(FTPFIX_PACKET_TOO_BIG);
		return -EMSGSIZE;
	}
	if (err == -ENODEV) {
		count(FTPFIX_PACKET_FAILED);
		return err;
	}
	return 0;
}

/*
 * The packet in the scratch, if it is of a data connection. Returns -ENOENT when it is none of
 * ours; the interface to send it out of, now translated; or another error when
 * it must be dropped.
 */
__global int flow_packet(struct __sk_buff *skb, enum ftpfix_side side)
{
	struct scratch *scratch = scratch_memory();
	const struct packet *packet;
	const struct ftpfix_tuple *key;
	struct ftpfix_flow *flow;
	struct ftpfix_tuple to;
	__u32 out_ifindex;
	__u8 opening;
	int err;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	key = &packet->tuple;
	flow = bpf_map_lookup_elem(&flows, key);
	opening = packet->flags & (TCP_SYN | TCP_ACK | TCP_RST);
	if (opening == TCP_SYN && (!flow || flow->first_sequence != packet->host_sequence)) {
		err = flow_open(skb, packet, side, scratch);
		if (err && err != -ENOENT)
			return err;
		flow = bpf_map_lookup_elem(&flows, key);
	}
	if (!flow || (flow->place & FTPFIX_PLACE_HOOK) != 2 * side)
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	to = flow->to;
	out_ifindex = flow->out_ifindex;
	err = flow_obstacle(skb, packet, out_ifindex);
	if (err)
		return err;
	flow_track(flow, key, packet);
	err = nat_translate(skb, packet, &to, 1);
	if (err) {
		count(FTPFIX_PACKET_FAILED);
		return -EIO;
	}
	count(FTPFIX_PACKET_FORWARDED);
	count_add(FTPFIX_BYTES_FORWARDED, packet->network_length);
	return out_ifindex;
}

#endif /* FTPFIX_FLOW_H */
