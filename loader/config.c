// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The settings of one instance: their defaults and the rules between them.
 * This file knows nothing of maps or of the kernel.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define DEFAULT_PORT 21
#define DEFAULT_LISTEN_PORT 9199
#define PORT_HIGHEST 65535

static const char *const forward_names[] = {
	[FTPFIX_FORWARD_NONE] = "none",
	[FTPFIX_FORWARD_NAT] = "nat",
	[FTPFIX_FORWARD_FULLNAT] = "fullnat",
};

/* RFC 1918, and RFC 6598 for what carriers and clouds use beside it. */
static const struct {
	__u32 network;
	unsigned int length;
} private_ranges[] = {
	{0x0a000000, 8},
	{0xac100000, 12},
	{0xc0a80000, 16},
	{0x64400000, 10},
};

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config->forward = FTPFIX_FORWARD_NAT;
	config->port_low = FTPFIX_PORT_MIN;
	config->port_high = PORT_HIGHEST;
	config->listen.sin_family = AF_INET;
	config->listen.sin_port = htons(DEFAULT_LISTEN_PORT);
	config->listen.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

const char *forward_name(enum ftpfix_forward forward)
{
	return forward_names[forward];
}

int value_forward(const char *name, const char *text, enum ftpfix_forward *forward,
		  struct problem *problem)
{
	for (size_t i = 0; i < sizeof(forward_names) / sizeof(forward_names[0]); i++) {
		if (strcmp(text, forward_names[i]) == 0) {
			*forward = i;
			return 0;
		}
	}
	return problem_set(problem, "%s: '%s' is no way to forward; say none, nat or fullnat", name,
			   text);
}

bool device_list_has(const struct device_list *list, unsigned int index)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->device[i].index == index)
			return true;
	return false;
}

int config_set_advertise(struct config *config, const char *name, const char *text,
			 struct problem *problem)
{
	if (strcmp(text, "dialled") == 0) {
		memset(&config->advertise, 0, sizeof(config->advertise));
		return 0;
	}
	return value_host(name, text, &config->advertise, problem);
}

static bool is_control_port(const struct config *config, unsigned int port)
{
	for (size_t i = 0; i < config->port_count; i++)
		if (config->port[i] == port)
			return true;
	return false;
}

/* A control port cannot also be a data port: a range of nothing else would
 * leave no announcement a port. */
static int check_data_ports(const struct config *config, const char *name, unsigned int low,
			    unsigned int high, struct problem *problem)
{
	for (unsigned int port = low; port <= high; port++)
		if (!is_control_port(config, port))
			return 0;
	return problem_set(problem,
			   "%s: %u-%u holds only control ports; widen it, or choose other ports",
			   name, low, high);
}

int config_set_data_ports(struct config *config, const char *name, const char *text,
			  struct problem *problem)
{
	__u16 low, high;
	int err;

	err = value_port_range(name, text, &low, &high, problem);
	if (err)
		return err;
	err = check_data_ports(config, name, low, high, problem);
	if (err)
		return err;
	config->port_low = low;
	config->port_high = high;
	return 0;
}

static void allow_private_servers(struct config *config)
{
	for (size_t i = 0; i < sizeof(private_ranges) / sizeof(private_ranges[0]); i++) {
		config->server[i].be_network = htonl(private_ranges[i].network);
		config->server[i].length = private_ranges[i].length;
		config->server_count++;
	}
}

int config_complete(struct config *config, struct problem *problem)
{
	if (config->uplinks.count == 0)
		return problem_set(problem, "run: no --dev; name the interface on which the "
					    "clients' control connections come in");
	if (config->server_side.count > 0 && config->forward == FTPFIX_FORWARD_NONE)
		return problem_set(problem, "--server-dev: --forward none forwards no data "
					    "connections; leave one of the two out");
	if (config->source.be_word[3] && config->forward != FTPFIX_FORWARD_FULLNAT)
		return problem_set(problem,
				   "--source: --forward %s keeps the client's address; leave "
				   "--source out, or say --forward fullnat",
				   forward_name(config->forward));
	if (config->port_count == 0)
		config->port[config->port_count++] = DEFAULT_PORT;
	config->servers_named = config->server_count > 0;
	if (!config->servers_named)
		allow_private_servers(config);
	return check_data_ports(config, "--data-ports", config->port_low, config->port_high,
				problem);
}
