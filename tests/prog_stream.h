/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One direction of a control connection at one hook, whose lines may change their
 * lengths: where it stands before and behind the program, kept by the test itself.
 */
#ifndef FTPFIX_PROG_STREAM_H
#define FTPFIX_PROG_STREAM_H

#include "prog_piece.h"

#define FILLER "200 Type set to I.\r\n"

/* Longer and shorter than what the servers below announce. */
#define LONG_VIP ip4(123, 156, 241, 199)
#define SHORT_VIP ip4(1, 2, 3, 4)

/* What VSFTPD becomes for these: five bytes more, three less. */
#define LONGER "227 Entering Passive Mode (123,156,241,199,83,237).\r\n"
#define SHORTER "227 Entering Passive Mode (1,2,3,4,83,237).\r\n"

/* Where the numbers begin in all three, and how many bytes of them are replaced. */
#define NUMBERS 27
#define VSFTPD_NUMBERS (sizeof("10,0,0,175,83,237") - 1)
#define LONGER_NUMBERS (sizeof("123,156,241,199,83,237") - 1)
#define SHORTER_NUMBERS (sizeof("1,2,3,4,83,237") - 1)

struct stream {
	struct talk talk;
	enum program program;
	__u32 start; /* of both */
	__u32 in;    /* sequence number of the next byte, in front of the program */
	__u32 out;   /* behind it */
	__u32 other; /* the next byte of the other direction */
};

static inline struct stream stream_of(const struct talk *talk, enum program program, __u32 start,
				      __u32 other)
{
	struct stream stream = {.talk = *talk,
				.program = program,
				.start = start,
				.in = start,
				.out = start,
				.other = other};

	return stream;
}

/* Where the other direction passes the same side of the node. */
static inline enum program stream_back(const struct stream *stream)
{
	switch (stream->program) {
	case UPLINK_INGRESS:
		return UPLINK_EGRESS;
	case UPLINK_EGRESS:
		return UPLINK_INGRESS;
	case INSIDE_INGRESS:
		return INSIDE_EGRESS;
	default:
		return INSIDE_INGRESS;
	}
}

/* A segment from `in` on leaves as another from `out` on. */
static inline void stream_segment_at(const struct stream *stream, __u32 in, const char *text,
				     __u32 out, const char *expected, const char *file, int line)
{
	piece_check(&stream->talk, stream->program, PIECE(in, stream->other, text),
		    PIECE(out, stream->other, expected), file, line);
}

#define stream_segment(stream, in, text, out, expected) \
	stream_segment_at(stream, in, text, out, expected, __FILE__, __LINE__)

/* The next bytes. */
static inline void stream_next_at(struct stream *stream, const char *text, const char *expected,
				  const char *file, int line)
{
	stream_segment_at(stream, stream->in, text, stream->out, expected, file, line);
	stream->in += strlen(text);
	stream->out += strlen(expected);
}

#define stream_next(stream, text, expected) \
	stream_next_at(stream, text, expected, __FILE__, __LINE__)
#define stream_passes(stream, text) stream_next(stream, text, text)

/* The receiver acknowledges a byte of what it was sent: `out` must become `in`. */
static inline void stream_acknowledged_at(const struct stream *stream, __u32 out, __u32 in,
					  const char *file, int line)
{
	piece_check(&stream->talk, stream_back(stream), PIECE(stream->other, out),
		    PIECE(stream->other, in), file, line);
}

#define stream_acknowledged(stream, out, in) \
	stream_acknowledged_at(stream, out, in, __FILE__, __LINE__)

/* The receiver says something, with all acknowledged that it was sent. */
static inline void stream_told_at(struct stream *stream, const char *text, const char *file,
				  int line)
{
	piece_check(&stream->talk, stream_back(stream), PIECE(stream->other, stream->out, text),
		    PIECE(stream->other, stream->in, text), file, line);
	stream->other += strlen(text);
}

#define stream_told(stream, text) stream_told_at(stream, text, __FILE__, __LINE__)

/* The next bytes are the first ones of a line, of which `before` went the same way: one
 * byte goes on that the receiver has, whose acknowledgement is the sender's too. */
static inline void kept_back_at(struct stream *stream, const char *text, __u32 before,
				const char *file, int line)
{
	stream_segment_at(stream, stream->in, text, stream->out - 1, "\n", file, line);
	stream->in += strlen(text);
	stream_acknowledged_at(stream, stream->out, stream->in, file, line);
	stream_acknowledged_at(stream, stream->out - 1, stream->in - before - strlen(text) - 1,
			       file, line);
	counted_check(stream->talk.world, (struct change[]){{FTPFIX_PACKET_KEPT_BACK, 1}, NOTHING},
		      file, line);
}

#define kept_back(stream, text, before) kept_back_at(stream, text, before, __FILE__, __LINE__)

/* The first bytes of a text, until the next call. */
static inline const char *head_of(const char *text, __u32 length)
{
	static char head[FTPFIX_LINE_MAX * 2];

	memcpy(head, text, length);
	head[length] = 0;
	return head;
}

/* Replies of a service that adjusts, from `start` on; the client has asked four
 * times for an address and once for a port. */
static inline struct stream replies_begin(void **state, __u32 vip, __u32 start)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world_sum_unknown(world);
	world->service.rewrite = FTPFIX_REWRITE_ADJUST;
	world_write_service(world);
	talk.vip = vip;
	talk.server_sequence = start;
	talk_ask(&talk, "PASV\r\nPASV\r\nPASV\r\nPASV\r\nEPSV\r\n");
	return stream_of(&talk, UPLINK_EGRESS, start, talk.client_sequence);
}

#endif /* FTPFIX_PROG_STREAM_H */
