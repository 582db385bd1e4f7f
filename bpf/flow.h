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

/* The size of the IP packet, or of the largest one that it will be on the wire. */
static __always_inline __u32 flow_packet_size(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 segment = packet->payload_offset - packet->network_offset + skb->gso_size;

	return skb->gso_size && segment < packet->network_length ? segment : packet->network_length;
}

/* What keeps the packet in the scratch from being sent on; 0 when nothing does. The MTU that
 * it is above, the device's or the route's, is left there. */
static __always_inline int flow_obstacle(struct __sk_buff *skb, struct scratch *scratch,
					 const struct ftpfix_flow *flow)
{
	__u32 mtu = 0;

	if (scratch->packet.ttl <= 1) {
		count(FTPFIX_PACKET_TTL);
		return -ETIME;
	}
	if (bpf_check_mtu(skb, flow->out_ifindex, &mtu, 0, 0) < 0) {
		count(FTPFIX_PACKET_FAILED);
		return -ENODEV;
	}
	if (flow->hop_mtu && flow->hop_mtu < mtu)
		mtu = flow->hop_mtu;
	if (flow_packet_size(skb, &scratch->packet) <= mtu)
		return 0;
	count(FTPFIX_PACKET_TOO_BIG);
	scratch->answer_mtu = mtu;
	return -EMSGSIZE;
}

/* Whether the SYN in the scratch is of a connection that is there. Of one that opens, and whose
 * other half was pushed out by others, that half is made again: what was expected is not
 * expected twice. */
static __always_inline int flow_whole(struct __sk_buff *skb, struct scratch *scratch,
				      const struct ftpfix_flow *flow, __u32 hook)
{
	if (!flow || flow->first_sequence != scratch->packet.host_sequence)
		return 0;
	return flow_peer(flow) ||
	       (!(flow->place & FTPFIX_PLACE_SETTLED) && !flow_restore(skb, scratch, flow, hook));
}

/*
 * Finds the flow of the packet in the scratch at this hook, and on the way in makes one of
 * a SYN that is for one. Returns 1 for a control connection, 0 for a data connection,
 * -ENOENT when the packet is none of ours, or -ECONNREFUSED when it is to be refused.
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
	flow = flow_find(&packet->tuple);
	opening = (packet->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && !(hook & 1);
	if (opening && !flow_whole(skb, scratch, flow, hook)) {
		err = flow_open(skb, hook >> 1, flow && flow->place & FTPFIX_PLACE_SETTLED);
		if (err && err != -ENOENT)
			return err;
		flow = flow_find(&packet->tuple);
	}
	if (!flow || (flow->place & FTPFIX_PLACE_HOOK) != hook)
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	return !!(flow->place & FTPFIX_PLACE_CONTROL);
}

/* Where the flow's packets go now. */
static __always_inline __u32 flow_out(struct __sk_buff *skb, struct ftpfix_flow *flow)
{
	__u32 now = ticks_now();

	if (hop_stale(flow, now))
		hop_refresh(skb, flow, skb->ifindex, now);
	return flow->out_ifindex;
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

/* Gives up the connection of the packet in the scratch, which found no room: the pair that it
 * has outside of this one, through the stack, too. */
static __always_inline void flow_refuse(struct scratch *scratch, __u8 place)
{
	count(place & FTPFIX_PLACE_CONTROL ? FTPFIX_BALANCED_TABLE_FULL
					   : FTPFIX_CONNECTION_TABLE_FULL);
	if (place & FTPFIX_PLACE_INNER) {
		scratch->back = scratch->to;
		if (place & FTPFIX_PLACE_OPENER)
			tuple_turn(&scratch->back, &scratch->packet.tuple);
		flow_remove(&scratch->back);
	}
	flow_remove(&scratch->packet.tuple);
}

/*
 * Carries the packet in the scratch, of a flow at this hook. Returns the interface to send
 * it out of, 0 when it goes on where it is, both translated; -ETIME, -EMSGSIZE or
 * -ECONNREFUSED when its sender is to be told; or another error when it must be dropped.
 */
__global int flow_carry(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	struct packet *packet;
	struct ftpfix_flow *flow;
	__u32 out_ifindex = 0, length;
	int tells, proxied, err = 0;
	__u8 place;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	flow = flow_find(&packet->tuple);
	if (!flow)
		return -ENOENT;
	/* A FIN behind what was cut away will come again. */
	if (packet->cut)
		packet->flags &= ~TCP_FIN;
	scratch->to = flow->to;
	length = packet->network_length;
	proxied = flow_proxied(flow);
	tells = client_address_due(flow, packet);
	if (!path_stack) {
		out_ifindex = flow_out(skb, flow);
		err = flow_obstacle(skb, scratch, flow);
		if (err)
			return err;
	}
	place = flow->place;
	if (proxied == FLOW_TO_SERVER)
		err = proxy_enter(skb, out_ifindex);
	if (!err && flow_track(flow, &packet->tuple, packet, scratch)) {
		flow_refuse(scratch, place);
		return -ECONNREFUSED;
	}
	if (!err)
		err = nat_translate(skb, packet, &scratch->to, !path_stack);
	if (!err && tells)
		err = client_address_add(skb, out_ifindex, tells);
	if (!err && proxied == FLOW_TO_CLIENT)
		err = proxy_leave(skb);
	if (err) {
		count(FTPFIX_PACKET_FAILED);
		return -EIO;
	}
	packet->tuple = scratch->to;
	/* Through the stack it comes by twice. */
	if (!(place & FTPFIX_PLACE_INNER)) {
		count(FTPFIX_PACKET_FORWARDED);
		count_add(FTPFIX_BYTES_FORWARDED, length);
	}
	return out_ifindex;
}

#endif /* FTPFIX_FLOW_H */
