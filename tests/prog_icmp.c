// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ICMP and ICMPv6 errors of others about packets of flows: which are translated, to what
 * bytes, and which are none of ours. Those that the node sends are prog_answer's subject.
 */
#include "prog_dial.h"
#include "prog_error.h"

/* Routers inside and outside. */
#define ROUTER_INSIDE ip4(10, 9, 9, 9)
#define ROUTER_OUTSIDE ip4(192, 0, 2, 77)

#define MTU 1300

/* Bytes of either side that were not acknowledged. */
#define IN_FLIGHT 20

static void forget_counters(struct world *world)
{
	for (__u32 reason = 0; reason < FTPFIX_REASON_COUNT; reason++)
		world->counted[reason] = counter_value(world, reason);
}

/* A data connection with IN_FLIGHT bytes of each side on their way. */
static struct dial busy_dial(void **state, enum ftpfix_forward forward, const struct spec *shape)
{
	struct world *world = world_begin(state, forward);
	struct talk talk = talk_of(world);
	struct dial dial;

	talk.shape.ipv6 = shape->ipv6;
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	dial = dial_of(&talk, PORT, PORT);
	dial.shape = *shape;
	dial_open(&dial);
	dial_up(&dial, PSH | ACK, "data of the client's");
	/* This side has not seen them yet. */
	dial.client_sequence -= IN_FLIGHT;
	dial_down(&dial, PSH | ACK, "data of the server's");
	dial.client_sequence += IN_FLIGHT;
	forget_counters(world);
	return dial;
}

/* What a test says of an error. */
struct about {
	__u8 type; /* 0: that an MTU is too small */
	__u8 code;
	__u8 of_server;	  /* 1: about a packet of the server's, seen outside */
	__u8 ttl;	  /* of the error; 0: 64 */
	__u8 ip_options;  /* of the error */
	__u8 extensions;  /* in front of ICMPv6: hop-by-hop options */
	__u8 cut;	  /* bytes of TCP that are quoted; 0: all */
	__u16 tag;	  /* of the error: an Ethernet type */
	__u32 padding;	  /* of the error */
	__s32 sequence;	  /* of the quoted packet, from the sender's first unacknowledged one */
	__u32 wrong_port; /* added to the quoted port of its receiver */
	__u32 to;	  /* whom it is sent to; 0: the packet's sender */
};

/* The packet that the error is about, as it is where it failed (`behind` 1) or where it came
 * in. Both have the same TTL. */
static void quoted_packet(struct dial dial, const struct about *about, int behind,
			  struct frame *quoted)
{
	dial.shape.padding = 0;
	dial.shape.tags[0] = 0;
	dial.shape.ttl = behind ? 34 : 33;
	dial.public_port += about->wrong_port;
	dial.server_port += about->wrong_port;
	dial.client_port += about->of_server ? about->wrong_port : 0;
	if (about->of_server)
		dial_down_frame(&dial, PSH | ACK,
				dial.server_sequence - IN_FLIGHT + about->sequence, "quoted",
				behind, quoted);
	else
		dial_up_frame(&dial, PSH | ACK, dial.client_sequence - IN_FLIGHT + about->sequence,
			      "quoted", behind, quoted);
}

/* The error, from its router (`translated` 0) or as it goes on. */
static void error_frame(const struct dial *dial, const struct about *about, int translated,
			struct frame *frame)
{
	int fullnat = dial->source != dial->client, six = dial->shape.ipv6;
	__u8 hops = translated ? 1 : 0;
	struct error error = {
		.outer = {.ipv6 = six,
			  .ttl = (about->ttl ? about->ttl : 64) - hops,
			  .ip_options = about->ip_options,
			  .extensions = about->extensions,
			  .tags = {about->tag},
			  .padding = about->padding},
		.type = about->type ? about->type
			: six	    ? SIX_TOO_BIG
				    : UNREACHABLE,
		.code = about->type || six ? about->code : TOO_BIG,
		.rest = MTU,
	};
	struct frame quoted;

	/* From outside to the server a router's address is kept where the client's is. */
	if (about->of_server) {
		error.outer.source = translated && fullnat ? dial->source : ROUTER_OUTSIDE;
		error.outer.destination = translated ? dial->server : dial->vip;
	} else {
		error.outer.source = translated ? dial->vip : ROUTER_INSIDE;
		error.outer.destination = translated ? dial->client : dial->source;
	}
	if (about->to)
		error.outer.destination = about->to;
	quoted_packet(*dial, about, !translated, &quoted);
	error.quote = quoted.bytes + quoted.network;
	error.quote_length = about->cut ? quoted.transport + about->cut - quoted.network
					: quoted.end - quoted.network;
	error_build(frame, &error);
}

static enum program error_program(const struct about *about)
{
	return about->of_server ? UPLINK_INGRESS : INSIDE_INGRESS;
}

static void translated_at(const struct dial *dial, struct about about, const char *file, int line)
{
	struct frame input, output;

	error_frame(dial, &about, 0, &input);
	error_frame(dial, &about, 1, &output);
	for (int known = 0; known < 2; known++) {
		dial->world->run_flags = known ? BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0;
		run_check(dial->world, error_program(&about), &input, TC_ACT_REDIRECT, &output,
			  file, line);
	}
	counted_check(dial->world, (const struct change[]){{FTPFIX_PACKET_ICMP, 2}, NOTHING}, file,
		      line);
}

static void passes_at(const struct dial *dial, struct about about, const char *file, int line)
{
	struct frame input;

	error_frame(dial, &about, 0, &input);
	run_check(dial->world, error_program(&about), &input, TC_ACT_UNSPEC, &input, file, line);
	counted_check(dial->world, (const struct change[]){NOTHING}, file, line);
}

/* The error about a packet of the flow is translated, or passes as it is; its fields as far
 * as they matter. */
#define ABOUT(...) ((struct about){__VA_ARGS__})
#define translated(dial, ...) translated_at(dial, ABOUT(__VA_ARGS__), __FILE__, __LINE__)
#define passes(dial, ...) passes_at(dial, ABOUT(__VA_ARGS__), __FILE__, __LINE__)

static const struct spec shapes[] = {
	{},
	{.ipv6 = 1},
	{.ip_options = 12, .timestamps = 1},
	{.ip_options = 40},
	{.ipv6 = 1, .extensions = 2, .extension = {0, 60}, .timestamps = 1},
	{.ipv6 = 1, .extensions = 4, .extension = {0, 43, 60, 60}},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void both_ways(void **state)
{
	static const enum ftpfix_forward forwards[] = {FTPFIX_FORWARD_NAT, FTPFIX_FORWARD_FULLNAT};

	for (int forward = 0; forward < 2; forward++) {
		for (size_t index = 0; index < SHAPES; index++) {
			struct dial dial = busy_dial(state, forwards[forward], &shapes[index]);

			translated(&dial);
			translated(&dial, .of_server = 1);
		}
	}
}

/* RFC 792 asks for eight bytes of TCP. The checksum is the 17th and the 18th: half of it could
 * not be translated. */
static void quotes_cut_short(void **state)
{
	for (size_t index = 0; index < SHAPES; index++) {
		struct dial dial = busy_dial(state, FTPFIX_FORWARD_FULLNAT, &shapes[index]);

		for (__u8 cut = 8; cut <= 24; cut += cut == 16 ? 2 : 1) {
			translated(&dial, .cut = cut);
			translated(&dial, .cut = cut, .of_server = 1, .padding = 5);
		}
		passes(&dial, .cut = 7);
		passes(&dial, .cut = 4, .padding = 10);
	}
}

static void every_type(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);

	for (int type = 0; type < 256; type++) {
		int error =
			type == UNREACHABLE || type == TIME_EXCEEDED || type == PARAMETER_PROBLEM;

		if (error) {
			translated(&dial, .type = type, .code = 1);
			translated(&dial, .type = type, .of_server = 1);
		} else if (type) {
			passes(&dial, .type = type);
		}
	}
}

static void every_type_of_six(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[1]);

	for (int type = 1; type < 256; type++) {
		if (type <= SIX_PARAMETER_PROBLEM) {
			translated(&dial, .type = type, .code = 1);
			translated(&dial, .type = type, .of_server = 1);
		} else {
			passes(&dial, .type = type);
		}
	}
}

/* Of the error's own headers. */
static void options_and_extensions(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);

	translated(&dial, .ip_options = 8);
	translated(&dial, .ip_options = 40, .cut = 8);
	dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[1]);
	translated(&dial, .extensions = 1);
	translated(&dial, .extensions = 3, .cut = 8);
}

/* Every carry and borrow out of the sums must be right. */
static void checksums(void **state)
{
	for (size_t index = 0; index < 2; index++) {
		struct dial dial = busy_dial(state, FTPFIX_FORWARD_FULLNAT, &shapes[index]);

		for (__u32 ttl = 2; ttl < 256; ttl++) {
			translated(&dial, .ttl = ttl, .sequence = ttl % 20);
			translated(&dial, .ttl = ttl, .cut = 8, .code = ttl, .of_server = 1);
		}
	}
}

/* RFC 5927 section 4.1: only of what its receiver has not acknowledged. */
static void in_flight_only(void **state)
{
	for (int of_server = 0; of_server < 2; of_server++) {
		struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);

		translated(&dial, .of_server = of_server, .sequence = 0);
		translated(&dial, .of_server = of_server, .sequence = IN_FLIGHT);
		passes(&dial, .of_server = of_server, .sequence = -1);
		passes(&dial, .of_server = of_server, .sequence = IN_FLIGHT + 1);
		passes(&dial, .of_server = of_server, .sequence = 1 << 30);
		passes(&dial, .of_server = of_server, .sequence = -(1 << 30));
	}
}

/* A server that refuses, or a router that may not let the client's SYN pass. */
static void about_the_syn(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial;

	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	dial = dial_of(&talk, PORT, PORT);
	forget_counters(world);
	passes(&dial);
	dial_up(&dial, SYN, "");
	forget_counters(world);
	translated(&dial, .type = UNREACHABLE, .code = 13, .sequence = IN_FLIGHT - 1);
	passes(&dial, .sequence = IN_FLIGHT - 2);
}

static void of_others(void **state)
{
	for (size_t index = 0; index < 2; index++) {
		struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[index]);
		struct frame frame;

		passes(&dial, .wrong_port = 1);
		passes(&dial, .wrong_port = 1, .of_server = 1);
		/* An error goes to the sender of what it quotes. */
		passes(&dial, .to = ip4(198, 51, 100, 11));
		/* Each side has its own flows. */
		error_frame(&dial, &ABOUT(), 0, &frame);
		run_passes(dial.world, UPLINK_INGRESS, &frame);
		error_frame(&dial, &ABOUT(.of_server = 1), 0, &frame);
		run_passes(dial.world, INSIDE_INGRESS, &frame);
		for (int program = 0; program < PROGRAM_COUNT; program++)
			if (program == UPLINK_EGRESS || program == INSIDE_EGRESS)
				run_passes(dial.world, program, &frame);
		counted(dial.world, NOTHING);
	}
}

/* What is quoted is no beginning of a TCP packet. */
static void of_other_protocols(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);
	struct frame frame;

	for (int spoil = 0; spoil < 4; spoil++) {
		__u8 *quoted;

		error_frame(&dial, &ABOUT(), 0, &frame);
		quoted = frame.bytes + frame.payload;
		if (spoil == 0)
			quoted[9] = 17;
		else if (spoil == 1)
			put16(quoted + 6, 0x2001);
		else if (spoil == 2)
			quoted[0] = 0x44;
		else
			quoted[0] = 0x65;
		error_checksums(&frame);
		run_passes(dial.world, INSIDE_INGRESS, &frame);
	}
	dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[1]);
	for (int next = 0; next < 256; next++) {
		error_frame(&dial, &ABOUT(), 0, &frame);
		frame.bytes[frame.payload + 6] = next;
		error_checksums(&frame);
		if (next != FRAME_TCP)
			run_passes(dial.world, INSIDE_INGRESS, &frame);
	}
	counted(dial.world, NOTHING);
}

/* Fragments and headers that cannot be are ICMP's own business. */
static void broken(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);
	struct frame frame;

	for (int spoil = 0; spoil < 4; spoil++) {
		__u8 *network;

		error_frame(&dial, &ABOUT(), 0, &frame);
		network = frame.bytes + frame.network;
		if (spoil == 0)
			put16(network + 6, 0x2000);
		else if (spoil == 1)
			put16(network + 6, 0x0001);
		else if (spoil == 2)
			put16(network + 2, frame.end - frame.network + 1);
		else
			network[0] = 0x44;
		run_passes(dial.world, INSIDE_INGRESS, &frame);
	}
	counted(dial.world, NOTHING);
}

static void tagged_error(void **state)
{
	struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[0]);
	struct frame frame;

	error_frame(&dial, &ABOUT(.tag = ETH_P_8021Q), 0, &frame);
	run_passes(dial.world, INSIDE_INGRESS, &frame);
	counted(dial.world, {FTPFIX_PACKET_VLAN, 1});
}

/* About an error no error is sent. */
static void last_hop(void **state)
{
	for (size_t index = 0; index < 2; index++) {
		struct dial dial = busy_dial(state, FTPFIX_FORWARD_NAT, &shapes[index]);
		struct frame frame;

		error_frame(&dial, &ABOUT(.ttl = 1), 0, &frame);
		run_drops(dial.world, INSIDE_INGRESS, &frame);
		counted(dial.world, {FTPFIX_PACKET_TTL, 1});
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(quotes_cut_short),
		cmocka_unit_test(every_type),
		cmocka_unit_test(every_type_of_six),
		cmocka_unit_test(options_and_extensions),
		cmocka_unit_test(checksums),
		cmocka_unit_test(in_flight_only),
		cmocka_unit_test(about_the_syn),
		cmocka_unit_test(of_others),
		cmocka_unit_test(of_other_protocols),
		cmocka_unit_test(broken),
		cmocka_unit_test(tagged_error),
		cmocka_unit_test(last_hop),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
