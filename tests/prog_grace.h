/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A CPU that stands still in the middle of a program, as it looks to the others: by what that
 * program has noted. What waits for it is not known here.
 */
#ifndef FTPFIX_PROG_GRACE_H
#define FTPFIX_PROG_GRACE_H

#include <bpf/btf.h>

#include "prog.h"

/* Above the few ticks that a slot always waits. */
#define GRACE_US 10000

/* The CPU that the tests run on, and one that stands still. */
#define OWN_CPU 0
#define STOPPED_CPU 1

/* Where a field of each CPU's working memory is. */
static inline __u32 scratch_offset(const struct world *world, const char *field)
{
	const struct btf *btf = bpf_object__btf(world->skeleton->obj);
	const struct btf_type *type;
	int id = btf__find_by_name_kind(btf, "scratch", BTF_KIND_STRUCT);

	assert_in_range(id, 1, btf__type_cnt(btf));
	type = btf__type_by_id(btf, id);
	for (int member = 0; member < btf_vlen(type); member++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[member].name_off);

		if (!strcmp(name, field))
			return btf_member_bit_offset(type, member) / 8;
	}
	fail_msg("no field %s", field);
	return 0;
}

/* The working memory of all CPUs; to be freed. */
static inline __u8 *scratch_read(const struct world *world, __u32 *size)
{
	const __u32 first = 0;
	__u8 *memory;

	*size = bpf_map__value_size(world->skeleton->maps.scratches);
	*size = (*size + 7) / 8 * 8;
	memory = calloc(libbpf_num_possible_cpus(), *size);
	assert_non_null(memory);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.scratches), &first, memory),
		0);
	return memory;
}

/* What a program has noted on that CPU: since when it is under way, or the time of its packet. */
static inline __u32 noted(const struct world *world, int cpu, const char *field)
{
	__u32 size, ticks;
	__u8 *memory = scratch_read(world, &size);

	memcpy(&ticks, memory + cpu * size + scratch_offset(world, field), sizeof(ticks));
	free(memory);
	return ticks;
}

/* Now, as programs note it. */
static inline __u32 ticks_noted(void)
{
	return now_ns() >> FTPFIX_TICK_SHIFT | 1;
}

static inline void note(const struct world *world, int cpu, const char *field, __u32 ticks)
{
	const __u32 first = 0;
	__u32 size;
	__u8 *memory = scratch_read(world, &size);

	memcpy(memory + cpu * size + scratch_offset(world, field), &ticks, sizeof(ticks));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.scratches), &first,
					     memory, BPF_ANY),
			 0);
	free(memory);
}

/* Makes it look as if a program stood still on STOPPED_CPU since then; 0: no more. */
static inline void stands_still(const struct world *world, const char *field, __u32 since_ticks)
{
	note(world, STOPPED_CPU, field, since_ticks);
}

static inline void needs_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) <= STOPPED_CPU) {
		print_message("# needs %d CPUs\n", STOPPED_CPU + 1);
		skip();
	}
	on_cpu(OWN_CPU);
}

#endif /* FTPFIX_PROG_GRACE_H */
