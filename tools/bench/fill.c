// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts established data connections into the table of a daemon that runs, as if the
 * clients of packets.c had opened them through it:
 *
 *     fill PID FLOWS DIALLED SERVER UPLINK_IFINDEX INSIDE_IFINDEX
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "daemon_maps.h"
#include "flow_number.h"
#include "ftpfix.h"

#define BATCH 4096
#define DIRECTIONS 2
#define WINDOW 65535

static struct ftpfix_tuple keys[BATCH * DIRECTIONS];
static struct ftpfix_flow flows[BATCH * DIRECTIONS];

struct network {
	struct ftpfix_addr dialled;
	struct ftpfix_addr server;
	__u32 uplink;
	__u32 inside;
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

static __u32 ticks_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec) >> FTPFIX_TICK_SHIFT;
}

static void turn(struct ftpfix_tuple *to, const struct ftpfix_tuple *tuple)
{
	to->source = tuple->destination;
	to->destination = tuple->source;
	to->be_source_port = tuple->be_destination_port;
	to->be_destination_port = tuple->be_source_port;
}

/* What both directions have in common. */
static void fill_flow(struct ftpfix_flow *flow, enum ftpfix_hook hook, __u32 out_ifindex,
		      __u32 sequence, __u32 acknowledged)
{
	memset(flow, 0, sizeof(*flow));
	flow->out_ifindex = out_ifindex;
	flow->seen_ticks = ticks_now();
	flow->place = hook | FTPFIX_PLACE_SETTLED;
	flow->progress = FTPFIX_PROGRESS_SYN | FTPFIX_PROGRESS_ACKNOWLEDGING;
	flow->peer_progress = FTPFIX_PROGRESS_SYN;
	flow->packets = 2;
	flow->first_sequence = sequence - 1;
	flow->end_sequence = sequence;
	flow->acknowledged = acknowledged;
}

/* Both directions of one connection. */
static void fill_pair(__u32 number, const struct network *network, __u32 at)
{
	struct ftpfix_tuple *ahead = &keys[at], *back = &keys[at + 1];
	__be16 be_data_port = htons(flow_data_port(number));

	ahead->source = mapped(htonl(flow_client(number)));
	ahead->destination = network->dialled;
	ahead->be_source_port = htons(flow_client_port(number));
	ahead->be_destination_port = be_data_port;
	fill_flow(&flows[at], FTPFIX_HOOK_UPLINK_IN, network->inside, CLIENT_SEQUENCE,
		  SERVER_SEQUENCE);
	fill_flow(&flows[at + 1], FTPFIX_HOOK_INSIDE_IN, network->uplink, SERVER_SEQUENCE,
		  CLIENT_SEQUENCE);
	flows[at].to = *ahead;
	flows[at].to.destination = network->server;
	turn(back, &flows[at].to);
	turn(&flows[at + 1].to, ahead);
}

static int find_flows(int pid)
{
	static struct daemon_map maps[DAEMON_MAPS_MAX];
	int count = daemon_maps(pid, maps);

	for (int at = 0; at < count; at++)
		if (!strcmp(maps[at].info.name, "flows")) {
			if (maps[at].info.key_size != sizeof(keys[0]) ||
			    maps[at].info.value_size != sizeof(flows[0]))
				fail("the daemon's flows are others than include/ftpfix.h says");
			return maps[at].fd;
		}
	fail("process %d has no map flows", pid);
}

int main(int argc, char **argv)
{
	struct network network;
	__u32 total, number = 0;
	int map;

	if (argc != 7)
		fail("called by packets.py");
	map = find_flows(atoi(argv[1]));
	total = atoi(argv[2]);
	network.dialled = read_address(argv[3]);
	network.server = read_address(argv[4]);
	network.uplink = atoi(argv[5]);
	network.inside = atoi(argv[6]);
	while (number < total) {
		__u32 count = 0;

		for (; count < BATCH * DIRECTIONS && number < total; count += DIRECTIONS)
			fill_pair(number++, &network, count);
		if (bpf_map_update_batch(map, keys, flows, &count, NULL))
			fail("map flows: %s, after %u connections", strerror(errno), number);
	}
	return 0;
}
