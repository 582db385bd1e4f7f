/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a PROXY header in front of the first byte of a control connection that ftpfix carries,
 * and moves the numbers of both directions by its length: the server's are those with the
 * header in front, the client's those without. What the header says is proxy_text.h's.
 *
 * A server that waits for the header speaks no word before. So the acknowledgement that ends
 * the handshake carries it already; until the server has acknowledged the header, so does
 * every packet that begins with the first byte. It is made anew from the packet's tuple each
 * time, and nothing is remembered for it.
 */
#ifndef FTPFIX_PROXY_HEADER_H
#define FTPFIX_PROXY_HEADER_H

#include "flow_table.h"
#include "proxy_text.h"
#include "tcp_adjust.h"

/* Whether servers are told their clients by such a header. */
static __always_inline int proxy_wanted(void)
{
	return client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V1 ||
	       client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V2;
}

/* Whether the flow is of a connection with a header, where that is put in and taken off. */
static __always_inline int proxy_due(const struct ftpfix_flow *flow)
{
	return proxy_wanted() && flow->place & FTPFIX_PLACE_CONTROL &&
	       !(flow->place & FTPFIX_PLACE_INNER);
}

/* Writes the header into scratch->edit. Returns its length. */
static __always_inline __u32 proxy_make(struct scratch *scratch, const struct ftpfix_tuple *tuple)
{
	return proxy_text(&scratch->edit, tuple,
			  client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V2 ? 2 : 1);
}

/* Puts scratch->edit in front of the payload, whose end is left to come again where the packet
 * would be too long for where it leaves. Returns 0 or a negative error. */
static __noinline int proxy_insert(struct __sk_buff *skb, struct scratch *scratch,
				   __u32 out_ifindex)
{
	struct packet *packet = &scratch->packet;
	struct payload_change *change = &scratch->change;
	__u32 room = payload_room(skb, packet, out_ifindex), length = scratch->edit.length;
	int err;

	if (room < length)
		return -EMSGSIZE;
	if (packet->payload_length > room - length) {
		count(FTPFIX_PACKET_CUT);
		err = payload_cut(skb, packet, change, room - length);
		if (err)
			return err;
		packet->flags &= ~TCP_FIN;
	}
	change->offset = 0;
	change->removed = 0;
	change->length = length;
	__builtin_memcpy(change->text, scratch->edit.text, sizeof(change->text));
	count(FTPFIX_PACKET_PROXY_HEADER);
	return payload_replace(skb, packet, change);
}

/*
 * Gives a client's packet in the scratch, of a connection whose header is due, the server's
 * numbers, and the header if the server has not got it; `out_ifindex` is where it leaves, 0
 * when the stack decides. Returns 0 or a negative error, after which the packet must not
 * travel on.
 */
__global int proxy_enter(struct __sk_buff *skb, __u32 out_ifindex)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_flow *flow, *peer;
	__u32 first, length;
	struct packet *packet;
	int arrived, err = 0;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	if (packet->flags & TCP_SYN)
		return 0;
	flow = flow_find(&packet->tuple);
	if (!flow)
		return -ENOENT;
	peer = flow_peer(flow);
	length = proxy_make(scratch, &packet->tuple);
	first = flow->first_sequence + 1;
	arrived = peer && peer->progress & FTPFIX_PROGRESS_ACKNOWLEDGING &&
		  !sequence_after(first + length, peer->acknowledged);
	if (arrived || sequence_after(packet->host_sequence, first))
		packet->host_sequence += length;
	else if (packet->host_sequence == first && !(packet->flags & TCP_RST))
		err = proxy_insert(skb, scratch, out_ifindex);
	if (err)
		return err;
	return tcp_adjust_numbers(skb, packet, packet->host_sequence, packet->host_acknowledgement);
}

/*
 * Gives a server's packet in the scratch, which becomes scratch->to, the client's numbers.
 * Returns as proxy_enter().
 */
__global int proxy_leave(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_flow *client;
	__u32 acknowledgement, length, first;
	struct packet *packet;
	int err;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	if (packet->flags & TCP_SYN || !(packet->flags & TCP_ACK))
		return 0;
	tuple_turn(&scratch->back, &scratch->to);
	length = proxy_make(scratch, &scratch->back);
	client = flow_find(&scratch->back);
	first = client ? client->first_sequence + 1 : packet->host_acknowledgement - length;
	acknowledgement = tcp_shifted(packet->host_acknowledgement, length, first);
	err = tcp_adjust_numbers(skb, packet, packet->host_sequence, acknowledgement);
	packet->host_acknowledgement = acknowledgement;
	return err ? err : tcp_shift_sack(skb, packet, length, first, &scratch->options);
}

#endif /* FTPFIX_PROXY_HEADER_H */
