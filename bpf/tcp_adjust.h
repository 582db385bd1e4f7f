/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Brings a TCP header in step with what was edited: the sequence number to its own
 * stream's output, acknowledgement and SACK blocks (RFC 2018) to the other stream's
 * input. Timestamps and the window stay as they are.
 */
#ifndef FTPFIX_TCP_ADJUST_H
#define FTPFIX_TCP_ADJUST_H

#include "payload.h"
#include "seqadj.h"

#define TCP_OPTIONS_MAX 40
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_SACK 5
#define SACK_BLOCK_SIZE 8

/* Options and what they become; a power of two in size, so that an index is
 * bounded by a mask. */
#define OPTIONS_SIZE 64

struct tcp_options {
	__u8 from[OPTIONS_SIZE];
	__u8 to[OPTIONS_SIZE];
};

struct option_loop {
	struct tcp_options *options;
	struct ftpfix_stream *peer; /* whose edits move the numbers; NULL: `shift` does */
	int from_client;	    /* the peer's direction */
	__u32 shift;
	__u32 first;
	__u32 at;
	__u32 length;
	__u32 sack_end; /* of the SACK option that `at` stands in, or 0 */
};

static __always_inline __u8 *option_byte(struct option_loop *loop, __u32 offset)
{
	__u32 at = loop->at + offset;

	barrier_var(at);
	return &loop->options->to[at & (OPTIONS_SIZE - 1)];
}

/* The size of the option that starts at `at`; 0 where the list of them ends, by its length,
 * by the option that says so, or by one that cannot be. */
static __always_inline __u32 option_size(const __u8 *options, __u32 at, __u32 length)
{
	__u32 next = at + 1;
	__u8 kind, size;

	if (at >= length)
		return 0;
	barrier_var(at);
	kind = options[at & (OPTIONS_SIZE - 1)];
	if (kind == TCP_OPTION_END)
		return 0;
	if (kind == TCP_OPTION_NOP)
		return 1;
	barrier_var(next);
	size = options[next & (OPTIONS_SIZE - 1)];
	return size < 2 || at + size > length ? 0 : size;
}

/* The number without `shift` bytes that were put in front of number `first`. */
static __always_inline __u32 tcp_shifted(__u32 sequence, __u32 shift, __u32 first)
{
	return sequence_after(first, sequence - shift) ? first : sequence - shift;
}

static __always_inline void option_edge(struct option_loop *loop, __u32 offset,
					enum seqadj_bound bound)
{
	__u32 edge = (__u32)*option_byte(loop, offset) << 24 |
		     *option_byte(loop, offset + 1) << 16 | *option_byte(loop, offset + 2) << 8 |
		     *option_byte(loop, offset + 3);

	edge = loop->peer ? stream_input(loop->peer, loop->from_client, edge, bound)
			  : tcp_shifted(edge, loop->shift, loop->first);
	*option_byte(loop, offset) = edge >> 24;
	*option_byte(loop, offset + 1) = edge >> 16;
	*option_byte(loop, offset + 2) = edge >> 8;
	*option_byte(loop, offset + 3) = edge;
}

/* One option, or one block of SACK. */
static long option_step(__u32 index, void *context)
{
	struct option_loop *loop = context;
	__u32 size;

	(void)index;
	if (loop->sack_end) {
		if (loop->at + SACK_BLOCK_SIZE > loop->sack_end) {
			loop->at = loop->sack_end;
			loop->sack_end = 0;
			return 0;
		}
		option_edge(loop, 0, SEQADJ_BLOCK_START);
		option_edge(loop, 4, SEQADJ_ACKNOWLEDGED);
		loop->at += SACK_BLOCK_SIZE;
		return 0;
	}
	size = option_size(loop->options->to, loop->at, loop->length);
	if (!size)
		return 1;
	if (*option_byte(loop, 0) == TCP_OPTION_SACK) {
		loop->sack_end = loop->at + size;
		loop->at += 2;
	} else {
		loop->at += size;
	}
	return 0;
}

/* Translates the SACK blocks as the loop says. */
static __always_inline int tcp_sack(struct __sk_buff *skb, const struct packet *packet,
				    struct option_loop *loop)
{
	struct tcp_options *options = loop->options;
	__u32 offset, size;
	__s64 sum;
	int err;

	offset = packet->transport_offset + sizeof(struct tcphdr);
	size = size_within(packet->payload_offset - offset, TCP_OPTIONS_MAX);
	if (!size)
		return 0;
	loop->length = size;
	loop->sack_end = each_zero;
	__builtin_memset(options, 0, sizeof(*options));
	err = bpf_skb_load_bytes(skb, offset, options->from, size);
	if (err)
		return err;
	__builtin_memcpy(options->to, options->from, OPTIONS_SIZE);
	bpf_loop(TCP_OPTIONS_MAX, option_step, loop, 0);
	sum = bpf_csum_diff((__be32 *)options->from, OPTIONS_SIZE, (__be32 *)options->to,
			    OPTIONS_SIZE, 0);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, 0, sum, 0);
	return err ? err : bpf_skb_store_bytes(skb, offset, options->to, size, 0);
}

/* Translates the SACK blocks, which are of the peer's stream. Returns 0 or a negative error of
 * the kernel. */
__global int tcp_adjust_sack(struct __sk_buff *skb, const struct packet *packet,
			     struct ftpfix_stream *peer, int from_client,
			     struct tcp_options *options)
{
	struct option_loop loop = {.options = options, .peer = peer, .from_client = from_client};

	if (!packet || !peer || !options)
		return -EINVAL;
	return tcp_sack(skb, packet, &loop);
}

/* The same where all numbers have moved, see tcp_shifted(). */
__global int tcp_shift_sack(struct __sk_buff *skb, const struct packet *packet, __u32 shift,
			    __u32 first, struct tcp_options *options)
{
	struct option_loop loop = {.options = options, .shift = shift, .first = first};

	if (!packet || !options)
		return -EINVAL;
	return tcp_sack(skb, packet, &loop);
}

/* The part of a TCP header from the sequence number to the flags. */
struct tcp_numbers {
	__be32 be_sequence;
	__be32 be_acknowledgement;
	__u8 data_offset;
	__u8 flags;
	__be16 be_window;
};

/*
 * Writes the numbers that the packet goes on with; a packet whose end was cut away
 * loses its FIN, which comes behind it. Returns 0 or a negative error of the kernel.
 */
__global int tcp_adjust_numbers(struct __sk_buff *skb, const struct packet *packet, __u32 sequence,
				__u32 acknowledgement)
{
	struct tcp_numbers from, to;
	__u32 offset;
	__s64 sum;
	int err;

	if (!packet)
		return -EINVAL;
	offset = packet->transport_offset + __builtin_offsetof(struct tcphdr, seq);
	err = bpf_skb_load_bytes(skb, offset, &from, sizeof(from));
	if (err)
		return err;
	to = from;
	to.be_sequence = bpf_htonl(sequence);
	if (packet->flags & TCP_ACK)
		to.be_acknowledgement = bpf_htonl(acknowledgement);
	if (packet->cut)
		to.flags &= ~TCP_FIN;
	sum = bpf_csum_diff((__be32 *)&from, sizeof(from), (__be32 *)&to, sizeof(to), 0);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, 0, sum, 0);
	return err ? err : bpf_skb_store_bytes(skb, offset, &to, sizeof(to), 0);
}

#endif /* FTPFIX_TCP_ADJUST_H */
