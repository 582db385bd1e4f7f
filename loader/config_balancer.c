// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads what an operator says of virtual addresses and servers, and the rules between
 * these. This file knows nothing of maps, nor of which server is up.
 */
#include "config_balancer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_VIRTUAL_PORT 21
#define WEIGHT_PREFIX "weight="
#define WEIGHT_HIGHEST 65535

static const char *const balance_names[] = {
	[FTPFIX_BALANCE_MAGLEV] = "maglev",
	[FTPFIX_BALANCE_LEAST_CONNECTIONS] = "least-connections",
};

void config_init_balancer(struct config *config)
{
	config->balance = FTPFIX_BALANCE_MAGLEV;
	config->health = (struct health_settings){
		.interval_seconds = 5, .timeout_seconds = 3, .rise = 2, .fall = 3};
}

const char *balance_name(enum ftpfix_balance balance)
{
	return balance_names[balance];
}

static bool is_weight(const char *text)
{
	return strncmp(text, WEIGHT_PREFIX, strlen(WEIGHT_PREFIX)) == 0;
}

static int read_weight(const char *name, const char *text, struct named_server *server,
		       struct problem *problem)
{
	static const struct span allowed = {1, WEIGHT_HIGHEST};

	if (server->weight)
		return problem_set(problem, "%s: '%s' is a second weight of one server", name,
				   text);
	return value_number(name, text + strlen(WEIGHT_PREFIX), &allowed, &server->weight, problem);
}

/* One without a length is a host, which may have a port. */
static int read_server(const char *name, const char *text, struct named_server *server,
		       struct problem *problem)
{
	struct ftpfix_endpoint endpoint;
	int err;

	*server = (struct named_server){0};
	if (strchr(text, '/'))
		return value_prefix(name, text, &server->prefix, problem);
	err = value_endpoint(name, text, &endpoint, problem);
	server->prefix = (struct prefix){endpoint.addr, HOST_BITS};
	server->be_port = endpoint.be_port;
	return err;
}

int config_add_server(struct config *config, const char *text, struct problem *problem)
{
	const struct prefix all_ipv4 = prefix_of_all(FTPFIX_IPV4);
	struct named_server *server = &config->server[config->server_count];
	struct prefix start = {all_ipv4.addr, 0};
	int err;

	if (is_weight(text) && config->server_count == 0)
		return problem_set(problem, "--server: '%s' has no server in front of it", text);
	if (is_weight(text))
		return read_weight("--server", text, server - 1, problem);
	if (config->server_count == FTPFIX_SERVERS_MAX)
		return problem_set(problem, "--server: more than %d; name prefixes that hold them",
				   FTPFIX_SERVERS_MAX);
	err = read_server("--server", text, server, problem);
	if (err)
		return err;
	/* The map holds IPv4 addresses as mapped ones: ::/0 would name them too. */
	start.length = server->prefix.length;
	start = prefix_masked(&start);
	if (prefix_family(&server->prefix) == FTPFIX_IPV6 && prefix_equal(&start, &server->prefix))
		return problem_set(problem,
				   "--server: %s holds what IPv4 addresses are mapped to; write "
				   "2000::/3 for every global IPv6 address",
				   text);
	config->server_count++;
	return 0;
}

int named_server_read(const char *name, const char *text, struct named_server *server,
		      struct problem *problem)
{
	char *copy = strdup(text), *rest = copy, *item;
	int err;

	if (!copy)
		return problem_set(problem, "%s: no memory", name);
	err = read_server(name, strsep(&rest, ","), server, problem);
	if (!err && server->prefix.length < HOST_BITS)
		err = problem_set(problem, "%s: '%s' is no host; name one server", name, text);
	while (!err && (item = strsep(&rest, ",")))
		err = is_weight(item) ? read_weight(name, item, server, problem)
				      : problem_set(problem,
						    "%s: '%s' is not expected behind a server; "
						    "say weight=N or nothing",
						    name, item);
	free(copy);
	return err;
}

int config_add_virtual(struct config *config, const char *text, struct problem *problem)
{
	struct ftpfix_endpoint *virtual = &config->virtual[config->virtual_count], endpoint;
	int err;

	err = value_endpoint("--vip", text, &endpoint, problem);
	if (err)
		return err;
	if (!endpoint.be_port)
		endpoint.be_port = htons(DEFAULT_VIRTUAL_PORT);
	for (size_t i = 0; i < config->virtual_count; i++)
		if (memcmp(&config->virtual[i], &endpoint, sizeof(endpoint)) == 0)
			return problem_set(problem, "--vip: %s is named twice; name it once", text);
	if (config->virtual_count == FTPFIX_VIRTUALS_MAX)
		return problem_set(problem, "--vip: more than %d", FTPFIX_VIRTUALS_MAX);
	*virtual = endpoint;
	config->virtual_count++;
	return 0;
}

int config_set_balance(struct config *config, const char *text, struct problem *problem)
{
	config->virtual_option = "--balance";
	return value_word("--balance", text, balance_names,
			  sizeof(balance_names) / sizeof(balance_names[0]), &config->balance,
			  problem);
}

int config_set_health_interval(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {0, 3600};

	config->virtual_option = "--health-interval";
	return value_seconds(config->virtual_option, text, &allowed,
			     &config->health.interval_seconds, problem);
}

int config_set_health_timeout(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {1, 300};

	config->virtual_option = "--health-timeout";
	return value_seconds(config->virtual_option, text, &allowed,
			     &config->health.timeout_seconds, problem);
}

static int set_count(struct config *config, const char *name, const char *text, unsigned int *count,
		     struct problem *problem)
{
	static const struct span allowed = {1, 100};

	config->virtual_option = name;
	return value_number(name, text, &allowed, count, problem);
}

int config_set_health_rise(struct config *config, const char *text, struct problem *problem)
{
	return set_count(config, "--health-rise", text, &config->health.rise, problem);
}

int config_set_health_fall(struct config *config, const char *text, struct problem *problem)
{
	return set_count(config, "--health-fall", text, &config->health.fall, problem);
}

int config_set_tls_ports(struct config *config, const char *text, struct problem *problem)
{
	config->virtual_option = "--tls-data-ports";
	return value_port_range(config->virtual_option, text, &config->tls_port_low,
				&config->tls_port_high, problem);
}

/* Without --vip servers have neither port nor weight, and nothing is balanced. */
static int check_no_virtual(const struct config *config, struct problem *problem)
{
	char text[PREFIX_TEXT_MAX];

	if (config->virtual_option)
		return problem_set(problem,
				   "%s: without --vip another program chooses the server; name the "
				   "virtual address with --vip, or leave %s out",
				   config->virtual_option, config->virtual_option);
	for (size_t i = 0; i < config->server_count; i++) {
		const struct named_server *server = &config->server[i];

		if (server->be_port || server->weight)
			return problem_set(problem,
					   "--server: %s has a %s, which counts only with --vip; "
					   "leave it out, or name the virtual address with --vip",
					   prefix_format(&server->prefix, text),
					   server->be_port ? "port" : "weight");
	}
	return 0;
}

static int check_role(const struct config *config, struct problem *problem)
{
	if (config->clients_inside)
		return problem_set(problem,
				   "--vip: with --clients inside the servers are outside, and "
				   "nothing is balanced; leave one of the two out");
	if (config->forward == FTPFIX_FORWARD_NONE)
		return problem_set(problem,
				   "--vip: --forward none forwards nothing to the servers; say "
				   "--forward nat or --forward fullnat");
	return 0;
}

/* Of a data connection that nobody could read of no more is known than its client's address. */
static int check_tls_ports(const struct config *config, struct problem *problem)
{
	if (!config->tls_port_low || config->balance == FTPFIX_BALANCE_MAGLEV)
		return 0;
	return problem_set(problem,
			   "--tls-data-ports: with --balance %s the sessions behind one address go "
			   "to several servers, and which of these a data connection is for is "
			   "encrypted; say --balance maglev, or leave --tls-data-ports out",
			   balance_name(config->balance));
}

static bool is_port_of_virtual(const struct config *config, enum ftpfix_family family,
			       __be16 be_port)
{
	for (size_t i = 0; i < config->virtual_count; i++)
		if (address_family(&config->virtual[i].addr) == family &&
		    config->virtual[i].be_port == be_port)
			return true;
	return false;
}

/* Whether both are one server of some virtual address: ports that were left out are its. */
static bool is_same_server(const struct config *config, const struct named_server *one,
			   const struct named_server *other)
{
	enum ftpfix_family family = prefix_family(&one->prefix);

	if (!address_equal(&one->prefix.addr, &other->prefix.addr))
		return false;
	if (one->be_port == other->be_port)
		return true;
	if (one->be_port && other->be_port)
		return false;
	return is_port_of_virtual(config, family, one->be_port ? one->be_port : other->be_port);
}

static int check_server(const struct config *config, size_t number, struct problem *problem)
{
	const struct named_server *server = &config->server[number];
	const char *family = family_name(prefix_family(&server->prefix));
	char text[PREFIX_TEXT_MAX];
	bool serves = false;

	prefix_format(&server->prefix, text);
	if (server->prefix.length < HOST_BITS)
		return problem_set(
			problem, "--server: %s: with --vip a server is one host; name each", text);
	/* The length of a host means nothing to the reader. */
	*strchr(text, '/') = '\0';
	for (size_t i = 0; i < config->virtual_count; i++)
		serves |=
			address_family(&config->virtual[i].addr) == prefix_family(&server->prefix);
	if (!serves)
		return problem_set(
			problem,
			"--server: %s: no --vip is an %s address, and servers serve those "
			"of their own family only; name one, or leave this server out",
			text, family);
	for (size_t i = 0; i < number; i++)
		if (is_same_server(config, server, &config->server[i]))
			return problem_set(problem, "--server: %s is named twice; name it once",
					   text);
	return 0;
}

/* The servers of a virtual address, port given or not, that are of its family. */
static int check_virtual(const struct config *config, const struct ftpfix_endpoint *virtual,
			 struct problem *problem)
{
	enum ftpfix_family family = address_family(&virtual->addr);
	char text[ENDPOINT_TEXT_MAX];
	size_t count = 0;

	for (size_t i = 0; i < config->server_count; i++)
		count += prefix_family(&config->server[i].prefix) == family;
	address_format(&virtual->addr, text);
	if (count == 0)
		return problem_set(problem,
				   "--vip: %s: no --server is an %s address, and servers serve "
				   "virtual addresses of their own family only; name one",
				   text, family_name(family));
	if (count > FTPFIX_BACKENDS_MAX)
		return problem_set(problem, "--vip: %s: more than %d servers", text,
				   FTPFIX_BACKENDS_MAX);
	return 0;
}

static int add_ports(struct config *config, struct problem *problem)
{
	int err = 0;

	for (size_t i = 0; !err && i < config->virtual_count; i++)
		err = config_add_port(config, "--vip", ntohs(config->virtual[i].be_port), problem);
	config->lasting_ports = config->port_count;
	for (size_t i = 0; !err && i < config->server_count; i++)
		if (config->server[i].be_port)
			err = config_add_port(config, "--server", ntohs(config->server[i].be_port),
					      problem);
	return err;
}

int config_complete_balancer(struct config *config, struct problem *problem)
{
	int err;

	if (config->virtual_count == 0)
		return check_no_virtual(config, problem);
	err = check_role(config, problem);
	if (!err)
		err = check_tls_ports(config, problem);
	for (size_t i = 0; !err && i < config->virtual_count; i++)
		err = check_virtual(config, &config->virtual[i], problem);
	for (size_t i = 0; !err && i < config->server_count; i++)
		err = check_server(config, i, problem);
	return err ? err : add_ports(config, problem);
}
