// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long an expectation stands, and what it takes: no place of another one, no number of
 * an address for a client, and nothing any more when its session has ended.
 */
#include "prog_balance.h"
#include "prog_stream.h"

/* Of the table that is full, which is one group. */
#define ROOM FTPFIX_GROUP_SLOTS

/* For so many sessions the daemon makes a table of so many groups. */
#define MANY 1024
#define MANY_GROUPS 80

/* What each of the sessions that a table is made for may cost. */
#define BYTES_MAX 130
#define CLIENTS 20

#define SECOND_PORT (PORT + 1)
#define SECOND "227 Entering Passive Mode (10,0,0,175,83,238).\r\n"
#define SECOND_PUBLIC "227 Entering Passive Mode (203,0,113,5,83,238)\r\n"

#define CLIENT_PORT 50000
#define EPRT_LINE "EPRT |1|198.51.100.10|50000|\r\n"
#define EPRT_INSIDE "EPRT |1|10.0.0.1|0000050000|\r\n"

static struct talk talk_begin(void **state, enum ftpfix_forward forward)
{
	struct world *world = world_begin(state, forward);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return talk_of(world);
}

/* A server's announcement is followed. */
static void announced(struct talk *talk, const char *line, const char *public)
{
	talk_ask(talk, "PASV\r\n");
	talk_answer(talk, line, public);
	counted(talk->world, EXPECTED_NEW);
}

static void room_for_many(struct ftpfix *skeleton)
{
	skeleton->rodata->expectation_group_count = MANY_GROUPS;
	bpf_map__set_max_entries(skeleton->maps.expectations, MANY_GROUPS * FTPFIX_GROUP_SLOTS);
	bpf_map__set_max_entries(skeleton->maps.expected_groups, MANY_GROUPS);
}

static __u32 map_bytes(const struct bpf_map *map)
{
	return bpf_map__max_entries(map) * bpf_map__value_size(map);
}

/* Whether both groups of what the talk's client is expected for at the port are full. */
static int is_full(const struct talk *talk, __u16 port)
{
	const struct world *world = talk->world;
	const struct ftpfix_addr peer = talk_address(talk, talk->client);
	struct flow_spot spot;
	int full = 1;

	expectation_spot(&spot, &peer, htons(port), world->skeleton->rodata->flow_seed,
			 world->expectation_group_count);
	for (__u32 slot = 0; slot < FTPFIX_GROUP_SLOTS; slot++)
		for (int choice = 0; choice < 2; choice++)
			full &= !!*expected_tag(world,
						spot.group[choice] * FTPFIX_GROUP_SLOTS + slot);
	return full;
}

/* A table has room for as many as it is made for, and for others until both their groups are
 * full: they are refused then, and counted. */
static void many(void **state)
{
	struct world *world = *state ? world_open_configured(0, 0, room_for_many) : NULL;
	struct talk first = talk_begin((void **)&world, FTPFIX_FORWARD_NAT), talk = first;
	__u32 slots = MANY_GROUPS * FTPFIX_GROUP_SLOTS, refused = 0;

	assert_in_range(map_bytes(world->skeleton->maps.expectations) +
				map_bytes(world->skeleton->maps.expected_groups),
			MANY, MANY * BYTES_MAX);
	for (__u32 number = 0; number < slots + FTPFIX_GROUP_SLOTS; number++) {
		int full = 0;

		talk = first;
		talk.client = talk.peer = first.client + number;
		if (number >= MANY)
			full = is_full(&talk, PORT);
		if (!full) {
			announced(&talk, VSFTPD, VSFTPD_PUBLIC);
			continue;
		}
		talk_ask(&talk, "PASV\r\n");
		talk_answer(&talk, VSFTPD, VSFTPD);
		counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
		refused++;
	}
	assert_int_equal(expected_count(world), slots + FTPFIX_GROUP_SLOTS - refused);
	assert_true(refused >= FTPFIX_GROUP_SLOTS);
	for (__u32 number = 0; number < MANY; number++) {
		talk.client = first.client + number;
		assert_non_null(talk_expected(&talk, PORT));
	}
	world_close(world);
}

/* A table that is full takes nothing from those who are in it, nor from connections. */
static void full(void **state)
{
	struct talk talks[ROOM + 1];
	struct ftpfix_expectation expectation;
	struct talk *last = &talks[ROOM];
	struct dial dial;

	for (int number = 0; number <= ROOM; number++) {
		talks[number] = number ? talks[0] : talk_begin(state, FTPFIX_FORWARD_NAT);
		talks[number].client += number;
		talks[number].peer = talks[number].client;
	}
	for (int number = 0; number < ROOM; number++)
		announced(&talks[number], VSFTPD, VSFTPD_PUBLIC);
	talk_ask(last, "PASV\r\n");
	talk_answer(last, VSFTPD, VSFTPD);
	counted(last->world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	assert_int_equal(expected_count(last->world), ROOM);
	for (int number = 0; number <= ROOM; number++)
		assert_int_equal(talk_expects(&talks[number], PORT, &expectation), number < ROOM);
	/* Who is in it may announce the same again. */
	talk_ask(&talks[1], "PASV\r\n");
	talk_answer(&talks[1], VSFTPD, VSFTPD_PUBLIC);
	counted(last->world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	dial = dial_of(&talks[0], PORT, PORT);
	dial_open(&dial);
	counted(last->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	announced(last, VSFTPD, VSFTPD_PUBLIC);
	assert_int_equal(expected_count(last->world), ROOM);
	dial_down(&dial, PSH | ACK, "listing");
}

enum ending { RESET_BY_CLIENT, RESET_BY_SERVER, FINISHED, FINISHED_EARLY, SILENT, ENDINGS };

static void fall_silent(const struct talk *talk)
{
	struct ftpfix_session_key key = talk_key(talk);
	struct ftpfix_session session;

	assert_true(talk_session(talk, &session));
	session.client.finished = 1;
	session.server.finished = 1;
	session.client.seen_ticks = (now_ns() - FTPFIX_FLOW_CLOSING_NS) >> FTPFIX_TICK_SHIFT;
	session.client.seen_ticks -= 1000;
	session.server.seen_ticks = session.client.seen_ticks;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(talk->world->skeleton->maps.sessions),
					     &key, &session, BPF_EXIST),
			 0);
	sweep(talk->world);
}

/* The control connection ends; `missing` bytes of the server's have not been acknowledged. */
static void ends(const struct talk *talk, enum ending ending, __u32 missing)
{
	__u32 up = talk->client_sequence, down = talk->server_sequence;
	struct piece client = {.sequence = up, .acknowledgement = down, .flags = FIN | ACK};
	struct piece server = {.sequence = down, .acknowledgement = up, .flags = FIN | ACK};

	if (ending == SILENT) {
		fall_silent(talk);
		return;
	}
	if (ending == RESET_BY_CLIENT || ending == RESET_BY_SERVER)
		client.flags = server.flags = RST | ACK;
	if (ending == FINISHED_EARLY)
		client.acknowledgement -= missing;
	if (ending != RESET_BY_SERVER)
		piece_passes(talk, UPLINK_INGRESS, client);
	if (ending != RESET_BY_CLIENT)
		piece_passes(talk, UPLINK_EGRESS, server);
}

/* With its session ends what a server announced and nobody used; not what another session of
 * the same client expects. */
static void session_ended(void **state)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT), other = talk;
		struct dial dial = dial_of(&talk, PORT, PORT);
		struct ftpfix_expectation expectation;

		announced(&talk, VSFTPD, VSFTPD_PUBLIC);
		dial_open(&dial);
		counted(talk.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
		other.client_port++;
		other.peer_port++;
		announced(&other, VSFTPD, VSFTPD_PUBLIC);
		announced(&talk, SECOND, SECOND_PUBLIC);
		ends(&talk, ending, strlen(SECOND));
		counted(talk.world, REFUSED(FTPFIX_CONNECTION_NOBODY_CAME));
		assert_false(talk_expects(&talk, SECOND_PORT, &expectation));
		assert_true(talk_expects(&other, PORT, &expectation));
		assert_int_equal(expected_count(talk.world), 1);
		dial_down(&dial, PSH | ACK, "listing");
	}
}

/* A session without anything that is open says nothing of it. */
static void ended_without(void **state)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);
		struct dial dial = dial_of(&talk, PORT, PORT);

		announced(&talk, VSFTPD, VSFTPD_PUBLIC);
		dial_open(&dial);
		counted(talk.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
		ends(&talk, ending, strlen(VSFTPD));
		counted(talk.world, NOTHING);
	}
}

/* The port of what ran out is another session's of the same client by now. */
static void taken_over(void **state)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT), other = talk;
		struct ftpfix_expectation expectation;

		announced(&talk, VSFTPD, VSFTPD_PUBLIC);
		expected_clear(talk.world);
		other.client_port++;
		other.peer_port++;
		announced(&other, VSFTPD, VSFTPD_PUBLIC);
		ends(&talk, ending, strlen(VSFTPD));
		counted(talk.world, NOTHING);
		assert_true(talk_expects(&other, PORT, &expectation));
	}
}

/* A new connection between the same ends. */
static void begun_anew(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);

	announced(&talk, VSFTPD, VSFTPD_PUBLIC);
	piece_passes(&talk, UPLINK_EGRESS,
		     ((struct piece){.sequence = 7, .acknowledgement = 8, .flags = SYN | ACK}));
	counted(talk.world, REFUSED(FTPFIX_CONNECTION_NOBODY_CAME));
	assert_int_equal(expected_count(talk.world), 0);
}

/* --fxp: anybody is expected. */
static void anybody(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);

	talk.world->service.allowed = FTPFIX_ALLOW_FXP;
	world_write_service(talk.world);
	announced(&talk, VSFTPD, VSFTPD_PUBLIC);
	assert_int_equal(expected_count(talk.world), 1);
	ends(&talk, RESET_BY_CLIENT, 0);
	counted(talk.world, REFUSED(FTPFIX_CONNECTION_NOBODY_CAME));
	assert_int_equal(expected_count(talk.world), 0);
}

/* What a client announced ends with its session on the servers' side of the node. */
static void active(void **state)
{
	for (int fullnat = 0; fullnat < 2; fullnat++) {
		struct talk talk =
			talk_begin(state, fullnat ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT);
		struct stream inside = stream_of(&talk, INSIDE_EGRESS, talk.client_sequence, 1);
		struct piece reset = {.flags = RST};

		talk_ask(&talk, EPRT_LINE);
		stream_next(&inside, EPRT_LINE, fullnat ? EPRT_INSIDE : EPRT_LINE);
		counted(talk.world,
			{fullnat ? FTPFIX_ANNOUNCEMENT_REWRITTEN : FTPFIX_ANNOUNCEMENT_KEPT, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1});
		reset.sequence = inside.in;
		piece_passes(&talk, INSIDE_EGRESS, reset);
		counted(talk.world, REFUSED(FTPFIX_CONNECTION_NOBODY_CAME));
		assert_int_equal(expected_count(talk.world), 0);
	}
}

/* The same where ftpfix carries the control connection, whose server is the balancer's choice. */
static void active_carried(void **state)
{
	for (int fullnat = 0; fullnat < 2; fullnat++) {
		struct talk talk =
			balance_begin(state, fullnat ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT,
				      0, FTPFIX_BALANCE_MAGLEV);
		struct control control = control_open(&talk);
		struct dial *dial = &control.dial;
		struct frame input;

		dial_up_frame(dial, PSH | ACK, dial->client_sequence, EPRT_LINE, 0, &input);
		assert_int_equal(run(talk.world, UPLINK_INGRESS, &input), TC_ACT_REDIRECT);
		dial->client_sequence += strlen(EPRT_LINE);
		assert_int_equal(expected_count(talk.world), 1);
		counted(talk.world,
			{fullnat ? FTPFIX_ANNOUNCEMENT_REWRITTEN : FTPFIX_ANNOUNCEMENT_KEPT, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1}, CARRIED(1, strlen(EPRT_LINE)));
		control_up(&control, RST, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1},
			REFUSED(FTPFIX_CONNECTION_NOBODY_CAME), CARRIED(1, 0));
		assert_int_equal(expected_count(talk.world), 0);
	}
}

/* Numbers of addresses are never given back: clients, who are many, get none, not even where
 * servers know them by their own addresses. */
static void no_number_for_clients(void **state)
{
	for (int fullnat = 0; fullnat < 2; fullnat++) {
		struct talk first =
			talk_begin(state, fullnat ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT);
		const __u32 *own_count = &first.world->skeleton->bss->own_count;
		__u32 before = 0;

		for (int number = 0; number < CLIENTS; number++) {
			struct talk talk = first;
			struct stream inside;
			char line[64];

			talk.client = talk.peer = first.client + number;
			inside = stream_of(&talk, INSIDE_EGRESS, talk.client_sequence,
					   talk.inner_sequence);
			snprintf(line, sizeof(line), "PORT 198,51,100,%u,195,80\r\n", 10 + number);
			talk_ask(&talk, line);
			stream_passes(&inside, line);
			counted(talk.world, EXPECTED_KEPT);
			talk_ask(&talk, "PASV\r\n");
			talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
			counted(talk.world, EXPECTED_NEW);
			expected_clear(talk.world);
			if (!number)
				before = *own_count;
		}
		assert_int_equal(*own_count, before);
	}
}

/* When there is no number for an address of the node's, what needs one passes unchanged. */
static void no_number_left(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);
	__u32 *own_count = &talk.world->skeleton->bss->own_count, before = *own_count;

	*own_count = FTPFIX_OWN_MAX - 1;
	announced(&talk, VSFTPD, VSFTPD_PUBLIC);
	world_advertise(talk.world, 0, 0, ip4(192, 0, 2, 211));
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, SECOND);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	assert_int_equal(expected_count(talk.world), 1);
	*own_count = before;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, "227 Entering Passive Mode (192,0,2,211,83,238)\r\n");
	counted(talk.world, EXPECTED_NEW);
	assert_int_equal(*own_count, before + 1);
}

/* A number that its address did not get, for the map took no more, is given to another one. */
static void number_given_back(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);
	const struct bpf_map *numbers = talk.world->skeleton->maps.own_numbers;
	__u32 *own_count = &talk.world->skeleton->bss->own_count, before = *own_count;
	const __u32 none = 0;

	for (__u32 other = map_entries(numbers); other < FTPFIX_OWN_MAX; other++) {
		const struct ftpfix_addr addr = mapped(ip4(11, 0, 0, 0) + other);

		assert_int_equal(
			bpf_map_update_elem(bpf_map__fd(numbers), &addr, &none, BPF_NOEXIST), 0);
	}
	world_advertise(talk.world, 0, 0, ip4(192, 0, 2, 211));
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	assert_int_equal(*own_count, before);
	map_clear(numbers);
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, "227 Entering Passive Mode (192,0,2,211,83,238)\r\n");
	counted(talk.world, EXPECTED_NEW);
}

static void little_room(struct ftpfix *skeleton)
{
	skeleton->rodata->expectation_group_count = 1;
	bpf_map__set_max_entries(skeleton->maps.expectations, ROOM);
	bpf_map__set_max_entries(skeleton->maps.expected_groups, 1);
}

static int room_setup(void **state)
{
	return world_setup_configured(state, 0, little_room);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(many),		  cmocka_unit_test(full),
		cmocka_unit_test(session_ended),  cmocka_unit_test(ended_without),
		cmocka_unit_test(taken_over),	  cmocka_unit_test(begun_anew),
		cmocka_unit_test(anybody),	  cmocka_unit_test(active),
		cmocka_unit_test(active_carried), cmocka_unit_test(no_number_for_clients),
		cmocka_unit_test(no_number_left), cmocka_unit_test(number_given_back),
	};

	return cmocka_run_group_tests(tests, room_setup, world_teardown);
}
