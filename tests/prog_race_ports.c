// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two connections that open on two CPUs at the same moment, and would reach one server from
 * one port: no more than one of them keeps it, and each is whole. A race shows only now and then: the
 * rounds are many, and each of them has one right result.
 */
#include <pthread.h>

#include "prog_balance.h"

#define ROUNDS 20000
#define RACERS 2

struct racer {
	struct world *world;
	int cpu;
	struct frame syn;
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
	int verdict; /* of the round */
	int err;
};

static void *race(void *context)
{
	struct racer *racer = context;
	struct __sk_buff packet = {.ifindex = racer->world->uplink};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(racer->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int round = 0; round < ROUNDS; round++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = racer->syn.bytes,
			    .data_size_in = racer->syn.length, .ctx_in = &packet,
			    .ctx_size_in = sizeof(packet));

		pthread_barrier_wait(racer->begin);
		racer->err =
			bpf_prog_test_run_opts(racer->world->program[UPLINK_INGRESS], &options);
		racer->verdict = options.retval;
		pthread_barrier_wait(racer->end);
	}
	return NULL;
}

/* Where a key may stand: how many flows of it there are, and how many free slots say that
 * they hold a flow. */
struct found {
	__u32 flows;
	__u32 left;
};

static struct found find(const struct world *world, const struct ftpfix_tuple *tuple)
{
	struct ftpfix_flow_key key;
	struct flow_spot spot = flow_spot_of(world, tuple, &key);
	struct found found = {};

	for (__u32 index = 0; index < 2 * FTPFIX_GROUP_SLOTS; index++) {
		__u32 group = spot.group[index / FTPFIX_GROUP_SLOTS];
		__u32 slot = group * FTPFIX_GROUP_SLOTS + index % FTPFIX_GROUP_SLOTS;
		const struct ftpfix_flow *flow = &world->flows[slot];
		int live = flow->marks & FTPFIX_MARK_LIVE;

		if (live && !*slot_tag(world, slot))
			found.left++;
		else if (live && !memcmp(&flow->key, &key, sizeof(key)))
			found.flows++;
	}
	return found;
}

/* How many slots are taken; most groups are free. */
static __u32 taken(const struct world *world)
{
	__u32 count = 0;

	for (__u32 group = 0; group < world->group_count; group++)
		if (world->groups[group].tags[0] || world->groups[group].tags[1])
			count += FTPFIX_GROUP_SLOTS - group_free_of(world, group);
	return count;
}

static void one_of_two_keeps_the_port(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dials[RACERS] = {balance_dial(&talk), balance_dial(&talk)};
	struct ftpfix_tuple back = dial_down_key(&dials[0]);
	struct racer racer[RACERS] = {};
	pthread_barrier_t begin, end;
	pthread_t thread[RACERS];
	__u32 shared = 0, lost = 0, left = 0, failed = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < RACERS) {
		print_message("# needs %d CPUs\n", RACERS);
		skip();
	}
	pthread_barrier_init(&begin, NULL, RACERS + 1);
	pthread_barrier_init(&end, NULL, RACERS + 1);
	dials[1].client++;
	for (int number = 0; number < RACERS; number++) {
		dial_up_frame(&dials[number], SYN, dials[number].client_sequence, "", 0,
			      &racer[number].syn);
		racer[number].world = talk.world;
		racer[number].cpu = number;
		racer[number].begin = &begin;
		racer[number].end = &end;
		assert_int_equal(pthread_create(&thread[number], NULL, race, &racer[number]), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct found found;

		world_clear_flows(talk.world);
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		found = find(talk.world, &back);
		shared += found.flows > 1;
		lost += taken(talk.world) != 2 * RACERS;
		left += found.left;
		for (int number = 0; number < RACERS; number++) {
			struct ftpfix_tuple key = dial_up_key(&dials[number]);

			found = find(talk.world, &key);
			lost += found.flows != 1;
			left += found.left;
			failed += racer[number].err || racer[number].verdict != TC_ACT_REDIRECT;
		}
	}
	for (int number = 0; number < RACERS; number++)
		pthread_join(thread[number], NULL);
	pthread_barrier_destroy(&begin);
	pthread_barrier_destroy(&end);
	if (shared || lost || left || failed)
		print_error("# shared %u, lost %u, left %u, failed %u\n", shared, lost, left,
			    failed);
	assert_int_equal(shared + lost + left + failed, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_keeps_the_port),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
