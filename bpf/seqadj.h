/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The edits of one direction of a control connection, and what they do to its
 * sequence numbers: from those of the stream as it arrives (input) to those of the
 * stream as it goes on (output), and back for acknowledgements. Pure C; it knows
 * nothing of packets or of FTP.
 *
 * Both directions may be handled at the same time: the stream's own direction
 * writes its edits, the other one reads them to translate acknowledgements. So an
 * extent is read and written as one word, and an edit counts once it is whole.
 */
#ifndef FTPFIX_SEQADJ_H
#define FTPFIX_SEQADJ_H

#include "ftpfix.h"
#include "loop.h"

/* Whether sequence number `one` stands behind `other` (RFC 9293 section 3.4). */
static inline int sequence_after(__u32 one, __u32 other)
{
	return (__s32)(one - other) > 0;
}

union seqadj_word {
	struct ftpfix_extent extent;
	__u64 word;
};

static inline struct ftpfix_extent edit_extent(const struct ftpfix_edit *edit)
{
	union seqadj_word value;

	value.word = *(const volatile __u64 *)&edit->extent;
	return value.extent;
}

static inline void edit_set_extent(struct ftpfix_edit *edit, struct ftpfix_extent extent)
{
	union seqadj_word value = {.extent = extent};

	*(volatile __u64 *)&edit->extent = value.word;
}

/* The edit that is `age` younger ones away from the newest; the caller has made sure
 * that there is one. */
static inline struct ftpfix_edit *stream_edit(struct ftpfix_stream *stream, __u32 edits, __u32 age)
{
	return &stream->edit[(edits - 1 - age) & (FTPFIX_EDITS_MAX - 1)];
}

/*
 * Where a byte of the input stands in the output. What was replaced as a whole
 * stands where its replacement begins.
 */
__global __u32 stream_output(struct ftpfix_stream *stream, __u32 in_sequence)
{
	__u32 edits, delta = 0;

	if (!stream)
		return in_sequence;
	edits = *(volatile __u32 *)&stream->edits;

	for (__u32 age = 0; age < FTPFIX_EDITS_MAX && age < edits; age++) {
		const struct ftpfix_edit *edit = stream_edit(stream, edits, age);
		struct ftpfix_extent extent = edit_extent(edit);
		__u32 offset = in_sequence - edit->in_sequence;

		if (sequence_after(edit->in_sequence, in_sequence)) {
			delta = edit->out_sequence - edit->in_sequence;
			continue;
		}
		if (offset >= extent.in_length)
			return edit->out_sequence + extent.out_length + offset - extent.in_length;
		return edit->out_sequence + (extent.in_place ? offset : 0);
	}
	return in_sequence + delta;
}

/* Which input an acknowledgement inside of a replacement stands for. */
enum seqadj_bound {
	SEQADJ_ACKNOWLEDGED, /* the least: no more than has surely arrived */
	SEQADJ_BLOCK_START,  /* the most: a SACK block (RFC 2018) says no more than is true */
};

/*
 * The input that is acknowledged with a number of the output. Bytes that were held
 * back count with the byte in front of them: their sender is done with them, and
 * the bytes that it still keeps bring them back (see stream_hold()).
 */
__global __u32 stream_input(struct ftpfix_stream *stream, __u32 out_sequence,
			    enum seqadj_bound bound)
{
	__u32 edits, delta = 0;

	if (!stream)
		return out_sequence;
	edits = *(volatile __u32 *)&stream->edits;

	for (__u32 age = 0; age < FTPFIX_EDITS_MAX && age < edits; age++) {
		const struct ftpfix_edit *edit = stream_edit(stream, edits, age);
		struct ftpfix_extent extent = edit_extent(edit);
		__u32 offset = out_sequence - edit->out_sequence;

		if (sequence_after(edit->out_sequence, out_sequence)) {
			delta = edit->in_sequence - edit->out_sequence;
			continue;
		}
		if (offset >= extent.out_length)
			return edit->in_sequence + extent.in_length + offset - extent.out_length;
		if (extent.in_place)
			return edit->in_sequence + offset;
		if (offset && bound == SEQADJ_BLOCK_START)
			return edit->in_sequence + extent.in_length;
		return edit->in_sequence + extent.held;
	}
	return out_sequence + delta;
}

/* Where the input begins that edits are remembered of: what is before it was
 * acknowledged by its receiver. Only for a stream that reused a slot. */
static inline int stream_has_floor(const struct ftpfix_stream *stream)
{
	return stream->edits > FTPFIX_EDITS_MAX;
}

/* Whether the sequence numbers of the stream were ever moved, or can be. */
static inline int stream_edited(const struct ftpfix_stream *stream)
{
	return stream->edits != 0;
}

/*
 * The slot for one more edit, or NULL while the oldest edit is still needed: its
 * receiver, who speaks in `peer`, has not acknowledged it yet. The slot counts from
 * stream_add() on.
 */
static inline struct ftpfix_edit *stream_slot(struct ftpfix_stream *stream,
					      const struct ftpfix_stream *peer)
{
	struct ftpfix_edit *slot = &stream->edit[stream->edits & (FTPFIX_EDITS_MAX - 1)];

	if (stream->edits < FTPFIX_EDITS_MAX)
		return slot;
	if (peer->acknowledging &&
	    sequence_after(slot->out_sequence + slot->extent.out_length, peer->acknowledged))
		return 0;
	stream->floor = slot->in_sequence + slot->extent.in_length;
	return slot;
}

static inline void stream_add(struct ftpfix_stream *stream)
{
	/* A full barrier: what the slot holds is seen before it counts. */
	__sync_fetch_and_add(&stream->edits, 1);
}

/*
 * Keeps the start of a line back: `length` bytes from in_sequence on, below
 * FTPFIX_LINE_MAX. They become an edit without output, so that what was acknowledged
 * in front of them acknowledges them. Returns 1, or 0 when no slot is free.
 */
static inline int stream_hold(struct ftpfix_stream *stream, const struct ftpfix_stream *peer,
			      __u32 in_sequence, __u32 length)
{
	struct ftpfix_extent extent = {.in_length = length, .held = length};
	struct ftpfix_edit *edit;

	if (stream->holding) {
		edit_set_extent(stream_edit(stream, stream->edits, 0), extent);
		return 1;
	}
	edit = stream_slot(stream, peer);
	if (!edit)
		return 0;
	edit->out_sequence = stream_output(stream, in_sequence);
	edit->in_sequence = in_sequence;
	edit_set_extent(edit, extent);
	stream_add(stream);
	stream->holding = 1;
	return 1;
}

/*
 * Gives the line that is kept back its output, whose text stands in the newest edit
 * already: `in_length` bytes became `out_length`. The last of them must not have been
 * held: the segment that brings it is what carries the output.
 */
static inline void stream_release(struct ftpfix_stream *stream, __u32 in_length, __u32 out_length)
{
	struct ftpfix_edit *edit = stream_edit(stream, stream->edits, 0);
	struct ftpfix_extent extent = edit_extent(edit);

	extent.in_length = in_length;
	extent.out_length = out_length;
	edit_set_extent(edit, extent);
	stream->holding = 0;
}

#endif /* FTPFIX_SEQADJ_H */
