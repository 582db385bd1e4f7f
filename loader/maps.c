// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads whole maps, in batches, and writes entries, while the programs go on using them.
 * This file knows nothing of what the entries mean.
 */
#include "maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Entries asked for at once; a hash bucket longer than that doubles it. */
#define BATCH 512
#define BATCH_MAX (64 * BATCH)

/* No larger value is written by map_write(). */
#define VALUE_MAX 64

struct batch {
	char *keys;
	char *values;
	__u32 room;
};

static int batch_alloc(struct batch *batch, size_t key_size, size_t value_size, __u32 room)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = calloc(room, key_size);
	batch->values = calloc(room, value_size);
	batch->room = room;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static int each_entry(const struct batch *batch, __u32 count, size_t key_size, size_t value_size,
		      map_entry each, void *context)
{
	int err = 0;

	for (__u32 i = 0; !err && i < count; i++)
		err = each(batch->keys + i * key_size, batch->values + i * value_size, context);
	return err;
}

int map_some(int map, struct map_place *place, size_t key_size, size_t value_size, map_entry each,
	     void *context)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	struct batch batch = {0};
	int err, result = -ENOSPC;
	__u32 count;

	err = batch_alloc(&batch, key_size, value_size, BATCH);
	while (!err && result == -ENOSPC) {
		count = batch.room;
		result = bpf_map_lookup_batch(map, place->started ? &place->position : NULL,
					      &place->position, batch.keys, batch.values, &count,
					      &options);
		if (result == -ENOSPC)
			err = batch.room < BATCH_MAX
				      ? batch_alloc(&batch, key_size, value_size, 2 * batch.room)
				      : -ENOSPC;
	}
	/* -ENOENT: these are the last. */
	if (!err && result && result != -ENOENT)
		err = result;
	if (!err)
		err = each_entry(&batch, count, key_size, value_size, each, context);
	place->started = true;
	free(batch.keys);
	free(batch.values);
	return err ? err : !result;
}

int map_write(int map, const void *key, const void *value, size_t value_size)
{
	char before[VALUE_MAX];

	if (value_size > sizeof(before))
		return -EINVAL;
	if (!bpf_map_lookup_elem(map, key, before) && !memcmp(before, value, value_size))
		return 0;
	return bpf_map_update_elem(map, key, value, BPF_ANY);
}

__u32 map_max(int map)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(map, &info, &length) ? 0 : info.max_entries;
}

int map_counters(int map, __u64 counters[FTPFIX_REASON_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values;
	int err = 0;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (__u32 reason = 0; !err && reason < FTPFIX_REASON_COUNT; reason++) {
		err = bpf_map_lookup_elem(map, &reason, values);
		counters[reason] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			counters[reason] += values[cpu];
	}
	free(values);
	return err;
}
