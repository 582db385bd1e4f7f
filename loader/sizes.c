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
	unsigned int entries; /* for so many sessions: */
	unsigned int sessions;
	unsigned int floor;
};

/* Two directions of the data connection; of the control connection where it is carried,
 * too; and where the stack stands between the two translations of FULLNAT, both. */
static unsigned int flows_of_one(const struct config *config)
{
	unsigned int flows = config->virtual_count ? 6 : 4;

	return config->flow.path_stack && config->forward == FTPFIX_FORWARD_FULLNAT ? 2 * flows
										    : flows;
}

int sizes_set(const struct bpf_object *object, const struct config *config)
{
	const struct size sizes[] = {
		/* On the uplink and on the inside; those that are only begun cannot fill it. */
		{"sessions", 2, 1, 2 * FTPFIX_BEGUN_MAX},
		/* All may wait for the end of one line, or for its acknowledgement. */
		{"drafts", 1, 1, FTPFIX_DRAFTS_MAX},
		{"expectations", 1, 1, 0},
		{"flows", flows_of_one(config), 1, 0},
		/* What opens and closes within a minute; what was announced and is on its
		 * way through the node. */
		{"unsettled", 1, 4, FTPFIX_UNSETTLED_MAX},
		{"seen", 1, 8, FTPFIX_SEEN_MAX},
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct size *size = &sizes[i];
		struct bpf_map *map = bpf_object__find_map_by_name(object, size->map);
		unsigned int entries = config->flow.sessions_max / size->sessions * size->entries;
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
