// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two connections that open on two CPUs at the same moment where there is one turn: one of them
 * has it in the end, and the other gives way. A race shows only now and then: the rounds are
 * many, and each of them has a right result.
 */
#include "prog_balance.h"
#include "prog_race.h"

static void one_turn(struct ftpfix *skeleton)
{
	skeleton->rodata->turn_places = 1;
}

/* How many connections stand in the groups of these keys. */
static __u32 found(const struct world *world, const struct dial *dials)
{
	__u32 count = 0;

	for (int number = 0; number < RACERS; number++)
		count += !!flow_of(world, dial_up_key(&dials[number]));
	return count;
}

static void one_of_two_gives_way(void **state)
{
	struct world *world = *state ? world_open_configured(0, 0, one_turn) : NULL;
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	const __u32 first = 0, nobody = 0;
	__u32 without = 0, none = 0;
	struct dial dials[RACERS];
	struct course course = {};

	for (int number = 0; number < RACERS; number++) {
		struct dial *dial = &dials[number];

		*dial = balance_dial(&talk);
		dial->client += number;
		dial_up_frame(dial, SYN, dial->client_sequence, "", 0, &course.racer[number].frame);
	}
	course_start(&course, world, UPLINK_INGRESS);
	for (int round = 0; round < ROUNDS; round++) {
		__u32 count;

		world_clear_flows(world);
		balance_write(world->skeleton->maps.turns, &first, &nobody);
		course_run(&course);
		count = found(world, dials);
		without += count > 1;
		none += count == 0;
	}
	course_end(&course);
	print_message("# without a turn %u, none left %u\n", without, none);
	assert_int_equal(without + none, 0);
	world_close(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_gives_way),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
