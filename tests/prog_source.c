// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pool of FULLNAT sources: every address with every port serves one connection to each
 * server, before one is refused; and none serves two.
 */
#include "prog_balance.h"
#include "prog_refuse.h"

#define PORT_LOW 50000
#define PORTS 8
#define ADDRESSES 3
#define SOURCES (PORTS * ADDRESSES)
#define FIRST_SOURCE ip4(10, 0, 1, 1)

/* A pool of which all can be counted. */
static struct talk pool_begin(void **state, int ipv6)
{
	struct talk talk =
		balance_begin(state, FTPFIX_FORWARD_FULLNAT, ipv6, FTPFIX_BALANCE_MAGLEV);
	__u32 family = ipv6 ? FTPFIX_IPV6 : FTPFIX_IPV4;

	for (__u32 number = 0; number < ADDRESSES; number++) {
		struct ftpfix_source source = {.addr = talk_address(&talk, FIRST_SOURCE + number)};
		__u32 index = family * FTPFIX_SOURCES_MAX + number;

		balance_write(talk.world->skeleton->maps.sources, &index, &source);
	}
	talk.world->skeleton->bss->source_count[family] = ADDRESSES;
	return talk;
}

/* The talk's control connection from its n-th client. */
static struct dial client_of(const struct talk *talk, int number)
{
	struct dial dial = balance_dial(talk);

	dial.client += number;
	return dial;
}

static __u32 source_of(const struct dial *dial)
{
	assert_in_range(dial->source, FIRST_SOURCE, FIRST_SOURCE + ADDRESSES - 1);
	assert_in_range(dial->source_port, PORT_LOW, PORT_LOW + PORTS - 1);
	return (dial->source - FIRST_SOURCE) * PORTS + dial->source_port - PORT_LOW;
}

/* Every source serves a client, and none serves two. */
static void fill(const struct talk *talk, struct dial *dials)
{
	int taken[SOURCES] = {};

	for (int number = 0; number < SOURCES; number++) {
		dials[number] = client_of(talk, number);
		dial_learn(&dials[number]);
		taken[source_of(&dials[number])]++;
	}
	for (int number = 0; number < SOURCES; number++)
		assert_int_equal(taken[number], 1);
	counted(talk->world, {FTPFIX_BALANCED_OPENED, SOURCES}, CARRIED_OF(dials, SOURCES, 0));
}

static void settle(struct dial *dial)
{
	dial_down(dial, SYN | ACK, "");
	dial_up(dial, ACK, "");
	counted(dial->world, {FTPFIX_BALANCED_ESTABLISHED, 1}, CARRIED_OF(dial, 2, 0));
}

static void refused(struct dial *dial)
{
	dial_refused(dial, SYN, "");
	counted(dial->world, {FTPFIX_BALANCED_NO_SOURCE_PORT, 1}, {FTPFIX_EVENT_SENT, 1},
		{FTPFIX_PACKET_REFUSED, 1});
}

/* All of them, none twice; and when all are established it is said that there is none. */
static void all_are_used(void **state)
{
	for (int round = 0; round < 6; round++) {
		struct talk talk = pool_begin(state, round & 1);
		struct dial dials[SOURCES], more = client_of(&talk, SOURCES);

		fill(&talk, dials);
		for (int number = 0; number < SOURCES; number++)
			settle(&dials[number]);
		refused(&more);
		assert_int_equal(dial_settled(&more), 2 * SOURCES);
		assert_int_equal(dial_unsettled(&more), 0);
		/* Each still has its own. */
		for (int number = 0; number < SOURCES; number++)
			dial_down(&dials[number], PSH | ACK, "220 ready\r\n");
	}
}

/* Another server cannot take one's connections for another's. */
static void for_each_server(void **state)
{
	struct talk talk = pool_begin(state, 0);
	struct dial dials[SOURCES];

	fill(&talk, dials);
	balance_to(talk.world, 0, 1);
	talk.client += 100;
	fill(&talk, dials);
}

/* What a client has chosen suits as well as any, if it is of the range. */
static void own_port_is_kept(void **state)
{
	struct talk talk = pool_begin(state, 0);

	for (int number = 0; number < PORTS; number++) {
		struct dial dial = client_of(&talk, number);

		dial.client_port = PORT_LOW + number;
		dial_learn(&dial);
		assert_int_equal(dial.source_port, dial.client_port);
	}
}

static void closes(struct dial *dial)
{
	settle(dial);
	dial_up(dial, FIN | ACK, "");
	dial_down(dial, FIN | ACK, "");
	dial_up(dial, ACK, "");
	counted(dial->world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED_OF(dial, 3, 0));
}

/* Another client gets the source of `given`, which is not established, and keeps it; that is
 * counted for one that has not ended yet. */
static void gives_way(struct dial *more, const struct dial *given, int opening)
{
	__u32 settled = dial_settled(more), unsettled = dial_unsettled(more);

	dial_learn(more);
	assert_int_equal(source_of(more), source_of(given));
	counted(more->world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_CROWDED_OUT, opening},
		CARRIED_OF(more, 1, 0));
	assert_int_equal(dial_unsettled(more), unsettled);
	settle(more);
	assert_int_equal(dial_settled(more), settled + 2);
}

/* A port from which the loader checks servers is no connection's, be it the client's own, and
 * whichever the address; all others are used, and this one is again when the check is over. */
static void ports_of_checks_are_left(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct talk talk = pool_begin(state, ipv6);
		struct dial dials[SOURCES - ADDRESSES], more = client_of(&talk, SOURCES);
		int taken[SOURCES] = {};

		world_check_port(talk.world, PORT_LOW + 3, 1);
		for (int number = 0; number < SOURCES - ADDRESSES; number++) {
			struct dial *dial = &dials[number];

			*dial = client_of(&talk, number);
			dial->client_port = PORT_LOW + 3;
			dial_learn(dial);
			assert_int_not_equal(dial->source_port, PORT_LOW + 3);
			assert_int_equal(taken[source_of(dial)]++, 0);
		}
		counted(talk.world, {FTPFIX_BALANCED_OPENED, SOURCES - ADDRESSES},
			CARRIED_OF(dials, SOURCES - ADDRESSES, 0));
		for (int number = 0; number < SOURCES - ADDRESSES; number++)
			settle(&dials[number]);
		refused(&more);
		world_check_port(talk.world, PORT_LOW + 3, 0);
		dial_learn(&more);
		assert_int_equal(more.source_port, PORT_LOW + 3);
	}
}

/* From the client's own address a check does not come. */
static void own_address_may_have_its_port(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	world_check_port(talk.world, dial.client_port, 1);
	balance_open(&dial, 1);
	assert_int_equal(dial.source_port, dial.client_port);
}

/* One that is not established keeps its source as long as there is another one: in TIME_WAIT
 * (0), opening with the server's answer (1) and without it (2). When none is left it gives it
 * up; those that are established do not. */
static void unsettled_ones_give_way(void **state)
{
	for (int round = 0; round < 6; round++) {
		struct talk talk = pool_begin(state, round & 1);
		struct dial dials[SOURCES], more = client_of(&talk, SOURCES), *one = &dials[7];
		struct dial last = client_of(&talk, SOURCES + 1);

		fill(&talk, dials);
		for (int number = 0; number < SOURCES; number++)
			if (number != 7)
				settle(&dials[number]);
		if (round / 2 == 0) {
			closes(one);
		} else if (round / 2 == 1) {
			dial_down(one, SYN | ACK, "");
			counted(talk.world, CARRIED_OF(one, 1, 0));
		}
		gives_way(&more, one, round >= 2);
		refused(&last);
		dial_up_passes(one, ACK, "");
		dial_down(&dials[6], PSH | ACK, "220 ready\r\n");
	}
}

/* A flood's own SYNs take from one another what it took. */
static void half_open_ones_give_way(void **state)
{
	struct talk talk = pool_begin(state, 0);
	struct dial dials[SOURCES];

	fill(&talk, dials);
	settle(&dials[3]);
	for (int number = SOURCES; number < 5 * SOURCES; number++) {
		struct dial more = client_of(&talk, number);

		dial_learn(&more);
		assert_int_not_equal(source_of(&more), source_of(&dials[3]));
		assert_int_equal(dial_unsettled(&more), 2 * SOURCES - 2);
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_CROWDED_OUT, 1},
			CARRIED(1, 0));
	}
	dial_down(&dials[3], PSH | ACK, "220 ready\r\n");
}

/* The server's answer to the SYN of one that gave its source up travels on, for the new client to
 * reset it: of the new connection it is no part. */
static void late_answer(void **state)
{
	for (int round = 0; round < 2; round++) {
		struct talk talk = pool_begin(state, round);
		struct dial dials[SOURCES], more = client_of(&talk, SOURCES), late;

		fill(&talk, dials);
		for (int number = 1; number < SOURCES; number++)
			settle(&dials[number]);
		more.client_sequence += 1000000;
		more.server_sequence += 1000000;
		dial_learn(&more);
		late = more;
		late.client_sequence = dials[0].client_sequence;
		late.server_sequence = dials[0].server_sequence;
		dial_down(&late, SYN | ACK, "");
		dial_up(&late, RST, "");
		dial_down(&more, SYN | ACK, "");
		dial_up(&more, ACK, "");
		assert_int_equal(dial_settled(&more), 2 * SOURCES);
		dial_down(&more, RST, "");
		assert_int_equal(dial_settled(&more), 2 * SOURCES - 2);
	}
}

/* The source of a connection that is over is free at once, and no other gives way. */
static void reset_frees_the_source(void **state)
{
	for (int half = 0; half < 2; half++) {
		struct talk talk = pool_begin(state, 0);
		struct dial dials[SOURCES], more = client_of(&talk, SOURCES);

		fill(&talk, dials);
		if (half)
			dial_down(&dials[9], RST | ACK, "");
		else
			dial_up(&dials[9], RST, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(1, 0));
		dial_learn(&more);
		assert_int_equal(source_of(&more), source_of(&dials[9]));
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, CARRIED(1, 0));
		for (int number = 0; number < SOURCES; number++)
			if (number != 9)
				settle(&dials[number]);
		settle(&more);
	}
}

static void closing_ones_are_spared(void **state)
{
	struct talk talk = pool_begin(state, 0);
	struct dial closed = client_of(&talk, 0);

	dial_learn(&closed);
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, CARRIED(1, 0));
	closes(&closed);
	for (int number = 1; number < SOURCES; number++) {
		struct dial dial = client_of(&talk, number);

		dial_learn(&dial);
		assert_int_not_equal(source_of(&dial), source_of(&closed));
	}
	counted(talk.world, {FTPFIX_BALANCED_OPENED, SOURCES - 1}, CARRIED(SOURCES - 1, 0));
	dial_closed(&closed);
}

/* A pool that is too large to be searched is searched in strides; whatever its size, half of
 * it being free is enough to find one. */
static void prime_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->source_port_low = 1024;
	skeleton->rodata->source_port_high = 1024 + 32749 - 1;
}

static void strides_reach_others(void **state)
{
	struct world *world = *state ? world_open_configured(0, 0, prime_constants) : NULL;
	struct talk talk = pool_begin((void **)&world, 0);
	struct ftpfix_flow ahead = {.place = FTPFIX_HOOK_UPLINK_IN, .marks = FTPFIX_MARK_SETTLED};
	struct ftpfix_flow back = {.place = FTPFIX_HOOK_INSIDE_IN, .marks = FTPFIX_MARK_SETTLED};

	talk.world->skeleton->bss->source_count[FTPFIX_IPV4] = 1;
	for (__u32 port = 1024; port < 65536; port += 2) {
		flow_insert_of(world, tuple_of(ip4(192, 0, 2, 1), port, talk.vip, SERVICE_PORT),
			       tuple_of(FIRST_SOURCE, port, talk.server, SERVICE_PORT), ahead,
			       back);
	}
	for (int number = 0; number < 32; number++) {
		struct dial dial = client_of(&talk, number);

		dial_learn(&dial);
		assert_int_equal(dial.source_port & 1, 1);
	}
	world_close(world);
}

static void pool_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->source_port_low = PORT_LOW;
	skeleton->rodata->source_port_high = PORT_LOW + PORTS - 1;
}

static int pool_setup(void **state)
{
	return world_setup_configured(state, 0, pool_constants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_used),
		cmocka_unit_test(for_each_server),
		cmocka_unit_test(own_port_is_kept),
		cmocka_unit_test(ports_of_checks_are_left),
		cmocka_unit_test(own_address_may_have_its_port),
		cmocka_unit_test(unsettled_ones_give_way),
		cmocka_unit_test(half_open_ones_give_way),
		cmocka_unit_test(late_answer),
		cmocka_unit_test(reset_frees_the_source),
		cmocka_unit_test(closing_ones_are_spared),
		cmocka_unit_test(strides_reach_others),
	};

	return cmocka_run_group_tests(tests, pool_setup, world_teardown);
}
