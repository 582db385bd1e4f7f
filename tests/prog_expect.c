// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long an expectation stands, and what it takes: no place of another one, no number of
 * an address for a client, and nothing any more when its session has ended.
 */
#include "prog_balance.h"
#include "prog_stream.h"

/* What the kernel keeps in front of an element of such a table, and behind it. */
#define ELEMENT_BYTES (48 + 8)

#define ROOM 8
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

static __u32 expectations(const struct world *world)
{
	return map_entries(world->skeleton->maps.expectations);
}

/* A server's announcement is followed. */
static void announced(struct talk *talk, const char *line, const char *public)
{
	talk_ask(talk, "PASV\r\n");
	talk_answer(talk, line, public);
	counted(talk->world, EXPECTED_NEW);
}

/* Memory is taken for what is expected, not for what may be. */
static void small(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(world->skeleton->maps.expectations),
						&info, &size),
			 0);
	assert_int_equal(info.type, BPF_MAP_TYPE_HASH);
	assert_true(info.map_flags & BPF_F_NO_PREALLOC);
	assert_in_range(ELEMENT_BYTES + (info.key_size + 7) / 8 * 8 + (info.value_size + 7) / 8 * 8,
			129, 192);
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
	assert_int_equal(expectations(last->world), ROOM);
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
	assert_int_equal(expectations(last->world), ROOM);
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
		assert_int_equal(expectations(talk.world), 1);
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
		map_clear(talk.world->skeleton->maps.expectations);
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
	assert_int_equal(expectations(talk.world), 0);
}

/* --fxp: anybody is expected. */
static void anybody(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);

	talk.world->service.allowed = FTPFIX_ALLOW_FXP;
	world_write_service(talk.world);
	announced(&talk, VSFTPD, VSFTPD_PUBLIC);
	assert_int_equal(expectations(talk.world), 1);
	ends(&talk, RESET_BY_CLIENT, 0);
	counted(talk.world, REFUSED(FTPFIX_CONNECTION_NOBODY_CAME));
	assert_int_equal(expectations(talk.world), 0);
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
		assert_int_equal(expectations(talk.world), 0);
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
		assert_int_equal(expectations(talk.world), 1);
		counted(talk.world,
			{fullnat ? FTPFIX_ANNOUNCEMENT_REWRITTEN : FTPFIX_ANNOUNCEMENT_KEPT, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1}, CARRIED(1, strlen(EPRT_LINE)));
		control_up(&control, RST, "");
		counted(talk.world, {FTPFIX_BALANCED_CLOSED, 1},
			REFUSED(FTPFIX_CONNECTION_NOBODY_CAME), CARRIED(1, 0));
		assert_int_equal(expectations(talk.world), 0);
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
			map_clear(talk.world->skeleton->maps.expectations);
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
	assert_int_equal(expectations(talk.world), 1);
	*own_count = before;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, "227 Entering Passive Mode (192,0,2,211,83,238)\r\n");
	counted(talk.world, EXPECTED_NEW);
	assert_int_equal(*own_count, before + 1);
}

static void little_room(struct ftpfix *skeleton)
{
	bpf_map__set_max_entries(skeleton->maps.expectations, ROOM);
}

static int room_setup(void **state)
{
	if (world_setup(state) || !*state)
		return *state || !geteuid() ? -1 : 0;
	world_close(*state);
	*state = world_open_configured(0, 0, little_room);
	return *state ? 0 : -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),	  cmocka_unit_test(full),
		cmocka_unit_test(session_ended),  cmocka_unit_test(ended_without),
		cmocka_unit_test(taken_over),	  cmocka_unit_test(begun_anew),
		cmocka_unit_test(anybody),	  cmocka_unit_test(active),
		cmocka_unit_test(active_carried), cmocka_unit_test(no_number_for_clients),
		cmocka_unit_test(no_number_left),
	};

	return cmocka_run_group_tests(tests, room_setup, world_teardown);
}
