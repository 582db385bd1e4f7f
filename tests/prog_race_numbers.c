// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The two directions of one session on two CPUs: while one keeps lines back and lets
 * them go longer, the other has its acknowledgements translated. Whenever that happens,
 * the result is that of one of the states in between, and of no mixture.
 */
#include <pthread.h>

#include "prog_stream.h"

#define ROUNDS 4000
#define LINES 4
#define HEAD 7 /* bytes of each line that are sent by themselves */
#define START 0xffffff80

/* The segments of the replies: a line's start, its end, and so on. */
#define SEGMENTS (2 * LINES)

struct race {
	struct talk talk;
	struct frame segment[SEGMENTS];
	pthread_barrier_t begin;
	pthread_barrier_t end;
	int done;    /* 1: the round's segments were all sent */
	__u32 wrong; /* acknowledgements that became what they never are */
	__u32 asked;
	int failed; /* 1: a program run failed, or did not pass */
};

static int run_bare(const struct race *race, enum program program, const struct frame *frame,
		    struct frame *output)
{
	struct __sk_buff context = {.ifindex = race->talk.world->uplink};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->length, .data_out = output->bytes,
		    .data_size_out = sizeof(output->bytes), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	return bpf_prog_test_run_opts(race->talk.world->program[program], &options) ||
	       options.retval != (__u32)TC_ACT_UNSPEC;
}

static void *replies(void *context)
{
	struct race *race = context;
	struct frame output;

	on_cpu(0);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&race->begin);
		for (int segment = 0; segment < SEGMENTS; segment++)
			if (run_bare(race, UPLINK_EGRESS, &race->segment[segment], &output))
				__atomic_store_n(&race->failed, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&race->done, 1, __ATOMIC_RELEASE);
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

/* What an acknowledgement becomes when so many segments have passed. */
static __u32 translated(__u32 out, int segments)
{
	__u32 length = strlen(VSFTPD), longer = strlen(LONGER);
	__u32 done = segments / 2, offset = out - START, line = offset / longer;

	if ((__s32)offset < 0)
		return out;
	if (line < done)
		return START + line * length + HEAD;
	/* Behind all that was let go; with a start kept back behind that. */
	return START + done * length + (offset - done * longer) + (segments & 1 ? HEAD : 0);
}

/* The same in front of lines that are forgotten, for all of them was acknowledged: their
 * growth is taken away from every number. */
static int forgotten(__u32 out, __u32 in, __u32 acknowledged)
{
	__u32 length = strlen(VSFTPD), longer = strlen(LONGER);

	for (__u32 lines = 1; lines <= LINES; lines++) {
		__u32 end = START + lines * longer;

		if ((__s32)(acknowledged - end) >= 0 && (__s32)(out - end) < 0 &&
		    in == out - lines * (longer - length))
			return 1;
	}
	return 0;
}

static int possible(__u32 out, __u32 in, __u32 acknowledged)
{
	for (int segments = 0; segments <= SEGMENTS; segments++)
		if (translated(out, segments) == in)
			return 1;
	return forgotten(out, in, acknowledged);
}

static __u32 get32(const __u8 *at)
{
	return (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static void *acknowledgements(void *context)
{
	struct race *race = context;
	struct frame frame, output;
	unsigned int seed = 1;

	on_cpu(1);
	for (int round = 0; round < ROUNDS; round++) {
		__u32 acknowledged = START - 4;

		pthread_barrier_wait(&race->begin);
		do {
			__u32 out = START - 4 + rand_r(&seed) % (LINES * strlen(LONGER) + 8);
			struct piece piece = PIECE(race->talk.client_sequence, out);

			piece_frame(&race->talk, UPLINK_INGRESS, &piece, &frame);
			if (run_bare(race, UPLINK_INGRESS, &frame, &output))
				__atomic_store_n(&race->failed, 1, __ATOMIC_RELAXED);
			race->asked++;
			race->wrong += !possible(out, get32(output.bytes + frame.transport + 8),
						 acknowledged);
			if ((__s32)(out - acknowledged) > 0)
				acknowledged = out;
		} while (!__atomic_load_n(&race->done, __ATOMIC_ACQUIRE));
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

static void build_segments(struct race *race)
{
	__u32 sequence = START;

	for (int segment = 0; segment < SEGMENTS; segment++) {
		const char *text = segment & 1 ? &VSFTPD[HEAD] : head_of(VSFTPD, HEAD);
		struct piece piece = PIECE(sequence, race->talk.client_sequence, text);

		piece_frame(&race->talk, UPLINK_EGRESS, &piece, &race->segment[segment]);
		sequence += strlen(text);
	}
}

static void numbers_are_never_mixed(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, START);
	struct race race = {.talk = stream.talk};
	pthread_t thread[2];
	struct talk again;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("# needs 2 CPUs\n");
		skip();
	}
	build_segments(&race);
	pthread_barrier_init(&race.begin, NULL, 3);
	pthread_barrier_init(&race.end, NULL, 3);
	assert_int_equal(pthread_create(&thread[0], NULL, replies, &race), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, acknowledgements, &race), 0);
	for (int round = 0; round < ROUNDS; round++) {
		map_clear(race.talk.world->skeleton->maps.sessions);
		map_clear(race.talk.world->skeleton->maps.drafts);
		again = race.talk;
		again.client_sequence -= strlen("PASV\r\nPASV\r\nPASV\r\nPASV\r\n");
		talk_ask(&again, "PASV\r\nPASV\r\nPASV\r\nPASV\r\n");
		__atomic_store_n(&race.done, 0, __ATOMIC_RELEASE);
		pthread_barrier_wait(&race.begin);
		pthread_barrier_wait(&race.end);
	}
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	pthread_barrier_destroy(&race.begin);
	pthread_barrier_destroy(&race.end);
	print_message("# %u acknowledgements\n", race.asked);
	assert_int_equal(race.failed, 0);
	assert_int_equal(race.wrong, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_never_mixed),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
