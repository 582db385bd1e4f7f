/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes bytes of a packet and keeps its checksums right, whether they are
 * complete, partial (to be finished by the device) or already verified. It does
 * not know why something is changed.
 */
#ifndef FTPFIX_NAT_H
#define FTPFIX_NAT_H

#include <linux/tcp.h>

#include "packet.h"
#include "loop.h"

#define TCP_CHECK_OFFSET __builtin_offsetof(struct tcphdr, check)

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

/* Folds a 32-bit one's complement sum (RFC 1071) to 16 bits. */
static __always_inline __u32 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/*
 * Gives the packet the addresses and ports of `to` and one hop less. The IPv4
 * checksum is updated as RFC 1624 (equation 3) says; TCP's through the kernel,
 * which knows what state it is in. Returns 0 or a negative error of the kernel,
 * after which the packet must not travel on.
 */
static __always_inline int nat_translate(struct __sk_buff *skb, const struct packet *packet,
					 const struct ftpfix_tuple *to)
{
	struct nat_ports from_ports = {packet->tuple.be_source_port,
				       packet->tuple.be_destination_port};
	struct nat_ports to_ports = {to->be_source_port, to->be_destination_port};
	__u32 check_offset = packet->transport_offset + TCP_CHECK_OFFSET;
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
	sum = bpf_csum_diff(from_addresses, sizeof(from_addresses), to_addresses,
			    sizeof(to_addresses), 0);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, check_offset, 0, sum, BPF_F_PSEUDO_HDR);
	if (err)
		return err;
	header_sum = checksum_fold(sum) + (__u16)~header.check;
	/* The TTL is the high byte of its word: one less adds ~1 + 0 there. */
	header_sum += (__u16)~bpf_htons(0x0100);
	header.check = ~checksum_fold(header_sum);
	header.ttl--;
	header.be_source = to_addresses[0];
	header.be_destination = to_addresses[1];
	err = bpf_skb_store_bytes(skb, packet->network_offset + NAT_IPV4_OFFSET, &header,
				  sizeof(header), 0);
	if (err)
		return err;

	sum = bpf_csum_diff((__be32 *)&from_ports, sizeof(from_ports), (__be32 *)&to_ports,
			    sizeof(to_ports), 0);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, check_offset, 0, sum, 0);
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, packet->transport_offset, &to_ports, sizeof(to_ports), 0);
}

/* A multiple of eight, to be compared by words; room for an edit and the odd
 * byte on either side. */
#define PATCH_MAX 72

/* Scratch memory of one patch. */
struct patch {
	__u64 from[PATCH_MAX / 8];
	__u64 to[PATCH_MAX / 8];
	__u32 lead;   /* bytes in front that only align */
	__u32 skip;   /* bytes of the text in front of the segment */
	__u32 length; /* bytes of the text that go in */
};

struct patch_loop {
	struct patch *patch;
	const struct ftpfix_announcement *written;
};

static inline long patch_byte(__u32 index, void *context)
{
	struct patch_loop *loop = context;
	struct patch *patch = loop->patch;
	__u32 to = patch->lead + index, from = patch->skip + index;

	if (index >= patch->length || to >= PATCH_MAX || from >= FTPFIX_EDIT_MAX)
		return 1;
	((char *)patch->to)[to] = loop->written->text[from];
	return 0;
}

static __always_inline int patch_changes(const struct patch *patch)
{
	__u64 difference = 0;

	for (int word = 0; word < PATCH_MAX / 8; word++)
		difference |= patch->from[word] ^ patch->to[word];
	return difference != 0;
}

/*
 * Writes into the payload what of an announcement's replacement falls into it;
 * by sequence numbers, so that a retransmission gets the same bytes however it
 * is cut. Returns 1 when bytes changed, 0 when none did, or a negative error of the
 * kernel, after which the packet must not travel on.
 */
__global int nat_patch(struct __sk_buff *skb, const struct packet *packet, struct patch *patch,
		       const struct ftpfix_announcement *written)
{
	struct patch_loop loop = {.patch = patch, .written = written};
	int offset, payload, first, end, err;
	__u32 size;
	__s64 sum;

	if (!packet || !patch || !written)
		return 0;
	offset = written->sequence - packet->host_sequence;
	payload = packet->payload_length;
	first = offset < 0 ? 0 : offset;
	end = offset + (int)written->length;
	if (written->length > FTPFIX_EDIT_MAX || end <= 0 || first >= payload)
		return 0;
	if (end > payload)
		end = payload;
	patch->skip = first - offset;
	patch->lead = first & 1;
	patch->length = end - first;
	/* TCP sums 16-bit words from its header on, and the payload begins at a
	 * multiple of four: take whole words, so that the difference is in step. */
	size = patch->lead + patch->length;
	if (size & 1 && end < payload)
		size++;
	size = size_within(size, PATCH_MAX);
	if (!size)
		return 0;

	first = packet->payload_offset + (first & ~1);
	__builtin_memset(patch->from, 0, PATCH_MAX);
	err = bpf_skb_load_bytes(skb, first, patch->from, size);
	if (err)
		return err;
	__builtin_memcpy(patch->to, patch->from, PATCH_MAX);
	each(FTPFIX_EDIT_MAX, patch_byte, &loop);
	if (!patch_changes(patch))
		return 0;
	sum = bpf_csum_diff((__be32 *)patch->from, PATCH_MAX, (__be32 *)patch->to, PATCH_MAX, 0);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, 0, sum, 0);
	if (!err)
		err = bpf_skb_store_bytes(skb, first, patch->to, size, 0);
	return err ? err : 1;
}

#endif /* FTPFIX_NAT_H */
