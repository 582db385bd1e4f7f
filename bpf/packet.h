/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the bytes of a frame to a typed TCP packet: Ethernet, VLAN tags, IPv4
 * with options, IPv6 with extension headers, TCP; of ICMP as far as its header. It knows
 * no maps and changes nothing.
 */
#ifndef FTPFIX_PACKET_H
#define FTPFIX_PACKET_H

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ftpfix.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_FLAGS_OFFSET 13

#define IPV4_FRAGMENT_MASK 0x3fff /* more fragments, or an offset */
#define VLAN_TAGS_MAX 2

/* IPv6 extension headers that are looked behind, and their bytes together. */
#define EXTENSIONS_MAX 4
#define EXTENSIONS_BYTES_MAX 128
#define HEADERS_MAX                                                           \
	(sizeof(struct ethhdr) + VLAN_TAGS_MAX * 4 + sizeof(struct ipv6hdr) + \
	 EXTENSIONS_BYTES_MAX + 60)

struct packet {
	struct ftpfix_tuple tuple; /* as the packet carries it */
	__u32 network_offset;	   /* of the IP header in the frame */
	__u32 transport_offset;	   /* of the TCP header, or of ICMP's */
	__u32 payload_offset;
	__u32 payload_length;
	__u32 network_length; /* bytes of the IP packet */
	__u32 host_sequence;
	__u32 host_acknowledgement;
	__u8 flags; /* TCP_… */
	__u8 ttl;
	__u8 tagged;		 /* 1: carries a VLAN tag, in the frame or beside it */
	__u8 tags;		 /* VLAN tags in the frame */
	__be16 be_vlan;		 /* of the first of them the identifier, */
	__be16 be_vlan_protocol; /* and whether it is of 802.1Q or 802.1ad */
	__u8 ipv6;
	__u8 icmp; /* 1: ICMP of the packet's IP version, and no TCP */
	__u8 cut;  /* 1: the end of its payload was taken away */
};

struct cursor {
	void *start;
	void *at;
	void *end;
};

/* How long ago something was; zero when another CPU's stamp is a little ahead. */
static __always_inline __u64 elapsed_ns(__u64 now_ns, __u64 at_ns)
{
	return now_ns > at_ns ? now_ns - at_ns : 0;
}

/* The time of flows and sessions: see FTPFIX_TICK_SHIFT. */
static __always_inline __u32 ticks_now(void)
{
	return bpf_ktime_get_coarse_ns() >> FTPFIX_TICK_SHIFT;
}

static __always_inline __u32 ticks_since(__u32 ticks)
{
	__s32 elapsed = ticks_now() - ticks;

	return elapsed > 0 ? elapsed : 0;
}

/* The size if it lies in 1..max, or 0. The detour by the last index is for the
 * verifiers before 6.4, which learn a lower bound from no comparison with zero. */
static __always_inline __u32 size_within(__u32 size, __u32 max)
{
	__u32 last = size - 1;

	barrier_var(last);
	if (last >= max)
		return 0;
	/* Nor from a sum that was made in front of it. */
	barrier_var(last);
	return last + 1;
}

static __always_inline struct ftpfix_addr address_v4(__be32 be_address)
{
	struct ftpfix_addr mapped = {{0, 0, bpf_htonl(0xffff), be_address}};

	return mapped;
}

static __always_inline __be32 address_to_v4(const struct ftpfix_addr *addr)
{
	return addr->be_word[3];
}

/* Whether it stands for an IPv4 address. */
static __always_inline int address_mapped(const struct ftpfix_addr *addr)
{
	return !addr->be_word[0] && !addr->be_word[1] && addr->be_word[2] == bpf_htonl(0xffff);
}

static __always_inline int address_given(const struct ftpfix_addr *addr)
{
	return addr->be_word[0] || addr->be_word[1] || addr->be_word[2] || addr->be_word[3];
}

static __always_inline int address_equal(const struct ftpfix_addr *one,
					 const struct ftpfix_addr *other)
{
	return one->be_word[0] == other->be_word[0] && one->be_word[1] == other->be_word[1] &&
	       one->be_word[2] == other->be_word[2] && one->be_word[3] == other->be_word[3];
}

static __always_inline int tuple_equal(const struct ftpfix_tuple *one,
				       const struct ftpfix_tuple *other)
{
	return address_equal(&one->source, &other->source) &&
	       address_equal(&one->destination, &other->destination) &&
	       one->be_source_port == other->be_source_port &&
	       one->be_destination_port == other->be_destination_port;
}

static __always_inline void tuple_turn(struct ftpfix_tuple *turned,
				       const struct ftpfix_tuple *tuple)
{
	turned->source = tuple->destination;
	turned->destination = tuple->source;
	turned->be_source_port = tuple->be_destination_port;
	turned->be_destination_port = tuple->be_source_port;
}

#define VLAN_IDENTIFIER_MASK 0x0fff

/* Returns the protocol in network order behind the tags, which the packet is told of.
 * Zero when the frame ends before. */
static __always_inline __be16 parse_ethernet(struct cursor *cursor, struct packet *packet)
{
	struct ethhdr *ethernet = cursor->at;
	__be16 be_protocol;

	if ((void *)(ethernet + 1) > cursor->end)
		return 0;
	be_protocol = ethernet->h_proto;
	cursor->at = ethernet + 1;
	for (int tag = 0; tag < VLAN_TAGS_MAX; tag++) {
		__be16 *vlan = cursor->at;

		if (be_protocol != bpf_htons(ETH_P_8021Q) && be_protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(vlan + 2) > cursor->end)
			return 0;
		if (!tag) {
			packet->be_vlan = vlan[0] & bpf_htons(VLAN_IDENTIFIER_MASK);
			packet->be_vlan_protocol = be_protocol;
		}
		packet->tags++;
		packet->tagged = 1;
		be_protocol = vlan[1];
		cursor->at = vlan + 2;
	}
	return be_protocol;
}

/* Returns 0; -ENOENT for what is neither TCP nor ICMP; -EFAULT when the header is not in the
 * linear part; -EBADMSG for one that cannot be; -EMSGSIZE for a fragment. */
static __always_inline int parse_ipv4(struct cursor *cursor, __u32 frame_length, int offloaded,
				      struct packet *packet)
{
	struct iphdr *header = cursor->at;
	__u32 available, length;

	if ((void *)(header + 1) > cursor->end)
		return -EFAULT;
	if (header->protocol != IPPROTO_TCP && header->protocol != IPPROTO_ICMP)
		return -ENOENT;
	packet->icmp = header->protocol == IPPROTO_ICMP;
	packet->network_offset = cursor->at - cursor->start;
	available = frame_length - packet->network_offset;
	length = bpf_ntohs(header->tot_len);
	/* Above 64 KiB (BIG TCP) the field is zero and the frame tells. */
	if (!length && offloaded)
		length = available;
	if (header->version != 4 || header->ihl < 5 || length < header->ihl * 4u ||
	    length > available)
		return -EBADMSG;
	if (header->frag_off & bpf_htons(IPV4_FRAGMENT_MASK))
		return -EMSGSIZE;
	packet->network_length = length;
	packet->ttl = header->ttl;
	packet->tuple.source = address_v4(header->saddr);
	packet->tuple.destination = address_v4(header->daddr);
	packet->transport_offset = packet->network_offset + header->ihl * 4;
	cursor->at += header->ihl * 4;
	return 0;
}

/* What an extension header begins with (RFC 8200 section 4). */
struct extension {
	__u8 next;
	__u8 length; /* beyond the first eight bytes, in units of eight */
	__u8 rest[6];
};

/* Goes on to the TCP or ICMPv6 header behind the extension headers. Returns as
 * parse_ipv6(). */
static __always_inline int parse_extensions(struct cursor *cursor, __u8 next, __u32 *length,
					    struct packet *packet)
{
	*length = 0;
	for (int count = 0; count < EXTENSIONS_MAX; count++) {
		struct extension *extension = cursor->at;
		__u32 size;

		packet->icmp = next == IPPROTO_ICMPV6;
		if (next == IPPROTO_TCP || next == IPPROTO_ICMPV6)
			return 0;
		if (next == IPPROTO_FRAGMENT)
			return -EMSGSIZE;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return -ENOENT;
		if ((void *)(extension + 1) > cursor->end)
			return -EFAULT;
		next = extension->next;
		size = (extension->length + 1) * 8;
		*length += size;
		if (*length > EXTENSIONS_BYTES_MAX)
			return -E2BIG;
		cursor->at += size;
	}
	return next == IPPROTO_TCP ? 0 : -E2BIG;
}

/* Returns as parse_ipv4() does, and -E2BIG for more extension headers than are
 * looked behind. */
static __always_inline int parse_ipv6(struct cursor *cursor, __u32 frame_length, int offloaded,
				      struct packet *packet)
{
	struct ipv6hdr *header = cursor->at;
	__u32 available, length, extensions;
	int err;

	if ((void *)(header + 1) > cursor->end)
		return -EFAULT;
	packet->network_offset = cursor->at - cursor->start;
	available = frame_length - packet->network_offset;
	length = sizeof(*header) + bpf_ntohs(header->payload_len);
	if (!header->payload_len && offloaded)
		length = available;
	__builtin_memcpy(&packet->tuple.source, &header->saddr, sizeof(packet->tuple.source));
	__builtin_memcpy(&packet->tuple.destination, &header->daddr,
			 sizeof(packet->tuple.destination));
	packet->ttl = header->hop_limit;
	packet->ipv6 = 1;
	packet->network_length = length;
	/* RFC 4291 section 2.5.5.2: a mapped address is never in a header, and here stands for
	 * a packet of IPv4. */
	if (header->version != 6 || address_mapped(&packet->tuple.source) ||
	    address_mapped(&packet->tuple.destination))
		return -EBADMSG;
	cursor->at = header + 1;
	err = parse_extensions(cursor, header->nexthdr, &extensions, packet);
	if (err)
		return err;
	if (length > available || sizeof(*header) + extensions > length)
		return -EBADMSG;
	packet->transport_offset = packet->network_offset + sizeof(*header) + extensions;
	return 0;
}

/* Returns 0, -EFAULT or -EBADMSG as parse_ipv4() does. */
static __always_inline int parse_tcp(struct cursor *cursor, struct packet *packet)
{
	struct tcphdr *header = cursor->at;
	__u32 headers;

	if ((void *)(header + 1) > cursor->end)
		return -EFAULT;
	headers = packet->transport_offset - packet->network_offset + header->doff * 4;
	if (header->doff < 5 || headers > packet->network_length)
		return -EBADMSG;
	packet->tuple.be_source_port = header->source;
	packet->tuple.be_destination_port = header->dest;
	packet->host_sequence = bpf_ntohl(header->seq);
	packet->host_acknowledgement = bpf_ntohl(header->ack_seq);
	packet->flags = ((__u8 *)header)[TCP_FLAGS_OFFSET];
	packet->payload_offset = packet->network_offset + headers;
	packet->payload_length = packet->network_length - headers;
	return 0;
}

/* Parses what lies between cursor->at and cursor->end of a frame of that length; tagged says
 * that a VLAN tag was taken out of it. `offloaded` says that its IP length may be missing.
 * Returns as parse_packet(), or -EFAULT when the headers do not lie there. */
static __always_inline int parse_frame(struct cursor *cursor, __u32 frame_length, int tagged,
				       int offloaded, struct packet *packet)
{
	__be16 be_protocol;
	int err;

	packet->ipv6 = 0;
	packet->icmp = 0;
	packet->cut = 0;
	packet->tags = 0;
	packet->be_vlan = 0;
	packet->be_vlan_protocol = 0;
	packet->tagged = tagged;
	be_protocol = parse_ethernet(cursor, packet);
	if (be_protocol == bpf_htons(ETH_P_IP))
		err = parse_ipv4(cursor, frame_length, offloaded, packet);
	else if (be_protocol == bpf_htons(ETH_P_IPV6))
		err = parse_ipv6(cursor, frame_length, offloaded, packet);
	else
		err = -ENOENT;
	/* Of ICMP only what is whole and right is of use. */
	if (packet->icmp && err != -EFAULT)
		return err ? -ENOENT : -ENOMSG;
	return err ? err : parse_tcp(cursor, packet);
}

/* Whether a VLAN tag was taken out of the frame. One without an identifier tells its priority and
 * nothing else (IEEE 802.1Q section 6.9.1): its receiver goes on as if there was none. */
static __always_inline int frame_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & VLAN_IDENTIFIER_MASK;
}

static __always_inline int parse_linear(struct __sk_buff *skb, struct packet *packet)
{
	struct cursor cursor = {
		.start = (void *)(long)skb->data,
		.at = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
	};

	return parse_frame(&cursor, skb->len, frame_tagged(skb), skb->gso_size != 0, packet);
}

/*
 * Fills *packet from an Ethernet frame. Returns 0; -ENOENT for what is not TCP
 * over IP; -ENOMSG for ICMP, filled but for what is TCP's; -EMSGSIZE for a fragment; -E2BIG
 * for extension headers that are too many; -EBADMSG for headers that cannot be.
 */
static __always_inline int parse_packet(struct __sk_buff *skb, struct packet *packet)
{
	int err = parse_linear(skb, packet);

	if (err != -EFAULT)
		return err;
	/* The headers may lie outside of the linear part, or not be there. */
	if (bpf_skb_pull_data(skb, skb->len < HEADERS_MAX ? skb->len : HEADERS_MAX))
		return -EBADMSG;
	err = parse_linear(skb, packet);
	return err == -EFAULT ? -EBADMSG : err;
}

#endif /* FTPFIX_PACKET_H */
