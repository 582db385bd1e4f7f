// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Announcements that come in several segments: the start is kept back, its sender told
 * that it arrived, and the end carries the whole line. Replies, on the uplink; commands
 * are prog_split_command's subject.
 */
#include "prog_stream.h"

/* One way to make a line longer, by which the numbers are. */
struct subject {
	const char *line;
	const char *expected;
	__u32 reason;
};

static const struct subject subjects[] = {
	{VSFTPD, LONGER, FTPFIX_ANNOUNCEMENT_ADJUSTED},
	{"227 (10,0,0,1,4,0)\r\n", "227 (123,156,241,199,4,0)\r\n", FTPFIX_ANNOUNCEMENT_ADJUSTED},
	{"227 10,0,0,1,4,0\r\n", "227 123,156,241,199,4,0\r\n", FTPFIX_ANNOUNCEMENT_ADJUSTED},
	{"227 10,0,0,1,4,0\n", "227 123,156,241,199,4,0\n", FTPFIX_ANNOUNCEMENT_ADJUSTED},
	{"227 Hi (123,156,241,199,4,0)\r\n", "227 Hi (123,156,241,199,4,0)\r\n",
	 FTPFIX_ANNOUNCEMENT_KEPT},
	{EXTENDED, EXTENDED, FTPFIX_ANNOUNCEMENT_KEPT},
};
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static struct stream greeted(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -30u);

	stream_next(&stream, FILLER, FILLER);
	return stream;
}

static void in_two(void **state)
{
	for (size_t index = 0; index < SUBJECTS; index++) {
		const struct subject *subject = &subjects[index];

		for (__u32 cut = 1; cut < strlen(subject->line); cut++) {
			struct stream stream = greeted(state);
			__u32 in = stream.in, out = stream.out;

			kept_back(&stream, head_of(subject->line, cut), 0);
			stream_next(&stream, subject->line + cut, subject->expected);
			counted(stream.talk.world, {subject->reason, 1});
			stream.out = out + strlen(subject->expected);
			stream_acknowledged(&stream, out, in + cut);
			stream_acknowledged(&stream, out + 1, in + cut);
			stream_acknowledged(&stream, stream.out, stream.in);
			stream_next(&stream, FILLER, FILLER);
		}
	}
}

/* Every byte by itself. */
static void in_crumbs(void **state)
{
	for (size_t index = 0; index < SUBJECTS; index++) {
		const struct subject *subject = &subjects[index];
		struct stream stream = greeted(state);
		__u32 length = strlen(subject->line);
		char byte[2] = "";

		for (__u32 at = 0; at + 1 < length; at++) {
			byte[0] = subject->line[at];
			kept_back(&stream, byte, at);
		}
		stream_next(&stream, "\n", subject->expected);
		counted(stream.talk.world, {subject->reason, 1});
		stream_acknowledged(&stream, stream.out, stream.in);
		stream_next(&stream, FILLER, FILLER);
	}
}

/* The start stands behind other lines, the end before others. */
static void between_lines(void **state)
{
	for (__u32 cut = 1; cut < strlen(VSFTPD); cut++) {
		struct stream stream = greeted(state);
		char text[128], expected[128];
		__u32 out;

		snprintf(text, sizeof(text), FILLER "%s", head_of(VSFTPD, cut));
		stream_segment(&stream, stream.in, text, stream.out, FILLER);
		out = stream.out + strlen(FILLER);
		stream_acknowledged(&stream, out, stream.in + strlen(text));
		stream_acknowledged(&stream, out - 1, stream.in + strlen(FILLER) - 1);
		counted(stream.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1});
		stream.in += strlen(text);
		stream.out = out;
		snprintf(text, sizeof(text), "%s" FILLER EXTENDED, &VSFTPD[cut]);
		snprintf(expected, sizeof(expected), LONGER FILLER EXTENDED);
		stream_next(&stream, text, expected);
		counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
			{FTPFIX_ANNOUNCEMENT_KEPT, 1});
		stream_acknowledged(&stream, stream.out, stream.in);
	}
}

/* Before the first line there is no byte that the client has: nothing but its number
 * goes on, and asks for an acknowledgement all the same. */
static void at_the_very_start(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -10u);

	piece_gives(&stream.talk, UPLINK_EGRESS, PIECE(stream.in, stream.other, "22"),
		    PIECE(stream.out - 1, stream.other, NULL, PSH | ACK));
	stream.in += 2;
	stream_acknowledged(&stream, stream.out, stream.in);
	stream_next(&stream, &VSFTPD[2], LONGER);
	counted(stream.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1}, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* What is missing in front went another way, and has perhaps not arrived: the byte before
 * the line is not known, and must not be made up. */
static void behind_a_gap(void **state)
{
	struct stream stream = greeted(state);

	stream.in = stream.out += 1000;
	for (int hold = 0; hold < 8; hold++)
		piece_drops(&stream.talk, UPLINK_EGRESS, PIECE(stream.in, stream.other, "227 "));
	counted(stream.talk.world, {FTPFIX_PACKET_HELD, 8});
	piece_gives(&stream.talk, UPLINK_EGRESS, PIECE(stream.in, stream.other, "227 "),
		    PIECE(stream.out - 1, stream.other, NULL, PSH | ACK));
	stream.in += 4;
	stream_next(&stream, &VSFTPD[4], LONGER);
}

/* The start comes again before the end, alone and with more of it. */
static void start_comes_again(void **state)
{
	struct stream stream = greeted(state);
	__u32 in = stream.in, out = stream.out;

	kept_back(&stream, "227 Ent", 0);
	for (int round = 0; round < 2; round++)
		stream_segment(&stream, in, "227 Ent", out - 1, "\n");
	stream_segment(&stream, in + 3, " En", out - 1, "\n");
	counted(stream.talk.world, NOTHING);
	stream_segment(&stream, in, "227 Entering P", out - 1, "\n");
	stream.in = in + strlen("227 Entering P");
	stream_acknowledged(&stream, out, stream.in);
	counted(stream.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1});
	stream_segment(&stream, in, VSFTPD FILLER, out, LONGER FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* The end was lost behind the node, and comes again; the start may, too. */
static void end_comes_again(void **state)
{
	for (__u32 cut = 1; cut < strlen(VSFTPD); cut++) {
		struct stream stream = greeted(state);
		__u32 in = stream.in, out = stream.out;

		kept_back(&stream, head_of(VSFTPD, cut), 0);
		stream_next(&stream, &VSFTPD[cut], LONGER);
		counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
		stream_segment(&stream, in + cut, &VSFTPD[cut], out, LONGER);
		stream_segment(&stream, in, head_of(VSFTPD, cut), out, LONGER);
		stream_segment(&stream, in, VSFTPD, out, LONGER);
		stream_segment(&stream, in + cut, &(VSFTPD FILLER)[cut], out, LONGER FILLER);
		counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 4});
	}
}

/* The client has everything, and the sender repeats it without what it said first. */
static void in_front_of_the_next(void **state)
{
	struct stream stream = greeted(state);
	__u32 in, out;

	kept_back(&stream, "227 ", 0);
	in = stream.in;
	out = stream.out;
	stream_next(&stream, &VSFTPD[4], LONGER);
	stream_segment(&stream, in, &(VSFTPD EXTENDED)[4], out, LONGER EXTENDED);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_ANNOUNCEMENT_REPEATED, 1}, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
}

/* What turns out to announce nothing goes on byte for byte, as soon as that is clear. */
static void no_announcement(void **state)
{
	static const char *const tails[][3] = {
		{"22", "0 hello\r\n", "220 hello\r\n"},
		{"2", "00", "200"},
		{"22", "7-more\r\n", "227-more\r\n"},
		{"227", "x", "227x"},
		{"22", "\r\n", "22\r\n"},
		{"2", "\n", "2\n"},
	};

	for (size_t index = 0; index < sizeof(tails) / sizeof(tails[0]); index++) {
		struct stream stream = greeted(state);
		const char *const *tail = tails[index];

		kept_back(&stream, tail[0], 0);
		stream_next(&stream, tail[1], tail[2]);
		stream.out = stream.in;
		stream_segment(&stream, stream.start + strlen(FILLER), tail[0],
			       stream.start + strlen(FILLER), tail[2]);
		stream_acknowledged(&stream, stream.out, stream.in);
		stream_next(&stream, ".\r\n" FILLER VSFTPD, ".\r\n" FILLER LONGER);
		counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1},
			{FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	}
}

/* Nobody asked for an announcement: nothing is kept back for one. */
static void not_owed(void **state)
{
	struct stream stream = greeted(state);

	stream_next(&stream, VSFTPD VSFTPD, LONGER LONGER);
	stream_acknowledged(&stream, stream.out, stream.in);
	stream_next(&stream, VSFTPD VSFTPD EXTENDED, LONGER LONGER EXTENDED);
	stream_acknowledged(&stream, stream.out, stream.in);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 4},
		{FTPFIX_ANNOUNCEMENT_KEPT, 1});
	stream_next(&stream, "227 Ent", "227 Ent");
	stream_next(&stream, &VSFTPD[7], &VSFTPD[7]);
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

/* One that is refused, in pieces: byte for byte. */
static void refused_in_pieces(void **state)
{
	static const char text[] = "227 Entering Passive Mode (10,0,0,175,0,21).\r\n";

	for (__u32 cut = 1; cut < strlen(text); cut++) {
		struct stream stream = greeted(state);

		kept_back(&stream, head_of(text, cut), 0);
		stream_next(&stream, text + cut, text);
		counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_PORT_LOW));
		assert_int_equal(stream.out, stream.in);
	}
}

/* A line of `length` bytes with the numbers at its end. */
static void long_line(char *text, const char *numbers, __u32 length)
{
	memset(text, 'x', length);
	memcpy(text, "227 ", 4);
	sprintf(text + length - strlen(numbers) - 2, "%s\r\n", numbers);
}

/* Beyond what is kept back a line passes, whatever it says. */
static void a_line_too_long(void **state)
{
	char text[256];

	for (__u32 length = FTPFIX_LINE_MAX + 1; length < FTPFIX_LINE_MAX + 4; length++)
		for (__u32 cut = 1; cut < length; cut++) {
			struct stream stream = greeted(state);

			long_line(text, "(10,0,0,175,83,237)", length);
			if (cut < FTPFIX_LINE_MAX) {
				kept_back(&stream, head_of(text, cut), 0);
				stream_next(&stream, text + cut, text);
				counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MALFORMED));
			} else {
				stream_next(&stream, head_of(text, cut), head_of(text, cut));
				stream_next(&stream, text + cut, text + cut);
				counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
			}
			assert_int_equal(stream.in, stream.out);
		}
}

/* A line that the edit would make longer than what is remembered: as it is, whether it
 * is cut or not. One byte shorter it is written. */
static void a_line_that_would_grow_too_long(void **state)
{
	char text[256], expected[256];

	for (__u32 over = 0; over < 2; over++) {
		__u32 length = FTPFIX_LINE_MAX - 5 + over;

		long_line(text, "(10,0,0,175,83,237)", length);
		long_line(expected, "(123,156,241,199,83,237)", length + 5);
		for (__u32 cut = 0; cut < length; cut++) {
			struct stream stream = greeted(state);

			if (cut)
				kept_back(&stream, head_of(text, cut), 0);
			stream_next(&stream, text + cut, over ? text : expected);
			if (over)
				counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
			else
				counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
			stream_acknowledged(&stream, stream.out, stream.in);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_two),
		cmocka_unit_test(in_crumbs),
		cmocka_unit_test(between_lines),
		cmocka_unit_test(at_the_very_start),
		cmocka_unit_test(behind_a_gap),
		cmocka_unit_test(start_comes_again),
		cmocka_unit_test(end_comes_again),
		cmocka_unit_test(in_front_of_the_next),
		cmocka_unit_test(no_announcement),
		cmocka_unit_test(not_owed),
		cmocka_unit_test(refused_in_pieces),
		cmocka_unit_test(a_line_too_long),
		cmocka_unit_test(a_line_that_would_grow_too_long),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
