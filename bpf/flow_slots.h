/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of flows: finding the slot of a key, claiming one, giving it back. What the
 * flows mean, and that they come in pairs, is not known here.
 *
 * Everything is done without locks. A tag is written by who claimed its slot, from free to
 * busy, and a slot's contents are written while it is busy. Who looks a key up compares it in
 * the slot, so that a tag that has become another's only costs time. Who has found a slot goes
 * on with it while other CPUs may remove its flow: so a slot that is given back keeps what is
 * in it for a grace period.
 */
#ifndef FTPFIX_FLOW_SLOTS_H
#define FTPFIX_FLOW_SLOTS_H

#include <linux/errno.h>

#include "flow_key.h"
#include "grace.h"
#include "maps.h"

#define SLOTS_OF_WORD 8
#define WORDS_OF_GROUP (FTPFIX_GROUP_SLOTS / SLOTS_OF_WORD)

#define EACH_BYTE 0x0101010101010101ULL
#define EACH_LOW_BITS 0x7f7f7f7f7f7f7f7fULL
#define EACH_INDEX 0x0001020304050607ULL

/* The high bit of each byte that is zero. */
static __always_inline __u64 bytes_zero(__u64 word)
{
	return ~(((word & EACH_LOW_BITS) + EACH_LOW_BITS) | word | EACH_LOW_BITS);
}

/* The number of the lowest marked byte. */
static __always_inline __u32 byte_first(__u64 marks)
{
	__u64 lowest = (marks & -marks) >> 7;

	return lowest * EACH_INDEX >> 56;
}

static __always_inline struct ftpfix_flow *flow_at(__u32 slot)
{
	return bpf_map_lookup_elem(&flows, &slot);
}

/* The word that a slot's tag is in, and by how many bits that is shifted there. `groups` is the
 * map of the slot's table. */
static __always_inline __u64 *slot_tags(void *groups, __u32 slot, __u32 *shift)
{
	__u32 group = slot / FTPFIX_GROUP_SLOTS;
	struct ftpfix_flow_group *found = bpf_map_lookup_elem(groups, &group);

	*shift = slot % SLOTS_OF_WORD * 8;
	return found ? &found->tags[slot / SLOTS_OF_WORD % WORDS_OF_GROUP] : NULL;
}

/* Which flow is looked for. */
struct slot_search {
	const struct ftpfix_flow_key *key;
	__u32 tag;
	__u8 marks;   /* of which it has at least one */
	__u32 except; /* a slot that is not counted, its number plus one; or 0 */
};

/* Looks in one word of a group. Returns a slot's number plus one, or 0. */
static __always_inline __u32 slot_among(__u64 tags, __u32 first, const struct slot_search *search)
{
	__u64 found = bytes_zero(tags ^ search->tag * EACH_BYTE);

	for (int try = 0; try < SLOTS_OF_WORD && found; try++) {
		__u32 slot = first + byte_first(found);
		const struct ftpfix_flow *flow = flow_at(slot);

		if (flow && slot + 1 != search->except && flow->marks & search->marks &&
		    flow_key_equal(&flow->key, search->key))
			return slot + 1;
		found &= found - 1;
	}
	return 0;
}

/* The slot of the flow plus one, or 0 where it has none. */
static __always_inline __u32 slot_find(const struct slot_search *search,
				       const struct flow_spot *spot)
{
	for (int choice = 0; choice < 2; choice++) {
		__u32 group = spot->group[choice];
		const struct ftpfix_flow_group *found = bpf_map_lookup_elem(&flow_groups, &group);

		for (int word = 0; found && word < WORDS_OF_GROUP; word++) {
			__u32 first = group * FTPFIX_GROUP_SLOTS + word * SLOTS_OF_WORD;
			__u32 slot = slot_among(found->tags[word], first, search);

			if (slot)
				return slot;
		}
	}
	return 0;
}

/* Reads the slot in which the flow most often is, for nothing but to have its memory on the way
 * while that of the tags is: in a large table both are far away. */
static __always_inline void slot_prefetch(__u32 slot)
{
	const struct ftpfix_flow *flow = flow_at(slot);

	if (flow)
		(void)*(const volatile __u32 *)flow->key.word;
}

/* Where the tuple's flow may stand. */
static __always_inline void flow_spot_of(struct ftpfix_flow_key *key, struct flow_spot *spot,
					 const struct ftpfix_tuple *tuple)
{
	flow_key(key, tuple, flow_seed);
	flow_spot(spot, key, flow_seed, flow_group_count);
	slot_prefetch(spot->group[0] * FTPFIX_GROUP_SLOTS + spot->home);
}

/* The slot of the tuple's flow plus one, or 0. */
__global __u32 flow_slot(const struct ftpfix_tuple *tuple)
{
	struct ftpfix_flow_key key;
	struct slot_search search = {.key = &key, .marks = FTPFIX_MARK_LIVE};
	struct flow_spot spot;

	if (!tuple)
		return 0;
	flow_spot_of(&key, &spot, tuple);
	search.tag = spot.tag;
	return slot_find(&search, &spot);
}

/* Whether any slot of the group has the tag. */
static __always_inline int group_has(const struct ftpfix_flow_group *group, __u32 tag)
{
	__u64 found = 0;

	for (int word = 0; word < WORDS_OF_GROUP; word++)
		found |= bytes_zero(group->tags[word] ^ tag * EACH_BYTE);
	return found != 0;
}

/*
 * As flow_slot(), for a packet by its own tuple, whose program begins as to grace.h only where there
 * may be such a flow: no group of a packet that is none of ours has its tag, as a rule. What the tags
 * say counts only if it is no, for an entry may have become another's before the program began.
 */
__global __u32 flow_slot_begin(const struct ftpfix_tuple *tuple)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_flow_key key;
	struct slot_search search = {.key = &key, .marks = FTPFIX_MARK_LIVE};
	struct flow_spot spot;

	if (!tuple || !scratch)
		return 0;
	flow_spot_of(&key, &spot, tuple);
	search.tag = spot.tag;
	for (int choice = 0; choice < 2; choice++) {
		__u32 group = spot.group[choice];
		const struct ftpfix_flow_group *found = bpf_map_lookup_elem(&flow_groups, &group);

		if (found && group_has(found, spot.tag)) {
			grace_begin_packet(scratch);
			return slot_find(&search, &spot);
		}
	}
	return 0;
}

/* How many slots of the group are free. */
static __always_inline __u32 group_free(const struct ftpfix_flow_group *group)
{
	__u32 free = 0;

	for (int word = 0; word < WORDS_OF_GROUP; word++)
		free += (bytes_zero(group->tags[word]) >> 7) * EACH_BYTE >> 56;
	return free;
}

/* The word in which a slot without a flow has the stamp of its grace period: nobody reads the key
 * of what is not live. 0: none. */
static __always_inline __u32 *slot_stamp(struct ftpfix_flow *flow)
{
	return &flow->key.word[0];
}

/* Gives a slot back that is the caller's. */
static __always_inline void slot_release_in(void *groups, __u32 slot)
{
	__u32 shift;
	__u64 *tags = slot_tags(groups, slot, &shift), before;

	if (!tags)
		return;
	before = __sync_fetch_and_and(tags, ~(0xffULL << shift));
	barrier_var(before);
}

static __always_inline void slot_release(__u32 slot)
{
	slot_release_in(&flow_groups, slot);
}

/* Claims the slot if it is free and its grace period over. Returns 1 then, or 0. Where another CPU
 * changes a tag beside it meanwhile the next slot will do. */
__global int slot_try(__u32 slot)
{
	struct ftpfix_flow *flow = flow_at(slot);
	__u64 *tags, before;
	__u32 shift;

	tags = slot_tags(&flow_groups, slot, &shift);
	if (!tags || !flow)
		return 0;
	before = *(volatile __u64 *)tags;
	if (before >> shift & 0xff ||
	    __sync_val_compare_and_swap(tags, before, before | (__u64)FTPFIX_TAG_BUSY << shift) !=
		    before)
		return 0;
	if (grace_over(*(volatile __u32 *)slot_stamp(flow)))
		return 1;
	slot_release(slot);
	return 0;
}

/* Claims a slot of the group, the first that can be had from the home slot on, of its word
 * before the other. Returns its number plus one, or 0. */
static __always_inline __u32 group_claim(__u32 group, __u32 home)
{
	for (__u32 turn = 0; turn < FTPFIX_GROUP_SLOTS; turn++) {
		__u32 word = (home + (turn & SLOTS_OF_WORD)) & SLOTS_OF_WORD;
		__u32 slot = group * FTPFIX_GROUP_SLOTS + word + (home + turn) % SLOTS_OF_WORD;

		if (slot_try(slot))
			return slot + 1;
	}
	return 0;
}

/* Claims a slot for a key with this spot. Returns its number plus one, which is busy, or 0 when
 * there is none. */
static __always_inline __u32 slot_claim(const struct flow_spot *spot)
{
	__u32 first = spot->group[0], second = spot->group[1], slot;
	const struct ftpfix_flow_group *one, *other;

	one = bpf_map_lookup_elem(&flow_groups, &first);
	other = bpf_map_lookup_elem(&flow_groups, &second);
	if (!one || !other)
		return 0;
	if (group_free(one) <= FTPFIX_GROUP_SLOTS - FLOW_GROUP_PREFERRED &&
	    group_free(other) > group_free(one)) {
		slot = first;
		first = second;
		second = slot;
	}
	slot = group_claim(first, spot->home);
	return slot ? slot : group_claim(second, spot->home);
}

/* Shows a busy slot to those who look for its tag. A full barrier: they see its contents. */
static __always_inline void slot_publish_in(void *groups, __u32 slot, __u32 tag)
{
	__u32 shift;
	__u64 *tags = slot_tags(groups, slot, &shift), before;

	if (!tags)
		return;
	before = __sync_fetch_and_xor(tags, (__u64)(FTPFIX_TAG_BUSY ^ tag) << shift);
	/* Only an atomic whose result is used is a barrier. */
	barrier_var(before);
}

static __always_inline void slot_publish(__u32 slot, __u32 tag)
{
	slot_publish_in(&flow_groups, slot, tag);
}

/* The word of a flow in which its marks are, which others set at the same time. */
union flow_word {
	__u32 word;
	struct {
		__u8 place;
		__u8 marks;
		__u8 progress;
		__u8 wraps;
	};
};

static __always_inline __u32 *flow_word(struct ftpfix_flow *flow)
{
	return (__u32 *)&flow->place;
}

/* Sets the mark. Returns the marks that were there before. */
static __always_inline __u8 flow_mark(struct ftpfix_flow *flow, __u8 mark)
{
	union flow_word bits = {.marks = mark};

	bits.word = __sync_fetch_and_or(flow_word(flow), bits.word);
	barrier_var(bits.word);
	return bits.marks;
}

/* Takes the mark away. Returns the marks that were there before. */
static __always_inline __u8 flow_unmark(struct ftpfix_flow *flow, __u8 mark)
{
	union flow_word bits = {.marks = mark};

	bits.word = __sync_fetch_and_and(flow_word(flow), ~bits.word);
	barrier_var(bits.word);
	return bits.marks;
}

#endif /* FTPFIX_FLOW_SLOTS_H */
