// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --forward fullnat: the server sees the data connection come from where the
 * control connection came from; and control connections that a proxy terminates,
 * whose announcements are known by their content alone.
 */
#include "prog_dial.h"

static struct world *fullnat_world(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return world;
}

/* A control connection through a proxy: each side has its own ports and sequence
 * numbers. */
static struct talk proxied(struct world *world)
{
	struct talk talk = talk_of(world);

	talk.peer_port = 33333;
	talk.inner_sequence = 0x55555555;
	return talk;
}

static struct dial expected_dial(struct talk *talk)
{
	talk_ask(talk, "PASV\r\n");
	talk_answer(talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk->world, EXPECTED_NEW);
	return dial_of(talk, PORT, PORT);
}

static void carries(struct dial *dial)
{
	dial_open(dial);
	dial_up(dial, PSH | ACK, "odd");
	dial_down(dial, PSH | ACK, "even");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 7));
	dial_down(dial, FIN | ACK, "");
	dial_up(dial, FIN | ACK, "");
	dial_down(dial, ACK, "");
	counted(dial->world, {FTPFIX_CONNECTION_CLOSED, 1}, CARRIED(3, 0));
	assert_int_equal(dial_settled(dial), 0);
	dial_closed(dial);
}

/* nftables DNAT and masquerade: the control connection keeps its sequence numbers. */
static void source_is_the_control_peer(void **state)
{
	struct talk talk = talk_of(fullnat_world(state));
	struct dial dial = expected_dial(&talk);
	struct ftpfix_addr peer = mapped(talk.peer);
	struct ftpfix_expectation expectation;

	assert_true(talk_expects(&talk, PORT, &expectation));
	expectation_names(talk.world, &expectation, source, &peer);
	carries(&dial);
}

static void source_of_the_service(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = talk_of(world);
	struct dial dial;

	world_source(world, mapped(ip4(10, 0, 0, 77)));
	dial = expected_dial(&talk);
	dial.source = ip4(10, 0, 0, 77);
	carries(&dial);
}

static void every_shape(void **state)
{
	static const struct spec shapes[] = {
		{.timestamps = 1},
		{.ip_options = 8, .timestamps = 1},
		{.padding = 3},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct talk talk = talk_of(fullnat_world(state));
		struct dial dial = expected_dial(&talk);

		dial.shape = shapes[index];
		dial_open(&dial);
		dial_up(&dial, PSH | ACK, "odd");
		dial_down(&dial, PSH | ACK, "even");
	}
}

/* The node's address and the client's port are another connection's already: the
 * server sees another port, and its answers find back. */
static void source_port_taken(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = talk_of(world);
	struct dial dial = expected_dial(&talk);
	struct ftpfix_tuple taken = dial_down_key(&dial);
	struct ftpfix_flow *other, before, ahead;

	dial_source_taken(&dial, dial.source_port);
	other = flow_of(world, taken);
	assert_non_null(other);
	before = *other;
	ahead = world->flows[other->peer];
	dial_learn(&dial);
	assert_int_equal(dial.source, talk.peer);
	assert_in_range(dial.source_port, FTPFIX_PORT_MIN, 65535);
	assert_int_not_equal(dial.source_port, dial.client_port);
	dial_down(&dial, SYN | ACK, "");
	dial_up(&dial, PSH | ACK, "odd");
	dial_down(&dial, PSH | ACK, "even");
	counted(world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(4, 7));
	assert_ptr_equal(flow_of(world, taken), other);
	assert_memory_equal(other, &before, sizeof(before));
	assert_memory_equal(&world->flows[before.peer], &ahead, sizeof(ahead));
	assert_int_equal(dial_entries(&dial), 4);
}

/* Two clients dial from one port to one server port: the server can tell them
 * apart, and each gets what is its own. */
static void clients_with_one_port(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk one = talk_of(world), other = talk_of(world);
	struct dial first, second;

	other.client++;
	other.peer_port++;
	first = expected_dial(&one);
	dial_open(&first);
	counted(world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	second = expected_dial(&other);
	dial_learn(&second);
	assert_int_equal(second.source, first.source);
	assert_int_not_equal(second.source_port, first.source_port);
	dial_down(&second, SYN | ACK, "");
	dial_down(&first, PSH | ACK, "first");
	dial_down(&second, PSH | ACK, "second");
	dial_up(&first, ACK, "");
	dial_up(&second, ACK, "");
	assert_int_equal(dial_entries(&first), 4);
}

/* Every port of the node's address is taken toward this server port. */
static void no_source_port(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = talk_of(world);
	struct dial dial = expected_dial(&talk);
	struct frame frame;

	for (__u32 port = 0; port < 65536; port++)
		dial_source_taken(&dial, port);
	dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
	assert_int_equal(run(world, UPLINK_INGRESS, &frame), TC_ACT_REDIRECT);
	assert_int_equal(world->output.bytes[frame.transport + 13], RST | ACK);
	counted(world, {FTPFIX_CONNECTION_NO_SOURCE_PORT, 1}, {FTPFIX_EVENT_SENT, 1},
		{FTPFIX_PACKET_REFUSED, 1});
	assert_int_equal(dial_settled(&dial), 2 * 65536);
	assert_int_equal(flows_taken(world), 2 * 65536);
	assert_int_equal(flows_live(world), 2 * 65536);
	assert_int_equal(expected_count(world), 1);
}

static void proxied_passive(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = proxied(world);
	struct dial dial = expected_dial(&talk);

	carries(&dial);
	assert_int_equal(expected_count(world), 0);
}

static void proxied_extended(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = proxied(world);
	struct dial dial;

	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	dial = dial_of(&talk, PORT, PORT);
	carries(&dial);
}

/* The proxy puts together, or takes apart, what the server sent. */
static void proxy_cuts_otherwise(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk talk = proxied(world);
	struct dial dial;

	talk_ask(&talk, "PASV\r\n");
	talk_observe(&talk, "200 Type set to I.\r\n");
	talk_observe(&talk, VSFTPD);
	talk_leave(&talk, "200 Type set to I.\r\n" VSFTPD, "200 Type set to I.\r\n" VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	dial = dial_of(&talk, PORT, PORT);
	carries(&dial);
}

/* Two clients of one proxy whose servers announce the same thing at once. */
struct contenders {
	struct talk one;
	struct talk other;
};

/* What the server announces is dropped, to come again. */
static void must_wait(struct talk *talk)
{
	struct frame frame;

	talk_inner(talk, talk->inner_sequence, PSH | ACK, EXTENDED, strlen(EXTENDED), &frame);
	run_drops(talk->world, INSIDE_INGRESS, &frame);
	counted(talk->world, {FTPFIX_PACKET_CONTENDED, 1});
}

static struct contenders contend(void **state)
{
	struct world *world = fullnat_world(state);
	struct contenders both = {proxied(world), proxied(world)};

	both.other.client++;
	both.other.server++;
	both.other.inner_sequence += 12345;
	talk_ask(&both.one, "EPSV\r\n");
	talk_ask(&both.other, "EPSV\r\n");
	talk_observe(&both.one, EXTENDED);
	counted(world, NOTHING);
	must_wait(&both.other);
	return both;
}

static __u32 expected_server(const struct talk *talk)
{
	struct ftpfix_expectation expectation;

	assert_true(talk_expects(talk, PORT, &expectation));
	return ntohl(expectation.target.addr.be_word[3]);
}

/* The second one comes again, as TCP does, when the first one was told. */
static void second_waits_for_the_first(void **state)
{
	struct contenders both = contend(state);
	struct world *world = both.one.world;

	talk_leave(&both.one, EXTENDED, EXTENDED);
	talk_answer(&both.other, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 2}, {FTPFIX_CONNECTION_EXPECTED, 2});
	assert_int_equal(expected_server(&both.one), both.one.server);
	assert_int_equal(expected_server(&both.other), both.other.server);
}

/* The proxy stands still: the second comes again meanwhile, and waits for as long as the first
 * may still be told. */
static void second_waits_for_a_slow_proxy(void **state)
{
	struct contenders both = contend(state);
	struct world *world = both.one.world;

	notes_age(world, FTPFIX_SEEN_NS - FTPFIX_SECOND_NS);
	must_wait(&both.other);
	talk_leave(&both.one, EXTENDED, EXTENDED);
	talk_answer(&both.other, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 2}, {FTPFIX_CONNECTION_EXPECTED, 2});
	assert_int_equal(expected_server(&both.one), both.one.server);
	assert_int_equal(expected_server(&both.other), both.other.server);
}

/* What the first server said never arrived: the second does not wait for ever. */
static void second_waits_no_longer(void **state)
{
	struct contenders both = contend(state);
	struct world *world = both.one.world;

	notes_age(world, FTPFIX_SEEN_NS + FTPFIX_SECOND_NS);
	talk_answer(&both.other, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	assert_int_equal(expected_server(&both.other), both.other.server);
}

/* A server does not contend with itself. */
static void same_server_comes_again(void **state)
{
	struct contenders both = contend(state);
	struct world *world = both.one.world;

	both.one.inner_sequence -= strlen(EXTENDED);
	talk_observe(&both.one, EXTENDED);
	counted(world, NOTHING);
}

/* Where the node only translates the control connection, the first reply leaves with the
 * number that it came in with: from then on numbers tell the servers apart, and nobody
 * waits for another. */
static void nobody_waits_where_numbers_tell(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk one = talk_of(world), other = talk_of(world);

	other.client++;
	other.peer_port++;
	other.server++;
	other.inner_sequence = other.server_sequence += 12345;
	talk_answer(&one, "220 one\r\n", "220 one\r\n");
	talk_answer(&other, "220 other\r\n", "220 other\r\n");
	talk_ask(&one, "EPSV\r\n");
	talk_ask(&other, "EPSV\r\n");
	talk_observe(&one, EXTENDED);
	talk_observe(&other, EXTENDED);
	counted(world, NOTHING);
	talk_leave(&other, EXTENDED, EXTENDED);
	talk_leave(&one, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 2}, {FTPFIX_CONNECTION_EXPECTED, 2});
	assert_int_equal(expected_server(&one), one.server);
	assert_int_equal(expected_server(&other), other.server);
	assert_int_equal(map_entries(world->skeleton->maps.seen), 0);
}

/* A contended announcement behind others in one segment waits by itself: what is in
 * front of it goes on, once. */
static void second_waits_alone(void **state)
{
	struct contenders both = contend(state);
	struct world *world = both.one.world;
	struct frame input, output;

	talk_inner(&both.other, both.other.inner_sequence, PSH | ACK, "200 ok\r\n" EXTENDED,
		   strlen("200 ok\r\n" EXTENDED), &input);
	talk_inner(&both.other, both.other.inner_sequence, PSH | ACK, "200 ok\r\n",
		   strlen("200 ok\r\n"), &output);
	world_sum_unknown(world);
	run_gives(world, INSIDE_INGRESS, &input, TC_ACT_UNSPEC, &output);
	counted(world, {FTPFIX_PACKET_CONTENDED, 1}, {FTPFIX_PACKET_CUT, 1});
}

/* 227 names the server: there is nothing to confuse. */
static void passive_does_not_contend(void **state)
{
	struct world *world = fullnat_world(state);
	struct talk one = proxied(world), other = proxied(world);

	other.client++;
	other.server++;
	other.inner_sequence += 12345;
	talk_ask(&one, "PASV\r\n");
	talk_ask(&other, "PASV\r\n");
	talk_observe(&one, VSFTPD);
	talk_observe(&other, "227 Entering Passive Mode (10,0,0,176,83,237).\r\n");
	talk_leave(&other, "227 Entering Passive Mode (10,0,0,176,83,237).\r\n", VSFTPD_PUBLIC);
	talk_leave(&one, VSFTPD, VSFTPD_PUBLIC);
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 2}, {FTPFIX_CONNECTION_EXPECTED, 2});
	assert_int_equal(expected_server(&one), one.server);
	assert_int_equal(expected_server(&other), other.server);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_is_the_control_peer),
		cmocka_unit_test(source_of_the_service),
		cmocka_unit_test(every_shape),
		cmocka_unit_test(source_port_taken),
		cmocka_unit_test(clients_with_one_port),
		cmocka_unit_test(no_source_port),
		cmocka_unit_test(proxied_passive),
		cmocka_unit_test(proxied_extended),
		cmocka_unit_test(proxy_cuts_otherwise),
		cmocka_unit_test(second_waits_for_the_first),
		cmocka_unit_test(second_waits_for_a_slow_proxy),
		cmocka_unit_test(second_waits_no_longer),
		cmocka_unit_test(same_server_comes_again),
		cmocka_unit_test(passive_does_not_contend),
		cmocka_unit_test(nobody_waits_where_numbers_tell),
		cmocka_unit_test(second_waits_alone),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
