// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Data connections of sessions that are encrypted, to the ports at which servers are known to
 * announce them: they go where the client's control connection goes.
 */
#include "prog_balance.h"

#define PORT_LOW 30000
#define PORT_HIGH 30009

/* TLS records, as far as a test must know them. */
#define RECORD_UP "\x17\x03\x03\x01\x10 a command"
#define RECORD_DOWN "\x17\x03\x03\x01\x10 a reply"

/* A command and its reply, neither of which is read. */
static void unread(struct control *control)
{
	control_up(control, PSH | ACK, RECORD_UP);
	control_down(control, PSH | ACK, RECORD_DOWN, RECORD_DOWN);
	counted(control->dial.world, CARRIED_OF(&control->dial, 2, strlen(RECORD_UP RECORD_DOWN)));
}

/* The client has changed to TLS, and nothing is said in it yet. */
static struct control secured(const struct talk *talk)
{
	struct control control = control_open(talk);

	control_up(&control, PSH | ACK, "AUTH TLS\r\n");
	control_down(&control, PSH | ACK, "234 go on\r\n", "234 go on\r\n");
	counted(talk->world, {FTPFIX_SESSION_OPAQUE, 1}, CARRIED_OF(&control.dial, 2, 21));
	return control;
}

static struct control begin(void **state, enum ftpfix_forward forward, int ipv6)
{
	struct talk talk = balance_begin(state, forward, ipv6, FTPFIX_BALANCE_MAGLEV);

	return secured(&talk);
}

/* The client's next session goes to another server. */
static void next_server(struct talk *talk)
{
	balance_to(talk->world, 0, 1);
	talk->client_port++;
	talk->server++;
}

/* It is nobody's; `unexpected` says that it is counted. */
static void passes(struct dial *data, int unexpected)
{
	dial_up_passes(data, SYN, "");
	counted(data->world, {FTPFIX_CONNECTION_UNEXPECTED, unexpected});
}

static void at_each_port(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct control control = begin(
			state, round & 1 ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT, round / 2);
		struct dial data;

		unread(&control);
		for (__u16 port = PORT_LOW; port <= PORT_HIGH; port++) {
			data = control_data(&control, port);
			data.client_port = data.source_port = 50000 + port - PORT_LOW;
			control_carries(&data);
		}
		assert_int_equal(expected_count(data.world), 1);
	}
}

/* Another host, another address of ours, another port. */
static void nobody_else(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0);
	struct dial data;

	control.dial.world->skeleton->bss->data_ports = PORT_LOW << 16 | (PORT_HIGH + 1);
	unread(&control);
	data = control_data(&control, PORT_LOW);
	data.client++;
	passes(&data, 1);
	data = control_data(&control, PORT_LOW);
	data.vip++;
	passes(&data, 0);
	data = control_data(&control, PORT_LOW - 1);
	passes(&data, 0);
	data = control_data(&control, PORT_HIGH + 1);
	passes(&data, 1);
	data = control_data(&control, PORT_LOW);
	control_carries(&data);
}

/* A control connection's port is none of a data connection. */
static void control_port(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0);
	volatile __u64 *word = &control.dial.world->skeleton->bss->service_ports[PORT_LOW / 64];
	struct dial data = control_data(&control, PORT_LOW);

	unread(&control);
	*word |= 1ULL << PORT_LOW % 64;
	passes(&data, 0);
	*word &= ~(1ULL << PORT_LOW % 64);
	control_carries(&data);
}

/* What is said in plain text announces nothing but by itself. */
static void plain(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct control control = control_open(&talk);
	struct dial data = control_data(&control, PORT_LOW);

	control_up(&control, PSH | ACK, "NOOP\r\n");
	control_down(&control, PSH | ACK, "200 ok\r\n", "200 ok\r\n");
	control_up(&control, PSH | ACK, "AUTH TLS\r\n");
	control_down(&control, PSH | ACK, "500 no\r\n", "500 no\r\n");
	counted(talk.world, CARRIED(4, 32));
	passes(&data, 0);
	assert_int_equal(expected_count(talk.world), 0);
}

/* Of the reply to AUTH nothing is encrypted, nor does a command announce anything. */
static void nothing_said(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0);
	struct dial data = control_data(&control, PORT_LOW);

	control_up(&control, PSH | ACK, RECORD_UP);
	counted(data.world, CARRIED(1, strlen(RECORD_UP)));
	passes(&data, 0);
	control_down(&control, PSH | ACK, RECORD_DOWN, RECORD_DOWN);
	counted(data.world, CARRIED(1, strlen(RECORD_DOWN)));
	control_carries(&data);
}

/* Encrypted from its first record on, as at port 990. */
static void from_the_start(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct control control = control_open(&talk);
	struct dial data = control_data(&control, PORT_LOW);

	unread(&control);
	control_carries(&data);
}

/* What another session of the client announced in plain text, of another server, comes first
 * at its port, and once. */
static void read_comes_first(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0), other;
	struct talk talk = talk_of(control.dial.world);
	struct dial data;

	unread(&control);
	next_server(&talk);
	other = control_open(&talk);
	control_up(&other, PSH | ACK, "PASV\r\n");
	control_down(&other, PSH | ACK, "227 Entering Passive Mode (10,0,0,176,117,53).\r\n",
		     "227 Entering Passive Mode (203,0,113,5,117,53)\r\n");
	counted(talk.world, EXPECTED_NEW, CARRIED(2, 6 + strlen(VSFTPD)));
	data = control_data(&other, 117 * 256 + 53);
	control_carries(&data);
	data = control_data(&control, 117 * 256 + 53);
	data.client_port = data.source_port = 50002;
	control_carries(&data);
}

/* The expectation as it stands in the table: in the place of the port are the virtual address's
 * halves, one over the other. */
static struct ftpfix_expectation *standing(const struct control *control)
{
	const struct dial *dial = &control->dial;
	struct ftpfix_expectation *found;

	found = expected_of(dial->world, dial_address(dial, dial->client),
			    0xffff ^ dial->vip >> 16 ^ (dial->vip & 0xffff));
	assert_non_null(found);
	assert_true(found->state & FTPFIX_EXPECTATION_UNREAD);
	return found;
}

/* It lasts as long as others, from the last reply on, and nobody misses who did not come. */
static void lasts(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0);
	__u32 ticks = FTPFIX_EXPECTATION_NS >> FTPFIX_TICK_SHIFT, now;
	struct dial data = control_data(&control, PORT_LOW);

	unread(&control);
	now = now_ns() >> FTPFIX_TICK_SHIFT;
	assert_in_range(standing(&control)->deadline_ticks, now + ticks - 100, now + ticks);
	standing(&control)->deadline_ticks = now - 100;
	passes(&data, 0);
	/* The same session says more. */
	unread(&control);
	assert_in_range(standing(&control)->deadline_ticks, now + ticks - 100, now + ticks + 1000);
	control_carries(&data);
	sweep(data.world);
	assert_int_equal(expected_count(data.world), 1);
	standing(&control)->deadline_ticks = now - 100;
	sweep(data.world);
	counted(data.world, NOTHING);
	assert_int_equal(expected_count(data.world), 0);
	unread(&control);
	data.client_port = data.source_port = 50002;
	control_carries(&data);
}

/* The next session of the same client goes to another server, for the first one is drained. */
static void another_server(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_FULLNAT, 0), other;
	struct talk talk = talk_of(control.dial.world);
	struct dial data;

	unread(&control);
	next_server(&talk);
	other = secured(&talk);
	data = control_data(&control, PORT_LOW);
	control_carries(&data);
	unread(&other);
	data = control_data(&other, PORT_LOW + 1);
	control_carries(&data);
	assert_int_equal(expected_count(talk.world), 1);
}

/* The same client has sessions at two virtual addresses, of other servers. */
static void another_address(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0), other;
	struct talk talk = talk_of(control.dial.world);
	struct dial data;

	unread(&control);
	talk.vip++;
	talk.client_port++;
	balance_virtual(&talk, 1, FTPFIX_BALANCE_MAGLEV);
	balance_to(talk.world, 1, 1);
	talk.server++;
	other = secured(&talk);
	unread(&other);
	assert_int_equal(expected_count(talk.world), 2);
	data = control_data(&control, PORT_LOW);
	control_carries(&data);
	data = control_data(&other, PORT_LOW);
	control_carries(&data);
}

/* What stands for the port of what is encrypted is none that was announced. */
static void no_port(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0);
	struct dial data;

	unread(&control);
	data = control_data(&control, ntohs(standing(&control)->be_port));
	passes(&data, 0);
	data = control_data(&control, PORT_LOW);
	control_carries(&data);
}

/* Two sessions share what is expected; when the first has ended, it is the other one's. */
static void shared(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_NAT, 0), other;
	struct talk talk = talk_of(control.dial.world);
	struct dial data;

	unread(&control);
	talk.client_port++;
	other = secured(&talk);
	unread(&other);
	assert_int_equal(expected_count(talk.world), 1);
	assert_int_equal(standing(&other)->session.tuple.be_source_port,
			 htons(control.dial.client_port));
	control_up(&control, RST, "");
	counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(1, 0));
	data = control_data(&other, PORT_LOW);
	control_carries(&data);
	unread(&other);
	assert_int_equal(standing(&other)->session.tuple.be_source_port,
			 htons(other.dial.client_port));
	assert_int_equal(expected_count(talk.world), 1);
	data.client_port = data.source_port = 50002;
	control_carries(&data);
}

/* While its data connection moves bytes the control connection may be silent. */
static void keeps_the_session(void **state)
{
	struct control control = begin(state, FTPFIX_FORWARD_FULLNAT, 0);
	struct dial data = control_data(&control, PORT_LOW), *dial = &control.dial;
	__u32 silence = (SESSION_IDLE_NS + FTPFIX_SECOND_NS) >> FTPFIX_TICK_SHIFT;

	unread(&control);
	dial_open(&data);
	counted(data.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	flow_of(dial->world, dial_up_key(dial))->seen_ticks -= silence;
	flow_of(dial->world, dial_down_key(dial))->seen_ticks -= silence;
	sweep(dial->world);
	counted(dial->world, NOTHING);
	flow_of(dial->world, dial_up_key(&data))->seen_ticks -= silence;
	flow_of(dial->world, dial_down_key(&data))->seen_ticks -= silence;
	sweep(dial->world);
	counted(dial->world, {FTPFIX_BALANCED_TIMED_OUT, 1});
}

static void constants(struct ftpfix *skeleton)
{
	skeleton->rodata->tls_ports = PORT_LOW << 16 | PORT_HIGH;
}

static int setup(void **state)
{
	return world_setup_configured(state, 0, constants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_each_port),
		cmocka_unit_test(nobody_else),
		cmocka_unit_test(control_port),
		cmocka_unit_test(plain),
		cmocka_unit_test(nothing_said),
		cmocka_unit_test(from_the_start),
		cmocka_unit_test(lasts),
		cmocka_unit_test(another_server),
		cmocka_unit_test(another_address),
		cmocka_unit_test(no_port),
		cmocka_unit_test(shared),
		cmocka_unit_test(read_comes_first),
		cmocka_unit_test(keeps_the_session),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
