/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A data connection through the node, from the client's SYN on. Each step is one
 * packet that is carried, exactly translated, or isn't.
 */
#ifndef FTPFIX_PROG_DIAL_H
#define FTPFIX_PROG_DIAL_H

#include "prog_flows.h"
#include "prog_talk.h"

struct dial {
	struct world *world;
	__u32 client;
	__u32 vip;
	__u32 source; /* the client, as the server sees it */
	__u32 server;
	__u16 client_port;
	__u16 public_port;
	__u16 source_port;
	__u16 server_port;
	__u32 client_sequence; /* next to be sent */
	__u32 server_sequence;
	struct spec shape;    /* VLAN tags, options and padding of the frames */
	enum program opens;   /* where the client's packets come in, */
	enum program answers; /* and the server's */
};

/* The data connection that a talk's announcement promises. */
static inline struct dial dial_of(const struct talk *talk, __u16 public_port, __u16 server_port)
{
	struct dial dial = {
		.world = talk->world,
		.client = talk->client,
		.vip = talk->vip,
		.source = talk->peer,
		.server = talk->server,
		.client_port = 50001,
		.public_port = public_port,
		.source_port = 50001,
		.server_port = server_port,
		.client_sequence = 0x7ffffff0,
		.server_sequence = 0xffffffc0,
		.shape.ipv6 = talk->shape.ipv6,
		.opens = UPLINK_INGRESS,
		.answers = INSIDE_INGRESS,
	};

	return dial;
}

static inline struct ftpfix_addr dial_address(const struct dial *dial, __u32 address)
{
	const struct talk talk = {.shape.ipv6 = dial->shape.ipv6};

	return talk_address(&talk, address);
}

static inline struct ftpfix_tuple dial_up_key(const struct dial *dial)
{
	struct ftpfix_tuple key = {.source = dial_address(dial, dial->client),
				   .destination = dial_address(dial, dial->vip),
				   .be_source_port = htons(dial->client_port),
				   .be_destination_port = htons(dial->public_port)};

	return key;
}

static inline struct ftpfix_tuple dial_down_key(const struct dial *dial)
{
	struct ftpfix_tuple key = {.source = dial_address(dial, dial->server),
				   .destination = dial_address(dial, dial->source),
				   .be_source_port = htons(dial->server_port),
				   .be_destination_port = htons(dial->source_port)};

	return key;
}

/* The entry of a connection that is established, or that opens or closes. */
static inline int dial_flow(const struct dial *dial, struct ftpfix_tuple key,
			    struct ftpfix_flow *flow)
{
	const struct ftpfix_flow *found = flow_of(dial->world, key);

	if (found)
		*flow = *found;
	return !!found;
}

#define DIAL_STATES (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED)

/* How many entries established connections have, */
static inline __u32 dial_settled(const struct dial *dial)
{
	return flows_marked(dial->world, DIAL_STATES, FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED);
}

/* those that open or are closed, */
static inline __u32 dial_unsettled(const struct dial *dial)
{
	return flows_marked(dial->world, FTPFIX_MARK_LIVE, FTPFIX_MARK_LIVE) - dial_settled(dial);
}

/* and all. */
static inline __u32 dial_entries(const struct dial *dial)
{
	return dial_settled(dial) + dial_unsettled(dial);
}

/* A segment of the client's as it enters (`inside` 0) or leaves (1) the node. */
static inline void dial_up_frame(const struct dial *dial, __u8 flags, __u32 sequence,
				 const char *bytes, int inside, struct frame *frame)
{
	struct spec spec = dial->shape;

	spec.source = inside ? dial->source : dial->client;
	spec.destination = inside ? dial->server : dial->vip;
	spec.source_port = inside ? dial->source_port : dial->client_port;
	spec.destination_port = inside ? dial->server_port : dial->public_port;
	spec.sequence = sequence;
	spec.acknowledgement = flags & ACK ? dial->server_sequence : 0;
	spec.flags = flags;
	spec.ttl = (spec.ttl ? spec.ttl : 64) - inside;
	spec.bytes = bytes;
	spec.length = strlen(bytes);
	frame_build(frame, &spec);
}

/* A segment of the server's, likewise. */
static inline void dial_down_frame(const struct dial *dial, __u8 flags, __u32 sequence,
				   const char *bytes, int outside, struct frame *frame)
{
	struct spec spec = dial->shape;

	spec.source = outside ? dial->vip : dial->server;
	spec.destination = outside ? dial->client : dial->source;
	spec.source_port = outside ? dial->public_port : dial->server_port;
	spec.destination_port = outside ? dial->client_port : dial->source_port;
	spec.sequence = sequence;
	spec.acknowledgement = flags & ACK ? dial->client_sequence : 0;
	spec.flags = flags;
	spec.ttl = (spec.ttl ? spec.ttl : 64) - outside;
	spec.bytes = bytes;
	spec.length = strlen(bytes);
	frame_build(frame, &spec);
}

static inline __u32 dial_step(__u8 flags, const char *bytes)
{
	return strlen(bytes) + !!(flags & SYN) + !!(flags & FIN);
}

static inline void dial_up_at(struct dial *dial, __u8 flags, const char *bytes, const char *file,
			      int line)
{
	struct frame input, output;

	dial_up_frame(dial, flags, dial->client_sequence, bytes, 0, &input);
	dial_up_frame(dial, flags, dial->client_sequence, bytes, 1, &output);
	run_check(dial->world, dial->opens, &input, TC_ACT_REDIRECT, &output, file, line);
	dial->client_sequence += dial_step(flags, bytes);
}

static inline void dial_down_at(struct dial *dial, __u8 flags, const char *bytes, const char *file,
				int line)
{
	struct frame input, output;

	dial_down_frame(dial, flags, dial->server_sequence, bytes, 0, &input);
	dial_down_frame(dial, flags, dial->server_sequence, bytes, 1, &output);
	run_check(dial->world, dial->answers, &input, TC_ACT_REDIRECT, &output, file, line);
	dial->server_sequence += dial_step(flags, bytes);
}

/* The next segment of the client, or of the server, is carried. */
#define dial_up(dial, flags, bytes) dial_up_at(dial, flags, bytes, __FILE__, __LINE__)
#define dial_down(dial, flags, bytes) dial_down_at(dial, flags, bytes, __FILE__, __LINE__)

/* The next segment of the client, or of the server, passes as it is. */
#define dial_up_passes(dial, flags, bytes)                                                \
	do {                                                                              \
		struct frame up_frame;                                                    \
		dial_up_frame(dial, flags, (dial)->client_sequence, bytes, 0, &up_frame); \
		run_passes((dial)->world, (dial)->opens, &up_frame);                      \
	} while (0)
#define dial_down_passes(dial, flags, bytes)                                                  \
	do {                                                                                  \
		struct frame down_frame;                                                      \
		dial_down_frame(dial, flags, (dial)->server_sequence, bytes, 0, &down_frame); \
		run_passes((dial)->world, (dial)->answers, &down_frame);                      \
	} while (0)

/* The three packets that open the connection. */
static inline void dial_open_at(struct dial *dial, const char *file, int line)
{
	dial_up_at(dial, SYN, "", file, line);
	dial_down_at(dial, SYN | ACK, "", file, line);
	dial_up_at(dial, ACK, "", file, line);
}

#define dial_open(dial) dial_open_at(dial, __FILE__, __LINE__)

/* The connection was closed before: what still comes of it is carried, nothing of it is
 * counted again, and a reset then takes it away. */
static inline void dial_closed_at(struct dial *dial, const char *file, int line)
{
	__u32 others = dial_unsettled(dial) - 2, bytes = dial->shape.ipv6 ? 60 : 40;

	dial_up_at(dial, ACK, "", file, line);
	dial_down_at(dial, ACK, "", file, line);
	assert_int_equal(dial_unsettled(dial), others + 2);
	dial_up_at(dial, RST, "", file, line);
	assert_int_equal(dial_unsettled(dial), others);
	counted_check(dial->world,
		      (struct change[]){{FTPFIX_PACKET_FORWARDED, 3},
					{FTPFIX_BYTES_FORWARDED, 3 * bytes},
					NOTHING},
		      file, line);
}

#define dial_closed(dial) dial_closed_at(dial, __FILE__, __LINE__)

/* The address that talk_address() made an address of. */
static inline __u32 dial_number(const struct dial *dial, const struct ftpfix_addr *addr)
{
	if (!dial->shape.ipv6)
		return ntohl(addr->be_word[3]);
	return (ntohl(addr->be_word[1]) & 0xffff0000) | (ntohl(addr->be_word[3]) & 0xffff);
}

/* The client's SYN is carried; to whom and from where is learnt from its flow. */
static inline void dial_learn_at(struct dial *dial, const char *file, int line)
{
	struct ftpfix_flow flow;
	struct ftpfix_tuple to;
	struct frame frame;

	dial_up_frame(dial, SYN, dial->client_sequence, "", 0, &frame);
	if (run(dial->world, dial->opens, &frame) != TC_ACT_REDIRECT ||
	    !dial_flow(dial, dial_up_key(dial), &flow))
		_fail(file, line);
	to = flow_becomes(dial->world, &flow, dial_up_key(dial));
	dial->source = dial_number(dial, &to.source);
	dial->source_port = ntohs(to.be_source_port);
	dial->server = dial_number(dial, &to.destination);
	dial->server_port = ntohs(to.be_destination_port);
	dial_up_frame(dial, SYN, dial->client_sequence, "", 1, &frame);
	frame_compare(&dial->world->output, &frame, file, line);
	dial->client_sequence++;
}

#define dial_learn(dial) dial_learn_at(dial, __FILE__, __LINE__)

/* A connection that `from` opens to `told`, and that reaches `to` as coming from `source`,
 * from port 20 on: the client of the dial is who opens it. */
static inline struct dial dial_active(const struct talk *talk, enum program opens, __u32 from,
				      __u32 told, __u16 told_port, __u32 source, __u32 to,
				      __u16 to_port)
{
	struct dial dial = dial_of(talk, told_port, to_port);

	dial.opens = opens;
	dial.answers = opens == UPLINK_INGRESS ? INSIDE_INGRESS : UPLINK_INGRESS;
	dial.client = from;
	dial.client_port = 20;
	dial.vip = told;
	dial.source = source;
	dial.source_port = 20;
	dial.server = to;
	return dial;
}

/* Another client's connection, which is established, reaches the dial's server from the dial's
 * source with this port. */
static inline void dial_source_taken(const struct dial *dial, __u16 source_port)
{
	const struct ftpfix_flow flow = {.marks = FTPFIX_MARK_SETTLED};
	struct ftpfix_flow back = flow;
	struct ftpfix_tuple key, to;
	struct dial other = *dial;

	other.client = ip4(192, 0, 2, 200);
	other.client_port = other.source_port = source_port;
	key = dial_down_key(&other);
	to = tuple_turned(&key);
	back.place = FTPFIX_HOOK_INSIDE_IN;
	flow_insert_of(dial->world, dial_up_key(&other), to, flow, back);
}

/* The counters of that many packets carried, with so many bytes of payload and
 * without options. */
#define CARRIED(packets, payload)                                \
	{FTPFIX_PACKET_FORWARDED, packets},                      \
	{                                                        \
		FTPFIX_BYTES_FORWARDED, (packets)*40 + (payload) \
	}

/* The same of this connection's family. */
#define CARRIED_OF(dial, packets, payload)                                                     \
	{FTPFIX_PACKET_FORWARDED, packets},                                                    \
	{                                                                                      \
		FTPFIX_BYTES_FORWARDED, (packets) * ((dial)->shape.ipv6 ? 60 : 40) + (payload) \
	}

/* What a test of data connections under --forward nat begins with: the client was
 * told port 21485, and is expected there. */
static inline struct dial dial_expected(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, "227 Entering Passive Mode (10,0,0,175,83,237).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,83,237)\r\n");
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	return dial_of(&talk, 21485, 21485);
}

#endif /* FTPFIX_PROG_DIAL_H */
