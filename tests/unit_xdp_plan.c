// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What rtnetlink says of an interface, and which device carries which interface. The
 * messages are written as the kernel writes them, without a kernel that has VLANs.
 */
#include "unit.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "../loader/netlink.c"
#include "../loader/link.c"
#include "../loader/xdp_plan.c"

#define UPLINK (1U << FTPFIX_SIDE_UPLINK)
#define INSIDE (1U << FTPFIX_SIDE_INSIDE)

enum { ETH, VLAN_100, VLAN_200, OTHER, STACKED, PROVIDER, ELSEWHERE, INTERFACES };

/* eth 1 with the VLANs 2 and 3, a veth 4, a VLAN on a VLAN, one of 802.1ad, one whose
 * device is in another namespace. */
static const struct link links[INTERFACES] = {
	[ETH] = {.index = 1},
	[VLAN_100] = {.index = 2,
		      .kind = "vlan",
		      .lower = 1,
		      .is_vlan = true,
		      .is_8021q = true,
		      .vlan = 100},
	[VLAN_200] = {.index = 3,
		      .kind = "vlan",
		      .lower = 1,
		      .is_vlan = true,
		      .is_8021q = true,
		      .vlan = 200},
	[OTHER] = {.index = 4, .kind = "veth", .lower = 9, .lower_elsewhere = true},
	[STACKED] = {.index = 5,
		     .kind = "vlan",
		     .lower = 2,
		     .is_vlan = true,
		     .is_8021q = true,
		     .vlan = 7},
	[PROVIDER] = {.index = 6, .kind = "vlan", .lower = 1, .is_vlan = true, .vlan = 8},
	[ELSEWHERE] = {.index = 7,
		       .kind = "vlan",
		       .lower = 1,
		       .lower_elsewhere = true,
		       .is_vlan = true,
		       .is_8021q = true,
		       .vlan = 9},
};

static int find(unsigned int index, struct link *link)
{
	if (index < 1 || index > INTERFACES)
		return -ENODEV;
	*link = links[index - 1];
	return 0;
}

static void add(struct device_list *list, unsigned int index)
{
	struct device *device = &list->device[list->count++];

	device->index = index;
	snprintf(device->name, sizeof(device->name), "if%u", index);
}

static struct config *config_of(unsigned int uplink, unsigned int inside, unsigned int second)
{
	static struct config config;

	memset(&config, 0, sizeof(config));
	add(&config.uplinks, uplink);
	add(&config.server_side, inside);
	if (second)
		add(&config.server_side, second);
	return &config;
}

static void assert_tagged(const struct xdp_plan *plan, size_t number, unsigned int device,
			  unsigned int vlan, unsigned int index, __u32 sides)
{
	struct ftpfix_tagged_key key;
	struct ftpfix_tagged value;

	assert_true(xdp_plan_tagged(plan, &plan->interface[number], &key, &value));
	assert_int_equal(key.ifindex, device);
	assert_int_equal(ntohs(key.be_vlan), vlan);
	assert_int_equal(key.padding, 0);
	assert_int_equal(value.ifindex, index);
	assert_int_equal(value.sides, sides);
}

static void two_devices(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	assert_int_equal(xdp_plan_make(&plan, config_of(1, 4, 0), find), 0);
	assert_int_equal(plan.interface_count, 2);
	assert_int_equal(plan.carrier_count, 2);
	assert_int_equal(plan.carrier[plan.interface[0].carrier].link.index, 1);
	assert_int_equal(plan.carrier[plan.interface[0].carrier].sides, UPLINK);
	/* A veth's other end is in another namespace, too: it is no VLAN for that. */
	assert_null(plan.interface[1].none);
	assert_int_equal(plan.carrier[plan.interface[1].carrier].link.index, 4);
	assert_int_equal(plan.carrier[plan.interface[1].carrier].sides, INSIDE);
	assert_tagged(&plan, 0, 1, 0, 1, UPLINK);
	assert_tagged(&plan, 1, 4, 0, 4, INSIDE);
}

static void one_arm(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	assert_int_equal(xdp_plan_make(&plan, config_of(4, 4, 0), find), 0);
	assert_int_equal(plan.interface_count, 1);
	assert_int_equal(plan.carrier_count, 1);
	assert_int_equal(plan.carrier[0].sides, UPLINK | INSIDE);
	assert_tagged(&plan, 0, 4, 0, 4, UPLINK | INSIDE);
}

static void two_vlans_of_one_device(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	assert_int_equal(xdp_plan_make(&plan, config_of(2, 3, 0), find), 0);
	assert_int_equal(plan.carrier_count, 1);
	assert_int_equal(plan.carrier[0].link.index, 1);
	assert_int_equal(plan.carrier[0].sides, 0);
	assert_true(plan.carrier[0].has_vlan);
	assert_tagged(&plan, 0, 1, 100, 2, UPLINK);
	assert_tagged(&plan, 1, 1, 200, 3, INSIDE);
}

/* In either order: the device first, or the VLAN. */
static void a_device_and_its_vlan(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	assert_int_equal(xdp_plan_make(&plan, config_of(1, 2, 0), find), 0);
	assert_int_equal(plan.carrier_count, 1);
	assert_int_equal(plan.carrier[0].sides, UPLINK);
	assert_tagged(&plan, 0, 1, 0, 1, UPLINK);
	assert_tagged(&plan, 1, 1, 100, 2, INSIDE);

	assert_int_equal(xdp_plan_make(&plan, config_of(2, 1, 3), find), 0);
	assert_int_equal(plan.carrier_count, 1);
	assert_int_equal(plan.carrier[0].sides, INSIDE);
	assert_true(plan.carrier[0].has_vlan);
	assert_tagged(&plan, 0, 1, 100, 2, UPLINK);
	assert_tagged(&plan, 1, 1, 0, 1, INSIDE);
	assert_tagged(&plan, 2, 1, 200, 3, INSIDE);
}

static void what_no_device_carries(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	for (unsigned int index = 5; index <= 7; index++) {
		struct ftpfix_tagged_key key;
		struct ftpfix_tagged value;

		assert_int_equal(xdp_plan_make(&plan, config_of(4, index, 0), find), 0);
		assert_null(plan.interface[0].none);
		assert_non_null(plan.interface[1].none);
		assert_int_equal(plan.carrier_count, 1);
		assert_false(xdp_plan_tagged(&plan, &plan.interface[1], &key, &value));
	}
}

static void an_interface_that_is_gone(void **state)
{
	static struct xdp_plan plan;

	(void)state;
	assert_int_equal(xdp_plan_make(&plan, config_of(1, 99, 0), find), -ENODEV);
}

static struct nlmsghdr *new_link(void *buffer, int index)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = RTM_NEWLINK;
	header->ifi_index = index;
	mnl_attr_put_strz(message, IFLA_IFNAME, "test0");
	return message;
}

static void put_vlan(struct nlmsghdr *message, __u16 vlan, __u16 protocol)
{
	struct nlattr *information = mnl_attr_nest_start(message, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u16(message, IFLA_VLAN_ID, vlan);
	mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL, htons(protocol));
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, information);
}

static void a_vlan_is_read(void **state)
{
	_Alignas(struct nlmsghdr) char buffer[512] = {0};
	struct nlmsghdr *message = new_link(buffer, 12);
	struct link link;

	(void)state;
	mnl_attr_put_u32(message, IFLA_LINK, 3);
	put_vlan(message, 4094, ETH_P_8021Q);
	link_read(message, &link);
	assert_int_equal(link.index, 12);
	assert_int_equal(link.lower, 3);
	assert_false(link.lower_elsewhere);
	assert_true(link.is_vlan);
	assert_true(link.is_8021q);
	assert_int_equal(link.vlan, 4094);
	assert_int_equal(link.xdp_program, 0);
}

static void a_provider_vlan_elsewhere_is_read(void **state)
{
	_Alignas(struct nlmsghdr) char buffer[512] = {0};
	struct nlmsghdr *message = new_link(buffer, 12);
	struct link link;

	(void)state;
	mnl_attr_put_u32(message, IFLA_LINK, 3);
	mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
	put_vlan(message, 5, ETH_P_8021AD);
	link_read(message, &link);
	assert_true(link.lower_elsewhere);
	assert_true(link.is_vlan);
	assert_false(link.is_8021q);
}

static void hardware_with_a_program_is_read(void **state)
{
	_Alignas(struct nlmsghdr) char buffer[512] = {0};
	struct nlmsghdr *message = new_link(buffer, 2);
	struct nlattr *xdp = mnl_attr_nest_start(message, IFLA_XDP);
	struct link link;

	(void)state;
	mnl_attr_put_u8(message, IFLA_XDP_ATTACHED, XDP_ATTACHED_DRV);
	mnl_attr_put_u32(message, IFLA_XDP_PROG_ID, 77);
	mnl_attr_nest_end(message, xdp);
	link_read(message, &link);
	assert_int_equal(link.xdp_program, 77);
	assert_string_equal(link.kind, "");
	assert_false(link.is_vlan);
	assert_int_equal(link.lower, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_devices),
		cmocka_unit_test(one_arm),
		cmocka_unit_test(two_vlans_of_one_device),
		cmocka_unit_test(a_device_and_its_vlan),
		cmocka_unit_test(what_no_device_carries),
		cmocka_unit_test(an_interface_that_is_gone),
		cmocka_unit_test(a_vlan_is_read),
		cmocka_unit_test(a_provider_vlan_elsewhere_is_read),
		cmocka_unit_test(hardware_with_a_program_is_read),
	};

	return cmocka_run_group_tests_name("xdp_plan", tests, NULL, NULL);
}
