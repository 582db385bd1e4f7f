// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Announcements that must not be followed pass byte for byte, open nothing and are
 * counted under their one reason; and which commands ask for one.
 */
#include "prog_talk.h"

static struct talk nat_talk(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return talk_of(world);
}

/* After `command` the answer passes unchanged, for this one reason; nothing is
 * expected. */
static void refused(void **state, const char *command, const char *answer, __u32 reason)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, command);
	talk_answer(&talk, answer, answer);
	counted(talk.world, REFUSED(reason));
	assert_int_equal(expected_count(talk.world), 0);
}

static void unasked(void **state)
{
	refused(state, "RETR 227\r\n", VSFTPD, FTPFIX_ANNOUNCEMENT_UNASKED);
	refused(state, "NOOP PASV\r\n", VSFTPD, FTPFIX_ANNOUNCEMENT_UNASKED);
	refused(state, "PASV", VSFTPD, FTPFIX_ANNOUNCEMENT_UNASKED);
	refused(state, "EPSV\r\n", VSFTPD, FTPFIX_ANNOUNCEMENT_UNASKED);
	refused(state, "PASV\r\n", EXTENDED, FTPFIX_ANNOUNCEMENT_UNASKED);
}

/* What only looks like the verb is a verb of no document. */
static void unasked_by_another_verb(void **state)
{
	static const char *const commands[] = {"PASVX\r\n", "PAS\r\n", "XPASV\r\n", "PASV1\r\n"};

	for (size_t index = 0; index < sizeof(commands) / sizeof(commands[0]); index++) {
		struct talk talk = nat_talk(state);

		/* As the first line it would be no FTP at all. */
		talk_ask(&talk, "NOOP\r\n");
		talk_ask(&talk, commands[index]);
		counted(talk.world, {FTPFIX_COMMAND_UNKNOWN, 1});
		talk_answer(&talk, VSFTPD, VSFTPD);
		counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	}
}

/* RFC 2428 section 4: no address answers EPSV ALL. */
static void extended_all(void **state)
{
	refused(state, "EPSV ALL\r\n", EXTENDED, FTPFIX_ANNOUNCEMENT_UNASKED);
	refused(state, "epsv all\r\n", EXTENDED, FTPFIX_ANNOUNCEMENT_UNASKED);
}

static void one_answer_each(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

/* A listing or a help text in a multi-line reply (RFC 959 section 4.2). */
static void inside_a_multiline_reply(void **state)
{
	static const char text[] = "211-Files:\r\n" VSFTPD "211 End\r\n";
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, text, text);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MULTILINE));
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
}

/* The same, with a segment for each line: the reply's state outlives a packet. */
static void multiline_over_segments(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, "211-Fi", "211-Fi");
	talk_answer(&talk, "les:\r\n", "les:\r\n");
	counted(talk.world, NOTHING);
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MULTILINE));
	talk_answer(&talk, "211-again\r\n212 other\r\n2112 no code\r\n",
		    "211-again\r\n212 other\r\n2112 no code\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MULTILINE));
	talk_answer(&talk, "211 End\r\n", "211 End\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, EXPECTED_KEPT);
}

/* Only at the start of a line, and only "227 ", is it an announcement at all. */
static void not_at_the_start(void **state)
{
	struct talk talk = nat_talk(state);
	static const char *const texts[] = {
		" " VSFTPD,
		"200 " VSFTPD,
		"2270 Entering Passive Mode (10,0,0,175,83,237).\r\n",
		"227\tEntering Passive Mode (10,0,0,175,83,237).\r\n",
	};

	talk_ask(&talk, "PASV\r\n");
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++)
		talk_answer(&talk, texts[index], texts[index]);
	counted(talk.world, NOTHING);
}

static void low_port(void **state)
{
	struct talk talk = nat_talk(state);

	refused(state, "PASV\r\n", "227 Entering Passive Mode (10,0,0,175,3,255).\r\n",
		FTPFIX_ANNOUNCEMENT_PORT_LOW);
	refused(state, "PASV\r\n", "227 Entering Passive Mode (10,0,0,175,0,0).\r\n",
		FTPFIX_ANNOUNCEMENT_PORT_LOW);
	refused(state, "EPSV\r\n", "229 Entering Extended Passive Mode (|||1023|)\r\n",
		FTPFIX_ANNOUNCEMENT_PORT_LOW);
	talk = nat_talk(state);
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, "227 Entering Passive Mode (10,0,0,175,4,0).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,4,0)\r\n");
	counted(talk.world, EXPECTED_NEW);
}

/* RFC 2577: the bounce attack. */
static void foreign_address(void **state)
{
	refused(state, "PASV\r\n", "227 Entering Passive Mode (198,18,0,175,83,237).\r\n",
		FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED);
	refused(state, "PASV\r\n", "227 Entering Passive Mode (11,0,0,175,83,237).\r\n",
		FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED);
	refused(state, "PASV\r\n", "227 Entering Passive Mode (198,51,100,10,83,237).\r\n",
		FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED);
}

/* What did not come in where the servers are has no server to be carried to. */
static void unseen_server(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\nEPSV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
	talk_leave(&talk, EXTENDED, EXTENDED);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
	assert_int_equal(expected_count(talk.world), 0);
}

/* Into a VLAN no data connection could be sent back: the server is not noted. */
static void tagged_server(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk.shape.tags[0] = ETH_P_8021Q;
	talk_observe(&talk, VSFTPD);
	counted(talk.world, {FTPFIX_PACKET_VLAN, 1});
	talk.shape.tags[0] = 0;
	talk_leave(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
}

/* Nor is what came in too long ago. */
static void note_too_old(void **state)
{
	struct talk talk = nat_talk(state);
	int map = bpf_map__fd(talk.world->skeleton->maps.seen);
	struct ftpfix_seen_key key, *before = NULL;
	struct ftpfix_seen note;

	talk_ask(&talk, "PASV\r\n");
	talk_observe(&talk, VSFTPD);
	for (; !bpf_map_get_next_key(map, before, &key); before = &key) {
		assert_int_equal(bpf_map_lookup_elem(map, &key, &note), 0);
		assert_int_equal(note.ifindex, talk.world->server);
		assert_in_range(note.at_ns, now_ns() - FTPFIX_SECOND_NS, now_ns());
	}
	/* By its number, by its content, and as the server's first line. */
	assert_int_equal(notes_age(talk.world, FTPFIX_SEEN_NS + FTPFIX_SECOND_NS), 3);
	talk_leave(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
}

static void malformed(void **state)
{
	static const char *const passive[] = {
		"227 Entering Passive Mode\r\n",
		"227 Entering Passive Mode (10,0,0,175,83).\r\n",
		"227 Entering Passive Mode (10,0,0,175,83,256).\r\n",
		"227 Entering Passive Mode (10,0,0,175,83,237,1).\r\n",
		"227 Entering Passive Mode (10,0,0,175,83,).\r\n",
		"227 Entering Passive Mode (10.0.0.175.83.237).\r\n",
		"227 Entering Passive Mode (10,0,0,175,83,237.\r\n",
		"227 \r\n",
	};
	static const char *const extended[] = {
		"229 Entering Extended Passive Mode\r\n",
		"229 Entering Extended Passive Mode (||21485|)\r\n",
		"229 Entering Extended Passive Mode (|||65536|)\r\n",
		"229 Entering Extended Passive Mode (||||)\r\n",
		"229 Entering Extended Passive Mode (|||21485)\r\n",
		"229 Entering Extended Passive Mode (||!21485|)\r\n",
	};

	for (size_t index = 0; index < sizeof(passive) / sizeof(passive[0]); index++)
		refused(state, "PASV\r\n", passive[index], FTPFIX_ANNOUNCEMENT_MALFORMED);
	for (size_t index = 0; index < sizeof(extended) / sizeof(extended[0]); index++)
		refused(state, "EPSV\r\n", extended[index], FTPFIX_ANNOUNCEMENT_MALFORMED);
}

/* --rewrite equal-length: what has no room passes as it is. */
static void no_room(void **state)
{
	static const char *const texts[] = {"227 (10,0,0,1,4,0)\r\n", "227 10,0,0,1,4,0\r\n"};

	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		struct talk talk = nat_talk(state);

		talk.world->service.rewrite = FTPFIX_REWRITE_EQUAL_LENGTH;
		world_write_service(talk.world);
		talk_ask(&talk, "PASV\r\n");
		talk_answer(&talk, texts[index], texts[index]);
		counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
		assert_int_equal(expected_count(talk.world), 0);
	}
}

/* Rewrites when the client asked last. */
static void asked_before(struct talk *talk, __u64 age_ns)
{
	struct ftpfix_session_key key = talk_key(talk);
	struct ftpfix_session session;

	assert_true(talk_session(talk, &session));
	session.asked_ticks = (now_ns() - age_ns) >> FTPFIX_TICK_SHIFT;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(talk->world->skeleton->maps.sessions),
					     &key, &session, BPF_EXIST),
			 0);
}

static void asked_too_long_ago(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\n");
	asked_before(&talk, FTPFIX_ASKED_NS + FTPFIX_SECOND_NS);
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	/* It stays unanswered when the next one is. */
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_ask(&talk, "EPSV\r\n");
	asked_before(&talk, FTPFIX_ASKED_NS - FTPFIX_SECOND_NS);
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
}

/* However a client's commands are written and cut, one of them asks. */
static void asks(void **state, const char *first, const char *second, const char *third)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, first);
	if (second)
		talk_ask(&talk, second);
	if (third)
		talk_ask(&talk, third);
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

static void commands(void **state)
{
	asks(state, "PASV\r\n", NULL, NULL);
	asks(state, "pasv\r\n", NULL, NULL);
	asks(state, "PaSv\n", NULL, NULL);
	asks(state, "PASV \r\n", NULL, NULL);
	asks(state, "PA", "SV", "\r\n");
	asks(state, "PAS", "V\r", "\n");
	asks(state, "TYPE I\r\nPASV\r\nRETR PASV\r\n", NULL, NULL);
	asks(state, "NOOP\r\nPA", "SV\r\nNO", "OP\r\n");
}

static void extended_with_a_protocol(void **state)
{
	static const char *const verbs[] = {"EPSV\r\n", "epsv\r\n", "EPSV 1\r\n", "EPSV 2\r\n"};

	for (size_t index = 0; index < sizeof(verbs) / sizeof(verbs[0]); index++) {
		struct talk talk = nat_talk(state);

		talk_ask(&talk, verbs[index]);
		talk_answer(&talk, EXTENDED, EXTENDED);
		counted(talk.world, EXPECTED_KEPT);
	}
}

/* Pipelined, each has its answer; no more of them than may be open at once. */
static void pipelined(void **state)
{
	struct talk talk = nat_talk(state);

	talk_ask(&talk, "PASV\r\nEPSV\r\nPASV\r\n");
	talk_answer(&talk, VSFTPD EXTENDED VSFTPD, VSFTPD_PUBLIC EXTENDED VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 2}, {FTPFIX_ANNOUNCEMENT_KEPT, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	for (int asked = 0; asked < 50; asked++)
		talk_ask(&talk, "PASV\r\n");
	for (int answer = 0; answer < FTPFIX_EXPECTED_MAX; answer++) {
		talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
		talk_ask(&talk, "");
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	}
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

/* What one client asked for is not owed to another, nor on another connection. */
static void sessions_are_apart(void **state)
{
	struct talk talk = nat_talk(state), client = talk, port = talk, service = talk;

	client.client++;
	port.client_port++;
	service.port = OTHER_SERVICE_PORT;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&client, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_answer(&port, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_answer(&service, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(unasked),
		cmocka_unit_test(unasked_by_another_verb),
		cmocka_unit_test(extended_all),
		cmocka_unit_test(one_answer_each),
		cmocka_unit_test(inside_a_multiline_reply),
		cmocka_unit_test(multiline_over_segments),
		cmocka_unit_test(not_at_the_start),
		cmocka_unit_test(low_port),
		cmocka_unit_test(foreign_address),
		cmocka_unit_test(unseen_server),
		cmocka_unit_test(tagged_server),
		cmocka_unit_test(note_too_old),
		cmocka_unit_test(malformed),
		cmocka_unit_test(no_room),
		cmocka_unit_test(asked_too_long_ago),
		cmocka_unit_test(commands),
		cmocka_unit_test(extended_with_a_protocol),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(sessions_are_apart),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
