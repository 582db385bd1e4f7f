/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of a daemon that runs: found through what it holds open. */
#ifndef DAEMON_MAPS_H
#define DAEMON_MAPS_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#define DAEMON_MAPS_MAX 64

struct daemon_map {
	int fd;
	unsigned long long bytes; /* that it occupies */
	struct bpf_map_info info;
};

/* Reads what a descriptor of a process is, by its fdinfo. Returns the map's id; 0 when it
 * is none. */
static inline __u32 descriptor_read(const char *path, unsigned long long *bytes)
{
	FILE *file = fopen(path, "re");
	char line[256];
	__u32 id = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && sscanf(line, "map_id: %u", &id) != 1)
		sscanf(line, "memlock: %llu", bytes);
	fclose(file);
	return id;
}

/* Opens every map that the process has open; returns how many, or -errno. */
static inline int daemon_maps(int pid, struct daemon_map *maps)
{
	const struct dirent *entry;
	int count = 0;
	char path[300];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	directory = opendir(path);
	if (!directory)
		return -errno;
	while ((entry = readdir(directory)) && count < DAEMON_MAPS_MAX) {
		struct daemon_map *map = &maps[count];
		__u32 size = sizeof(map->info), id;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, entry->d_name);
		id = descriptor_read(path, &map->bytes);
		if (!id)
			continue;
		map->fd = bpf_map_get_fd_by_id(id);
		memset(&map->info, 0, sizeof(map->info));
		if (map->fd >= 0 && !bpf_obj_get_info_by_fd(map->fd, &map->info, &size))
			count++;
	}
	closedir(directory);
	return count;
}

#endif /* DAEMON_MAPS_H */
