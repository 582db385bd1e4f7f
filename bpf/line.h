/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns what was decided about the current line of a segment into an edit of its
 * stream, and keeps lines back that are not decided yet. Packets are changed later.
 */
#ifndef FTPFIX_LINE_H
#define FTPFIX_LINE_H

#include "segment.h"
#include "counter.h"

/* Leaves the current line, and what is behind it, to come again. A line that began in an
 * earlier segment is the first one of this. */
static __always_inline void line_again(struct segment *segment)
{
	struct position *position = &segment->scratch->position;

	if (position->line_begun || !position->line_start) {
		position->failed = 1;
		return;
	}
	position->end = position->line_start;
	ftp_scan_command_done(&segment->scratch->scan);
}

/* The same, while there is no slot for an edit of the line. */
static __always_inline void line_wait(struct segment *segment)
{
	line_again(segment);
	if (segment->scratch->position.failed)
		count(FTPFIX_PACKET_HELD);
}

/* Whether the current line can be edited now: its edit has a slot already, or there is
 * a free one. Where not, it comes again, once its receiver has acknowledged more. */
static __always_inline int line_ready(struct segment *segment)
{
	if (segment->stream->holding || stream_slot(segment->stream, segment->peer))
		return 1;
	line_wait(segment);
	return 0;
}

struct line_loop {
	const struct ftpfix_scan *scan;
	const struct ftp_edit *change;
	struct ftpfix_edit *edit;
	__u32 in_length;
	__u32 out_length;
};

/* One byte of a whole line with its change in it. */
static inline long line_byte(__u32 index, void *context)
{
	struct line_loop *loop = context;
	const struct ftp_edit *change = loop->change;
	__u32 from = index, out = loop->out_length;
	char byte;

	if (index >= change->offset && index < change->offset + change->length) {
		from = index - change->offset;
		byte = from < FTPFIX_LINE_MAX ? change->text[from] : 0;
	} else {
		if (index >= change->offset)
			from = index - change->length + change->removed;
		if (from >= loop->in_length || from >= FTPFIX_LINE_MAX)
			return 1;
		byte = loop->scan->line[from];
	}
	if (out >= FTPFIX_LINE_MAX)
		return 1;
	loop->edit->text[out] = byte;
	loop->out_length = out + 1;
	return 0;
}

/*
 * Lets the line go on that is kept back, with scratch->edit in it. What of it is beyond
 * FTPFIX_LINE_MAX was never kept back.
 */
static __noinline void line_release(struct scratch *scratch, struct ftpfix_stream *stream)
{
	struct line_loop loop = {
		.scan = &scratch->scan,
		.change = &scratch->edit,
		.edit = stream_edit(stream, stream->edits, 0),
		.in_length = scratch->scan.column,
	};

	if (loop.in_length > FTPFIX_LINE_MAX)
		loop.in_length = FTPFIX_LINE_MAX;
	bpf_loop(FTPFIX_LINE_MAX, line_byte, &loop, 0);
	stream_release(stream, loop.in_length, loop.out_length);
}

/*
 * Makes scratch->edit, of the current line, an edit of its stream; line_ready() has said
 * that it can be. Returns 0, or -EINVAL when a pointer is NULL.
 */
__global int line_edit(struct ftpfix_stream *stream, const struct ftpfix_stream *peer)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_extent extent = {};
	const struct ftp_edit *change;
	struct ftpfix_edit *edit;
	__u32 in_sequence;

	if (!scratch || !stream || !peer)
		return -EINVAL;
	if (stream->holding) {
		line_release(scratch, stream);
		return 0;
	}
	edit = stream_slot(stream, peer);
	if (!edit)
		return 0;
	change = &scratch->edit;
	in_sequence = scratch->crossing.in_sequence + change->offset;
	extent.in_length = change->removed;
	extent.out_length = change->length;
	extent.in_place = change->removed == change->length;
	edit->out_sequence = stream_output(stream, in_sequence);
	edit->in_sequence = in_sequence;
	__builtin_memcpy(edit->text, change->text, sizeof(edit->text));
	edit_set_extent(edit, extent);
	stream_add(stream);
	return 0;
}

/* Lets the current line go on as it is. */
static __always_inline void line_pass(struct segment *segment)
{
	struct ftp_edit *change = &segment->scratch->edit;

	if (!segment->stream->holding)
		return;
	change->offset = 0;
	change->removed = 0;
	change->length = 0;
	line_edit(segment->stream, segment->peer);
}

/* Keeps the unfinished line at the segment's end back. */
static __always_inline void line_hold(struct segment *segment)
{
	if (stream_hold(segment->stream, segment->peer, segment_line_sequence(segment),
			segment->scratch->scan.column))
		count(FTPFIX_PACKET_KEPT_BACK);
	else
		line_wait(segment);
}

#endif /* FTPFIX_LINE_H */
