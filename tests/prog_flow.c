// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Data connections under --forward nat: who may open one, that every byte of it
 * is carried both ways. What cannot go on is prog_answer's subject, its end is
 * prog_close's.
 */
#include "prog_refuse.h"

/* Packets with this key began here, and have brought so many bytes, SYN and FIN among them. */
static void stream_is(const struct dial *dial, struct ftpfix_tuple key, __u32 first_sequence,
		      __u64 bytes)
{
	struct ftpfix_flow flow;

	assert_true(dial_flow(dial, key, &flow));
	assert_int_equal(flow.first_sequence, first_sequence);
	assert_int_equal(flow.end_sequence, (__u32)(first_sequence + bytes));
	assert_int_equal(flow.wraps, (__u8)(bytes >> 32));
}

static void syn_claims_and_travels(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_flow flow, back;
	struct ftpfix_tuple up = dial_up_key(&dial), down = dial_down_key(&dial), turned, to;

	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0));
	assert_int_equal(expected_count(dial.world), 0);
	assert_int_equal(dial_unsettled(&dial), 2);
	assert_int_equal(dial_settled(&dial), 0);
	assert_true(dial_flow(&dial, up, &flow));
	turned = tuple_of(dial.source, dial.source_port, dial.server, dial.server_port);
	to = flow_becomes(dial.world, &flow, up);
	assert_memory_equal(&to, &turned, sizeof(turned));
	assert_int_equal(flow_hop(dial.world, &flow).out_ifindex, dial.world->server);
	assert_int_equal(flow.place, FTPFIX_HOOK_UPLINK_IN | FTPFIX_PLACE_OPENER);
	assert_int_equal(flow.marks, FTPFIX_MARK_LIVE);
	assert_int_equal(flow.progress, FTPFIX_PROGRESS_SYN);
	stream_is(&dial, up, dial.client_sequence - 1, 1);
	assert_true(dial_flow(&dial, down, &back));
	turned = tuple_of(dial.vip, dial.public_port, dial.client, dial.client_port);
	to = flow_becomes(dial.world, &back, down);
	assert_memory_equal(&to, &turned, sizeof(turned));
	assert_int_equal(flow_hop(dial.world, &back).out_ifindex, dial.world->uplink);
	assert_int_equal(back.place, FTPFIX_HOOK_INSIDE_IN);
	assert_int_equal(back.marks, FTPFIX_MARK_LIVE);
	assert_int_equal(back.progress, 0);
	stream_is(&dial, down, 0, 0);
}

static void data_both_ways(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_tuple up = dial_up_key(&dial), down = dial_down_key(&dial);
	__u32 client = dial.client_sequence, server = dial.server_sequence;

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	for (int round = 0; round < 20; round++) {
		dial_down(&dial, PSH | ACK, "odd");
		dial_up(&dial, ACK, "");
		dial_up(&dial, PSH | ACK, "227 Entering Passive Mode (10,0,0,175,83,237)\r\n");
		dial_down(&dial, ACK, "even");
	}
	counted(dial.world, CARRIED(80, 20 * (3 + 47 + 4)));
	stream_is(&dial, up, client, 1 + 20 * 47);
	stream_is(&dial, down, server, 1 + 20 * (3 + 4));
}

/* The client's stream goes on `ahead` bytes further, by what the server has acknowledged, and
 * the last of them comes again. */
static void client_goes_on(struct dial *dial, __u32 ahead)
{
	dial->client_sequence += ahead - 1;
	dial_down(dial, ACK, "");
	dial_up(dial, PSH | ACK, "x");
	dial->client_sequence--;
	dial_up(dial, PSH | ACK, "x");
}

static void server_goes_on(struct dial *dial, __u32 ahead)
{
	dial->server_sequence += ahead - 1;
	dial_up(dial, ACK, "");
	dial_down(dial, PSH | ACK, "x");
	dial->server_sequence--;
	dial_down(dial, PSH | ACK, "x");
}

static void put_mapped(__u8 *at, __u32 address)
{
	memset(at, 0, 10);
	memset(at + 10, 0xff, 2);
	put32(at + 12, address);
}

/* A header of IPv6 with addresses of IPv4, mapped as the tables have them, is none of IPv4. */
static void mapped_in_ipv6(void **state)
{
	struct dial dial = dial_expected(state), other;
	struct frame frame, before;

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	other = dial;
	other.shape.ipv6 = 1;
	dial_up_frame(&other, PSH | ACK, dial.client_sequence, "data", 0, &frame);
	put_mapped(frame.bytes + frame.network + 8, dial.client);
	put_mapped(frame.bytes + frame.network + 24, dial.vip);
	frame_checksums(&frame);
	before = frame;
	run_gives(dial.world, UPLINK_INGRESS, &frame, TC_ACT_UNSPEC, &before);
	counted(dial.world, {FTPFIX_PACKET_MALFORMED, 1});
	dial_up(&dial, PSH | ACK, "data");
}

/* More bytes than there are sequence numbers, more often than it is counted; the two streams
 * begin at different ones. */
static void more_than_4_gib(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_tuple up = dial_up_key(&dial), down = dial_down_key(&dial);
	__u32 client = dial.client_sequence, server = dial.server_sequence;
	__u64 up_bytes = 1, down_bytes = 1;

	dial_open(&dial);
	for (__u32 round = 0; round < 700; round++) {
		__u32 ahead = 0x60000001 + round, other = 0x50000001 - round;

		client_goes_on(&dial, ahead);
		up_bytes += ahead;
		stream_is(&dial, up, client, up_bytes);
		server_goes_on(&dial, other);
		down_bytes += other;
		stream_is(&dial, down, server, down_bytes);
	}
	assert_in_range(up_bytes >> 32, 257, 511);
}

/* The byte that makes it 2^32 is the one that counts. */
static void just_4_gib(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_tuple up = dial_up_key(&dial);
	__u32 client = dial.client_sequence;

	dial_open(&dial);
	for (int round = 0; round < 3; round++)
		client_goes_on(&dial, 1 << 30);
	client_goes_on(&dial, (1 << 30) - 2);
	stream_is(&dial, up, client, 0xffffffff);
	client_goes_on(&dial, 1);
	stream_is(&dial, up, client, 0x100000000);
	client_goes_on(&dial, 1);
	stream_is(&dial, up, client, 0x100000001);
	/* What came before the turn comes again. */
	dial.client_sequence -= 100;
	dial_up(&dial, PSH | ACK, "data");
	stream_is(&dial, up, client, 0x100000001);
}

/* As far ahead as a window reaches it is the stream; further, or behind a FIN, a stranger's. */
static void what_is_no_byte_of_it(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_tuple up = dial_up_key(&dial);
	__u32 client = dial.client_sequence;

	dial_open(&dial);
	dial.client_sequence += (1 << 23) - 4;
	dial_up(&dial, PSH | ACK, "data");
	stream_is(&dial, up, client, 1 + (1 << 23));
	dial.client_sequence += (1 << 23) - 3;
	dial_up(&dial, PSH | ACK, "data");
	stream_is(&dial, up, client, 1 + (1 << 23));
	dial.client_sequence = client + 1 + (1 << 23) + (3 << 29);
	dial_up(&dial, PSH | ACK, "data");
	dial.client_sequence = client - 1000;
	dial_up(&dial, PSH | ACK, "data");
	stream_is(&dial, up, client, 1 + (1 << 23));
	dial.client_sequence = client + 1 + (1 << 23);
	dial_up(&dial, FIN | ACK, "last");
	dial.client_sequence -= 5;
	dial_up(&dial, FIN | ACK, "last");
	stream_is(&dial, up, client, 1 + (1 << 23) + 5);
	dial_up(&dial, PSH | ACK, "more");
	stream_is(&dial, up, client, 1 + (1 << 23) + 5);
}

static void every_shape(void **state)
{
	static const struct spec shapes[] = {
		{.timestamps = 1},
		{.ip_options = 4},
		{.ip_options = 40, .timestamps = 1},
		{.padding = 6},
		{.padding = 1, .timestamps = 1},
		{.ttl = 2},
		{.ttl = 255},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct dial dial = dial_expected(state);

		dial.shape = shapes[index];
		dial_open(&dial);
		dial_up(&dial, PSH | ACK, "a");
		dial_down(&dial, PSH | ACK, "bc");
		dial_up(&dial, ACK, "def");
	}
}

/* The kernel knows no sum over the packet, as where nothing was received. */
static void sum_unknown(void **state)
{
	struct dial dial = dial_expected(state);

	dial.world->run_flags = 0;
	dial_open(&dial);
	dial_up(&dial, PSH | ACK, "odd");
	dial_down(&dial, PSH | ACK, "even");
}

/* TTL and checksum meet in one sum: every borrow out of it must be right. */
static void ip_checksums(void **state)
{
	struct dial dial = dial_expected(state);
	struct frame input, output;

	dial_open(&dial);
	for (__u32 id = 0; id < 65536; id += 13) {
		dial.shape.ttl = id % 253 + 2;
		dial_up_frame(&dial, ACK, dial.client_sequence, "x", 0, &input);
		dial_up_frame(&dial, ACK, dial.client_sequence, "x", 1, &output);
		put16(input.bytes + input.network + 4, id);
		put16(output.bytes + output.network + 4, id);
		frame_checksums(&input);
		frame_checksums(&output);
		run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	}
}

/* RFC 9293: a SYN that comes again is the same connection's. */
static void syn_comes_again(void **state)
{
	struct dial dial = dial_expected(state);

	dial_up(&dial, SYN, "");
	dial.client_sequence--;
	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	dial.server_sequence--;
	dial_down(&dial, SYN | ACK, "");
	dial.client_sequence--;
	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 0));
	assert_int_equal(dial_entries(&dial), 2);
	dial_up(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "data");
	counted(dial.world, CARRIED(2, 4));
}

static void one_connection_each(void **state)
{
	struct dial dial = dial_expected(state), second;

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	second = dial;
	second.client_port++;
	dial_up_passes(&second, SYN, "");
	counted(dial.world, NOTHING);
	assert_int_equal(dial_entries(&dial), 2);
	dial_up(&dial, PSH | ACK, "data");
}

/* Whatever is not the one SYN that is expected passes, and leaves it expected. */
static void only_who_is_expected(void **state)
{
	struct dial dial = dial_expected(state), other;
	struct frame frame;

	other = dial;
	other.client++;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.vip++;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.public_port++;
	dial_up_passes(&other, SYN, "");
	dial_up_passes(&dial, SYN | ACK, "");
	dial_up_passes(&dial, ACK, "data");
	dial_up_passes(&dial, RST, "");
	dial_up_passes(&dial, SYN | RST, "");
	/* It is the uplink where the client comes in. */
	dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
	run_passes(dial.world, INSIDE_INGRESS, &frame);
	counted(dial.world, NOTHING);
	assert_int_equal(dial_entries(&dial), 0);
	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
}

/* The address in the announcement is as good as the one of the control peer. */
static void advertised_or_dialled(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	for (int advertised = 0; advertised < 2; advertised++) {
		struct talk talk;
		struct dial dial;

		world_reset(world, FTPFIX_FORWARD_NAT);
		talk = talk_of(world);
		world_advertise(world, 0, 0, ip4(192, 0, 2, 99));
		talk_ask(&talk, "EPSV\r\n");
		talk_answer(&talk, "229 Entering Extended Passive Mode (|||21485|)\r\n",
			    "229 Entering Extended Passive Mode (|||21485|)\r\n");
		dial = dial_of(&talk, 21485, 21485);
		if (advertised)
			dial.vip = ip4(192, 0, 2, 99);
		dial_open(&dial);
		dial_up(&dial, PSH | ACK, "data");
	}
}

static void too_late(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_expectation *expectation =
		expected_of(dial.world, mapped(dial.client), dial.public_port);

	assert_non_null(expectation);
	expectation->deadline_ticks = (now_ns() - FTPFIX_SECOND_NS) >> FTPFIX_TICK_SHIFT;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, NOTHING);
	assert_int_equal(dial_entries(&dial), 0);
}

/* Segments that GRO joined leave as segments again: the MTU is for each of them. */
static void joined_segments(void **state)
{
	struct dial dial = dial_expected(state);
	char bytes[2901] = "";

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	memset(bytes, 'x', sizeof(bytes) - 1);
	dial.world->gso_size = 1450;
	dial_up(&dial, ACK, bytes);
	dial_down(&dial, ACK, bytes);
	counted(dial.world, CARRIED(2, 5800));
}

static void tagged_data(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	dial.shape.tags[0] = ETH_P_8021Q;
	dial_up_passes(&dial, PSH | ACK, "data");
	dial_down_passes(&dial, PSH | ACK, "data");
	counted(dial.world, {FTPFIX_PACKET_VLAN, 2});
}

/* Where data is tagged, so is its SYN: an operator who looks for the reason must
 * find it under this name. */
static void tagged_syn(void **state)
{
	struct dial dial = dial_expected(state);

	dial.shape.tags[0] = ETH_P_8021Q;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, {FTPFIX_PACKET_VLAN, 1});
	assert_int_equal(expected_count(dial.world), 1);
	assert_int_equal(dial_entries(&dial), 0);
}

/* A server's data port may have the number of a service's control port. */
static void server_port_of_a_service(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial;

	world->service.port_low = OTHER_SERVICE_PORT - 1;
	world->service.port_high = OTHER_SERVICE_PORT;
	world_write_service(world);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, "229 Entering Extended Passive Mode (|||2100|)\r\n",
		    "229 Entering Extended Passive Mode (|||2099|)\r\n");
	dial = dial_of(&talk, OTHER_SERVICE_PORT - 1, OTHER_SERVICE_PORT);
	dial_open(&dial);
	dial_down(&dial, PSH | ACK, "data");
}

/* A client's port may have that number too: on a node with one interface for both
 * sides, what comes back to it would be taken for commands. */
static void client_port_of_a_service(void **state)
{
	struct dial dial = dial_expected(state);

	dial.client_port = OTHER_SERVICE_PORT;
	dial_learn(&dial);
	assert_int_not_equal(dial.source_port, SERVICE_PORT);
	assert_int_not_equal(dial.source_port, OTHER_SERVICE_PORT);
	assert_int_equal(dial_entries(&dial), 2);
}

/* A node with one interface for both sides gets each packet at both programs. */
static void sides_are_kept_apart(void **state)
{
	struct dial dial = dial_expected(state);
	struct frame frame;

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	dial_up_frame(&dial, ACK, dial.client_sequence, "data", 0, &frame);
	run_passes(dial.world, INSIDE_INGRESS, &frame);
	dial_down_frame(&dial, ACK, dial.server_sequence, "data", 0, &frame);
	run_passes(dial.world, UPLINK_INGRESS, &frame);
	counted(dial.world, NOTHING);
}

/* With room for neither direction, or for one of them, the connection is refused when its SYN
 * comes: nothing of it stays in the table, and what else comes of it is nobody's. Its peer
 * stays expected, for the time when there is room. */
static void flow_table_full(void **state)
{
	for (int room = 0; room < 3; room++) {
		struct dial dial = dial_expected(state);
		struct ftpfix_tuple up = dial_up_key(&dial), down = dial_down_key(&dial);
		__u32 slots = dial.world->group_count * FTPFIX_GROUP_SLOTS;

		flows_fill(dial.world);
		if (room)
			flows_make_room(dial.world, room == 1 ? up : down);
		for (int again = 0; again < 2; again++) {
			dial_refused(&dial, SYN, "");
			counted(dial.world, {FTPFIX_CONNECTION_TABLE_FULL, 1},
				{FTPFIX_EVENT_SENT, 1}, {FTPFIX_PACKET_REFUSED, 1});
			assert_int_equal(flows_taken(dial.world), slots - !!room);
			assert_int_equal(flows_live(dial.world), 0);
			assert_int_equal(expected_count(dial.world), 1);
		}
		dial_up_passes(&dial, ACK, "");
		dial_down_passes(&dial, SYN | ACK, "");
		counted(dial.world, NOTHING);
		if (room != 1)
			flows_make_room(dial.world, up);
		if (room != 2)
			flows_make_room(dial.world, down);
		dial_open(&dial);
		counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
		assert_int_equal(flows_taken(dial.world), slots);
		assert_int_equal(dial_settled(&dial), 2);
		assert_int_equal(expected_count(dial.world), 0);
		dial_up(&dial, FIN | ACK, "");
		dial_down(&dial, FIN | ACK, "");
		dial_up(&dial, RST, "");
		counted(dial.world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(3, 0));
		assert_int_equal(flows_taken(dial.world), slots - 2);
		assert_int_equal(flows_live(dial.world), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_claims_and_travels),
		cmocka_unit_test(data_both_ways),
		cmocka_unit_test(mapped_in_ipv6),
		cmocka_unit_test(more_than_4_gib),
		cmocka_unit_test(just_4_gib),
		cmocka_unit_test(what_is_no_byte_of_it),
		cmocka_unit_test(every_shape),
		cmocka_unit_test(sum_unknown),
		cmocka_unit_test(ip_checksums),
		cmocka_unit_test(syn_comes_again),
		cmocka_unit_test(one_connection_each),
		cmocka_unit_test(only_who_is_expected),
		cmocka_unit_test(advertised_or_dialled),
		cmocka_unit_test(too_late),
		cmocka_unit_test(joined_segments),
		cmocka_unit_test(tagged_data),
		cmocka_unit_test(tagged_syn),
		cmocka_unit_test(server_port_of_a_service),
		cmocka_unit_test(client_port_of_a_service),
		cmocka_unit_test(sides_are_kept_apart),
		cmocka_unit_test(flow_table_full),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
