// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How data connections end: FINs in every order, resets that count and those that
 * must not (RFC 5961 section 3), and what comes after the end.
 */
#include "prog_dial.h"

static struct dial dial_opened(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_down(&dial, PSH | ACK, "data");
	dial_up(&dial, PSH | ACK, "more");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 8));
	return dial;
}

/* The last packet was the last FIN's acknowledgement: it was carried, and was counted with so
 * many before. */
static void is_over(struct dial *dial, __u32 packets, __u32 payload)
{
	counted(dial->world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(packets, payload));
	assert_int_equal(dial_settled(dial), 0);
	assert_int_equal(dial_unsettled(dial), 2);
	dial_closed(dial);
}

/* The last packet was a reset, and ended what was established: what is under way still comes
 * through, however many resets it brings about. */
static void is_reset(struct dial *dial, __u32 packets, __u32 payload)
{
	counted(dial->world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(packets, payload));
	assert_int_equal(dial_settled(dial), 0);
	for (int round = 0; round < 3; round++) {
		dial_down(dial, PSH | ACK, "late");
		dial_up(dial, RST, "");
		dial_up(dial, PSH | ACK, "late");
		dial_down(dial, RST | ACK, "");
	}
	assert_int_equal(dial_unsettled(dial), 2);
	counted(dial->world, CARRIED(12, 24));
	flows_made_old(dial->world, FTPFIX_FLOW_CLOSING_NS);
	sweep(dial->world);
	counted(dial->world, NOTHING);
	assert_int_equal(dial_entries(dial), 0);
}

/* The last packet was a reset, and ended what had not opened, or what both had finished. */
static void is_gone(struct dial *dial, __u32 packets, __u32 payload)
{
	counted(dial->world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(packets, payload));
	assert_int_equal(dial_entries(dial), 0);
	dial_up_passes(dial, ACK, "");
	dial_down_passes(dial, ACK, "");
	dial_up_passes(dial, RST, "");
	counted(dial->world, NOTHING);
}

/* The packets so far ended nothing. */
static void goes_on(struct dial *dial, __u32 packets, __u32 payload)
{
	counted(dial->world, CARRIED(packets, payload));
	assert_int_equal(dial_entries(dial), 2);
}

static void client_first(void **state)
{
	struct dial dial = dial_opened(state);

	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, ACK, "");
	dial_down(&dial, FIN | ACK, "");
	goes_on(&dial, 3, 0);
	dial_up(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

static void server_first(void **state)
{
	struct dial dial = dial_opened(state);

	dial_down(&dial, FIN | ACK, "last");
	dial_up(&dial, ACK, "");
	dial_up(&dial, FIN | ACK, "");
	goes_on(&dial, 3, 4);
	dial_down(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

/* The second FIN acknowledges the first one. */
static void three_packets(void **state)
{
	struct dial dial = dial_opened(state);

	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, FIN | ACK, "");
	goes_on(&dial, 2, 0);
	dial_down(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

/* Both FINs are under way before either is acknowledged. */
static void both_at_once(void **state)
{
	struct dial dial = dial_opened(state);
	struct frame input, output;

	dial_up(&dial, FIN | ACK, "");
	dial.client_sequence--;
	dial_down(&dial, FIN | ACK, "");
	dial.client_sequence++;
	goes_on(&dial, 2, 0);
	dial_up_frame(&dial, ACK, dial.client_sequence, "", 0, &input);
	dial_up_frame(&dial, ACK, dial.client_sequence, "", 1, &output);
	run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	goes_on(&dial, 1, 0);
	dial_down(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

/* A download: the client closed its side long before the server did. */
static void half_closed(void **state)
{
	struct dial dial = dial_opened(state);

	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, ACK, "");
	goes_on(&dial, 2, 0);
	for (int round = 0; round < 10; round++) {
		dial_down(&dial, PSH | ACK, "data");
		dial_up(&dial, ACK, "");
	}
	dial_down(&dial, FIN | ACK, "");
	goes_on(&dial, 21, 40);
	dial_up(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

/* A FIN that comes again, and one whose acknowledgement does not reach it. */
static void fin_comes_again(void **state)
{
	struct dial dial = dial_opened(state);

	for (int round = 0; round < 3; round++) {
		dial_down(&dial, FIN | ACK, "last");
		dial.server_sequence -= 5;
	}
	dial_up(&dial, ACK, "");
	dial.server_sequence += 5;
	dial_up(&dial, FIN | ACK, "");
	dial.client_sequence--;
	dial_down(&dial, ACK, "");
	dial.client_sequence++;
	goes_on(&dial, 6, 12);
	dial_down(&dial, ACK, "");
	is_over(&dial, 1, 0);
}

static void client_resets(void **state)
{
	struct dial dial = dial_opened(state);

	dial_up(&dial, RST, "");
	is_reset(&dial, 1, 0);
}

static void server_resets(void **state)
{
	struct dial dial = dial_opened(state);

	dial_down(&dial, RST | ACK, "");
	is_reset(&dial, 1, 0);
}

/* Data of the client was lost on its way to the server, which then stands further
 * back than the client's own end: a reset from there is exact for the server. */
static void reset_where_the_peer_stands(void **state)
{
	struct dial dial = dial_opened(state);
	struct frame input, output;
	__u32 expected = dial.client_sequence;

	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "lost");
	goes_on(&dial, 2, 4);
	dial_up_frame(&dial, RST, expected, "", 0, &input);
	dial_up_frame(&dial, RST, expected, "", 1, &output);
	run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	is_reset(&dial, 1, 0);
}

/* There a reset from the client's own end is no end for the server (RFC 5961 section 3): it says
 * where it stands, and the client, who knows of no connection any more, resets from there. */
static void reset_where_the_peer_does_not_stand(void **state)
{
	struct dial dial = dial_opened(state);

	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "lost");
	dial_up(&dial, RST, "");
	counted(dial.world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(3, 4));
	dial.client_sequence -= 4;
	dial_down(&dial, ACK, "");
	dial_up(&dial, RST, "");
	counted(dial.world, CARRIED(2, 0));
}

static void server_refuses(void **state)
{
	struct dial dial = dial_expected(state);

	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0));
	dial.server_sequence = 0;
	dial_down(&dial, RST | ACK, "");
	is_gone(&dial, 1, 0);
}

static void client_gives_its_syn_up(void **state)
{
	struct dial dial = dial_expected(state);

	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0));
	dial_up(&dial, RST, "");
	is_gone(&dial, 1, 0);
}

/* A refusal that does not acknowledge the SYN is no answer to it. */
static void refusal_of_another(void **state)
{
	struct dial dial = dial_expected(state);

	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0));
	dial.client_sequence += 77;
	dial_down(&dial, RST | ACK, "");
	dial_down(&dial, RST, "");
	dial.client_sequence -= 77;
	goes_on(&dial, 2, 0);
	dial_down(&dial, SYN | ACK, "");
	dial_up(&dial, ACK, "");
	goes_on(&dial, 2, 0);
}

/* A reset from elsewhere in the stream travels on, for the receiver to judge, and
 * ends nothing, however often it comes. */
static void reset_from_elsewhere(struct dial *dial, __u32 shift)
{
	dial->client_sequence += shift;
	dial_up(dial, RST, "");
	dial->client_sequence -= shift;
	dial->server_sequence += shift;
	dial_down(dial, RST, "");
	dial->server_sequence -= shift;
	goes_on(dial, 2, 0);
}

static void blind_reset(void **state)
{
	struct dial dial = dial_opened(state);

	reset_from_elsewhere(&dial, 1);
	reset_from_elsewhere(&dial, 100000);
	reset_from_elsewhere(&dial, -100000);
	dial_up(&dial, PSH | ACK, "data");
	dial_down(&dial, PSH | ACK, "data");
	goes_on(&dial, 2, 8);
}

static void blind_reset_twice(void **state)
{
	struct dial dial = dial_opened(state);

	for (int round = 0; round < 3; round++)
		reset_from_elsewhere(&dial, 100000);
	dial_up(&dial, PSH | ACK, "data");
	dial_down(&dial, PSH | ACK, "data");
	goes_on(&dial, 2, 8);
}

/* A segment from where no window reaches moves nothing, so that a reset from its
 * end is as blind as the segment was. */
static void blind_segment_then_reset(void **state)
{
	struct dial dial = dial_opened(state);
	__u32 own = dial.client_sequence;

	dial.client_sequence = own + (1 << 30);
	dial_up(&dial, PSH | ACK, "data");
	dial_up(&dial, RST, "");
	goes_on(&dial, 2, 4);
	dial.client_sequence = own;
	dial_up(&dial, PSH | ACK, "data");
	dial_up(&dial, RST, "");
	is_reset(&dial, 2, 4);
}

/* After a loss of more than that in front of the node, what the peer acknowledged
 * tells where the stream is. */
static void far_ahead_and_acknowledged(void **state)
{
	struct dial dial = dial_opened(state);

	dial.client_sequence += 1 << 25;
	dial_up(&dial, PSH | ACK, "data");
	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "data");
	dial_up(&dial, RST, "");
	is_reset(&dial, 4, 8);
}

/* FINs from elsewhere in both streams, each acknowledged long ago, end nothing. */
static void blind_fins(void **state)
{
	struct dial dial = dial_opened(state);
	__u32 client = dial.client_sequence, server = dial.server_sequence;

	dial.client_sequence = client - 1000;
	dial_up(&dial, FIN | ACK, "");
	dial.client_sequence = client;
	dial.server_sequence = server - 1000;
	dial_down(&dial, FIN | ACK, "");
	dial.server_sequence = server;
	dial_up(&dial, ACK, "");
	dial_down(&dial, ACK, "");
	goes_on(&dial, 4, 0);
}

/* Acknowledgements that overtook each other: the highest one tells where the peer
 * stands (include/ftpfix.h), and a reset from there counts. */
static void acknowledgements_out_of_order(void **state)
{
	struct dial dial = dial_opened(state);
	struct ftpfix_flow flow;

	dial_down(&dial, PSH | ACK, "0123456789");
	dial_up(&dial, ACK, "");
	dial.server_sequence -= 10;
	dial_up(&dial, ACK, "");
	dial.server_sequence += 10;
	goes_on(&dial, 3, 10);
	assert_true(dial_flow(&dial, dial_up_key(&dial), &flow));
	assert_int_equal(flow.acknowledged, dial.server_sequence);
}

/* The server has the tuple in TIME_WAIT and answers the SYN with an acknowledgement
 * of the earlier connection (RFC 9293 section 3.10.7.4). The client's reset clears
 * that, and its SYN comes again: the flow must still be there. */
static void server_in_time_wait(void **state)
{
	struct dial dial = dial_expected(state);
	__u32 client = dial.client_sequence, server = dial.server_sequence;

	dial_up(&dial, SYN, "");
	dial.client_sequence = client - 123456789;
	dial.server_sequence = server - 987654321;
	dial_down(&dial, ACK, "");
	dial_up(&dial, RST, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	dial.client_sequence = client;
	dial.server_sequence = server;
	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	dial_up(&dial, ACK, "");
	goes_on(&dial, 3, 0);
}

/* The client was told a port anew and dials it from the port of before: that is a
 * new connection. The given up one ended, and is counted so. */
static void dialled_from_the_same_port(void **state)
{
	struct dial dial = dial_opened(state);
	struct talk talk = talk_of(dial.world);
	struct ftpfix_flow flow;

	talk.client_port++;
	talk.peer_port++;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, "227 Entering Passive Mode (10,0,0,175,83,237).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,83,237)\r\n");
	counted(dial.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	dial.client_sequence += 1000000;
	dial_open(&dial);
	assert_int_equal(dial_entries(&dial), 2);
	assert_true(dial_flow(&dial, dial_up_key(&dial), &flow));
	assert_int_equal(flow.first_sequence, dial.client_sequence - 1);
	assert_int_equal(flow.end_sequence, dial.client_sequence);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
		CARRIED(3, 0));
}

/* The same, where the earlier connection had closed: its end was counted then. */
static void dialled_in_time_wait(void **state)
{
	struct dial dial = dial_opened(state);
	struct talk talk = talk_of(dial.world);

	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(3, 0));
	assert_int_equal(dial_unsettled(&dial), 2);
	/* Unexpected it is still the earlier one's, for its server to answer. */
	dial.client_sequence += 1000000;
	dial_up(&dial, SYN, "");
	counted(dial.world, CARRIED(1, 0));
	talk.client_port++;
	talk.peer_port++;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(dial.world, EXPECTED_NEW);
	dial.client_sequence += 1000000;
	dial.server_sequence += 5000000;
	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	assert_int_equal(dial_settled(&dial), 2);
	assert_int_equal(dial_unsettled(&dial), 0);
}

/* Both have finished, and one resets instead of acknowledging: that is the end. */
static void reset_after_both_fins(void **state)
{
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		struct dial dial = dial_opened(state);

		dial_down(&dial, FIN | ACK, "");
		dial.server_sequence -= !acknowledged;
		dial_up(&dial, FIN | ACK, "");
		dial.server_sequence += !acknowledged;
		goes_on(&dial, 2, 0);
		dial_down(&dial, RST, "");
		is_gone(&dial, 1, 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_first),
		cmocka_unit_test(server_first),
		cmocka_unit_test(three_packets),
		cmocka_unit_test(both_at_once),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(fin_comes_again),
		cmocka_unit_test(client_resets),
		cmocka_unit_test(server_resets),
		cmocka_unit_test(reset_where_the_peer_stands),
		cmocka_unit_test(reset_where_the_peer_does_not_stand),
		cmocka_unit_test(server_refuses),
		cmocka_unit_test(client_gives_its_syn_up),
		cmocka_unit_test(refusal_of_another),
		cmocka_unit_test(blind_reset),
		cmocka_unit_test(blind_reset_twice),
		cmocka_unit_test(blind_segment_then_reset),
		cmocka_unit_test(far_ahead_and_acknowledged),
		cmocka_unit_test(server_in_time_wait),
		cmocka_unit_test(blind_fins),
		cmocka_unit_test(acknowledgements_out_of_order),
		cmocka_unit_test(dialled_from_the_same_port),
		cmocka_unit_test(dialled_in_time_wait),
		cmocka_unit_test(reset_after_both_fins),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
