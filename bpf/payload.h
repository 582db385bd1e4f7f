/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replaces bytes of a TCP payload, also by more or fewer of them, and keeps lengths
 * and checksums right, whether these are complete, partial (to be finished by the
 * device) or already verified. It does not know why something is replaced.
 */
#ifndef FTPFIX_PAYLOAD_H
#define FTPFIX_PAYLOAD_H

#include "checksum.h"
#include "loop.h"
#include "packet.h"

/* Bytes that are moved or summed at once. */
#define PAYLOAD_PIECE 256

/* More pieces than the largest packet has. */
#define PAYLOAD_PIECES_MAX 4096

/* What to replace by what. Offsets count from the start of the payload. */
struct payload_change {
	__u32 offset;
	__u32 removed; /* bytes of the payload */
	__u32 length;  /* bytes of text, at most FTPFIX_LINE_MAX, that go there instead */
	char text[FTPFIX_LINE_MAX];
	__u64 piece[PAYLOAD_PIECE / 8]; /* scratch memory */
};

struct payload_loop {
	struct __sk_buff *skb;
	struct payload_change *change;
	__u32 from; /* offsets in the frame */
	__u32 end;
	__s32 shift; /* of a move: toward the end if above zero */
	__s64 sum;
	int err;
};

static __always_inline __u32 payload_piece(const struct payload_loop *loop)
{
	__u32 size = loop->end - loop->from;

	return size_within(size > PAYLOAD_PIECE ? PAYLOAD_PIECE : size, PAYLOAD_PIECE);
}

static long payload_sum_piece(__u32 index, void *context)
{
	struct payload_loop *loop = context;
	struct payload_change *change = loop->change;
	__u32 size = payload_piece(loop);

	(void)index;
	if (!size)
		return 1;
	__builtin_memset(change->piece, 0, sizeof(change->piece));
	loop->err = bpf_skb_load_bytes(loop->skb, loop->from, change->piece, size);
	if (loop->err)
		return 1;
	loop->sum =
		bpf_csum_diff(NULL, 0, (__be32 *)change->piece, sizeof(change->piece), loop->sum);
	loop->from += size;
	return loop->sum < 0;
}

/* The one's complement sum (RFC 1071) of frame bytes from an even distance to the TCP
 * header on, or a negative error of the kernel. */
static __noinline __s64 payload_sum(struct __sk_buff *skb, struct payload_change *change,
				    __u32 from, __u32 end)
{
	struct payload_loop loop = {.skb = skb, .change = change, .from = from, .end = end};

	bpf_loop(PAYLOAD_PIECES_MAX, payload_sum_piece, &loop, 0);
	return loop.err ? loop.err : loop.sum;
}

/* Moves a piece: the first one that is left toward the front, the last one toward the
 * end, so that none is written over before it was read. */
static long payload_move_piece(__u32 index, void *context)
{
	struct payload_loop *loop = context;
	__u32 size = payload_piece(loop);
	__u32 from = loop->shift > 0 ? loop->end - size : loop->from;
	void *piece = loop->change->piece;

	(void)index;
	if (!size)
		return 1;
	loop->err = bpf_skb_load_bytes(loop->skb, from, piece, size);
	/* The bound must be shown again behind the call. */
	size = payload_piece(loop);
	if (loop->err || !size)
		return 1;
	loop->err = bpf_skb_store_bytes(loop->skb, from + loop->shift, piece, size, 0);
	if (loop->shift > 0)
		loop->end -= size;
	else
		loop->from += size;
	return loop->err != 0;
}

static __noinline int payload_move(struct __sk_buff *skb, struct payload_change *change, __u32 from,
				   __u32 end, __s32 shift)
{
	struct payload_loop loop = {
		.skb = skb, .change = change, .from = from, .end = end, .shift = shift};

	if (shift)
		bpf_loop(PAYLOAD_PIECES_MAX, payload_move_piece, &loop, 0);
	return loop.err;
}

/* Puts the change's text where it belongs; `end` is the frame's end before, the packet
 * holds what is behind. */
static __always_inline int payload_write(struct __sk_buff *skb, struct packet *packet,
					 struct payload_change *change, __u32 end)
{
	__u32 start = packet->payload_offset + change->offset;
	__s32 growth = (__s32)change->length - (__s32)change->removed;
	int err = 0;
	__u32 size;

	if (growth > 0)
		err = bpf_skb_change_tail(skb, end + growth, 0);
	if (!err)
		err = payload_move(skb, change, start + change->removed, end, growth);
	if (!err && growth < 0)
		err = bpf_skb_change_tail(skb, end + growth, 0);
	size = size_within(change->length, FTPFIX_LINE_MAX);
	if (!err && size)
		err = bpf_skb_store_bytes(skb, start, change->text, size, 0);
	/* A checksum that the device completed must be forgotten, since it does not
	 * follow the bytes: the kernel does that when a packet grows. Where it
	 * may not grow, at the MTU of an egress, no packet has one. */
	if (!err && growth < 0 && !bpf_skb_change_tail(skb, end + growth + 1, 0))
		err = bpf_skb_change_tail(skb, end + growth, 0);
	return err;
}

/* Brings the IP header's length, and TCP's pseudo header, to the payload's. */
static __noinline int payload_lengths(struct __sk_buff *skb, struct packet *packet,
				      __u32 payload_length)
{
	__u32 headers = packet->payload_offset - packet->network_offset;
	__u32 tcp = packet->payload_offset - packet->transport_offset;
	__be16 be_old_tcp = bpf_htons(tcp + packet->payload_length);
	__be16 be_new_tcp = bpf_htons(tcp + payload_length);
	__be16 be_old = bpf_htons(headers + packet->payload_length);
	__be16 be_new = bpf_htons(headers + payload_length);
	__u32 offset = packet->network_offset;
	int err;

	if (packet->ipv6) {
		be_new = bpf_htons(headers + payload_length - sizeof(struct ipv6hdr));
		offset += __builtin_offsetof(struct ipv6hdr, payload_len);
	} else {
		err = bpf_l3_csum_replace(skb, offset + __builtin_offsetof(struct iphdr, check),
					  be_old, be_new, sizeof(be_new));
		if (err)
			return err;
		offset += __builtin_offsetof(struct iphdr, tot_len);
	}
	err = bpf_skb_store_bytes(skb, offset, &be_new, sizeof(be_new), 0);
	if (err)
		return err;
	packet->payload_length = payload_length;
	packet->network_length = headers + payload_length;
	return bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, be_old_tcp,
				   be_new_tcp, sizeof(be_new_tcp) | BPF_F_PSEUDO_HDR);
}

/*
 * Makes the change, which must lie within the payload and leave the frame within what
 * its device takes. Returns 0 or a negative error, after which the packet must not
 * travel on.
 */
__global int payload_replace(struct __sk_buff *skb, struct packet *packet,
			     struct payload_change *change)
{
	__u32 end, from, length;
	__s64 before, after;
	int err;

	if (!packet || !change)
		return -EINVAL;
	if (change->offset > packet->payload_length ||
	    change->removed > packet->payload_length - change->offset)
		return -EINVAL;
	end = packet->payload_offset + packet->payload_length;
	length = packet->payload_length - change->removed + change->length;
	/* Ethernet's padding is none of the payload. */
	err = skb->len == end ? 0 : bpf_skb_change_tail(skb, end, 0);
	if (err)
		return err;
	from = (packet->payload_offset + change->offset) & ~1u;
	before = payload_sum(skb, change, from, end);
	if (before < 0)
		return before;
	err = payload_write(skb, packet, change, end);
	if (err)
		return err;
	after = payload_sum(skb, change, from, packet->payload_offset + length);
	if (after < 0)
		return after;
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, 0,
				  (__u64)checksum_fold(after) + (__u16)~checksum_fold(before), 0);
	return err ? err : payload_lengths(skb, packet, length);
}

/*
 * Takes away the payload from `offset` on; a FIN comes after it, and must be cleared
 * with the header. Returns as payload_replace().
 */
static __always_inline int payload_cut(struct __sk_buff *skb, struct packet *packet,
				       struct payload_change *change, __u32 offset)
{
	if (offset >= packet->payload_length)
		return 0;
	change->offset = offset;
	change->removed = packet->payload_length - offset;
	change->length = 0;
	packet->cut = 1;
	return payload_replace(skb, packet, change);
}

/* How many bytes of payload the packet may have on the wire of a device, 0: its own. */
static __noinline __u32 payload_room(struct __sk_buff *skb, const struct packet *packet,
				     __u32 ifindex)
{
	__u32 headers = packet->payload_offset - packet->network_offset;
	__u32 mtu = 0;

	bpf_check_mtu(skb, ifindex, &mtu, 0, 0);
	return mtu > headers ? mtu - headers : 0;
}

#define PATCH_WORDS (FTPFIX_LINE_MAX / 8)

/* Scratch memory of one patch: the edit's text, and the same with what the payload has of it.
 * Twice as long as a text, for the verifier adds the largest offset to the largest size. */
struct patch {
	__u64 from[2 * PATCH_WORDS];
	__u64 to[2 * PATCH_WORDS];
};

static __always_inline int patch_changes(const struct patch *patch)
{
	__u64 difference = 0;

	for (int word = 0; word < PATCH_WORDS; word++)
		difference |= patch->from[word] ^ patch->to[word];
	return difference != 0;
}

/* The sum of the difference. TCP sums 16-bit words from its header on, and the payload begins at
 * a multiple of four: what begins at an odd offset there has its bytes the other way round. */
static __always_inline __s64 patch_sum(struct patch *patch, int odd)
{
	__s64 sum = bpf_csum_diff((__be32 *)patch->from, FTPFIX_LINE_MAX, (__be32 *)patch->to,
				  FTPFIX_LINE_MAX, 0);

	return odd && sum >= 0 ? __builtin_bswap16(checksum_fold(sum)) : sum;
}

/*
 * Writes into the payload what of an edit in place falls into it, so that a
 * retransmission gets the same bytes however it is cut. Returns 1 when bytes changed,
 * 0 when none did, or a negative error of the kernel, after which the packet must
 * not travel on.
 */
__global int payload_patch(struct __sk_buff *skb, const struct packet *packet, struct patch *patch,
			   const struct ftpfix_edit *edit)
{
	int offset, payload, first, end, err;
	__u32 skip, size;
	__s64 sum;

	if (!packet || !patch || !edit)
		return 0;
	offset = edit->in_sequence - packet->host_sequence;
	payload = packet->payload_length;
	first = offset < 0 ? 0 : offset;
	end = offset + (int)edit->extent.out_length;
	if (end > payload)
		end = payload;
	/* What is in front of the segment is not written. */
	skip = first - offset;
	size = first < end ? size_within(end - first, FTPFIX_LINE_MAX) : 0;
	if (!size)
		return 0;
	first += packet->payload_offset;
	__builtin_memcpy(patch->from, edit->text, FTPFIX_LINE_MAX);
	__builtin_memcpy(patch->to, edit->text, FTPFIX_LINE_MAX);
	/* Here, where it is used: Linux 6.1 does not know it of a copy that was made before. */
	barrier_var(skip);
	if (skip >= FTPFIX_LINE_MAX)
		return 0;
	err = bpf_skb_load_bytes(skb, first, (char *)patch->from + skip, size);
	if (err)
		return err;
	if (!patch_changes(patch))
		return 0;
	sum = patch_sum(patch, offset & 1);
	if (sum < 0)
		return sum;
	err = bpf_l4_csum_replace(skb, packet->transport_offset + TCP_CHECK_OFFSET, 0, sum, 0);
	if (!err)
		err = bpf_skb_store_bytes(skb, first, (char *)patch->to + skip, size, 0);
	return err ? err : 1;
}

#endif /* FTPFIX_PAYLOAD_H */
