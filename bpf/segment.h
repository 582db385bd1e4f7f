/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One packet of a control connection while it is read: brings its payload to the
 * scanner piece by piece, line by line. What the lines mean is not known here.
 */
#ifndef FTPFIX_SEGMENT_H
#define FTPFIX_SEGMENT_H

#include "draft.h"

struct segment {
	struct __sk_buff *skb;
	struct scratch *scratch;
	struct ftpfix_session *session;
	struct ftpfix_stream *stream; /* of the packet's direction */
	struct ftpfix_stream *peer;   /* of the other one */
	const struct ftpfix_service *service;
};

enum segment_step { SEGMENT_END, SEGMENT_MORE, SEGMENT_LINE };

/* More rounds than any segment of one byte a line needs. */
#define SEGMENT_ROUNDS_MAX (1 << 17)

/* Begins at `offset` of the payload with the scanner's state in the scratch. */
static __always_inline void segment_begin(struct segment *segment, __u32 offset)
{
	struct position *position = &segment->scratch->position;
	const struct packet *packet = &segment->scratch->packet;
	struct scratch *scratch = segment->scratch;

	scratch->chunk.length = 0;
	scratch->chunk.offset = 0;
	position->loaded = offset;
	position->line_start = offset;
	position->line_begun = scratch->scan.column;
	position->failed = 0;
	position->end = packet->payload_length;
}

static __always_inline int segment_load(struct segment *segment)
{
	struct position *position = &segment->scratch->position;
	const struct packet *packet = &segment->scratch->packet;
	struct ftp_chunk *chunk = &segment->scratch->chunk;
	__u32 size = packet->payload_length - position->loaded;

	if (position->loaded >= packet->payload_length)
		return -ENODATA;
	if (size > FTP_CHUNK_MAX)
		size = FTP_CHUNK_MAX;
	size = size_within(size, FTP_CHUNK_MAX);
	if (!size || bpf_skb_load_bytes(segment->skb, packet->payload_offset + position->loaded,
					chunk->bytes, size))
		return -ENODATA;
	position->loaded += size;
	chunk->length = size;
	chunk->offset = 0;
	return 0;
}

/* Scans on to the end of a line (SEGMENT_LINE) or of a chunk (SEGMENT_MORE). */
static __noinline int segment_step(struct segment *segment)
{
	struct ftp_chunk *chunk = &segment->scratch->chunk;

	if (chunk->offset >= chunk->length && segment_load(segment))
		return SEGMENT_END;
	return ftp_scan_line(&segment->scratch->scan, chunk) ? SEGMENT_LINE : SEGMENT_MORE;
}

/* The payload offset behind the last byte scanned. */
static __always_inline __u32 segment_scanned(const struct segment *segment)
{
	const struct position *position = &segment->scratch->position;
	const struct ftp_chunk *chunk = &segment->scratch->chunk;

	return position->loaded - (chunk->length - chunk->offset);
}

/* To be called when a line was done with. */
static __always_inline void segment_next_line(struct segment *segment)
{
	struct position *position = &segment->scratch->position;
	position->line_start = segment_scanned(segment);
	position->line_begun = 0;
	segment->stream->lines = 1;
}

/* The sequence number of the current line's first byte, in the input. */
static __always_inline __u32 segment_line_sequence(const struct segment *segment)
{
	const struct position *position = &segment->scratch->position;
	const struct packet *packet = &segment->scratch->packet;
	return packet->host_sequence + position->line_start - position->line_begun;
}

/* Says in the scratch where the current line, which has ended, stands. */
static __always_inline void segment_cross(const struct segment *segment)
{
	struct crossing *crossing = &segment->scratch->crossing;

	crossing->in_sequence = segment_line_sequence(segment);
	crossing->out_sequence =
		stream_output(segment->stream, crossing->from_client, crossing->in_sequence);
}

/*
 * Reads the announcement of this kind in the current line, which has ended, into
 * scratch->line. Returns as ftp_read() does.
 */
static __noinline int segment_read(struct scratch *scratch, enum ftp_kind kind)
{
	struct ftp_announcement *line = &scratch->line;
	const struct ftp_scan *scan = &scratch->scan;

	if (scan->column > FTPFIX_LINE_MAX)
		return -EBADMSG;
	__builtin_memcpy(line->text, scan->line, sizeof(line->text));
	line->length = scan->column;
	line->kind = kind;
	line->complete = 1;
	return ftp_read(line);
}

#endif /* FTPFIX_SEGMENT_H */
