// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run by a timer, in the midst of a program: a note of map seen goes, and its memory becomes
 * another note's, as if the program's CPU had stood still meanwhile. Once, when it is armed.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ftpfix.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FTPFIX_SEEN_MAX);
	__type(key, struct ftpfix_seen_key);
	__type(value, struct ftpfix_seen);
} seen SEC(".maps");

struct ftpfix_seen_key going;
struct ftpfix_seen_key coming;
struct ftpfix_seen coming_note;
volatile __u32 armed;

SEC("perf_event")
int reuse(void *context)
{
	(void)context;
	if (!armed)
		return 0;
	armed = 0;
	bpf_map_delete_elem(&seen, &going);
	bpf_map_update_elem(&seen, &coming, &coming_note, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
