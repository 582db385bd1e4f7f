/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells a server under FULLNAT the client's own endpoint, by a TCP option (TOA) in front
 * of the others: a receiver takes the first one, from the packet with which it accepts the
 * connection. Where the packet goes is not known here.
 */
#ifndef FTPFIX_CLIENT_ADDRESS_H
#define FTPFIX_CLIENT_ADDRESS_H

#include "flow_table.h"

/* The option, as long as it is for IPv6; an IPv4 address ends with its first word. */
struct toa_option {
	__u8 kind;
	__u8 length;
	__be16 be_port;
	__be32 be_address[4];
};

_Static_assert(sizeof(struct toa_option) == FTPFIX_TOA_LENGTH_IPV6, "as on the wire");

/* The word of a TCP header that begins with the data offset. */
#define TCP_DATA_OFFSET_OFFSET 12

/* What client_address_due() says. */
enum client_address_due {
	CLIENT_ADDRESS_NO,
	CLIENT_ADDRESS_AGAIN, /* a packet before this one was to tell it */
	CLIENT_ADDRESS_FIRST,
	CLIENT_ADDRESS_NARROW, /* it must become no longer; what it brings is taken away */
};

/*
 * Whether the packet may be the one with which a server accepts the connection of a client
 * outside, of whom it sees an address of the node instead (FULLNAT): while the server has
 * sent nothing but its SYN/ACK the flow is not answered, see flow_unanswered().
 */
static __always_inline enum client_address_due client_address_due(const struct ftpfix_flow *flow,
								  const struct packet *packet)
{
	__u32 hook = flow->place & FTPFIX_PLACE_HOOK;

	if (client_address != FTPFIX_CLIENT_ADDRESS_TOA || !(flow->place & FTPFIX_PLACE_OPENER) ||
	    flow->marks & FTPFIX_MARK_ANSWERED || flow_closing(flow) ||
	    (hook != FTPFIX_HOOK_UPLINK_IN && hook != FTPFIX_HOOK_INSIDE_OUT) ||
	    packet->flags & (TCP_SYN | TCP_RST) || !flow->source)
		return CLIENT_ADDRESS_NO;
	/* Its sender makes it as long as the way ahead allows. */
	if (flow->marks & FTPFIX_MARK_NARROW && packet->payload_length)
		return CLIENT_ADDRESS_NARROW;
	return flow->progress & FTPFIX_PROGRESS_ACKNOWLEDGING ? CLIENT_ADDRESS_AGAIN
							      : CLIENT_ADDRESS_FIRST;
}

struct toa_loop {
	struct tcp_options *options;
	__u32 length;
	__u32 option_end; /* of the option that the next byte is of */
	__u32 kept;	  /* bytes so far */
	__u32 forged;	  /* 1: that option is left out */
};

static __always_inline int toa_forged(__u8 kind)
{
	return kind == (__u8)toa_kind[FTPFIX_IPV4] || kind == (__u8)toa_kind[FTPFIX_IPV6];
}

/* One byte of the client's own options. */
static long toa_keep_byte(__u32 index, void *context)
{
	struct toa_loop *loop = context;
	struct tcp_options *options = loop->options;

	if (index >= loop->length)
		return 1;
	if (index >= loop->option_end) {
		__u32 size = option_size(options->from, index, loop->length);

		loop->forged = size && toa_forged(options->from[index & (OPTIONS_SIZE - 1)]);
		loop->option_end = size ? index + size : loop->length;
	}
	if (!loop->forged) {
		options->to[loop->kept & (OPTIONS_SIZE - 1)] =
			options->from[index & (OPTIONS_SIZE - 1)];
		loop->kept++;
	}
	return 0;
}

/*
 * Reads `length` bytes of options, and keeps in options->to those that are no TOA option: a
 * client that brings its own would choose what the server logs. NOPs follow. Returns how
 * many bytes were kept, or a negative error of the kernel.
 */
static __noinline int toa_keep(struct __sk_buff *skb, struct tcp_options *options, __u32 offset,
			       __u32 length)
{
	struct toa_loop loop = {
		.options = options,
		.length = length,
		.option_end = each_zero,
		.forged = each_zero,
	};
	__u32 size = size_within(length, TCP_OPTIONS_MAX);
	int err;

	__builtin_memset(options->to, TCP_OPTION_NOP, sizeof(options->to));
	if (!size)
		return 0;
	err = bpf_skb_load_bytes(skb, offset, options->from, size);
	if (err)
		return err;
	bpf_loop(TCP_OPTIONS_MAX, toa_keep_byte, &loop, 0);
	return loop.kept;
}

/* Whether the packet may become so much longer on its way out: of a known hop the kernel has told
 * the MTU, which may be a route's. */
static __always_inline int toa_grows(struct __sk_buff *skb, const struct scratch *scratch,
				     __u32 out_ifindex, __u32 growth)
{
	__u32 length = scratch->packet.network_length;

	if (!growth)
		return 1;
	if (out_ifindex && scratch->hop.mtu && length + growth > scratch->hop.mtu)
		return 0;
	/* What is to be cut into segments cannot be made longer in front of their data. */
	return !skb->gso_size && !bpf_check_mtu(skb, out_ifindex, &length, growth, 0);
}

/* Fills in the text of the change: `size` bytes of TOA, and the options that were kept. */
static __always_inline void toa_write(struct scratch *scratch, __u32 size)
{
	const struct packet *packet = &scratch->packet;
	struct toa_option option = {
		.kind = toa_kind[packet->ipv6 ? FTPFIX_IPV6 : FTPFIX_IPV4],
		.length = size,
		.be_port = packet->tuple.be_source_port,
	};
	char *text = scratch->change.text;

	if (packet->ipv6)
		__builtin_memcpy(option.be_address, &packet->tuple.source,
				 sizeof(option.be_address));
	else
		option.be_address[0] = address_to_v4(&packet->tuple.source);
	__builtin_memcpy(text, &option, sizeof(option));
	if (size > sizeof(option))
		return;
	__builtin_memcpy(text + size, scratch->options.to, sizeof(scratch->options.to));
}

/* Says in the TCP header how long its options are now. */
static __always_inline int toa_data_offset(struct __sk_buff *skb, const struct packet *packet,
					   __u32 options_length)
{
	__u32 offset = packet->transport_offset + TCP_DATA_OFFSET_OFFSET;
	__be16 be_from, be_to;
	int err;

	err = bpf_skb_load_bytes(skb, offset, &be_from, sizeof(be_from));
	if (err)
		return err;
	be_to = (be_from & bpf_htons(0x0fff)) |
		bpf_htons((sizeof(struct tcphdr) + options_length) / 4 << 12);
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, be_from, be_to,
				  sizeof(be_to));
	return err ? err : bpf_skb_store_bytes(skb, offset, &be_to, sizeof(be_to), 0);
}

/* Replaces all options by the first `length` bytes of the change's text: for
 * payload_replace() they are payload. */
static __always_inline int toa_replace(struct __sk_buff *skb, struct packet *packet,
				       struct payload_change *change, __u32 offset, __u32 length)
{
	int err;

	change->offset = 0;
	change->removed = packet->payload_offset - offset;
	change->length = length;
	packet->payload_length += change->removed;
	packet->payload_offset = offset;
	err = payload_replace(skb, packet, change);
	if (err)
		return err;
	packet->payload_length -= length;
	packet->payload_offset += length;
	return toa_data_offset(skb, packet, length);
}

/*
 * Gives the packet in the scratch, which was translated already, its source of before as a
 * TOA option, and goes on without one where there is no room: that is counted for the
 * first packet, since what the server needs may have come with it. `out_ifindex` is where it
 * leaves, 0 on its way out. Returns 0 or a negative error, after which the packet must
 * not travel on.
 */
__global int client_address_add(struct __sk_buff *skb, __u32 out_ifindex, int due)
{
	struct scratch *scratch = scratch_memory();
	__u32 offset, length, size, total;
	struct packet *packet;
	int kept;

	if (!scratch)
		return -ENOENT;
	packet = &scratch->packet;
	offset = packet->transport_offset + sizeof(struct tcphdr);
	length = packet->payload_offset - offset;
	kept = toa_keep(skb, &scratch->options, offset, length);
	if (kept < 0)
		return kept;
	size = packet->ipv6 ? FTPFIX_TOA_LENGTH_IPV6 : FTPFIX_TOA_LENGTH_IPV4;
	total = (size + kept + 3) & ~3u;
	if (total < length)
		total = length;
	if (due == CLIENT_ADDRESS_NARROW || total > TCP_OPTIONS_MAX ||
	    !toa_grows(skb, scratch, out_ifindex, total - length)) {
		if (due == CLIENT_ADDRESS_FIRST)
			count(FTPFIX_PACKET_TOA_NO_ROOM);
		if (kept == (int)length)
			return 0;
		size = 0;
		total = length;
	} else {
		count(FTPFIX_PACKET_TOA);
	}
	toa_write(scratch, size);
	return toa_replace(skb, packet, &scratch->change, offset, total);
}

#endif /* FTPFIX_CLIENT_ADDRESS_H */
