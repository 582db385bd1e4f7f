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

/* Whether a line can be edited: enum line_room. */
enum line_room {
	LINE_ROOM_NONE,	 /* the table of drafts is full */
	LINE_ROOM_LATER, /* once its receiver has acknowledged more */
	LINE_ROOM_NOW,
};

__global int line_room(struct ftpfix_stream *stream, const struct ftpfix_stream *peer)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_draft *draft;

	if (!scratch || !stream || !peer)
		return LINE_ROOM_NONE;
	if (stream->holding)
		return LINE_ROOM_NOW;
	draft = draft_need(scratch, stream);
	if (!draft)
		return LINE_ROOM_NONE;
	return draft_has_room(draft, peer) ? LINE_ROOM_NOW : LINE_ROOM_LATER;
}

/* Counts an announcement that cannot be remembered, and so not edited either. */
static __always_inline void line_full(struct segment *segment)
{
	report(FTPFIX_ANNOUNCEMENT_TABLE_FULL, &segment->scratch->crossing.key, NULL, NULL);
}

/* Whether the current line can be edited now. Where its draft is full, it comes again;
 * where it has none, it passes. */
static __always_inline int line_ready(struct segment *segment)
{
	int room = line_room(segment->stream, segment->peer);

	if (room == LINE_ROOM_LATER)
		line_wait(segment);
	if (room == LINE_ROOM_NONE)
		line_full(segment);
	return room == LINE_ROOM_NOW;
}

/* The same for a line that must not pass as it is. */
static __always_inline int line_ready_or_again(struct segment *segment)
{
	int room = line_room(segment->stream, segment->peer);

	if (room == LINE_ROOM_NONE)
		line_full(segment);
	if (room != LINE_ROOM_NOW)
		line_wait(segment);
	return room == LINE_ROOM_NOW;
}

struct line_loop {
	const struct ftp_scan *scan;
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
static __noinline void line_release(struct scratch *scratch, struct ftpfix_stream *stream,
				    struct ftpfix_draft *draft)
{
	struct line_loop loop = {
		.scan = &scratch->scan,
		.change = &scratch->edit,
		.edit = draft_edit(draft, draft->edits, 0),
		.in_length = scratch->scan.column,
		.out_length = each_zero,
	};

	if (loop.in_length > FTPFIX_LINE_MAX)
		loop.in_length = FTPFIX_LINE_MAX;
	bpf_loop(FTPFIX_LINE_MAX, line_byte, &loop, 0);
	stream_release(stream, draft, loop.in_length, loop.out_length);
}

/*
 * Makes scratch->edit, of the current line, an edit of its stream; line_ready() has said
 * that it can be. Returns 0, or -EINVAL when a pointer is NULL or the draft is not there.
 */
__global int line_edit(struct ftpfix_stream *stream)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_extent extent = {};
	const struct ftp_edit *change;
	struct ftpfix_draft *draft;
	struct ftpfix_edit *edit;
	__u32 in_sequence;

	if (!scratch || !stream)
		return -EINVAL;
	draft = draft_find(scratch->crossing.from_client);
	if (!draft)
		return -EINVAL;
	if (stream->holding) {
		line_release(scratch, stream, draft);
		return 0;
	}
	edit = draft_slot(draft, stream);
	change = &scratch->edit;
	in_sequence = scratch->crossing.in_sequence + change->offset;
	extent.in_length = change->removed;
	extent.out_length = change->length;
	extent.in_place = change->removed == change->length;
	edit->out_sequence = stream_front(stream, in_sequence);
	edit->in_sequence = in_sequence;
	__builtin_memcpy(edit->text, change->text, sizeof(edit->text));
	edit_set_extent(edit, extent);
	draft_add(draft, stream, edit);
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
	line_edit(segment->stream);
}

/* Keeps the start of a line back, in the draft that line_room() has made. Returns 0 or
 * -ENOSPC. */
__global int line_keep_back(struct ftpfix_stream *stream, const struct ftpfix_stream *peer,
			    __u32 in_sequence)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_draft *draft;

	if (!scratch || !stream || !peer)
		return -ENOSPC;
	draft = draft_find(scratch->crossing.from_client);
	if (!draft || !stream_hold(stream, draft, peer, in_sequence, scratch->scan.column))
		return -ENOSPC;
	return 0;
}

/* Keeps the unfinished line at the segment's end back; it may be a command that is to be
 * judged, or else one that may pass. */
static __always_inline void line_hold(struct segment *segment, int judged)
{
	if (!(judged ? line_ready_or_again(segment) : line_ready(segment)))
		return;
	if (line_keep_back(segment->stream, segment->peer, segment_line_sequence(segment)))
		segment->scratch->position.failed = 1;
	else
		count(FTPFIX_PACKET_KEPT_BACK);
}

/* Takes up the line that an earlier segment has begun. Where its start was not kept, its
 * text reads as zero bytes. */
static __noinline void line_resume(struct scratch *scratch, const struct ftpfix_stream *stream)
{
	struct ftp_scan *scan = &scratch->scan;
	struct ftpfix_draft *draft = NULL;

	scan->column = stream->column;
	scan->multiline = stream->multiline;
	if (scan->column && stream->drafted)
		draft = draft_find(scratch->crossing.from_client);
	if (draft)
		__builtin_memcpy(scan->line, draft->line, sizeof(scan->line));
	else
		__builtin_memset(scan->line, 0, sizeof(scan->line));
}

/* Keeps where the scanner stands, and the start of the line whose end has not come. Where
 * there is no room for it, the line is known to be too long to be read. */
static __noinline void line_suspend(struct scratch *scratch, struct ftpfix_stream *stream)
{
	const struct ftp_scan *scan = &scratch->scan;
	struct ftpfix_draft *draft;

	stream->multiline = scan->multiline;
	stream->column = scan->column;
	if (!scan->column || stream->column == FTPFIX_COLUMN_MAX)
		return;
	draft = draft_need(scratch, stream);
	if (draft)
		__builtin_memcpy(draft->line, scan->line, sizeof(draft->line));
	else
		stream->column = FTPFIX_COLUMN_MAX;
}

/* Whether the start of the line that has ended was lost. */
static __always_inline int line_lost(const struct ftp_scan *scan)
{
	return scan->column && !scan->line[0];
}

#endif /* FTPFIX_LINE_H */
