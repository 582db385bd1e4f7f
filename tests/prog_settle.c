// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * When a connection counts as established, and when as closed: each once, and as long as it is
 * established its server is counted to have it, whatever ends it.
 */
#include "prog_balance.h"

/* How far a connection has come. */
enum stage {
	SYN_SENT,
	ANSWERED,
	ESTABLISHED,
	CLIENT_FINISHED,
	SERVER_FINISHED,
	BOTH_FINISHED,
	CLIENT_ACKNOWLEDGED, /* the server's FIN; its own is not acknowledged yet */
	SERVER_ACKNOWLEDGED, /* the client's */
	CLOSED,
	STAGES
};

static int stage_established(enum stage stage)
{
	return stage >= ESTABLISHED && stage < CLOSED;
}

/* Both FINs pass before either is acknowledged. */
static void fins_cross(struct dial *dial)
{
	dial_up(dial, FIN | ACK, "");
	dial->client_sequence--;
	dial_down(dial, FIN | ACK, "");
	dial->client_sequence++;
}

static void comes_to(struct dial *dial, enum stage stage)
{
	dial_learn(dial);
	if (stage >= ANSWERED)
		dial_down(dial, SYN | ACK, "");
	if (stage >= ESTABLISHED)
		dial_up(dial, ACK, "");
	if (stage == CLIENT_FINISHED)
		dial_up(dial, FIN | ACK, "");
	if (stage == SERVER_FINISHED)
		dial_down(dial, FIN | ACK, "");
	if (stage >= BOTH_FINISHED)
		fins_cross(dial);
	if (stage == CLIENT_ACKNOWLEDGED || stage == CLOSED)
		dial_up(dial, ACK, "");
	if (stage == SERVER_ACKNOWLEDGED || stage == CLOSED)
		dial_down(dial, ACK, "");
}

/* How often each was counted since the last look; packets are not this file's subject. */
static void happened_at(struct world *world, int opened, int established, int closed, int timed_out,
			const char *file, int line)
{
	static const __u32 carried[] = {FTPFIX_PACKET_FORWARDED, FTPFIX_BYTES_FORWARDED};

	for (int index = 0; index < 2; index++)
		world->counted[carried[index]] = counter_value(world, carried[index]);
	counted_check(world,
		      (struct change[]){{FTPFIX_BALANCED_OPENED, opened},
					{FTPFIX_BALANCED_ESTABLISHED, established},
					{FTPFIX_BALANCED_CLOSED, closed},
					{FTPFIX_BALANCED_TIMED_OUT, timed_out},
					NOTHING},
		      file, line);
}

#define happened(world, opened, established, closed, timed_out) \
	happened_at(world, opened, established, closed, timed_out, __FILE__, __LINE__)

/* A connection of either family that has come so far, beside one that is established with the
 * same server. */
static struct dial dial_at(void **state, int ipv6, enum stage stage)
{
	enum ftpfix_forward forward = stage & 1 ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT;
	struct talk talk = balance_begin(state, forward, ipv6, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk), other = dial;

	other.client++;
	comes_to(&other, ESTABLISHED);
	happened(talk.world, 1, 1, 0, 0);
	assert_int_equal(balance_load(&other), 1);
	comes_to(&dial, stage);
	happened(talk.world, 1, stage >= ESTABLISHED, stage == CLOSED, 0);
	assert_int_equal(balance_load(&dial), 1 + stage_established(stage));
	return dial;
}

/* Of the connection there is nothing, or what serves late packets; the other one is there as
 * before. */
static void other_stays(const struct dial *dial, __u32 entries)
{
	assert_int_equal(balance_load(dial), 1);
	assert_int_equal(dial_settled(dial), 2);
	assert_int_equal(flows_taken(dial->world), 2 + entries);
	assert_int_equal(flows_live(dial->world), 2 + entries);
}

/* Whether what the sides have sent may be under way still. */
static int stage_open(enum stage stage)
{
	return stage >= ESTABLISHED && stage < BOTH_FINISHED;
}

/* A reset of either side, at each stage, which the other side answers with one too. */
static void reset_ends_it_once(void **state)
{
	for (int round = 0; round < 4 * STAGES; round++) {
		enum stage stage = round >> 2;
		int by_server = round & 1;
		struct dial dial = dial_at(state, round >> 1 & 1, stage);

		if (by_server && stage == SYN_SENT)
			dial.server_sequence = 0;
		if (by_server)
			dial_down(&dial, RST | ACK, "");
		else
			dial_up(&dial, RST, "");
		happened(dial.world, 0, 0, stage != CLOSED, 0);
		other_stays(&dial, stage_open(stage) ? 2 : 0);
		if (stage_open(stage)) {
			dial_down(&dial, RST, "");
			dial_up(&dial, RST, "");
			dial_down(&dial, ACK, "");
			dial_up(&dial, ACK, "");
		} else {
			dial_down_passes(&dial, RST, "");
			dial_up_passes(&dial, RST, "");
			dial_down_passes(&dial, ACK, "");
			dial_up_passes(&dial, ACK, "");
		}
		happened(dial.world, 0, 0, 0, 0);
		other_stays(&dial, stage_open(stage) ? 2 : 0);
	}
}

/* Each side's last packets come again, in either order: nothing is counted twice. */
static void everything_comes_again(void **state)
{
	for (int round = 0; round < 4; round++) {
		enum stage stage = round & 1 ? CLIENT_ACKNOWLEDGED : SERVER_ACKNOWLEDGED;
		struct dial dial = dial_at(state, round >> 1, stage);

		for (int again = 0; again < 3; again++) {
			if (stage == CLIENT_ACKNOWLEDGED)
				dial_up(&dial, ACK, "");
			else
				dial_down(&dial, ACK, "");
		}
		happened(dial.world, 0, 0, 0, 0);
		assert_int_equal(balance_load(&dial), 2);
		for (int again = 0; again < 3; again++) {
			dial_up(&dial, ACK, "");
			dial_down(&dial, ACK, "");
			happened(dial.world, 0, 0, !again, 0);
			assert_int_equal(balance_load(&dial), 1);
		}
		dial.client_sequence--;
		dial_up(&dial, FIN | ACK, "");
		dial.server_sequence--;
		dial_down(&dial, FIN | ACK, "");
		happened(dial.world, 0, 0, 0, 0);
		assert_int_equal(balance_load(&dial), 1);
		assert_int_equal(dial_settled(&dial), 2);
		assert_int_equal(dial_unsettled(&dial), 2);
		assert_int_equal(flows_taken(dial.world), 4);
	}
}

/* What came of the handshake comes again after it: the session is counted once. */
static void handshake_comes_again(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct dial dial = dial_at(state, ipv6, ESTABLISHED);

		for (int again = 0; again < 3; again++) {
			dial_up(&dial, ACK, "");
			dial.server_sequence--;
			dial_down(&dial, SYN | ACK, "");
			dial.client_sequence--;
			dial_up(&dial, SYN, "");
			dial_down(&dial, PSH | ACK, "220 odd\r\n");
			dial_up(&dial, PSH | ACK, "NOOP\r\n");
			dial.server_sequence -= 9;
			dial.client_sequence -= 6;
		}
		happened(dial.world, 0, 0, 0, 0);
		assert_int_equal(balance_load(&dial), 2);
		assert_int_equal(dial_settled(&dial), 4);
	}
}

/* What acknowledges nothing of the handshake, or something else, does not end it. */
static void others_do_not_settle_it(void **state)
{
	struct dial dial = dial_at(state, 0, ANSWERED);
	__u32 sequence = dial.server_sequence;

	dial_up(&dial, PSH, "data");
	dial.server_sequence = sequence + 1;
	dial_up(&dial, ACK, "");
	dial.server_sequence = sequence - 1;
	dial_up(&dial, ACK, "");
	dial.server_sequence = sequence;
	happened(dial.world, 0, 0, 0, 0);
	assert_int_equal(balance_load(&dial), 1);
	dial_up(&dial, ACK, "");
	happened(dial.world, 0, 1, 0, 0);
	assert_int_equal(balance_load(&dial), 2);
}

/* The client's first acknowledgement may be its FIN. */
static void settled_by_a_fin(void **state)
{
	struct dial dial = dial_at(state, 0, ANSWERED);

	dial_up(&dial, FIN | ACK, "");
	happened(dial.world, 0, 1, 0, 0);
	assert_int_equal(balance_load(&dial), 2);
	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, ACK, "");
	happened(dial.world, 0, 0, 1, 0);
	assert_int_equal(balance_load(&dial), 1);
}

/* Both entries of the connection were last seen so long ago. */
static void silent_for(const struct dial *dial, __u64 silence_ns)
{
	struct ftpfix_flow *flow = flow_of(dial->world, dial_up_key(dial));
	__u32 then = (now_ns() - silence_ns) >> FTPFIX_TICK_SHIFT;

	assert_non_null(flow);
	flow->seen_ticks = then;
	dial->world->flows[flow->peer].seen_ticks = then;
}

/* How long a connection may be silent at this stage. */
static __u64 silence_at(enum stage stage)
{
	if (stage >= BOTH_FINISHED)
		return FTPFIX_FLOW_CLOSING_NS;
	return stage < ESTABLISHED ? FTPFIX_FLOW_HALF_OPEN_NS : SESSION_IDLE_NS;
}

/* It is silent, at each stage: it is counted once unless it was when it closed. */
static void silence_ends_it_once(void **state)
{
	for (int round = 0; round < 2 * STAGES; round++) {
		enum stage stage = round >> 1;
		struct dial dial = dial_at(state, round & 1, stage);

		silent_for(&dial, silence_at(stage) - FTPFIX_SECOND_NS);
		sweep(dial.world);
		happened(dial.world, 0, 0, 0, 0);
		assert_int_equal(balance_load(&dial), 1 + stage_established(stage));
		assert_int_equal(flows_taken(dial.world), 4);
		silent_for(&dial, silence_at(stage) + FTPFIX_SECOND_NS);
		sweep(dial.world);
		happened(dial.world, 0, 0, 0, stage != CLOSED);
		other_stays(&dial, 0);
		sweep(dial.world);
		dial_down_passes(&dial, ACK, "");
		dial_up_passes(&dial, ACK, "");
		happened(dial.world, 0, 0, 0, 0);
		other_stays(&dial, 0);
	}
}

/* Its client opens another one in its place, where it may. */
static void replaced_once(void **state)
{
	static const enum stage stages[] = {SYN_SENT, ANSWERED, CLOSED};

	for (int round = 0; round < 6; round++) {
		enum stage stage = stages[round >> 1];
		struct dial dial = dial_at(state, round & 1, stage);

		dial.client_sequence += 1000000;
		dial.server_sequence += 5000000;
		comes_to(&dial, ESTABLISHED);
		happened(dial.world, 1, 1, stage != CLOSED, 0);
		assert_int_equal(balance_load(&dial), 2);
		assert_int_equal(flows_taken(dial.world), 4);
		assert_int_equal(flows_live(dial.world), 4);
	}
}

/* The client's packet enters the node, whatever it gets there. */
static void enters(struct dial *dial, __u8 flags)
{
	struct frame frame;

	dial_up_frame(dial, flags, dial->client_sequence, "", 0, &frame);
	assert_int_equal(run(dial->world, UPLINK_INGRESS, &frame), TC_ACT_REDIRECT);
	dial->client_sequence += dial_step(flags, "");
}

static void toa_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_TOA;
}

/* Where the client's packets tell its address until they are answered, that may be by the server's
 * FIN: what the connection counts as does not depend on it. */
static void closed_when_answered(void **state)
{
	struct world *world = *state ? world_open_configured(0, 0, toa_constants) : NULL;
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	world_sum_unknown(world);
	enters(&dial, SYN);
	dial_down(&dial, SYN | ACK, "");
	enters(&dial, ACK);
	enters(&dial, FIN | ACK);
	world->counted[FTPFIX_PACKET_TOA] = counter_value(world, FTPFIX_PACKET_TOA);
	happened(world, 1, 1, 0, 0);
	assert_int_equal(balance_load(&dial), 1);
	dial_down(&dial, FIN | ACK, "");
	enters(&dial, ACK);
	happened(world, 0, 0, 1, 0);
	assert_int_equal(balance_load(&dial), 0);
	dial_down(&dial, ACK, "");
	enters(&dial, ACK);
	happened(world, 0, 0, 0, 0);
	silent_for(&dial, FTPFIX_FLOW_CLOSING_NS + FTPFIX_SECOND_NS);
	sweep(world);
	happened(world, 0, 0, 0, 0);
	assert_int_equal(balance_load(&dial), 0);
	assert_int_equal(flows_taken(world), 0);
	world_close(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_ends_it_once),	 cmocka_unit_test(everything_comes_again),
		cmocka_unit_test(handshake_comes_again), cmocka_unit_test(others_do_not_settle_it),
		cmocka_unit_test(settled_by_a_fin),	 cmocka_unit_test(silence_ends_it_once),
		cmocka_unit_test(replaced_once),	 cmocka_unit_test(closed_when_answered),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
