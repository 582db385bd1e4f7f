// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --client-address toa: which packets toward a server carry the client's endpoint as a TCP
 * option, with what bytes; and that no client can put its own there.
 */
#include "prog_error.h"
#include "prog_stream.h"
#include "prog_virtual.h"

#define MTU 1500

/* What a test of data connections under FULLNAT begins with: the client was told a port, and
 * has sent its SYN and got the answer. */
static struct dial half_open(void **state, const struct spec *shape)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct dial dial;

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk.shape.ipv6 = shape->ipv6;
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	dial = dial_of(&talk, PORT, PORT);
	dial.shape = *shape;
	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	/* Only what the tests look at is counted from here on. */
	for (__u32 reason = 0; reason < FTPFIX_REASON_COUNT; reason++)
		world->counted[reason] = counter_value(world, reason);
	return dial;
}

/* A segment of the client's with these options arrives, and goes on with those. */
static void changed_at(const struct dial *dial, __u8 flags, const char *bytes, const __u8 *before,
		       __u32 before_length, const __u8 *after, __u32 after_length, const char *file,
		       int line)
{
	struct dial from = *dial, to = *dial;
	struct frame input, output;

	from.shape.tcp_option = before;
	from.shape.tcp_options = before_length;
	to.shape.tcp_option = after;
	to.shape.tcp_options = after_length;
	to.shape.padding = before_length == after_length ? dial->shape.padding : 0;
	dial_up_frame(&from, flags, dial->client_sequence, bytes, 0, &input);
	dial_up_frame(&to, flags, dial->client_sequence, bytes, 1, &output);
	if (before_length != after_length)
		world_sum_unknown(dial->world);
	run_check(dial->world, dial->opens, &input, TC_ACT_REDIRECT, &output, file, line);
	dial->world->run_flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
}

#define changed(dial, flags, bytes, before, after)                                             \
	changed_at(dial, flags, bytes, before, sizeof(before), after, sizeof(after), __FILE__, \
		   __LINE__)
#define added(dial, flags, bytes, after) \
	changed_at(dial, flags, bytes, NULL, 0, after, sizeof(after), __FILE__, __LINE__)
#define untold(dial, flags, bytes, options)                                                \
	changed_at(dial, flags, bytes, options, sizeof(options), options, sizeof(options), \
		   __FILE__, __LINE__)

/* 198.51.100.10 port 50001 (0xc351). */
#define TOA 254, 8, 0xc3, 0x51, 198, 51, 100, 10
#define TIMESTAMPS 1, 1, 8, 10, 0, 9, 9, 9, 0, 8, 8, 8
#define FORGED 254, 8, 0, 80, 8, 8, 8, 8
static const __u8 toa[] = {TOA};

/* The same of 2001:db8:c633::640a, behind kind and length. */
#define TOA_SIX 0xc3, 0x51, 0x20, 1, 0xd, 0xb8, 0xc6, 0x33, 0, 0, 0, 0, 0, 0, 0, 0, 100, 10

static void until_the_server_answers(void **state)
{
	struct dial dial = half_open(state, &(struct spec){});

	added(&dial, ACK, "", toa);
	added(&dial, ACK, "", toa);
	counted(dial.world, {FTPFIX_PACKET_TOA, 2}, CARRIED(2, 0));
	added(&dial, PSH | ACK, "odd", toa);
	added(&dial, PSH | ACK, "even", toa);
	added(&dial, FIN | ACK, "", toa);
	counted(dial.world, {FTPFIX_PACKET_TOA, 3}, CARRIED(3, 7));
}

/* A server may take its time until it has something to say: that the connection waits for it is no
 * handshake that is not complete. */
static void silent_server(void **state)
{
	const __u64 silence = FTPFIX_FLOW_HALF_OPEN_NS + FTPFIX_SECOND_NS;
	struct dial dial = half_open(state, &(struct spec){});
	struct ftpfix_tuple keys[] = {dial_up_key(&dial), dial_down_key(&dial)};

	added(&dial, ACK, "", toa);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(1, 0));
	for (int way = 0; way < 2; way++)
		flow_of(dial.world, keys[way])->seen_ticks =
			(now_ns() - silence) >> FTPFIX_TICK_SHIFT;
	sweep(dial.world);
	counted(dial.world, NOTHING);
	assert_int_equal(dial_settled(&dial), 2);
	/* It may not have accepted the connection yet. */
	added(&dial, PSH | ACK, "odd", toa);
	dial_down(&dial, PSH | ACK, "even");
	dial_up(&dial, PSH | ACK, "odd");
}

/* It is parsed again where it leaves, as what is without one need not be. */
static void parsed_again(void **state)
{
	struct dial dial = half_open(state, &(struct spec){});

	assert_true(numbered(dial.world));
	added(&dial, PSH | ACK, "odd", toa);
	assert_false(numbered(dial.world));
	dial.client_sequence += 3;
	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "even");
	assert_true(numbered(dial.world));
}

static void not_behind_an_acknowledgement(void **state)
{
	struct dial dial = half_open(state, &(struct spec){});

	added(&dial, PSH | ACK, "odd", toa);
	dial.client_sequence += 3;
	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "even");
	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, ACK, "");
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(6, 7));
}

static void not_behind_a_byte_of_the_server(void **state)
{
	struct dial dial = half_open(state, &(struct spec){});

	added(&dial, ACK, "", toa);
	dial_down(&dial, PSH | ACK, "even");
	dial_up(&dial, ACK, "");
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(3, 4));
}

static void not_on_a_reset(void **state)
{
	struct dial dial = half_open(state, &(struct spec){});

	dial_up(&dial, RST | ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(1, 0));
}

static void in_front_of_other_options(void **state)
{
	static const __u8 before[] = {TIMESTAMPS}, after[] = {TOA, TIMESTAMPS};
	static const struct spec shapes[] = {
		{},
		{.ip_options = 8},
		{.padding = 6},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct dial dial = half_open(state, &shapes[index]);

		changed(&dial, ACK, "", before, after);
		changed(&dial, PSH | ACK, "odd", before, after);
	}
}

static void six(void **state)
{
	static const __u8 before[] = {TIMESTAMPS};
	static const __u8 alone[] = {253, 20, TOA_SIX}, after[] = {253, 20, TOA_SIX, TIMESTAMPS};
	static const struct spec shapes[] = {
		{.ipv6 = 1},
		{.ipv6 = 1, .padding = 3},
		{.ipv6 = 1, .extensions = 1, .extension = {60}},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct dial dial = half_open(state, &shapes[index]);

		added(&dial, ACK, "", alone);
		changed(&dial, ACK, "", before, after);
		changed(&dial, PSH | ACK, "odd", before, after);
		dial_down(&dial, ACK | PSH, "even");
		dial_up(&dial, PSH | ACK, "odd");
	}
}

/* An unknown option of `size` bytes, as filling. */
#define FILLING_20 77, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18

static void room_to_the_last_byte(void **state)
{
	static const __u8 most[] = {FILLING_20, TIMESTAMPS},
			  filled[] = {TOA, FILLING_20, TIMESTAMPS};
	static const __u8 four_more[] = {FILLING_20, TIMESTAMPS, 1, 1, 1, 1};
	static const __u8 full[] = {FILLING_20, FILLING_20};
	static const __u8 six[] = {253, 20, TOA_SIX}, no_six[] = {FILLING_20, 1, 1, 1, 1};
	static const __u8 six_filled[] = {253, 20, TOA_SIX, FILLING_20}, twenty[] = {FILLING_20};
	struct dial dial = half_open(state, &(struct spec){});

	changed(&dial, PSH | ACK, "odd", most, filled);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(1, 3 + 32));
	dial = half_open(state, &(struct spec){});
	untold(&dial, PSH | ACK, "odd", four_more);
	counted(dial.world, {FTPFIX_PACKET_TOA_NO_ROOM, 1}, CARRIED(1, 3 + 36));
	dial = half_open(state, &(struct spec){});
	untold(&dial, ACK, "", full);
	counted(dial.world, {FTPFIX_PACKET_TOA_NO_ROOM, 1}, CARRIED(1, 40));

	dial = half_open(state, &(struct spec){.ipv6 = 1});
	added(&dial, ACK, "", six);
	changed(&dial, ACK, "", twenty, six_filled);
	untold(&dial, ACK, "", no_six);
}

static void room_below_the_mtu(void **state)
{
	char bytes[MTU] = "";
	struct dial dial = half_open(state, &(struct spec){});

	memset(bytes, 'x', MTU - 40 - 8);
	added(&dial, ACK, bytes, toa);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(1, MTU - 40 - 8));
	dial = half_open(state, &(struct spec){});
	memset(bytes, 'x', MTU - 40 - 7);
	dial_up(&dial, ACK, bytes);
	counted(dial.world, {FTPFIX_PACKET_TOA_NO_ROOM, 1}, CARRIED(1, MTU - 40 - 7));
}

/* The server has it from the packet before, most likely: no reason for alarm. */
static void no_room_behind_one_that_told(void **state)
{
	char bytes[MTU] = "";
	struct dial dial = half_open(state, &(struct spec){});

	added(&dial, ACK, "", toa);
	memset(bytes, 'x', MTU - 40);
	dial_up(&dial, ACK, bytes);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(2, MTU - 40));
}

/* A router behind the node tells of the client's last segment, as that went on. */
static void told_of(const struct dial *dial, const __u8 *option, __u8 options, __u8 type, __u8 code)
{
	struct dial quoted_dial = *dial;
	struct error error = {
		.outer = {.ipv6 = dial->shape.ipv6,
			  .source = ip4(10, 9, 9, 9),
			  .destination = dial->source},
		.type = type,
		.code = code,
		.rest = MTU - 100,
	};
	struct frame quoted, frame;

	quoted_dial.shape.tcp_option = option;
	quoted_dial.shape.tcp_options = options;
	dial_up_frame(&quoted_dial, PSH | ACK, dial->client_sequence, "odd", 1, &quoted);
	error.quote = quoted.bytes + quoted.network;
	error.quote_length = quoted.end - quoted.network;
	error_build(&frame, &error);
	assert_int_equal(run(dial->world, INSIDE_INGRESS, &frame), TC_ACT_REDIRECT);
	counted(dial->world, {FTPFIX_PACKET_ICMP, 1});
}

/* The client goes by the MTU that it is told, and would be told the same again and again of
 * segments that became longer behind it: these go without, until the server answers. */
static void narrow_further_on(void **state)
{
	static const __u8 forged[] = {FORGED}, left_out[] = {1, 1, 1, 1, 1, 1, 1, 1};
	static const __u8 toa_six[] = {253, 20, TOA_SIX};

	for (int six = 0; six < 2; six++) {
		struct dial dial = half_open(state, &(struct spec){.ipv6 = six});
		const __u8 *option = six ? toa_six : toa;
		__u8 size = six ? sizeof(toa_six) : sizeof(toa);

		changed_at(&dial, ACK, "", NULL, 0, option, size, __FILE__, __LINE__);
		changed_at(&dial, PSH | ACK, "odd", NULL, 0, option, size, __FILE__, __LINE__);
		counted(dial.world, {FTPFIX_PACKET_TOA, 2}, CARRIED_OF(&dial, 2, 3));
		told_of(&dial, option, size, six ? SIX_UNREACHABLE : UNREACHABLE, 0);
		changed_at(&dial, PSH | ACK, "odd", NULL, 0, option, size, __FILE__, __LINE__);
		counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED_OF(&dial, 1, 3));
		told_of(&dial, option, size, six ? SIX_TOO_BIG : UNREACHABLE, six ? 0 : TOO_BIG);
		untold(&dial, PSH | ACK, "odd", left_out);
		changed(&dial, PSH | ACK, "odd", forged, left_out);
		counted(dial.world, CARRIED_OF(&dial, 2, 2 * (8 + 3)));
		/* What has no payload is never too long. */
		changed_at(&dial, ACK, "", NULL, 0, option, size, __FILE__, __LINE__);
		counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED_OF(&dial, 1, 0));
	}
}

/* What the node's interface joined, and will cut into segments again. */
static void not_in_front_of_segments(void **state)
{
	char bytes[2001] = "";
	struct dial dial = half_open(state, &(struct spec){});

	memset(bytes, 'x', 2000);
	dial.world->gso_size = 1000;
	dial_up(&dial, ACK, bytes);
	counted(dial.world, {FTPFIX_PACKET_TOA_NO_ROOM, 1}, CARRIED(1, 2000));
}

/* A client that brings the option itself would be logged as whom it likes. */
static void forged(void **state)
{
	static const __u8 alone[] = {FORGED};
	static const __u8 behind[] = {TIMESTAMPS, FORGED}, put_right[] = {TOA, TIMESTAMPS};
	static const __u8 twice[] = {FORGED, TIMESTAMPS, FORGED};
	static const __u8 once[] = {TOA, TIMESTAMPS, 1, 1, 1, 1, 1, 1, 1, 1};
	static const __u8 short_one[] = {254, 3, 9, 1}, short_right[] = {TOA, 1, 1, 1, 1};
	static const __u8 other_kind[] = {253, 20, TOA_SIX, TIMESTAMPS};
	static const __u8 other_right[] = {TOA, TIMESTAMPS, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct dial dial = half_open(state, &(struct spec){});

	changed(&dial, ACK, "", alone, toa);
	changed(&dial, PSH | ACK, "odd", alone, toa);
	changed(&dial, ACK, "", behind, put_right);
	changed(&dial, PSH | ACK, "odd", twice, once);
	changed(&dial, ACK, "", short_one, short_right);
	changed(&dial, ACK, "", other_kind, other_right);
}

/* Nor may it fill the room, so that its own is left. */
static void forged_without_room(void **state)
{
	static const __u8 full[] = {FILLING_20, TIMESTAMPS, FORGED};
	static const __u8 right[] = {TOA, FILLING_20, TIMESTAMPS};
	static const __u8 six_full[] = {FILLING_20, TIMESTAMPS, FORGED};
	static const __u8 six_taken[] = {FILLING_20, TIMESTAMPS, 1, 1, 1, 1, 1, 1, 1, 1};
	char bytes[MTU] = "";
	struct dial dial = half_open(state, &(struct spec){});

	changed(&dial, ACK, "", full, right);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(1, 40));
	memset(bytes, 'x', 1000);
	dial.world->gso_size = 500;
	changed(&dial, ACK, bytes, full, right);
	counted(dial.world, {FTPFIX_PACKET_TOA, 1}, CARRIED(1, 40 + 1000));

	dial = half_open(state, &(struct spec){.ipv6 = 1});
	changed(&dial, PSH | ACK, "odd", six_full, six_taken);
	counted(dial.world, {FTPFIX_PACKET_TOA_NO_ROOM, 1}, {FTPFIX_PACKET_FORWARDED, 1},
		{FTPFIX_BYTES_FORWARDED, 60 + 40 + 3});
}

/* Behind its end, or where it breaks off, no receiver reads the list on. */
static void list_that_ends(void **state)
{
	static const __u8 ended[] = {1, 0, 254, 8, 0, 80, 8, 8},
			  behind[] = {TOA, 1, 0, 254, 8, 0, 80, 8, 8};
	static const __u8 broken[] = {1, 77, 0, 5}, broken_behind[] = {TOA, 1, 77, 0, 5};
	static const __u8 beyond[] = {1, 1, 254, 8}, beyond_behind[] = {TOA, 1, 1, 254, 8};
	static const __u8 cut[] = {1, 1, 1, 254}, cut_behind[] = {TOA, 1, 1, 1, 254};
	struct dial dial = half_open(state, &(struct spec){});

	changed(&dial, ACK, "", ended, behind);
	changed(&dial, ACK, "", broken, broken_behind);
	changed(&dial, ACK, "", beyond, beyond_behind);
	changed(&dial, ACK, "", cut, cut_behind);
}

/* A server that sees the client's own address needs no option. */
static void not_under_nat(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_up(&dial, PSH | ACK, "odd");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(4, 3));
}

/* A server that dials the client accepts nothing. */
static void not_for_a_server_that_dials(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_FULLNAT));
	struct stream uplink = stream_of(&talk, UPLINK_INGRESS, 1, talk.server_sequence);
	struct stream inside = stream_of(&talk, INSIDE_EGRESS, 1, talk.inner_sequence);
	struct dial dial;

	world_sum_unknown(talk.world);
	stream_passes(&uplink, "EPRT |1|198.51.100.10|50000|\r\n");
	stream_next(&inside, "EPRT |1|198.51.100.10|50000|\r\n",
		    "EPRT |1|10.0.0.1|0000050000|\r\n");
	counted(talk.world, EXPECTED_NEW);
	dial = dial_active(&talk, INSIDE_INGRESS, talk.server, talk.peer, 50000, talk.vip,
			   talk.client, 50000);
	dial_open(&dial);
	dial_down(&dial, PSH | ACK, "odd");
	dial_down(&dial, FIN | ACK, "");
	counted(talk.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 3));
}

static void control_connections(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct dial dial = dial_virtual(&talk);

	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	added(&dial, ACK, "", toa);
	counted(world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
		{FTPFIX_PACKET_TOA, 1}, CARRIED(3, 0));
	dial_down(&dial, PSH | ACK, "220 ready\r\n");
	dial_up(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "USER anonymous\r\n");
	counted(world, CARRIED(3, 11 + 16));
}

static void toa_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_TOA;
	skeleton->rodata->toa_kind[FTPFIX_IPV6] = 253;
}

static int toa_setup(void **state)
{
	return world_setup_configured(state, 0, toa_constants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(until_the_server_answers),
		cmocka_unit_test(silent_server),
		cmocka_unit_test(parsed_again),
		cmocka_unit_test(not_behind_an_acknowledgement),
		cmocka_unit_test(not_behind_a_byte_of_the_server),
		cmocka_unit_test(not_on_a_reset),
		cmocka_unit_test(in_front_of_other_options),
		cmocka_unit_test(six),
		cmocka_unit_test(room_to_the_last_byte),
		cmocka_unit_test(room_below_the_mtu),
		cmocka_unit_test(no_room_behind_one_that_told),
		cmocka_unit_test(narrow_further_on),
		cmocka_unit_test(not_in_front_of_segments),
		cmocka_unit_test(forged),
		cmocka_unit_test(forged_without_room),
		cmocka_unit_test(list_that_ends),
		cmocka_unit_test(not_under_nat),
		cmocka_unit_test(control_connections),
		cmocka_unit_test(not_for_a_server_that_dials),
	};

	return cmocka_run_group_tests(tests, toa_setup, world_teardown);
}
