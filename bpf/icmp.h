/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors about packets of flows, on their way back to the sender: what they
 * quote becomes the packet that the sender knows (RFC 5508 section 4.2), so that path MTU
 * discovery works through the node, and refusals arrive. It sends no errors itself.
 */
#ifndef FTPFIX_ICMP_H
#define FTPFIX_ICMP_H

#include "flow_track.h"
#include "hop.h"
#include "icmp_format.h"
#include "nat.h"
#include "scratch.h"

#define IPV4_OFFSET_MASK 0x1fff

/* What every error brings of the quoted TCP header (RFC 792). */
struct icmp_transport {
	__be16 be_source_port;
	__be16 be_destination_port;
	__be32 be_sequence;
};

static __always_inline int icmp_is_error(const struct packet *packet, __u8 type)
{
	if (packet->ipv6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETER_PROBLEM;
}

static __always_inline int icmp_is_too_big(const struct packet *packet,
					   const struct icmp_header *header)
{
	if (packet->ipv6)
		return header->type == ICMPV6_TOO_BIG;
	return header->type == ICMP_UNREACHABLE && header->code == ICMP_UNREACHABLE_TOO_BIG;
}

/* Reads the IPv4 header that stands at quoted->network_offset. Returns 0, or -ENOENT for
 * what no TCP header follows. */
static __always_inline int icmp_quoted_ipv4(struct __sk_buff *skb, struct packet *quoted)
{
	struct iphdr header;

	if (bpf_skb_load_bytes(skb, quoted->network_offset, &header, sizeof(header)))
		return -ENOENT;
	if (header.version != 4 || header.ihl < 5 || header.protocol != IPPROTO_TCP ||
	    header.frag_off & bpf_htons(IPV4_OFFSET_MASK))
		return -ENOENT;
	quoted->tuple.source = address_v4(header.saddr);
	quoted->tuple.destination = address_v4(header.daddr);
	quoted->transport_offset = quoted->network_offset + header.ihl * 4;
	return 0;
}

/* The same of an IPv6 header and its extension headers. */
static __always_inline int icmp_quoted_ipv6(struct __sk_buff *skb, struct packet *quoted)
{
	struct extension extension;
	struct ipv6hdr header;
	__u32 offset;
	__u8 next;

	if (bpf_skb_load_bytes(skb, quoted->network_offset, &header, sizeof(header)))
		return -ENOENT;
	if (header.version != 6)
		return -ENOENT;
	__builtin_memcpy(&quoted->tuple.source, &header.saddr, sizeof(quoted->tuple.source));
	__builtin_memcpy(&quoted->tuple.destination, &header.daddr,
			 sizeof(quoted->tuple.destination));
	offset = quoted->network_offset + sizeof(header);
	next = header.nexthdr;
	for (int count = 0; count < EXTENSIONS_MAX && next != IPPROTO_TCP; count++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return -ENOENT;
		if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension)))
			return -ENOENT;
		next = extension.next;
		offset += (extension.length + 1) * 8;
	}
	quoted->transport_offset = offset;
	return next == IPPROTO_TCP ? 0 : -ENOENT;
}

/* Reads the ICMP message in the scratch into scratch->quoted and the key of the flow that it
 * would be about. Returns 0, or -ENOENT for what is no error about TCP. */
static __noinline int icmp_read(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet;
	struct packet *quoted = &scratch->quoted;
	struct icmp_transport transport;
	struct icmp_header header;
	int err;

	if (bpf_skb_load_bytes(skb, packet->transport_offset, &header, sizeof(header)) ||
	    !icmp_is_error(packet, header.type))
		return -ENOENT;
	quoted->network_offset = packet->transport_offset + sizeof(header);
	quoted->ipv6 = packet->ipv6;
	err = quoted->ipv6 ? icmp_quoted_ipv6(skb, quoted) : icmp_quoted_ipv4(skb, quoted);
	if (err)
		return err;
	/* Behind the packet may be Ethernet's padding. */
	if (quoted->transport_offset + sizeof(transport) >
		    packet->network_offset + packet->network_length ||
	    bpf_skb_load_bytes(skb, quoted->transport_offset, &transport, sizeof(transport)))
		return -ENOENT;
	quoted->tuple.be_source_port = transport.be_source_port;
	quoted->tuple.be_destination_port = transport.be_destination_port;
	quoted->host_sequence = bpf_ntohl(transport.be_sequence);
	tuple_turn(&scratch->back, &quoted->tuple);
	/* An error goes to whom it is about. */
	return address_equal(&packet->tuple.destination, &quoted->tuple.source) ? 0 : -ENOENT;
}

/*
 * Whether the quoted segment can be on its way still, so that a stranger who guesses
 * addresses and ports must guess this too (RFC 5927 section 4.1). Of a flow whose numbers
 * were changed the sender must judge. `flow` is of the other direction.
 */
static __always_inline int icmp_in_flight(const struct ftpfix_flow *flow, __u32 sequence)
{
	const struct ftpfix_flow *sender = flow_peer(flow);
	__u32 first;

	if (!sender || !(sender->progress & FTPFIX_PROGRESS_SYN))
		return 0;
	if (flow->marks & FTPFIX_MARK_SLOW)
		return 1;
	first = flow->progress & FTPFIX_PROGRESS_ACKNOWLEDGING ? flow->acknowledged
							       : sender->first_sequence;
	return !sequence_after(first, sequence) && !sequence_after(sequence, sender->end_sequence);
}

/* Notes that a packet of the opener's was too big further on, whose sender learns how big they may
 * be, but not that the client's address makes some of them longer. `flow` is as above. */
static __always_inline void icmp_note_narrow(struct __sk_buff *skb, const struct ftpfix_flow *flow,
					     const struct packet *packet)
{
	struct ftpfix_flow *sender = flow_peer(flow);
	struct icmp_header header;

	if (!flow_unanswered(flow) || !sender || !(sender->place & FTPFIX_PLACE_OPENER) ||
	    bpf_skb_load_bytes(skb, packet->transport_offset, &header, sizeof(header)))
		return;
	if (icmp_is_too_big(packet, &header))
		flow_mark(sender, FTPFIX_MARK_NARROW);
}

/*
 * Says in the scratch what the error becomes, of which the flow with this key tells: the
 * quoted packet, and the addresses of the error itself. Where the flow's source is
 * replaced, a router's address beside it means nothing on the other side, and the
 * error comes from what the source is replaced by.
 */
static __always_inline void icmp_prepare(const struct ftpfix_flow *flow, struct scratch *scratch)
{
	const struct ftpfix_tuple *key = &scratch->back;
	struct ftpfix_tuple *error = &scratch->to;

	flow_to(flow, key, error);
	tuple_turn(&scratch->quoted_to, error);
	if (!flow->source)
		error->source = scratch->packet.tuple.source;
}

/*
 * Gives the quoted packet its new addresses and ports, and its checksums as far as they were
 * quoted. Returns by how much the sum over its bytes has changed, or a negative error
 * of the kernel: what a checksum covers adds up to the same with it, so that of IPv4 only
 * the pseudo header in TCP's remains, and of IPv6 nothing.
 */
static __always_inline __s64 icmp_translate_quoted(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet, *quoted = &scratch->quoted;
	const struct ftpfix_tuple *to = &scratch->quoted_to;
	__u32 end = packet->network_offset + packet->network_length;
	__u32 ports = nat_ports_difference(quoted, to);
	__s64 addresses = nat_addresses(skb, quoted, to, 0);
	int err;

	if (addresses < 0)
		return addresses;
	if (quoted->transport_offset + TCP_CHECK_OFFSET + sizeof(__sum16) <= end) {
		err = nat_transport(skb, quoted, to, addresses);
		if (err)
			return err;
		return quoted->ipv6 ? 0 : (__u16)~checksum_fold(addresses);
	}
	err = nat_store_ports(skb, quoted, to, BPF_F_RECOMPUTE_CSUM);
	if (err)
		return err;
	return quoted->ipv6 ? checksum_fold(addresses) + checksum_fold(ports) : ports;
}

/* Translates the whole error. Returns 0 or a negative error of the kernel. */
static __noinline int icmp_translate(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet;
	__u32 offset = packet->transport_offset + __builtin_offsetof(struct icmp_header, check);
	__s64 error_difference, quoted_difference;
	__be16 check;
	__u32 sum;
	int err;

	error_difference = nat_addresses(skb, packet, &scratch->to, !path_stack);
	if (error_difference < 0)
		return error_difference;
	quoted_difference = icmp_translate_quoted(skb, scratch);
	if (quoted_difference < 0)
		return quoted_difference;
	err = bpf_skb_load_bytes(skb, offset, &check, sizeof(check));
	if (err)
		return err;
	/* ICMPv6 has a pseudo header, ICMP has none. */
	sum = (__u16)~check + checksum_fold(quoted_difference);
	if (packet->ipv6)
		sum += checksum_fold(error_difference);
	check = ~checksum_fold(sum);
	return bpf_skb_store_bytes(skb, offset, &check, sizeof(check), BPF_F_RECOMPUTE_CSUM);
}

/*
 * The ICMP message in the scratch, at this hook (enum ftpfix_hook), if it is an error about a
 * packet of a flow. Returns -ENOENT when it is none of ours; the interface to send it
 * out of, now translated, or 0 where it goes on through the stack; or another
 * error when it must be dropped.
 */
__global int icmp_packet(struct __sk_buff *skb, int hook)
{
	struct scratch *scratch = scratch_memory();
	const struct packet *packet;
	struct ftpfix_flow *flow;
	__u32 out_ifindex;

	if (!scratch || icmp_read(skb, scratch))
		return -ENOENT;
	packet = &scratch->packet;
	grace_begin_packet(scratch);
	flow = flow_find(&scratch->back);
	if (!flow || (flow->place & FTPFIX_PLACE_HOOK) != hook ||
	    !icmp_in_flight(flow, scratch->quoted.host_sequence))
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	/* About an ICMP error none is sent. */
	if (!path_stack && packet->ttl <= 1) {
		count(FTPFIX_PACKET_TTL);
		return -ETIME;
	}
	icmp_note_narrow(skb, flow, packet);
	icmp_prepare(flow, scratch);
	if (!path_stack)
		hop_find(skb, flow, &scratch->to, skb->ifindex, ticks_now(), &scratch->hop);
	out_ifindex = scratch->hop.out_ifindex;
	if (!path_stack && !out_ifindex) {
		count(FTPFIX_PACKET_FAILED);
		return -ENODEV;
	}
	if (icmp_translate(skb, scratch)) {
		count(FTPFIX_PACKET_FAILED);
		return -EIO;
	}
	count(FTPFIX_PACKET_ICMP);
	return path_stack ? 0 : out_ifindex;
}

#endif /* FTPFIX_ICMP_H */
