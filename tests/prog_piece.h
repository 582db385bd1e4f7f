/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Single segments of a control connection, given by their numbers, at any of the four
 * hooks: what goes in, and what must come out. It knows no state of the connection.
 */
#ifndef FTPFIX_PROG_PIECE_H
#define FTPFIX_PROG_PIECE_H

#include "prog_talk.h"

/* Room for two NOPs and three blocks of SACK. */
#define SACK_MAX 6

struct piece {
	__u32 sequence;
	__u32 acknowledgement;
	const char *bytes;    /* NULL: none */
	__u8 flags;	      /* 0: PSH | ACK, without bytes ACK */
	__u8 edges;	      /* of SACK blocks; two for each */
	__u32 edge[SACK_MAX]; /* the option stands behind two NOPs */
};

/* Whether what passes this program comes from the client. */
static inline int piece_from_client(const struct talk *talk, enum program program)
{
	int entering = program == UPLINK_INGRESS || program == INSIDE_INGRESS;
	int uplink = program == UPLINK_INGRESS || program == UPLINK_EGRESS;

	return (uplink != !!talk->world->clients_inside) == entering;
}

static inline void piece_ends(const struct talk *talk, enum program program, struct spec *spec)
{
	int uplink = program == UPLINK_INGRESS || program == UPLINK_EGRESS;
	__u32 client = uplink ? talk->client : talk->peer;
	__u32 server = uplink ? talk->vip : talk->server;
	__u16 client_port = uplink ? talk->client_port : talk->peer_port;
	int from_client = piece_from_client(talk, program);

	spec->source = from_client ? client : server;
	spec->destination = from_client ? server : client;
	spec->source_port = from_client ? client_port : talk->port;
	spec->destination_port = from_client ? talk->port : client_port;
}

static inline void piece_frame(const struct talk *talk, enum program program,
			       const struct piece *piece, struct frame *frame)
{
	const char *bytes = piece->bytes ? piece->bytes : "";
	__u8 options[4 + 4 * SACK_MAX] = {1, 1, 5, 2 + 4 * piece->edges};
	struct spec spec = talk->shape;

	piece_ends(talk, program, &spec);
	spec.sequence = piece->sequence;
	spec.acknowledgement = piece->acknowledgement;
	spec.flags = piece->flags ? piece->flags : *bytes ? PSH | ACK : ACK;
	spec.bytes = bytes;
	spec.length = strlen(bytes);
	if (piece->edges) {
		for (int edge = 0; edge < piece->edges; edge++)
			put32(options + 4 + 4 * edge, piece->edge[edge]);
		spec.tcp_option = options;
		spec.tcp_options = 4 + 4 * piece->edges;
	}
	frame_build(frame, &spec);
}

static inline void piece_check(const struct talk *talk, enum program program, struct piece input,
			       struct piece output, const char *file, int line)
{
	struct frame in, out;

	piece_frame(talk, program, &input, &in);
	piece_frame(talk, program, &output, &out);
	run_check(talk->world, program, &in, TC_ACT_UNSPEC, &out, file, line);
}

#define piece_gives(talk, program, input, output) \
	piece_check(talk, program, input, output, __FILE__, __LINE__)
#define piece_passes(talk, program, input) piece_gives(talk, program, input, input)

static inline void piece_drops(const struct talk *talk, enum program program, struct piece input)
{
	struct frame frame;

	piece_frame(talk, program, &input, &frame);
	run_drops(talk->world, program, &frame);
}

/* Its number, what it acknowledges, its bytes, its flags: as many of these as it has. */
#define PIECE(number, ...) ((struct piece){.sequence = (number), __VA_ARGS__})

#endif /* FTPFIX_PROG_PIECE_H */
