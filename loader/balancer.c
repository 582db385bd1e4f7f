// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Knows every server behind the virtual addresses: its route, its checks, and what the
 * operator wants of it. This file knows nothing of who asks for changes.
 */
#include "balancer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_balancer.h"
#include "health.h"
#include "interface.h"
#include "next_hop.h"
#include "pool.h"

enum wish {
	WISH_SERVE,
	WISH_DRAIN, /* no new sessions */
	WISH_LEAVE, /* nor is it remembered when the last one has ended */
};

struct server {
	struct server *next;
	struct balancer *balancer;
	struct ftpfix_backend backend; /* as the maps shall have it */
	bool follows;		       /* its port is that of its virtual addresses */
	enum wish wish;
	unsigned int leaving_seconds; /* that it has been leaving for */
	struct health health;
	bool up;			  /* as it was logged last */
	char no_route[HEALTH_REASON_MAX]; /* why it cannot be reached; empty: it can */
};

struct balancer {
	const struct loop *loop;
	const struct dataplane *dataplane;
	struct config *config;
	struct server *server;
	struct pool pool[FTPFIX_VIRTUALS_MAX];
	size_t pool_count;
	bool written; /* in this second, for a check: what others change waits for its end */
};

static bool serves(const struct server *server, const struct pool *pool)
{
	if (address_family(&server->backend.endpoint.addr) != pool->family)
		return false;
	return !server->follows || server->backend.endpoint.be_port == pool->be_port;
}

static const char *server_name(const struct server *server, char text[ENDPOINT_TEXT_MAX])
{
	return endpoint_format(&server->backend.endpoint.addr, server->backend.endpoint.be_port,
			       text);
}

static int write_pools(struct balancer *balancer)
{
	int err = 0;

	for (size_t i = 0; i < balancer->pool_count; i++) {
		int result = pool_write(&balancer->pool[i], balancer->dataplane, balancer->config);

		err = err ? err : result;
	}
	return err;
}

/* Whether it can be reached, and why not. */
static bool is_up(const struct server *server, const char **reason)
{
	*reason = server->no_route[0] ? server->no_route : NULL;
	if (!*reason && !server->health.up)
		*reason = server->health.reason;
	return !*reason;
}

/* Draws the conclusions from what is known of the server, and logs what changed. */
static void judge(struct server *server)
{
	char text[ENDPOINT_TEXT_MAX];
	const char *reason;
	bool up = is_up(server, &reason);

	if (up != server->up && up)
		log_line("server %s up", server_name(server, text));
	else if (up != server->up)
		log_line("server %s down: %s", server_name(server, text), reason);
	server->up = up;
	server->backend.takes = up && server->wish == WISH_SERVE;
}

/* Where a network fails all servers change at once, and each time that the maps are written
 * the kernel waits, for every virtual address: that must not be once for every server. */
static void health_changed(void *context)
{
	struct server *server = context;
	struct balancer *balancer = server->balancer;

	judge(server);
	if (!balancer->written)
		write_pools(balancer);
	balancer->written = true;
}

/* Checks of several servers may come from one port, of addresses that differ. */
static void release_port(void *context, __be16 be_port)
{
	const struct server *server = context, *other = server->balancer->server;

	while (other && other->health.be_port != be_port)
		other = other->next;
	if (!other)
		dataplane_release_port(server->balancer->dataplane, be_port);
}

/* A session that opens meanwhile sees that the port is held, or is seen here. */
static bool reserve_port(void *context, const struct ftpfix_endpoint *local)
{
	struct server *server = context;
	const struct ftpfix_endpoint *endpoint = &server->backend.endpoint;
	/* The server's answers would come in as these. */
	const struct ftpfix_tuple answers = {
		.source = endpoint->addr,
		.destination = local->addr,
		.be_source_port = endpoint->be_port,
		.be_destination_port = local->be_port,
	};

	dataplane_hold_port(server->balancer->dataplane, local->be_port);
	if (!flow_table_holds(&server->balancer->dataplane->flows, &answers))
		return true;
	release_port(server, local->be_port);
	return false;
}

/* One that had the name of an interface on the inside, and is gone, is not the one that has it. */
static bool is_replaced(const struct device_list *inside, const char *name)
{
	for (size_t i = 0; i < inside->count; i++)
		if (strcmp(inside->device[i].name, name) == 0 &&
		    !interface_exists(inside->device[i].index))
			return true;
	return false;
}

static void describe_route(struct server *server, const struct next_hop *hop, int err)
{
	const struct device_list *inside = &server->balancer->config->server_side;
	char name[IF_NAMESIZE];

	server->no_route[0] = '\0';
	if (err == -ELOOP)
		strcpy(server->no_route, "its address is this node's own");
	else if (err)
		snprintf(server->no_route, sizeof(server->no_route), "no route leads to it: %s",
			 strerror(-err));
	else if (address_is_none(&hop->source))
		strcpy(server->no_route, "this node has no address of its family");
	else if (!device_list_has(inside, hop->out_index))
		snprintf(server->no_route, sizeof(server->no_route),
			 is_replaced(inside, interface_name(hop->out_index, name))
				 ? "its route leaves over %s, which is new: start ftpfix again"
				 : "its route leaves over %s, which is no --server-dev",
			 name);
}

/* Routes and addresses change, also by rules of which the kernel tells nobody. */
static void find_route(struct server *server)
{
	struct next_hop hop;
	int err = next_hop_find(&server->backend.endpoint.addr, &hop);

	describe_route(server, &hop, err);
	if (!err) {
		server->backend.source = hop.source;
		server->backend.out_ifindex = hop.out_index;
		server->health.hop = hop;
	}
	judge(server);
}

static void leave_pools(struct server *server)
{
	for (size_t i = 0; i < server->balancer->pool_count; i++)
		pool_leave(&server->balancer->pool[i], &server->backend);
}

/* All of its pools, or none. */
static int join_pools(struct server *server, struct problem *problem)
{
	struct balancer *balancer = server->balancer;

	for (size_t i = 0; i < balancer->pool_count; i++) {
		struct pool *pool = &balancer->pool[i];

		if (!serves(server, pool) || pool_join(pool, &server->backend))
			continue;
		leave_pools(server);
		return problem_set(problem,
				   "server: a virtual address has %d servers already; remove one",
				   FTPFIX_BACKENDS_MAX);
	}
	return 0;
}

static struct server *find_server(const struct balancer *balancer,
				  const struct ftpfix_endpoint *endpoint)
{
	struct server *server = balancer->server;

	while (server && memcmp(&server->backend.endpoint, endpoint, sizeof(*endpoint)))
		server = server->next;
	return server;
}

/* What of the configuration follows from the servers that there are: their addresses,
 * which may be announced, and their ports. Those who leave have sessions. */
static int list_servers(struct balancer *balancer, struct problem *problem)
{
	struct config *config = balancer->config;
	int err = 0;

	config->server_count = 0;
	config->port_count = config->lasting_ports;
	for (struct server *server = balancer->server; !err && server; server = server->next) {
		const struct ftpfix_endpoint *endpoint = &server->backend.endpoint;
		size_t i = 0;

		while (i < config->server_count &&
		       !address_equal(&config->server[i].prefix.addr, &endpoint->addr))
			i++;
		if (i == FTPFIX_SERVERS_MAX)
			return problem_set(problem, "server: there are %d already; remove one",
					   FTPFIX_SERVERS_MAX);
		config->server[i] = (struct named_server){.prefix = {endpoint->addr, HOST_BITS}};
		if (i == config->server_count)
			config->server_count++;
		err = config_add_port(config, "server", ntohs(endpoint->be_port), problem);
	}
	return err;
}

static bool is_listed(const struct config *config, const struct ftpfix_addr *addr)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (address_equal(&config->server[i].prefix.addr, addr))
			return true;
	return false;
}

/* Takes the server out of everything and out of memory. */
static void forget(struct server *server)
{
	struct balancer *balancer = server->balancer;
	struct server **link = &balancer->server;
	struct problem none;

	while (*link != server)
		link = &(*link)->next;
	*link = server->next;
	health_end(&server->health);
	leave_pools(server);
	bpf_map_delete_elem(balancer->dataplane->loads, &server->backend.endpoint);
	list_servers(balancer, &none);
	dataplane_write_ports(balancer->dataplane, balancer->config);
	if (!is_listed(balancer->config, &server->backend.endpoint.addr))
		dataplane_remove_server(balancer->dataplane, &server->backend.endpoint.addr);
	free(server);
}

static struct server *make_server(struct balancer *balancer, const struct ftpfix_endpoint *endpoint,
				  bool follows, __u32 weight)
{
	struct server *server = calloc(1, sizeof(*server)), **link = &balancer->server;

	if (!server)
		return NULL;
	server->balancer = balancer;
	server->backend.endpoint = *endpoint;
	server->backend.weight = weight ? weight : WEIGHT_DEFAULT;
	server->follows = follows;
	server->up = true;
	server->health = (struct health){.loop = balancer->loop,
					 .settings = &balancer->config->health,
					 .endpoint = *endpoint,
					 .client_address = balancer->config->flow.client_address,
					 .changed = health_changed,
					 .reserve = reserve_port,
					 .release = release_port,
					 .context = server};
	health_begin(&server->health);
	/* At the end, so that they are shown in the order in which they were named. */
	while (*link)
		link = &(*link)->next;
	*link = server;
	return server;
}

static int add_new(struct balancer *balancer, const struct ftpfix_endpoint *endpoint, bool follows,
		   __u32 weight, struct problem *problem)
{
	struct server *server = make_server(balancer, endpoint, follows, weight);
	int err;

	if (!server)
		return problem_set(problem, "server: no memory for another one");
	err = list_servers(balancer, problem);
	if (!err && (dataplane_write_ports(balancer->dataplane, balancer->config) ||
		     dataplane_add_server(balancer->dataplane, &endpoint->addr)))
		err = problem_set(problem,
				  "server: a map cannot be written; see the log of ftpfix");
	if (!err) {
		find_route(server);
		err = join_pools(server, problem);
	}
	if (err)
		forget(server);
	return err;
}

/* One that is there comes back if it was drained or is leaving. */
static int add_one(struct balancer *balancer, const struct ftpfix_endpoint *endpoint, bool follows,
		   __u32 weight, struct problem *problem)
{
	struct server *server = find_server(balancer, endpoint);
	enum wish before;
	int err = 0;

	if (!server)
		return add_new(balancer, endpoint, follows, weight, problem);
	before = server->wish;
	if (before == WISH_LEAVE) {
		server->follows = follows;
		err = join_pools(server, problem);
	}
	if (err)
		return err;
	server->wish = WISH_SERVE;
	if (before == WISH_LEAVE)
		health_begin(&server->health);
	if (weight)
		server->backend.weight = weight;
	find_route(server);
	return 0;
}

static void drain_one(struct server *server)
{
	server->wish = WISH_DRAIN;
	judge(server);
}

static void remove_one(struct server *server)
{
	server->wish = WISH_LEAVE;
	server->leaving_seconds = 0;
	health_end(&server->health);
	judge(server);
	leave_pools(server);
}

static struct server *last_server(const struct balancer *balancer)
{
	struct server *server = balancer->server;

	while (server && server->next)
		server = server->next;
	return server;
}

/* Those that were added behind the last one are none after all. */
static void forget_behind(struct balancer *balancer, struct server *last)
{
	struct server **link = last ? &last->next : &balancer->server;

	while (*link)
		forget(*link);
}

/* A server without a port is one for each port of the virtual addresses of its family. */
static int add_servers(struct balancer *balancer, const struct named_server *named,
		       struct problem *problem)
{
	struct ftpfix_endpoint endpoint = {.addr = named->prefix.addr, .be_port = named->be_port};
	struct server *last = last_server(balancer);
	bool found = false;
	int err = 0;

	for (size_t i = 0; !err && i < balancer->pool_count; i++) {
		const struct pool *pool = &balancer->pool[i];

		if (pool->family != address_family(&endpoint.addr))
			continue;
		if (!named->be_port)
			endpoint.be_port = pool->be_port;
		else if (found)
			break;
		found = true;
		err = add_one(balancer, &endpoint, !named->be_port, named->weight, problem);
	}
	if (err)
		forget_behind(balancer, last);
	else if (!found)
		return problem_set(problem,
				   "server add: no virtual address is an %s address, and servers "
				   "serve those of their own family only",
				   family_name(address_family(&endpoint.addr)));
	return err;
}

/* Those of this address, or the one of this address and port. */
static int change_servers(struct balancer *balancer, const char *text,
			  const struct named_server *named, void (*change)(struct server *server),
			  struct problem *problem)
{
	bool found = false, leaving = false;

	for (struct server *server = balancer->server; server; server = server->next) {
		const struct ftpfix_endpoint *endpoint = &server->backend.endpoint;

		if (!address_equal(&endpoint->addr, &named->prefix.addr) ||
		    (named->be_port && named->be_port != endpoint->be_port))
			continue;
		if (server->wish == WISH_LEAVE) {
			leaving = true;
			continue;
		}
		found = true;
		change(server);
	}
	if (!found && leaving)
		return problem_set(problem,
				   "server: %s is leaving already; ftpfix server add takes it back",
				   text);
	if (!found)
		return problem_set(
			problem,
			"server: %s is none of the servers; ftpfix show servers lists them", text);
	return 0;
}

int balancer_change(struct balancer *balancer, const char *action, const char *server,
		    struct problem *problem)
{
	bool add = strcmp(action, "add") == 0, drain = strcmp(action, "drain") == 0;
	struct named_server named;
	int err;

	if (!balancer)
		return problem_set(problem, "server: this ftpfix has no virtual address; start it "
					    "with --vip to have it choose among servers");
	if (!add && !drain && strcmp(action, "del"))
		return problem_set(problem, "server: '%s' is no action; say add, del or drain",
				   action);
	err = named_server_read("server", server, &named, problem);
	if (err)
		return err;
	if (named.weight && !add)
		return problem_set(problem, "server %s: a weight says nothing here; leave it out",
				   action);
	if (add)
		err = add_servers(balancer, &named, problem);
	else
		err = change_servers(balancer, server, &named, drain ? drain_one : remove_one,
				     problem);
	if (write_pools(balancer) && !err)
		err = problem_set(problem,
				  "server: a map cannot be written; see the log of ftpfix");
	if (!err)
		log_line("server %s: %s", action, server);
	return err;
}

static __s64 sessions_of(const struct server *server)
{
	struct ftpfix_load load = {0};

	/* Where there is no entry, there are none. */
	bpf_map_lookup_elem(server->balancer->dataplane->loads, &server->backend.endpoint, &load);
	return load.sessions;
}

/* A handshake that began before the server was removed is done after the time that one has, or it
 * never will be; until then the absence of sessions says nothing. */
static bool has_left(const struct server *server)
{
	const struct flow_config *flow = &server->balancer->config->flow;

	return server->leaving_seconds > flow->seconds[TIMEOUT_OPENING] && sessions_of(server) <= 0;
}

void balancer_second(struct balancer *balancer)
{
	struct server *next;

	if (!balancer)
		return;
	balancer->written = true;
	for (struct server *server = balancer->server; server; server = next) {
		next = server->next;
		if (server->wish == WISH_LEAVE) {
			server->leaving_seconds++;
			if (has_left(server))
				forget(server);
			continue;
		}
		find_route(server);
		/* A check that went another way would say nothing. */
		if (!server->no_route[0])
			health_second(&server->health);
	}
	write_pools(balancer);
	balancer->written = false;
}

static void add_virtual(struct balancer *balancer, __u32 number)
{
	const struct ftpfix_endpoint *virtual = &balancer->config->virtual[number];
	enum ftpfix_family family = address_family(&virtual->addr);
	struct pool *pool = balancer->pool;

	while (pool < balancer->pool + balancer->pool_count &&
	       (pool->family != family || pool->be_port != virtual->be_port))
		pool++;
	if (pool == balancer->pool + balancer->pool_count) {
		pool->family = family;
		pool->be_port = virtual->be_port;
		balancer->pool_count++;
	}
	pool->virtual[pool->virtual_count++] = number;
}

/* From a copy: the configuration's list is what becomes of it. */
static int add_named(struct balancer *balancer)
{
	size_t count = balancer->config->server_count;
	struct named_server *named = calloc(count, sizeof(*named));
	struct problem problem;
	int err = 0;

	if (!named)
		return -ENOMEM;
	memcpy(named, balancer->config->server, count * sizeof(*named));
	for (size_t i = 0; !err && i < count; i++)
		err = add_servers(balancer, &named[i], &problem);
	if (err)
		log_problem(&problem);
	free(named);
	return err;
}

struct balancer *balancer_start(const struct loop *loop, const struct dataplane *dataplane,
				struct config *config)
{
	struct balancer *balancer = calloc(1, sizeof(*balancer));

	if (!balancer)
		return NULL;
	balancer->loop = loop;
	balancer->dataplane = dataplane;
	balancer->config = config;
	for (size_t i = 0; i < config->virtual_count; i++)
		add_virtual(balancer, i);
	if (add_named(balancer) || write_pools(balancer)) {
		balancer_stop(balancer);
		return NULL;
	}
	return balancer;
}

void balancer_stop(struct balancer *balancer)
{
	struct server *server;

	if (!balancer)
		return;
	while ((server = balancer->server)) {
		balancer->server = server->next;
		health_end(&server->health);
		free(server);
	}
	free(balancer);
}

static struct server_view view(const struct server *server)
{
	struct server_view view = {
		.endpoint = server->backend.endpoint,
		.weight = server->backend.weight,
		.leaving = server->wish == WISH_LEAVE,
		.sessions = sessions_of(server),
	};

	view.up = is_up(server, &view.reason);
	if (server->wish == WISH_SERVE)
		view.state = view.up ? "up" : "down";
	else
		view.state = view.leaving ? "leaving" : "drained";
	return view;
}

int balancer_each(const struct balancer *balancer, server_each each, void *context)
{
	const struct server *server = balancer ? balancer->server : NULL;
	int err = 0;

	for (; !err && server; server = server->next) {
		const struct server_view shown = view(server);

		err = each(&shown, context);
	}
	return err;
}

int balancer_shares(const struct balancer *balancer, const struct ftpfix_endpoint *endpoint,
		    share_each each, void *context)
{
	const struct server *server = find_server(balancer, endpoint);
	int err = 0;

	for (size_t i = 0; server && i < balancer->pool_count; i++) {
		const struct pool *pool = &balancer->pool[i];
		int place = pool_place(pool, &server->backend);

		for (size_t j = 0; !err && place >= 0 && j < pool->virtual_count; j++)
			err = each(&balancer->config->virtual[pool->virtual[j]],
				   pool -> slots[place], context);
	}
	return err;
}
