/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of connections that ftpfix carries, data and control: translated at their hook,
 * and sent on past the stack or left to it. What was announced to bring a connection
 * about is not known here.
 */
#ifndef FTPFIX_FLOW_H
#define FTPFIX_FLOW_H

#include "client_address.h"
#include "flow_open.h"
#include "hop.h"
#include "nat.h"
#include "sent.h"

/* The size of the IP packet, or of the largest one that it will be on the wire. */
static __always_inline __u32 flow_packet_size(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 segment = packet->payload_offset - packet->network_offset + skb->gso_size;

	return skb->gso_size && segment < packet->network_length ? segment : packet->network_length;
}

/* What keeps the packet in the scratch from being sent on; 0 when nothing does. The MTU that
 * it is above, the device's or the route's, is left there. */
static __always_inline int flow_obstacle(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct ftpfix_hop *hop = &scratch->hop;
	__u32 mtu = hop->mtu;

	if (scratch->packet.ttl <= 1) {
		count(FTPFIX_PACKET_TTL);
		return -ETIME;
	}
	/* Of a known hop the kernel has told it. */
	if (!mtu && (!hop->out_ifindex || bpf_check_mtu(skb, hop->out_ifindex, &mtu, 0, 0) < 0)) {
		count(FTPFIX_PACKET_FAILED);
		return -ENODEV;
	}
	if (flow_packet_size(skb, &scratch->packet) <= mtu)
		return 0;
	count(FTPFIX_PACKET_TOO_BIG);
	scratch->answer_mtu = mtu;
	return -EMSGSIZE;
}

/* The flow that flow_lookup() found for the packet in the scratch. */
static __always_inline struct ftpfix_flow *flow_of_packet(const struct scratch *scratch)
{
	__u32 slot = scratch->slot;

	return slot ? flow_at(slot - 1) : NULL;
}

/*
 * Finds the flow of the packet in the scratch at this hook, and on the way in makes one of
 * a SYN that is for one. Returns 1 for a control connection, 0 for a data connection,
 * -ENOENT when the packet is none of ours, -ECONNREFUSED when it is to be refused, or
 * -EALREADY when it must be dropped.
 */
__global int flow_lookup(struct __sk_buff *skb, int hook)
{
	struct scratch *scratch = scratch_memory();
	const struct packet *packet;
	struct ftpfix_flow *flow;
	int opening, err;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	scratch->slot = flow_slot_begin(&packet->tuple);
	flow = flow_of_packet(scratch);
	opening = (packet->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && !(hook & 1);
	/* Unless the SYN is that of a connection which is there. */
	if (opening && (!flow || flow->first_sequence != packet->host_sequence)) {
		err = flow_open(skb, hook >> 1, flow && marks_established(flow->marks));
		if (err == -EALREADY)
			count(FTPFIX_PACKET_FAILED);
		if (err && err != -ENOENT)
			return err;
		flow = flow_of_packet(scratch);
	}
	if (!flow || (flow->place & FTPFIX_PLACE_HOOK) != hook)
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	return !!(flow->place & FTPFIX_PLACE_CONTROL);
}

/*
 * Writes the Ethernet header of the packet in the scratch, where its hop is known. The packet
 * that asked for the hop is left to the kernel, which sees by it that the neighbour is in use,
 * and asks that one whether it is still there.
 */
static __always_inline void flow_address(struct __sk_buff *skb, struct scratch *scratch, int asked)
{
	const struct ftpfix_hop *hop = &scratch->hop;

	scratch->addressed =
		hop->mtu && !asked && scratch->packet.network_offset == ETH_HLEN &&
		!bpf_skb_store_bytes(skb, 0, hop->destination,
				     sizeof(hop->destination) + sizeof(hop->source), 0);
}

enum flow_proxied { FLOW_UNPROXIED, FLOW_TO_SERVER, FLOW_TO_CLIENT };

/* Whether the flow's packets have a PROXY header in front of the first, and so two kinds of
 * numbers: the tables hold the server's. */
static __always_inline enum flow_proxied flow_proxied(const struct ftpfix_flow *flow)
{
	if (!proxy_due(flow))
		return FLOW_UNPROXIED;
	return flow->place & FTPFIX_PLACE_OPENER ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
}

/*
 * Carries the packet in the scratch, of a flow at this hook. Returns the interface to send
 * it out of, as scratch->addressed says, or 0 when it goes on where it is, both translated;
 * -ETIME or -EMSGSIZE when its sender is to be told; or another error when it must be dropped.
 */
__global int flow_carry(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	struct packet *packet;
	struct ftpfix_flow *flow;
	__u32 out_ifindex = 0, length;
	int tells, proxied, asked = 1, err = 0;
	__u8 place;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	flow = flow_of_packet(scratch);
	if (!flow)
		return -ENOENT;
	/* A FIN behind what was cut away will come again. */
	if (packet->cut)
		packet->flags &= ~TCP_FIN;
	flow_to(flow, &packet->tuple, &scratch->to);
	length = packet->network_length;
	proxied = flow_proxied(flow);
	tells = client_address_due(flow, packet);
	if (!path_stack) {
		asked = hop_find(skb, flow, &scratch->to, skb->ifindex, scratch->now_ticks,
				 &scratch->hop) ||
			hop_unshown(&scratch->hop, scratch->now_ticks);
		if (asked)
			hop_show(flow, scratch->now_ticks);
		out_ifindex = scratch->hop.out_ifindex;
		err = flow_obstacle(skb, scratch);
		if (err)
			return err;
	}
	place = flow->place;
	if (proxied == FLOW_TO_SERVER)
		err = proxy_enter(skb, out_ifindex);
	if (!err) {
		if (flow_plain(flow, packet))
			flow_pass(flow, packet, scratch->now_ticks);
		else
			flow_track(flow, packet);
		err = nat_translate(skb, packet, &scratch->to, !path_stack);
	}
	if (!err && tells)
		err = client_address_add(skb, out_ifindex, tells);
	if (!err && proxied == FLOW_TO_CLIENT)
		err = proxy_leave(skb);
	if (err) {
		count(FTPFIX_PACKET_FAILED);
		return -EIO;
	}
	if (out_ifindex)
		flow_address(skb, scratch, asked);
	if (place & FTPFIX_PLACE_CONTROL) {
		scratch->sent.ifindex = skb->ifindex;
		scratch->sent.from = packet->tuple;
	}
	packet->tuple = scratch->to;
	/* Nothing was put in behind what was parsed. */
	if (out_ifindex && !tells && !proxied)
		sent_note(skb, scratch, place & FTPFIX_PLACE_CONTROL ? SENT_CONTROL : SENT_DATA);
	/* Through the stack it comes by twice. */
	if (!(place & FTPFIX_PLACE_INNER)) {
		count(FTPFIX_PACKET_FORWARDED);
		count_add(FTPFIX_BYTES_FORWARDED, length);
	}
	return out_ifindex;
}

#endif /* FTPFIX_FLOW_H */
