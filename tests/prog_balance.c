// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The balancer: which server a client's control connection goes to, that it stays there,
 * who is refused, and what the servers are counted to have.
 */
#include "prog_balance.h"
#include "prog_refuse.h"

static const enum ftpfix_forward forwards[] = {FTPFIX_FORWARD_NAT, FTPFIX_FORWARD_FULLNAT};

#define NONE FTPFIX_MAGLEV_NONE

/* Both kinds of translation, both families: to the server that the slot says, in the name
 * of who is expected there, and back in the name of the virtual address. */
static void carried_both_ways(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk =
			balance_begin(state, forwards[round / 2], round & 1, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk);
		struct ftpfix_flow flow;

		balance_to(talk.world, 0, 2);
		balance_open(&dial, 1);
		assert_int_equal(dial.server, talk.server + 2);
		assert_int_equal(dial.source, talk.peer);
		assert_int_equal(dial.source_port, dial.client_port);
		dial_down(&dial, PSH | ACK, "220 odd\r\n");
		dial_up(&dial, ACK, "");
		assert_int_equal(dial_settled(&dial), 2);
		assert_int_equal(dial_unsettled(&dial), 0);
		assert_true(dial_flow(&dial, dial_up_key(&dial), &flow));
		assert_int_equal(flow.place, FTPFIX_HOOK_UPLINK_IN | FTPFIX_PLACE_CONTROL |
						     FTPFIX_PLACE_OPENER);
		assert_int_equal(flow.marks, FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED);
		assert_int_equal(flow_hop(talk.world, &flow).out_ifindex, talk.world->server);
		assert_true(dial_flow(&dial, dial_down_key(&dial), &flow));
		assert_int_equal(flow.place, FTPFIX_HOOK_INSIDE_IN | FTPFIX_PLACE_CONTROL);
		assert_int_equal(flow.marks, FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED);
		assert_int_equal(flow_hop(talk.world, &flow).out_ifindex, talk.world->uplink);
		dial_up(&dial, FIN | ACK, "");
		dial_down(&dial, FIN | ACK, "");
		dial_up(&dial, ACK, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED_OF(&dial, 5, 9));
		assert_int_equal(balance_load(&dial), 0);
		dial_closed(&dial);
		assert_int_equal(balance_load(&dial), 0);
	}
}

/* MurmurHash3's finalizer over the words of the mapped address, each added to 31 times what
 * was there: what every node that may take over has to find. */
static __u32 slot_of(__u32 client)
{
	const __u32 words[] = {0, 0, 0xffff, client};
	__u32 hash = 0;

	for (int word = 0; word < 4; word++) {
		hash = hash * 31 + words[word];
		hash = (hash ^ hash >> 16) * 0x85ebca6b;
		hash = (hash ^ hash >> 13) * 0xc2b2ae35;
		hash ^= hash >> 16;
	}
	return hash % FTPFIX_MAGLEV_SLOTS;
}

/* A client's sessions share a server; clients that are neighbours are spread. */
static void client_keeps_its_server(void **state)
{
	static const __u32 numbers[] = {0, 1, 2};
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	__u32 taken[SERVERS] = {};

	balance_slots(talk.world, 0, numbers, SERVERS);
	for (int number = 0; number < 120; number++) {
		struct dial dial = balance_dial(&talk), again;

		dial.client = dial.source = talk.client + number;
		again = dial;
		again.client_port = again.source_port = 40001;
		dial_learn(&dial);
		dial_learn(&again);
		assert_int_equal(dial.server, again.server);
		assert_int_equal(dial.server - talk.server, slot_of(dial.client) % SERVERS);
		taken[dial.server - talk.server]++;
	}
	for (int number = 0; number < SERVERS; number++)
		assert_in_range(taken[number], 20, 60);
}

static void set_load(const struct talk *talk, __u32 number, __s64 sessions)
{
	struct ftpfix_backend backend = balance_server(talk, number);
	struct ftpfix_load load = {.sessions = sessions};

	balance_write(talk->world->skeleton->maps.loads, &backend.endpoint, &load);
}

static void set_weight(const struct talk *talk, __u32 number, __u32 weight, __u32 takes)
{
	struct ftpfix_backend backend = balance_server(talk, number);

	backend.weight = weight;
	backend.takes = takes;
	balance_backend(talk->world, 0, number, &backend);
}

/* Which server the next of the talk's clients is sent to. */
static __u32 next_server(struct talk *talk)
{
	struct dial dial = balance_dial(talk);

	talk->client++;
	dial_learn(&dial);
	return dial.server - talk->server;
}

static void least_connections(void **state)
{
	struct talk talk =
		balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_LEAST_CONNECTIONS);

	set_load(&talk, 0, 7);
	set_load(&talk, 1, 5);
	set_load(&talk, 2, 6);
	assert_int_equal(next_server(&talk), 1);
	/* (7 + 1) / 3 is less than (5 + 1) / 2, and than 7 / 1. */
	set_weight(&talk, 0, 3, 1);
	set_weight(&talk, 1, 2, 1);
	assert_int_equal(next_server(&talk), 0);
	set_weight(&talk, 0, 3, 0);
	assert_int_equal(next_server(&talk), 1);
	/* Of idle ones the heaviest. */
	map_clear(talk.world->skeleton->maps.loads);
	set_weight(&talk, 2, 9, 1);
	assert_int_equal(next_server(&talk), 2);
}

/* What is counted is what least connections compares. */
static void sessions_spread(void **state)
{
	struct talk talk =
		balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_LEAST_CONNECTIONS);

	for (int number = 0; number < 3 * SERVERS; number++) {
		struct dial dial = balance_dial(&talk);

		dial.client = dial.source = talk.client + number;
		balance_open(&dial, number / SERVERS + 1);
	}
}

/* Two virtual addresses, one server, and a client that dials both from one port: the server
 * could not tell them apart. */
static void virtuals_share_a_server(void **state)
{
	for (int forward = 0; forward < 2; forward++) {
		struct talk talk =
			balance_begin(state, forwards[forward], 0, FTPFIX_BALANCE_MAGLEV);
		struct talk other = talk;
		struct dial first = balance_dial(&talk), second;

		other.vip++;
		balance_virtual(&other, 1, FTPFIX_BALANCE_MAGLEV);
		second = balance_dial(&other);
		balance_open(&first, 1);
		balance_open(&second, 2);
		assert_int_equal(first.server, second.server);
		assert_int_equal(first.source_port, first.client_port);
		assert_int_not_equal(second.source_port, first.source_port);
		dial_down(&first, PSH | ACK, "220 first\r\n");
		dial_down(&second, PSH | ACK, "220 second\r\n");
		dial_up(&first, FIN | ACK, "");
		dial_up(&second, PSH | ACK, "NOOP\r\n");
		assert_int_equal(dial_settled(&first), 4);
	}
}

/* However it ends, its server has it once less. */
static void resets_give_the_load_back(void **state)
{
	for (int side = 0; side < 2; side++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk), other = dial;

		other.client = other.client + 1;
		balance_open(&other, 1);
		balance_open(&dial, 2);
		if (side)
			dial_down(&dial, RST, "");
		else
			dial_up(&dial, RST, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(1, 0));
		assert_int_equal(balance_load(&dial), 1);
		assert_int_equal(dial_settled(&dial), 2);
		/* The other side resets too, at the same time. */
		if (side)
			dial_up(&dial, RST, "");
		else
			dial_down(&dial, RST, "");
		counted(talk.world, CARRIED(1, 0));
		assert_int_equal(balance_load(&dial), 1);
	}
}

static void fins_cross(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	balance_open(&dial, 1);
	dial_up(&dial, FIN | ACK, "");
	dial.client_sequence--;
	dial_down(&dial, FIN | ACK, "");
	assert_int_equal(balance_load(&dial), 1);
	dial_up(&dial, ACK, "");
	dial.client_sequence++;
	assert_int_equal(balance_load(&dial), 1);
	dial_down(&dial, ACK, "");
	counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(4, 0));
	assert_int_equal(balance_load(&dial), 0);
	dial_closed(&dial);
}

/* A server that refuses was never counted to have the session. */
static void server_refuses(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	dial_learn(&dial);
	dial.server_sequence = 0;
	dial_down(&dial, RST | ACK, "");
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_CLOSED, 1},
		CARRIED(2, 0));
	assert_int_equal(map_entries(talk.world->skeleton->maps.loads), 0);
	assert_int_equal(dial_entries(&dial), 0);
}

/* The table changes while connections open and are open: each stays where it is, and only
 * a new one goes elsewhere. */
static void table_changes(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk), other;

	dial_up(&dial, SYN, "");
	balance_to(talk.world, 0, 1);
	set_weight(&talk, 0, 1, 0);
	dial.client_sequence--;
	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	dial_up(&dial, ACK, "");
	dial_down(&dial, PSH | ACK, "220 here\r\n");
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
		CARRIED(5, 10));
	other = balance_dial(&talk);
	other.client_port = other.source_port = 40001;
	balance_open(&other, 1);
	assert_int_equal(other.server, talk.server + 1);
}

/* A SYN of another sequence number is another connection's while none is established: it
 * goes where the table says now. */
static void opens_anew(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	dial_up(&dial, SYN, "");
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, CARRIED(1, 0));
	balance_to(talk.world, 0, 1);
	dial.client_sequence += 77;
	dial_learn(&dial);
	assert_int_equal(dial.server, talk.server + 1);
	assert_int_equal(dial_unsettled(&dial), 2);
	dial_down(&dial, SYN | ACK, "");
	dial_up(&dial, ACK, "");
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_CLOSED, 1},
		{FTPFIX_BALANCED_ESTABLISHED, 1}, CARRIED(3, 0));
	assert_int_equal(balance_load(&dial), 1);
}

/* On an established one it is the server's to answer (RFC 5961 section 4). */
static void syn_on_an_established_one(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);
	__u32 sequence;

	balance_open(&dial, 1);
	balance_to(talk.world, 0, 1);
	sequence = dial.client_sequence;
	dial.client_sequence += 1 << 30;
	dial_up(&dial, SYN, "");
	dial.client_sequence = sequence;
	dial_down(&dial, ACK, "");
	dial_up(&dial, PSH | ACK, "NOOP\r\n");
	counted(talk.world, CARRIED(3, 6));
	assert_int_equal(balance_load(&dial), 1);
	assert_int_equal(dial_settled(&dial), 2);
}

/* In TIME_WAIT it is a new connection's, which the earlier one gives its place to. */
static void syn_in_time_wait(void **state)
{
	for (int forward = 0; forward < 2; forward++) {
		struct talk talk =
			balance_begin(state, forwards[forward], 0, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk);

		balance_open(&dial, 1);
		dial_up(&dial, FIN | ACK, "");
		dial_down(&dial, FIN | ACK, "");
		dial_up(&dial, ACK, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(3, 0));
		dial.client_sequence += 1000000;
		dial.server_sequence += 1000000;
		balance_open(&dial, 1);
		assert_int_equal(dial.source_port, dial.client_port);
		assert_int_equal(dial_settled(&dial), 2);
		assert_int_equal(dial_unsettled(&dial), 0);
	}
}

/* Drained: no new sessions, and those that are there stay. */
static void drained(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);

	balance_open(&dial, 1);
	balance_to(talk.world, 0, NONE);
	for (__u32 number = 0; number < SERVERS; number++)
		set_weight(&talk, number, 1, 0);
	dial_down(&dial, PSH | ACK, "220 still\r\n");
	dial_up(&dial, ACK, "");
	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, ACK, "");
	counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(5, 11));
	assert_int_equal(balance_load(&dial), 0);
}

static void refused(struct dial *dial)
{
	dial_refused(dial, SYN, "");
	counted(dial->world, {FTPFIX_BALANCED_NO_SERVER, 1}, {FTPFIX_EVENT_SENT, 1},
		{FTPFIX_PACKET_REFUSED, 1});
	assert_int_equal(dial_entries(dial), 0);
}

/* Nobody takes it: the slot says so, or its server does not since, or none is there. */
static void no_server(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);
	__u32 id = 0;

	balance_to(talk.world, 0, NONE);
	refused(&dial);
	balance_to(talk.world, 0, 1);
	set_weight(&talk, 1, 1, 0);
	refused(&dial);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(talk.world->skeleton->maps.maglev), &id),
			 0);
	refused(&dial);
	talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_LEAST_CONNECTIONS);
	for (__u32 number = 0; number < SERVERS; number++)
		set_weight(&talk, number, 1, 0);
	refused(&dial);
}

/* While a server is written its client is not answered; when it comes again, it gets one. */
static void server_is_written(void **state)
{
	for (int balance = FTPFIX_BALANCE_MAGLEV; balance <= FTPFIX_BALANCE_LEAST_CONNECTIONS;
	     balance++) {
		struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, balance);
		struct dial dial = balance_dial(&talk);
		struct frame frame;

		for (__u32 number = 1; number < SERVERS; number++)
			set_weight(&talk, number, 1, 0);
		set_weight(&talk, 0, 1, FTPFIX_TAKES_LATER);
		dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
		run_drops(talk.world, UPLINK_INGRESS, &frame);
		counted(talk.world, {FTPFIX_PACKET_FAILED, 1});
		assert_int_equal(dial_entries(&dial), 0);
		set_weight(&talk, 0, 1, 1);
		balance_open(&dial, 1);
	}
}

/* Only a SYN, only to that port, only on the uplink, only untagged. */
static void nothing_else(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk), other = dial;
	struct frame frame;

	dial_up_passes(&dial, SYN | ACK, "");
	dial_up_passes(&dial, RST, "");
	other.public_port = OTHER_SERVICE_PORT;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.vip++;
	dial_up_passes(&other, SYN, "");
	dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
	run_passes(talk.world, INSIDE_INGRESS, &frame);
	run_passes(talk.world, UPLINK_EGRESS, &frame);
	counted(talk.world, NOTHING);
	dial.shape.tags[0] = ETH_P_8021Q;
	dial_up_passes(&dial, SYN, "");
	counted(talk.world, {FTPFIX_PACKET_VLAN, 1});
	assert_int_equal(dial_entries(&dial), 0);
}

/* The table is full, or has room for one direction only: the session is refused when its SYN
 * comes and takes nothing, one that is established stays, and when there is room again the
 * client gets another. */
static void table_full(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct talk talk =
			balance_begin(state, forwards[round / 2], round & 1, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk), settled = dial;
		__u32 slots = talk.world->group_count * FTPFIX_GROUP_SLOTS;

		settled.client++;
		settled.source += talk.world->service.forward == FTPFIX_FORWARD_NAT;
		balance_open(&settled, 1);
		flows_fill(talk.world);
		for (int room = 0; room < 3; room++) {
			if (room)
				flows_make_room(talk.world, room == 1 ? dial_up_key(&dial)
								      : dial_down_key(&dial));
			dial_refused(&dial, SYN, "");
			counted(talk.world, {FTPFIX_BALANCED_TABLE_FULL, 1}, {FTPFIX_EVENT_SENT, 1},
				{FTPFIX_PACKET_REFUSED, 1});
			assert_int_equal(flows_live(talk.world), 2);
			assert_int_equal(flows_taken(talk.world), slots - !!room);
			flows_fill(talk.world);
		}
		assert_int_equal(balance_load(&dial), 1);
		dial_up(&settled, PSH | ACK, "NOOP\r\n");
		dial_up(&settled, FIN | ACK, "");
		dial_down(&settled, FIN | ACK, "");
		dial_up(&settled, RST, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED_OF(&dial, 4, 6));
		flows_make_room(talk.world, dial_up_key(&dial));
		flows_make_room(talk.world, dial_down_key(&dial));
		balance_open(&dial, 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(carried_both_ways),
		cmocka_unit_test(client_keeps_its_server),
		cmocka_unit_test(least_connections),
		cmocka_unit_test(sessions_spread),
		cmocka_unit_test(virtuals_share_a_server),
		cmocka_unit_test(resets_give_the_load_back),
		cmocka_unit_test(fins_cross),
		cmocka_unit_test(server_refuses),
		cmocka_unit_test(table_changes),
		cmocka_unit_test(opens_anew),
		cmocka_unit_test(syn_on_an_established_one),
		cmocka_unit_test(syn_in_time_wait),
		cmocka_unit_test(drained),
		cmocka_unit_test(no_server),
		cmocka_unit_test(server_is_written),
		cmocka_unit_test(nothing_else),
		cmocka_unit_test(table_full),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
