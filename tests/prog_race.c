// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two CPUs in the same program at the same time. A race shows only now and then:
 * the rounds are many, and each of them has one right result.
 */
#include "prog_dial.h"
#include "prog_race.h"

/* Two servers announce one port to a proxy: whichever is first is noted, and the
 * other must wait, for the uplink could not tell them apart. */
static void one_of_two_servers_is_noted(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct course course = {};
	int both = 0, none = 0;

	for (int number = 0; number < RACERS; number++) {
		struct talk talk = talk_of(world);

		talk.server += number;
		talk.inner_sequence += 1000 * number;
		talk_inner(&talk, talk.inner_sequence, PSH | ACK, EXTENDED, strlen(EXTENDED),
			   &course.racer[number].frame);
	}
	course_start(&course, world, INSIDE_INGRESS);
	for (int round = 0; round < ROUNDS; round++) {
		int passed = 0;

		map_clear(world->skeleton->maps.seen);
		map_clear(world->skeleton->maps.sessions);
		course_run(&course);
		for (int number = 0; number < RACERS; number++)
			passed += course.racer[number].verdict == TC_ACT_UNSPEC;
		both += passed == RACERS;
		none += passed == 0;
	}
	course_end(&course);
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
