// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A session ends by a reset on one CPU while another one reads a segment of it, and a new one
 * begins at once: what the second CPU has still to say of the first must not be said of it.
 */
#include <pthread.h>

#include "prog_talk.h"

#define ROUNDS 5000
#define RESET 4

/* Within so long both begin. */
#define SPREAD_NS 20000

#define READER_CPU 1
#define ENDER_CPU 0

/* What is sent in a round, in this order, and by which program. */
struct sender {
	struct world *world;
	int cpu;
	unsigned int seed;
	struct frame frame[2];
	enum program program[2];
	int frames;
	pthread_barrier_t *begin;
	pthread_barrier_t *end;
	int err;
};

static int send_frame(const struct sender *sender, int number)
{
	enum program program = sender->program[number];
	struct __sk_buff packet = {.ifindex = program_interface(sender->world, program)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = sender->frame[number].bytes,
		    .data_size_in = sender->frame[number].length, .ctx_in = &packet,
		    .ctx_size_in = sizeof(packet));

	return bpf_prog_test_run_opts(sender->world->program[program], &options);
}

static void *send_all(void *context)
{
	struct sender *sender = context;

	on_cpu(sender->cpu);
	for (int round = 0; round < ROUNDS; round++) {
		__u64 begins;

		pthread_barrier_wait(sender->begin);
		begins = now_ns() + rand_r(&sender->seed) % SPREAD_NS;
		while (now_ns() < begins)
			;
		for (int number = 0; number < sender->frames; number++)
			sender->err |= send_frame(sender, number);
		pthread_barrier_wait(sender->end);
	}
	return NULL;
}

/* The client of a session of its own in each round. */
static struct talk talk_number(struct world *world, int number)
{
	struct talk talk = talk_of(world);

	talk.client += number / 60000;
	talk.client_port = 1024 + number % 60000;
	return talk;
}

static void begins(struct talk *talk)
{
	struct frame frame;

	talk_command(talk, talk->client_sequence, ACK, "", 0, &frame);
	run_passes(talk->world, UPLINK_INGRESS, &frame);
}

/* The first one's reader takes long: many lines. */
static void frames_of(struct sender *reader, struct sender *ender, const struct talk *first,
		      const struct talk *second)
{
	static char text[1440];

	for (size_t at = 0; at < sizeof(text); at++)
		text[at] = "NOOP\r\n"[at % 6];
	reader->program[0] = UPLINK_INGRESS;
	reader->frames = 1;
	talk_command(first, first->client_sequence, PSH | ACK, text, sizeof(text),
		     &reader->frame[0]);
	ender->program[0] = UPLINK_EGRESS;
	ender->program[1] = UPLINK_INGRESS;
	ender->frames = 2;
	talk_response(first, first->server_sequence, RESET | ACK, "", 0, &ender->frame[0]);
	talk_command(second, second->client_sequence, ACK, "", 0, &ender->frame[1]);
}

static void the_next_one_is_its_own(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct sender reader = {.world = world, .cpu = READER_CPU, .seed = 1};
	struct sender ender = {.world = world, .cpu = ENDER_CPU, .seed = 2};
	pthread_barrier_t begin, end;
	pthread_t threads[2];
	int wrong = 0, absent = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) <= READER_CPU) {
		print_message("# needs %d CPUs\n", READER_CPU + 1);
		skip();
	}
	pthread_barrier_init(&begin, NULL, 3);
	pthread_barrier_init(&end, NULL, 3);
	reader.begin = ender.begin = &begin;
	reader.end = ender.end = &end;
	assert_int_equal(pthread_create(&threads[0], NULL, send_all, &reader), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, send_all, &ender), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct talk first = talk_number(world, 2 * round);
		struct talk second = talk_number(world, 2 * round + 1);
		struct ftpfix_session session;

		second.client_sequence = 0x08000000;
		second.server_sequence = 0xa0000000;
		frames_of(&reader, &ender, &first, &second);
		begins(&first);
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		if (!talk_session(&second, &session)) {
			absent++;
			continue;
		}
		wrong += session.client.next_sequence != second.client_sequence ||
			 session.client.acknowledged != second.server_sequence ||
			 session.client.column ||
			 session.server.next_sequence != second.server_sequence;
		talk_response(&second, second.server_sequence, RESET | ACK, "", 0, &ender.frame[0]);
		run_passes(world, UPLINK_EGRESS, &ender.frame[0]);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	print_message("# the next session was not as it began in %d rounds, not there in %d\n",
		      wrong, absent);
	assert_int_equal(reader.err | ender.err, 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(absent, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_one_is_its_own),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
