// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the routing tables for the interfaces toward the servers, and toward the clients.
 * This file knows nothing of what is attached to them.
 */
#include "route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

struct route {
	struct prefix destination;
	unsigned int out_index;
};

struct route_table {
	struct route *route;
	size_t count;
	size_t room;
};

static int add_route(struct route_table *table, const struct prefix *destination,
		     unsigned int out_index)
{
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		struct route *grown = reallocarray(table->route, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->route = grown;
		table->room = room;
	}
	table->route[table->count++] = (struct route){*destination, out_index};
	return 0;
}

static int add_nexthops(struct route_table *table, const struct prefix *destination,
			const struct nlattr *attribute)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	int left = mnl_attr_get_payload_len(attribute);
	int err;

	while (RTNH_OK(hop, left)) {
		err = add_route(table, destination, hop->rtnh_ifindex);
		if (err)
			return err;
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return 0;
}

static int read_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	bool ipv4 = header->rtm_family == AF_INET;
	struct prefix destination = prefix_of_all(ipv4 ? FTPFIX_IPV4 : FTPFIX_IPV6);
	struct route_table *table = context;
	const struct nlattr *attribute;
	int err = 0;

	/* Every table counts, for policy routing may lead to servers by any of
	 * them; but not "local", the node's own addresses. */
	if ((!ipv4 && header->rtm_family != AF_INET6) || header->rtm_type != RTN_UNICAST ||
	    header->rtm_table == RT_TABLE_LOCAL || (header->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof(*header))
		if (mnl_attr_get_type(attribute) == RTA_DST)
			destination.addr = address_from_bytes(header->rtm_family,
							      mnl_attr_get_payload(attribute));
	destination.length += header->rtm_dst_len;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			err = add_route(table, &destination, mnl_attr_get_u32(attribute));
		else if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
			err = add_nexthops(table, &destination, attribute);
		if (err) {
			errno = -err;
			return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

static bool is_default(const struct prefix *destination)
{
	return destination->length == prefix_of_all(prefix_family(destination)).length;
}

/* Of the routes that hold the prefix as a whole, the kernel follows the longest;
 * this is its length. The default route counts only if asked for. */
static int longest_holding(const struct route_table *table, const struct prefix *servers,
			   bool with_default)
{
	int longest = -1;

	for (size_t i = 0; i < table->count; i++) {
		const struct prefix *destination = &table->route[i].destination;

		if (is_default(destination) && !with_default)
			continue;
		if (prefix_holds(destination, servers) && (int)destination->length > longest)
			longest = destination->length;
	}
	return longest;
}

static int add_device(struct device_list *list, unsigned int index, const char *option)
{
	struct device *device = &list->device[list->count];

	if (device_list_has(list, index) || !if_indextoname(index, device->name) ||
	    strcmp(device->name, "lo") == 0)
		return 0;
	if (list->count == DEVICES_MAX - 1) {
		log_line("the routes use more than %d interfaces; name those that are meant with "
			 "%s",
			 DEVICES_MAX - 1, option);
		return -E2BIG;
	}
	device->index = index;
	list->count++;
	return 0;
}

/* Adds the interfaces toward one prefix: of the routes to parts of it, and of
 * the route that is followed for the rest. Returns 1 if there was any such
 * route, 0 if not, or a negative errno. */
static int add_toward(const struct route_table *table, const struct prefix *servers,
		      bool with_default, struct device_list *list)
{
	int longest = longest_holding(table, servers, with_default);
	int found = 0, err;

	for (size_t i = 0; i < table->count; i++) {
		const struct prefix *destination = &table->route[i].destination;
		bool part =
			destination->length > servers->length && prefix_holds(servers, destination);
		bool rest =
			(int)destination->length == longest && prefix_holds(destination, servers);

		if (!part && !rest)
			continue;
		err = add_device(list, table->route[i].out_index, "--server-dev");
		if (err)
			return err;
		found = 1;
	}
	return found;
}

static int choose(const struct config *config, const struct route_table *table,
		  struct device_list *list)
{
	int result;

	for (size_t i = 0; i < config->server_count; i++) {
		result = add_toward(table, &config->server[i].prefix, false, list);
		/* A server that was named is somewhere; the private ranges need
		 * not all exist, and are no reason to take the default route. */
		if (result == 0 && config->servers_named)
			result = add_toward(table, &config->server[i].prefix, true, list);
		if (result < 0)
			return result;
	}
	for (size_t i = 0; list->count == 0 && i < config->server_count; i++) {
		result = add_toward(table, &config->server[i].prefix, true, list);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Reads every route; the caller frees the table's, also after an error. */
static int read_routes(struct route_table *table)
{
	_Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN + sizeof(struct rtmsg)] = {0};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = RTM_GETROUTE;
	header->rtm_family = AF_UNSPEC;
	return netlink_dump(request, read_route, table);
}

int route_devices(const struct config *config, struct device_list *list)
{
	struct route_table table = {0};
	int err = read_routes(&table);

	if (err)
		log_line("the routing tables cannot be read: %s; name the interfaces on the "
			 "inside with --server-dev",
			 strerror(-err));
	else
		err = choose(config, &table, list);
	free(table.route);
	return err;
}

/* Whether a virtual address has the family of these destinations. */
static bool is_served(const struct config *config, const struct prefix *destination)
{
	for (size_t i = 0; i < config->virtual_count; i++)
		if (address_family(&config->virtual[i].addr) == prefix_family(destination))
			return true;
	return false;
}

int route_uplinks(const struct config *config, struct device_list *list)
{
	struct route_table table = {0};
	int err = read_routes(&table);

	if (err)
		log_line("the routing tables cannot be read: %s; name the uplink with --dev",
			 strerror(-err));
	for (size_t i = 0; !err && i < table.count; i++) {
		const struct route *route = &table.route[i];

		if (is_default(&route->destination) && is_served(config, &route->destination))
			err = add_device(list, route->out_index, "--dev");
	}
	free(table.route);
	return err;
}
