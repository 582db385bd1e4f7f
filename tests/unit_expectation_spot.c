// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where expectations stand: in a table that a fifth of is to stay free, all find a place, and
 * strangers do not know which. All is chosen by fixed seeds: what passes once passes always.
 */
#include <arpa/inet.h>

#include "expectation_spot.h"
#include "unit.h"

#define SEED 0x0123456789abcdefULL
#define KEYS 1000000
#define GROUPS (KEYS * 5 / 4 / FTPFIX_GROUP_SLOTS)
#define TAGS (256 - FTPFIX_TAG_FIRST)

struct key {
	struct ftpfix_addr peer;
	__be16 be_port;
};

/* The key of this number, of one kind. */
typedef struct key (*kind)(uint32_t number);

/* A million clients and one port; */
static struct key clients(uint32_t number)
{
	return (struct key){.peer.be_word = {0, 0, htonl(0xffff), htonl(0x0a000000 + number)},
			    .be_port = htons(21485)};
}

/* all ports of few clients; */
static struct key ports(uint32_t number)
{
	return (struct key){
		.peer.be_word = {0, 0, htonl(0xffff), htonl(0xc6336401 + (number >> 16))},
		.be_port = number};
}

/* clients of IPv6 in one network; */
static struct key clients_ipv6(uint32_t number)
{
	return (struct key){.peer.be_word = {htonl(0x20010db8), 0, 0, htonl(number)},
			    .be_port = htons(21485)};
}

/* and one of each of many networks. */
static struct key networks_ipv6(uint32_t number)
{
	return (struct key){.peer.be_word = {htonl(0x20010db8), htonl(number << 12), 0, 1},
			    .be_port = htons(21485)};
}

static const kind kinds[] = {clients, ports, clients_ipv6, networks_ipv6};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct flow_spot spot_of(struct key key, uint64_t seed)
{
	struct flow_spot spot;

	memset(&spot, 0xa5, sizeof(spot));
	expectation_spot(&spot, &key.peer, key.be_port, seed, GROUPS);
	return spot;
}

/* How many of the keys find no room in a table that is made for as many, placed as
 * bpf/expect_table.h does. */
static uint32_t without_room(kind key, uint32_t keys, uint64_t seed)
{
	uint32_t groups = (keys * 5 / 4 + FTPFIX_GROUP_SLOTS - 1) / FTPFIX_GROUP_SLOTS;
	uint8_t *taken = calloc(groups, 1);
	uint32_t without = 0;

	assert_non_null(taken);
	for (uint32_t number = 0; number < keys; number++) {
		struct key of = key(number);
		struct flow_spot spot;
		uint32_t group;

		expectation_spot(&spot, &of.peer, of.be_port, seed, groups);
		assert_in_range(spot.group[0], 0, groups - 1);
		assert_in_range(spot.group[1], 0, groups - 1);
		group = spot.group[0];
		if (taken[group] >= EXPECTATION_GROUP_PREFERRED &&
		    taken[spot.group[1]] < taken[group])
			group = spot.group[1];
		if (taken[group] < FTPFIX_GROUP_SLOTS)
			taken[group]++;
		else
			without++;
	}
	free(taken);
	return without;
}

static void all_find_a_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		assert_int_equal(without_room(kinds[i], KEYS, SEED), 0);
}

/* Whatever the seed: small tables fill up more unevenly. */
static void all_find_a_place_in_a_small_table(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++)
		assert_int_equal(without_room(clients, 1024, seed * FLOW_KEY_PRIME_2), 0);
}

/* Each tag is as common as the others, within a tenth, but for two: of 256 values 254 are
 * made. */
static void tags_are_even(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		uint32_t count[256] = {}, twice = 0;

		for (uint32_t number = 0; number < KEYS; number++)
			count[spot_of(kinds[i](number), SEED).tag & 255]++;
		assert_int_equal(count[FTPFIX_TAG_FREE] + count[FTPFIX_TAG_BUSY], 0);
		for (int tag = FTPFIX_TAG_FIRST; tag < 256; tag++) {
			assert_in_range(count[tag], KEYS / 256 * 9 / 10, 2 * KEYS / 256 * 11 / 10);
			twice += count[tag] > KEYS / 256 * 11 / 10;
		}
		assert_int_equal(twice, 256 - TAGS);
	}
}

/* Any single bit of peer, port or seed makes it another place. */
static void every_bit_counts(void **state)
{
	struct key key = {.peer.be_word = {htonl(0x20010db8), htonl(1), htonl(2), htonl(3)},
			  .be_port = htons(21485)};
	struct flow_spot before = spot_of(key, SEED);

	(void)state;
	for (int bit = 0; bit < 128 + 16 + 64; bit++) {
		struct flow_spot spot;
		struct key other = key;
		uint64_t seed = SEED;

		if (bit < 128)
			other.peer.be_word[bit / 32] ^= 1u << bit % 32;
		else if (bit < 144)
			other.be_port ^= 1u << (bit - 128);
		else
			seed ^= 1ULL << (bit - 144);
		spot = spot_of(other, seed);
		if (!memcmp(&spot, &before, sizeof(spot)))
			fail_msg("bit %d", bit);
	}
}

/* Clients who share both groups under one seed do not under another. */
static void seeds_part_them(void **state)
{
	uint32_t together = 0, still = 0;
	struct flow_spot first;

	(void)state;
	first = spot_of(clients(0), SEED);
	for (uint32_t number = 1; number < KEYS; number++) {
		struct flow_spot spot = spot_of(clients(number), SEED);
		struct flow_spot one, other;

		if (spot.group[0] != first.group[0])
			continue;
		together++;
		one = spot_of(clients(0), SEED + 2);
		other = spot_of(clients(number), SEED + 2);
		still += one.group[0] == other.group[0];
	}
	assert_true(together > 2);
	assert_int_equal(still, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_find_a_place),
		cmocka_unit_test(all_find_a_place_in_a_small_table),
		cmocka_unit_test(tags_are_even),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(seeds_part_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
