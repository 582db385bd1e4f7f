// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fills a Maglev table by the servers' preferences for its slots.
 * This file knows nothing of maps, nor of which servers are up.
 */
#include "maglev.h"

#include <stdlib.h>
#include <string.h>

/* The order in which a server would like to have the slots: offset, offset + skip, and
 * so on. As the number of slots is prime, that comes by all of them. */
struct preference {
	__u32 next;
	__u32 skip;
	__u32 credit; /* a turn is taken when it reaches the highest weight */
	__u32 weight;
	__u32 number;
};

/* FNV-1a over the bytes as they are on the wire, so that nodes of either byte order agree;
 * then mixed (MurmurHash3's fmix64), for the endpoints of servers differ in few bits. */
static __u64 hash(const struct ftpfix_endpoint *endpoint, __u64 basis)
{
	const __u8 *byte = (const __u8 *)endpoint;
	__u64 value = basis;

	for (size_t i = 0; i < offsetof(struct ftpfix_endpoint, padding); i++)
		value = (value ^ byte[i]) * 0x100000001b3ULL;
	value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
	value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ULL;
	return value ^ (value >> 33);
}

static int by_endpoint(const void *one, const void *other)
{
	const struct maglev_server *first = one, *second = other;

	return memcmp(&first->endpoint, &second->endpoint,
		      offsetof(struct ftpfix_endpoint, padding));
}

/* With the first round's credit every server has a turn in it, and so a slot. */
static void prefer(struct preference *preference, const struct maglev_server *server,
		   __u32 highest_weight)
{
	/* The basis of FNV-1a, and its complement. */
	*preference = (struct preference){
		.next = hash(&server->endpoint, 0xcbf29ce484222325ULL) % FTPFIX_MAGLEV_SLOTS,
		.skip = hash(&server->endpoint, 0x340d631b7bdddcdaULL) % (FTPFIX_MAGLEV_SLOTS - 1) +
			1,
		.credit = highest_weight - server->weight,
		.weight = server->weight,
		.number = server->number,
	};
}

static void take_turn(struct preference *preference, __u32 table[FTPFIX_MAGLEV_SLOTS])
{
	__u32 slot = preference->next;

	while (table[slot] != FTPFIX_MAGLEV_NONE)
		slot = (slot + preference->skip) % FTPFIX_MAGLEV_SLOTS;
	table[slot] = preference->number;
	preference->next = slot;
}

/* In each round a server of the highest weight takes one slot, and others in proportion. */
static void take_turns(struct preference *preferences, size_t count, __u32 highest_weight,
		       __u32 table[FTPFIX_MAGLEV_SLOTS])
{
	size_t taken = 0;

	for (;;) {
		for (size_t i = 0; i < count; i++) {
			struct preference *preference = &preferences[i];

			preference->credit += preference->weight;
			if (preference->credit < highest_weight)
				continue;
			preference->credit -= highest_weight;
			take_turn(preference, table);
			if (++taken == FTPFIX_MAGLEV_SLOTS)
				return;
		}
	}
}

void maglev_fill(__u32 table[FTPFIX_MAGLEV_SLOTS], const struct maglev_server *servers,
		 size_t count)
{
	struct maglev_server sorted[FTPFIX_BACKENDS_MAX];
	struct preference preferences[FTPFIX_BACKENDS_MAX];
	__u32 highest_weight = 0;

	for (size_t i = 0; i < FTPFIX_MAGLEV_SLOTS; i++)
		table[i] = FTPFIX_MAGLEV_NONE;
	if (count == 0)
		return;
	/* Whose turn comes first in a round matters, and must not depend on the caller. */
	memcpy(sorted, servers, count * sizeof(*servers));
	qsort(sorted, count, sizeof(*sorted), by_endpoint);
	for (size_t i = 0; i < count; i++)
		if (sorted[i].weight > highest_weight)
			highest_weight = sorted[i].weight;
	for (size_t i = 0; i < count; i++)
		prefer(&preferences[i], &sorted[i], highest_weight);
	take_turns(preferences, count, highest_weight, table);
}
