/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The edits of one direction of a control connection, and what they do to its
 * sequence numbers: from those of the stream as it arrives (input) to those of the
 * stream as it goes on (output), and back for acknowledgements. Pure C; it knows
 * nothing of packets or of FTP.
 *
 * What is behind the newest edit has moved by what the stream itself says
 * (ftpfix_stream.shift): only for what is in front of that its draft is looked at.
 *
 * Both directions may be handled at the same time: the stream's own direction writes it
 * and its draft, the other one reads both to translate acknowledgements. So:
 * - an extent and a shift are read and written as one word each, and an edit counts once
 *   it is whole: whatever is read is from before a change, or from behind it;
 * - before anything in a draft is written over or the draft is deleted, the stream's
 *   serial changes, with a full barrier: another session may have the memory then. Whoever
 *   finds the serial as it was, behind a barrier of his own, has read nothing of that.
 */
#ifndef FTPFIX_SEQADJ_H
#define FTPFIX_SEQADJ_H

#include "ftpfix.h"
#include "loop.h"

/* The draft of a direction of the session that is looked at, or NULL; where drafts are
 * kept is its includer's to say. */
static inline struct ftpfix_draft *draft_find(int from_client);

/* Whether sequence number `one` stands behind `other` (RFC 9293 section 3.4). */
static inline int sequence_after(__u32 one, __u32 other)
{
	return (__s32)(one - other) > 0;
}

union seqadj_word {
	struct ftpfix_extent extent;
	struct ftpfix_shift shift;
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

static inline struct ftpfix_shift stream_shift(const struct ftpfix_stream *stream)
{
	union seqadj_word value;

	value.word = *(const volatile __u64 *)&stream->shift;
	return value.shift;
}

/* Whether the sequence numbers of the stream were ever moved, or can be. */
static inline int stream_edited(const struct ftpfix_stream *stream)
{
	return *(const volatile __u16 *)&stream->serial != 0;
}

/* Adds to the serial, with a full barrier before and behind. Returns what it was. */
static inline __u16 stream_renumber(struct ftpfix_stream *stream, __u16 by)
{
	struct ftpfix_stream addend = {.serial = by}, before;

	before.serial_word = __sync_fetch_and_add(&stream->serial_word, addend.serial_word);
	return before.serial;
}

/* The serial, with a full barrier before and behind. */
static inline __u16 stream_serial(struct ftpfix_stream *stream)
{
	return stream_renumber(stream, 0);
}

/* To be called before something in the draft is written over, or it is deleted. */
static inline void stream_forget(struct ftpfix_stream *stream)
{
	if (stream_edited(stream) && stream_renumber(stream, 1) == 0xffff)
		stream_renumber(stream, 1);
}

/* Where a byte behind the newest edit stands in the output. */
static inline __u32 stream_front(const struct ftpfix_stream *stream, __u32 in_sequence)
{
	return stream_edited(stream) ? in_sequence + stream_shift(stream).delta : in_sequence;
}

/* The edit that is `age` younger ones away from the newest; the caller has made sure
 * that there is one. */
static inline struct ftpfix_edit *draft_edit(struct ftpfix_draft *draft, __u32 edits, __u32 age)
{
	return &draft->edit[(edits - 1 - age) & (FTPFIX_EDITS_MAX - 1)];
}

static inline __u32 draft_output(struct ftpfix_draft *draft, __u32 delta, __u32 in_sequence)
{
	__u32 edits = *(volatile __u32 *)&draft->edits;

	for (__u32 age = 0; age < FTPFIX_EDITS_MAX && age < edits; age++) {
		const struct ftpfix_edit *edit = draft_edit(draft, edits, age);
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

/* stream_output() of a stream that was edited, by its draft or NULL. */
static inline __u32 stream_output_by(const struct ftpfix_stream *stream, struct ftpfix_draft *draft,
				     __u32 in_sequence)
{
	struct ftpfix_shift shift = stream_shift(stream);

	if (!draft || !sequence_after(shift.in_sequence, in_sequence))
		return in_sequence + shift.delta;
	return draft_output(draft, shift.delta, in_sequence);
}

/*
 * Where a byte of the input stands in the output. What was replaced as a whole
 * stands where its replacement begins. To be asked by the stream's own direction.
 */
__global __u32 stream_output(struct ftpfix_stream *stream, int from_client, __u32 in_sequence)
{
	if (!stream || !stream_edited(stream))
		return in_sequence;
	if (!sequence_after(stream_shift(stream).in_sequence, in_sequence))
		return in_sequence + stream_shift(stream).delta;
	return stream_output_by(stream, draft_find(from_client), in_sequence);
}

/* Which input an acknowledgement inside of a replacement stands for. */
enum seqadj_bound {
	SEQADJ_ACKNOWLEDGED, /* the least: no more than has surely arrived */
	SEQADJ_BLOCK_START,  /* the most: a SACK block (RFC 2018) says no more than is true */
};

static inline __u32 draft_input(struct ftpfix_draft *draft, __u32 delta, __u32 out_sequence,
				enum seqadj_bound bound)
{
	__u32 edits = *(volatile __u32 *)&draft->edits;

	for (__u32 age = 0; age < FTPFIX_EDITS_MAX && age < edits; age++) {
		const struct ftpfix_edit *edit = draft_edit(draft, edits, age);
		struct ftpfix_extent extent = edit_extent(edit);
		__u32 offset = out_sequence - edit->out_sequence;

		if (sequence_after(edit->out_sequence, out_sequence)) {
			delta = edit->out_sequence - edit->in_sequence;
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
	return out_sequence - delta;
}

/* How often a reader looks again when what it read was forgotten meanwhile: for each time
 * the other CPU must have handled a packet. */
#define SEQADJ_TRIES_MAX 4

/*
 * The input that is acknowledged with a number of the output. Bytes that were held
 * back count with the byte in front of them: their sender is done with them, and
 * the bytes that it still keeps bring them back (see stream_hold()).
 *
 * What is in front of all that is remembered was acknowledged before: it may become any
 * number that is in front of that in the input, too.
 */
__global __u32 stream_input(struct ftpfix_stream *stream, int from_client, __u32 out_sequence,
			    enum seqadj_bound bound)
{
	__u32 in_sequence = out_sequence;

	if (!stream || !stream_edited(stream))
		return out_sequence;
	for (int try = 0; try < SEQADJ_TRIES_MAX; try++) {
		__u16 serial = stream_serial(stream);
		struct ftpfix_shift shift = stream_shift(stream);
		struct ftpfix_draft *draft;

		in_sequence = out_sequence - shift.delta;
		if (!sequence_after(shift.in_sequence, in_sequence))
			break;
		draft = draft_find(from_client);
		if (draft)
			in_sequence = draft_input(draft, shift.delta, out_sequence, bound);
		if (stream_serial(stream) == serial)
			break;
	}
	return in_sequence;
}

/* The first byte from `in_sequence` on that edits are remembered of, of a stream that was edited
 * and has this draft or NULL: what is before it was acknowledged by its receiver. To be
 * asked by the stream's own direction. */
static inline __u32 stream_known(const struct ftpfix_stream *stream,
				 const struct ftpfix_draft *draft, __u32 in_sequence)
{
	__u32 floor = stream_shift(stream).in_sequence;

	if (!sequence_after(floor, in_sequence))
		return in_sequence;
	if (!draft)
		return floor;
	return draft->floored && sequence_after(draft->floor, in_sequence) ? draft->floor
									   : in_sequence;
}

/* The byte of the output in front of stream_known(), where that is further on than what it
 * was asked for. */
__global int stream_known_last(struct ftpfix_stream *stream, int from_client)
{
	struct ftpfix_draft *draft;

	if (!stream)
		return 0;
	draft = draft_find(from_client);
	return draft ? draft->last : stream->last;
}

/* What a new draft of the stream begins with. */
static inline void draft_begin(struct ftpfix_draft *draft, const struct ftpfix_stream *stream)
{
	draft->edits = 0;
	draft->floor = stream_shift(stream).in_sequence;
	draft->floored = stream_edited(stream);
	draft->last = stream->last;
	draft->ended = 0;
}

/*
 * Whether nothing in the stream's draft is needed any more: its receiver, who speaks in
 * `peer`, has acknowledged all edits, with a number that it can have been sent, and no
 * line has begun.
 */
static inline int draft_done(const struct ftpfix_stream *stream, const struct ftpfix_stream *peer)
{
	struct ftpfix_shift shift = stream_shift(stream);
	__u32 sent = stream->next_sequence - shift.in_sequence + stream->finished;

	if (stream->holding || stream->column)
		return 0;
	if (!stream_edited(stream))
		return 1;
	return peer->acknowledging &&
	       peer->acknowledged - (shift.in_sequence + shift.delta) <= sent;
}

/* Whether there is a slot for one more edit, which the oldest one may leave: its receiver, who
 * speaks in `peer`, must have acknowledged it. */
static inline int draft_has_room(struct ftpfix_draft *draft, const struct ftpfix_stream *peer)
{
	const struct ftpfix_edit *oldest = &draft->edit[draft->edits & (FTPFIX_EDITS_MAX - 1)];

	return draft->edits < FTPFIX_EDITS_MAX || !peer->acknowledging ||
	       !sequence_after(oldest->out_sequence + oldest->extent.out_length,
			       peer->acknowledged);
}

/* The last byte of an edit's output. Where there is none yet, the edit is the start of a line
 * that is kept back, behind another line. */
static inline char edit_last(const struct ftpfix_edit *edit)
{
	__u32 length = edit_extent(edit).out_length;

	return length ? edit->text[(length - 1) & (FTPFIX_LINE_MAX - 1)] : '\n';
}

/* The slot for one more edit, which draft_has_room() has said there is. It counts from
 * draft_add() on. */
static inline struct ftpfix_edit *draft_slot(struct ftpfix_draft *draft,
					     struct ftpfix_stream *stream)
{
	struct ftpfix_edit *slot = &draft->edit[draft->edits & (FTPFIX_EDITS_MAX - 1)];

	if (draft->edits < FTPFIX_EDITS_MAX)
		return slot;
	draft->floor = slot->in_sequence + slot->extent.in_length;
	draft->floored = 1;
	draft->last = edit_last(slot);
	stream_forget(stream);
	return slot;
}

/* Says in the stream where its newest edit ends now. With a full barrier: who sees it sees
 * the edit, too. */
static inline void stream_settle(struct ftpfix_stream *stream, const struct ftpfix_edit *edit)
{
	struct ftpfix_extent extent = edit_extent(edit);
	union seqadj_word value;

	value.shift.in_sequence = edit->in_sequence + extent.in_length;
	value.shift.delta = edit->out_sequence + extent.out_length - value.shift.in_sequence;
	stream->last = edit_last(edit);
	__sync_lock_test_and_set((__u64 *)&stream->shift, value.word);
	if (!stream_edited(stream))
		stream_renumber(stream, 1);
}

static inline void draft_add(struct ftpfix_draft *draft, struct ftpfix_stream *stream,
			     const struct ftpfix_edit *edit)
{
	/* A full barrier: what the slot holds is seen before it counts. */
	__sync_fetch_and_add(&draft->edits, 1);
	stream_settle(stream, edit);
}

/*
 * Keeps the start of a line back: `length` bytes from in_sequence on, below
 * FTPFIX_LINE_MAX. They become an edit without output, so that what was acknowledged
 * in front of them acknowledges them. Returns 1, or 0 when no slot is free.
 */
static inline int stream_hold(struct ftpfix_stream *stream, struct ftpfix_draft *draft,
			      const struct ftpfix_stream *peer, __u32 in_sequence, __u32 length)
{
	struct ftpfix_extent extent = {.in_length = length, .held = length};
	struct ftpfix_edit *edit;

	if (stream->holding) {
		edit = draft_edit(draft, draft->edits, 0);
		edit_set_extent(edit, extent);
		stream_settle(stream, edit);
		return 1;
	}
	if (!draft_has_room(draft, peer))
		return 0;
	edit = draft_slot(draft, stream);
	edit->out_sequence = stream_front(stream, in_sequence);
	edit->in_sequence = in_sequence;
	edit_set_extent(edit, extent);
	draft_add(draft, stream, edit);
	stream->holding = 1;
	return 1;
}

/*
 * Gives the line that is kept back its output, whose text stands in the newest edit
 * already: `in_length` bytes became `out_length`. The last of them must not have been
 * held: the segment that brings it is what carries the output.
 */
static inline void stream_release(struct ftpfix_stream *stream, struct ftpfix_draft *draft,
				  __u32 in_length, __u32 out_length)
{
	struct ftpfix_edit *edit = draft_edit(draft, draft->edits, 0);
	struct ftpfix_extent extent = edit_extent(edit);

	extent.in_length = in_length;
	extent.out_length = out_length;
	edit_set_extent(edit, extent);
	stream_settle(stream, edit);
	stream->holding = 0;
}

#endif /* FTPFIX_SEQADJ_H */
