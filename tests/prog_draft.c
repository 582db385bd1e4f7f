// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a session remembers, and for how long: drafts come and go with what is in flight,
 * what they leave behind moves the numbers for good, and tables that are full take nothing
 * from those who are in them.
 */
#include "prog_stream.h"

#define ROUNDS 20 /* more than a draft holds edits */
#define FLOOD 100000

static __u32 drafts(const struct stream *stream)
{
	return map_entries(stream->talk.world->skeleton->maps.drafts);
}

/* A draft is there from the edit on until the server speaks behind its acknowledgement. */
static void deleted_when_acknowledged(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	assert_int_equal(drafts(&stream), 0);
	stream_next(&stream, VSFTPD, LONGER);
	assert_int_equal(drafts(&stream), 1);
	stream_next(&stream, FILLER, FILLER);
	assert_int_equal(drafts(&stream), 1);
	stream_acknowledged(&stream, stream.out - strlen(FILLER), stream.in - strlen(FILLER));
	stream_next(&stream, FILLER, FILLER);
	assert_int_equal(drafts(&stream), 0);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	stream_acknowledged(&stream, stream.out, stream.in);
	stream_next(&stream, FILLER, FILLER);
}

/* The start of a line needs one, too, until the line has ended. */
static void of_a_line_that_has_begun(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_passes(&stream, "200 Ty");
	assert_int_equal(drafts(&stream), 1);
	stream_passes(&stream, "pe set to I.\r\n");
	stream_passes(&stream, FILLER);
	assert_int_equal(drafts(&stream), 0);
}

/* Each edit is acknowledged and forgotten; the numbers move on by all of them. What comes
 * again from in front of the last one the client has: it gets nothing new. */
static void growth_adds_up(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -300u);
	__u32 behind = strlen(VSFTPD) - NUMBERS - VSFTPD_NUMBERS;

	for (int round = 0; round < ROUNDS; round++) {
		__u32 in = stream.in;

		stream_told(&stream, "PASV\r\n");
		stream_next(&stream, VSFTPD, LONGER);
		stream_segment(&stream, in, VSFTPD, stream.out - strlen(LONGER), LONGER);
		stream_acknowledged(&stream, stream.out, stream.in);
		stream_next(&stream, FILLER, FILLER);
		assert_int_equal(drafts(&stream), 0);
		stream_segment(&stream, in, VSFTPD FILLER, stream.out - strlen(FILLER) - behind,
			       &(VSFTPD FILLER)[NUMBERS + VSFTPD_NUMBERS]);
		stream_acknowledged(&stream, stream.out, stream.in);
	}
	assert_int_equal(stream.out - stream.in, ROUNDS * (strlen(LONGER) - strlen(VSFTPD)));
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, ROUNDS},
		{FTPFIX_ANNOUNCEMENT_REPEATED, ROUNDS});
}

/* An acknowledgement of what was never sent, as a stranger may send it, forgets nothing. */
static void acknowledged_by_a_stranger(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	__u32 in = stream.in, out = stream.out;

	stream_next(&stream, VSFTPD, LONGER);
	stream_acknowledged(&stream, stream.out + 100000, stream.in + 100000);
	stream_next(&stream, FILLER, FILLER);
	assert_int_equal(drafts(&stream), 1);
	stream_segment(&stream, in, VSFTPD, out, LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* A stranger's FIN or reset from anywhere in front of what is forgotten is not moved to where the
 * stream stands (RFC 5961 section 3). */
static void reset_by_a_stranger(void **state)
{
	static const __u32 behind[] = {1, 47, 1000, 100000, 0x40000000, 0x7fff0000};
	static const __u8 flags[] = {RST, RST | ACK, FIN | ACK};
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_next(&stream, FILLER, FILLER);
	kept_back(&stream, "227 Ent", 0);
	stream_next(&stream, &VSFTPD[7], LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	stream_acknowledged(&stream, stream.out, stream.in);
	stream_segment(&stream, stream.in, "", stream.out, "");
	assert_int_equal(drafts(&stream), 0);
	for (int round = 0; round < 18; round++) {
		__u32 shift = behind[round / 3];

		piece_gives(&stream.talk, UPLINK_EGRESS,
			    PIECE(stream.in - shift, stream.other, "", flags[round % 3]),
			    PIECE(stream.out - shift, stream.other, "", flags[round % 3]));
	}
}

/* Fills a map with keys that are nobody's. */
static void fill(const struct bpf_map *map, __u32 entries)
{
	struct ftpfix_draft value = {};
	struct ftpfix_draft_key key = {};

	for (__u32 number = 0; number < entries; number++) {
		key.tuple.source.be_word[3] = number + 1;
		if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_NOEXIST))
			break;
	}
}

/* Without a draft an announcement passes as it is, and those that have one keep theirs. */
static void drafts_are_full(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	const struct bpf_map *map = stream.talk.world->skeleton->maps.drafts;

	fill(map, bpf_map__max_entries(map));
	stream_passes(&stream, VSFTPD);
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	stream_passes(&stream, "227 Ent");
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	stream_passes(&stream, &VSFTPD[7]);
	counted(stream.talk.world, NOTHING);
	map_clear(map);
	stream_next(&stream, VSFTPD, LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	fill(map, bpf_map__max_entries(map));
	stream_segment(&stream, stream.in - strlen(VSFTPD), VSFTPD, stream.out - strlen(LONGER),
		       LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
	map_clear(map);
}

/* A new session is not followed where there is no room; the established one is. */
static void sessions_are_full(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000), other;
	const struct bpf_map *map = stream.talk.world->skeleton->maps.sessions;

	fill(map, bpf_map__max_entries(map));
	other = stream;
	other.talk.client_port++;
	stream_passes(&other, FILLER);
	counted(stream.talk.world, REFUSED(FTPFIX_SESSION_TABLE_FULL));
	stream_next(&stream, VSFTPD, LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* What look like third packets of handshakes, from everywhere: they push each other out. */
static void flood(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	struct world *world = stream.talk.world;
	struct talk forged = stream.talk;
	struct frame frame;

	stream_next(&stream, FILLER, FILLER);
	for (__u32 number = 0; number < FLOOD; number++) {
		forged.client = ip4(192, 0, 2, 1) + number;
		talk_command(&forged, number, ACK, "", 0, &frame);
		run_passes(world, UPLINK_INGRESS, &frame);
	}
	assert_in_range(sessions_count(world), 2, FTPFIX_BEGUN_MAX + 1);
	counted(world, NOTHING);
	stream_next(&stream, VSFTPD, LONGER);
	counted(world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(deleted_when_acknowledged),
		cmocka_unit_test(of_a_line_that_has_begun),
		cmocka_unit_test(growth_adds_up),
		cmocka_unit_test(acknowledged_by_a_stranger),
		cmocka_unit_test(reset_by_a_stranger),
		cmocka_unit_test(drafts_are_full),
		cmocka_unit_test(sessions_are_full),
		cmocka_unit_test(flood),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
