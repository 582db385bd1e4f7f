/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world of the program tests: the object, loaded and configured as the
 * loader does it, in a network namespace of its own. It runs nothing.
 */
#ifndef FTPFIX_PROG_WORLD_H
#define FTPFIX_PROG_WORLD_H

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "expectation_spot.h"
#include "ftpfix.h"
#include "ftpfix.skel.h"
#include "prog_packet.h"

#define SERVICE_PORT 21
#define OTHER_SERVICE_PORT 2100

/* Shorter than by default, for the machine may have been up for minutes only. */
#define FLOW_IDLE_NS (150 * FTPFIX_SECOND_NS)
#define SESSION_IDLE_NS (120 * FTPFIX_SECOND_NS)

/* What the tables hold here. */
#define SESSIONS_MAX 16384

/* Keeps the calling thread on this CPU. */
static inline void on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

enum program { UPLINK_INGRESS, UPLINK_EGRESS, INSIDE_INGRESS, INSIDE_EGRESS, PROGRAM_COUNT };

struct world {
	struct ftpfix *skeleton;
	int program[PROGRAM_COUNT];
	__u32 uplink; /* interface indexes */
	__u32 server;
	struct ftpfix_service service;
	__u64 counted[FTPFIX_REASON_COUNT]; /* when counters were looked at last */
	struct frame output;		    /* of the last run; its length and bytes */
	struct ethernet leaves;		    /* what stood in front of it */
	int hops;	 /* 1: hops are known, so that this is not looked at in `output` */
	__u32 run_flags; /* of BPF_PROG_TEST_RUN */
	__u32 clients_inside;
	__u32 gso_size; /* of the packets; 0: none were joined */
	/* What the last program left beside its packet: a program on the packet's way out finds
	 * it there. */
	__u32 beside[5];
	/* The maps flows and flow_groups, and what they hold. */
	struct ftpfix_flow *flows;
	struct ftpfix_flow_group *groups;
	__u32 group_count;
	/* The maps expectations and expected_groups. */
	struct ftpfix_expectation *expectations;
	struct ftpfix_flow_group *expected_groups;
	__u32 expectation_group_count;
};

static inline struct ftpfix_addr mapped(__u32 address)
{
	struct ftpfix_addr addr = {{0, 0, htonl(0xffff), address ? htonl(address) : 0}};

	return addr;
}

static inline struct ftpfix_tuple tuple_of(__u32 source, __u16 source_port, __u32 destination,
					   __u16 destination_port)
{
	struct ftpfix_tuple tuple = {
		.source = mapped(source),
		.destination = mapped(destination),
		.be_source_port = htons(source_port),
		.be_destination_port = htons(destination_port),
	};

	return tuple;
}

/* The clock that the dataplane reads. */
static inline __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec;
}

static inline __u64 counter_value(const struct world *world, __u32 reason)
{
	__u64 values[256] = {}, sum = 0;
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, 256);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.counters), &reason, values),
		0);
	for (int cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu];
	return sum;
}

static inline __u32 map_entries(const struct bpf_map *map)
{
	__u8 key[64];
	void *before = NULL;
	__u32 entries = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(map), before, key)) {
		before = key;
		entries++;
	}
	return entries;
}

/* The sessions that are followed. */
static inline __u32 sessions_count(const struct world *world)
{
	int map = bpf_map__fd(world->skeleton->maps.sessions);
	struct ftpfix_session_key key, *before = NULL;
	struct ftpfix_session session;
	__u32 count = 0;

	for (; !bpf_map_get_next_key(map, before, &key); before = &key)
		count += !bpf_map_lookup_elem(map, &key, &session) && !session.over;
	return count;
}

/* The next key is asked for while its predecessor still stands: from the beginning the kernel
 * would walk through all that was emptied before. */
static inline void map_clear(const struct bpf_map *map)
{
	int file = bpf_map__fd(map), more;
	__u8 key[64], next[64];

	for (more = !bpf_map_get_next_key(file, NULL, key); more;) {
		more = !bpf_map_get_next_key(file, key, next);
		if (bpf_map_delete_elem(file, key))
			return;
		memcpy(key, next, sizeof(key));
	}
}

/* A map's memory, as the daemon sees it; NULL when it cannot be had. */
static inline void *map_memory(const struct bpf_map *map)
{
	size_t size = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static inline void map_forget(void *memory, const struct bpf_map *map)
{
	if (memory)
		munmap(memory, (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map));
}

/* The tag of a slot of the table of expectations. */
static inline __u8 *expected_tag(const struct world *world, __u32 slot)
{
	struct ftpfix_flow_group *group = &world->expected_groups[slot / FTPFIX_GROUP_SLOTS];

	return (__u8 *)group->tags + slot % FTPFIX_GROUP_SLOTS;
}

/* What the peer is expected for at the port, in the table itself; NULL for nothing. */
static inline struct ftpfix_expectation *expected_of(const struct world *world,
						     struct ftpfix_addr peer, __u16 port)
{
	struct flow_spot spot;

	expectation_spot(&spot, &peer, htons(port), world->skeleton->rodata->flow_seed,
			 world->expectation_group_count);
	for (__u32 at = 0; at < 2 * FTPFIX_GROUP_SLOTS; at++) {
		__u32 group = spot.group[at / FTPFIX_GROUP_SLOTS];
		__u32 slot = group * FTPFIX_GROUP_SLOTS + at % FTPFIX_GROUP_SLOTS;
		struct ftpfix_expectation *expectation = &world->expectations[slot];

		if (*expected_tag(world, slot) == spot.tag &&
		    expectation->state & FTPFIX_EXPECTATION_LIVE &&
		    expectation->be_port == htons(port) &&
		    !memcmp(&expectation->peer, &peer, sizeof(peer)))
			return expectation;
	}
	return NULL;
}

/* How many connections are expected. A slot is free and dead, or taken and live. */
static inline __u32 expected_count(const struct world *world)
{
	__u32 count = 0;

	for (__u32 group = 0; group < world->expectation_group_count; group++) {
		const struct ftpfix_flow_group *tags = &world->expected_groups[group];
		__u32 first = group * FTPFIX_GROUP_SLOTS;

		if (!tags->tags[0] && !tags->tags[1])
			continue;
		for (__u32 slot = first; slot < first + FTPFIX_GROUP_SLOTS; slot++) {
			int live = !!(world->expectations[slot].state & FTPFIX_EXPECTATION_LIVE);

			assert_int_equal(live, *expected_tag(world, slot) >= FTPFIX_TAG_FIRST);
			assert_int_not_equal(*expected_tag(world, slot), FTPFIX_TAG_BUSY);
			count += live;
		}
	}
	return count;
}

/* Nothing is expected any more. */
static inline void expected_clear(struct world *world)
{
	for (__u32 group = 0; group < world->expectation_group_count; group++) {
		struct ftpfix_flow_group *tags = &world->expected_groups[group];

		if (!tags->tags[0] && !tags->tags[1])
			continue;
		memset(&world->expectations[group * FTPFIX_GROUP_SLOTS], 0,
		       FTPFIX_GROUP_SLOTS * sizeof(*world->expectations));
		memset(tags, 0, sizeof(*tags));
	}
}

/* Empties the table of flows. */
static inline void world_clear_flows(struct world *world)
{
	for (__u32 group = 0; group < world->group_count; group++) {
		struct ftpfix_flow_group *tags = &world->groups[group];

		if (!tags->tags[0] && !tags->tags[1])
			continue;
		memset(&world->flows[group * FTPFIX_GROUP_SLOTS], 0,
		       FTPFIX_GROUP_SLOTS * sizeof(*world->flows));
		memset(tags, 0, sizeof(*tags));
	}
	map_clear(world->skeleton->maps.own_numbers);
	world->skeleton->bss->own_count = 0;
}

static inline void world_write_service(struct world *world)
{
	static const __u32 ports[] = {SERVICE_PORT, OTHER_SERVICE_PORT};
	int map = bpf_map__fd(world->skeleton->maps.services);

	for (int index = 0; index < 2; index++)
		assert_int_equal(bpf_map_update_elem(map, &ports[index], &world->service, BPF_ANY),
				 0);
}

/* Makes the FULLNAT pool of the address's family this one address. */
static inline void world_source(struct world *world, struct ftpfix_addr addr)
{
	struct ftpfix_addr any = mapped(0);
	__u32 family = memcmp(addr.be_word, any.be_word, 12) ? FTPFIX_IPV6 : FTPFIX_IPV4;
	__u32 index = family * FTPFIX_SOURCES_MAX;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.sources), &index,
					     &addr, BPF_ANY),
			 0);
	world->skeleton->bss->source_count[family] = 1;
}

static inline void world_allow(struct world *world, __u32 network, __u32 length, __u32 configured)
{
	struct ftpfix_server_key key = {.prefix_length = 96 + length, .addr = mapped(network)};
	struct ftpfix_server server = {.configured = configured};

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.servers), &key,
					     &server, BPF_ANY),
			 0);
}

/* What those are told whose address is within the prefix. */
static inline void world_advertise(struct world *world, __u32 network, __u32 length, __u32 address)
{
	struct ftpfix_advertise_key key = {.prefix_length = 96 + length, .addr = mapped(network)};
	struct ftpfix_advertise value = {.addr = mapped(address)};

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.advertise), &key,
					     &value, BPF_ANY),
			 0);
}

/* Forgets the next hops, which age while tests run. */
static inline void world_clear_hops(const struct world *world)
{
	static const struct ftpfix_hop none[FTPFIX_HOPS_MAX];
	__u32 count = FTPFIX_HOPS_MAX, index[FTPFIX_HOPS_MAX];

	for (__u32 at = 0; at < count; at++)
		index[at] = at;
	assert_int_equal(bpf_map_update_batch(bpf_map__fd(world->skeleton->maps.hops), index, none,
					      &count, NULL),
			 0);
}

/* Empties every map and sets the services up as the loader does by default. */
static inline void world_reset(struct world *world, enum ftpfix_forward forward)
{
	map_clear(world->skeleton->maps.servers);
	map_clear(world->skeleton->maps.advertise);
	map_clear(world->skeleton->maps.seen);
	map_clear(world->skeleton->maps.sessions);
	map_clear(world->skeleton->maps.drafts);
	expected_clear(world);
	world_clear_flows(world);
	world_clear_hops(world);
	map_clear(world->skeleton->maps.virtuals);
	map_clear(world->skeleton->maps.loads);
	map_clear(world->skeleton->maps.told);
	/* Who tests what nobody expects says a range. */
	world->skeleton->bss->data_ports = 0;
	world->skeleton->bss->source_count[FTPFIX_IPV4] = 0;
	world->skeleton->bss->source_count[FTPFIX_IPV6] = 0;
	memset((void *)world->skeleton->bss->check_ports, 0,
	       sizeof(world->skeleton->bss->check_ports));
	world->skeleton->bss->routes_watched_ticks = 0;
	world->skeleton->bss->routes_changed_ticks = 0;
	memset(&world->service, 0, sizeof(world->service));
	world->run_flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
	world->gso_size = 0;
	world->service.forward = forward;
	world->service.port_low = FTPFIX_PORT_MIN;
	world->service.port_high = 65535;
	world_write_service(world);
	for (__u32 reason = 0; reason < FTPFIX_REASON_COUNT; reason++)
		world->counted[reason] = counter_value(world, reason);
}

/* The loader checks servers from this port, or does not any more. */
static inline void world_check_port(struct world *world, __u16 port, int held)
{
	volatile __u64 *word = &world->skeleton->bss->check_ports[port / 64];

	*word = held ? *word | 1ULL << port % 64 : *word & ~(1ULL << port % 64);
}

static inline void world_close(struct world *world)
{
	if (world) {
		map_forget(world->flows, world->skeleton->maps.flows);
		map_forget(world->groups, world->skeleton->maps.flow_groups);
		map_forget(world->expectations, world->skeleton->maps.expectations);
		map_forget(world->expected_groups, world->skeleton->maps.expected_groups);
		ftpfix__destroy(world->skeleton);
	}
	free(world);
}

/* Loads the object, whose constants `configure` may set; NULL when that fails. */
static inline struct world *world_open_configured(__u32 servers_configured, __u32 clients_inside,
						  void (*configure)(struct ftpfix *skeleton))
{
	struct world *world = calloc(1, sizeof(*world));
	struct ftpfix *skeleton = ftpfix__open();

	if (!world || !skeleton)
		goto fail;
	world->skeleton = skeleton;
	skeleton->rodata->servers_configured = servers_configured;
	skeleton->rodata->clients_inside = clients_inside;
	world->clients_inside = clients_inside;
	skeleton->rodata->flow_idle_ns = FLOW_IDLE_NS;
	skeleton->rodata->session_idle_ns = SESSION_IDLE_NS;
	skeleton->bss->service_ports[SERVICE_PORT / 64] |= 1ULL << SERVICE_PORT % 64;
	skeleton->bss->service_ports[OTHER_SERVICE_PORT / 64] |= 1ULL << OTHER_SERVICE_PORT % 64;
	/* Clearing a table takes the longer the more it may hold. */
	bpf_map__set_max_entries(skeleton->maps.sessions, SESSIONS_MAX);
	if (configure)
		configure(skeleton);
	if (ftpfix__load(skeleton))
		goto fail;
	world->flows = map_memory(skeleton->maps.flows);
	world->groups = map_memory(skeleton->maps.flow_groups);
	world->group_count = skeleton->rodata->flow_group_count;
	world->expectations = map_memory(skeleton->maps.expectations);
	world->expected_groups = map_memory(skeleton->maps.expected_groups);
	world->expectation_group_count = skeleton->rodata->expectation_group_count;
	if (!world->flows || !world->groups || !world->expectations || !world->expected_groups)
		goto fail;
	world->program[UPLINK_INGRESS] = bpf_program__fd(skeleton->progs.ftpfix_uplink_ingress);
	world->program[UPLINK_EGRESS] = bpf_program__fd(skeleton->progs.ftpfix_uplink_egress);
	world->program[INSIDE_INGRESS] = bpf_program__fd(skeleton->progs.ftpfix_inside_ingress);
	world->program[INSIDE_EGRESS] = bpf_program__fd(skeleton->progs.ftpfix_inside_egress);
	world->uplink = if_nametoindex("uplink");
	world->server = if_nametoindex("server");
	return world;
fail:
	ftpfix__destroy(skeleton);
	free(world);
	return NULL;
}

static inline struct world *world_open(__u32 servers_configured, __u32 clients_inside)
{
	return world_open_configured(servers_configured, clients_inside, NULL);
}

/* Group fixture: *state stays NULL where the tests cannot run. */
static inline int world_setup(void **state)
{
	*state = NULL;
	if (geteuid())
		return 0;
	if (unshare(CLONE_NEWNET) || system("ip link add uplink type veth peer name server"))
		return -1;
	*state = world_open(0, 0);
	return *state ? 0 : -1;
}

/* The same, with other constants, or where the clients stand inside. */
static inline int world_setup_configured(void **state, __u32 clients_inside,
					 void (*configure)(struct ftpfix *skeleton))
{
	if (world_setup(state) || !*state)
		return *state || !geteuid() ? -1 : 0;
	world_close(*state);
	*state = world_open_configured(0, clients_inside, configure);
	return *state ? 0 : -1;
}

static inline int world_setup_inside(void **state)
{
	return world_setup_configured(state, 1, NULL);
}

static inline int world_teardown(void **state)
{
	world_close(*state);
	return 0;
}

/* The kernel's test run knows no sum over a packet any more whose length was changed,
 * and takes that for a wrong one: it must not ask then. */
static inline void world_sum_unknown(struct world *world)
{
	world->run_flags = 0;
}

/* What every test begins with. */
static inline struct world *world_begin(void **state, enum ftpfix_forward forward)
{
	struct world *world = *state;

	if (!world) {
		print_message("# needs root\n");
		skip();
	}
	world_reset(world, forward);
	return world;
}

#endif /* FTPFIX_PROG_WORLD_H */
