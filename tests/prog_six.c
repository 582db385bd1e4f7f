// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * IPv6: 229 and EPRT, data connections translated with their hop limit and without a
 * header checksum, and what may stand between the IPv6 and the TCP header.
 */
#include "prog_dial.h"
#include "prog_stream.h"

#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define NO_NEXT_HEADER 59
#define DESTINATION 60

/* The addresses of prog_talk.h as ip6() gives them: the client is
 * 2001:db8:c633::640a, the virtual address 2001:db8:cb00::7105, the peer under FULLNAT
 * 2001:db8:a00::1. */
#define EPRT_LINE "EPRT |2|2001:db8:c633::640a|50000|\r\n"
#define EPRT_INSIDE "EPRT |2|2001:db8:a00::1|50000|\r\n"

static struct talk six_talk(void **state, enum ftpfix_forward forward)
{
	struct talk talk = talk_of(world_begin(state, forward));

	talk.shape.ipv6 = 1;
	return talk;
}

static struct dial passive_dial(void **state, enum ftpfix_forward forward)
{
	struct talk talk = six_talk(state, forward);

	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, EXPECTED_KEPT);
	return dial_of(&talk, PORT, PORT);
}

/* The counters of packets with headers of 60 bytes. */
#define CARRIED_SIX(packets, payload)                            \
	{FTPFIX_PACKET_FORWARDED, packets},                      \
	{                                                        \
		FTPFIX_BYTES_FORWARDED, (packets)*60 + (payload) \
	}

static void carries(struct dial *dial)
{
	dial_open(dial);
	dial_up(dial, PSH | ACK, "odd");
	dial_down(dial, PSH | ACK, "even");
	dial_down(dial, FIN | ACK, "");
	dial_up(dial, FIN | ACK, "");
	dial_down(dial, ACK, "");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
		CARRIED_SIX(8, 7));
}

static void passive(void **state)
{
	struct dial nat = passive_dial(state, FTPFIX_FORWARD_NAT), fullnat;

	carries(&nat);
	fullnat = passive_dial(state, FTPFIX_FORWARD_FULLNAT);
	carries(&fullnat);
}

/* The FULLNAT source of this family, and not that of the other one. */
static void source_of_the_service(void **state)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_FULLNAT);
	struct dial dial;

	world_source(talk.world, mapped(ip4(10, 0, 0, 66)));
	world_source(talk.world, talk_address(&talk, ip4(10, 0, 0, 77)));
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, EXPECTED_KEPT);
	dial = dial_of(&talk, PORT, PORT);
	dial.source = ip4(10, 0, 0, 77);
	carries(&dial);
}

/* An address of the other family is told to nobody. */
static void advertised_of_the_other_family(void **state)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_NAT);
	struct ftpfix_advertise_key everybody = {.prefix_length = 0};
	struct ftpfix_advertise told = {.addr = mapped(ip4(192, 0, 2, 99))};
	struct ftpfix_addr vip = talk_address(&talk, talk.vip);
	struct ftpfix_expectation expectation;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(talk.world->skeleton->maps.advertise),
					     &everybody, &told, BPF_ANY),
			 0);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	assert_true(talk_expects(&talk, PORT, &expectation));
	expectation_names(talk.world, &expectation, advertised, &vip);
}

/* Where the kernel knows no sum, and in every shape that may be forwarded. */
static void every_shape(void **state)
{
	static const struct spec shapes[] = {
		{.ipv6 = 1, .timestamps = 1},
		{.ipv6 = 1, .padding = 5},
		{.ipv6 = 1, .ttl = 2},
		{.ipv6 = 1, .ttl = 255},
		{.ipv6 = 1, .extensions = 1, .extension = {DESTINATION}},
		{.ipv6 = 1, .extensions = 2, .extension = {HOP_BY_HOP, DESTINATION}},
	};

	for (size_t index = 0; index < 2 * sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct dial dial = passive_dial(state, FTPFIX_FORWARD_FULLNAT);

		if (index & 1)
			world_sum_unknown(dial.world);
		dial.shape = shapes[index / 2];
		dial_open(&dial);
		dial_up(&dial, PSH | ACK, "a");
		dial_down(&dial, PSH | ACK, "bc");
	}
}

/* 227 cannot say an IPv6 address: where the client speaks IPv6 it passes. */
static void no_227(void **state)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_NAT);

	world_allow(talk.world, ip4(10, 0, 0, 0), 8, 0);
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
	assert_int_equal(expected_count(talk.world), 0);
}

/* The line of a client, toward the server: what it becomes, and how it is counted. */
static void published(void **state, __u32 rewrite, const char *line, const char *expected,
		      __u32 reason)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_FULLNAT);
	struct stream uplink = stream_of(&talk, UPLINK_INGRESS, 9000, 1);
	struct stream inside = stream_of(&talk, INSIDE_EGRESS, 9000, 1);
	struct dial dial;

	world_sum_unknown(talk.world);
	talk.world->service.rewrite = rewrite;
	world_write_service(talk.world);
	stream_passes(&uplink, line);
	stream_next(&inside, line, expected);
	stream_acknowledged(&inside, inside.out, inside.in);
	counted(talk.world, {reason, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	dial = dial_active(&talk, INSIDE_INGRESS, talk.server, talk.peer, 50000, talk.vip,
			   talk.client, 50000);
	dial.shape.ipv6 = 1;
	carries(&dial);
}

static void active(void **state)
{
	published(state, FTPFIX_REWRITE_ADJUST, EPRT_LINE, EPRT_INSIDE,
		  FTPFIX_ANNOUNCEMENT_ADJUSTED);
	published(state, FTPFIX_REWRITE_AUTO, EPRT_LINE, "EPRT |2|2001:db8:a00::1|000050000|\r\n",
		  FTPFIX_ANNOUNCEMENT_REWRITTEN);
	published(state, FTPFIX_REWRITE_AUTO, "eprt !2!2001:0DB8:C633:0:0:0:0:640A!50000!\r\n",
		  "eprt !2!2001:db8:a00::1!50000!\r\n", FTPFIX_ANNOUNCEMENT_ADJUSTED);
}

static void active_nat(void **state)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_NAT);
	struct stream uplink = stream_of(&talk, UPLINK_INGRESS, 9000, 1);
	struct stream inside = stream_of(&talk, INSIDE_EGRESS, 9000, 1);
	struct dial dial;

	stream_passes(&uplink, EPRT_LINE);
	stream_passes(&inside, EPRT_LINE);
	counted(talk.world, EXPECTED_KEPT);
	dial = dial_active(&talk, INSIDE_INGRESS, talk.server, talk.client, 50000, talk.vip,
			   talk.client, 50000);
	carries(&dial);
}

static void another_host(void **state)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_FULLNAT);
	struct stream uplink = stream_of(&talk, UPLINK_INGRESS, 9000, 1);

	stream_next(&uplink, "EPRT |2|2001:db8:c633::640b|50000|\r\n",
		    "XPRT |2|2001:db8:c633::640b|50000|\r\n");
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
	stream_next(&uplink, "PORT 198,51,100,10,195,80\r\n", "XORT 198,51,100,10,195,80\r\n");
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
}

/* An adjusted line behind extension headers: lengths of both headers. */
static void adjusted_behind_extensions(void **state)
{
	static const __u8 counts[] = {0, 1, 4};

	for (size_t index = 0; index < sizeof(counts); index++) {
		struct talk talk = six_talk(state, FTPFIX_FORWARD_NAT);
		struct stream stream;

		world_sum_unknown(talk.world);
		talk.shape.extensions = counts[index];
		memset(talk.shape.extension, DESTINATION, sizeof(talk.shape.extension));
		talk.world->service.rewrite = FTPFIX_REWRITE_ADJUST;
		talk.world->service.port_low = 5000;
		talk.world->service.port_high = 5000;
		world_write_service(talk.world);
		talk_ask(&talk, "EPSV\r\n");
		talk_observe(&talk, EXTENDED);
		stream =
			stream_of(&talk, UPLINK_EGRESS, talk.server_sequence, talk.client_sequence);
		stream_next(&stream, EXTENDED, "229 Entering Extended Passive Mode (|||5000|)\r\n");
		stream_passes(&stream, FILLER);
		stream_acknowledged(&stream, stream.out, stream.in);
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1});
	}
}

/* A frame with these extension headers passes every program and is counted so. */
static void passes_with(void **state, struct spec spec, __u32 reason)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	spec.ipv6 = 1;
	spec.source = ip4(10, 0, 0, 175);
	spec.destination = ip4(10, 0, 0, 1);
	spec.flags = PSH | ACK;
	spec.bytes = "NOOP\r\n";
	spec.length = 6;
	for (int program = 0; program < PROGRAM_COUNT; program++) {
		int command = program == UPLINK_INGRESS || program == INSIDE_EGRESS;
		struct frame frame;

		spec.source_port = command ? 40000 : SERVICE_PORT;
		spec.destination_port = command ? SERVICE_PORT : 40000;
		frame_build(&frame, &spec);
		run_passes(world, program, &frame);
		counted(world, {reason, 1});
	}
	assert_int_equal(sessions_count(world), 0);
}

static void extensions_that_are_not_looked_behind(void **state)
{
	passes_with(state, (struct spec){.extensions = 1, .extension = {FRAGMENT}},
		    FTPFIX_PACKET_FRAGMENT);
	passes_with(state, (struct spec){.extensions = 2, .extension = {HOP_BY_HOP, FRAGMENT}},
		    FTPFIX_PACKET_FRAGMENT);
	passes_with(state,
		    (struct spec){.extensions = 5,
				  .extension = {HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION,
						DESTINATION}},
		    FTPFIX_PACKET_EXTENSION);
	passes_with(state, (struct spec){.extensions = 1, .extension = {NO_NEXT_HEADER}},
		    FTPFIX_REASON_COUNT);
	passes_with(state, (struct spec){.extensions = 1, .extension = {50 /* ESP */}},
		    FTPFIX_REASON_COUNT);
}

/* Changes the frame, which then passes at the uplink, counted as malformed or not. */
static void spoiled(void **state, __u32 offset, __u8 value, __u32 length, __u32 reason)
{
	struct talk talk = six_talk(state, FTPFIX_FORWARD_NAT);
	struct frame frame;

	talk.shape.extensions = 1;
	talk.shape.extension[0] = DESTINATION;
	/* The test run itself wants a whole IPv6 header where it sees that one follows. */
	talk.shape.tags[0] = length ? ETH_P_8021Q : 0;
	talk_command(&talk, 1, PSH | ACK, "NOOP\r\n", 6, &frame);
	if (offset)
		frame.bytes[frame.network + offset] = value;
	if (length)
		frame.length = frame.network + length;
	run_passes(talk.world, UPLINK_INGRESS, &frame);
	counted(talk.world, {reason, 1});
	assert_int_equal(sessions_count(talk.world), 0);
}

static void malformed(void **state)
{
	/* A packet longer than the frame, and shorter than its headers. */
	spoiled(state, 5, 255, 0, FTPFIX_PACKET_MALFORMED);
	spoiled(state, 5, 7, 0, FTPFIX_PACKET_MALFORMED);
	spoiled(state, 5, 27, 0, FTPFIX_PACKET_MALFORMED);
	/* Extension headers that reach behind the frame, or are too long. */
	spoiled(state, 41, 9, 0, FTPFIX_PACKET_MALFORMED);
	spoiled(state, 41, 16, 0, FTPFIX_PACKET_EXTENSION);
	/* Frames that end within a header. */
	spoiled(state, 0, 0, 39, FTPFIX_PACKET_MALFORMED);
	spoiled(state, 0, 0, 44, FTPFIX_PACKET_MALFORMED);
	spoiled(state, 0, 0, 60, FTPFIX_PACKET_MALFORMED);
	/* UDP is none of ours. */
	spoiled(state, 6, 17, 0, FTPFIX_REASON_COUNT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passive),
		cmocka_unit_test(source_of_the_service),
		cmocka_unit_test(advertised_of_the_other_family),
		cmocka_unit_test(every_shape),
		cmocka_unit_test(no_227),
		cmocka_unit_test(active),
		cmocka_unit_test(active_nat),
		cmocka_unit_test(another_host),
		cmocka_unit_test(adjusted_behind_extensions),
		cmocka_unit_test(extensions_that_are_not_looked_behind),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
