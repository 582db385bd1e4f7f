/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks the lines of one TCP segment: brings its payload to the scanner piece by
 * piece, and copies out the line that the scanner stopped at. What the lines
 * mean is not known here.
 */
#ifndef FTPFIX_SEGMENT_H
#define FTPFIX_SEGMENT_H

#include "scratch.h"

struct segment {
	struct __sk_buff *skb;
	const struct packet *packet;
	struct scratch *scratch;
	struct ftpfix_session *session; /* NULL where none is kept */
	__u32 loaded;			/* offset in the payload where the chunk ends */
	__u32 line_start;		/* offset in the payload where the current line starts */
	__u32 line_begun;		/* its bytes before this segment; 0: line_start is valid */
	__u32 dropped;			/* 1: the packet must not travel on */
};

enum segment_step { SEGMENT_END, SEGMENT_MORE, SEGMENT_LINE };

/* More rounds than any segment of one byte a line needs. */
#define SEGMENT_ROUNDS_MAX (1 << 17)

/* Begins at `offset` of the payload with the scanner's state in the scratch. */
static __always_inline void segment_begin(struct segment *segment, __u32 offset)
{
	struct scratch *scratch = segment->scratch;

	scratch->chunk.length = 0;
	scratch->chunk.offset = 0;
	segment->loaded = offset;
	segment->line_start = offset;
	segment->line_begun = scratch->scan.column;
}

static __always_inline int segment_load(struct segment *segment)
{
	const struct packet *packet = segment->packet;
	struct ftp_chunk *chunk = &segment->scratch->chunk;
	__u32 size = packet->payload_length - segment->loaded;

	if (segment->loaded >= packet->payload_length)
		return -ENODATA;
	if (size > FTP_CHUNK_MAX)
		size = FTP_CHUNK_MAX;
	size = size_within(size, FTP_CHUNK_MAX);
	if (!size || bpf_skb_load_bytes(segment->skb, packet->payload_offset + segment->loaded,
					chunk->bytes, size))
		return -ENODATA;
	segment->loaded += size;
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
	const struct ftp_chunk *chunk = &segment->scratch->chunk;

	return segment->loaded - (chunk->length - chunk->offset);
}

/* To be called when a line was done with. */
static __always_inline void segment_next_line(struct segment *segment)
{
	segment->line_start = segment_scanned(segment);
	segment->line_begun = 0;
}

/*
 * Copies the current line, which must have begun in this segment, into
 * scratch->line and reads the announcement in it. Returns as ftp_read() does.
 */
static __noinline int segment_read(struct segment *segment, __u32 code, __u32 complete)
{
	struct ftp_announcement *line = &segment->scratch->line;
	const struct packet *packet = segment->packet;
	__u32 size = segment_scanned(segment) - segment->line_start;

	if (size > FTP_LINE_MAX)
		size = FTP_LINE_MAX;
	size = size_within(size, FTP_LINE_MAX);
	if (!size || bpf_skb_load_bytes(segment->skb, packet->payload_offset + segment->line_start,
					line->text, size))
		return -EBADMSG;
	line->length = size;
	line->code = code;
	line->complete = complete;
	return ftp_read(line);
}

#endif /* FTPFIX_SEGMENT_H */
