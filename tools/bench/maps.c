// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells of each map of a daemon that runs "NAME KEY_BYTES VALUE_BYTES ENTRIES_MAX BYTES":
 * what the kernel itself says that it occupies.
 *
 *     maps PID
 */
#include <stdlib.h>

#include "daemon_maps.h"

int main(int argc, char **argv)
{
	static struct daemon_map maps[DAEMON_MAPS_MAX];
	int count = argc == 2 ? daemon_maps(atoi(argv[1]), maps) : -EINVAL;

	if (count < 0) {
		fprintf(stderr, "maps: %s (called by memory.py)\n", strerror(-count));
		return 1;
	}
	for (int at = 0; at < count; at++) {
		const struct bpf_map_info *info = &maps[at].info;

		printf("%s %u %u %u %llu\n", info->name, info->key_size, info->value_size,
		       info->max_entries, maps[at].bytes);
	}
	return 0;
}
