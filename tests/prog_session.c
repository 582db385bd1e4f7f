// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sessions that are over: nobody finds them any more, and they are deleted with their drafts when
 * every program that was under way then has ended; where their key is needed before, they
 * begin anew in their place.
 */
#include "prog_grace.h"
#include "prog_stream.h"

#define RESET 4

/* What stands in the table, whether it is followed or not. */
static __u32 in_table(const struct world *world)
{
	return map_entries(world->skeleton->maps.sessions);
}

static __u32 drafts_in_table(const struct world *world)
{
	return map_entries(world->skeleton->maps.drafts);
}

/* The server resets the connection. */
static void reset(const struct talk *talk)
{
	struct frame frame;

	talk_response(talk, talk->server_sequence, RESET | ACK, "", 0, &frame);
	run_passes(talk->world, UPLINK_EGRESS, &frame);
}

/* The last packet of the client's handshake. */
static void shakes_hands(const struct talk *talk)
{
	struct frame frame;

	talk_command(talk, talk->client_sequence, ACK, "", 0, &frame);
	run_passes(talk->world, UPLINK_INGRESS, &frame);
}

/* Another client's session begins and ends: with each such the table is tidied. */
static void another_comes_and_goes(struct talk *talk)
{
	talk->client_port++;
	shakes_hands(talk);
	assert_int_equal(sessions_count(talk->world), 1);
	reset(talk);
	assert_int_equal(sessions_count(talk->world), 0);
}

/* A session that is over is found by nobody, and stays where it is as long as a program may still
 * be in it. */
static void waits_for_programs(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world), other = talk;
	struct ftpfix_session session, before;
	struct ftpfix_session_key key = talk_key(&talk);
	int map = bpf_map__fd(world->skeleton->maps.sessions);

	needs_cpus();
	shakes_hands(&talk);
	stands_still(world, "packet_since_ticks", ticks_noted());
	reset(&talk);
	assert_int_equal(sessions_count(world), 0);
	assert_int_equal(bpf_map_lookup_elem(map, &key, &before), 0);
	assert_int_equal(before.over & 1, 1);
	for (int number = 1; number < 20; number++) {
		usleep(GRACE_US);
		another_comes_and_goes(&other);
		assert_int_equal(in_table(world), number + 1);
	}
	assert_int_equal(bpf_map_lookup_elem(map, &key, &session), 0);
	assert_memory_equal(&session, &before, sizeof(session));
	stands_still(world, "packet_since_ticks", 0);
	usleep(GRACE_US);
	for (int number = 0; number < 20; number++) {
		another_comes_and_goes(&other);
		usleep(GRACE_US);
	}
	assert_int_not_equal(bpf_map_lookup_elem(map, &key, &session), 0);
	assert_in_range(in_table(world), 0, 2);
}

/* The same of the sweep, which may be in any. */
static void waits_for_the_sweep(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	needs_cpus();
	shakes_hands(&talk);
	stands_still(world, "sweep_since_ticks", ticks_noted());
	reset(&talk);
	usleep(GRACE_US);
	another_comes_and_goes(&talk);
	assert_int_equal(in_table(world), 2);
	stands_still(world, "sweep_since_ticks", 0);
	usleep(GRACE_US);
	another_comes_and_goes(&talk);
	assert_int_equal(in_table(world), 1);
}

/* What nobody noted to delete the sweep deletes, and that alone. */
static void the_sweep_deletes(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world), stays = talk;

	stays.client_port++;
	shakes_hands(&talk);
	shakes_hands(&stays);
	reset(&talk);
	world->skeleton->bss->ended_gone = world->skeleton->bss->ended_count;
	assert_int_equal(in_table(world), 2);
	usleep(GRACE_US);
	sweep(world);
	assert_int_equal(in_table(world), 1);
	assert_int_equal(sessions_count(world), 1);
}

/* The client connects again from the same port at once. */
static void begins_anew(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct ftpfix_session session;

	needs_cpus();
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	shakes_hands(&talk);
	talk_ask(&talk, "PASV\r\n");
	stands_still(world, "packet_since_ticks", ticks_noted());
	reset(&talk);
	assert_false(talk_session(&talk, &session));
	talk.client_sequence += 0x30000000;
	talk.server_sequence += 0x30000000;
	shakes_hands(&talk);
	assert_true(talk_session(&talk, &session));
	assert_int_equal(session.client.next_sequence, talk.client_sequence);
	assert_int_equal(session.server.next_sequence, talk.server_sequence);
	assert_int_equal(session.asked_pasv, 0);
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	/* That on the server's side, too. */
	assert_int_equal(in_table(world), 2);
	assert_int_equal(sessions_count(world), 2);
	stands_still(world, "packet_since_ticks", 0);
}

/* Where the earlier one had a draft, which another CPU may be about to write to, what the new one
 * says must come again; not its handshake. */
static void waits_for_drafts(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000), again;
	struct world *world = stream.talk.world;
	struct ftpfix_session session;
	struct frame frame;

	needs_cpus();
	stream_next(&stream, VSFTPD, LONGER);
	counted(world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	assert_int_equal(drafts_in_table(world), 1);
	stands_still(world, "packet_since_ticks", ticks_noted());
	talk_response(&stream.talk, stream.in, RESET | ACK, "", 0, &frame);
	run(world, UPLINK_EGRESS, &frame);
	assert_int_equal(sessions_count(world), 0);
	assert_int_equal(drafts_in_table(world), 1);
	counted(world, NOTHING);

	again = stream;
	again.in = again.out = stream.in + 0x20000000;
	talk_response(&again.talk, again.in, PSH | ACK, FILLER, strlen(FILLER), &frame);
	usleep(GRACE_US);
	shakes_hands(&again.talk);
	counted(world, NOTHING);
	run_drops(world, UPLINK_EGRESS, &frame);
	counted(world, {FTPFIX_PACKET_HELD, 1});
	assert_int_equal(drafts_in_table(world), 1);
	stands_still(world, "packet_since_ticks", 0);
	usleep(GRACE_US);
	run_passes(world, UPLINK_EGRESS, &frame);
	counted(world, NOTHING);
	assert_int_equal(drafts_in_table(world), 0);
	assert_true(talk_session(&again.talk, &session));
	assert_int_equal(session.server.next_sequence, again.in + strlen(FILLER));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_programs), cmocka_unit_test(waits_for_the_sweep),
		cmocka_unit_test(the_sweep_deletes),  cmocka_unit_test(begins_anew),
		cmocka_unit_test(waits_for_drafts),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
