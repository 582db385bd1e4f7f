/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of expectations: finding the one of a peer and port, inserting one, taking one
 * away. What they are for is not known here.
 *
 * Everything is done without locks. A slot belongs to who changed its tag from free to busy, and
 * its contents are written before it is published. What is read in it is of one expectation if
 * its word is the same before and after: and so it is taken away by compare-and-swap of that
 * word, which only one can do, and no one when the slot has become another's.
 */
#ifndef FTPFIX_EXPECT_TABLE_H
#define FTPFIX_EXPECT_TABLE_H

#include "expectation_spot.h"
#include "flow_slots.h"
#include "packet.h"
#include "scratch.h"

/* Others that may change tags of the same group, or insert the same, meanwhile. */
#define EXPECT_TRIES_MAX 8

/* The word of an expectation in which its state is. */
union expectation_word {
	__u32 word;
	struct {
		__be16 be_port;
		__u16 state;
	};
};

static __always_inline struct ftpfix_expectation *expectation_at(__u32 slot)
{
	return bpf_map_lookup_elem(&expectations, &slot);
}

static __always_inline __u32 *expectation_word(struct ftpfix_expectation *expectation)
{
	return (__u32 *)&expectation->be_port;
}

/* An expectation that was found: its slot plus one, and what its word was then. As a number, so
 * that it can be returned; 0: none. */
static __always_inline __u64 expectation_found(__u32 slot, __u32 word)
{
	return (__u64)word << 32 | (slot + 1);
}

static __always_inline struct ftpfix_expectation *expectation_of(__u64 found)
{
	return found ? expectation_at((__u32)found - 1) : NULL;
}

static __always_inline __u16 expectation_state(__u64 found)
{
	union expectation_word word = {.word = found >> 32};

	return word.state;
}

/* Which expectation is looked for. */
struct expectation_search {
	const struct ftpfix_addr *peer;
	__u32 word;   /* its port, and whether it is unread: see EXPECTATION_KEY */
	__u32 states; /* of which it has one */
	__u32 tag;
	__u32 except; /* a slot that is not counted, its number plus one; or 0 */
};

#define EXPECTATION_STATES (FTPFIX_EXPECTATION_COMING | FTPFIX_EXPECTATION_LIVE)

/* What of its word tells it from others of its peer. */
static __always_inline __u32 expectation_key(__be16 be_port, __u16 kind)
{
	union expectation_word word = {.be_port = be_port, .state = kind};

	return word.word;
}

#define EXPECTATION_KEY expectation_key(0xffff, FTPFIX_EXPECTATION_UNREAD)

static __always_inline __u32 expectation_differs(const struct ftpfix_expectation *expectation,
						 const struct ftpfix_addr *peer)
{
	const __be32 *one = expectation->peer.be_word, *other = peer->be_word;

	return (one[0] ^ other[0]) | (one[1] ^ other[1]) | (one[2] ^ other[2]) |
	       (one[3] ^ other[3]);
}

/* Looks in one word of a group. */
static __always_inline __u64 expectation_among(__u64 tags, __u32 first,
					       const struct expectation_search *search)
{
	__u64 marked = bytes_zero(tags ^ search->tag * EACH_BYTE);

	for (int try = 0; try < SLOTS_OF_WORD && marked; try++) {
		__u32 slot = first + byte_first(marked);
		struct ftpfix_expectation *expectation = expectation_at(slot);
		union expectation_word word;
		__u32 other;

		if (!expectation)
			return 0;
		word.word = *(volatile __u32 *)expectation_word(expectation);
		barrier();
		/* One branch, for the verifier follows each of all these rounds. */
		other = expectation_differs(expectation, search->peer) |
			((word.word ^ search->word) & EXPECTATION_KEY);
		if (!other && word.state & search->states && slot + 1 != search->except)
			return expectation_found(slot, word.word);
		marked &= marked - 1;
	}
	return 0;
}

/* Finds what the peer is expected for at the port, if that is in one of the states, unread or not
 * as these say, and not in the slot `except`, its number plus one. */
__global __u64 expectation_find(const struct ftpfix_addr *peer, __u32 be_port, __u32 states,
				__u32 except)
{
	struct expectation_search search = {
		.peer = peer,
		.word = expectation_key(be_port, states & FTPFIX_EXPECTATION_UNREAD),
		.states = states & EXPECTATION_STATES,
		.except = except,
	};
	struct flow_spot spot;

	if (!peer)
		return 0;
	expectation_spot(&spot, peer, be_port, flow_seed, expectation_group_count);
	search.tag = spot.tag;
	for (int choice = 0; choice < 2; choice++) {
		__u32 group = spot.group[choice];
		const struct ftpfix_flow_group *found =
			bpf_map_lookup_elem(&expected_groups, &group);

		for (int word = 0; found && word < WORDS_OF_GROUP; word++) {
			__u32 first = group * FTPFIX_GROUP_SLOTS + word * SLOTS_OF_WORD;
			__u64 entry = expectation_among(found->tags[word], first, &search);

			if (entry)
				return entry;
		}
	}
	return 0;
}

/* Whether the slot is still of what was found, so that what was read in it since is, too. */
static __always_inline int expectation_still(__u64 found)
{
	struct ftpfix_expectation *expectation = expectation_of(found);

	barrier();
	return expectation &&
	       *(volatile __u32 *)expectation_word(expectation) == (__u32)(found >> 32);
}

/* Changes the state of what was found, whose number stays. Returns 0, or -ENOENT when it is not
 * what was found any more. */
static __always_inline int expectation_swap(__u64 found, __u16 state)
{
	struct ftpfix_expectation *expectation = expectation_of(found);
	union expectation_word before = {.word = found >> 32}, after = before;

	after.state &= ~EXPECTATION_STATES;
	after.state |= state;
	return expectation && __sync_val_compare_and_swap(expectation_word(expectation),
							  before.word, after.word) == before.word
		       ? 0
		       : -ENOENT;
}

__global int expectation_change(__u64 found, __u32 state)
{
	return expectation_swap(found, state);
}

/* Takes what was found, and is live, away. Of several that want to, one gets 0, the
 * others -ENOENT. What was read in it since it was found is its own then. */
__global int expectation_remove(__u64 found)
{
	int err = expectation_swap(found, 0);

	if (!err)
		slot_release_in(&expected_groups, (__u32)found - 1);
	return err;
}

/* Claims the first free slot of a group. Returns its number plus one; or 0 when there is none, or
 * another CPU changed a tag beside it meanwhile. */
static __always_inline __u32 expectation_claim_in(__u32 number, struct ftpfix_flow_group *group)
{
	__u32 word = !bytes_zero(group->tags[0]);
	__u64 before = *(volatile __u64 *)&group->tags[word], free = bytes_zero(before), busy;
	__u32 slot = byte_first(free);

	busy = before | (__u64)FTPFIX_TAG_BUSY << slot * 8;
	if (!free || __sync_val_compare_and_swap(&group->tags[word], before, busy) != before)
		return 0;
	return number * FTPFIX_GROUP_SLOTS + word * SLOTS_OF_WORD + slot + 1;
}

/* Claims a slot for an expectation with this spot. Returns its number plus one, or 0 when there
 * is none. */
static __always_inline __u32 expectation_claim(const struct flow_spot *spot)
{
	__u32 first = spot->group[0], second = spot->group[1];
	struct ftpfix_flow_group *one, *other;

	one = bpf_map_lookup_elem(&expected_groups, &first);
	other = bpf_map_lookup_elem(&expected_groups, &second);
	if (!one || !other)
		return 0;
	for (int try = 0; try < EXPECT_TRIES_MAX; try++) {
		__u32 free = group_free(one), others = group_free(other), slot;

		if (free <= FTPFIX_GROUP_SLOTS - EXPECTATION_GROUP_PREFERRED && others > free)
			slot = expectation_claim_in(second, other);
		else
			slot = expectation_claim_in(first, one);
		if (slot || !(free + others))
			return slot;
	}
	return 0;
}

/* Writes scratch->expectation into the slot that was claimed for it. Returns it as found. */
static __always_inline __u64 expectation_write(struct scratch *scratch, __u32 slot)
{
	struct ftpfix_expectation *expectation = expectation_at(slot);
	union expectation_word word;

	if (!expectation)
		return 0;
	word.state = (expectation->state & -FTPFIX_EXPECTATION_NUMBER) + FTPFIX_EXPECTATION_NUMBER;
	word.state |= scratch->expectation.state & FTPFIX_EXPECTATION_UNREAD;
	word.be_port = scratch->expectation.be_port;
	scratch->expectation.state = word.state;
	*expectation = scratch->expectation;
	barrier();
	word.state |= FTPFIX_EXPECTATION_COMING;
	*(volatile __u32 *)expectation_word(expectation) = word.word;
	return expectation_found(slot, word.word);
}

/* Puts scratch->expectation into the table, not live yet. Returns it as found; 0 when there is no
 * room. */
__global __u64 expectation_put(void)
{
	struct scratch *scratch = scratch_memory();
	struct flow_spot spot;
	__u64 own;
	__u32 slot;

	if (!scratch)
		return 0;
	expectation_spot(&spot, &scratch->expectation.peer, scratch->expectation.be_port, flow_seed,
			 expectation_group_count);
	slot = expectation_claim(&spot);
	if (!slot)
		return 0;
	own = expectation_write(scratch, slot - 1);
	slot_publish_in(&expected_groups, slot - 1, spot.tag);
	return own;
}

/*
 * Makes our expectation, which others see that insert the same, live if no other is. Of those
 * that come at once the one with the lowest slot goes on: it ends those above it, unless one is
 * live already; who sees one below gives up. Returns 0 or -EEXIST.
 */
static __always_inline int expectation_enliven(const struct ftpfix_expectation *expectation,
					       __u64 own)
{
	__u32 kind = expectation->state & FTPFIX_EXPECTATION_UNREAD;

	for (int try = 0; try < EXPECT_TRIES_MAX; try++) {
		__u64 rival = expectation_find(&expectation->peer, expectation->be_port,
					       EXPECTATION_STATES | kind, own);

		if (!rival)
			return expectation_change(own, FTPFIX_EXPECTATION_LIVE) ? -EEXIST : 0;
		if (expectation_state(rival) & FTPFIX_EXPECTATION_LIVE || (__u32)rival < (__u32)own)
			return -EEXIST;
		expectation_change(rival, 0);
	}
	return -EEXIST;
}

/* Inserts scratch->expectation. Of several that insert one of the same peer and port at once one
 * gets 0. The others, and who comes when it is there, get -EEXIST; or -E2BIG when there
 * is no room. */
static __always_inline int expectation_insert(struct scratch *scratch)
{
	__u64 own = expectation_put();
	int err;

	if (!own)
		return -E2BIG;
	err = expectation_enliven(&scratch->expectation, own);
	if (err) {
		expectation_change(own, 0);
		slot_release_in(&expected_groups, (__u32)own - 1);
	}
	return err;
}

#endif /* FTPFIX_EXPECT_TABLE_H */
