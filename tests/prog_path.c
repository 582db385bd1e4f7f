// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --path stack: each packet is translated where it enters the node and where it leaves, so
 * that the stack in between sees the client and the server, and routes and filters it.
 */
#include "prog_balance.h"
#include "prog_refuse.h"

/* Where a packet is. */
enum place { OUTSIDE, MIDDLE, INSIDE };

static void path_frame(const struct dial *dial, int from_client, enum place place, __u8 ttl,
		       __u8 flags, const char *bytes, struct frame *frame)
{
	__u32 client = place == INSIDE ? dial->source : dial->client;
	__u32 server = place == OUTSIDE ? dial->vip : dial->server;
	__u16 client_port = place == OUTSIDE ? dial->client_port : dial->source_port;
	__u16 server_port = place == OUTSIDE ? dial->public_port : dial->server_port;
	__u32 own = from_client ? dial->client_sequence : dial->server_sequence;
	__u32 other = from_client ? dial->server_sequence : dial->client_sequence;
	struct spec spec = dial->shape;

	spec.source = from_client ? client : server;
	spec.source_port = from_client ? client_port : server_port;
	spec.destination = from_client ? server : client;
	spec.destination_port = from_client ? server_port : client_port;
	spec.sequence = own;
	spec.acknowledgement = flags & ACK ? other : 0;
	spec.flags = flags;
	spec.ttl = ttl;
	spec.bytes = bytes;
	spec.length = strlen(bytes);
	frame_build(frame, &spec);
}

/* The client's, or the server's, next segment passes a program and is moved. */
static void moves_at(const struct dial *dial, int from_client, enum program program,
		     enum place from, enum place to, __u8 ttl, __u8 flags, const char *bytes,
		     const char *file, int line)
{
	struct frame input, output;

	path_frame(dial, from_client, from, ttl, flags, bytes, &input);
	path_frame(dial, from_client, to, ttl, flags, bytes, &output);
	run_check(dial->world, program, &input, TC_ACT_UNSPEC, &output, file, line);
	/* The stack may do with it what it likes. */
	assert_false(numbered(dial->world));
}

/* The client's next segment enters the node, and leaves it, where the stack has taken one from
 * its time to live. */
static void up_enters_at(struct dial *dial, __u8 flags, const char *bytes, const char *file,
			 int line)
{
	moves_at(dial, 1, UPLINK_INGRESS, OUTSIDE, MIDDLE, 64, flags, bytes, file, line);
}

static void up_at(struct dial *dial, __u8 flags, const char *bytes, const char *file, int line)
{
	up_enters_at(dial, flags, bytes, file, line);
	moves_at(dial, 1, INSIDE_EGRESS, MIDDLE, INSIDE, 63, flags, bytes, file, line);
	dial->client_sequence += dial_step(flags, bytes);
}

static void down_at(struct dial *dial, __u8 flags, const char *bytes, const char *file, int line)
{
	moves_at(dial, 0, INSIDE_INGRESS, INSIDE, MIDDLE, 64, flags, bytes, file, line);
	moves_at(dial, 0, UPLINK_EGRESS, MIDDLE, OUTSIDE, 63, flags, bytes, file, line);
	dial->server_sequence += dial_step(flags, bytes);
}

#define up(dial, flags, bytes) up_at(dial, flags, bytes, __FILE__, __LINE__)
#define up_enters(dial, flags, bytes) up_enters_at(dial, flags, bytes, __FILE__, __LINE__)
#define down(dial, flags, bytes) down_at(dial, flags, bytes, __FILE__, __LINE__)

static void opens_at(struct dial *dial, const char *file, int line)
{
	up_at(dial, SYN, "", file, line);
	down_at(dial, SYN | ACK, "", file, line);
	up_at(dial, ACK, "", file, line);
}

#define opens(dial) opens_at(dial, __FILE__, __LINE__)

static void closes(struct dial *dial)
{
	down(dial, FIN | ACK, "");
	up(dial, FIN | ACK, "");
	down(dial, ACK, "");
}

static struct talk path_begin(void **state, int round)
{
	return balance_begin(state, round & 1 ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT,
			     round / 2, FTPFIX_BALANCE_MAGLEV);
}

/* The entries of a connection: two, and two more where the source is changed as well. */
static __u32 entries_of(const struct talk *talk)
{
	return talk->world->service.forward == FTPFIX_FORWARD_FULLNAT ? 4 : 2;
}

/* NAT and FULLNAT, IPv4 and IPv6: each packet is counted once. */
static void balanced(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk = path_begin(state, round);
		struct dial dial = balance_dial(&talk);

		up(&dial, SYN, "");
		assert_int_equal(dial_unsettled(&dial), entries_of(&talk));
		down(&dial, SYN | ACK, "");
		up(&dial, ACK, "");
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			CARRIED_OF(&dial, 3, 0));
		assert_int_equal(dial_settled(&dial), entries_of(&talk));
		assert_int_equal(dial_unsettled(&dial), 0);
		assert_int_equal(balance_load(&dial), 1);
		down(&dial, PSH | ACK, "220 odd\r\n");
		up(&dial, PSH | ACK, "USER anonymous\r\n");
		closes(&dial);
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED_OF(&dial, 5, 9 + 16));
		assert_int_equal(dial_settled(&dial), 0);
		assert_int_equal(dial_unsettled(&dial), entries_of(&talk));
		assert_int_equal(balance_load(&dial), 0);
	}
}

/* The session's data connection goes the same way, in the name of the same address. */
static void passive(void **state)
{
	for (int round = 0; round < 2; round++) {
		struct talk talk = path_begin(state, round);
		struct dial control = balance_dial(&talk), data;
		struct frame input, middle, output;

		opens(&control);
		up(&control, PSH | ACK, "PASV\r\n");
		path_frame(&control, 0, INSIDE, 64, PSH | ACK, VSFTPD, &input);
		path_frame(&control, 0, MIDDLE, 64, PSH | ACK, VSFTPD, &middle);
		run_gives(talk.world, INSIDE_INGRESS, &input, TC_ACT_UNSPEC, &middle);
		path_frame(&control, 0, OUTSIDE, 64, PSH | ACK, VSFTPD_PUBLIC, &output);
		run_gives(talk.world, UPLINK_EGRESS, &middle, TC_ACT_UNSPEC, &output);
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			EXPECTED_NEW, CARRIED(5, 6 + strlen(VSFTPD)));
		data = dial_of(&talk, PORT, PORT);
		opens(&data);
		down(&data, PSH | ACK, "listing");
		closes(&data);
		counted(talk.world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
			CARRIED(7, 7));
	}
}

/* The port of the server's data connection has the number of a control port: what is sent there is
 * none of FTP's lines. */
static void passive_to_a_control_port(void **state)
{
	static const char line[] = "229 Entering Extended Passive Mode (|||02100|)\r\n";

	for (int round = 0; round < 2; round++) {
		struct talk talk = path_begin(state, round);
		struct dial data;
		struct frame frame;
		__u32 sessions;

		talk_ask(&talk, "EPSV\r\n");
		talk_observe(&talk, line);
		talk_response(&talk, talk.server_sequence, PSH | ACK, line, strlen(line), &frame);
		assert_int_equal(run(talk.world, UPLINK_EGRESS, &frame), TC_ACT_UNSPEC);
		sessions = sessions_count(talk.world);
		data = dial_of(&talk, talk_published(&talk), OTHER_SERVICE_PORT);
		opens(&data);
		up(&data, PSH | ACK, "PORT and\r\nPOR");
		up(&data, PSH | ACK, "RIDGE");
		down(&data, PSH | ACK, "220");
		closes(&data);
		assert_int_equal(sessions_count(talk.world), sessions);
	}
}

/* A client's control connection on which it has announced a port. */
static struct dial announced(const struct talk *talk)
{
	static const char line[] = "EPRT |1|198.51.100.10|50000|\r\n";
	static const char inside[] = "EPRT |1|10.0.0.1|0000050000|\r\n";
	struct dial control = balance_dial(talk);
	struct frame input, middle, output;

	opens(&control);
	down(&control, PSH | ACK, "220 odd\r\n");
	up(&control, PSH | ACK, "USER anonymous\r\n");
	path_frame(&control, 1, OUTSIDE, 64, PSH | ACK, line, &input);
	path_frame(&control, 1, MIDDLE, 64, PSH | ACK, inside, &middle);
	run_gives(talk->world, UPLINK_INGRESS, &input, TC_ACT_UNSPEC, &middle);
	path_frame(&control, 1, INSIDE, 64, PSH | ACK, inside, &output);
	run_gives(talk->world, INSIDE_EGRESS, &middle, TC_ACT_UNSPEC, &output);
	control.client_sequence += strlen(line);
	return control;
}

/* A PORT leaves as the address by which the server reaches the node. */
static void active(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial data;

	announced(&talk);
	/* The server dials: it is the client of this connection. */
	data = dial_active(&talk, INSIDE_INGRESS, talk.server, talk.peer, 50000, talk.vip,
			   talk.client, 50000);
	moves_at(&data, 1, INSIDE_INGRESS, OUTSIDE, MIDDLE, 64, SYN, "", __FILE__, __LINE__);
	moves_at(&data, 1, UPLINK_EGRESS, MIDDLE, INSIDE, 63, SYN, "", __FILE__, __LINE__);
	data.client_sequence++;
	moves_at(&data, 0, UPLINK_INGRESS, INSIDE, MIDDLE, 64, SYN | ACK, "", __FILE__, __LINE__);
	moves_at(&data, 0, INSIDE_EGRESS, MIDDLE, OUTSIDE, 63, SYN | ACK, "", __FILE__, __LINE__);
}

/* What is expected of the server, which only the flow tells, ends with the session. */
static void active_ends(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial control = announced(&talk);

	assert_int_equal(expected_count(talk.world), 1);
	up(&control, RST, "");
	assert_int_equal(expected_count(talk.world), 0);
}

/* The time to live and the MTU are the stack's to see to, and to answer. */
static void stack_routes(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial dial = balance_dial(&talk);
	char bytes[2001] = "";

	opens(&dial);
	memset(bytes, 'x', sizeof(bytes) - 1);
	moves_at(&dial, 1, UPLINK_INGRESS, OUTSIDE, MIDDLE, 1, ACK, "", __FILE__, __LINE__);
	moves_at(&dial, 1, UPLINK_INGRESS, OUTSIDE, MIDDLE, 64, ACK, bytes, __FILE__, __LINE__);
	moves_at(&dial, 0, INSIDE_INGRESS, INSIDE, MIDDLE, 1, ACK, "", __FILE__, __LINE__);
}

/* A reset ends it at both programs. */
static void reset(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk = path_begin(state, round & 1);
		struct dial dial = balance_dial(&talk);

		opens(&dial);
		if (round / 2)
			down(&dial, RST, "");
		else
			up(&dial, RST, "");
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			{FTPFIX_BALANCED_CLOSED, 1}, CARRIED(4, 0));
		assert_int_equal(dial_settled(&dial), 0);
		assert_int_equal(dial_unsettled(&dial), entries_of(&talk));
		assert_int_equal(balance_load(&dial), 0);
	}
}

/* A SYN that comes again, before it is answered or after, makes no second connection. */
static void syn_again(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk = path_begin(state, round);
		struct dial dial = balance_dial(&talk);

		up(&dial, SYN, "");
		dial.client_sequence--;
		up(&dial, SYN, "");
		assert_int_equal(dial_unsettled(&dial), entries_of(&talk));
		dial.client_sequence--;
		opens(&dial);
		counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
			CARRIED_OF(&dial, 5, 0));
		assert_int_equal(dial_settled(&dial), entries_of(&talk));
		assert_int_equal(dial_unsettled(&dial), 0);
		assert_int_equal(balance_load(&dial), 1);
	}
}

/* How many slots are free in all. */
static int room_left(const struct world *world)
{
	int room = 0;

	for (__u32 slot = 0; slot < world->group_count * FTPFIX_GROUP_SLOTS; slot++)
		room += !*slot_tag(world, slot);
	return room;
}

/* With room for less than both of its pairs neither stays, and the room does. */
static void table_full(void **state)
{
	for (int room = 0; room <= 4; room++) {
		struct talk talk = path_begin(state, 1);
		struct dial dial = balance_dial(&talk), middle = dial;
		struct ftpfix_tuple keys[4];

		middle.source = dial.client;
		keys[0] = dial_up_key(&dial);
		keys[1] = dial_down_key(&middle);
		keys[2] = tuple_turned(&keys[1]);
		keys[3] = dial_down_key(&dial);
		flows_fill(talk.world);
		for (int number = 0; number < room; number++)
			flows_make_room(talk.world, keys[number]);
		if (room == 4) {
			opens(&dial);
			assert_int_equal(dial_settled(&dial), 4);
			continue;
		}
		for (int time = 0; time < 2; time++) {
			dial_refused(&dial, SYN, "");
			counted(talk.world, {FTPFIX_BALANCED_TABLE_FULL, 1}, {FTPFIX_EVENT_SENT, 1},
				{FTPFIX_PACKET_REFUSED, 1});
		}
		assert_int_equal(dial_entries(&dial), 0);
		assert_int_equal(room_left(talk.world), room);
		assert_int_equal(balance_load(&dial), 0);
	}
}

/* What has its places keeps them: to become established it needs no others. */
static void settles_without_room(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk = path_begin(state, round);
		struct dial dial = balance_dial(&talk);

		up(&dial, SYN, "");
		flows_fill(talk.world);
		down(&dial, SYN | ACK, "");
		up(&dial, ACK, "");
		assert_int_equal(dial_settled(&dial), entries_of(&talk));
		assert_int_equal(balance_load(&dial), 1);
	}
}

/* Opens a connection whose port, as the server sees it, is another one. */
static void opens_elsewhere(struct dial *dial)
{
	struct ftpfix_flow flow;
	struct frame frame;

	path_frame(dial, 1, OUTSIDE, 64, SYN, "", &frame);
	assert_int_equal(run(dial->world, UPLINK_INGRESS, &frame), TC_ACT_UNSPEC);
	assert_true(dial_flow(dial, dial_up_key(dial), &flow));
	assert_int_not_equal(ntohs(flow.be_source_port), dial->source_port);
	dial->source_port = ntohs(flow.be_source_port);
	opens(dial);
}

/* The node's firewall drops the reset: the same client's next connection takes the place of what
 * is left. */
static void filtered_reset(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial dial = balance_dial(&talk);

	opens(&dial);
	up_enters(&dial, RST, "");
	assert_int_equal(dial_settled(&dial), 2);
	dial.client_sequence += 1000000;
	opens(&dial);
	assert_int_equal(dial_settled(&dial), 4);
	assert_int_equal(dial_unsettled(&dial), 0);
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 2}, {FTPFIX_BALANCED_ESTABLISHED, 2},
		{FTPFIX_BALANCED_CLOSED, 1}, CARRIED(7, 0));
	down(&dial, PSH | ACK, "220 new\r\n");
	up(&dial, ACK, "");
	counted(talk.world, CARRIED(2, 9));
}

/* Where there is none the sweep takes it, and nothing of what is whole. */
static void filtered_reset_swept(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial dial = balance_dial(&talk), other = dial;

	opens(&dial);
	up_enters(&dial, RST, "");
	other.client_port++;
	other.source_port++;
	opens(&other);
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 2}, {FTPFIX_BALANCED_ESTABLISHED, 2},
		{FTPFIX_BALANCED_CLOSED, 1}, CARRIED(7, 0));
	sweep(talk.world);
	assert_int_equal(dial_settled(&dial), 6);
	assert_int_equal(dial_unsettled(&dial), 2);
	flows_made_old(talk.world, FTPFIX_FLOW_CLOSING_NS);
	/* In which order the table is gone through does not matter. */
	for (int time = 0; time < 2; time++)
		sweep(talk.world);
	assert_int_equal(dial_settled(&dial), 4);
	assert_int_equal(dial_unsettled(&dial), 0);
	down(&other, PSH | ACK, "220 new\r\n");
	up(&other, ACK, "");
	counted(talk.world, CARRIED(2, 9));
}

/* Replaced while it opens or when it has closed: both of its pairs are. */
static void replaced(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk = path_begin(state, round & 1);
		struct dial dial = balance_dial(&talk);

		if (round / 2) {
			opens(&dial);
			closes(&dial);
		} else {
			up(&dial, SYN, "");
		}
		dial.client_sequence += 1000000;
		up(&dial, SYN, "");
		assert_int_equal(dial_unsettled(&dial), entries_of(&talk));
		down(&dial, SYN | ACK, "");
		up(&dial, ACK, "");
		assert_int_equal(dial_entries(&dial), entries_of(&talk));
		assert_int_equal(balance_load(&dial), 1);
	}
}

/* The node's port that the server sees is the stack's, too. */
static void source_port_taken(void **state)
{
	struct talk talk = path_begin(state, 1), other;
	struct dial first = balance_dial(&talk), second;

	opens(&first);
	other = talk;
	other.client++;
	second = balance_dial(&other);
	opens_elsewhere(&second);
	down(&second, PSH | ACK, "220 second\r\n");
	down(&first, PSH | ACK, "220 first\r\n");
	assert_int_equal(dial_settled(&first), 8);
}

/* Nor is a port that the loader's checks have: what was inserted for it goes again. */
static void source_port_of_a_check(void **state)
{
	struct talk talk = path_begin(state, 1);
	struct dial dial = balance_dial(&talk);

	world_check_port(talk.world, dial.client_port, 1);
	opens_elsewhere(&dial);
	assert_int_not_equal(dial.source_port, dial.client_port);
	down(&dial, PSH | ACK, "220 ready\r\n");
	assert_int_equal(dial_entries(&dial), 4);
}

static void stack_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->path_stack = 1;
}

static int stack_setup(void **state)
{
	return world_setup_configured(state, 0, stack_constants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(balanced),
		cmocka_unit_test(passive),
		cmocka_unit_test(passive_to_a_control_port),
		cmocka_unit_test(active),
		cmocka_unit_test(active_ends),
		cmocka_unit_test(stack_routes),
		cmocka_unit_test(syn_again),
		cmocka_unit_test(table_full),
		cmocka_unit_test(settles_without_room),
		cmocka_unit_test(reset),
		cmocka_unit_test(filtered_reset),
		cmocka_unit_test(filtered_reset_swept),
		cmocka_unit_test(replaced),
		cmocka_unit_test(source_port_taken),
		cmocka_unit_test(source_port_of_a_check),
	};

	return cmocka_run_group_tests(tests, stack_setup, world_teardown);
}
