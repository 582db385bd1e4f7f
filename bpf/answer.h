/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns a packet into the node's answer to it, a reset or an ICMP error, and sends that
 * back out of the interface it came in by. When one is due is not known here.
 *
 * An answer comes from the address that the packet was sent to. That address is
 * reachable by construction, while the node may have none at all on that side; a
 * traceroute shows the hop under it.
 */
#ifndef FTPFIX_ANSWER_H
#define FTPFIX_ANSWER_H

#include <linux/pkt_cls.h>

#include "counter.h"
#include "icmp_format.h"
#include "scratch.h"

#define ANSWER_TTL 64

/* RFC 1812 section 4.3.2.5: errors travel with the precedence of network control. */
#define ANSWER_ICMP_TOS 0xc0

/* The largest ICMP error: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c). */
#define ANSWER_IPV4_MAX 576
#define ANSWER_IPV6_MAX 1280

/* ICMP errors are limited (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)): on each
 * CPU to one per interval in the long run, and to so many at once. */
#define ANSWER_INTERVAL_NS (FTPFIX_SECOND_NS / 1000)
#define ANSWER_BURST 100

enum answer_kind { ANSWER_TIME_EXCEEDED, ANSWER_TOO_BIG };

/* Until when the errors sent so far use up what is allowed. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} answers SEC(".maps");

static __always_inline int answer_allowed(void)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns(), *used_until_ns;
	__u32 first = 0;

	used_until_ns = bpf_map_lookup_elem(&answers, &first);
	if (!used_until_ns || *used_until_ns > now_ns + ANSWER_BURST * ANSWER_INTERVAL_NS)
		return 0;
	*used_until_ns = (*used_until_ns > now_ns ? *used_until_ns : now_ns) + ANSWER_INTERVAL_NS;
	return 1;
}

/*
 * Whether TCP's checksum is left for the device to finish. Nothing says so but the kernel,
 * which then lets a change of anything but the pseudo header leave the field alone. Returns
 * 1, 0, or a negative error of the kernel.
 */
static __always_inline int answer_partial(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 offset = packet->transport_offset + TCP_CHECK_OFFSET;
	__be16 be_before, be_after;
	int err;

	err = bpf_skb_load_bytes(skb, offset, &be_before, sizeof(be_before));
	if (!err)
		err = bpf_l4_csum_replace(skb, offset, 0, 1, 0);
	if (!err)
		err = bpf_skb_load_bytes(skb, offset, &be_after, sizeof(be_after));
	if (!err)
		err = bpf_skb_store_bytes(skb, offset, &be_before, sizeof(be_before), 0);
	return err ? err : be_before == be_after;
}

/* The sum of the pseudo header in front of the answer. Those of IPv4 addresses stand in the
 * mapped ones beside words of zeros and of ones, which add nothing. */
static __always_inline __u32 answer_pseudo_sum(const struct packet *packet, __u8 protocol,
					       __u32 length)
{
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)packet->tuple.source.be_word,
				  2 * sizeof(struct ftpfix_addr), 0);

	return checksum_fold(checksum_fold(sum) + bpf_htons(protocol) + bpf_htons(length));
}

static __always_inline int answer_ipv4(struct __sk_buff *skb, const struct packet *packet,
				       __u8 protocol, __u32 length)
{
	struct iphdr header = {
		.version = 4,
		.ihl = sizeof(header) / 4,
		.tos = protocol == IPPROTO_ICMP ? ANSWER_ICMP_TOS : 0,
		.tot_len = bpf_htons(sizeof(header) + length),
		.ttl = ANSWER_TTL,
		.protocol = protocol,
		.saddr = address_to_v4(&packet->tuple.destination),
		.daddr = address_to_v4(&packet->tuple.source),
	};
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)&header, sizeof(header), 0);

	header.check = ~checksum_fold(sum);
	return bpf_skb_store_bytes(skb, packet->network_offset, &header, sizeof(header),
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int answer_ipv6(struct __sk_buff *skb, const struct packet *packet,
				       __u8 protocol, __u32 length)
{
	struct ipv6hdr header = {
		.version = 6,
		.payload_len = bpf_htons(length),
		.nexthdr = protocol,
		.hop_limit = ANSWER_TTL,
	};

	__builtin_memcpy(&header.saddr, &packet->tuple.destination, sizeof(header.saddr));
	__builtin_memcpy(&header.daddr, &packet->tuple.source, sizeof(header.daddr));
	return bpf_skb_store_bytes(skb, packet->network_offset, &header, sizeof(header),
				   BPF_F_RECOMPUTE_CSUM);
}

/* Writes the answer's IP header, in front of `length` bytes, where the packet's was. */
static __always_inline int answer_ip(struct __sk_buff *skb, const struct packet *packet,
				     __u8 protocol, __u32 length)
{
	return packet->ipv6 ? answer_ipv6(skb, packet, protocol, length)
			    : answer_ipv4(skb, packet, protocol, length);
}

/* Sends the frame back to the station that it came from, and counts that. Returns the
 * verdict, or a negative error. */
static __always_inline int answer_send(struct __sk_buff *skb, enum ftpfix_reason reason)
{
	__u8 from[2 * ETH_ALEN], to[2 * ETH_ALEN];
	int err = bpf_skb_load_bytes(skb, 0, from, sizeof(from));

	if (err)
		return err;
	/* RFC 1122 section 3.2.2: what came to a group is not answered. */
	if (from[0] & 1)
		return -EINVAL;
	__builtin_memcpy(to, from + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(to + ETH_ALEN, from, ETH_ALEN);
	/* The kernel's sum begins behind these. */
	err = bpf_skb_store_bytes(skb, 0, to, sizeof(to), 0);
	if (err)
		return err;
	count(reason);
	return bpf_redirect(skb->ifindex, 0);
}

static __always_inline __u32 answer_ip_size(const struct packet *packet)
{
	return packet->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* As if there was no connection: RFC 9293 section 3.10.7.1. Only SYNs are refused, which
 * acknowledge nothing. */
static __always_inline void answer_numbers(struct tcphdr *reset, const struct packet *packet)
{
	reset->ack = 1;
	reset->ack_seq = bpf_htonl(packet->host_sequence + packet->payload_length +
				   !!(packet->flags & TCP_SYN) + !!(packet->flags & TCP_FIN));
}

/*
 * Answers the TCP packet in the scratch with a reset. Returns the
 * verdict, or a negative error when the packet must be dropped.
 */
__global int answer_reset(struct __sk_buff *skb)
{
	struct tcphdr reset = {.doff = sizeof(reset) / 4, .rst = 1};
	struct scratch *scratch = scratch_memory();
	const struct packet *packet;
	int partial, extra, err;
	__u32 transport, sum;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	if (packet->flags & TCP_RST)
		return -EINVAL;
	partial = answer_partial(skb, packet);
	if (partial < 0)
		return partial;
	/* Where the device is to finish the sum it knows the place of the TCP header, which
	 * options in front of it are therefore taken away from. */
	transport = packet->network_offset + answer_ip_size(packet);
	extra = packet->transport_offset - transport;
	err = extra ? bpf_skb_adjust_room(skb, -extra, BPF_ADJ_ROOM_MAC, 0) : 0;
	if (!err)
		err = bpf_skb_change_tail(skb, transport + sizeof(reset), 0);
	if (!err)
		err = answer_ip(skb, packet, IPPROTO_TCP, sizeof(reset));
	if (err)
		return err;
	reset.source = packet->tuple.be_destination_port;
	reset.dest = packet->tuple.be_source_port;
	answer_numbers(&reset, packet);
	sum = answer_pseudo_sum(packet, IPPROTO_TCP, sizeof(reset));
	if (partial)
		reset.check = sum;
	else
		reset.check = ~checksum_fold(
			bpf_csum_diff(NULL, 0, (__be32 *)&reset, sizeof(reset), sum));
	err = bpf_skb_store_bytes(skb, transport, &reset, sizeof(reset), BPF_F_RECOMPUTE_CSUM);
	return err ? err : answer_send(skb, FTPFIX_PACKET_REFUSED);
}

/* The header of the error, its checksum zero. */
static __always_inline struct icmp_header answer_icmp_header(const struct packet *packet,
							     __u32 kind, __u32 mtu)
{
	struct icmp_header header = {};

	if (kind == ANSWER_TIME_EXCEEDED) {
		header.type = packet->ipv6 ? ICMPV6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED;
		return header;
	}
	header.type = packet->ipv6 ? ICMPV6_TOO_BIG : ICMP_UNREACHABLE;
	header.code = packet->ipv6 ? 0 : ICMP_UNREACHABLE_TOO_BIG;
	/* IPv4's field is the lower half of IPv6's (RFC 1191 section 4), and takes no more. */
	header.be_mtu = bpf_htonl(packet->ipv6 || mtu < 0xffff ? mtu : 0xffff);
	return header;
}

/*
 * The sum of the quoted packet. A TCP checksum that the device is to finish, from its
 * header to the frame's end, makes the sum of these bytes the opposite of what stands
 * in the field, the pseudo header's. Returns a negative error of the kernel.
 */
static __always_inline __s64 answer_quote_sum(struct __sk_buff *skb, struct scratch *scratch,
					      __u32 start, __u32 end, int partial)
{
	const struct packet *packet = &scratch->packet;
	__u32 transport = start + packet->transport_offset - packet->network_offset;
	__s64 sum = payload_sum(skb, &scratch->change, start, partial ? transport : end);
	__be16 be_pseudo;
	int err;

	if (sum < 0 || !partial)
		return sum;
	err = bpf_skb_load_bytes(skb, transport + TCP_CHECK_OFFSET, &be_pseudo, sizeof(be_pseudo));
	return err ? err : checksum_fold(sum) + (__u16)~be_pseudo;
}

/*
 * Answers the packet in the scratch, as it arrived, with an ICMP error (enum answer_kind).
 * What is too big is answered also where the sender would allow fragments: they are not
 * made here. Returns the verdict, or a negative error when the packet must be dropped.
 */
__global int answer_icmp(struct __sk_buff *skb, __u32 kind)
{
	struct scratch *scratch = scratch_memory();
	const struct packet *packet;
	__u32 headers, quote, start;
	struct icmp_header header;
	int partial, err;
	__u8 protocol;
	__s64 sum;

	if (!scratch || !answer_allowed())
		return -EBUSY;
	packet = &scratch->packet;
	protocol = packet->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	headers = answer_ip_size(packet) + sizeof(header);
	quote = (packet->ipv6 ? ANSWER_IPV6_MAX : ANSWER_IPV4_MAX) - headers;
	if (quote > packet->network_length)
		quote = packet->network_length;
	partial = answer_partial(skb, packet);
	if (partial < 0)
		return partial;
	err = bpf_skb_change_tail(skb, packet->network_offset + quote, 0);
	if (!err)
		err = bpf_skb_adjust_room(skb, headers, BPF_ADJ_ROOM_MAC, 0);
	if (err)
		return err;
	start = packet->network_offset + headers;
	header = answer_icmp_header(packet, kind, scratch->answer_mtu);
	sum = answer_quote_sum(skb, scratch, start, start + quote, partial);
	if (sum >= 0)
		sum = bpf_csum_diff(NULL, 0, (__be32 *)&header, sizeof(header), checksum_fold(sum));
	if (sum < 0)
		return sum;
	if (packet->ipv6)
		sum = checksum_fold(sum) +
		      answer_pseudo_sum(packet, protocol, sizeof(header) + quote);
	header.check = ~checksum_fold(sum);
	err = answer_ip(skb, packet, protocol, sizeof(header) + quote);
	if (!err)
		err = bpf_skb_store_bytes(skb, start - sizeof(header), &header, sizeof(header),
					  BPF_F_RECOMPUTE_CSUM);
	return err ? err : answer_send(skb, FTPFIX_PACKET_ICMP_SENT);
}

#endif /* FTPFIX_ANSWER_H */
