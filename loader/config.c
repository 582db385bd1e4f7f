// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The settings of one instance: their defaults and the rules between them.
 * This file knows nothing of maps or of the kernel.
 */
#include "config.h"

#include <string.h>

#include "config_balancer.h"

#define DEFAULT_PORT 21
#define DEFAULT_LISTEN_PORT 9199
#define PORT_HIGHEST 65535

#define DEFAULT_DNS_SECONDS 60

#define WORDS(array) array, sizeof(array) / sizeof((array)[0])

static const char *const forward_names[] = {
	[FTPFIX_FORWARD_NONE] = "none",
	[FTPFIX_FORWARD_NAT] = "nat",
	[FTPFIX_FORWARD_FULLNAT] = "fullnat",
};

static const char *const rewrite_names[] = {
	[FTPFIX_REWRITE_AUTO] = "auto",
	[FTPFIX_REWRITE_EQUAL_LENGTH] = "equal-length",
	[FTPFIX_REWRITE_ADJUST] = "adjust",
};

static const char *const clients_names[] = {"outside", "inside"};

const struct allowance allowances[ALLOWANCES] = {
	{"unasked", FTPFIX_ALLOW_UNASKED},	   {"multiline", FTPFIX_ALLOW_MULTILINE},
	{"address", FTPFIX_ALLOW_ADDRESS},	   {"low-port", FTPFIX_ALLOW_LOW_PORT},
	{"after-epsv-all", FTPFIX_ALLOW_EPSV_ALL}, {"foreign", FTPFIX_ALLOW_FOREIGN},
};

/* RFC 1918, RFC 6598 for what carriers and clouds use beside it, and RFC 4193. */
static const char *const private_ranges[] = {
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
};

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config->forward = FTPFIX_FORWARD_NAT;
	config->rewrite = FTPFIX_REWRITE_AUTO;
	config->port_low = FTPFIX_PORT_MIN;
	config->port_high = PORT_HIGHEST;
	config->expect_seconds = FTPFIX_EXPECTATION_NS / FTPFIX_SECOND_NS;
	config->dns_seconds = DEFAULT_DNS_SECONDS;
	flow_config_init(&config->flow);
	config_init_balancer(config);
	config->listen.addr = address_from_ipv4(htonl(INADDR_LOOPBACK));
	config->listen.be_port = htons(DEFAULT_LISTEN_PORT);
}

void config_free(struct config *config)
{
	advertise_clear(&config->advertise);
}

const char *forward_name(enum ftpfix_forward forward)
{
	return forward_names[forward];
}

const char *rewrite_name(enum ftpfix_rewrite rewrite)
{
	return rewrite_names[rewrite];
}

const char *clients_name(bool inside)
{
	return clients_names[inside];
}

int config_set_forward(struct config *config, const char *text, struct problem *problem)
{
	return value_word("--forward", text, WORDS(forward_names), &config->forward, problem);
}

int config_set_rewrite(struct config *config, const char *text, struct problem *problem)
{
	return value_word("--rewrite", text, WORDS(rewrite_names), &config->rewrite, problem);
}

int config_set_clients(struct config *config, const char *text, struct problem *problem)
{
	unsigned int inside;
	int err;

	err = value_word("--clients", text, WORDS(clients_names), &inside, problem);
	if (!err)
		config->clients_inside = inside;
	return err;
}

bool device_list_has(const struct device_list *list, unsigned int index)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->device[i].index == index)
			return true;
	return false;
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

int config_add_port(struct config *config, const char *name, __u16 port, struct problem *problem)
{
	int err;

	if (is_control_port(config, port))
		return 0;
	if (config->port_count == FTPFIX_SERVICES_MAX)
		return problem_set(problem, "%s: more than %d control ports", name,
				   FTPFIX_SERVICES_MAX);
	config->port[config->port_count++] = port;
	err = check_data_ports(config, name, config->port_low, config->port_high, problem);
	if (err)
		config->port_count--;
	return err;
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
	struct problem none;

	for (size_t i = 0; i < sizeof(private_ranges) / sizeof(private_ranges[0]); i++)
		value_prefix("", private_ranges[i], &config->server[config->server_count++].prefix,
			     &none);
}

static int check_clients_inside(const struct config *config, struct problem *problem)
{
	if (config->forward == FTPFIX_FORWARD_NONE)
		return problem_set(problem,
				   "--clients inside: --forward none carries no connection to the "
				   "clients behind this node; leave --forward out, or say "
				   "--clients outside");
	if (config->servers_named)
		return problem_set(problem,
				   "--server: with --clients inside the servers announce nothing "
				   "that is replaced; leave --server out, and name the interface "
				   "toward the clients with --server-dev");
	if (config->forward == FTPFIX_FORWARD_FULLNAT)
		return problem_set(problem,
				   "--forward fullnat: with --clients inside the clients see the "
				   "server's own address; leave --forward out");
	return 0;
}

int config_complete(struct config *config, struct problem *problem)
{
	int err;

	if (config->uplinks.count == 0 && config->virtual_count == 0)
		return problem_set(problem, "run: no --dev; name the interface on which control "
					    "connections pass to or from outside");
	if (config->server_side.count > 0 && config->forward == FTPFIX_FORWARD_NONE)
		return problem_set(problem, "--server-dev: --forward none forwards no data "
					    "connections; leave one of the two out");
	err = flow_config_check(config, problem);
	if (err)
		return err;
	config->servers_named = config->server_count > 0;
	err = config_complete_balancer(config, problem);
	if (err)
		return err;
	if (config->port_count == 0)
		config->port[config->port_count++] = DEFAULT_PORT;
	err = config->clients_inside ? check_clients_inside(config, problem) : 0;
	if (err)
		return err;
	if (!config->servers_named)
		allow_private_servers(config);
	return check_data_ports(config, "--data-ports", config->port_low, config->port_high,
				problem);
}
