// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Finds the device that carries each interface.
 * This file knows nothing of programs or maps.
 */
#include "xdp_plan.h"

#include <arpa/inet.h>
#include <errno.h>

static void add_interfaces(struct xdp_plan *plan, const struct device_list *list,
			   enum ftpfix_side side)
{
	for (size_t i = 0; i < list->count; i++) {
		struct xdp_interface *interface = plan->interface;

		/* A one-arm interface is on both lists. */
		while (interface < plan->interface + plan->interface_count &&
		       interface->device.index != list->device[i].index)
			interface++;
		if (interface == plan->interface + plan->interface_count) {
			*interface = (struct xdp_interface){.device = list->device[i]};
			plan->interface_count++;
		}
		interface->sides |= 1U << side;
	}
}

/* The place of the device among the carriers, where it is added if it is new. */
static size_t carrier_place(struct xdp_plan *plan, const struct link *link)
{
	size_t place = 0;

	while (place < plan->carrier_count && plan->carrier[place].link.index != link->index)
		place++;
	if (place == plan->carrier_count)
		plan->carrier[plan->carrier_count++] = (struct xdp_carrier){.link = *link};
	return place;
}

static int find_carrier(struct xdp_plan *plan, struct xdp_interface *interface, link_finder find)
{
	const struct link *link = &interface->link;
	struct link lower;
	int err;

	if (!link->is_vlan) {
		interface->carrier = carrier_place(plan, link);
		plan->carrier[interface->carrier].sides = interface->sides;
		return 0;
	}
	if (!link->is_8021q || link->lower_elsewhere) {
		interface->none = link->lower_elsewhere
					  ? "the interface below it is in another network namespace"
					  : "its VLAN is not of IEEE 802.1Q";
		return 0;
	}
	err = find(link->lower, &lower);
	if (err)
		return err;
	if (lower.is_vlan) {
		interface->none = "it is a VLAN within a VLAN";
		return 0;
	}
	interface->carrier = carrier_place(plan, &lower);
	plan->carrier[interface->carrier].has_vlan = true;
	return 0;
}

int xdp_plan_make(struct xdp_plan *plan, const struct config *config, link_finder find)
{
	int err = 0;

	*plan = (struct xdp_plan){0};
	add_interfaces(plan, &config->uplinks, FTPFIX_SIDE_UPLINK);
	add_interfaces(plan, &config->server_side, FTPFIX_SIDE_INSIDE);
	for (size_t i = 0; !err && i < plan->interface_count; i++) {
		struct xdp_interface *interface = &plan->interface[i];

		err = find(interface->device.index, &interface->link);
		if (!err)
			err = find_carrier(plan, interface, find);
	}
	return err;
}

bool xdp_plan_tagged(const struct xdp_plan *plan, const struct xdp_interface *interface,
		     struct ftpfix_tagged_key *key, struct ftpfix_tagged *value)
{
	if (interface->none)
		return false;
	/* VLAN 0 is that of frames that are tagged for their priority alone, and belong to
	 * the device itself. */
	*key = (struct ftpfix_tagged_key){
		.ifindex = plan->carrier[interface->carrier].link.index,
		.be_vlan = htons(interface->link.vlan),
	};
	*value = (struct ftpfix_tagged){.ifindex = interface->device.index,
					.sides = interface->sides};
	return true;
}
