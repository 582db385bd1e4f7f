// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two connections that open on two CPUs at the same moment, and would reach one server from
 * one port: no more than one of them keeps it, and what is in the table is whole. A race shows
 * only now and then: the rounds are many, and each of them has a right result.
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

/* What stands in the groups of a key: how many flows of it; how many free slots that say they
 * hold a flow, or taken ones that hold none. */
struct found {
	__u32 flows;
	__u32 torn;
};

static struct found find(const struct world *world, struct ftpfix_tuple tuple)
{
	struct ftpfix_flow_key key;
	struct flow_spot spot = flow_spot_of(world, &tuple, &key);
	struct found found = {};

	for (__u32 index = 0; index < 2 * FTPFIX_GROUP_SLOTS; index++) {
		__u32 group = spot.group[index / FTPFIX_GROUP_SLOTS];
		__u32 slot = group * FTPFIX_GROUP_SLOTS + index % FTPFIX_GROUP_SLOTS;
		const struct ftpfix_flow *flow = &world->flows[slot];
		int live = !!(flow->marks & FTPFIX_MARK_LIVE);

		found.torn += live != !!*slot_tag(world, slot);
		found.flows += live && *slot_tag(world, slot) == spot.tag &&
			       !memcmp(&flow->key, &key, sizeof(key));
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

/* Clients with one port, whose SYNs come at once. */
struct course {
	struct dial dials[RACERS];
	struct racer racer[RACERS];
	pthread_t thread[RACERS];
	pthread_barrier_t begin;
	pthread_barrier_t end;
};

static void course_start(struct course *course, const struct talk *talk)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < RACERS) {
		print_message("# needs %d CPUs\n", RACERS);
		skip();
	}
	pthread_barrier_init(&course->begin, NULL, RACERS + 1);
	pthread_barrier_init(&course->end, NULL, RACERS + 1);
	for (int number = 0; number < RACERS; number++) {
		struct racer *racer = &course->racer[number];
		struct dial *dial = &course->dials[number];

		*dial = balance_dial(talk);
		dial->client += number;
		dial_up_frame(dial, SYN, dial->client_sequence, "", 0, &racer->syn);
		racer->world = talk->world;
		racer->cpu = number;
		racer->begin = &course->begin;
		racer->end = &course->end;
		assert_int_equal(pthread_create(&course->thread[number], NULL, race, racer), 0);
	}
}

/* Returns how many of the two SYNs went on. */
static __u32 course_run(struct course *course)
{
	__u32 carried = 0;

	world_clear_flows(course->racer[0].world);
	pthread_barrier_wait(&course->begin);
	pthread_barrier_wait(&course->end);
	for (int number = 0; number < RACERS; number++) {
		assert_int_equal(course->racer[number].err, 0);
		carried += course->racer[number].verdict == TC_ACT_REDIRECT;
	}
	return carried;
}

static void course_end(struct course *course)
{
	for (int number = 0; number < RACERS; number++)
		pthread_join(course->thread[number], NULL);
	pthread_barrier_destroy(&course->begin);
	pthread_barrier_destroy(&course->end);
}

/* Other ports are free: each gets one. */
static void one_of_two_keeps_the_port(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	__u32 shared = 0, lost = 0, torn = 0;
	struct course course = {};

	course_start(&course, &talk);
	for (int round = 0; round < ROUNDS; round++) {
		struct found found;

		lost += course_run(&course) != RACERS || taken(talk.world) != 2 * RACERS;
		found = find(talk.world, dial_down_key(&course.dials[0]));
		shared += found.flows > 1;
		torn += found.torn;
		for (int number = 0; number < RACERS; number++) {
			found = find(talk.world, dial_up_key(&course.dials[number]));
			lost += found.flows != 1;
			torn += found.torn;
		}
	}
	course_end(&course);
	print_message("# shared %u, lost %u, torn %u\n", shared, lost, torn);
	assert_int_equal(shared + lost + torn, 0);
}

/* There is no other port, and neither is established: one has it in the end, or none. */
static void only_port(struct ftpfix *skeleton)
{
	skeleton->rodata->source_port_low = 40000;
	skeleton->rodata->source_port_high = 40000;
}

static void one_of_two_gets_the_only_port(void **state)
{
	struct world *world = *state ? world_open_configured(0, 0, only_port) : NULL;
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	__u32 shared = 0, lost = 0, torn = 0;
	struct course course = {};

	course_start(&course, &talk);
	for (int round = 0; round < ROUNDS; round++) {
		struct found back, one, other;

		course_run(&course);
		back = find(world, dial_down_key(&course.dials[0]));
		one = find(world, dial_up_key(&course.dials[0]));
		other = find(world, dial_up_key(&course.dials[1]));
		shared += back.flows > 1;
		lost += one.flows + other.flows != back.flows || taken(world) != 2 * back.flows;
		torn += back.torn + one.torn + other.torn;
	}
	course_end(&course);
	print_message("# shared %u, lost %u, torn %u\n", shared, lost, torn);
	assert_int_equal(shared + lost + torn, 0);
	world_close(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_keeps_the_port),
		cmocka_unit_test(one_of_two_gets_the_only_port),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
