// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Expectations that two CPUs want at the same moment: two sessions of a client announce one port,
 * or two of its connections come to one that is expected. One of them gets it, neither none nor
 * both; and what is in the table is whole. A race shows only now and then: the rounds are many,
 * and each of them has a right result.
 */
#include "prog_dial.h"
#include "prog_race.h"

/* How many are expected at the announced port. */
static __u32 at_port(const struct world *world)
{
	__u32 count = 0;

	for (__u32 group = 0; group < world->expectation_group_count; group++) {
		const struct ftpfix_flow_group *tags = &world->expected_groups[group];
		__u32 first = group * FTPFIX_GROUP_SLOTS;

		if (!tags->tags[0] && !tags->tags[1])
			continue;
		for (__u32 slot = first; slot < first + FTPFIX_GROUP_SLOTS; slot++)
			count += *expected_tag(world, slot) &&
				 world->expectations[slot].be_port == htons(PORT);
	}
	return count;
}

/* One has the announced port, the other another one. */
static void one_of_two_gets_the_port(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct course course = {};
	struct talk talks[RACERS];
	__u32 without = 0, shared = 0, lost = 0;

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (int number = 0; number < RACERS; number++) {
		talks[number] = talk_of(world);
		talks[number].client_port += number;
		talks[number].peer_port += number;
		/* By which their lines are told from each other. */
		talks[number].server_sequence += number << 28;
		talks[number].inner_sequence += number << 28;
	}
	course_start(&course, world, UPLINK_EGRESS);
	for (int round = 0; round < ROUNDS; round++) {
		for (int number = 0; number < RACERS; number++) {
			struct talk *talk = &talks[number];

			talk_ask(talk, "PASV\r\n");
			talk_observe(talk, VSFTPD);
			talk_response(talk, talk->server_sequence, PSH | ACK, VSFTPD,
				      strlen(VSFTPD), &course.racer[number].frame);
			talk->server_sequence += strlen(VSFTPD);
		}
		course_run(&course);
		without += !talk_expected(&talks[0], PORT);
		shared += at_port(world) > 1;
		lost += expected_count(world) != RACERS;
		expected_clear(world);
	}
	course_end(&course);
	print_message("# nobody got it in %u rounds, both in %u; too few or too many were "
		      "expected in %u\n",
		      without, shared, lost);
	assert_int_equal(without + shared + lost, 0);
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, RACERS * ROUNDS},
		{FTPFIX_CONNECTION_EXPECTED, RACERS * ROUNDS});
}

/* What the table holds of one expectation, to be put there again. */
struct kept {
	struct ftpfix_expectation *slot;
	struct ftpfix_expectation expectation;
	__u8 *tag;
	__u8 its;
};

static struct kept keep(const struct world *world, struct ftpfix_expectation *expectation)
{
	struct kept kept = {.slot = expectation};

	assert_non_null(expectation);
	kept.expectation = *expectation;
	kept.tag = expected_tag(world, expectation - world->expectations);
	kept.its = *kept.tag;
	return kept;
}

static void put_again(struct kept *kept)
{
	kept->expectation.state += FTPFIX_EXPECTATION_NUMBER;
	*kept->slot = kept->expectation;
	*kept->tag = kept->its;
}

/* One is carried, the other is for nobody. */
static void one_of_two_connects(void **state)
{
	struct dial dial = dial_expected(state);
	struct world *world = dial.world;
	struct course course = {};
	__u32 wrong = 0, lost = 0;
	struct kept kept;

	kept = keep(world, expected_of(world, mapped(dial.client), dial.public_port));
	for (int number = 0; number < RACERS; number++) {
		struct dial each = dial;

		each.client_port += number;
		dial_up_frame(&each, SYN, each.client_sequence, "", 0, &course.racer[number].frame);
	}
	course_start(&course, world, UPLINK_INGRESS);
	for (int round = 0; round < ROUNDS; round++) {
		__u32 carried = 0;

		world_clear_flows(world);
		expected_clear(world);
		put_again(&kept);
		course_run(&course);
		for (int number = 0; number < RACERS; number++)
			carried += course.racer[number].verdict == TC_ACT_REDIRECT;
		wrong += carried != 1;
		lost += expected_count(world) != 0;
	}
	course_end(&course);
	print_message("# not one was carried in %u rounds, the table was not whole in %u\n", wrong,
		      lost);
	assert_int_equal(wrong + lost, 0);
	counted(world, {FTPFIX_CONNECTION_OPENED, ROUNDS}, CARRIED(ROUNDS, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_gets_the_port),
		cmocka_unit_test(one_of_two_connects),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
