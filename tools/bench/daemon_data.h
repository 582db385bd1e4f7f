/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memory of a running daemon's maps, and where its programs' global variables stand in
 * theirs, as their BTF says. What they mean is not known here. */
#ifndef DAEMON_DATA_H
#define DAEMON_DATA_H

#include <sys/mman.h>

#include <bpf/btf.h>

#include "daemon_maps.h"

/* An array's memory, or NULL with errno set. An entry is a multiple of 8 bytes. */
static inline void *daemon_memory(const struct daemon_map *map, int protection)
{
	size_t entry = (map->info.value_size + 7) / 8 * 8;
	void *memory =
		mmap(NULL, entry * map->info.max_entries, protection, MAP_SHARED, map->fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Where the variable of this name and size stands in a section's map; -errno if nowhere. */
static inline int daemon_variable(const struct daemon_map *section, const char *name, __u32 size)
{
	struct btf *btf = btf__load_from_kernel_by_id(section->info.btf_id);
	const struct btf_var_secinfo *variable;
	const struct btf_type *type;
	int offset = -ENOENT;

	type = btf ? btf__type_by_id(btf, section->info.btf_value_type_id) : NULL;
	if (!type || !btf_is_datasec(type)) {
		btf__free(btf);
		return -EINVAL;
	}
	variable = btf_var_secinfos(type);
	for (int left = btf_vlen(type); left > 0; left--, variable++) {
		const struct btf_type *named = btf__type_by_id(btf, variable->type);

		if (variable->size == size &&
		    !strcmp(btf__name_by_offset(btf, named->name_off), name))
			offset = variable->offset;
	}
	btf__free(btf);
	return offset;
}

#endif /* DAEMON_DATA_H */
