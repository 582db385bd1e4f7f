/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * By what a flow is found: the key that its tuple makes, and the two groups of slots and the
 * tag that its key's hash makes. Pure C; the maps are not known here.
 */
#ifndef FTPFIX_FLOW_KEY_H
#define FTPFIX_FLOW_KEY_H

#include <bpf/bpf_endian.h>

#include "ftpfix.h"

/* Odd, with about as many ones as zeros, and unlike each other. */
#define FLOW_KEY_PRIME_1 0x9e3779b97f4a7c15ULL
#define FLOW_KEY_PRIME_2 0xc2b2ae3d27d4eb4fULL
#define FLOW_KEY_PRIME_3 0xd6e8feb86659fd93ULL

/* Inlined everywhere: the stack of the dataplane's calls is short. */
#define FLOW_KEY_INLINE static inline __attribute__((always_inline))

/* The first of a key's groups is taken until it holds so many, then the emptier one: most lookups
 * end in the first. */
#define FLOW_GROUP_PREFERRED 12

/* Where a key's flow may stand. */
struct flow_spot {
	__u32 group[2];
	__u32 tag;  /* FTPFIX_TAG_FIRST to 255 */
	__u32 home; /* which slot of its group it has if that is free then */
};

FLOW_KEY_INLINE __u64 flow_key_pair(__u32 high, __u32 low)
{
	return (__u64)high << 32 | low;
}

FLOW_KEY_INLINE __u64 flow_key_mix(__u64 sum, __u64 word, __u64 prime, int shift)
{
	sum = (sum ^ word) * prime;
	return sum ^ sum >> shift;
}

/*
 * The addresses and ports of IPv6 are three times as long as the key. Two sums of 64 bits, of
 * which 96 are taken, stand for them: that any two of a million connections have the same is
 * less likely than one in 10^16.
 */
FLOW_KEY_INLINE void flow_key_ipv6(struct ftpfix_flow_key *key, const struct ftpfix_tuple *tuple,
				   __u64 seed)
{
	const __be32 *source = tuple->source.be_word, *destination = tuple->destination.be_word;
	__u64 words[] = {
		flow_key_pair(source[0], source[1]),
		flow_key_pair(source[2], source[3]),
		flow_key_pair(destination[0], destination[1]),
		flow_key_pair(destination[2], destination[3]),
		flow_key_pair(tuple->be_source_port, tuple->be_destination_port),
	};
	__u64 one = seed, other = ~seed;

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		one = flow_key_mix(one, words[i], FLOW_KEY_PRIME_1, 32);
		other = flow_key_mix(other, words[i], FLOW_KEY_PRIME_2, 29);
	}
	key->word[0] = one;
	key->word[1] = other;
	key->word[2] = (one ^ other) >> 32;
}

/* `seed` is the one that the dataplane was loaded with. */
FLOW_KEY_INLINE void flow_key(struct ftpfix_flow_key *key, const struct ftpfix_tuple *tuple,
			      __u64 seed)
{
	const __be32 *source = tuple->source.be_word;

	if (source[0] || source[1] || source[2] != bpf_htonl(0xffff)) {
		flow_key_ipv6(key, tuple, seed);
		return;
	}
	key->word[0] = source[3];
	key->word[1] = tuple->destination.be_word[3];
	key->word[2] = (__u32)tuple->be_source_port << 16 | tuple->be_destination_port;
}

FLOW_KEY_INLINE int flow_key_equal(const struct ftpfix_flow_key *one,
				   const struct ftpfix_flow_key *other)
{
	return one->word[0] == other->word[0] && one->word[1] == other->word[1] &&
	       one->word[2] == other->word[2];
}

/* Where in a table of so many groups that stands which has this hash. */
FLOW_KEY_INLINE void flow_spot_of_hash(struct flow_spot *spot, __u64 hash, __u32 groups)
{
	spot->group[0] = (hash >> 32) * groups >> 32;
	spot->group[1] = (hash & 0xffffffff) * groups >> 32;
	/* Of bits that hardly choose a group. */
	spot->home = hash & (FTPFIX_GROUP_SLOTS - 1);
	spot->tag = FTPFIX_TAG_FIRST + ((hash >> 32 & 0xff) * (256 - FTPFIX_TAG_FIRST) >> 8);
}

/* Where a flow of this key stands in a table of so many groups. */
FLOW_KEY_INLINE void flow_spot(struct flow_spot *spot, const struct ftpfix_flow_key *key,
			       __u64 seed, __u32 groups)
{
	__u64 hash =
		flow_key_mix(seed, flow_key_pair(key->word[0], key->word[1]), FLOW_KEY_PRIME_1, 32);

	hash = flow_key_mix(hash, key->word[2], FLOW_KEY_PRIME_2, 29);
	hash = flow_key_mix(hash, 0, FLOW_KEY_PRIME_3, 32);
	flow_spot_of_hash(spot, hash, groups);
}

#endif /* FTPFIX_FLOW_KEY_H */
