// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Compares the configuration with the settings of the node's network stack.
 * This file knows nothing of programs or maps.
 */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "ifaddr.h"
#include "interface.h"
#include "sysctl.h"

bool node_refuses(const struct device *device, enum ftpfix_family family)
{
	struct ftpfix_addr addr[FTPFIX_FAMILIES];
	char name[IF_NAMESIZE];

	/* Its name may be another by now. */
	interface_name(device->index, name);
	return !ifaddr_find(name, addr) && !address_is_none(&addr[family]) &&
	       !sysctl_forwards(name, family);
}

/* A connection of the node's own, a health check, and one that FULLNAT makes must never
 * have the same address and port. */
static int choose_source_ports(struct source_pool *sources)
{
	unsigned int local;
	int err;

	err = sysctl_local_port(&local);
	if (err) {
		log_line("net.ipv4.ip_local_port_range cannot be read: %s; is /proc mounted?",
			 strerror(-err));
		return err;
	}
	if (local <= FTPFIX_PORT_MIN) {
		log_line("the node's own connections take ports from %u on "
			 "(net.ipv4.ip_local_port_range) and leave none for those that it "
			 "forwards; raise its lower end, or name other ports with --source "
			 "ADDR:LO-HI",
			 local);
		return -EADDRINUSE;
	}
	sources->port_high = local - 1;
	return 0;
}

static int check_forwarding(const struct device *device)
{
	bool no_ipv4 = node_refuses(device, FTPFIX_IPV4);
	bool no_ipv6 = node_refuses(device, FTPFIX_IPV6);
	enum ftpfix_family family = no_ipv4 ? FTPFIX_IPV4 : FTPFIX_IPV6;
	struct ftpfix_addr addr[FTPFIX_FAMILIES];

	if (!no_ipv4 && !no_ipv6)
		return 0;
	log_line("--path stack: the node's stack forwards no %s that comes in on %s; sysctl -w %s, "
		 "or say --path direct",
		 family_name(family), device->name, sysctl_forwarding(family));
	/* The other family may be all that is needed. */
	if (no_ipv4 == no_ipv6 || ifaddr_find(device->name, addr) ||
	    address_is_none(&addr[!family]))
		return -ENETUNREACH;
	return 0;
}

static int check_forwarding_of(const struct device_list *list)
{
	int err = 0;

	for (size_t i = 0; !err && i < list->count; i++)
		err = check_forwarding(&list->device[i]);
	return err;
}

int node_check(struct config *config)
{
	int err = 0;

	if (config->virtual_count && !config->flow.sources.ports_given)
		err = choose_source_ports(&config->flow.sources);
	if (!err && config->flow.path_stack)
		err = check_forwarding_of(&config->uplinks);
	if (!err && config->flow.path_stack)
		err = check_forwarding_of(&config->server_side);
	return err;
}
