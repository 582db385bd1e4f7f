// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Works out how many entries each map gets for so many sessions.
 * This file knows nothing of what is in the entries.
 */
#include "sizes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

/* A session is one control connection, and one data connection at a time. */
struct size {
	const char *map;
	unsigned int entries;
	unsigned int floor;
};

/* Below the greatest. Of connections that open or are closed a few thousand are common on
 * the smallest node, and on a large one they are far fewer than its sessions. */
#define TURN_PLACES_MIN 4096

unsigned int sizes_turn_places(const struct config *config)
{
	unsigned int places = TURN_PLACES_MIN;

	while (places < FTPFIX_TURNS_MAX && 2 * places <= config->flow.sessions_max)
		places *= 2;
	return places;
}

/* The control connection is carried behind a virtual address. */
unsigned int sizes_connections(const struct config *config)
{
	unsigned int of_one = config->virtual_count ? 2 : 1;

	return of_one * config->flow.sessions_max + FTPFIX_TURN_KINDS * sizes_turn_places(config);
}

/* Two directions, and both twice where the stack stands between the two translations of
 * FULLNAT. */
static unsigned int flows_of_connection(const struct config *config)
{
	return config->flow.path_stack && config->forward == FTPFIX_FORWARD_FULLNAT ? 4 : 2;
}

/* A fifth stays free: a key has two groups, which fill up unevenly. */
static unsigned int groups_of(__u64 entries)
{
	return (entries * 5 / 4 + FTPFIX_GROUP_SLOTS - 1) / FTPFIX_GROUP_SLOTS;
}

unsigned int sizes_flow_groups(const struct config *config)
{
	return groups_of((__u64)flows_of_connection(config) * sizes_connections(config));
}

unsigned int sizes_expectation_groups(const struct config *config)
{
	return groups_of(config->flow.sessions_max);
}

int sizes_set(const struct bpf_object *object, const struct config *config)
{
	const unsigned int groups = sizes_flow_groups(config);
	const unsigned int expected_groups = sizes_expectation_groups(config);
	const struct size sizes[] = {
		/* On the uplink, and where the connection is not carried on the inside, too; those
		 * that are only begun cannot fill it. */
		{"sessions", (config->virtual_count ? 1 : 2) * config->flow.sessions_max,
		 2 * FTPFIX_BEGUN_MAX},
		/* All may wait for the end of one line, or for its acknowledgement. */
		{"drafts", config->flow.sessions_max, FTPFIX_DRAFTS_MAX},
		{"expectations", expected_groups * FTPFIX_GROUP_SLOTS, 0},
		{"expected_groups", expected_groups, 0},
		{"flows", groups * FTPFIX_GROUP_SLOTS, 0},
		{"flow_groups", groups, 0},
		{"turns", FTPFIX_TURN_KINDS * sizes_turn_places(config), 0},
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct size *size = &sizes[i];
		struct bpf_map *map = bpf_object__find_map_by_name(object, size->map);
		unsigned int entries = size->entries;
		int err;

		if (entries < size->floor)
			entries = size->floor;
		err = map ? bpf_map__set_max_entries(map, entries) : -ENOENT;
		if (err) {
			log_line("the map %s cannot be given %u entries: %s", size->map, entries,
				 strerror(-err));
			return err;
		}
	}
	return 0;
}
