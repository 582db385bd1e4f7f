// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Maglev tables: shares by weight, few slots that change hands when a server comes or
 * goes, and the same table whatever order the servers were named in.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <time.h>

#include "../loader/maglev.c"

#define SLOTS FTPFIX_MAGLEV_SLOTS

static struct maglev_server server(__u32 number, __u32 weight)
{
	/* 10.0.x.y, and every third one at a port of its own. */
	return (struct maglev_server){
		.endpoint = {.addr = {{0, 0, htonl(0xffff), htonl(0x0a000000 + number)}},
			     .be_port = htons(number % 3 ? 21 : 2121)},
		.weight = weight,
		.number = number,
	};
}

static void count_slots(const __u32 table[SLOTS], size_t servers, __u32 *slots)
{
	memset(slots, 0, servers * sizeof(*slots));
	for (size_t i = 0; i < SLOTS; i++) {
		if (table[i] >= servers)
			fail_msg("slot %zu names server %u of %zu", i, table[i], servers);
		slots[table[i]]++;
	}
}

static void empty(void **state)
{
	static __u32 table[SLOTS];

	(void)state;
	maglev_fill(table, NULL, 0);
	for (size_t i = 0; i < SLOTS; i++)
		assert_int_equal(table[i], FTPFIX_MAGLEV_NONE);
}

static void one_has_all(void **state)
{
	static __u32 table[SLOTS];
	struct maglev_server only = server(7, 65535);

	(void)state;
	maglev_fill(table, &only, 1);
	for (size_t i = 0; i < SLOTS; i++)
		assert_int_equal(table[i], 7);
}

/* Each share is within two slots of what its weight says, which is far below one per
 * cent: turns are taken in proportion. */
static void check_shares(const __u32 *weights, size_t count)
{
	static __u32 table[SLOTS];
	struct maglev_server servers[FTPFIX_BACKENDS_MAX];
	__u32 slots[FTPFIX_BACKENDS_MAX];
	double total = 0;

	for (size_t i = 0; i < count; i++) {
		servers[i] = server(i, weights[i]);
		total += weights[i];
	}
	maglev_fill(table, servers, count);
	count_slots(table, count, slots);
	for (size_t i = 0; i < count; i++) {
		double due = SLOTS * weights[i] / total;

		if (slots[i] < due - 2 || slots[i] > due + 2)
			fail_msg("weight %u of %.0f: %u slots, due are %.1f", weights[i], total,
				 slots[i], due);
	}
}

static void shares(void **state)
{
	static const __u32 equal[] = {1, 1, 1}, heavy[] = {9, 9, 9, 9}, mixed[] = {1, 2, 3, 10},
			   odd[] = {100, 250, 7, 33}, high[] = {65535, 65534, 32768};
	__u32 many[FTPFIX_BACKENDS_MAX];

	(void)state;
	check_shares(equal, 3);
	check_shares(heavy, 4);
	check_shares(mixed, 4);
	check_shares(odd, 4);
	check_shares(high, 3);
	for (size_t i = 0; i < FTPFIX_BACKENDS_MAX; i++)
		many[i] = 1 + i % 5;
	check_shares(many, FTPFIX_BACKENDS_MAX);
}

/* The lightest beside the heaviest has a slot, if not its 65536th part of all. */
static void light_ones_have_a_slot(void **state)
{
	static __u32 table[SLOTS];
	struct maglev_server servers[FTPFIX_BACKENDS_MAX];
	__u32 slots[FTPFIX_BACKENDS_MAX];

	(void)state;
	for (size_t i = 0; i < FTPFIX_BACKENDS_MAX; i++)
		servers[i] = server(i, i ? 1 : 65535);
	maglev_fill(table, servers, FTPFIX_BACKENDS_MAX);
	count_slots(table, FTPFIX_BACKENDS_MAX, slots);
	for (size_t i = 1; i < FTPFIX_BACKENDS_MAX; i++)
		assert_in_range(slots[i], 1, 2);
}

/* Of N servers one goes: its slots must change hands, and beside them at most one in a
 * hundred of all. Plain hashing modulo N would move all but one in N. */
static void check_disruption(size_t count, __u32 weight_of_last)
{
	static __u32 before[SLOTS], after[SLOTS];
	struct maglev_server servers[FTPFIX_BACKENDS_MAX];
	__u32 slots[FTPFIX_BACKENDS_MAX], others = 0;

	for (size_t i = 0; i < count; i++)
		servers[i] = server(i, i + 1 == count ? weight_of_last : 2);
	maglev_fill(before, servers, count);
	maglev_fill(after, servers, count - 1);
	count_slots(before, count, slots);
	for (size_t i = 0; i < SLOTS; i++) {
		assert_true(after[i] < count - 1);
		others += before[i] != count - 1 && before[i] != after[i];
	}
	print_message("# %zu servers, the last one goes: %u slots must move, %u others do\n", count,
		      slots[count - 1], others);
	if (others > SLOTS / 100)
		fail_msg("%u slots of others moved beside %u", others, slots[count - 1]);
}

static void few_others_move(void **state)
{
	(void)state;
	/* Both ways: what moves when one comes is what moves back when it goes. */
	check_disruption(2, 2);
	check_disruption(3, 2);
	check_disruption(10, 2);
	check_disruption(10, 1);
	check_disruption(100, 2);
	check_disruption(FTPFIX_BACKENDS_MAX, 2);
}

static void order_does_not_matter(void **state)
{
	static __u32 table[SLOTS], shuffled_table[SLOTS];
	struct maglev_server servers[20], shuffled[20];

	(void)state;
	srand(7);
	for (size_t i = 0; i < 20; i++)
		shuffled[i] = servers[i] = server(i, 1 + i % 3);
	maglev_fill(table, servers, 20);
	for (int round = 0; round < 5; round++) {
		for (size_t i = 19; i > 0; i--) {
			size_t other = rand() % (i + 1);
			struct maglev_server swap = shuffled[i];

			shuffled[i] = shuffled[other];
			shuffled[other] = swap;
		}
		maglev_fill(shuffled_table, shuffled, 20);
		assert_memory_equal(table, shuffled_table, sizeof(table));
	}
}

/* What other nodes of the cluster have, of this version or another, must not change. */
static void the_hash_is_fixed(void **state)
{
	struct maglev_server first = server(1, 1), six = first;

	(void)state;
	inet_pton(AF_INET6, "2001:db8::5", &six.endpoint.addr);
	six.endpoint.be_port = htons(2121);
	assert_true(hash(&first.endpoint, 0xcbf29ce484222325ULL) == 0xeac7ef0b64c6ff80ULL);
	assert_true(hash(&six.endpoint, 0x340d631b7bdddcdaULL) == 0x53fe7d3d84ac9254ULL);
}

static void is_fast(void **state)
{
	static __u32 table[SLOTS];
	struct maglev_server servers[FTPFIX_BACKENDS_MAX];
	struct timespec start, end;
	long milliseconds;

	(void)state;
	for (size_t i = 0; i < FTPFIX_BACKENDS_MAX; i++)
		servers[i] = server(i, 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	maglev_fill(table, servers, FTPFIX_BACKENDS_MAX);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	milliseconds = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	print_message("# %d servers: %ld ms under the sanitizers\n", FTPFIX_BACKENDS_MAX,
		      milliseconds);
	assert_true(milliseconds < 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(one_has_all),
		cmocka_unit_test(shares),
		cmocka_unit_test(light_ones_have_a_slot),
		cmocka_unit_test(few_others_move),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(the_hash_is_fixed),
		cmocka_unit_test(is_fast),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
