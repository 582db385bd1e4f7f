/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A control connection through the node, as client, server and whatever forwards
 * it there see it. Each step is one packet whose fate is checked.
 */
#ifndef FTPFIX_PROG_TALK_H
#define FTPFIX_PROG_TALK_H

#include "prog.h"

#define TEXT_MAX 3584

/* The endpoint that the server of talk_of() announces, and the lines that say so on
 * its side of the node and, where the address is replaced, on the client's. */
#define PORT 21485
#define VSFTPD "227 Entering Passive Mode (10,0,0,175,83,237).\r\n"
#define VSFTPD_PUBLIC "227 Entering Passive Mode (203,0,113,5,83,237)\r\n"
#define EXTENDED "229 Entering Extended Passive Mode (|||21485|)\r\n"

/* What counted() finds after an announcement that was followed, or was not. */
#define EXPECTED_NEW                          \
	{FTPFIX_ANNOUNCEMENT_REWRITTEN, 1},   \
	{                                     \
		FTPFIX_CONNECTION_EXPECTED, 1 \
	}
#define EXPECTED_KEPT                         \
	{FTPFIX_ANNOUNCEMENT_KEPT, 1},        \
	{                                     \
		FTPFIX_CONNECTION_EXPECTED, 1 \
	}
#define REFUSED(reason)              \
	{reason, 1},                 \
	{                            \
		FTPFIX_EVENT_SENT, 1 \
	}

struct talk {
	struct world *world;
	__u32 client;
	__u32 vip;
	__u32 server;
	__u32 peer; /* the client, as the server sees it */
	__u16 client_port;
	__u16 port; /* of the service, on either side of the node */
	__u16 peer_port;
	__u32 client_sequence; /* next to be sent, on the uplink */
	__u32 server_sequence;
	__u32 inner_sequence; /* the server's, on its side of the node */
	struct spec shape;    /* VLAN tags, options and padding of the uplink's frames */
};

/* The address and sequence numbers stay on the way through the node; for
 * FULLNAT the server sees an address of the node's. */
static inline struct talk talk_of(struct world *world)
{
	struct talk talk = {
		.world = world,
		.client = ip4(198, 51, 100, 10),
		.vip = ip4(203, 0, 113, 5),
		.server = ip4(10, 0, 0, 175),
		.peer = ip4(198, 51, 100, 10),
		.client_port = 40000,
		.port = SERVICE_PORT,
		.peer_port = 40000,
		.client_sequence = 0x10000000,
		.server_sequence = 0xfffffff0, /* wraps within the first line */
		.inner_sequence = 0xfffffff0,
	};

	if (world->service.forward == FTPFIX_FORWARD_FULLNAT)
		talk.peer = ip4(10, 0, 0, 1);
	return talk;
}

/* The address as the talk's packets carry it. */
static inline struct ftpfix_addr talk_address(const struct talk *talk, __u32 address)
{
	struct ip6 six = ip6(address);
	struct ftpfix_addr addr;

	if (!talk->shape.ipv6)
		return mapped(address);
	memcpy(&addr, six.bytes, sizeof(addr));
	return addr;
}

/* Of the control connection as it is on the uplink. */
static inline struct ftpfix_session_key talk_key(const struct talk *talk)
{
	struct ftpfix_session_key key = {.tuple = {.source = talk_address(talk, talk->client),
						   .destination = talk_address(talk, talk->vip),
						   .be_source_port = htons(talk->client_port),
						   .be_destination_port = htons(talk->port)}};

	return key;
}

/* A frame from the client, as it comes in on the uplink. */
static inline void talk_command(const struct talk *talk, __u32 sequence, __u8 flags,
				const char *bytes, __u32 length, struct frame *frame)
{
	struct spec spec = talk->shape;

	spec.source = talk->client;
	spec.destination = talk->vip;
	spec.source_port = talk->client_port;
	spec.destination_port = talk->port;
	spec.sequence = sequence;
	spec.acknowledgement = talk->server_sequence;
	spec.flags = flags;
	spec.bytes = bytes;
	spec.length = length;
	frame_build(frame, &spec);
}

/* A frame to the client, as it leaves on the uplink. */
static inline void talk_response(const struct talk *talk, __u32 sequence, __u8 flags,
				 const char *bytes, __u32 length, struct frame *frame)
{
	struct spec spec = talk->shape;

	spec.source = talk->vip;
	spec.destination = talk->client;
	spec.source_port = talk->port;
	spec.destination_port = talk->client_port;
	spec.sequence = sequence;
	spec.acknowledgement = talk->client_sequence;
	spec.flags = flags;
	spec.bytes = bytes;
	spec.length = length;
	frame_build(frame, &spec);
}

/* A frame from the server, as it enters the node. */
static inline void talk_inner(const struct talk *talk, __u32 sequence, __u8 flags,
			      const char *bytes, __u32 length, struct frame *frame)
{
	struct spec spec = talk->shape;

	spec.source = talk->server;
	spec.destination = talk->peer;
	spec.source_port = talk->port;
	spec.destination_port = talk->peer_port;
	spec.sequence = sequence;
	spec.acknowledgement = 1;
	spec.flags = flags;
	spec.bytes = bytes;
	spec.length = length;
	frame_build(frame, &spec);
}

/* The client says something; it passes as it is. */
static inline void talk_ask(struct talk *talk, const char *text)
{
	struct frame frame;

	talk_command(talk, talk->client_sequence, PSH | ACK, text, strlen(text), &frame);
	run_passes(talk->world, UPLINK_INGRESS, &frame);
	talk->client_sequence += strlen(text);
}

/* The server says something, which passes the node's server side as it is. */
static inline void talk_observe(struct talk *talk, const char *text)
{
	struct frame frame;

	talk_inner(talk, talk->inner_sequence, PSH | ACK, text, strlen(text), &frame);
	run_passes(talk->world, INSIDE_INGRESS, &frame);
	talk->inner_sequence += strlen(text);
}

/* A segment of the server's bytes from `sequence` on leaves as `expected`, a text
 * of the same length. */
static inline void talk_segment_at(struct talk *talk, __u32 sequence, const char *text,
				   const char *expected, const char *file, int line)
{
	struct frame input, output;

	assert_int_equal(strlen(text), strlen(expected));
	talk_response(talk, sequence, PSH | ACK, text, strlen(text), &input);
	talk_response(talk, sequence, PSH | ACK, expected, strlen(text), &output);
	run_check(talk->world, UPLINK_EGRESS, &input, TC_ACT_UNSPEC, &output, file, line);
}

#define talk_segment(talk, sequence, text, expected) \
	talk_segment_at(talk, sequence, text, expected, __FILE__, __LINE__)

/* The next bytes of the server leave on the uplink. */
static inline void talk_leave_at(struct talk *talk, const char *text, const char *expected,
				 const char *file, int line)
{
	talk_segment_at(talk, talk->server_sequence, text, expected, file, line);
	talk->server_sequence += strlen(text);
}

#define talk_leave(talk, text, expected) talk_leave_at(talk, text, expected, __FILE__, __LINE__)

/* The next bytes of the server enter the node and leave it. */
#define talk_answer(talk, text, expected)         \
	do {                                      \
		talk_observe(talk, text);         \
		talk_leave(talk, text, expected); \
	} while (0)

/* Makes all notes of announcements older by that. Returns how many there are. */
static inline int notes_age(const struct world *world, __u64 age_ns)
{
	int map = bpf_map__fd(world->skeleton->maps.seen), notes = 0;
	struct ftpfix_seen_key key, *before = NULL;
	struct ftpfix_seen note;

	for (; !bpf_map_get_next_key(map, before, &key); before = &key, notes++) {
		assert_int_equal(bpf_map_lookup_elem(map, &key, &note), 0);
		note.at_ns -= age_ns;
		assert_int_equal(bpf_map_update_elem(map, &key, &note, BPF_EXIST), 0);
	}
	return notes;
}

static inline int talk_session(const struct talk *talk, struct ftpfix_session *session)
{
	struct ftpfix_session_key key = talk_key(talk);

	return !bpf_map_lookup_elem(bpf_map__fd(talk->world->skeleton->maps.sessions), &key,
				    session) &&
	       !session->over;
}

/* What the talk's client is expected for at a public port, in the table; NULL for nothing. */
static inline struct ftpfix_expectation *talk_expected(const struct talk *talk, __u16 port)
{
	return expected_of(talk->world, talk_address(talk, talk->client), port);
}

/* Whether the talk's client is expected at a public port; by what, into
 * *expectation. */
static inline int talk_expects(const struct talk *talk, __u16 port,
			       struct ftpfix_expectation *expectation)
{
	const struct ftpfix_expectation *found = talk_expected(talk, port);

	if (found)
		*expectation = *found;
	return !!found;
}

/* The address that the expectation names so, all zero for none. */
static inline struct ftpfix_addr expectation_address(const struct world *world,
						     const struct ftpfix_expectation *expectation,
						     __u32 named)
{
	struct ftpfix_addr addr = {};

	if (named == FTPFIX_NAMED_SOURCE)
		return expectation->session.tuple.source;
	if (named == FTPFIX_NAMED_DESTINATION)
		return expectation->session.tuple.destination;
	if (named != FTPFIX_NAMED_NONE)
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.own_addresses),
					    &named, &addr),
			0);
	return addr;
}

/* Fails unless the expectation names the address in that field. */
#define expectation_names(world, expectation, field, addr)                             \
	do {                                                                           \
		struct ftpfix_addr field_addr =                                        \
			expectation_address(world, expectation, (expectation)->field); \
		assert_memory_equal(&field_addr, addr, sizeof(field_addr));            \
	} while (0)

/* The public port in a line that was rewritten last, 227 or 229. */
static inline __u16 talk_published(const struct talk *talk)
{
	const struct frame *output = &talk->world->output;
	char text[FRAME_MAX + 1] = {};
	unsigned int high, low;
	const char *numbers;

	memcpy(text, output->bytes, output->length);
	for (__u32 index = 0; index < output->length; index++)
		if (!text[index])
			text[index] = ' ';
	numbers = strrchr(text, '(');
	if (!numbers)
		numbers = strstr(text, "227 ") + 3;
	if (sscanf(numbers + 1, "%*u,%*u,%*u,%*u,%u,%u", &high, &low) == 2)
		return high * 256 + low;
	assert_int_equal(sscanf(numbers, "(|||%u|", &low), 1);
	return low;
}

#endif /* FTPFIX_PROG_TALK_H */
