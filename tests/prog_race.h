/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Program tests on several CPUs at once: each sends a frame of its own to one program, again and
 * again, at the same moment as the others. What they should come to is not known here.
 */
#ifndef FTPFIX_PROG_RACE_H
#define FTPFIX_PROG_RACE_H

#include <pthread.h>

#include "prog.h"

#define ROUNDS 20000
#define RACERS 2

struct racer {
	struct world *world;
	enum program program;
	int cpu;
	struct frame frame;
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
	int verdict; /* of the round */
	int err;
};

static inline void *race(void *context)
{
	struct racer *racer = context;
	struct __sk_buff packet = {.ifindex = program_interface(racer->world, racer->program)};

	on_cpu(racer->cpu);
	for (int round = 0; round < ROUNDS; round++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &packet,
			    .ctx_size_in = sizeof(packet));

		pthread_barrier_wait(racer->begin);
		options.data_in = racer->frame.bytes;
		options.data_size_in = racer->frame.length;
		racer->err =
			bpf_prog_test_run_opts(racer->world->program[racer->program], &options);
		racer->verdict = options.retval;
		pthread_barrier_wait(racer->end);
	}
	return NULL;
}

/* Racers, each on a CPU of its own, who all send their frames when a round begins. */
struct course {
	struct racer racer[RACERS];
	pthread_t thread[RACERS];
	pthread_barrier_t begin;
	pthread_barrier_t end;
};

static inline void course_start(struct course *course, struct world *world, enum program program)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < RACERS) {
		print_message("# needs %d CPUs\n", RACERS);
		skip();
	}
	pthread_barrier_init(&course->begin, NULL, RACERS + 1);
	pthread_barrier_init(&course->end, NULL, RACERS + 1);
	for (int number = 0; number < RACERS; number++) {
		struct racer *racer = &course->racer[number];

		racer->world = world;
		racer->program = program;
		racer->cpu = number;
		racer->begin = &course->begin;
		racer->end = &course->end;
		assert_int_equal(pthread_create(&course->thread[number], NULL, race, racer), 0);
	}
}

/* Both send their frames. */
static inline void course_run(struct course *course)
{
	pthread_barrier_wait(&course->begin);
	pthread_barrier_wait(&course->end);
	for (int number = 0; number < RACERS; number++)
		assert_int_equal(course->racer[number].err, 0);
}

static inline void course_end(struct course *course)
{
	for (int number = 0; number < RACERS; number++)
		pthread_join(course->thread[number], NULL);
	pthread_barrier_destroy(&course->begin);
	pthread_barrier_destroy(&course->end);
}

#endif /* FTPFIX_PROG_RACE_H */
