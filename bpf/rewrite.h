/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Applies the edits of a stream to one of its packets, by sequence numbers alone: what
 * is sent again, in whatever pieces, gets the same bytes again. What is to be edited
 * was decided before.
 */
#ifndef FTPFIX_REWRITE_H
#define FTPFIX_REWRITE_H

#include "counter.h"
#include "scratch.h"
#include "tcp_adjust.h"

/*
 * Makes scratch->change. Where the packet would exceed its device's MTU, its end is left
 * for its sender to send again; what cannot be written at all then is left with it.
 * Returns 0 or a negative error, after which the packet must not travel on.
 */
static __noinline int rewrite_change(struct __sk_buff *skb, struct packet *packet,
				     struct payload_change *change)
{
	__u32 room = payload_room(skb, packet, 0), offset = change->offset;
	__u32 removed = change->removed, length = change->length;
	__s32 keep = (__s32)room - ((__s32)length - (__s32)removed);
	int fits = keep >= (__s32)(offset + removed), err;

	if ((__s32)packet->payload_length <= keep)
		return payload_replace(skb, packet, change);
	count(FTPFIX_PACKET_CUT);
	if (!fits)
		keep = offset < room ? offset : room;
	if (keep <= 0 && !fits)
		return -EMSGSIZE;
	err = payload_cut(skb, packet, change, keep);
	if (err || !fits)
		return err;
	change->offset = offset;
	change->removed = removed;
	change->length = length;
	return payload_replace(skb, packet, change);
}

/* Applies one edit to what of its input is in the packet. Returns 1 when that changed
 * something, 0 when not, or an error as rewrite_change() does. */
__global int rewrite_edit(struct __sk_buff *skb, struct packet *packet,
			  const struct ftpfix_edit *edit)
{
	struct scratch *scratch = scratch_memory();
	struct payload_change *change;
	struct ftpfix_extent extent;
	__s32 start, end, payload;
	int err;

	if (!scratch || !packet || !edit)
		return -EINVAL;
	change = &scratch->change;
	extent = edit_extent(edit);
	payload = packet->payload_length;
	start = edit->in_sequence - packet->host_sequence;
	end = start + extent.in_length;
	if (start < 0)
		start = 0;
	if (end > payload)
		end = payload;
	if (start >= end)
		return 0;
	if (extent.in_place)
		return payload_patch(skb, packet, &scratch->patch, edit);
	change->offset = start;
	change->removed = end - start;
	change->length = extent.out_length;
	__builtin_memcpy(change->text, edit->text, sizeof(change->text));
	err = rewrite_change(skb, packet, change);
	return err ? err : 1;
}

/* Whether the edit is older than this packet. */
static __always_inline int rewrite_repeats(const struct scratch *scratch,
					   const struct ftpfix_stream *stream,
					   const struct ftpfix_edit *edit, __u32 age)
{
	return !sequence_after(edit->in_sequence + edit->extent.in_length,
			       scratch->position.known) &&
	       !(stream->holding && !age);
}

/*
 * Applies the edits, the newest first, so that those before it stay where they are. Returns
 * 0 or an error as rewrite_change() does.
 */
static __noinline int rewrite_payload(struct __sk_buff *skb, struct scratch *scratch,
				      struct ftpfix_stream *stream, struct ftpfix_draft *draft)
{
	struct payload_change *change = &scratch->change;
	__u32 stale;

	for (__u32 age = 0; draft && age < FTPFIX_EDITS_MAX && age < draft->edits; age++) {
		struct ftpfix_edit *edit = draft_edit(draft, draft->edits, age);
		int err = rewrite_edit(skb, &scratch->packet, edit);

		if (err < 0)
			return err;
		if (err && rewrite_repeats(scratch, stream, edit, age))
			count(FTPFIX_ANNOUNCEMENT_REPEATED);
	}
	stale = scratch->position.stale;
	if (!stale)
		return 0;
	/* Its receiver has it, and what was written into it is forgotten. */
	if (stale > scratch->packet.payload_length)
		stale = scratch->packet.payload_length;
	change->offset = 0;
	change->removed = stale;
	change->length = 0;
	return payload_replace(skb, &scratch->packet, change);
}

/*
 * A packet whose payload was kept back, or is known to its receiver, goes on as one
 * byte that the receiver has: it is acknowledged at once (RFC 9293 section 3.10.7.4),
 * and with it what was kept back, so that the sender goes on. Before the first line
 * there is no such byte; an empty segment in front of the next byte does the same.
 */
static __noinline int rewrite_probe(struct __sk_buff *skb, struct scratch *scratch,
				    struct ftpfix_stream *stream)
{
	struct payload_change *change = &scratch->change;

	if (!stream->lines)
		return 0;
	change->offset = 0;
	change->removed = 0;
	change->length = 1;
	change->text[0] = '\n';
	if (scratch->position.stale)
		change->text[0] = stream_known_last(stream, scratch->crossing.from_client);
	return payload_replace(skb, &scratch->packet, change);
}

/*
 * Where the packet in the scratch, which begins in front of the newest edit, begins in the output,
 * without what is forgotten of it, which is noted there. What would end the connection from in
 * front of that is a stranger's, or was overtaken, and stays as far in front (RFC 5961 section 3):
 * a reset by where it begins, a FIN by where it stands.
 */
__global __u32 rewrite_sequence(struct ftpfix_stream *stream, __u32 in_sequence)
{
	struct scratch *scratch = scratch_memory();
	__u32 known, sequence, stale, payload;
	struct ftpfix_draft *draft;

	if (!scratch || !stream)
		return in_sequence;
	draft = stream->drafted ? draft_find(scratch->crossing.from_client) : NULL;
	known = stream_known(stream, draft, in_sequence);
	sequence = stream_output_by(stream, draft, known);
	stale = known - in_sequence;
	payload = scratch->packet.payload_length;
	if (scratch->packet.flags & TCP_RST) {
		sequence -= stale;
		stale = 0;
	} else if (scratch->packet.flags & TCP_FIN && stale > payload) {
		sequence -= stale - payload;
	}
	scratch->position.stale = stale;
	return sequence;
}

/*
 * Applies what the two streams of a session remember to a packet of the first one, whose
 * numbers then are those that it goes on with.
 * Returns 0 or a negative error, after which the packet must not travel on.
 */
static __always_inline int rewrite_packet(struct __sk_buff *skb, struct packet *packet,
					  struct ftpfix_stream *stream, struct ftpfix_stream *peer)
{
	__u32 sequence, acknowledgement, payload = packet->payload_length;
	struct scratch *scratch = scratch_memory();
	int from_client, edits, err = 0;

	if (!scratch || (!stream_edited(stream) && !stream_edited(peer) && !packet->cut))
		return 0;
	from_client = scratch->crossing.from_client;
	scratch->position.stale = 0;
	/* What is behind the newest edit has only moved. */
	edits = stream_edited(stream) &&
		sequence_after(stream_shift(stream).in_sequence, packet->host_sequence);
	sequence = edits ? rewrite_sequence(stream, packet->host_sequence)
			 : stream_front(stream, packet->host_sequence);
	/* A keepalive, or a probe of a zero window, stands one byte before what comes next:
	 * among what is kept back, or forgotten, it would ask for nothing. */
	if (!payload && !(packet->flags & (TCP_FIN | TCP_RST)) &&
	    (scratch->position.stale ||
	     (stream->holding && sequence_after(stream->next_sequence, packet->host_sequence))))
		sequence--;
	acknowledgement =
		stream_input(peer, !from_client, packet->host_acknowledgement, SEQADJ_ACKNOWLEDGED);
	if (payload && edits)
		err = rewrite_payload(skb, scratch, stream,
				      stream->drafted ? draft_find(from_client) : NULL);
	if (!err && payload && !packet->payload_length && !(packet->flags & (TCP_FIN | TCP_RST))) {
		sequence--;
		err = rewrite_probe(skb, scratch, stream);
	}
	if (!err && (packet->cut || sequence != packet->host_sequence ||
		     acknowledgement != packet->host_acknowledgement))
		err = tcp_adjust_numbers(skb, packet, sequence, acknowledgement);
	packet->host_sequence = sequence;
	packet->host_acknowledgement = acknowledgement;
	if (!err && stream_edited(peer))
		err = tcp_adjust_sack(skb, packet, peer, !from_client, &scratch->options);
	return err;
}

#endif /* FTPFIX_REWRITE_H */
