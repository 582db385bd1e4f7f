// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two CPUs in the same program at the same time. A race shows only now and then:
 * the rounds are many, and each of them has one right result.
 */
#include <pthread.h>

#include "prog_dial.h"

#define ROUNDS 20000
#define RACERS 2

struct racer {
	int program;
	__u32 ifindex;
	int cpu;
	struct frame frame;
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
	int verdict; /* of the round */
	int err;
};

static void *race(void *context)
{
	struct racer *racer = context;
	struct __sk_buff packet = {.ifindex = racer->ifindex};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(racer->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int round = 0; round < ROUNDS; round++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = racer->frame.bytes,
			    .data_size_in = racer->frame.length, .ctx_in = &packet,
			    .ctx_size_in = sizeof(packet));

		pthread_barrier_wait(racer->begin);
		racer->err = bpf_prog_test_run_opts(racer->program, &options);
		racer->verdict = options.retval;
		pthread_barrier_wait(racer->end);
	}
	return NULL;
}

static void start(struct racer *racer, struct talk talk, int number, pthread_t *thread)
{
	racer->program = talk.world->program[INSIDE_INGRESS];
	racer->ifindex = talk.world->server;
	racer->cpu = number;
	talk.server += number;
	talk.inner_sequence += 1000 * number;
	talk_inner(&talk, talk.inner_sequence, PSH | ACK, EXTENDED, strlen(EXTENDED),
		   &racer->frame);
	assert_int_equal(pthread_create(thread, NULL, race, racer), 0);
}

/* Two servers announce one port to a proxy: whichever is first is noted, and the
 * other must wait, for the uplink could not tell them apart. */
static void one_of_two_servers_is_noted(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct racer racer[RACERS] = {};
	pthread_barrier_t begin, end;
	pthread_t thread[RACERS];
	int both = 0, none = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < RACERS) {
		print_message("# needs %d CPUs\n", RACERS);
		skip();
	}
	pthread_barrier_init(&begin, NULL, RACERS + 1);
	pthread_barrier_init(&end, NULL, RACERS + 1);
	for (int number = 0; number < RACERS; number++) {
		racer[number].begin = &begin;
		racer[number].end = &end;
		start(&racer[number], talk_of(world), number, &thread[number]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		int passed;

		map_clear(world->skeleton->maps.seen);
		map_clear(world->skeleton->maps.sessions);
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		passed = (racer[0].verdict == TC_ACT_UNSPEC) + (racer[1].verdict == TC_ACT_UNSPEC);
		both += passed == 2 || racer[0].err || racer[1].err;
		none += passed == 0;
	}
	for (int number = 0; number < RACERS; number++)
		pthread_join(thread[number], NULL);
	pthread_barrier_destroy(&begin);
	pthread_barrier_destroy(&end);
	assert_int_equal(both, 0);
	assert_int_equal(none, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_servers_is_noted),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
