/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet that was sent on meets the program of the device that it leaves by, a moment later and on
 * the same CPU: that one knows it by a number, and need neither parse it nor look for its connection
 * again. What follows from that is not known here.
 *
 * The number travels beside the packet's bytes, where every program may write: it says which
 * packet this is, never what is in it. So it counts once, and only for a packet whose length and
 * header are those that were noted. One that lost its number on the way, that another program has
 * changed, or that waited for its neighbour while others came by, is parsed like any other.
 */
#ifndef FTPFIX_SENT_H
#define FTPFIX_SENT_H

#include "grace.h"
#include "maps.h"
#include "scratch.h"

enum sent_kind { SENT_DATA, SENT_CONTROL };

/* No packet is under way from here any more whose header the scratch holds. */
static __always_inline void sent_forget(struct scratch *scratch)
{
	scratch->sent.number = 0;
}

/* The next number, which no other CPU gives. */
static __always_inline __u64 sent_number(struct sent *sent)
{
	sent->count++;
	return flow_seed ^ (sent->count * GRACE_CPUS_MAX + bpf_get_smp_processor_id());
}

/* Whether options or extension headers stand in front of the TCP header, or tags before. */
static __always_inline int sent_plain(const struct packet *packet)
{
	__u32 size = packet->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	return packet->network_offset == ETH_HLEN && packet->transport_offset == ETH_HLEN + size;
}

/* Numbers the packet in the scratch, which is about to be sent on as it stands there. */
static __always_inline void sent_note(struct __sk_buff *skb, struct scratch *scratch,
				      enum sent_kind kind)
{
	struct sent *sent = &scratch->sent;
	__u64 number;

	if (!sent_plain(&scratch->packet))
		return;
	number = sent_number(sent);
	sent->number = number;
	sent->length = skb->len;
	sent->kind = kind;
	skb->cb[0] = number;
	skb->cb[1] = number >> 32;
}

/* Whether the header is, by what programs read of it, the one in the scratch, which is plain. */
static __always_inline int sent_unchanged(struct __sk_buff *skb, const struct packet *packet)
{
	const struct ftpfix_tuple *tuple = &packet->tuple;
	void *network = (void *)(long)skb->data + ETH_HLEN;
	void *end = (void *)(long)skb->data_end;
	const struct ipv6hdr *ipv6 = network;
	const struct iphdr *ipv4 = network;
	const struct tcphdr *tcp = packet->ipv6 ? (void *)(ipv6 + 1) : (void *)(ipv4 + 1);

	if ((void *)(tcp + 1) > end)
		return 0;
	if (packet->ipv6 ? !address_equal((void *)&ipv6->saddr, &tuple->source) ||
				   !address_equal((void *)&ipv6->daddr, &tuple->destination)
			 : ipv4->saddr != address_to_v4(&tuple->source) ||
				   ipv4->daddr != address_to_v4(&tuple->destination))
		return 0;
	return tcp->source == tuple->be_source_port && tcp->dest == tuple->be_destination_port &&
	       tcp->seq == bpf_htonl(packet->host_sequence) &&
	       tcp->ack_seq == bpf_htonl(packet->host_acknowledgement) &&
	       tcp->doff * 4 == packet->payload_offset - packet->transport_offset &&
	       ((const __u8 *)tcp)[TCP_FLAGS_OFFSET] == packet->flags;
}

/*
 * Whether the packet is the one that was sent on here last, and is still as it was: then the scratch
 * holds its header. Returns its kind, or -ENOENT when it must be parsed.
 */
static __always_inline int sent_take(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	struct sent *sent;

	if (!scratch)
		return -ENOENT;
	sent = &scratch->sent;
	if (!sent->number || skb->cb[0] != (__u32)sent->number ||
	    skb->cb[1] != (__u32)(sent->number >> 32))
		return -ENOENT;
	sent_forget(scratch);
	if (skb->len != sent->length || skb->vlan_present || !sent_unchanged(skb, &scratch->packet))
		return -ENOENT;
	return sent->kind;
}

#endif /* FTPFIX_SENT_H */
