// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loads the programs, writes the configuration into their maps, runs those that the daemon runs.
 * This file knows nothing of interfaces, nor of who reads the maps.
 */
#include "dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "address.h"
#include "ftpfix.skel.h"
#include "maps.h"
#include "sizes.h"

#define VERIFIER_TAIL 4096

#define PORT_WORDS (65536 / 64)

/* What libbpf says while loading is the verifier's reason; at other times it
 * repeats errors that are reported with more sense where they are met. */
static bool loading;

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text;
	size_t length;

	if (!loading || level != LIBBPF_WARN || vasprintf(&text, format, arguments) < 0)
		return 0;
	/* The verifier tells every step; the last ones are what counts. */
	length = strlen(text);
	fprintf(stderr, "%s", length > VERIFIER_TAIL ? text + length - VERIFIER_TAIL : text);
	free(text);
	return 0;
}

static void write_flow_constants(struct ftpfix *skeleton, const struct flow_config *flow)
{
	struct ftpfix__rodata *constants = skeleton->rodata;

	for (int family = 0; family < FTPFIX_FAMILIES; family++) {
		skeleton->bss->source_count[family] = flow->sources.count[family];
		constants->toa_kind[family] = flow->toa_kind[family];
	}
	constants->source_port_low = flow->sources.port_low;
	constants->source_port_high = flow->sources.port_high;
	constants->path_stack = flow->path_stack;
	constants->client_address = flow->client_address;
	constants->flow_half_open_ns = flow->seconds[TIMEOUT_OPENING] * FTPFIX_SECOND_NS;
	constants->flow_idle_ns = flow->seconds[TIMEOUT_ESTABLISHED] * FTPFIX_SECOND_NS;
	constants->flow_closing_ns = flow->seconds[TIMEOUT_CLOSING] * FTPFIX_SECOND_NS;
	constants->session_idle_ns = flow->seconds[TIMEOUT_CONTROL] * FTPFIX_SECOND_NS;
}

static void port_bits(const struct config *config, __u64 bits[PORT_WORDS])
{
	memset(bits, 0, PORT_WORDS * sizeof(*bits));
	for (size_t i = 0; i < config->port_count; i++)
		bits[config->port[i] >> 6] |= 1ULL << (config->port[i] & 63);
}

/* A seed that a stranger knew would tell him which connections stand in one place. */
static int write_table_constants(struct ftpfix *skeleton, const struct config *config)
{
	__u64 seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		log_line("the kernel gives no random number: %s", strerror(errno));
		return -EIO;
	}
	skeleton->rodata->flow_seed = seed;
	skeleton->rodata->flow_group_count = sizes_flow_groups(config);
	skeleton->rodata->expectation_group_count = sizes_expectation_groups(config);
	skeleton->rodata->turn_places = sizes_turn_places(config);
	return 0;
}

static void write_constants(struct ftpfix *skeleton, const struct config *config)
{
	port_bits(config, skeleton->bss->service_ports);
	skeleton->rodata->servers_configured = config->servers_named;
	skeleton->rodata->clients_inside = config->clients_inside;
	skeleton->rodata->tls_ports = (__u32)config->tls_port_low << 16 | config->tls_port_high;
	skeleton->rodata->expectation_ns = config->expect_seconds * FTPFIX_SECOND_NS;
	write_flow_constants(skeleton, &config->flow);
}

int dataplane_write_services(const struct dataplane *dataplane, const struct config *config)
{
	struct ftpfix_service service = {
		.port_low = config->port_low,
		.port_high = config->port_high,
		.forward = config->forward,
		.rewrite = config->rewrite,
		.allowed = config->allowed,
	};

	for (size_t i = 0; i < config->port_count; i++) {
		__u32 port = config->port[i];
		int err = map_write(dataplane->services, &port, &service, sizeof(service));

		if (err) {
			log_line("port %u cannot be written into the services map: %s", port,
				 strerror(-err));
			return err;
		}
	}
	dataplane->skeleton->bss->data_ports = (__u32)config->port_low << 16 | config->port_high;
	return 0;
}

/* A port is followed once its service stands there, and until that goes. */
int dataplane_write_ports(const struct dataplane *dataplane, const struct config *config)
{
	volatile __u64 *written = dataplane->skeleton->bss->service_ports;
	__u64 bits[PORT_WORDS], gone;
	int err;

	err = dataplane_write_services(dataplane, config);
	if (err)
		return err;
	port_bits(config, bits);
	for (__u32 word = 0; word < PORT_WORDS; word++) {
		gone = written[word] & ~bits[word];
		written[word] = bits[word];
		for (; gone; gone &= gone - 1) {
			__u32 port = word * 64 + __builtin_ctzll(gone);

			bpf_map_delete_elem(dataplane->services, &port);
		}
	}
	return 0;
}

static int write_sources(struct ftpfix *skeleton, const struct source_pool *sources)
{
	int map = bpf_map__fd(skeleton->maps.sources), err = 0;

	for (__u32 family = 0; family < FTPFIX_FAMILIES; family++)
		for (__u32 i = 0; !err && i < sources->count[family]; i++) {
			__u32 index = family * FTPFIX_SOURCES_MAX + i;
			struct ftpfix_source source = {.addr = sources->addr[family][i]};

			err = bpf_map_update_elem(map, &index, &source, BPF_ANY);
		}
	if (err)
		log_line("an address cannot be written into the sources map: %s", strerror(-err));
	return err;
}

static int write_server(int map, const struct prefix *prefix, bool configured)
{
	struct ftpfix_server_key key = {.prefix_length = prefix->length, .addr = prefix->addr};
	struct ftpfix_server server = {.configured = configured};
	int err = bpf_map_update_elem(map, &key, &server, BPF_ANY);

	if (err)
		log_line("a server cannot be written into the servers map: %s", strerror(-err));
	return err;
}

static int write_servers(const struct dataplane *dataplane, const struct config *config)
{
	int err = 0;

	for (size_t i = 0; !err && i < config->server_count; i++)
		err = write_server(dataplane->servers, &config->server[i].prefix,
				   config->servers_named);
	return err;
}

int dataplane_add_server(const struct dataplane *dataplane, const struct ftpfix_addr *host)
{
	return write_server(dataplane->servers, &(struct prefix){*host, HOST_BITS}, true);
}

void dataplane_remove_server(const struct dataplane *dataplane, const struct ftpfix_addr *host)
{
	struct ftpfix_server_key key = {.prefix_length = HOST_BITS, .addr = *host};
	int err = bpf_map_delete_elem(dataplane->servers, &key);

	if (err && err != -ENOENT)
		log_line("a server cannot be removed from the servers map: %s", strerror(-err));
}

/* The entry that a rule makes for a family; false if it makes none. Where all
 * addresses of the family have none, no entry says the same. */
static bool advertise_entry(const struct advertise_rule *rule, enum ftpfix_family family,
			    struct ftpfix_advertise_key *key, struct ftpfix_advertise *value)
{
	struct prefix net;

	if (!advertise_net(rule, family, &net))
		return false;
	*key = (struct ftpfix_advertise_key){.prefix_length = net.length, .addr = net.addr};
	value->addr = rule->addr[family];
	return rule->narrowed || !address_is_none(&value->addr);
}

static bool is_advertised(const struct advertise *advertise, const struct ftpfix_advertise_key *key)
{
	struct ftpfix_advertise_key other;
	struct ftpfix_advertise value;

	for (size_t i = 0; i < advertise->count * FTPFIX_FAMILIES; i++)
		if (advertise_entry(&advertise->rule[i / FTPFIX_FAMILIES], i % FTPFIX_FAMILIES,
				    &other, &value) &&
		    memcmp(&other, key, sizeof(other)) == 0)
			return true;
	return false;
}

/* First, so that the map never holds more than both sets have in common. */
static int remove_stale(int map, const struct advertise *advertise)
{
	struct ftpfix_advertise_key *keys = calloc(FTPFIX_ADVERTISE_MAX, sizeof(*keys));
	size_t count = 0;
	int err = 0;

	if (!keys)
		return -ENOMEM;
	while (count < FTPFIX_ADVERTISE_MAX &&
	       !bpf_map_get_next_key(map, count ? &keys[count - 1] : NULL, &keys[count]))
		count++;
	for (size_t i = 0; !err && i < count; i++)
		if (!is_advertised(advertise, &keys[i]))
			err = bpf_map_delete_elem(map, &keys[i]);
	free(keys);
	return err;
}

int dataplane_write_advertise(const struct dataplane *dataplane, const struct advertise *advertise)
{
	struct ftpfix_advertise_key key;
	struct ftpfix_advertise value;
	int err;

	err = remove_stale(dataplane->advertise, advertise);
	for (size_t i = 0; !err && i < advertise->count * FTPFIX_FAMILIES; i++)
		if (advertise_entry(&advertise->rule[i / FTPFIX_FAMILIES], i % FTPFIX_FAMILIES,
				    &key, &value))
			err = bpf_map_update_elem(dataplane->advertise, &key, &value, BPF_ANY);
	if (err)
		log_line("the advertise map cannot be written: %s", strerror(-err));
	return err;
}

static void take_xdp(struct dataplane *dataplane)
{
	const struct ftpfix *skeleton = dataplane->skeleton;
	const __u32 uplink = 1 << FTPFIX_SIDE_UPLINK, inside = 1 << FTPFIX_SIDE_INSIDE;

	dataplane->xdp[0] = bpf_program__fd(skeleton->progs.ftpfix_tagged_xdp);
	dataplane->xdp[uplink] = bpf_program__fd(skeleton->progs.ftpfix_uplink_xdp);
	dataplane->xdp[inside] = bpf_program__fd(skeleton->progs.ftpfix_inside_xdp);
	dataplane->xdp[uplink | inside] = bpf_program__fd(skeleton->progs.ftpfix_both_xdp);
}

static void take_expectation_maps(struct dataplane *dataplane)
{
	const struct ftpfix *skeleton = dataplane->skeleton;

	dataplane->expectations = (struct expectation_maps){
		.expectations = bpf_map__fd(skeleton->maps.expectations),
		.groups = bpf_map__fd(skeleton->maps.expected_groups),
		.group_count = skeleton->rodata->expectation_group_count,
	};
}

static void take_flow_maps(struct dataplane *dataplane)
{
	const struct ftpfix *skeleton = dataplane->skeleton;

	dataplane->flows = (struct flow_maps){
		.flows = bpf_map__fd(skeleton->maps.flows),
		.groups = bpf_map__fd(skeleton->maps.flow_groups),
		.own_addresses = bpf_map__fd(skeleton->maps.own_addresses),
		.group_count = skeleton->rodata->flow_group_count,
		.seed = skeleton->rodata->flow_seed,
	};
}

static void take_descriptors(struct dataplane *dataplane)
{
	const struct ftpfix *skeleton = dataplane->skeleton;

	dataplane->uplink_ingress = bpf_program__fd(skeleton->progs.ftpfix_uplink_ingress);
	dataplane->uplink_egress = bpf_program__fd(skeleton->progs.ftpfix_uplink_egress);
	dataplane->inside_ingress = bpf_program__fd(skeleton->progs.ftpfix_inside_ingress);
	dataplane->inside_egress = bpf_program__fd(skeleton->progs.ftpfix_inside_egress);
	dataplane->sweep = bpf_program__fd(skeleton->progs.ftpfix_sweep);
	dataplane->count = bpf_program__fd(skeleton->progs.ftpfix_count);
	take_xdp(dataplane);
	dataplane->services = bpf_map__fd(skeleton->maps.services);
	dataplane->servers = bpf_map__fd(skeleton->maps.servers);
	dataplane->advertise = bpf_map__fd(skeleton->maps.advertise);
	dataplane->virtuals = bpf_map__fd(skeleton->maps.virtuals);
	dataplane->backends = bpf_map__fd(skeleton->maps.backends);
	dataplane->maglev = bpf_map__fd(skeleton->maps.maglev);
	dataplane->loads = bpf_map__fd(skeleton->maps.loads);
	dataplane->sessions = bpf_map__fd(skeleton->maps.sessions);
	take_expectation_maps(dataplane);
	take_flow_maps(dataplane);
	dataplane->counters = bpf_map__fd(skeleton->maps.counters);
	dataplane->events = bpf_map__fd(skeleton->maps.events);
	dataplane->links = bpf_map__fd(skeleton->maps.links);
	dataplane->xdp_devices = bpf_map__fd(skeleton->maps.xdp_devices);
	dataplane->tagged = bpf_map__fd(skeleton->maps.tagged);
}

/*
 * For generic XDP the kernel copies a packet into the buffers of a program that takes several
 * of them, and forgets how long its Ethernet header is (seen on 6.18): TC then starts
 * behind it, and knows no packet any more. Our programs are loaded as such that take one.
 */
static int take_one_buffer(void)
{
	int handler = libbpf_register_prog_handler("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, NULL);

	if (handler >= 0)
		return 0;
	log_line("libbpf does not load programs for generic XDP: %s; say --xdp auto",
		 strerror(-handler));
	return handler;
}

int dataplane_load(struct dataplane *dataplane, const struct config *config)
{
	int err;

	libbpf_set_print(print_libbpf);
	err = config->flow.xdp == XDP_GENERIC ? take_one_buffer() : 0;
	if (err)
		return err;
	dataplane->skeleton = ftpfix__open();
	if (!dataplane->skeleton) {
		err = -errno;
		log_line("the programs cannot be opened: %s", strerror(-err));
		return err;
	}
	write_constants(dataplane->skeleton, config);
	err = write_table_constants(dataplane->skeleton, config);
	if (!err)
		err = sizes_set(dataplane->skeleton->obj, config);
	if (err)
		return err;
	loading = true;
	err = ftpfix__load(dataplane->skeleton);
	loading = false;
	if (err == -ENOMEM)
		log_line("the tables for %u sessions do not fit into memory; choose a smaller "
			 "--max-sessions",
			 config->flow.sessions_max);
	else if (err)
		log_line("the kernel refused the programs: %s; its reason stands above",
			 strerror(-err));
	if (err)
		return err;
	take_descriptors(dataplane);
	err = write_servers(dataplane, config);
	if (!err)
		err = write_sources(dataplane->skeleton, &config->flow.sources);
	if (err)
		return err;
	return dataplane_write_services(dataplane, config);
}

/* By the clock that the dataplane reads: by a finer one it could be the future there. */
static __u32 ticks_at(__u64 later_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec + later_ns) >> FTPFIX_TICK_SHIFT;
}

void dataplane_write_backend_count(const struct dataplane *dataplane, __u32 id, __u32 count)
{
	dataplane->skeleton->bss->backend_count[id] = count;
}

static volatile __u64 *check_word(const struct dataplane *dataplane, __be16 be_port)
{
	return &dataplane->skeleton->bss->check_ports[ntohs(be_port) >> 6];
}

static __u64 check_bit(__be16 be_port)
{
	return 1ULL << (ntohs(be_port) & 63);
}

/* A full barrier: what is read of the table next is not older. */
void dataplane_hold_port(const struct dataplane *dataplane, __be16 be_port)
{
	__atomic_fetch_or(check_word(dataplane, be_port), check_bit(be_port), __ATOMIC_SEQ_CST);
}

void dataplane_release_port(const struct dataplane *dataplane, __be16 be_port)
{
	__atomic_fetch_and(check_word(dataplane, be_port), ~check_bit(be_port), __ATOMIC_SEQ_CST);
}

void dataplane_hops_changed(const struct dataplane *dataplane)
{
	dataplane->skeleton->bss->routes_changed_ticks = ticks_at(0);
}

void dataplane_hops_watched(const struct dataplane *dataplane, __u64 time_ns)
{
	dataplane->skeleton->bss->routes_watched_ticks = ticks_at(time_ns);
}

void dataplane_sweep(const struct dataplane *dataplane)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err = bpf_prog_test_run_opts(dataplane->sweep, &options);

	if (err)
		log_line("the sweep of silent connections cannot run: %s", strerror(-err));
}

int dataplane_count(const struct dataplane *dataplane, struct ftpfix_tally *tally)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = tally, .ctx_size_in = sizeof(*tally));

	*tally = (struct ftpfix_tally){0};
	return bpf_prog_test_run_opts(dataplane->count, &options);
}

void dataplane_free(struct dataplane *dataplane)
{
	ftpfix__destroy(dataplane->skeleton);
	dataplane->skeleton = NULL;
}
