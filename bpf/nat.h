/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes bytes of a packet and keeps its checksums right, whether they are
 * complete, partial (to be finished by the device) or already verified. It does
 * not know why something is changed.
 */
#ifndef FTPFIX_NAT_H
#define FTPFIX_NAT_H

#include "checksum.h"
#include "packet.h"

/* The part of an IPv4 header that a router changes: TTL, protocol, checksum,
 * addresses. */
struct nat_ipv4 {
	__u8 ttl;
	__u8 protocol;
	__be16 check;
	__be32 be_source;
	__be32 be_destination;
};
#define NAT_IPV4_OFFSET __builtin_offsetof(struct iphdr, ttl)

struct nat_ports {
	__be16 be_source;
	__be16 be_destination;
};

/* Updates an IPv4 header as RFC 1624 (equation 3) says, its TTL by `hops`, 0 or 1. Returns
 * the difference of the addresses, or a negative error of the kernel. */
static __always_inline __s64 nat_ipv4(struct __sk_buff *skb, const struct packet *packet,
				      const struct ftpfix_tuple *to, int hops)
{
	__be32 from_addresses[2], to_addresses[2];
	struct nat_ipv4 header;
	__u32 header_sum;
	__s64 sum;
	int err;

	err = bpf_skb_load_bytes(skb, packet->network_offset + NAT_IPV4_OFFSET, &header,
				 sizeof(header));
	if (err)
		return err;
	from_addresses[0] = header.be_source;
	from_addresses[1] = header.be_destination;
	to_addresses[0] = address_to_v4(&to->source);
	to_addresses[1] = address_to_v4(&to->destination);
	sum = checksum_difference(from_addresses, to_addresses, 2);
	header_sum = checksum_fold(sum) + (__u16)~header.check;
	/* The TTL is the high byte of its word: one less adds ~1 + 0 there. */
	if (hops)
		header_sum += (__u16)~bpf_htons(0x0100);
	header.check = ~checksum_fold(header_sum);
	header.ttl -= hops;
	header.be_source = to_addresses[0];
	header.be_destination = to_addresses[1];
	err = bpf_skb_store_bytes(skb, packet->network_offset + NAT_IPV4_OFFSET, &header,
				  sizeof(header), 0);
	return err ? err : sum;
}

/* Updates an IPv6 header, which has no checksum: the kernel is told to follow the
 * change in a complete checksum, from which the pseudo header's then comes off
 * again. Returns as nat_ipv4(). */
static __always_inline __s64 nat_ipv6(struct __sk_buff *skb, const struct packet *packet,
				      const struct ftpfix_tuple *to, int hops)
{
	__u32 offset = packet->network_offset + __builtin_offsetof(struct ipv6hdr, saddr);
	__u8 hop_limit = packet->ttl - hops;
	__s64 sum;
	int err;

	sum = (__s64)checksum_difference(packet->tuple.source.be_word, to->source.be_word, 4) +
	      checksum_difference(packet->tuple.destination.be_word, to->destination.be_word, 4);
	sum = (sum & 0xffffffff) + (sum >> 32);
	/* The addresses of a tuple stand side by side, as in the header. */
	err = bpf_skb_store_bytes(skb, offset, to, 2 * sizeof(struct ftpfix_addr),
				  BPF_F_RECOMPUTE_CSUM);
	if (err || !hops)
		return err ? err : sum;
	offset = packet->network_offset + __builtin_offsetof(struct ipv6hdr, hop_limit);
	err = bpf_skb_store_bytes(skb, offset, &hop_limit, sizeof(hop_limit), BPF_F_RECOMPUTE_CSUM);
	return err ? err : sum;
}

/* Gives the IP header the addresses of `to`, which are of its family, and `hops` less, 0 or
 * 1. Returns as nat_ipv4(). */
static __always_inline __s64 nat_addresses(struct __sk_buff *skb, const struct packet *packet,
					   const struct ftpfix_tuple *to, int hops)
{
	return packet->ipv6 ? nat_ipv6(skb, packet, to, hops) : nat_ipv4(skb, packet, to, hops);
}

/* The difference of the ports, whose places in the sum do not matter. */
static __always_inline __u32 nat_ports_difference(const struct packet *packet,
						  const struct ftpfix_tuple *to)
{
	__be32 from_ports = packet->tuple.be_source_port + packet->tuple.be_destination_port;
	__be32 to_ports = to->be_source_port + to->be_destination_port;

	return checksum_difference(&from_ports, &to_ports, 1);
}

static __always_inline int nat_store_ports(struct __sk_buff *skb, const struct packet *packet,
					   const struct ftpfix_tuple *to, __u64 flags)
{
	struct nat_ports ports = {to->be_source_port, to->be_destination_port};

	return bpf_skb_store_bytes(skb, packet->transport_offset, &ports, sizeof(ports), flags);
}

/* Gives the TCP header the ports of `to`, and its checksum the difference of the addresses
 * that nat_addresses() returned: through the kernel, which knows what state it is in.
 * Returns 0 or a negative error of the kernel. */
static __always_inline int nat_transport(struct __sk_buff *skb, const struct packet *packet,
					 const struct ftpfix_tuple *to, __s64 addresses)
{
	__u32 check_offset = packet->transport_offset + TCP_CHECK_OFFSET;
	int err;

	err = bpf_l4_csum_replace(skb, check_offset, 0, addresses, BPF_F_PSEUDO_HDR);
	if (err)
		return err;
	err = bpf_l4_csum_replace(skb, check_offset, 0, nat_ports_difference(packet, to), 0);
	return err ? err : nat_store_ports(skb, packet, to, 0);
}

/*
 * Gives the packet the addresses and ports of `to`, and `hops` less, 0 or 1. Returns 0 or a
 * negative error of the kernel, after which the packet must not travel on.
 */
static __always_inline int nat_translate(struct __sk_buff *skb, const struct packet *packet,
					 const struct ftpfix_tuple *to, int hops)
{
	__s64 addresses = nat_addresses(skb, packet, to, hops);

	return addresses < 0 ? addresses : nat_transport(skb, packet, to, addresses);
}

#endif /* FTPFIX_NAT_H */
