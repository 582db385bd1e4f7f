// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the node itself answers: resets to a SYN that cannot be served, ICMP errors about
 * packets of a flow that cannot go on. Every byte of the answer is compared.
 */
#include "prog_error.h"
#include "prog_refuse.h"

#define MTU 1500

/* A data connection whose SYN is expected. */
static struct dial expected_dial(void **state, const struct spec *shape)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial;

	talk.shape.ipv6 = shape->ipv6;
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	dial = dial_of(&talk, PORT, PORT);
	dial.shape = *shape;
	return dial;
}

/* From here on it is counted. No checksum of the kernel's is asked for, which follows
 * no change of the length. */
static void forget_counters(struct world *world)
{
	for (__u32 reason = 0; reason < FTPFIX_REASON_COUNT; reason++)
		world->counted[reason] = counter_value(world, reason);
	world_sum_unknown(world);
}

/* Says until when the errors of every CPU are used up. */
static void set_used_until(struct world *world, __u64 until_ns)
{
	__u64 values[256];
	__u32 first = 0;

	for (int cpu = 0; cpu < 256; cpu++)
		values[cpu] = until_ns;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.answers), &first,
					     values, BPF_ANY),
			 0);
}

/* The error about the input, as it goes back out. */
static void error_about(const struct frame *input, const struct spec *shape, __u32 source,
			__u32 destination, __u8 type, __u8 code, __u32 rest, struct frame *error)
{
	__u32 room = shape->ipv6 ? 1280 - 48 : 576 - 28;
	__u32 length = input->end - input->network;
	struct error spec = {
		.outer = {.source = source, .destination = destination, .ipv6 = shape->ipv6},
		.type = type,
		.code = code,
		.rest = rest,
		.quote = input->bytes + input->network,
		.quote_length = length < room ? length : room,
	};
	__u8 *network;

	error_build(error, &spec);
	turn_stations(error, input);
	network = error->bytes + error->network;
	if (shape->ipv6) {
		put32(network, 0x60000000);
	} else {
		network[1] = 0xc0;
		put32(network + 4, 0);
	}
	error_checksums(error);
}

static const struct spec shapes[] = {
	{},
	{.ipv6 = 1},
	{.timestamps = 1, .padding = 3},
	{.ip_options = 12},
	{.ipv6 = 1, .extensions = 2, .extension = {0, 60}, .padding = 1},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void time_exceeded(void **state)
{
	for (size_t index = 0; index < SHAPES; index++) {
		struct dial dial = expected_dial(state, &shapes[index]);
		__u8 type = dial.shape.ipv6 ? SIX_TIME_EXCEEDED : TIME_EXCEEDED;
		struct frame input, error;

		dial_open(&dial);
		forget_counters(dial.world);
		dial.shape.ttl = 1;
		dial_up_frame(&dial, PSH | ACK, dial.client_sequence, "odd", 0, &input);
		error_about(&input, &dial.shape, dial.vip, dial.client, type, 0, 0, &error);
		run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &error);
		/* It passes the program of the same interface on its way out. */
		error = dial.world->output;
		run_passes(dial.world, UPLINK_EGRESS, &error);
		dial_down_frame(&dial, PSH | ACK, dial.server_sequence, "even", 0, &input);
		error_about(&input, &dial.shape, dial.source, dial.server, type, 0, 0, &error);
		run_gives(dial.world, INSIDE_INGRESS, &input, TC_ACT_REDIRECT, &error);
		counted(dial.world, {FTPFIX_PACKET_TTL, 2}, {FTPFIX_PACKET_ICMP_SENT, 2});
	}
}

static void too_big(void **state)
{
	for (size_t index = 0; index < SHAPES; index++) {
		struct dial dial = expected_dial(state, &shapes[index]);
		__u8 type = dial.shape.ipv6 ? SIX_TOO_BIG : UNREACHABLE;
		__u8 code = dial.shape.ipv6 ? 0 : TOO_BIG;
		struct frame input, error;
		char bytes[MTU] = "";

		dial_open(&dial);
		forget_counters(dial.world);
		memset(bytes, 'x', MTU - 1);
		dial_up_frame(&dial, ACK, dial.client_sequence, bytes, 0, &input);
		error_about(&input, &dial.shape, dial.vip, dial.client, type, code, MTU, &error);
		run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &error);
		dial_down_frame(&dial, ACK, dial.server_sequence, bytes, 0, &input);
		error_about(&input, &dial.shape, dial.source, dial.server, type, code, MTU, &error);
		run_gives(dial.world, INSIDE_INGRESS, &input, TC_ACT_REDIRECT, &error);
		counted(dial.world, {FTPFIX_PACKET_TOO_BIG, 2}, {FTPFIX_PACKET_ICMP_SENT, 2});
	}
}

static void just_fits(void **state)
{
	struct dial dial = expected_dial(state, &shapes[0]);
	char bytes[MTU - 40 + 1] = "";

	dial_open(&dial);
	forget_counters(dial.world);
	memset(bytes, 'x', sizeof(bytes) - 1);
	dial_up(&dial, ACK, bytes);
	dial_down(&dial, ACK, bytes);
	dial.shape.ttl = 2;
	dial_up(&dial, ACK, bytes);
	dial_down(&dial, ACK, bytes);
	counted(dial.world, CARRIED(4, 4 * (MTU - 40)));
}

/* Segments that GRO joined, each of them too big. */
static void too_big_segments(void **state)
{
	struct dial dial = expected_dial(state, &shapes[0]);
	struct frame input, error;
	char bytes[3001] = "";

	dial_open(&dial);
	forget_counters(dial.world);
	memset(bytes, 'x', sizeof(bytes) - 1);
	dial.world->gso_size = MTU - 40 + 1;
	dial_up_frame(&dial, ACK, dial.client_sequence, bytes, 0, &input);
	error_about(&input, &dial.shape, dial.vip, dial.client, UNREACHABLE, TOO_BIG, MTU, &error);
	run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &error);
	counted(dial.world, {FTPFIX_PACKET_TOO_BIG, 1}, {FTPFIX_PACKET_ICMP_SENT, 1});
}

/* The state of the connection is not touched by what did not go on. */
static void connection_goes_on(void **state)
{
	struct dial dial = expected_dial(state, &shapes[0]);
	struct frame input;

	dial_open(&dial);
	forget_counters(dial.world);
	dial.shape.ttl = 1;
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence, "data", 0, &input);
	assert_int_equal(run(dial.world, UPLINK_INGRESS, &input), TC_ACT_REDIRECT);
	dial.shape.ttl = 2;
	dial_up(&dial, PSH | ACK, "data");
	dial_down(&dial, PSH | ACK, "data");
	counted(dial.world, {FTPFIX_PACKET_TTL, 1}, {FTPFIX_PACKET_ICMP_SENT, 1}, CARRIED(2, 8));
}

static void errors_are_limited(void **state)
{
	struct dial dial = expected_dial(state, &shapes[0]);
	struct frame input;

	dial_open(&dial);
	forget_counters(dial.world);
	dial.shape.ttl = 1;
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence, "data", 0, &input);
	set_used_until(dial.world, now_ns() + 3600 * FTPFIX_SECOND_NS);
	run_drops(dial.world, UPLINK_INGRESS, &input);
	counted(dial.world, {FTPFIX_PACKET_TTL, 1});
	set_used_until(dial.world, 0);
	assert_int_equal(run(dial.world, UPLINK_INGRESS, &input), TC_ACT_REDIRECT);
	counted(dial.world, {FTPFIX_PACKET_TTL, 1}, {FTPFIX_PACKET_ICMP_SENT, 1});
}

/* RFC 1122 section 3.2.2. */
static void group_is_not_answered(void **state)
{
	struct dial dial = expected_dial(state, &shapes[0]);
	struct frame input;

	dial_open(&dial);
	forget_counters(dial.world);
	dial.shape.ttl = 1;
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence, "data", 0, &input);
	memset(input.bytes, 0xff, 6);
	run_drops(dial.world, UPLINK_INGRESS, &input);
	counted(dial.world, {FTPFIX_PACKET_TTL, 1});
}

/* Its SYN comes with these options, as many as there is room for. */
static void with_options(struct dial *dial)
{
	static const __u8 options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
					 0, 9, 0, 0,	0, 0, 1, 3,  3, 7};

	dial->shape.tcp_option = options;
	dial->shape.tcp_options = dial->shape.timestamps ? 4 : sizeof(options);
}

/* Every port of the source toward the server is taken. */
static void syn_without_a_port(void **state)
{
	for (size_t index = 0; index < SHAPES; index++) {
		for (int payload = 0; payload < 2; payload++) {
			struct dial dial = expected_dial(state, &shapes[index]);
			const char *bytes = payload ? "early" : "";

			for (__u32 port = 0; port < 65536; port++)
				dial_source_taken(&dial, port);
			forget_counters(dial.world);
			with_options(&dial);
			dial_refused(&dial, SYN, bytes);
			counted(dial.world, {FTPFIX_CONNECTION_NO_SOURCE_PORT, 1},
				{FTPFIX_PACKET_REFUSED, 1}, {FTPFIX_EVENT_SENT, 1});
		}
	}
}

/* The table of flows is full. */
static void syn_without_room(void **state)
{
	for (size_t index = 0; index < SHAPES; index++) {
		for (int payload = 0; payload < 2; payload++) {
			struct dial dial = expected_dial(state, &shapes[index]);

			flows_fill(dial.world);
			forget_counters(dial.world);
			with_options(&dial);
			dial_refused(&dial, SYN, payload ? "early" : "");
			counted(dial.world, {FTPFIX_CONNECTION_TABLE_FULL, 1},
				{FTPFIX_PACKET_REFUSED, 1}, {FTPFIX_EVENT_SENT, 1});
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_exceeded),
		cmocka_unit_test(too_big),
		cmocka_unit_test(just_fits),
		cmocka_unit_test(too_big_segments),
		cmocka_unit_test(connection_goes_on),
		cmocka_unit_test(errors_are_limited),
		cmocka_unit_test(group_is_not_answered),
		cmocka_unit_test(syn_without_a_port),
		cmocka_unit_test(syn_without_room),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
