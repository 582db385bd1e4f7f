// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * FTP in sessions that ftpfix balances itself: the control connection is translated at one
 * program and passes another, and its data connections go where it goes.
 */
#include "prog_balance.h"

/* Longer and shorter than what the servers say: VSFTPD by two and three bytes. */
#define LONG_VIP ip4(123, 156, 241, 199)
#define LONGER "227 Entering Passive Mode (123,156,241,199,83,237).\r\n"
#define SHORT_VIP ip4(1, 2, 3, 4)
#define SHORTER "227 Entering Passive Mode (1,2,3,4,83,237).\r\n"

/* What the server is sent of the client's PORT under FULLNAT, at equal length. */
#define EPRT_LINE "EPRT |1|198.51.100.10|50000|\r\n"
#define EPRT_INSIDE "EPRT |1|10.0.0.1|0000050000|\r\n"

static struct control logged_in(void **state, enum ftpfix_forward forward, int ipv6)
{
	struct talk talk = balance_begin(state, forward, ipv6, FTPFIX_BALANCE_MAGLEV);
	struct control control = control_open(&talk);

	control_down(&control, PSH | ACK, "220 ready\r\n", "220 ready\r\n");
	control_up(&control, PSH | ACK, "USER anonymous\r\n");
	counted(talk.world, CARRIED_OF(&control.dial, 2, 27));
	return control;
}

static void passive(void **state)
{
	for (int forward = FTPFIX_FORWARD_NAT; forward <= FTPFIX_FORWARD_FULLNAT; forward++) {
		struct control control = logged_in(state, forward, 0);
		struct dial data = control_data(&control, PORT);

		control_up(&control, PSH | ACK, "PASV\r\n");
		control_down(&control, PSH | ACK, VSFTPD, VSFTPD_PUBLIC);
		counted(data.world, EXPECTED_NEW, CARRIED(2, 6 + strlen(VSFTPD)));
		control_carries(&data);
		assert_int_equal(balance_load(&control.dial), 1);
	}
}

static void extended_passive(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct control control = logged_in(
			state, round & 1 ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT, round / 2);
		struct dial data = control_data(&control, PORT);

		control_up(&control, PSH | ACK, "EPSV\r\n");
		control_down(&control, PSH | ACK, EXTENDED, EXTENDED);
		counted(data.world, EXPECTED_KEPT, CARRIED_OF(&data, 2, 6 + strlen(EXTENDED)));
		control_carries(&data);
	}
}

/* The pool has several addresses: the data connection takes the one that its control
 * connection has, for a server compares them, and not the one that is next. */
static void source_of_the_control_connection(void **state)
{
	for (int client = 0; client < 8; client++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
		struct control control = {.dial = balance_dial(&talk)};
		struct dial data;

		for (__u32 number = 0; number < 4; number++) {
			struct ftpfix_source source = {.addr = mapped(ip4(10, 0, 1, number))};

			balance_write(talk.world->skeleton->maps.sources, &number, &source);
		}
		talk.world->skeleton->bss->source_count[FTPFIX_IPV4] = 4;
		control.dial.client += client;
		dial_learn(&control.dial);
		assert_in_range(control.dial.source, ip4(10, 0, 1, 0), ip4(10, 0, 1, 3));
		control_down(&control, SYN | ACK, "", "");
		control_up(&control, ACK, "");
		control_up(&control, PSH | ACK, "PASV\r\n");
		control_down(&control, PSH | ACK, VSFTPD, VSFTPD_PUBLIC);
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			EXPECTED_NEW, CARRIED(5, 6 + strlen(VSFTPD)));
		data = control_data(&control, PORT);
		control_carries(&data);
	}
}

/* The server is asked to connect: to the node under FULLNAT, whence it reaches the client. */
static void active(void **state)
{
	struct control control = logged_in(state, FTPFIX_FORWARD_FULLNAT, 0);
	struct dial *dial = &control.dial, data;
	struct frame input, output;
	struct talk talk = talk_of(dial->world);

	dial_up_frame(dial, PSH | ACK, dial->client_sequence, EPRT_LINE, 0, &input);
	dial_up_frame(dial, PSH | ACK, dial->client_sequence, EPRT_INSIDE, 1, &output);
	run_gives(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	run_passes(dial->world, INSIDE_EGRESS, &output);
	counted(dial->world, EXPECTED_NEW, CARRIED(1, strlen(EPRT_LINE)));
	data = dial_active(&talk, INSIDE_INGRESS, dial->server, dial->source, 50000, dial->vip,
			   dial->client, 50000);
	control_carries(&data);
}

/* The client says EPRT and is asked for nothing, four times, and then EPSV four times: of both
 * together no more than four are expected. */
static void both_kinds(void **state)
{
	struct control control = logged_in(state, FTPFIX_FORWARD_FULLNAT, 0);
	struct dial *dial = &control.dial;
	struct frame input, output;
	char text[64];

	for (int turn = 0; turn < 12; turn++) {
		if (turn / 4 == 1) {
			control_up(&control, PSH | ACK, "EPSV\r\n");
			snprintf(text, sizeof(text),
				 "229 Entering Extended Passive Mode (|||%d|)\r\n", 30000 + turn);
			control_down(&control, PSH | ACK, text, text);
		} else {
			snprintf(text, sizeof(text), "EPRT |1|198.51.100.10|%d|\r\n", 50000 + turn);
			dial_up_frame(dial, PSH | ACK, dial->client_sequence, text, 0, &input);
			snprintf(text, sizeof(text), "EPRT |1|10.0.0.1|00000%d|\r\n", 50000 + turn);
			dial_up_frame(dial, PSH | ACK, dial->client_sequence, text, 1, &output);
			run_gives(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
			run_passes(dial->world, INSIDE_EGRESS, &output);
			dial->client_sequence += strlen(text);
			control_down(&control, PSH | ACK, "200 ok\r\n", "200 ok\r\n");
			control_up(&control, ACK, "");
		}
		assert_int_equal(expected_count(dial->world), turn < 4 ? turn + 1 : 4);
	}
}

/* A session of a client who is so many addresses further, and is about to be told 229. */
static struct control asks(const struct talk *talk, __u32 further)
{
	struct control control = {.dial = balance_dial(talk)};

	control.dial.client += further;
	dial_learn(&control.dial);
	control_down(&control, SYN | ACK, "", "");
	control_up(&control, ACK, "");
	control_up(&control, PSH | ACK, "EPSV\r\n");
	return control;
}

/* What came in last need not leave first: each reply is its own session's, and promises a
 * connection to its own server. */
static void leaves_behind_another(void **state)
{
	for (int forward = FTPFIX_FORWARD_NAT; forward <= FTPFIX_FORWARD_FULLNAT; forward++) {
		struct talk talk = balance_begin(state, forward, 0, FTPFIX_BALANCE_MAGLEV);
		struct control one = asks(&talk, 0), other;
		struct frame reply, leaves;
		struct dial data;

		balance_to(talk.world, 0, 1);
		other = asks(&talk, 1);
		dial_down_frame(&one.dial, PSH | ACK, one.dial.server_sequence, EXTENDED, 1,
				&leaves);
		dial_down(&one.dial, PSH | ACK, EXTENDED);
		reply = talk.world->output;
		dial_down(&other.dial, PSH | ACK, EXTENDED);
		run_gives(talk.world, UPLINK_EGRESS, &reply, TC_ACT_UNSPEC, &leaves);
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 2}, {FTPFIX_BALANCED_ESTABLISHED, 2},
			EXPECTED_KEPT, CARRIED(10, 2 * (6 + strlen(EXTENDED))));
		data = control_data(&one, PORT);
		control_carries(&data);
	}
}

/* Its announcement has another length for the client: what the client acknowledges is
 * brought back to the server's numbers, and the end is seen all the same. */
static void adjusted_session_ends(void **state)
{
	const struct {
		__u32 vip;
		const char *line;
	} told[] = {{LONG_VIP, LONGER}, {SHORT_VIP, SHORTER}};

	for (int round = 0; round < 4; round++) {
		struct control control;
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
		struct dial *dial = &control.dial;

		world_sum_unknown(talk.world);
		talk.world->service.rewrite = FTPFIX_REWRITE_ADJUST;
		world_write_service(talk.world);
		talk.vip = told[round & 1].vip;
		balance_virtual(&talk, 1, FTPFIX_BALANCE_MAGLEV);
		control = control_open(&talk);
		control_up(&control, PSH | ACK, "PASV\r\n");
		control_down(&control, PSH | ACK, VSFTPD, told[round & 1].line);
		control_up(&control, ACK, "");
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1}, CARRIED(3, 6 + strlen(VSFTPD)));
		if (round < 2) {
			control_down(&control, FIN | ACK, "", "");
			control_up(&control, FIN | ACK, "");
			control_down(&control, ACK, "", "");
			counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1},
				REFUSED(FTPFIX_CONNECTION_NOBODY_CAME), CARRIED(3, 0));
		} else {
			control_up(&control, RST, "");
			counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1},
				REFUSED(FTPFIX_CONNECTION_NOBODY_CAME), CARRIED(1, 0));
		}
		assert_int_equal(balance_load(dial), 0);
		assert_int_equal(dial_settled(dial), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passive),
		cmocka_unit_test(extended_passive),
		cmocka_unit_test(source_of_the_control_connection),
		cmocka_unit_test(active),
		cmocka_unit_test(both_kinds),
		cmocka_unit_test(leaves_behind_another),
		cmocka_unit_test(adjusted_session_ends),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
