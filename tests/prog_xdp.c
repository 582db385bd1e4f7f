// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The fast path: packets of established flows as XDP sends them on, byte for byte, and that
 * it leaves every other one to TC untouched. The next hop is prog_hop's subject.
 */
#include "prog_fast.h"

/* Longer than an unknown hop is kept. */
#define KEPT_US 150000

static void both_ways(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = fast_open(state, ipv6);
		struct dial *dial = &fast.dial;
		struct dial before = *dial;
		struct ftpfix_flow flow;

		for (int round = 0; round < 10; round++) {
			fast_down(&fast, PSH | ACK, "odd");
			fast_up(&fast, ACK, "");
			fast_up(&fast, PSH | ACK, "even");
			fast_down(&fast, ACK, "");
		}
		counted(dial->world, CARRIED_FAST(dial, 40, 70));
		assert_true(dial_flow(dial, dial_up_key(dial), &flow));
		assert_int_equal(flow.first_sequence, before.client_sequence - 1);
		assert_int_equal(flow.end_sequence, before.client_sequence + 10 * strlen("even"));
		assert_int_equal(flow.acknowledged, dial->server_sequence);
		assert_int_equal(flow.wraps, 0);
		assert_true(dial_flow(dial, dial_down_key(dial), &flow));
		assert_int_equal(flow.first_sequence, before.server_sequence - 1);
		assert_int_equal(flow.end_sequence, before.server_sequence + 10 * strlen("odd"));
		assert_int_equal(flow.acknowledged, dial->client_sequence);
		assert_int_equal(flow.wraps, 0);
	}
}

/* How many bytes have come of the stream, its SYN counted. */
static __u64 bytes_of(const struct fast_dial *fast)
{
	struct ftpfix_flow flow;

	assert_true(dial_flow(&fast->dial, dial_up_key(&fast->dial), &flow));
	return (__u64)flow.wraps << 32 | (__u32)(flow.end_sequence - flow.first_sequence);
}

/* Its bytes are more than its numbers can tell, wherever these begin; what comes again counts
 * once. */
static void long_stream(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct fast_dial fast = fast_open(state, 0);
		struct dial *dial = &fast.dial;
		struct ftpfix_flow *flow = flow_of(dial->world, dial_up_key(dial));
		__u64 bytes = (1ULL << 32) - 7;

		flow->first_sequence = round * 0x55555555;
		flow->end_sequence = flow->first_sequence + bytes;
		dial->client_sequence = flow->end_sequence;
		fast_up(&fast, ACK, "four");
		assert_int_equal(bytes_of(&fast), bytes + 4);
		fast_up(&fast, ACK, "and eleven!");
		assert_int_equal(bytes_of(&fast), bytes + 15);
		dial->client_sequence -= 11;
		fast_up(&fast, ACK, "and eleven!");
		assert_int_equal(bytes_of(&fast), bytes + 15);
		fast_up(&fast, ACK, "more");
		assert_int_equal(bytes_of(&fast), bytes + 19);
	}
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
		{.ipv6 = 1, .timestamps = 1, .padding = 3},
		{.ipv6 = 1, .ttl = 2},
		{.ipv6 = 1, .extensions = 1, .extension = {60}},
		{.ipv6 = 1, .extensions = 2, .extension = {0, 60}},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct fast_dial fast = fast_open(state, shapes[index].ipv6);

		fast.dial.shape = shapes[index];
		fast_up(&fast, PSH | ACK, "a");
		fast_down(&fast, PSH | ACK, "bc");
		fast_up(&fast, ACK, "def");
	}
}

/* Both checksums over their whole range: every carry must be right. */
static void checksums(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = fast_open(state, ipv6);
		char bytes[3] = "";

		for (__u32 value = 0; value < 65536; value += 97) {
			struct frame input, output;

			bytes[0] = value >> 8 ? value >> 8 : 1;
			bytes[1] = value & 0xff ? value & 0xff : 1;
			fast.dial.shape.ttl = value % 253 + 2;
			fast_up_frames(&fast, ACK, bytes, &input, &output);
			if (!ipv6) {
				put16(input.bytes + input.network + 4, value);
				put16(output.bytes + output.network + 4, value);
				frame_checksums(&input);
				frame_checksums(&output);
			}
			fast_check(fast.dial.world, FAST_UPLINK, fast.uplink, &input, XDP_REDIRECT,
				   &output, __FILE__, __LINE__);
		}
	}
}

/* A checksum that is left to the device: the sum of the pseudo header alone. */
static void partial_checksum(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = fast_open(state, ipv6);
		struct frame input, output;
		__u8 *network, *transport;
		__u64 sum;

		fast_up_frames(&fast, PSH | ACK, "data", &input, &output);
		network = input.bytes + input.network;
		transport = input.bytes + input.transport;
		sum = ipv6 ? checksum_add(0, network + 8, 32) : checksum_add(0, network + 12, 8);
		sum += FRAME_TCP + input.end - input.transport;
		put16(transport + 16, ~checksum_end(sum));
		fast_passes(&fast, &input);
		counted(fast.dial.world, NOTHING);
		fast_up(&fast, PSH | ACK, "data");
	}
}

/* From one side to the other, tagged or not on either. */
static void tagged(void **state)
{
	static const __u16 tags[][2] = {{100, 0}, {0, 7}, {100, 7}, {100, 100}};

	for (int round = 0; round < 8; round++) {
		struct fast_dial fast = fast_open(state, round & 1);
		struct world *world = fast.dial.world;

		fast.up_tag = tags[round / 2][0];
		fast.inside_tag = tags[round / 2][1];
		fast_link(world, world->uplink, world->uplink, fast.up_tag, 0);
		fast_link(world, world->server, world->server, fast.inside_tag, 0);
		if (fast.up_tag) {
			fast.up = FAST_TAGGED;
			fast_tagged(world, world->uplink, fast.up_tag, world->uplink,
				    1 << FTPFIX_SIDE_UPLINK);
		}
		if (fast.inside_tag) {
			fast.down = FAST_TAGGED;
			fast_tagged(world, world->server, fast.inside_tag, world->server,
				    1 << FTPFIX_SIDE_INSIDE);
		}
		/* What was learnt before is of the devices as they were. */
		usleep(KEPT_US);
		fast_up(&fast, PSH | ACK, "data");
		fast_down(&fast, PSH | ACK, "data");
		fast_up(&fast, ACK, "");
	}
}

/*
 * Devices that stand in for VLAN devices, which not every kernel has: theirs are the routes to
 * both ends, and the link addresses. Those that stand for what is below them forward nothing.
 */
#define VLAN_SETUP                                                                             \
	"set -e\n"                                                                             \
	"ip link add uplink.100 address 02:00:00:00:64:0a up type veth peer name beyond.100\n" \
	"ip link add server.7 address 02:00:00:00:07:0b up type veth peer name beyond.7\n"     \
	"ip link set beyond.100 up; ip link set beyond.7 up\n"                                 \
	"ip route add 198.51.100.10 dev uplink.100\n"                                          \
	"ip route add 10.0.0.175 dev server.7\n"                                               \
	"ip -6 route add 2001:db8:c633::640a dev uplink.100\n"                                 \
	"ip -6 route add 2001:db8:a00::af dev server.7\n"                                      \
	"ip neighbour add 198.51.100.10 lladdr 02:00:00:00:64:aa dev uplink.100\n"             \
	"ip neighbour add 10.0.0.175 lladdr 02:00:00:00:07:bb dev server.7\n"                  \
	"ip neighbour add 2001:db8:c633::640a lladdr 02:00:00:00:64:aa dev uplink.100\n"       \
	"ip neighbour add 2001:db8:a00::af lladdr 02:00:00:00:07:bb dev server.7\n"            \
	"sysctl -qw net.ipv4.conf.uplink.forwarding=0 net.ipv4.conf.server.forwarding=0\n"     \
	"sysctl -qw net.ipv6.conf.uplink.forwarding=0 net.ipv6.conf.server.forwarding=0\n"
#define VLAN_TEARDOWN                                                                      \
	"ip link delete uplink.100; ip link delete server.7\n"                             \
	"sysctl -qw net.ipv4.conf.uplink.forwarding=1 net.ipv4.conf.server.forwarding=1\n" \
	"sysctl -qw net.ipv6.conf.uplink.forwarding=1 net.ipv6.conf.server.forwarding=1\n"

static int vlan_setup(void **state)
{
	return *state ? system(VLAN_SETUP) : 0;
}

static int vlan_teardown(void **state)
{
	return *state ? system(VLAN_TEARDOWN) : 0;
}

/* A device is used through this VLAN device alone, as the loader then writes it. */
static void vlan_on(struct world *world, __u32 carrier, __u16 tag, const char *name, __u32 side)
{
	__u32 vlan = if_nametoindex(name);

	assert_true(vlan && vlan != carrier);
	bpf_map_delete_elem(bpf_map__fd(world->skeleton->maps.links), &carrier);
	bpf_map_delete_elem(bpf_map__fd(world->skeleton->maps.xdp_devices), &carrier);
	fast_link(world, vlan, carrier, tag, 0);
	fast_tagged(world, carrier, tag, vlan, 1 << side);
}

/* What the kernel knows of a tagged frame's way it knows of the VLAN's device, not of the one
 * that the frame came in by and is to leave by. */
static void vlan_devices(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = fast_open(state, ipv6);
		struct world *world = fast.dial.world;

		fast.up = fast.down = FAST_TAGGED;
		fast.up_tag = 100;
		fast.inside_tag = 7;
		fast.to_client =
			(struct ethernet){{2, 0, 0, 0, 0x64, 0xaa}, {2, 0, 0, 0, 0x64, 0x0a}};
		fast.to_server = (struct ethernet){{2, 0, 0, 0, 7, 0xbb}, {2, 0, 0, 0, 7, 0x0b}};
		vlan_on(world, world->uplink, 100, "uplink.100", FTPFIX_SIDE_UPLINK);
		vlan_on(world, world->server, 7, "server.7", FTPFIX_SIDE_INSIDE);
		usleep(KEPT_US);
		fast_up(&fast, PSH | ACK, "data");
		fast_down(&fast, PSH | ACK, "more data");
		fast_up(&fast, ACK, "");
		fast_down(&fast, ACK, "");
		counted(world, CARRIED_FAST(&fast.dial, 4, 13));
	}
}

/* Tags of VLANs that are none of ours, of other sides, of the provider's kind, or two. */
static void other_tags(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	struct world *world = fast.dial.world;
	struct dial dial;
	struct frame frame;

	fast.up_tag = 100;
	fast_up_passes(&fast, ACK, "data");
	fast_tagged(world, world->uplink, 101, world->uplink, 1 << FTPFIX_SIDE_UPLINK);
	fast_up_passes(&fast, ACK, "data");
	fast_tagged(world, world->uplink, 100, world->uplink, 1 << FTPFIX_SIDE_INSIDE);
	fast_up_passes(&fast, ACK, "data");
	fast_tagged(world, world->uplink, 100, world->uplink, 1 << FTPFIX_SIDE_UPLINK);
	dial = fast.dial;
	dial.shape.tags[0] = ETH_P_8021Q;
	dial.shape.tags[1] = ETH_P_8021Q;
	dial_up_frame(&dial, ACK, dial.client_sequence, "data", 0, &frame);
	fast_passes(&fast, &frame);
	dial.shape.tags[0] = ETH_P_8021AD;
	dial.shape.tags[1] = 0;
	dial_up_frame(&dial, ACK, dial.client_sequence, "data", 0, &frame);
	fast_passes(&fast, &frame);
	counted(world, NOTHING);
}

/* What needs a decision, an answer, or an ear is TC's. */
static void left_to_tc(void **state)
{
	struct fast_dial fast = fast_open(state, 0), other;
	struct frame frame, output;

	fast_up_passes(&fast, SYN, "");
	fast_up_passes(&fast, RST, "");
	fast_up_passes(&fast, RST | ACK, "");
	fast_up_passes(&fast, 0, "data");
	other = fast;
	other.dial.shape.ttl = 1;
	fast_up_passes(&other, ACK, "data");
	other = fast;
	other.dial.client_port++;
	fast_up_passes(&other, ACK, "data");
	other = fast;
	other.up = FAST_INSIDE;
	fast_up_passes(&other, ACK, "data");
	other.up = FAST_TAGGED;
	fast_up_passes(&other, ACK, "data");
	counted(fast.dial.world, NOTHING);
	/* Fragments. */
	fast_up_frames(&fast, ACK, "data", &frame, &output);
	put16(frame.bytes + frame.network + 6, 0x2000);
	frame_checksums(&frame);
	fast_passes(&fast, &frame);
	/* Cut off. */
	fast_up_frames(&fast, ACK, "data", &frame, &output);
	frame.length--;
	fast_passes(&fast, &frame);
	frame.length = frame.transport + 12;
	fast_passes(&fast, &frame);
	frame.length = ETH_HLEN;
	fast_passes(&fast, &frame);
	/* Not TCP. */
	fast_up_frames(&fast, ACK, "data", &frame, &output);
	frame.bytes[frame.network + 9] = 17;
	fast_passes(&fast, &frame);
	counted(fast.dial.world, NOTHING);
	fast_up(&fast, ACK, "data");
}

/* One device for both sides. */
static void one_arm(void **state)
{
	struct fast_dial fast = fast_open(state, 0);

	fast.up = fast.down = FAST_BOTH;
	fast.inside = fast.uplink;
	fast_up(&fast, PSH | ACK, "data");
	fast_down(&fast, PSH | ACK, "data");
}

/* A whole connection; its end is counted once, and late packets of it are still sent on. */
static void from_begin_to_end(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = fast_expected(state, ipv6);
		struct dial *dial = &fast.dial;

		fast_up(&fast, SYN, "");
		counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_FAST(dial, 1, 0));
		fast_down(&fast, SYN | ACK, "");
		fast_up(&fast, ACK, "");
		assert_int_equal(dial_settled(dial), 2);
		assert_int_equal(dial_unsettled(dial), 0);
		fast_down(&fast, FIN | ACK, "listing");
		fast_up(&fast, ACK, "");
		fast_up(&fast, FIN | ACK, "");
		fast_down(&fast, ACK, "");
		counted(dial->world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED_FAST(dial, 6, 7));
		assert_int_equal(dial_settled(dial), 0);
		fast_up(&fast, ACK, "");
		fast_down(&fast, ACK, "");
		counted(dial->world, CARRIED_FAST(dial, 2, 0));
		dial_closed(dial);
	}
}

/* A SYN that comes again is of the flow that the first one made; one of other numbers, which
 * nobody expects, is not. */
static void opened_once(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct dial *dial = &fast.dial;

	fast_up(&fast, SYN, "");
	dial->client_sequence--;
	fast_up(&fast, SYN, "");
	assert_int_equal(dial_unsettled(dial), 2);
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_FAST(dial, 2, 0));
	fast_up_passes(&fast, SYN, "");
	fast_down(&fast, SYN | ACK, "");
	fast_up(&fast, ACK, "");
}

/* From the port of a connection that is over, to the port that is announced once more. */
static void opened_again(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct dial *dial = &fast.dial;
	struct talk talk = talk_of(dial->world);

	fast_up(&fast, SYN, "");
	fast_down(&fast, SYN | ACK, "");
	fast_up(&fast, FIN | ACK, "");
	fast_down(&fast, FIN | ACK, "");
	fast_up(&fast, ACK, "");
	assert_int_equal(dial_unsettled(dial), 2);
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
		CARRIED_FAST(dial, 5, 0));
	talk.client_sequence += strlen("EPSV\r\n");
	talk.server_sequence += strlen(EXTENDED);
	talk.inner_sequence += strlen(EXTENDED);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(dial->world, EXPECTED_KEPT);
	dial->client_sequence += 1000000;
	fast_up(&fast, SYN, "");
	assert_int_equal(dial_unsettled(dial), 2);
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_FAST(dial, 1, 0));
}

/* Who is not expected there, or not there, is TC's to judge, and nobody's place is taken. */
static void opened_for_the_expected(void **state)
{
	struct fast_dial fast = fast_expected(state, 0), other = fast;

	other.dial.client++;
	fast_up_passes(&other, SYN, "");
	other = fast;
	other.dial.public_port++;
	fast_up_passes(&other, SYN, "");
	other = fast;
	other.dial.vip++;
	fast_up_passes(&other, SYN, "");
	other = fast;
	other.up = FAST_INSIDE;
	fast_up_passes(&other, SYN, "");
	other = fast;
	other.up_tag = 7;
	fast_tagged(fast.dial.world, fast.uplink, 7, fast.uplink, 1 << FTPFIX_SIDE_UPLINK);
	fast_up_passes(&other, SYN, "");
	counted(fast.dial.world, NOTHING);
	fast_up_passes(&fast, SYN | RST, "");
	counted(fast.dial.world, NOTHING);
	fast_up(&fast, SYN, "");
	counted(fast.dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_FAST(&fast.dial, 1, 0));
}

/* Without room it is TC who says so, and who counts it; the peer is expected still. */
static void opened_with_room(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct dial *dial = &fast.dial;
	struct frame frame, output;

	flows_fill(dial->world);
	fast_up_passes(&fast, SYN, "");
	counted(dial->world, NOTHING);
	fast_up_frames(&fast, SYN, "", &frame, &output);
	assert_int_equal(run(dial->world, UPLINK_INGRESS, &frame), TC_ACT_REDIRECT);
	counted(dial->world, {FTPFIX_CONNECTION_TABLE_FULL, 1}, {FTPFIX_EVENT_SENT, 1},
		{FTPFIX_PACKET_REFUSED, 1});
	world_clear_flows(dial->world);
	fast_up(&fast, SYN, "");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_FAST(dial, 1, 0));
}

/* The neighbour is not known: TC has it resolved, and the flow is there already. */
static void opened_before_its_hop(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct dial *dial = &fast.dial;

	fast_command("ip neighbour delete 10.0.0.175 dev server");
	fast_up_passes(&fast, SYN, "");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1});
	dial_up(dial, SYN, "");
	counted(dial->world, CARRIED(1, 0));
	fast_command("ip neighbour add 10.0.0.175 lladdr 02:00:00:00:00:bb dev server");
	fast_down(&fast, SYN | ACK, "");
	usleep(KEPT_US);
	fast_up(&fast, ACK, "");
	assert_int_equal(dial_settled(dial), 2);
}

/* The next hop of a new flow is asked for at its first packet: its entry says that it was last
 * known a tenth of a second, six of its units, ago. */
static void new_flow_asks(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct ftpfix_flow flow;

	fast_up(&fast, SYN, "");
	assert_true(dial_flow(&fast.dial, dial_down_key(&fast.dial), &flow));
	assert_in_range((__u8)((flow.seen_ticks >> 4) - flow.hop_checked), 6, 127);
	fast_down(&fast, SYN | ACK, "");
}

/* What has a place keeps it: to become established a connection needs no room. */
static void settles_without_room(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct dial *dial = &fast.dial;

	dial_up(dial, SYN, "");
	flows_fill(dial->world);
	fast_down(&fast, SYN | ACK, "");
	fast_up(&fast, ACK, "");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0),
		CARRIED_FAST(dial, 2, 0));
	assert_int_equal(dial_settled(dial), 2);
}

/* Of a control connection that ftpfix balances: what cannot carry a line, and nothing of
 * one whose sequence numbers were changed. */
static void control(void **state)
{
	static const enum ftpfix_forward forwards[] = {FTPFIX_FORWARD_NAT, FTPFIX_FORWARD_FULLNAT};

	for (int round = 0; round < 4; round++) {
		struct fast_dial fast = fast_expected(state, round & 1);
		struct talk talk =
			balance_begin(state, forwards[round / 2], round & 1, FTPFIX_BALANCE_MAGLEV);
		struct dial *dial = &fast.dial;
		struct ftpfix_flow *flow;

		*dial = balance_dial(&talk);
		dial_learn(dial);
		assert_int_equal(dial->source == dial->client, round < 2);
		dial_down(dial, SYN | ACK, "");
		fast_up_passes(&fast, ACK, "");
		dial_up(dial, ACK, "");
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			CARRIED_OF(dial, 3, 0));
		fast_up(&fast, ACK, "");
		fast_down(&fast, ACK, "");
		fast_up_passes(&fast, PSH | ACK, "NOOP\r\n");
		fast_up_passes(&fast, FIN | ACK, "");
		fast_up_passes(&fast, RST | ACK, "");
		fast_down_passes(&fast, PSH | ACK, "200 Still here.\r\n");
		fast_down_passes(&fast, FIN | ACK, "");
		counted(talk.world, CARRIED_FAST(dial, 2, 0));
		flow = flow_of(talk.world, dial_up_key(dial));
		assert_non_null(flow);
		flow->marks |= FTPFIX_MARK_SLOW;
		fast_up_passes(&fast, ACK, "");
		counted(talk.world, NOTHING);
	}
}

/* An announcement was adjusted: from then on XDP has no part in either direction. */
static void adjusted_control(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct control control;

	world_sum_unknown(talk.world);
	talk.world->service.rewrite = FTPFIX_REWRITE_ADJUST;
	world_write_service(talk.world);
	talk.vip = ip4(1, 2, 3, 4);
	balance_virtual(&talk, 1, FTPFIX_BALANCE_MAGLEV);
	control = control_open(&talk);
	fast.dial = control.dial;
	fast_up(&fast, ACK, "");
	control_up(&control, PSH | ACK, "PASV\r\n");
	control_down(&control, PSH | ACK, VSFTPD,
		     "227 Entering Passive Mode (1,2,3,4,83,237).\r\n");
	fast.dial = control.dial;
	fast_up_passes(&fast, ACK, "");
	fast_down_passes(&fast, ACK, "");
	control_up(&control, ACK, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(long_stream),
		cmocka_unit_test(every_shape),
		cmocka_unit_test(checksums),
		cmocka_unit_test(partial_checksum),
		cmocka_unit_test(tagged),
		cmocka_unit_test_setup_teardown(vlan_devices, vlan_setup, vlan_teardown),
		cmocka_unit_test(other_tags),
		cmocka_unit_test(left_to_tc),
		cmocka_unit_test(one_arm),
		cmocka_unit_test(opened_once),
		cmocka_unit_test(opened_again),
		cmocka_unit_test(opened_for_the_expected),
		cmocka_unit_test(opened_with_room),
		cmocka_unit_test(opened_before_its_hop),
		cmocka_unit_test(from_begin_to_end),
		cmocka_unit_test(new_flow_asks),
		cmocka_unit_test(settles_without_room),
		cmocka_unit_test(control),
		cmocka_unit_test(adjusted_control),
	};

	return cmocka_run_group_tests(tests, fast_setup, world_teardown);
}
