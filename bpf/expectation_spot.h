/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an expectation stands in its table: by the peer and the port that it is found by.
 * Pure C; the maps are not known here.
 */
#ifndef FTPFIX_EXPECTATION_SPOT_H
#define FTPFIX_EXPECTATION_SPOT_H

#include "flow_key.h"

/* The first of a key's groups is taken until it holds so many, then the emptier one: so few that
 * the groups of a table with a fifth to spare do not become full. */
#define EXPECTATION_GROUP_PREFERRED 8

/* `seed` is the one that the dataplane was loaded with. */
FLOW_KEY_INLINE void expectation_spot(struct flow_spot *spot, const struct ftpfix_addr *peer,
				      __be16 be_port, __u64 seed, __u32 groups)
{
	const __be32 *word = peer->be_word;
	__u64 hash;

	hash = flow_key_mix(seed, flow_key_pair(word[0], word[1]), FLOW_KEY_PRIME_1, 32);
	hash = flow_key_mix(hash, flow_key_pair(word[2], word[3]), FLOW_KEY_PRIME_2, 29);
	hash = flow_key_mix(hash, be_port, FLOW_KEY_PRIME_3, 32);
	flow_spot_of_hash(spot, hash, groups);
}

#endif /* FTPFIX_EXPECTATION_SPOT_H */
