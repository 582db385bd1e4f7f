// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which of rtnetlink's messages tell of a change of next hops. The messages are written as the
 * kernel writes them.
 */
#include "unit.h"

#include <arpa/inet.h>

#include "../loader/address.c"
#include "../loader/route_change.c"

#define MESSAGE_MAX 512

static const __u8 one[6] = {2, 0, 0, 0, 0, 1}, other[6] = {2, 0, 0, 0, 0, 2};

static int begin(void **state)
{
	*state = route_memory_new();
	return *state ? 0 : -1;
}

static int end(void **state)
{
	route_memory_free(*state);
	return 0;
}

struct link_told {
	__u16 type;
	__u32 index;
	__u32 flags;
	__u32 mtu;
	const __u8 *address;
	__u32 master;
	__u32 promiscuity; /* which no hop depends on */
};

static bool link_told(struct route_memory *memory, struct link_told told)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = told.type;
	header->ifi_index = told.index;
	header->ifi_flags = told.flags;
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	mnl_attr_put_u32(message, IFLA_MTU, told.mtu);
	mnl_attr_put_u32(message, IFLA_PROMISCUITY, told.promiscuity);
	if (told.master)
		mnl_attr_put_u32(message, IFLA_MASTER, told.master);
	if (told.address)
		mnl_attr_put(message, IFLA_ADDRESS, 6, told.address);
	return route_change_told(memory, message);
}

static bool neighbour_told(struct route_memory *memory, __u16 type, const char *text, __u16 state,
			   const __u8 *address)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	__u8 bytes[16];

	message->nlmsg_type = type;
	header->ndm_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	header->ndm_ifindex = 3;
	header->ndm_state = state;
	assert_int_equal(inet_pton(header->ndm_family, text, bytes), 1);
	mnl_attr_put(message, NDA_DST, header->ndm_family == AF_INET ? 4 : 16, bytes);
	if (address)
		mnl_attr_put(message, NDA_LLADDR, 6, address);
	mnl_attr_put_u32(message, NDA_PROBES, 1);
	return route_change_told(memory, message);
}

static void a_link_is_what_its_hops_depend_on(void **state)
{
	const struct link_told first = {
		.type = RTM_NEWLINK,
		.index = 3,
		.flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST,
		.mtu = 1500,
		.address = one,
	};
	struct link_told now = first;

	assert_true(link_told(*state, now));
	assert_false(link_told(*state, now));
	now.promiscuity = 1;
	now.flags |= IFF_PROMISC;
	assert_false(link_told(*state, now));
	now.mtu = 1400;
	assert_true(link_told(*state, now));
	assert_false(link_told(*state, now));
	now.address = other;
	assert_true(link_told(*state, now));
	now.flags = IFF_UP | IFF_BROADCAST;
	assert_true(link_told(*state, now));
	now.flags = IFF_BROADCAST;
	assert_true(link_told(*state, now));
	now.master = 7;
	assert_true(link_told(*state, now));
	assert_false(link_told(*state, now));
	assert_true(link_told(*state, first));
}

static void links_are_told_apart(void **state)
{
	struct link_told link = {.type = RTM_NEWLINK, .index = 3, .mtu = 1500, .address = one};

	assert_true(link_told(*state, link));
	link.index = 4;
	assert_true(link_told(*state, link));
	link.index = 3;
	assert_false(link_told(*state, link));
	link.type = RTM_DELLINK;
	assert_true(link_told(*state, link));
	link.type = RTM_NEWLINK;
	assert_true(link_told(*state, link));
	link.index = 4;
	assert_false(link_told(*state, link));
}

/* The states that the kernel takes a neighbour through to hear that it is still there. */
static void a_neighbour_that_stays_is_no_change(void **state)
{
	static const char *const addresses[] = {"192.0.2.1", "2001:db8::1"};
	static const __u16 states[] = {NUD_REACHABLE, NUD_STALE,     NUD_DELAY, NUD_PROBE,
				       NUD_REACHABLE, NUD_PERMANENT, NUD_NOARP};

	for (int family = 0; family < 2; family++) {
		assert_true(neighbour_told(*state, RTM_NEWNEIGH, addresses[family], NUD_REACHABLE,
					   one));
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
			assert_false(neighbour_told(*state, RTM_NEWNEIGH, addresses[family],
						    states[i], one));
	}
}

static void a_neighbour_moves(void **state)
{
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_REACHABLE, one));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_STALE, other));
	assert_false(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_REACHABLE, other));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.2", NUD_REACHABLE, other));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_REACHABLE, one));
	assert_false(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.2", NUD_STALE, other));
}

/* What it was known as while it answers no more is nothing. */
static void a_neighbour_falls_silent(void **state)
{
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_PROBE, one));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_FAILED, one));
	assert_false(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_INCOMPLETE, NULL));
	assert_false(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_FAILED, other));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_REACHABLE, one));
	assert_true(neighbour_told(*state, RTM_DELNEIGH, "192.0.2.1", NUD_STALE, one));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_STALE, one));
}

/* It may have been a hop before anything was told of it. */
static void a_neighbour_that_is_not_known_is_a_change(void **state)
{
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.1", NUD_FAILED, NULL));
	assert_true(neighbour_told(*state, RTM_DELNEIGH, "192.0.2.2", NUD_STALE, one));
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.3", NUD_STALE, one));
	route_memory_clear(*state);
	assert_true(neighbour_told(*state, RTM_NEWNEIGH, "192.0.2.3", NUD_STALE, one));
}

static bool numbered_told(struct route_memory *memory, __u32 number)
{
	char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), "2001:db8::%x:%x", number >> 16, number & 0xffff);
	return neighbour_told(memory, RTM_NEWNEIGH, text, NUD_REACHABLE, one);
}

static __u32 changes_of(struct route_memory *memory, __u32 neighbours)
{
	__u32 changes = 0;

	for (__u32 number = 0; number < neighbours; number++)
		changes += numbered_told(memory, number);
	return changes;
}

/* A thousand are remembered; what is beyond the table's room is a change every time. */
static void many_neighbours(void **state)
{
	assert_int_equal(changes_of(*state, 1000), 1000);
	assert_int_equal(changes_of(*state, 1000), 0);
	assert_int_equal(changes_of(*state, 200000), 199000);
	assert_int_equal(changes_of(*state, 200000), 200000);
	assert_false(numbered_told(*state, 199999));
}

static void a_bridge_tells_of_its_ports(void **state)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = RTM_NEWNEIGH;
	header->ndm_family = AF_BRIDGE;
	header->ndm_ifindex = 3;
	header->ndm_state = NUD_REACHABLE;
	mnl_attr_put(message, NDA_LLADDR, 6, one);
	assert_false(route_change_told(*state, message));
}

static void all_the_rest_is_a_change(void **state)
{
	static const __u16 types[] = {RTM_NEWROUTE,   RTM_DELROUTE,   RTM_NEWRULE,
				      RTM_DELRULE,    RTM_NEWNEXTHOP, RTM_DELNEXTHOP,
				      RTM_NEWNETCONF, RTM_DELNETCONF};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX] = {0};
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

		mnl_nlmsg_put_extra_header(message, sizeof(struct rtmsg));
		message->nlmsg_type = types[i];
		for (int again = 0; again < 2; again++)
			assert_true(route_change_told(*state, message));
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_link_is_what_its_hops_depend_on),
		test(links_are_told_apart),
		test(a_neighbour_that_stays_is_no_change),
		test(a_neighbour_moves),
		test(a_neighbour_falls_silent),
		test(a_neighbour_that_is_not_known_is_a_change),
		test(many_neighbours),
		test(a_bridge_tells_of_its_ports),
		test(all_the_rest_is_a_change),
	};

	return cmocka_run_group_tests_name("route_change", tests, NULL, NULL);
}
