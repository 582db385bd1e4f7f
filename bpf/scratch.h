/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Working memory of one program run: too large for the stack, and kept in a map
 * so that the verifier need not follow every value in it. Each CPU has its own;
 * programs of TC do not interrupt each other on a CPU.
 */
#ifndef FTPFIX_SCRATCH_H
#define FTPFIX_SCRATCH_H

#include "maps.h"
#include "ftp_edit.h"
#include "nat.h"

struct scratch {
	struct ftpfix_scan scan;
	struct ftp_chunk chunk;
	struct ftp_announcement line;
	struct ftp_edit edit;
	struct patch patch;
	struct ftpfix_session session; /* a new one, before it is inserted */
	struct ftpfix_seen note;
	struct ftpfix_announcement written;
	struct ftpfix_expectation_key expectation_key;
	struct ftpfix_expectation expectation;
	struct ftpfix_flow flow;
	struct ftpfix_tuple to;	  /* of a new flow, client → server */
	struct ftpfix_tuple back; /* key of its other direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_memory(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&scratches, &first);
}

#endif /* FTPFIX_SCRATCH_H */
