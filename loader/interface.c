// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Looks interfaces up and checks that programs can be attached to them.
 * This file knows nothing of the programs.
 */
#include "interface.h"

#include <ctype.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "route.h"

/* The hardware type (ARPHRD_) of the interface, or a negative errno. */
static int hardware_type(const char *name)
{
	struct ifreq request = {0};
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	err = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : request.ifr_hwaddr.sa_family;
	close(fd);
	return err;
}

static int check_type(const char *option, const char *name)
{
	int type = hardware_type(name);

	if (type < 0) {
		log_line("%s %s: cannot be examined: %s", option, name, strerror(-type));
		return type;
	}
	if (type != ARPHRD_ETHER) {
		log_line("%s %s: not an Ethernet interface (hardware type %d), and ftpfix reads "
			 "Ethernet frames only; name another",
			 option, name, type);
		return -EOPNOTSUPP;
	}
	return 0;
}

static bool is_printable(const char *name)
{
	while (*name)
		if (!isgraph((unsigned char)*name++))
			return false;
	return true;
}

static int find_device(const char *option, struct device_list *list, struct device *device)
{
	unsigned int index;

	if (!is_printable(device->name)) {
		log_line("%s: a name with unprintable characters; rename the interface", option);
		return -EINVAL;
	}
	index = if_nametoindex(device->name);
	if (!index) {
		log_line("%s %s: no such interface; \"ip link\" lists those that exist", option,
			 device->name);
		return -ENODEV;
	}
	/* Two names may mean one interface (ip link property add altname). */
	if (device_list_has(list, index)) {
		log_line("%s %s: this interface is named twice; name it once", option,
			 device->name);
		return -EINVAL;
	}
	device->index = index;
	/* Its settings under /proc/sys bear its first name alone. */
	if (!if_indextoname(index, device->name)) {
		log_line("%s %s: is gone", option, device->name);
		return -ENODEV;
	}
	return check_type(option, device->name);
}

static int find_devices(const char *option, struct device_list *list)
{
	int err;

	for (size_t i = 0; i < list->count; i++) {
		err = find_device(option, list, &list->device[i]);
		if (err)
			return err;
	}
	return 0;
}

/* Leaves the interfaces that can be attached to; others are none that the
 * operator named, so that they are worth a line but no refusal. */
static void keep_ethernet(struct device_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct device *device = &list->device[i];

		if (hardware_type(device->name) == ARPHRD_ETHER)
			list->device[kept++] = *device;
		else
			log_line("%s: a route to private addresses or servers uses it, but it "
				 "is not an Ethernet interface: left out",
				 device->name);
	}
	list->count = kept;
}

static const char *whom_inside(const struct config *config)
{
	return config->clients_inside ? "clients" : "servers";
}

/* Clients inside are reached by another interface than the servers outside. */
static void drop_uplinks(struct device_list *list, const struct device_list *uplinks)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!device_list_has(uplinks, list->device[i].index))
			list->device[kept++] = list->device[i];
	list->count = kept;
}

static void tell_choice(const char *whom, const char *how, const struct device_list *list)
{
	char names[DEVICES_MAX * (IF_NAMESIZE + 1)] = "";

	for (size_t i = 0; i < list->count; i++) {
		strcat(names, i ? " " : "");
		strcat(names, list->device[i].name);
	}
	log_line("toward the %s, by the %s: %s", whom, how, names);
}

static int choose_server_side(struct config *config)
{
	struct device_list *list = &config->server_side;
	int err;

	err = route_devices(config, list);
	if (err)
		return err;
	keep_ethernet(list);
	if (config->clients_inside)
		drop_uplinks(list, &config->uplinks);
	if (list->count == 0) {
		log_line("no route leads to the %s over %s Ethernet interface; name the "
			 "interface toward them with --server-dev",
			 whom_inside(config), config->clients_inside ? "another" : "an");
		return -ENETUNREACH;
	}
	tell_choice(whom_inside(config), "routes", list);
	return 0;
}

/* A balancer's clients come from anywhere. */
static int choose_uplinks(struct config *config)
{
	int err = route_uplinks(config, &config->uplinks);

	if (err)
		return err;
	if (config->uplinks.count == 0) {
		log_line("run: no --dev, and no default route tells where the clients come from; "
			 "name the interface with --dev");
		return -ENETUNREACH;
	}
	tell_choice("clients", "default route", &config->uplinks);
	for (size_t i = 0; !err && i < config->uplinks.count; i++)
		err = check_type("--dev", config->uplinks.device[i].name);
	return err;
}

static int check_two_arms(const struct config *config)
{
	for (size_t i = 0; i < config->server_side.count; i++) {
		const struct device *device = &config->server_side.device[i];

		if (!device_list_has(&config->uplinks, device->index))
			continue;
		log_line("--clients inside: %s is both --dev and --server-dev, and so cannot tell "
			 "the clients from the servers outside; name one interface for each side",
			 device->name);
		return -EINVAL;
	}
	return 0;
}

int interfaces_find(struct config *config)
{
	int err;

	err = config->uplinks.count ? find_devices("--dev", &config->uplinks)
				    : choose_uplinks(config);
	if (err)
		return err;
	if (config->forward == FTPFIX_FORWARD_NONE)
		return 0;
	if (config->server_side.count == 0)
		return choose_server_side(config);
	err = find_devices("--server-dev", &config->server_side);
	if (!err && config->clients_inside)
		err = check_two_arms(config);
	return err;
}

bool interface_exists(unsigned int index)
{
	char name[IF_NAMESIZE];

	return if_indextoname(index, name) || errno != ENXIO;
}

static void look_at(struct device *device)
{
	bool gone = !interface_exists(device->index);

	/* One that was in another network namespace comes back as it was. */
	if (gone && !device->gone)
		log_line("%s is gone, and what was attached there: where another comes in its "
			 "place, start ftpfix again",
			 device->name);
	else if (!gone && device->gone)
		log_line("%s is there again", device->name);
	device->gone = gone;
}

void interfaces_second(struct config *config)
{
	for (size_t i = 0; i < config->uplinks.count; i++)
		look_at(&config->uplinks.device[i]);
	for (size_t i = 0; i < config->server_side.count; i++)
		/* A one-arm interface is on both lists. */
		if (!device_list_has(&config->uplinks, config->server_side.device[i].index))
			look_at(&config->server_side.device[i]);
}

const char *interface_name(unsigned int index, char name[IF_NAMESIZE])
{
	if (!if_indextoname(index, name))
		snprintf(name, IF_NAMESIZE, "#%u", index);
	return name;
}
