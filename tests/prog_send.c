// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How TC sends a packet on: by the hop that its flow knows, in whose name it writes the
 * Ethernet header, or by the kernel's neighbour table, for which the header stays as it came.
 */
#include "prog_fast.h"

#define SECOND FTPFIX_SECOND_NS

/* A connection whose hops were asked for by its first packets, and are known for seconds. */
static struct fast_dial open_watched(void **state, int ipv6)
{
	struct fast_dial fast = fast_expected(state, ipv6);

	tell(&fast, 3 * SECOND, 10 * SECOND);
	dial_open(&fast.dial);
	return fast;
}

static void leaves(const struct fast_dial *fast, const struct ethernet *ethernet, const char *file,
		   int line)
{
	if (memcmp(&fast->dial.world->leaves, ethernet, sizeof(*ethernet)))
		_fail(file, line);
}

/* The next segment is carried, by this header. */
#define up_leaves(fast, bytes, ethernet)                       \
	do {                                                   \
		dial_up(&(fast)->dial, ACK, bytes);            \
		leaves(fast, &(ethernet), __FILE__, __LINE__); \
	} while (0)
#define down_leaves(fast, bytes, ethernet)                     \
	do {                                                   \
		dial_down(&(fast)->dial, ACK, bytes);          \
		leaves(fast, &(ethernet), __FILE__, __LINE__); \
	} while (0)

static void by_its_hop(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct fast_dial fast = open_watched(state, ipv6);

		up_leaves(&fast, "data", to_server);
		down_leaves(&fast, "data", to_client);
		/* Segments that were joined, and will be cut again. */
		fast.dial.world->gso_size = 2;
		up_leaves(&fast, "more data", to_server);
	}
}

/* The kernel is to see that the neighbour is in use. */
static void a_packet_that_asks(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);

	tell(&fast, 3 * SECOND, 10 * SECOND);
	dial_up(&fast.dial, SYN, "");
	leaves(&fast, &to_node, __FILE__, __LINE__);
	dial_down(&fast.dial, SYN | ACK, "");
	leaves(&fast, &to_node, __FILE__, __LINE__);
	up_leaves(&fast, "", to_server);
	down_leaves(&fast, "data", to_client);
	tell(&fast, 3 * SECOND, 0);
	up_leaves(&fast, "data", to_node);
	tell(&fast, 3 * SECOND, 10 * SECOND);
	up_leaves(&fast, "data", to_server);
}

/* XDP leaves it to TC what leaves by such a device. */
static void a_device_that_takes_no_frames_from_xdp(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct world *world = fast.dial.world;
	struct ftpfix_link link = {};

	balance_write(world->skeleton->maps.links, &world->server, &link);
	tell(&fast, 3 * SECOND, 10 * SECOND);
	dial_open(&fast.dial);
	fast_up_passes(&fast, ACK, "data");
	up_leaves(&fast, "data", to_server);
}

/* Only the kernel knows what stands in front of a packet there. */
static void a_device_of_another_kind(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct world *world = fast.dial.world;

	assert_int_equal(
		bpf_map_delete_elem(bpf_map__fd(world->skeleton->maps.links), &world->server), 0);
	tell(&fast, 3 * SECOND, 10 * SECOND);
	dial_open(&fast.dial);
	up_leaves(&fast, "data", to_node);
	down_leaves(&fast, "data", to_client);
}

/* The kernel finds it, and keeps the packet until then. */
static void a_neighbour_that_is_not_known(void **state)
{
	struct fast_dial fast = open_watched(state, 0);

	fast_command("ip neighbour delete 10.0.0.175 dev server");
	tell(&fast, 3 * SECOND, 0);
	up_leaves(&fast, "data", to_node);
	up_leaves(&fast, "data", to_node);
	fast_command("ip neighbour add 10.0.0.175 lladdr 02:00:00:00:00:bb dev server");
	up_leaves(&fast, "data", to_node);
	tell(&fast, 3 * SECOND, 10 * SECOND);
	up_leaves(&fast, "data", to_server);
}

/* Below the device's: the route's MTU is kept to without XDP, too. */
static void a_route_with_an_mtu(void **state)
{
	struct fast_dial fast;
	char bytes[1000] = "";

	fast_command("ip route replace 10.0.0.175 dev server mtu lock 1000");
	fast = open_watched(state, 0);
	memset(bytes, 'x', 960);
	up_leaves(&fast, bytes, to_server);
	fast_command("ip route delete 10.0.0.175 dev server");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_its_hop),
		cmocka_unit_test(a_packet_that_asks),
		cmocka_unit_test(a_device_that_takes_no_frames_from_xdp),
		cmocka_unit_test(a_device_of_another_kind),
		cmocka_unit_test(a_neighbour_that_is_not_known),
		cmocka_unit_test(a_route_with_an_mtu),
	};

	return cmocka_run_group_tests(tests, fast_setup, world_teardown);
}
