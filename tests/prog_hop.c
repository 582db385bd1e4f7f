// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The next hop of the fast path: kept for a tenth of a second and then asked for again, so
 * that a change of neighbour, route or MTU is followed, or for as long as it is known that
 * nothing changed; and what is not sent on by it.
 */
#include "prog_fast.h"

/* Longer than a hop is kept, with what the kernel's clock of ticks may lag behind. */
#define KEPT_US 150000
#define KEPT_NS 90000000ULL

/* Another than the kernel knows. */
static const struct ethernet false_hop = {{2, 0, 0, 0, 0, 0x77}, {2, 0, 0, 0, 0, 0x78}};

/* Gives the flow of the next segment a hop that was asked for so long ago, and a packet that
 * came so long ago. */
static void set_hop(struct fast_dial *fast, __u16 mtu, __u64 asked_ns, __u64 seen_ns)
{
	struct ftpfix_flow *flow = flow_of(fast->dial.world, dial_up_key(&fast->dial));
	struct ftpfix_hop hop = {
		.out_ifindex = fast->dial.world->server,
		.mtu = mtu,
		.fast = !!mtu,
	};

	assert_non_null(flow);
	memcpy(hop.destination, false_hop.destination, sizeof(hop.destination));
	memcpy(hop.source, false_hop.source, sizeof(hop.source));
	flow_set_hop(fast->dial.world, flow, hop);
	flow->seen_ticks = ticks_before(seen_ns);
	flow->hop_checked = ticks_before(asked_ns) >> 4;
}

/* What the next segment has in front of it when it is sent on. */
static void hop_used(struct fast_dial *fast, const struct ethernet *ethernet, const char *file,
		     int line)
{
	static struct fast_output output;
	struct frame input, expected;

	fast_up_frames(fast, ACK, "data", &input, &expected);
	if (fast_run(fast->dial.world, FAST_UPLINK, fast->uplink, input.bytes, input.length,
		     &output) != XDP_REDIRECT ||
	    memcmp(output.bytes, ethernet, sizeof(*ethernet)))
		_fail(file, line);
}

#define is_kept(fast) hop_used(fast, &false_hop, __FILE__, __LINE__)
#define is_asked(fast) hop_used(fast, &to_server, __FILE__, __LINE__)

/* Another than the kernel knows is used while it is fresh, and not a moment longer. */
static void kept_and_asked_again(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	static struct fast_output output;
	struct frame input, expected;
	__u64 began;

	fast_up_frames(&fast, ACK, "data", &input, &expected);
	/* On a machine that was busy meanwhile the hop was not fresh any more. */
	do {
		began = now_ns();
		set_hop(&fast, 1500, 0, 0);
		assert_int_equal(fast_run(fast.dial.world, FAST_UPLINK, fast.uplink, input.bytes,
					  input.length, &output),
				 XDP_REDIRECT);
	} while (now_ns() - began > KEPT_NS);
	assert_memory_equal(output.bytes, &false_hop, sizeof(false_hop));
	usleep(KEPT_US);
	fast_up(&fast, ACK, "data");
}

/* While changes are told of, a hop is used for three seconds, however often packets come. */
static void watched(void **state)
{
	static const __u64 second = FTPFIX_SECOND_NS;
	struct fast_dial fast = fast_open(state, 0);

	tell(&fast, 3 * second, 10 * second);
	set_hop(&fast, 1500, 2 * second, second / 100);
	is_kept(&fast);
	set_hop(&fast, 1500, 2 * second, 19 * second / 10);
	is_kept(&fast);
	set_hop(&fast, 1500, 34 * second / 10, second / 100);
	is_asked(&fast);
	/* Its count has gone round: it looks like one of less than a second ago. */
	set_hop(&fast, 1500, 5 * second, 25 * second / 10);
	is_asked(&fast);
	set_hop(&fast, 1500, 3600 * second, 3600 * second);
	is_asked(&fast);
}

static void change_is_told(void **state)
{
	static const __u64 second = FTPFIX_SECOND_NS;
	struct fast_dial fast = fast_open(state, 0);

	tell(&fast, 3 * second, 22 * second / 10);
	set_hop(&fast, 1500, 2 * second, second);
	is_kept(&fast);
	tell(&fast, 3 * second, 18 * second / 10);
	is_asked(&fast);
	/* Once is enough, a moment after the change. */
	set_hop(&fast, 1500, 17 * second / 10, second);
	is_kept(&fast);
	tell(&fast, 3 * second, 0);
	is_asked(&fast);
	/* In the moment of the change itself, which may have come after the question. */
	set_hop(&fast, 1500, 0, 0);
	tell(&fast, 3 * second, 0);
	is_asked(&fast);
	/* Without the daemon, too, its last word counts. */
	set_hop(&fast, 1500, second / 20, second / 100);
	tell(&fast, 0, second / 100);
	is_asked(&fast);
}

/* Nobody tells any more: as if nobody ever had, weeks later too. */
static void watch_runs_out(void **state)
{
	static const __u64 second = FTPFIX_SECOND_NS;
	struct fast_dial fast = fast_open(state, 0);
	struct ftpfix *skeleton = fast.dial.world->skeleton;

	tell(&fast, 3 * second, 10 * second);
	skeleton->bss->routes_watched_ticks = ticks_before(second / 50);
	set_hop(&fast, 1500, second / 5, second / 100);
	is_asked(&fast);
	for (__u64 days = 1; days < 52; days++) {
		skeleton->bss->routes_watched_ticks = ticks_before(days * 86400 * second);
		set_hop(&fast, 1500, second / 5, second / 100);
		is_asked(&fast);
	}
	/* A change of that time is none of now. */
	tell(&fast, 3 * second, 10 * second);
	for (__u64 days = 1; days < 52; days++) {
		skeleton->bss->routes_changed_ticks = ticks_before(days * 86400 * second);
		set_hop(&fast, 1500, second / 5, second / 100);
		is_kept(&fast);
	}
}

/* Not all that makes a hop known is told. */
static void unknown_hop_is_asked_for(void **state)
{
	static const __u64 second = FTPFIX_SECOND_NS;
	struct fast_dial fast = fast_open(state, 0);

	tell(&fast, 3 * second, 10 * second);
	set_hop(&fast, 0, second / 5, second / 100);
	is_asked(&fast);
}

/* The kernel saw so long ago that the hop of the next segment is in use. */
static void set_shown(struct fast_dial *fast, __u64 shown_ns)
{
	struct ftpfix_flow *flow = flow_of(fast->dial.world, dial_up_key(&fast->dial));
	struct ftpfix_hop hop = flow_hop(fast->dial.world, flow);
	__u32 index = flow->hop;

	hop.shown = ticks_before(shown_ns) >> 4;
	balance_write(fast->dial.world->skeleton->maps.hops, &index, &hop);
}

/* What XDP alone uses for seconds is shown to the kernel, which then looks whether the neighbour
 * is still there: by a packet that would have asked for the hop, and passes TC instead. */
static void shown_to_the_kernel(void **state)
{
	static const __u64 second = FTPFIX_SECOND_NS;
	struct fast_dial fast = fast_open(state, 0);
	static struct fast_output output;
	struct frame input, expected;
	__u16 age;

	tell(&fast, 3 * second, 10 * second);
	fast_up(&fast, ACK, "data");
	set_shown(&fast, 3 * second);
	flow_of(fast.dial.world, dial_up_key(&fast.dial))->hop_checked =
		ticks_before(34 * second / 10) >> 4;
	fast_up(&fast, ACK, "data");
	set_shown(&fast, 4 * second);
	/* It is not time to ask. */
	fast_up(&fast, ACK, "data");
	flow_of(fast.dial.world, dial_up_key(&fast.dial))->hop_checked =
		ticks_before(34 * second / 10) >> 4;
	fast_up_frames(&fast, ACK, "data", &input, &expected);
	assert_int_equal(fast_run(fast.dial.world, FAST_UPLINK, fast.uplink, input.bytes,
				  input.length, &output),
			 XDP_PASS);
	assert_memory_equal(output.bytes, input.bytes, input.length);
	dial_up(&fast.dial, ACK, "data");
	age = (ticks_before(0) >> 4) -
	      flow_hop(fast.dial.world, flow_of(fast.dial.world, dial_up_key(&fast.dial))).shown;
	assert_in_range(age, 0, 60);
	flow_of(fast.dial.world, dial_up_key(&fast.dial))->hop_checked =
		ticks_before(34 * second / 10) >> 4;
	fast_up(&fast, ACK, "data");
}

static void neighbour_changes(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	static struct fast_output output;
	struct frame input, expected;

	fast_up(&fast, ACK, "data");
	fast_command("ip neighbour replace 10.0.0.175 lladdr 02:00:00:00:00:cc dev server");
	usleep(KEPT_US);
	fast_up_frames(&fast, ACK, "data", &input, &expected);
	expected.bytes[5] = 0xcc;
	fast_check(fast.dial.world, FAST_UPLINK, fast.uplink, &input, XDP_REDIRECT, &expected,
		   __FILE__, __LINE__);
	fast_command("ip neighbour delete 10.0.0.175 dev server");
	usleep(KEPT_US);
	/* TC has it resolved. */
	assert_int_equal(fast_run(fast.dial.world, FAST_UPLINK, fast.uplink, input.bytes,
				  input.length, &output),
			 XDP_PASS);
	assert_memory_equal(output.bytes, input.bytes, input.length);
	fast_command("ip neighbour add 10.0.0.175 lladdr 02:00:00:00:00:bb dev server");
	usleep(KEPT_US);
	fast_up(&fast, ACK, "data");
}

static void write_hops(const struct world *world, const struct ftpfix_hop *hop)
{
	for (__u32 index = 0; index < FTPFIX_HOPS_MAX; index++)
		balance_write(world->skeleton->maps.hops, &index, hop);
}

/* Hops of which only the interface is known give no place up, for that may be known to nobody
 * else: others are asked for with each packet then. */
static void no_place(void **state)
{
	const struct ftpfix_hop unresolved = {.version = 200, .out_ifindex = 99}, none = {};
	struct fast_dial fast = fast_open(state, 0);
	struct frame input, expected;

	write_hops(fast.dial.world, &unresolved);
	fast_up(&fast, ACK, "data");
	fast_up_frames(&fast, ACK, "data", &input, &expected);
	fast_command("ip neighbour replace 10.0.0.175 lladdr 02:00:00:00:00:cc dev server");
	expected.bytes[5] = 0xcc;
	fast_check(fast.dial.world, FAST_UPLINK, fast.uplink, &input, XDP_REDIRECT, &expected,
		   __FILE__, __LINE__);
	fast_command("ip neighbour replace 10.0.0.175 lladdr 02:00:00:00:00:bb dev server");
	fast_up(&fast, ACK, "data");
	write_hops(fast.dial.world, &none);
	fast_up(&fast, ACK, "data");
}

/* To another gateway, out of another device. */
static void route_changes(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	struct ftpfix_flow flow;
	struct frame input, expected;

	fast_down(&fast, ACK, "data");
	fast_command("ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:dd dev server && "
		     "ip route replace 198.51.100.0/24 via 10.0.0.9");
	usleep(KEPT_US);
	fast_down_frames(&fast, ACK, "data", &input, &expected);
	expected.bytes[5] = 0xdd;
	expected.bytes[11] = 0x0b;
	fast_check(fast.dial.world, FAST_INSIDE, fast.inside, &input, XDP_REDIRECT, &expected,
		   __FILE__, __LINE__);
	assert_true(dial_flow(&fast.dial, dial_down_key(&fast.dial), &flow));
	assert_int_equal(flow_hop(fast.dial.world, &flow).out_ifindex, fast.dial.world->server);
	fast_command("ip route replace 198.51.100.0/24 via 203.0.113.1");
	usleep(KEPT_US);
	fast_down(&fast, ACK, "data");
}

/* The MTU that a route gives is below the device's, and locked: others the kernel does not keep
 * to, either. */
static void route_has_an_mtu(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	char bytes[1000] = "";

	memset(bytes, 'x', 961);
	fast_command("ip route replace 10.0.0.175 dev server mtu lock 1000");
	usleep(KEPT_US);
	fast_up_passes(&fast, ACK, bytes);
	bytes[960] = 0;
	fast_up(&fast, ACK, bytes);
	/* What TC learns, XDP goes by. */
	usleep(KEPT_US);
	dial_up(&fast.dial, ACK, "");
	bytes[960] = 'x';
	fast_up_passes(&fast, ACK, bytes);
	fast_command("ip route delete 10.0.0.175 dev server");
	usleep(KEPT_US);
	fast_up(&fast, ACK, bytes);
}

/* A device without forwarding, and one that the loader gave no way out of. */
static void no_way_out(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	struct world *world = fast.dial.world;

	fast_command("sysctl -qw net.ipv4.conf.uplink.forwarding=0");
	usleep(KEPT_US);
	fast_up_passes(&fast, ACK, "data");
	fast_command("sysctl -qw net.ipv4.conf.uplink.forwarding=1");
	assert_int_equal(
		bpf_map_delete_elem(bpf_map__fd(world->skeleton->maps.links), &world->server), 0);
	usleep(KEPT_US);
	fast_up_passes(&fast, ACK, "data");
	fast_link(world, world->server, world->server, 0, 0);
	usleep(KEPT_US);
	fast_up(&fast, ACK, "data");
}

/* A frame of several buffers goes where they are taken, as a whole. */
static void several_buffers(void **state)
{
	struct fast_dial fast = fast_open(state, 0);
	struct world *world = fast.dial.world;
	static struct fast_output output;
	static __u8 input[9014], expected[9014];
	struct frame in, out;
	struct frame *frames[] = {&in, &out};
	__u8 *bytes[] = {input, expected};

	fast_up_frames(&fast, ACK, "", &in, &out);
	for (int index = 0; index < 2; index++) {
		__u8 *network = bytes[index] + ETH_HLEN, *transport = network + 20;
		__u32 length = sizeof(input) - ETH_HLEN;

		memcpy(bytes[index], frames[index]->bytes, frames[index]->length);
		memset(bytes[index] + frames[index]->length, 'x',
		       sizeof(input) - frames[index]->length);
		put16(network + 2, length);
		put16(network + 10, 0);
		put16(network + 10, checksum_end(checksum_add(0, network, 20)));
		put16(transport + 16, 0);
		put16(transport + 16,
		      checksum_end(
			      checksum_add(checksum_add(FRAME_TCP + length - 20, network + 12, 8),
					   transport, length - 20)));
	}
	/* Above the MTU. */
	assert_int_equal(fast_run(world, FAST_UPLINK, fast.uplink, input, sizeof(input), &output),
			 XDP_PASS);
	fast_command("ip link set server mtu 9000");
	usleep(KEPT_US);
	assert_int_equal(fast_run(world, FAST_UPLINK, fast.uplink, input, sizeof(input), &output),
			 XDP_PASS);
	assert_int_equal(output.length, sizeof(input));
	assert_memory_equal(output.bytes, input, sizeof(input));
	counted(world, NOTHING);
	fast_link(world, world->server, world->server, 0, 1);
	assert_int_equal(fast_run(world, FAST_UPLINK, fast.uplink, input, sizeof(input), &output),
			 XDP_REDIRECT);
	assert_int_equal(output.length, sizeof(expected));
	assert_memory_equal(output.bytes, expected, sizeof(expected));
	counted(world, CARRIED_FAST(&fast.dial, 1, 8960));
	fast_command("ip link set server mtu 1500");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_and_asked_again),
		cmocka_unit_test(watched),
		cmocka_unit_test(change_is_told),
		cmocka_unit_test(watch_runs_out),
		cmocka_unit_test(unknown_hop_is_asked_for),
		cmocka_unit_test(shown_to_the_kernel),
		cmocka_unit_test(neighbour_changes),
		cmocka_unit_test(no_place),
		cmocka_unit_test(route_changes),
		cmocka_unit_test(route_has_an_mtu),
		cmocka_unit_test(no_way_out),
		cmocka_unit_test(several_buffers),
	};

	return cmocka_run_group_tests(tests, fast_setup, world_teardown);
}
