// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two connections that open on two CPUs at the same moment, and would reach one server from
 * one port: no more than one of them keeps it, and what is in the table is whole. A race shows
 * only now and then: the rounds are many, and each of them has a right result.
 */
#include "prog_balance.h"
#include "prog_race.h"

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
static void syns_start(struct course *course, struct dial *dials, const struct talk *talk)
{
	for (int number = 0; number < RACERS; number++) {
		struct dial *dial = &dials[number];

		*dial = balance_dial(talk);
		dial->client += number;
		dial_up_frame(dial, SYN, dial->client_sequence, "", 0,
			      &course->racer[number].frame);
	}
	course_start(course, talk->world, UPLINK_INGRESS);
}

/* Returns how many of the two SYNs went on. */
static __u32 syns_run(struct course *course)
{
	__u32 carried = 0;

	world_clear_flows(course->racer[0].world);
	course_run(course);
	for (int number = 0; number < RACERS; number++)
		carried += course->racer[number].verdict == TC_ACT_REDIRECT;
	return carried;
}

/* Other ports are free: each gets one. */
static void one_of_two_keeps_the_port(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	__u32 shared = 0, lost = 0, torn = 0;
	struct dial dials[RACERS];
	struct course course = {};

	syns_start(&course, dials, &talk);
	for (int round = 0; round < ROUNDS; round++) {
		struct found found;

		lost += syns_run(&course) != RACERS || taken(talk.world) != 2 * RACERS;
		found = find(talk.world, dial_down_key(&dials[0]));
		shared += found.flows > 1;
		torn += found.torn;
		for (int number = 0; number < RACERS; number++) {
			found = find(talk.world, dial_up_key(&dials[number]));
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
	struct dial dials[RACERS];
	struct course course = {};

	syns_start(&course, dials, &talk);
	for (int round = 0; round < ROUNDS; round++) {
		struct found back, one, other;

		syns_run(&course);
		back = find(world, dial_down_key(&dials[0]));
		one = find(world, dial_up_key(&dials[0]));
		other = find(world, dial_up_key(&dials[1]));
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
