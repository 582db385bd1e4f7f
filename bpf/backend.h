/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which real server takes a new session of a virtual address. It knows no packets, and
 * nothing of health: the loader keeps the tables.
 */
#ifndef FTPFIX_BACKEND_H
#define FTPFIX_BACKEND_H

#include "packet.h"
#include "scratch.h"

/* Mixes so that one bit of the input changes half of the output's. The constants are those
 * of MurmurHash3's finalizer, which is in the public domain. */
static __always_inline __u32 hash_mix(__u32 hash)
{
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* A number of the address alone, the same on every node: its sessions share a server, and
 * another node that takes over chooses the same. */
static __always_inline __u32 hash_address(const struct ftpfix_addr *addr)
{
	__u32 hash = 0;

	for (int word = 0; word < 4; word++)
		hash = hash_mix(hash * 31 + bpf_ntohl(addr->be_word[word]));
	return hash;
}

static __always_inline struct ftpfix_backend *backend_find(const struct ftpfix_virtual *virtual,
							   __u32 number)
{
	__u32 index = virtual->id * FTPFIX_BACKENDS_MAX + number;

	return bpf_map_lookup_elem(&backends, &index);
}

static __always_inline struct ftpfix_backend *backend_maglev(const struct ftpfix_virtual *virtual,
							     const struct ftpfix_addr *client)
{
	__u32 slot = hash_address(client) % FTPFIX_MAGLEV_SLOTS, *number;
	__u32 id = virtual->id;
	void *table = bpf_map_lookup_elem(&maglev, &id);

	number = table ? bpf_map_lookup_elem(table, &slot) : NULL;
	if (!number || *number == FTPFIX_MAGLEV_NONE)
		return NULL;
	return backend_find(virtual, *number);
}

struct backend_loop {
	const struct ftpfix_virtual *virtual;
	__u32 best;
	__u32 best_weight; /* 0: none yet */
	__s64 best_sessions;
};

static long backend_compare(__u32 number, void *context)
{
	struct backend_loop *loop = context;
	struct ftpfix_backend *backend = backend_find(loop->virtual, number);
	struct ftpfix_load *load;
	__s64 sessions;

	if (!backend || !backend->takes || !backend->weight)
		return 0;
	load = bpf_map_lookup_elem(&loads, &backend->endpoint);
	/* The one that is to come counts, so that of idle servers the heaviest is taken. */
	sessions = load ? load->sessions + 1 : 1;
	if (loop->best_weight &&
	    sessions * loop->best_weight >= loop->best_sessions * backend->weight)
		return 0;
	loop->best = number;
	loop->best_weight = backend->weight;
	loop->best_sessions = sessions;
	return 0;
}

static __always_inline struct ftpfix_backend *
backend_least_connections(const struct ftpfix_virtual *virtual)
{
	struct backend_loop loop = {
		.virtual = virtual,
		.best_weight = each_zero,
		.best_sessions = each_zero,
	};
	__u32 count = backend_count[virtual->id & (FTPFIX_VIRTUALS_MAX - 1)];

	bpf_loop(count & (FTPFIX_BACKENDS_MAX * 2 - 1), backend_compare, &loop, 0);
	return loop.best_weight ? backend_find(virtual, loop.best) : NULL;
}

/* NULL when no server takes new sessions. */
static __always_inline struct ftpfix_backend *backend_choose(const struct ftpfix_virtual *virtual,
							     const struct ftpfix_addr *client)
{
	struct ftpfix_backend *backend;

	if (virtual->balance == FTPFIX_BALANCE_LEAST_CONNECTIONS)
		backend = backend_least_connections(virtual);
	else
		backend = backend_maglev(virtual, client);
	return backend && backend->takes ? backend : NULL;
}

#define BACKEND_WORDS (sizeof(struct ftpfix_backend) / sizeof(__u32))

/*
 * Copies the server's entry, which the loader may be writing. What says that sessions are taken is
 * read after the copy and before it is compared: if that is of before a change, so is the whole
 * copy; if it is of after, no word of the copy that changed is equal. Returns 0, or -EAGAIN when
 * the copy may not be whole, or the server takes no sessions any more.
 */
static __noinline int backend_copy(const struct ftpfix_backend *backend,
				   struct ftpfix_backend *copy)
{
	const volatile __u32 *words = (const volatile __u32 *)backend;
	__u32 *copied = (__u32 *)copy, difference;

#pragma unroll
	for (__u32 i = 0; i < BACKEND_WORDS; i++)
		copied[i] = words[i];
	barrier();
	difference = *(volatile const __u32 *)&backend->takes ^ 1;
	barrier();
#pragma unroll
	for (__u32 i = 0; i < BACKEND_WORDS; i++)
		difference |= copied[i] ^ words[i];
	return difference ? -EAGAIN : 0;
}

#endif /* FTPFIX_BACKEND_H */
