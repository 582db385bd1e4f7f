// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * By what flows are found: keys of tuples, which must not meet, and the groups and tags of keys,
 * which must be spread evenly. All is chosen by fixed seeds: what passes once passes always.
 */
#include <arpa/inet.h>

#include "flow_key.h"
#include "unit.h"

#define SEED 0x0123456789abcdefULL
#define TAGS (256 - FTPFIX_TAG_FIRST)

static uint64_t random_state;

/* xorshift64* */
static uint64_t random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static struct ftpfix_flow_key key_of(const struct ftpfix_tuple *tuple)
{
	struct ftpfix_flow_key key;

	memset(&key, 0xa5, sizeof(key));
	flow_key(&key, tuple, SEED);
	return key;
}

static struct ftpfix_tuple ipv4_tuple(const char *source, const char *destination)
{
	struct ftpfix_tuple tuple = {};

	tuple.source.be_word[2] = htonl(0xffff);
	tuple.destination.be_word[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, source, &tuple.source.be_word[3]), 1);
	assert_int_equal(inet_pton(AF_INET, destination, &tuple.destination.be_word[3]), 1);
	tuple.be_source_port = htons(0x1234);
	tuple.be_destination_port = htons(0x5678);
	return tuple;
}

/* The bytes of the packet, whatever the seed. */
static void ipv4_is_exact(void **state)
{
	static const unsigned char bytes[] = {198, 51, 100, 10, 203, 0, 113, 5};
	struct ftpfix_tuple tuple = ipv4_tuple("198.51.100.10", "203.0.113.5");

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct ftpfix_flow_key key;

		flow_key(&key, &tuple, seed * FLOW_KEY_PRIME_2);
		assert_memory_equal(&key, bytes, sizeof(bytes));
		assert_int_equal(key.word[2],
				 (uint32_t)htons(0x1234) << 16 | (uint32_t)htons(0x5678));
	}
}

/* Any single bit of what the key is made of makes another key. */
static void ipv4_has_every_bit(void **state)
{
	struct ftpfix_tuple tuple = ipv4_tuple("0.0.0.0", "255.255.255.255");
	struct ftpfix_flow_key before = key_of(&tuple);

	(void)state;
	for (int bit = 0; bit < 96; bit++) {
		struct ftpfix_tuple other = tuple;
		struct ftpfix_flow_key key;

		if (bit < 32)
			other.source.be_word[3] ^= 1u << bit;
		else if (bit < 64)
			other.destination.be_word[3] ^= 1u << (bit - 32);
		else if (bit < 80)
			other.be_source_port ^= 1u << (bit - 64);
		else
			other.be_destination_port ^= 1u << (bit - 80);
		key = key_of(&other);
		assert_false(flow_key_equal(&before, &key));
		for (int word = 0, changed = 0; word < 3; word++) {
			changed += __builtin_popcount(key.word[word] ^ before.word[word]);
			assert_in_range(changed, 0, 1);
		}
	}
	assert_true(flow_key_equal(&before, &before));
}

static int key_order(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct ftpfix_flow_key));
}

#define KEYS 1000000

/* Fails where two of the keys are the same. */
static void all_differ(struct ftpfix_flow_key *keys, size_t count)
{
	qsort(keys, count, sizeof(*keys), key_order);
	for (size_t index = 1; index < count; index++)
		if (!key_order(&keys[index - 1], &keys[index]))
			fail_msg("two of %zu keys are the same", count);
}

static struct ftpfix_flow_key *keys_begin(void)
{
	struct ftpfix_flow_key *keys = calloc(KEYS, sizeof(*keys));

	assert_non_null(keys);
	random_state = SEED;
	return keys;
}

/* A client's and a server's address, as they are in one network. */
static struct ftpfix_tuple ipv6_tuple(void)
{
	struct ftpfix_tuple tuple = {};

	assert_int_equal(inet_pton(AF_INET6, "2001:db8:c633::1", &tuple.source), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:a00::af", &tuple.destination), 1);
	tuple.be_source_port = htons(1024);
	tuple.be_destination_port = htons(21);
	return tuple;
}

/* One word of the addresses counts; the rest is the same. */
static void one_word_changes(void **state)
{
	struct ftpfix_flow_key *keys = keys_begin();
	uint32_t each = KEYS / 8;

	(void)state;
	for (uint32_t index = 0; index < 8 * each; index++) {
		struct ftpfix_tuple tuple = ipv6_tuple();
		uint32_t word = index / each, value = htonl(1 + index % each);

		(word < 4 ? &tuple.source : &tuple.destination)->be_word[word % 4] ^= value;
		keys[index] = key_of(&tuple);
	}
	all_differ(keys, 8 * each);
	free(keys);
}

/* All source ports, to several ports of a server; and the way back of each. */
static void ports_change_and_ends_are_swapped(void **state)
{
	struct ftpfix_flow_key *keys = keys_begin();

	(void)state;
	for (uint32_t index = 0; index < KEYS; index++) {
		struct ftpfix_tuple tuple = ipv6_tuple(), turned;
		uint32_t number = index / 2;

		tuple.be_source_port = number & 0xffff;
		tuple.be_destination_port = htons(21 + (number >> 16));
		turned = tuple;
		turned.source = tuple.destination;
		turned.destination = tuple.source;
		/* The ports stay where they are in some, so that only the addresses are swapped. */
		if (number & 1) {
			turned.be_source_port = tuple.be_destination_port;
			turned.be_destination_port = tuple.be_source_port;
		}
		keys[index] = key_of(index & 1 ? &turned : &tuple);
	}
	all_differ(keys, KEYS);
	free(keys);
}

/* Hardly a bit is set, and these anywhere: up to three of 288. */
static void few_bits(void **state)
{
	struct ftpfix_flow_key *keys = keys_begin();
	uint32_t count = 0;

	(void)state;
	for (int one = 0; one < 288 && count < KEYS; one++)
		for (int two = one; two < 288 && count < KEYS; two++)
			for (int three = two + (two > one); three < 288 && count < KEYS; three++) {
				const int bits[] = {one, two, three};
				struct ftpfix_tuple tuple = {};

				for (int index = 0; index < 3; index++)
					((unsigned char *)&tuple)[bits[index] / 8] |=
						1 << bits[index] % 8;
				/* IPv4 mapped into IPv6 has more. */
				keys[count++] = key_of(&tuple);
			}
	assert_int_equal(count, KEYS);
	all_differ(keys, KEYS);
	free(keys);
}

/* Of both families in one table. */
static void families_differ(void **state)
{
	struct ftpfix_flow_key *keys = keys_begin();

	(void)state;
	for (uint32_t index = 0; index < KEYS; index++) {
		struct ftpfix_tuple tuple =
			index & 1 ? ipv6_tuple() : ipv4_tuple("10.0.0.1", "10.0.0.2");

		tuple.source.be_word[3] ^= htonl(index / 2);
		keys[index] = key_of(&tuple);
	}
	all_differ(keys, KEYS);
	free(keys);
}

/* An address that only begins like a mapped one, or ends like one, is of IPv6. */
static void almost_mapped(void **state)
{
	struct ftpfix_tuple tuple = ipv4_tuple("198.51.100.10", "203.0.113.5");
	struct ftpfix_flow_key ipv4 = key_of(&tuple);

	(void)state;
	for (int word = 0; word < 3; word++) {
		struct ftpfix_tuple other = tuple;
		struct ftpfix_flow_key key;

		other.source.be_word[word] ^= htonl(0x10000);
		key = key_of(&other);
		assert_false(flow_key_equal(&ipv4, &key));
	}
}

/* Another seed is another key, and another spot. */
static void seed_counts(void **state)
{
	struct ftpfix_flow_key *keys = keys_begin();
	struct ftpfix_tuple tuple = ipv6_tuple();

	(void)state;
	for (uint32_t index = 0; index < KEYS; index++)
		flow_key(&keys[index], &tuple, index);
	all_differ(keys, KEYS);
	free(keys);
}

static struct ftpfix_flow_key random_key(void)
{
	uint64_t one = random_next(), other = random_next();

	return (struct ftpfix_flow_key){{one, one >> 32, other}};
}

/* Keys as they are: of the clients of one network to one server, all ports of each in turn. */
static struct ftpfix_flow_key usual_key(uint32_t number)
{
	struct ftpfix_tuple tuple = ipv4_tuple("10.0.0.0", "203.0.113.5");

	tuple.source.be_word[3] |= htonl(number >> 12);
	tuple.be_source_port = htons(32768 + (number & 0xfff));
	return key_of(&tuple);
}

/* How far the counts are from what is expected of them, by Pearson's sum, may be as much as
 * chance makes it: at most five standard deviations beside its mean. Keys that are much alike
 * may be spread more evenly. */
static void assert_even(const uint32_t *counts, const double *expected, uint32_t cells, int alike)
{
	double sum = 0, mean = cells - 1, bound = 50 * mean;

	for (uint32_t cell = 0; cell < cells; cell++) {
		double difference = counts[cell] - expected[cell];

		sum += difference * difference / expected[cell];
	}
	if ((sum - mean) * (sum - mean) > bound && (sum > mean || !alike))
		fail_msg("%u cells: %.1f, not about %.1f", cells, sum, mean);
}

#define THROWS 1000000

static void check_groups(uint32_t groups, int alike)
{
	uint32_t *counts[2] = {calloc(groups, 4), calloc(groups, 4)};
	double *expected = calloc(groups, sizeof(*expected)), pairs = (double)THROWS / groups;
	double same = 0;

	assert_true(counts[0] && counts[1] && expected);
	for (uint32_t number = 0; number < THROWS; number++) {
		struct ftpfix_flow_key key = alike ? usual_key(number) : random_key();
		struct flow_spot spot;

		flow_spot(&spot, &key, SEED, groups);
		assert_true(spot.group[0] < groups && spot.group[1] < groups);
		for (int choice = 0; choice < 2; choice++)
			counts[choice][spot.group[choice]]++;
		same += spot.group[0] == spot.group[1];
	}
	for (uint32_t group = 0; group < groups; group++)
		expected[group] = pairs;
	for (int choice = 0; choice < 2 && groups > 1; choice++)
		assert_even(counts[choice], expected, groups, alike);
	/* Either is chosen for itself. */
	if ((same - pairs) * (same - pairs) > 25 * pairs)
		fail_msg("%u groups: %.0f keys have one of them, not about %.0f", groups, same,
			 pairs);
	free(counts[0]);
	free(counts[1]);
	free(expected);
}

static void groups_are_even(void **state)
{
	static const uint32_t groups[] = {
		1, 2, 3, 5, 64, 1000, 4093, 16383, FTPFIX_FLOW_GROUPS_MAX};

	(void)state;
	random_state = SEED;
	for (size_t index = 0; index < sizeof(groups) / sizeof(groups[0]); index++)
		for (int alike = 0; alike < 2; alike++)
			check_groups(groups[index], alike);
}

/* The tags of all keys, and those of the keys of one group: two of them stand for two bytes of
 * the hash. */
static void check_tags(uint32_t groups, int alike)
{
	uint32_t counts[TAGS] = {}, count = 0;
	double expected[TAGS] = {};

	for (uint32_t number = 0; count < THROWS / 4; number++) {
		struct ftpfix_flow_key key = alike ? usual_key(number) : random_key();
		struct flow_spot spot;

		flow_spot(&spot, &key, SEED, groups);
		assert_in_range(spot.tag, FTPFIX_TAG_FIRST, 255);
		if (spot.group[0])
			continue;
		counts[spot.tag - FTPFIX_TAG_FIRST]++;
		count++;
	}
	for (uint32_t byte = 0; byte < 256; byte++)
		expected[byte * TAGS / 256] += count / 256.0;
	assert_even(counts, expected, TAGS, alike);
}

static void tags_are_even(void **state)
{
	(void)state;
	random_state = SEED;
	for (int alike = 0; alike < 2; alike++) {
		check_tags(1, alike);
		check_tags(2, alike);
		check_tags(7, alike);
		check_tags(64, alike);
	}
}

#define GROUPS 1024
#define FLOWS (GROUPS * FTPFIX_GROUP_SLOTS / 4 * 3)
#define CHURN 100000

/* Takes a place for the key as the dataplane does: in the first group while that holds few, or
 * else in the emptier. Returns the group, or -1. */
static int place(unsigned int *held, const struct ftpfix_flow_key *key, uint64_t seed)
{
	struct flow_spot spot;
	uint32_t group;

	flow_spot(&spot, key, seed, GROUPS);
	group = spot.group[0];
	if (held[group] >= FLOW_GROUP_PREFERRED && held[spot.group[1]] < held[group])
		group = spot.group[1];
	if (held[group] == FTPFIX_GROUP_SLOTS)
		return -1;
	held[group]++;
	return group;
}

/* A table that is filled to three quarters, of which connections go and others come, has room
 * for every one. */
static void room_for_all(void **state)
{
	static int places[FLOWS];

	(void)state;
	for (uint64_t run = 1; run <= 10; run++) {
		unsigned int held[GROUPS] = {};
		uint32_t refused = 0;

		random_state = run * SEED;
		for (uint32_t number = 0; number < FLOWS + CHURN; number++) {
			struct ftpfix_flow_key key = run & 1 ? random_key() : usual_key(number);
			uint32_t index = number < FLOWS ? number : random_next() % FLOWS;

			if (number >= FLOWS && places[index] >= 0)
				held[places[index]]--;
			places[index] = place(held, &key, run * SEED);
			refused += places[index] < 0;
		}
		assert_int_equal(refused, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_exact),
		cmocka_unit_test(ipv4_has_every_bit),
		cmocka_unit_test(one_word_changes),
		cmocka_unit_test(ports_change_and_ends_are_swapped),
		cmocka_unit_test(few_bits),
		cmocka_unit_test(families_differ),
		cmocka_unit_test(almost_mapped),
		cmocka_unit_test(seed_counts),
		cmocka_unit_test(groups_are_even),
		cmocka_unit_test(tags_are_even),
		cmocka_unit_test(room_for_all),
	};

	return cmocka_run_group_tests_name("flow_key", tests, NULL, NULL);
}
