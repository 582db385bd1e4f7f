/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast path: packets of data connections, from the SYN on that was expected, and those of
 * established control connections that carry no payload, are translated, followed and sent
 * on by XDP. Every other packet goes up to TC untouched, which does the same and all the
 * rest, so that nothing here decides about a packet's fate.
 */
#ifndef FTPFIX_FAST_H
#define FTPFIX_FAST_H

#include "checksum.h"
#include "flow_open.h"
#include "hop.h"
#include "sent.h"

/* Offsets into a frame, for the verifier: above what packet.h parses. */
#define OFFSET_MAX 255

/* Above the greatest header in front of the IP header. */
#define NETWORK_OFFSET_MAX 31

struct vlan {
	__be16 be_tag;
	__be16 be_protocol;
};

static __always_inline int fast_parse(struct xdp_md *xdp, struct packet *packet)
{
	struct cursor cursor = {
		.start = (void *)(long)xdp->data,
		.at = (void *)(long)xdp->data,
		.end = (void *)(long)xdp->data_end,
	};

	return parse_frame(&cursor, bpf_xdp_get_buff_len(xdp), 0, 0, packet);
}

/* Where the frame came in: a VLAN device counts itself. Returns the bits of the sides that it
 * was attached as; `sides` are those of untagged frames. */
static __always_inline __u32 fast_sides(const struct xdp_md *xdp, const struct packet *packet,
					__u32 sides, __u32 *ifindex)
{
	struct ftpfix_tagged_key key = {
		.ifindex = xdp->ingress_ifindex,
		.be_vlan = packet->be_vlan,
	};
	const struct ftpfix_tagged *found;

	*ifindex = key.ifindex;
	if (!packet->tags)
		return sides;
	if (packet->tags > 1 || packet->be_vlan_protocol != bpf_htons(ETH_P_8021Q))
		return 0;
	found = bpf_map_lookup_elem(&tagged, &key);
	if (!found)
		return 0;
	*ifindex = found->ifindex;
	return found->sides;
}

/* Whether a packet of this flow needs no more than a translation and to be followed. */
static __always_inline int fast_flow(const struct ftpfix_flow *flow, const struct packet *packet,
				     __u32 sides)
{
	__u32 hook = flow->place & FTPFIX_PLACE_HOOK;

	if (hook & 1 || !(sides & 1 << (hook >> 1)) || flow->marks & FTPFIX_MARK_SLOW)
		return 0;
	/* These tell the client's address. */
	if (flow->place & FTPFIX_PLACE_OPENER && flow_unanswered(flow))
		return 0;
	/* What is read, and what begins and ends its session, is TC's. */
	if (flow->place & FTPFIX_PLACE_CONTROL)
		return marks_established(flow->marks) && !packet->payload_length &&
		       !(packet->flags & (TCP_SYN | TCP_FIN));
	return 1;
}

/*
 * Opens the data connection that the SYN was expected for; `slot`, less one, has what is left of
 * an earlier one. Returns one more than its slot, or 0: then TC looks for the same, and for
 * whatever else a SYN may be, and refuses what has no room.
 */
static __always_inline __u32 fast_open(const struct packet *packet, __u32 slot, __u32 sides,
				       __u32 ifindex)
{
	struct scratch *scratch = scratch_memory();

	if (!packet || !scratch || packet->tags ||
	    is_service_port(bpf_ntohs(packet->tuple.be_destination_port)))
		return 0;
	sent_forget(scratch);
	scratch->packet = *packet;
	scratch->slot = slot;
	return flow_open_expected(ifindex, sides, scratch) ? 0 : scratch->slot;
}

/* Follows any other packet. */
static __noinline int fast_follow(struct ftpfix_flow *flow, const struct packet *packet)
{
	if (flow && packet)
		flow_track(flow, packet);
	return 0;
}

/* The sum of a tuple's 32-bit words, not folded. Where both are of IPv4 the words in front of
 * the address are the same in both, and fall out of the difference. */
static __always_inline __u64 fast_sum(const struct ftpfix_addr *addr, int ipv6)
{
	__u64 sum = addr->be_word[3];

	if (ipv6)
		sum += (__u64)addr->be_word[0] + addr->be_word[1] + addr->be_word[2];
	return sum;
}

static __always_inline __u32 fast_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return checksum_fold(sum);
}

static __always_inline __u64 fast_addresses(const struct ftpfix_tuple *tuple, int ipv6)
{
	return fast_sum(&tuple->source, ipv6) + fast_sum(&tuple->destination, ipv6);
}

/* Sums in one's complement: what has to be added to a checksum's complement. */
struct fast_change {
	__u64 addresses;
	__u64 ports;
};

/* The complement of the sum, for a difference. */
static __always_inline __u64 fast_minus(__u64 sum)
{
	return (__u16)~fast_fold(sum);
}

static __always_inline void fast_change(struct fast_change *change, const struct packet *packet,
					const struct ftpfix_tuple *to)
{
	const struct ftpfix_tuple *from = &packet->tuple;
	int ipv6 = packet->ipv6;

	change->addresses = fast_addresses(to, ipv6) + fast_minus(fast_addresses(from, ipv6));
	change->ports = (__u64)to->be_source_port + to->be_destination_port +
			fast_minus((__u64)from->be_source_port + from->be_destination_port);
}

static __always_inline struct tcphdr *fast_tcp(struct xdp_md *xdp, const struct packet *packet)
{
	struct tcphdr *tcp;
	__u32 offset = packet->transport_offset;

	barrier_var(offset);
	if (offset > OFFSET_MAX)
		return NULL;
	tcp = (void *)(long)xdp->data + offset;
	return (void *)(tcp + 1) > (void *)(long)xdp->data_end ? NULL : tcp;
}

/*
 * Whether the checksum is not there yet, because a device was to compute it: then the field
 * holds the pseudo header's sum, and no device that XDP sends to will do so. A complete one
 * that happens to look like it goes to TC in vain, one packet of 65536.
 */
static __always_inline int fast_unsummed(struct xdp_md *xdp, const struct packet *packet)
{
	const struct tcphdr *tcp = fast_tcp(xdp, packet);
	__u32 length = packet->network_length - (packet->transport_offset - packet->network_offset);

	return !tcp || fast_fold(fast_addresses(&packet->tuple, packet->ipv6) +
				 bpf_htons(IPPROTO_TCP) + bpf_htonl(length)) == tcp->check;
}

static __always_inline int fast_translate_ipv4(struct xdp_md *xdp, const struct packet *packet,
					       const struct fast_change *change,
					       const struct ftpfix_tuple *to)
{
	void *end = (void *)(long)xdp->data_end;
	struct iphdr *header;

	if (packet->network_offset > NETWORK_OFFSET_MAX)
		return -EFAULT;
	header = (void *)(long)xdp->data + packet->network_offset;
	if ((void *)(header + 1) > end)
		return -EFAULT;
	header->saddr = address_to_v4(&to->source);
	header->daddr = address_to_v4(&to->destination);
	/* RFC 1624, equation 3; the TTL is the high byte of its word. */
	header->check =
		~fast_fold((__u16)~header->check + change->addresses + (__u16)~bpf_htons(0x0100));
	header->ttl--;
	return 0;
}

static __always_inline int fast_translate_ipv6(struct xdp_md *xdp, const struct packet *packet,
					       const struct ftpfix_tuple *to)
{
	void *end = (void *)(long)xdp->data_end;
	struct ipv6hdr *header;

	if (packet->network_offset > NETWORK_OFFSET_MAX)
		return -EFAULT;
	header = (void *)(long)xdp->data + packet->network_offset;
	if ((void *)(header + 1) > end)
		return -EFAULT;
	__builtin_memcpy(&header->saddr, &to->source, sizeof(header->saddr));
	__builtin_memcpy(&header->daddr, &to->destination, sizeof(header->daddr));
	header->hop_limit--;
	return 0;
}

/* Translates the packet. Returns 0, or an error after which it must not go on. */
static __always_inline int fast_translate(struct xdp_md *xdp, const struct packet *packet,
					  const struct ftpfix_tuple *to)
{
	struct tcphdr *tcp = fast_tcp(xdp, packet);
	struct fast_change change;

	if (!tcp)
		return -EFAULT;
	fast_change(&change, packet, to);
	tcp->source = to->be_source_port;
	tcp->dest = to->be_destination_port;
	tcp->check = ~fast_fold((__u16)~tcp->check + change.addresses + change.ports);
	return packet->ipv6 ? fast_translate_ipv6(xdp, packet, to)
			    : fast_translate_ipv4(xdp, packet, &change, to);
}

/* Writes the Ethernet header of the next hop, with its tag or without. Returns 0 or an error,
 * after which the packet must not go on. */
static __always_inline int fast_ethernet(struct xdp_md *xdp, const struct packet *packet,
					 const struct ftpfix_hop *hop)
{
	__be16 be_protocol = bpf_htons(packet->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	int had = packet->tags * sizeof(struct vlan);
	int has = hop->be_vlan ? sizeof(struct vlan) : 0;
	struct ethhdr *ethernet;
	struct vlan *vlan;

	if (had != has && bpf_xdp_adjust_head(xdp, had - has))
		return -ENOMEM;
	ethernet = (void *)(long)xdp->data;
	vlan = (void *)(ethernet + 1);
	if ((void *)(vlan + 1) > (void *)(long)xdp->data_end)
		return -EFAULT;
	__builtin_memcpy(ethernet->h_dest, hop->destination, sizeof(ethernet->h_dest));
	__builtin_memcpy(ethernet->h_source, hop->source, sizeof(ethernet->h_source));
	ethernet->h_proto = be_protocol;
	if (has) {
		ethernet->h_proto = bpf_htons(ETH_P_8021Q);
		vlan->be_tag = hop->be_vlan;
		vlan->be_protocol = be_protocol;
	}
	return 0;
}

/* These two counters are XDP's alone, which nothing interrupts on its CPU. */
static __always_inline void fast_count(__u32 reason, __u64 amount)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &reason);

	if (value)
		*value += amount;
}

/* Whether the device that the packet leaves by takes this frame. */
static __always_inline int fast_fits(const struct xdp_md *xdp, const struct ftpfix_hop *hop,
				     const struct packet *packet)
{
	__u32 out_ifindex = hop->out_ifindex;
	const struct ftpfix_link *link;

	if (packet->network_length > hop->mtu)
		return 0;
	if (packet->network_offset + packet->network_length <= xdp->data_end - xdp->data)
		return 1;
	link = bpf_map_lookup_elem(&links, &out_ifindex);
	return link && link->frags;
}

/* The packet's flow, which a SYN that was expected makes; or NULL. */
static __always_inline struct ftpfix_flow *fast_find(const struct packet *packet, __u32 sides,
						     __u32 ifindex)
{
	__u32 slot = flow_slot_begin(&packet->tuple);
	struct ftpfix_flow *flow = slot ? flow_at(slot - 1) : NULL;
	__u8 flags = packet->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if ((flags & (TCP_ACK | TCP_RST)) == TCP_ACK)
		return flow;
	if (flags != TCP_SYN)
		return NULL;
	/* The connection's own SYN, which comes again. */
	if (flow && flow->first_sequence == packet->host_sequence)
		return flow;
	slot = fast_open(packet, slot, sides, ifindex);
	return slot ? flow_at(slot - 1) : NULL;
}

/* Refuses nothing: a SYN that nobody expects, and a reset, are TC's. */
static __always_inline int fast_carry(struct xdp_md *xdp, const struct packet *packet, __u32 sides,
				      struct scratch *scratch)
{
	struct ftpfix_tuple *to = &scratch->to;
	struct ftpfix_hop *hop = &scratch->hop;
	struct ftpfix_flow *flow;
	__u32 ifindex, now;
	int asked;

	sides = fast_sides(xdp, packet, sides, &ifindex);
	flow = fast_find(packet, sides, ifindex);
	if (!flow || !fast_flow(flow, packet, sides))
		return XDP_PASS;
	now = scratch->now_ticks;
	flow_to(flow, &packet->tuple, to);
	asked = hop_find(xdp, flow, to, ifindex, now, hop);
	/* TC shows the kernel that the hop is in use. */
	if (asked && hop_kept_unshown(flow, now))
		return XDP_PASS;
	if (!hop->fast || !fast_fits(xdp, hop, packet) || fast_unsummed(xdp, packet))
		return XDP_PASS;
	if (flow_plain(flow, packet))
		flow_pass(flow, packet, now);
	else
		fast_follow(flow, packet);
	if (fast_translate(xdp, packet, to) || fast_ethernet(xdp, packet, hop))
		return XDP_DROP;
	fast_count(FTPFIX_PACKET_FORWARDED_XDP, 1);
	fast_count(FTPFIX_BYTES_FORWARDED_XDP, packet->network_length);
	return bpf_redirect_map(&xdp_devices, hop->out_ifindex, XDP_DROP);
}

static __always_inline int fast_packet(struct xdp_md *xdp, __u32 sides)
{
	struct scratch *scratch = scratch_memory();
	struct packet packet;
	int verdict;

	if (!scratch || fast_parse(xdp, &packet) || packet.ttl <= 1)
		return XDP_PASS;
	verdict = fast_carry(xdp, &packet, sides, scratch);
	grace_end(&scratch->packet_since_ticks);
	return verdict;
}

#endif /* FTPFIX_FAST_H */
