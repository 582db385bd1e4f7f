// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts established data connections into the table of a daemon that runs, as if the
 * clients of packets.c had opened them through it, each of these numbers once:
 *
 *     fill PID FIRST COUNT DIALLED SERVER
 *
 * A slot is chosen as bpf/flow_slots.h chooses it, though without regard for others: nothing
 * else may open connections meanwhile. The first packet of each finds its hop not asked for.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "daemon_data.h"
#include "flow_key.h"
#include "flow_number.h"

static struct daemon_map maps[DAEMON_MAPS_MAX];
static int map_count;

/* The daemon's table, and what its programs were loaded with. */
static struct ftpfix_flow *flows;
static struct ftpfix_flow_group *groups;
static __u32 group_count;
static __u64 seed;

struct network {
	struct ftpfix_addr dialled;
	struct ftpfix_addr server;
	__u16 dialled_number; /* as an own address */
};

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("fill: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static struct ftpfix_addr mapped(__be32 be_address)
{
	return (struct ftpfix_addr){.be_word = {0, 0, htonl(0xffff), be_address}};
}

static struct ftpfix_addr read_address(const char *text)
{
	__be32 be_address;

	if (inet_pton(AF_INET, text, &be_address) != 1)
		fail("%s is no IPv4 address", text);
	return mapped(be_address);
}

/* --- the daemon's maps --- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && !strcmp(text + length - tail, end);
}

/* By its name, which for a section has the object's in front of it. */
static const struct daemon_map *find_map(const char *name, __u32 value_size)
{
	for (int at = 0; at < map_count; at++) {
		const struct daemon_map *map = &maps[at];

		if (name[0] == '.' ? !ends_with(map->info.name, name)
				   : strcmp(map->info.name, name))
			continue;
		if (value_size && map->info.value_size != value_size)
			fail("the daemon's map %s is another than include/ftpfix.h says", name);
		return map;
	}
	fail("the daemon has no map %s", name);
}

static void *memory_of(const struct daemon_map *map, int protection)
{
	void *memory = daemon_memory(map, protection);

	if (!memory)
		fail("the daemon's map %s cannot be mapped: %s", map->info.name, strerror(errno));
	return memory;
}

static void *find_variable(const char *section, const char *name, __u32 size, int protection)
{
	const struct daemon_map *map = find_map(section, 0);
	int offset = daemon_variable(map, name, size);

	if (offset < 0)
		fail("%s is no variable of %u bytes in the daemon's %s", name, size, section);
	return (char *)memory_of(map, protection) + offset;
}

static void find_table(int pid)
{
	const struct daemon_map *map;

	map_count = daemon_maps(pid, maps);
	if (map_count < 0)
		fail("process %d: %s", pid, strerror(-map_count));
	map = find_map("flows", sizeof(*flows));
	flows = memory_of(map, PROT_READ | PROT_WRITE);
	group_count = *(__u32 *)find_variable(".rodata", "flow_group_count", sizeof(group_count),
					      PROT_READ);
	seed = *(__u64 *)find_variable(".rodata", "flow_seed", sizeof(seed), PROT_READ);
	if ((__u64)group_count * FTPFIX_GROUP_SLOTS > map->info.max_entries)
		fail("%u groups do not fit into %u slots", group_count, map->info.max_entries);
	map = find_map("flow_groups", sizeof(*groups));
	groups = memory_of(map, PROT_READ | PROT_WRITE);
	if (group_count > map->info.max_entries)
		fail("%u groups are more than the map of them has", group_count);
}

/* The number of an own address, which it gets where it has none. */
static __u16 own_number(const struct ftpfix_addr *addr)
{
	int numbers = find_map("own_numbers", sizeof(__u32))->fd;
	int addresses = find_map("own_addresses", sizeof(*addr))->fd;
	__u32 number, *count;

	if (!bpf_map_lookup_elem(numbers, addr, &number))
		return number;
	count = find_variable(".bss", "own_count", sizeof(*count), PROT_READ | PROT_WRITE);
	number = ++*count;
	if (bpf_map_update_elem(addresses, &number, addr, BPF_ANY) ||
	    bpf_map_update_elem(numbers, addr, &number, BPF_NOEXIST))
		fail("an own address cannot be numbered: %s", strerror(errno));
	return number;
}

/* --- slots --- */

static __u32 tag_shift(unsigned int place)
{
	return place % 8 * 8;
}

static bool is_free(const struct ftpfix_flow_group *group, unsigned int place)
{
	return (group->tags[place / 8] >> tag_shift(place) & 0xff) == FTPFIX_TAG_FREE;
}

static unsigned int taken(__u32 group)
{
	unsigned int count = 0;

	for (unsigned int place = 0; place < FTPFIX_GROUP_SLOTS; place++)
		count += !is_free(&groups[group], place);
	return count;
}

/* The first free slot of that group from the home slot on, which then has this tag: of the home
 * slot's word, in a circle, and then of the other. */
static __u32 claim_in(__u32 number, __u32 tag, __u32 home)
{
	struct ftpfix_flow_group *group = &groups[number];

	for (unsigned int try = 0; try < FTPFIX_GROUP_SLOTS; try++) {
		unsigned int place = ((home / 8 + try / 8) % 2) * 8 + (home + try) % 8;

		if (!is_free(group, place))
			continue;
		group->tags[place / 8] |= (__u64)tag << tag_shift(place);
		return number * FTPFIX_GROUP_SLOTS + place;
	}
	fail("the table is full");
}

static __u32 claim(const struct ftpfix_flow_key *key)
{
	struct flow_spot spot;
	unsigned int first, second;

	flow_spot(&spot, key, seed, group_count);
	first = taken(spot.group[0]);
	second = taken(spot.group[1]);
	return claim_in(spot.group[first >= FLOW_GROUP_PREFERRED && second < first], spot.tag,
			spot.home);
}

/* --- connections --- */

static __u32 ticks_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec) >> FTPFIX_TICK_SHIFT;
}

/* What both directions have in common. */
static struct ftpfix_flow new_flow(__u8 place, __u32 sequence, __u32 acknowledged)
{
	__u32 now = ticks_now();

	return (struct ftpfix_flow){
		.first_sequence = sequence - 1,
		.end_sequence = sequence,
		.acknowledged = acknowledged,
		.seen_ticks = now,
		/* As long ago as can be said. */
		.hop_checked = (now >> 4) - 128,
		.place = place,
		.marks = FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED,
		.progress = FTPFIX_PROGRESS_SYN | FTPFIX_PROGRESS_ACKNOWLEDGING,
	};
}

/* Both directions of one connection. */
static void fill_pair(__u32 number, const struct network *network)
{
	struct ftpfix_tuple come = {
		.source = mapped(htonl(flow_client(number))),
		.destination = network->dialled,
		.be_source_port = htons(flow_client_port(number)),
		.be_destination_port = htons(flow_data_port(number)),
	};
	struct ftpfix_tuple returned = {
		.source = network->server,
		.destination = come.source,
		.be_source_port = come.be_destination_port,
		.be_destination_port = come.be_source_port,
	};
	struct ftpfix_flow ahead = new_flow(FTPFIX_HOOK_UPLINK_IN | FTPFIX_PLACE_OPENER,
					    CLIENT_SEQUENCE, SERVER_SEQUENCE);
	struct ftpfix_flow back = new_flow(FTPFIX_HOOK_INSIDE_IN, SERVER_SEQUENCE, CLIENT_SEQUENCE);

	ahead.destination = network->server;
	ahead.be_source_port = come.be_source_port;
	ahead.be_destination_port = come.be_destination_port;
	back.destination = come.source;
	back.source = network->dialled_number;
	back.be_source_port = come.be_destination_port;
	back.be_destination_port = come.be_source_port;
	flow_key(&ahead.key, &come, seed);
	flow_key(&back.key, &returned, seed);
	ahead.peer = claim(&back.key);
	back.peer = claim(&ahead.key);
	flows[back.peer] = ahead;
	flows[ahead.peer] = back;
}

int main(int argc, char **argv)
{
	struct network network;
	__u32 first, count;

	if (argc != 6)
		fail("called by packets.py");
	find_table(atoi(argv[1]));
	first = atoi(argv[2]);
	count = atoi(argv[3]);
	network.dialled = read_address(argv[4]);
	network.server = read_address(argv[5]);
	network.dialled_number = own_number(&network.dialled);
	for (__u32 number = first; number < first + count; number++)
		fill_pair(number, &network);
	return 0;
}
