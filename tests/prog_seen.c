// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Notes of announcements whose memory becomes another's while a program has them: nobody is taken
 * for another server. What is looked for shows in few of many rounds.
 */
#include <linux/perf_event.h>
#include <sys/syscall.h>

#include "prog_talk.h"
#include "tests/reuse.skel.h"

#define ROUNDS 2000

/* A small table is cleared soon. */
#define SEEN_MAX 256

/* How often the timer comes. */
#define TIMER_NS 20000

/* Two sessions, of two servers, and what makes the first one's note one of the other's. */
struct going {
	struct talk talk;
	struct talk other;
	struct reuse *reuse;
};

/* Runs it by a timer of this CPU. What one CPU frees it takes again first. */
static int reuse_start(struct reuse *reuse)
{
	struct perf_event_attr timer = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(timer),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = TIMER_NS,
	};
	int file;

	on_cpu(0);
	file = syscall(SYS_perf_event_open, &timer, -1, 0, -1, 0);
	if (file < 0)
		return -1;
	reuse->links.reuse = bpf_program__attach_perf_event(reuse->progs.reuse, file);
	return reuse->links.reuse ? 0 : -1;
}

static struct going going_begin(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct going going = {.reuse = reuse__open()};

	assert_non_null(going.reuse);
	assert_int_equal(
		bpf_map__reuse_fd(going.reuse->maps.seen, bpf_map__fd(world->skeleton->maps.seen)),
		0);
	if (reuse__load(going.reuse) || reuse_start(going.reuse)) {
		print_message("# needs a timer of the CPU's (perf_event_open)\n");
		reuse__destroy(going.reuse);
		skip();
	}
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return going;
}

/* Two sessions anew, through a proxy or where the node only translates. */
static void going_round(struct world *world, struct going *going, int proxied)
{
	map_clear(world->skeleton->maps.seen);
	map_clear(world->skeleton->maps.sessions);
	expected_clear(world);
	going->talk = talk_of(world);
	going->other = talk_of(world);
	if (proxied)
		going->talk.inner_sequence = going->other.inner_sequence = 0x55555555;
	going->other.client++;
	going->other.server++;
	going->other.inner_sequence += 12345;
}

/* From now on this note may become one of the other server's. */
static void going_arm(struct going *going, struct ftpfix_seen_key key)
{
	int map = bpf_map__fd(going->talk.world->skeleton->maps.seen);
	struct reuse__bss *bss = going->reuse->bss;

	assert_int_equal(bpf_map_lookup_elem(map, &key, &bss->coming_note), 0);
	bss->coming_note.tuple.source = mapped(going->other.server);
	bss->going = bss->coming = key;
	bss->coming.port++;
	bss->armed = 1;
}

/* The server of the first session, where that is expected, is its own. */
static int taken_wrong(struct going *going)
{
	struct ftpfix_addr server = mapped(going->talk.server);
	struct ftpfix_expectation expectation;

	talk_leave(&going->talk, EXTENDED, EXTENDED);
	going->reuse->bss->armed = 0;
	return talk_expects(&going->talk, PORT, &expectation) &&
	       memcmp(&expectation.target.addr, &server, sizeof(server));
}

static void taken_by_content(void **state)
{
	struct going going = going_begin(state);
	struct world *world = *state;
	int wrong = 0;

	for (int round = 0; round < ROUNDS; round++) {
		going_round(world, &going, 1);
		talk_ask(&going.talk, "EPSV\r\n");
		talk_observe(&going.talk, EXTENDED);
		going_arm(&going, (struct ftpfix_seen_key){.port = PORT});
		wrong += taken_wrong(&going);
	}
	reuse__destroy(going.reuse);
	assert_int_equal(wrong, 0);
}

static void taken_by_number(void **state)
{
	struct ftpfix_seen_key key = {.port = PORT, .by_sequence = 1};
	struct going going = going_begin(state);
	struct world *world = *state;
	int wrong = 0;

	for (int round = 0; round < ROUNDS; round++) {
		going_round(world, &going, 0);
		talk_answer(&going.talk, "220 one\r\n", "220 one\r\n");
		talk_ask(&going.talk, "EPSV\r\n");
		key.sequence = going.talk.inner_sequence;
		talk_observe(&going.talk, EXTENDED);
		going_arm(&going, key);
		wrong += taken_wrong(&going);
	}
	reuse__destroy(going.reuse);
	assert_int_equal(wrong, 0);
}

/* One who finds another's note must wait: it does not take that for its own. Only when it found
 * none its announcement may pass, noted. */
static void contended(void **state)
{
	struct going going = going_begin(state);
	struct ftpfix_seen_key key = {.port = PORT};
	struct world *world = *state;
	int map = bpf_map__fd(world->skeleton->maps.seen), wrong = 0;
	struct ftpfix_seen note;
	struct frame frame;

	for (int round = 0; round < ROUNDS; round++) {
		going_round(world, &going, 1);
		talk_observe(&going.talk, EXTENDED);
		going_arm(&going, key);
		talk_inner(&going.other, going.other.inner_sequence, PSH | ACK, EXTENDED,
			   strlen(EXTENDED), &frame);
		wrong += run(world, INSIDE_INGRESS, &frame) == TC_ACT_UNSPEC &&
			 bpf_map_lookup_elem(map, &key, &note);
		going.reuse->bss->armed = 0;
	}
	reuse__destroy(going.reuse);
	assert_int_equal(wrong, 0);
}

static void small(struct ftpfix *skeleton)
{
	bpf_map__set_max_entries(skeleton->maps.seen, SEEN_MAX);
}

static int small_setup(void **state)
{
	return world_setup_configured(state, 0, small);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_by_content),
		cmocka_unit_test(taken_by_number),
		cmocka_unit_test(contended),
	};

	return cmocka_run_group_tests(tests, small_setup, world_teardown);
}
