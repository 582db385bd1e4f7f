/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The replies of a control connection whose lengths change on the uplink: where
 * they stand before and behind the program, kept by the test itself.
 */
#ifndef FTPFIX_PROG_ADJUST_H
#define FTPFIX_PROG_ADJUST_H

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

struct replies {
	struct talk talk;
	__u32 start; /* of both */
	__u32 in;    /* sequence number of the next byte, in front of the program */
	__u32 out;   /* behind it */
};

/* Replies of a service that adjusts, from `start` on; the client has asked four
 * times for an address and once for a port. */
static inline struct replies replies_begin(void **state, __u32 vip, __u32 start)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct replies replies = {
		.talk = talk_of(world), .start = start, .in = start, .out = start};

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world_sum_unknown(world);
	world->service.rewrite = FTPFIX_REWRITE_ADJUST;
	world_write_service(world);
	replies.talk.vip = vip;
	replies.talk.server_sequence = start;
	talk_ask(&replies.talk, "PASV\r\nPASV\r\nPASV\r\nPASV\r\nEPSV\r\n");
	return replies;
}

/* A segment from `in` on leaves as another from `out` on. */
static inline void replies_segment_at(const struct replies *replies, __u32 in, const char *text,
				      __u32 out, const char *expected, const char *file, int line)
{
	__u32 acknowledgement = replies->talk.client_sequence;

	piece_check(&replies->talk, UPLINK_EGRESS, PIECE(in, acknowledgement, text),
		    PIECE(out, acknowledgement, expected), file, line);
}

#define replies_segment(replies, in, text, out, expected) \
	replies_segment_at(replies, in, text, out, expected, __FILE__, __LINE__)

/* The next bytes. */
static inline void replies_next_at(struct replies *replies, const char *text, const char *expected,
				   const char *file, int line)
{
	replies_segment_at(replies, replies->in, text, replies->out, expected, file, line);
	replies->in += strlen(text);
	replies->out += strlen(expected);
}

#define replies_next(replies, text, expected) \
	replies_next_at(replies, text, expected, __FILE__, __LINE__)

/* The client acknowledges a byte of what it was sent: `out` must become `in`. */
static inline void replies_acknowledged_at(const struct replies *replies, __u32 out, __u32 in,
					   const char *file, int line)
{
	__u32 sequence = replies->talk.client_sequence;

	piece_check(&replies->talk, UPLINK_INGRESS, PIECE(sequence, out), PIECE(sequence, in), file,
		    line);
}

#define replies_acknowledged(replies, out, in) \
	replies_acknowledged_at(replies, out, in, __FILE__, __LINE__)

/* The client says something, with all acknowledged that it was sent. */
static inline void replies_ask(struct replies *replies, const char *text)
{
	__u32 sequence = replies->talk.client_sequence;

	piece_gives(&replies->talk, UPLINK_INGRESS, PIECE(sequence, replies->out, text),
		    PIECE(sequence, replies->in, text));
	replies->talk.client_sequence += strlen(text);
}

#endif /* FTPFIX_PROG_ADJUST_H */
