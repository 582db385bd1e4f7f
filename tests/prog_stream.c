// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The control connection as TCP delivers it: again, in other pieces, out of order,
 * from the middle on; and what begins and ends it.
 */
#include "prog_grace.h"
#include "prog_talk.h"

#define SECOND "227 Entering Passive Mode (10,0,0,175,83,238).\r\n"
#define SECOND_PUBLIC "227 Entering Passive Mode (203,0,113,5,83,238)\r\n"
#define FILLER "200 Type set to I.\r\n"

/* How often a segment is dropped for what is missing in front of it. */
#define HOLDS 8

static struct talk stream_talk(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return talk_of(world);
}

/* A talk whose server announced once. */
static struct talk announced(void **state)
{
	struct talk talk = stream_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	return talk;
}

static void whole_again(void **state)
{
	struct talk talk = announced(state);

	for (int round = 0; round < 3; round++)
		talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 3});
}

/* Every two pieces of it; those that bring no replaced byte are no repetition. */
static void in_pieces_again(void **state)
{
	struct talk talk = announced(state);
	__u32 start = talk.server_sequence - strlen(VSFTPD);

	for (size_t cut = 1; cut < strlen(VSFTPD); cut++) {
		char text[64] = VSFTPD, expected[64] = VSFTPD_PUBLIC;

		text[cut] = 0;
		expected[cut] = 0;
		talk_segment(&talk, start, text, expected);
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, !!strcmp(text, expected)});
		talk_segment(&talk, start + cut, &VSFTPD[cut], &VSFTPD_PUBLIC[cut]);
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED,
				     !!strcmp(&VSFTPD[cut], &VSFTPD_PUBLIC[cut])});
	}
}

/* Short pieces from the middle of the replaced bytes, of every parity. */
static void in_crumbs_again(void **state)
{
	struct talk talk = announced(state);
	__u32 start = talk.server_sequence - strlen(VSFTPD);

	for (size_t size = 1; size < 5; size++) {
		for (size_t at = 0; at + size <= strlen(VSFTPD); at++) {
			char text[8] = "", expected[8] = "";

			memcpy(text, &VSFTPD[at], size);
			memcpy(expected, &VSFTPD_PUBLIC[at], size);
			talk_segment(&talk, start + at, text, expected);
		}
	}
}

/* Together with lines before it and behind it that were not sent before. */
static void coalesced_with_new_lines(void **state)
{
	struct talk talk = stream_talk(state);
	__u32 start = talk.server_sequence;

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, FILLER, FILLER);
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	talk_segment(&talk, start, FILLER VSFTPD FILLER, FILLER VSFTPD_PUBLIC FILLER);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
	talk_segment(&talk, start + strlen(FILLER), VSFTPD FILLER FILLER,
		     VSFTPD_PUBLIC FILLER FILLER);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* Old bytes in front, a new announcement behind them. */
static void new_announcement_behind_an_old_one(void **state)
{
	struct talk talk = announced(state);
	__u32 start = talk.server_sequence - strlen(VSFTPD);

	talk_ask(&talk, "PASV\r\n");
	talk_segment(&talk, start, VSFTPD SECOND, VSFTPD_PUBLIC SECOND_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1}, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	talk_segment(&talk, start + 30, &(VSFTPD SECOND)[30], &(VSFTPD_PUBLIC SECOND_PUBLIC)[30]);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 2});
}

/* A retransmission is no answer to what was asked since. */
static void old_one_answers_nothing(void **state)
{
	struct talk talk = announced(state);

	talk_ask(&talk, "PASV\r\n");
	talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
	talk_leave(&talk, SECOND, SECOND_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* The configuration changed in between: TCP must see the same bytes. */
static void same_bytes_after_a_change(void **state)
{
	struct talk talk = announced(state);

	world_advertise(talk.world, 0, 0, ip4(192, 0, 2, 1));
	talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* A port that was chosen at random is the same again, and expected once. */
static void chosen_port_again(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct frame input, first;

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world->service.port_low = 30000;
	world_write_service(world);
	talk_ask(&talk, "PASV\r\n");
	talk_observe(&talk, VSFTPD);
	talk_response(&talk, talk.server_sequence, ACK, VSFTPD, strlen(VSFTPD), &input);
	run(world, UPLINK_EGRESS, &input);
	first = world->output;
	assert_memory_not_equal(first.bytes, input.bytes, input.length);
	run_gives(world, UPLINK_EGRESS, &input, TC_ACT_UNSPEC, &first);
	assert_int_equal(expected_count(world), 1);
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1}, {FTPFIX_CONNECTION_EXPECTED, 1},
		{FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* What stood unchanged the first time stays so: asking afterwards changes nothing. */
static void unchanged_stays_unchanged(void **state)
{
	struct talk talk = stream_talk(state);

	talk_leave(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_ask(&talk, "PASV\r\n");
	talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD);
	counted(talk.world, NOTHING);
}

/* As many announcements as are remembered. */
static void four_are_remembered(void **state)
{
	struct talk talk = stream_talk(state);
	__u32 start = talk.server_sequence;

	talk_ask(&talk, "PASV\r\nPASV\r\nPASV\r\nPASV\r\n");
	for (int number = 0; number < FTPFIX_EXPECTED_MAX; number++)
		talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 4});
	talk_segment(&talk, start, VSFTPD VSFTPD VSFTPD VSFTPD,
		     VSFTPD_PUBLIC VSFTPD_PUBLIC VSFTPD_PUBLIC VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 4});
}

static void held(struct talk *talk, __u32 sequence, const char *text)
{
	struct frame frame;

	talk_response(talk, sequence, PSH | ACK, text, strlen(text), &frame);
	run_drops(talk->world, UPLINK_EGRESS, &frame);
	counted(talk->world, {FTPFIX_PACKET_HELD, 1});
}

/* The second segment overtook the first: it is held until that has come. */
static void overtaken(void **state)
{
	struct talk talk = stream_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, FILLER, FILLER);
	held(&talk, talk.server_sequence + strlen(FILLER), VSFTPD);
	talk_leave(&talk, FILLER, FILLER);
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* A tail loss probe (RFC 8985 section 7) brings the later segment once more before
 * the announcement itself is sent again. */
static void tail_loss_probe(void **state)
{
	struct talk talk = stream_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, FILLER, FILLER);
	held(&talk, talk.server_sequence + strlen(VSFTPD), FILLER);
	held(&talk, talk.server_sequence + strlen(VSFTPD), FILLER);
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	talk_leave(&talk, FILLER, FILLER);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* What is missing went another way: the segment is not held for ever. */
static void missing_for_good(void **state)
{
	struct talk talk = stream_talk(state);

	talk_leave(&talk, FILLER, FILLER);
	for (int gap = 0; gap < 2; gap++) {
		talk_ask(&talk, "PASV\r\n");
		talk.server_sequence += 1000;
		for (int hold = 0; hold < HOLDS; hold++)
			held(&talk, talk.server_sequence, VSFTPD);
		talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	}
}

/* The client has acknowledged what is missing here: nothing is held for it. */
static void gap_that_was_acknowledged(void **state)
{
	struct talk talk = stream_talk(state);

	talk_leave(&talk, FILLER, FILLER);
	talk.server_sequence += 1000;
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* Commands too are read in their order. */
static void commands_overtaken(void **state)
{
	struct talk talk = stream_talk(state);
	struct frame frame;

	talk_ask(&talk, "NOOP\r\n");
	talk_command(&talk, talk.client_sequence + 2, PSH | ACK, "SV\r\n", 4, &frame);
	run_drops(talk.world, UPLINK_INGRESS, &frame);
	counted(talk.world, {FTPFIX_PACKET_HELD, 1});
	talk_ask(&talk, "PA");
	talk_ask(&talk, "SV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* Segments from where no window reaches are not held, and move nothing. */
static void segments_from_nowhere(void **state)
{
	struct talk talk = stream_talk(state);
	struct frame frame;

	talk_ask(&talk, "NOOP\r\n");
	for (int round = 0; round < 5; round++) {
		talk_command(&talk, talk.client_sequence + (1 << 30), PSH | ACK, "NOOP\r\n", 6,
			     &frame);
		run_passes(talk.world, UPLINK_INGRESS, &frame);
		talk_command(&talk, talk.client_sequence - (1 << 30), PSH | ACK, "NOOP\r\n", 6,
			     &frame);
		run_passes(talk.world, UPLINK_INGRESS, &frame);
	}
	counted(talk.world, NOTHING);
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* A command that comes again asks no second time. */
static void command_again(void **state)
{
	struct talk talk = stream_talk(state);
	struct ftpfix_session session;

	talk_ask(&talk, "PASV\r\n");
	talk.client_sequence -= 6;
	talk_ask(&talk, "PASV\r\nNOOP\r\n");
	talk.client_sequence -= 4;
	talk_ask(&talk, "OP\r\nPASV\r\n");
	counted(talk.world, NOTHING);
	assert_true(talk_session(&talk, &session));
	assert_int_equal(session.asked_pasv, 2);
}

/* A keepalive repeats one byte of garbage, or none (RFC 1122 section 4.2.3.6). */
static void keepalives(void **state)
{
	struct talk talk = announced(state);
	struct frame frame;

	talk_ask(&talk, "PA");
	for (__u32 length = 0; length < 2; length++) {
		talk_command(&talk, talk.client_sequence - 1, ACK, "?", length, &frame);
		run_passes(talk.world, UPLINK_INGRESS, &frame);
		talk_response(&talk, talk.server_sequence - 1, ACK, "?", length, &frame);
		run_passes(talk.world, UPLINK_EGRESS, &frame);
	}
	talk_ask(&talk, "SV\r\n");
	talk_leave(&talk, SECOND, SECOND_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* ftpfix was started after the connection: both directions are taken up where they
 * are, the server's in the middle of a line. */
static void taken_up_in_mid_stream(void **state)
{
	struct talk talk = stream_talk(state);

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, "f a line\r\n" VSFTPD, "f a line\r\n" VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

static void bare_command(struct talk *talk, __u32 sequence, __u8 flags)
{
	struct frame frame;

	talk_command(talk, sequence, flags, "", 0, &frame);
	run_passes(talk->world, UPLINK_INGRESS, &frame);
}

static void bare_response(struct talk *talk, __u32 sequence, __u8 flags)
{
	struct frame frame;

	talk_response(talk, sequence, flags, "", 0, &frame);
	run_passes(talk->world, UPLINK_EGRESS, &frame);
}

/* Of a connection that was not seen the server's bare packets leave no record. */
static void bare_acknowledgement(void **state)
{
	struct talk talk = stream_talk(state);

	bare_response(&talk, talk.server_sequence, ACK);
	bare_response(&talk, talk.server_sequence, FIN | ACK);
	bare_response(&talk, talk.server_sequence, RST | ACK);
	bare_command(&talk, talk.client_sequence, RST);
	bare_command(&talk, talk.client_sequence, RST | ACK);
	bare_command(&talk, talk.client_sequence, SYN);
	assert_int_equal(sessions_count(talk.world), 0);
	counted(talk.world, NOTHING);
}

/* The handshake's third packet places both streams: what overtakes the first line
 * of either is held. */
static void placed_by_the_handshake(void **state)
{
	struct talk talk = stream_talk(state);
	struct ftpfix_session session;
	struct frame frame;

	bare_command(&talk, talk.client_sequence - 1, SYN);
	bare_response(&talk, talk.server_sequence - 1, SYN | ACK);
	assert_false(talk_session(&talk, &session));
	bare_command(&talk, talk.client_sequence, ACK);
	assert_true(talk_session(&talk, &session));
	assert_int_equal(session.client.next_sequence, talk.client_sequence);
	assert_int_equal(session.server.next_sequence, talk.server_sequence);
	assert_int_equal(session.client.started, 1);
	assert_int_equal(session.server.started, 1);
	held(&talk, talk.server_sequence + strlen(FILLER), VSFTPD);
	talk_command(&talk, talk.client_sequence + 6, PSH | ACK, "PASV\r\n", 6, &frame);
	run_drops(talk.world, UPLINK_INGRESS, &frame);
	counted(talk.world, {FTPFIX_PACKET_HELD, 1});
	talk_leave(&talk, FILLER, FILLER);
	talk_ask(&talk, "NOOP\r\n");
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* The client's port is used anew: nothing of the old connection is left. */
static void syn_begins_anew(void **state)
{
	struct talk talk = announced(state);

	talk_ask(&talk, "PASV\r\nPA");
	talk.client_sequence = 0x33333333;
	talk.server_sequence -= strlen(VSFTPD);
	bare_command(&talk, talk.client_sequence++, SYN);
	bare_response(&talk, talk.server_sequence - 1, SYN | ACK);
	usleep(GRACE_US);
	talk_leave(&talk, SECOND, SECOND);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* A SYN that the service does not answer is no new connection (RFC 5961 section 4):
 * the session is as it was, with what it owes and what it wrote. */
static void syn_of_a_stranger(void **state)
{
	struct talk talk = announced(state);

	talk_ask(&talk, "PASV\r\n");
	bare_command(&talk, 0x33333333, SYN);
	talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD_PUBLIC);
	talk_leave(&talk, SECOND, SECOND_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1}, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* RFC 5961: a reset that is not exactly where its sender stands ends nothing. */
static void resets(void **state)
{
	static const __u32 shifts[] = {1, -1, 100000, -100000};
	struct talk talk = announced(state);
	struct ftpfix_session session;

	for (size_t index = 0; index < sizeof(shifts) / sizeof(shifts[0]); index++) {
		bare_command(&talk, talk.client_sequence + shifts[index], RST);
		bare_response(&talk, talk.server_sequence + shifts[index], RST | ACK);
		assert_true(talk_session(&talk, &session));
	}
	bare_command(&talk, talk.client_sequence, RST);
	assert_false(talk_session(&talk, &session));
	talk = announced(state);
	bare_response(&talk, talk.server_sequence, RST | ACK);
	assert_false(talk_session(&talk, &session));
	counted(talk.world, NOTHING);
}

/* A client that closed while a reply was coming resets from behind its FIN. */
static void reset_after_fin(void **state)
{
	struct talk talk = announced(state);
	struct ftpfix_session session;

	bare_command(&talk, talk.client_sequence, FIN | ACK);
	bare_command(&talk, talk.client_sequence + 2, RST);
	assert_true(talk_session(&talk, &session));
	bare_command(&talk, talk.client_sequence + 1, RST);
	assert_false(talk_session(&talk, &session));
	counted(talk.world, NOTHING);
}

/* Both sides finish, the client first or the server; the last bytes of the server the client
 * has not got yet. Before the second FIN the session is there. */
static void finish(struct talk *talk, int client_first, __u32 missing)
{
	struct ftpfix_session session;
	struct talk client = *talk;

	client.server_sequence -= missing;

	for (int step = 0; step < 2; step++) {
		assert_true(talk_session(talk, &session));
		if (step == !client_first)
			bare_command(&client, talk->client_sequence, FIN | ACK);
		else
			bare_response(talk, talk->server_sequence, FIN | ACK);
	}
	counted(talk->world, NOTHING);
}

static void finished(void **state)
{
	for (int client_first = 0; client_first < 2; client_first++) {
		struct talk talk = stream_talk(state);
		struct ftpfix_session session;

		talk_ask(&talk, "NOOP\r\n");
		talk_leave(&talk, FILLER, FILLER);
		finish(&talk, client_first, 0);
		assert_false(talk_session(&talk, &session));
	}
}

/* What was written may have to be written again, as long as the last FIN is not
 * acknowledged: the sweep forgets such a session. */
static void finished_with_an_edit(void **state)
{
	for (int client_first = 0; client_first < 2; client_first++) {
		struct talk talk = announced(state);
		struct ftpfix_session session;

		finish(&talk, client_first, strlen(VSFTPD));
		assert_true(talk_session(&talk, &session));
		talk_segment(&talk, talk.server_sequence - strlen(VSFTPD), VSFTPD, VSFTPD_PUBLIC);
		counted(talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
	}
}

/* The client acknowledges the last FIN: that begins nothing. */
static void acknowledged_behind_the_end(void **state)
{
	for (int client_first = 0; client_first < 2; client_first++) {
		struct talk talk = stream_talk(state);

		talk_ask(&talk, "NOOP\r\n");
		talk_leave(&talk, FILLER, FILLER);
		finish(&talk, client_first, 0);
		talk.server_sequence++;
		bare_command(&talk, talk.client_sequence + 1, ACK);
		assert_int_equal(sessions_count(talk.world), 0);
	}
}

/* A stranger acknowledges what was never sent; the next reply is lost, and the one behind it comes. */
static void overtaken_after_a_stranger(void **state)
{
	struct talk talk = stream_talk(state), stranger;

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, FILLER, FILLER);
	stranger = talk;
	stranger.server_sequence += 0x20000000;
	bare_command(&stranger, 0x33333333, ACK);
	held(&talk, talk.server_sequence + strlen(VSFTPD), FILLER);
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_again),
		cmocka_unit_test(in_pieces_again),
		cmocka_unit_test(in_crumbs_again),
		cmocka_unit_test(coalesced_with_new_lines),
		cmocka_unit_test(new_announcement_behind_an_old_one),
		cmocka_unit_test(old_one_answers_nothing),
		cmocka_unit_test(same_bytes_after_a_change),
		cmocka_unit_test(chosen_port_again),
		cmocka_unit_test(unchanged_stays_unchanged),
		cmocka_unit_test(four_are_remembered),
		cmocka_unit_test(overtaken),
		cmocka_unit_test(tail_loss_probe),
		cmocka_unit_test(missing_for_good),
		cmocka_unit_test(gap_that_was_acknowledged),
		cmocka_unit_test(commands_overtaken),
		cmocka_unit_test(segments_from_nowhere),
		cmocka_unit_test(command_again),
		cmocka_unit_test(keepalives),
		cmocka_unit_test(taken_up_in_mid_stream),
		cmocka_unit_test(bare_acknowledgement),
		cmocka_unit_test(placed_by_the_handshake),
		cmocka_unit_test(syn_begins_anew),
		cmocka_unit_test(syn_of_a_stranger),
		cmocka_unit_test(resets),
		cmocka_unit_test(reset_after_fin),
		cmocka_unit_test(finished),
		cmocka_unit_test(finished_with_an_edit),
		cmocka_unit_test(acknowledged_behind_the_end),
		cmocka_unit_test(overtaken_after_a_stranger),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
