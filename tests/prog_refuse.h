/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reset that the node itself answers a client's packet with, made without a look at what
 * the node sent.
 */
#ifndef FTPFIX_PROG_REFUSE_H
#define FTPFIX_PROG_REFUSE_H

#include "prog_dial.h"

/* The frame goes back to the station that sent it. */
static inline void turn_stations(struct frame *frame, const struct frame *input)
{
	memcpy(frame->bytes, input->bytes + 6, 6);
	memcpy(frame->bytes + 6, input->bytes, 6);
}

/* What RFC 9293 section 3.10.7.1 demands where there is no connection. */
static inline void reset_for(const struct dial *dial, const struct frame *input, __u8 flags,
			     const char *bytes, struct frame *reset)
{
	int answers = flags & ACK;
	struct spec spec = {
		.ipv6 = dial->shape.ipv6,
		.source = dial->vip,
		.destination = dial->client,
		.source_port = dial->public_port,
		.destination_port = dial->client_port,
		.sequence = answers ? dial->server_sequence : 0,
		.acknowledgement = answers ? 0 : dial->client_sequence + dial_step(flags, bytes),
		.flags = answers ? RST : RST | ACK,
	};
	__u8 *network;

	frame_build(reset, &spec);
	turn_stations(reset, input);
	network = reset->bytes + reset->network;
	if (spec.ipv6)
		put32(network, 0x60000000);
	else
		put32(network + 4, 0);
	put16(reset->bytes + reset->transport + 14, 0);
	frame_checksums(reset);
}

/* The client's next segment is answered so, which passes the program of the same interface on
 * its way out. */
static inline void dial_refused_at(const struct dial *dial, __u8 flags, const char *bytes,
				   const char *file, int line)
{
	struct frame input, reset;

	dial_up_frame(dial, flags, dial->client_sequence, bytes, 0, &input);
	reset_for(dial, &input, flags, bytes, &reset);
	run_check(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &reset, file, line);
	run_check(dial->world, UPLINK_EGRESS, &reset, TC_ACT_UNSPEC, &reset, file, line);
}

#define dial_refused(dial, flags, bytes) dial_refused_at(dial, flags, bytes, __FILE__, __LINE__)

#endif /* FTPFIX_PROG_REFUSE_H */
