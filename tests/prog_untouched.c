// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is none of ftpfix's passes byte for byte, at every hook, and counts as
 * nothing but what it is. No control connection is spoken here.
 */
#include "prog_flows.h"
#include "prog_talk.h"

/* A frame that each program would look into if nothing were wrong with it. */
static void frame_for(enum program program, struct spec *spec, struct frame *frame)
{
	static const char text[] = "227 Entering Passive Mode (10,0,0,175,83,237).\r\n";

	spec->source = ip4(10, 0, 0, 175);
	spec->destination = ip4(10, 0, 0, 1);
	spec->source_port = program == UPLINK_INGRESS ? 40000 : SERVICE_PORT;
	spec->destination_port = program == UPLINK_INGRESS ? SERVICE_PORT : 40000;
	spec->flags = PSH | ACK;
	spec->bytes = text;
	spec->length = sizeof(text) - 1;
	frame_build(frame, spec);
}

/* Each program passes the frame that `spoil` makes, and counts it as `reason`,
 * or not at all. */
static void passes_everywhere(void **state, void (*spoil)(struct frame *frame), __u32 reason)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	for (int program = 0; program < PROGRAM_COUNT; program++) {
		struct spec spec = {};
		struct frame frame;

		frame_for(program, &spec, &frame);
		spoil(&frame);
		run_passes(world, program, &frame);
		counted(world, {reason, 1});
	}
	assert_int_equal(sessions_count(world), 0);
	assert_int_equal(map_entries(world->skeleton->maps.seen), 0);
}

static void spoil_arp(struct frame *frame)
{
	put16(frame->bytes + frame->network - 2, ETH_P_ARP);
}

static void arp(void **state)
{
	passes_everywhere(state, spoil_arp, FTPFIX_REASON_COUNT);
}

static void spoil_ipv6(struct frame *frame)
{
	put16(frame->bytes + frame->network - 2, ETH_P_IPV6);
	frame->bytes[frame->network] = 0x60;
}

static void ipv6(void **state)
{
	passes_everywhere(state, spoil_ipv6, FTPFIX_REASON_COUNT);
}

static void spoil_udp(struct frame *frame)
{
	frame->bytes[frame->network + 9] = 17;
	frame_checksums(frame);
}

static void udp(void **state)
{
	passes_everywhere(state, spoil_udp, FTPFIX_REASON_COUNT);
}

static void spoil_ports(struct frame *frame)
{
	put16(frame->bytes + frame->transport, 8080);
	put16(frame->bytes + frame->transport + 2, 40000);
	frame_checksums(frame);
}

static void other_ports(void **state)
{
	passes_everywhere(state, spoil_ports, FTPFIX_REASON_COUNT);
}

static void spoil_three_tags(struct frame *frame)
{
	memmove(frame->bytes + 24, frame->bytes + 12, frame->length - 12);
	for (int at = 12; at < 24; at += 4)
		put32(frame->bytes + at, ETH_P_8021Q << 16 | 7);
	frame->length += 12;
}

static void more_tags_than_are_parsed(void **state)
{
	passes_everywhere(state, spoil_three_tags, FTPFIX_REASON_COUNT);
}

static void spoil_first_fragment(struct frame *frame)
{
	put16(frame->bytes + frame->network + 6, 0x2000);
	frame_checksums(frame);
}

static void first_fragment(void **state)
{
	passes_everywhere(state, spoil_first_fragment, FTPFIX_PACKET_FRAGMENT);
}

static void spoil_later_fragment(struct frame *frame)
{
	put16(frame->bytes + frame->network + 6, 0x00b9);
	frame_checksums(frame);
}

static void later_fragment(void **state)
{
	passes_everywhere(state, spoil_later_fragment, FTPFIX_PACKET_FRAGMENT);
}

static void spoil_ihl(struct frame *frame)
{
	frame->bytes[frame->network] = 0x44;
}

static void ip_header_too_short(void **state)
{
	passes_everywhere(state, spoil_ihl, FTPFIX_PACKET_MALFORMED);
}

static void spoil_version(struct frame *frame)
{
	frame->bytes[frame->network] = 0x55;
}

static void ip_version_not_four(void **state)
{
	passes_everywhere(state, spoil_version, FTPFIX_PACKET_MALFORMED);
}

static void spoil_doff_low(struct frame *frame)
{
	frame->bytes[frame->transport + 12] = 0x40;
}

static void tcp_header_too_short(void **state)
{
	passes_everywhere(state, spoil_doff_low, FTPFIX_PACKET_MALFORMED);
}

/* An option-only segment whose header would reach behind the packet. */
static void spoil_doff_high(struct frame *frame)
{
	frame->bytes[frame->transport + 12] = 0xf0;
	put16(frame->bytes + frame->network + 2, 20 + 56);
	frame_checksums(frame);
}

static void tcp_header_longer_than_packet(void **state)
{
	passes_everywhere(state, spoil_doff_high, FTPFIX_PACKET_MALFORMED);
}

static void spoil_total_length(struct frame *frame)
{
	put16(frame->bytes + frame->network + 2, frame->length - frame->network + 1);
}

static void packet_longer_than_frame(void **state)
{
	passes_everywhere(state, spoil_total_length, FTPFIX_PACKET_MALFORMED);
}

static void spoil_length_below_header(struct frame *frame)
{
	put16(frame->bytes + frame->network + 2, 19);
}

static void packet_shorter_than_its_header(void **state)
{
	passes_everywhere(state, spoil_length_below_header, FTPFIX_PACKET_MALFORMED);
}

/* A length of zero stands for more than 64 KiB; a short frame has no such packet
 * (RFC 791: the length is that of header and data). */
static void spoil_length_zero(struct frame *frame)
{
	put16(frame->bytes + frame->network + 2, 0);
}

static void length_zero_in_a_short_frame(void **state)
{
	passes_everywhere(state, spoil_length_zero, FTPFIX_PACKET_MALFORMED);
}

/* The frame ends within the TCP header, and so does the IP packet. */
static void spoil_cut_tcp(struct frame *frame)
{
	frame->length = frame->transport + 19;
	put16(frame->bytes + frame->network + 2, frame->length - frame->network);
}

static void cut_in_tcp_header(void **state)
{
	passes_everywhere(state, spoil_cut_tcp, FTPFIX_PACKET_MALFORMED);
}

/* Behind two tags the frame ends within the IPv4 header. */
static void spoil_cut_ipv4(struct frame *frame)
{
	memmove(frame->bytes + 20, frame->bytes + 12, frame->length - 12);
	put32(frame->bytes + 12, ETH_P_8021AD << 16 | 7);
	put32(frame->bytes + 16, ETH_P_8021Q << 16 | 8);
	frame->length = frame->network + 8 + 15;
}

static void cut_in_ip_header(void **state)
{
	passes_everywhere(state, spoil_cut_ipv4, FTPFIX_PACKET_MALFORMED);
}

/* At the uplink a reply is none of ours on its way in, nor a command on its way
 * out; at the server side the client's packets are none. */
static void wrong_direction(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct frame command, reply;
	struct spec spec = {};

	frame_for(UPLINK_INGRESS, &spec, &command);
	frame_for(UPLINK_EGRESS, &spec, &reply);
	run_passes(world, UPLINK_INGRESS, &reply);
	run_passes(world, UPLINK_EGRESS, &command);
	run_passes(world, INSIDE_INGRESS, &command);
	counted(world, NOTHING);
	assert_int_equal(sessions_count(world), 0);
	assert_int_equal(map_entries(world->skeleton->maps.seen), 0);
}

/* A SYN that nobody expects, to a port that is no service's. */
static void unexpected_syn(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct spec spec = {
		.source = ip4(198, 51, 100, 10),
		.destination = ip4(203, 0, 113, 5),
		.source_port = 40001,
		.destination_port = 21485,
		.flags = SYN,
	};
	struct frame frame;

	frame_build(&frame, &spec);
	for (int program = 0; program < PROGRAM_COUNT; program++)
		run_passes(world, program, &frame);
	counted(world, NOTHING);
	assert_int_equal(flows_taken(world), 0);
	assert_int_equal(flows_live(world), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(udp),
		cmocka_unit_test(other_ports),
		cmocka_unit_test(more_tags_than_are_parsed),
		cmocka_unit_test(first_fragment),
		cmocka_unit_test(later_fragment),
		cmocka_unit_test(ip_header_too_short),
		cmocka_unit_test(ip_version_not_four),
		cmocka_unit_test(tcp_header_too_short),
		cmocka_unit_test(tcp_header_longer_than_packet),
		cmocka_unit_test(packet_longer_than_frame),
		cmocka_unit_test(packet_shorter_than_its_header),
		cmocka_unit_test(length_zero_in_a_short_frame),
		cmocka_unit_test(cut_in_tcp_header),
		cmocka_unit_test(cut_in_ip_header),
		cmocka_unit_test(wrong_direction),
		cmocka_unit_test(unexpected_syn),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
