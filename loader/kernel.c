// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the running kernel for what the dataplane calls, by trying it.
 * This file knows nothing of the programs themselves.
 */
#include "kernel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/utsname.h>

#include "log.h"

/* The programs on the interfaces, and the sweep. */
#define FRAME BPF_PROG_TYPE_XDP
#define PACKET BPF_PROG_TYPE_SCHED_CLS
#define SWEEP BPF_PROG_TYPE_SYSCALL

static const struct {
	const char *name;
	enum bpf_prog_type type;
	const char *since;
} program_types[] = {
	{"programs for traffic control", PACKET, "4.1"},
	{"programs for XDP", FRAME, "4.8"},
	{"programs that are called (the sweep)", SWEEP, "5.14"},
};

static const struct {
	const char *name;
	enum bpf_map_type type;
	const char *since;
} map_types[] = {
	{"per-CPU array maps", BPF_MAP_TYPE_PERCPU_ARRAY, "4.6"},
	{"LRU hash maps", BPF_MAP_TYPE_LRU_HASH, "4.10"},
	{"LPM trie maps", BPF_MAP_TYPE_LPM_TRIE, "4.11"},
	{"devmap hash maps", BPF_MAP_TYPE_DEVMAP_HASH, "5.4"},
	{"ring buffer maps", BPF_MAP_TYPE_RINGBUF, "5.8"},
};

static const struct {
	const char *name;
	enum bpf_prog_type type;
	enum bpf_func_id helper;
	const char *since;
} helpers[] = {
	{"bpf_redirect_map", FRAME, BPF_FUNC_redirect_map, "4.14"},
	{"bpf_fib_lookup", FRAME, BPF_FUNC_fib_lookup, "4.18"},
	{"bpf_xdp_get_buff_len", FRAME, BPF_FUNC_xdp_get_buff_len, "5.18"},
	{"bpf_skb_pull_data", PACKET, BPF_FUNC_skb_pull_data, "4.9"},
	{"bpf_skb_change_tail", PACKET, BPF_FUNC_skb_change_tail, "4.9"},
	{"bpf_ringbuf_reserve", PACKET, BPF_FUNC_ringbuf_reserve, "5.8"},
	{"bpf_redirect_neigh", PACKET, BPF_FUNC_redirect_neigh, "5.10"},
	{"bpf_ktime_get_coarse_ns", PACKET, BPF_FUNC_ktime_get_coarse_ns, "5.11"},
	{"bpf_check_mtu", PACKET, BPF_FUNC_check_mtu, "5.12"},
	{"bpf_loop", PACKET, BPF_FUNC_loop, "5.17"},
	{"bpf_for_each_map_elem", SWEEP, BPF_FUNC_for_each_map_elem, "5.13"},
};

/* Returns 0 if the kernel has it, by what a probe of libbpf answered. */
static int judge(int answer, const char *what, const char *since)
{
	if (answer > 0)
		return 0;
	if (answer < 0)
		log_line("the kernel cannot be asked for %s: %s", what, strerror(-answer));
	else
		log_line("the kernel lacks %s, which Linux %s has", what, since);
	return -EOPNOTSUPP;
}

int kernel_check(void)
{
	struct utsname system;
	int err = 0;

	/* Asked first: a helper cannot be asked for where its type of program
	 * does not exist, and libbpf then takes it to be there. */
	for (size_t i = 0; i < sizeof(program_types) / sizeof(program_types[0]); i++)
		if (judge(libbpf_probe_bpf_prog_type(program_types[i].type, NULL),
			  program_types[i].name, program_types[i].since))
			err = -EOPNOTSUPP;
	for (size_t i = 0; i < sizeof(map_types) / sizeof(map_types[0]); i++)
		if (judge(libbpf_probe_bpf_map_type(map_types[i].type, NULL), map_types[i].name,
			  map_types[i].since))
			err = -EOPNOTSUPP;
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
		if (judge(libbpf_probe_bpf_helper(helpers[i].type, helpers[i].helper, NULL),
			  helpers[i].name, helpers[i].since))
			err = -EOPNOTSUPP;
	if (err && uname(&system) == 0)
		log_line("this is Linux %s; boot a newer one", system.release);
	return err;
}
