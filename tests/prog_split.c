// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Announcements that come in several segments: the start is kept back, its sender told
 * that it arrived, and the end carries the whole line. Replies, on the uplink; commands
 * are prog_split_command's subject.
 */
#include "prog_adjust.h"

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

static struct replies greeted(void **state)
{
	struct replies replies = replies_begin(state, LONG_VIP, -30u);

	replies_next(&replies, FILLER, FILLER);
	return replies;
}

/* The next bytes are kept back: one byte goes on that the client has, whose
 * acknowledgement is the sender's too. */
static void kept_back_at(struct replies *replies, const char *text, __u32 before, const char *file,
			 int line)
{
	replies_segment_at(replies, replies->in, text, replies->out - 1, "\n", file, line);
	replies->in += strlen(text);
	replies_acknowledged_at(replies, replies->out, replies->in, file, line);
	replies_acknowledged_at(replies, replies->out - 1, replies->in - before - strlen(text) - 1,
				file, line);
	counted_check(replies->talk.world, (struct change[]){{FTPFIX_PACKET_KEPT_BACK, 1}, NOTHING},
		      file, line);
}

#define kept_back(replies, text, before) kept_back_at(replies, text, before, __FILE__, __LINE__)

/* Copies the first `length` bytes of a text. */
static const char *head_of(const char *text, __u32 length)
{
	static char head[FTPFIX_LINE_MAX * 2];

	memcpy(head, text, length);
	head[length] = 0;
	return head;
}

static void in_two(void **state)
{
	for (size_t index = 0; index < SUBJECTS; index++) {
		const struct subject *subject = &subjects[index];

		for (__u32 cut = 1; cut < strlen(subject->line); cut++) {
			struct replies replies = greeted(state);
			__u32 in = replies.in, out = replies.out;

			kept_back(&replies, head_of(subject->line, cut), 0);
			replies_next(&replies, subject->line + cut, subject->expected);
			counted(replies.talk.world, {subject->reason, 1});
			replies.out = out + strlen(subject->expected);
			replies_acknowledged(&replies, out, in + cut);
			replies_acknowledged(&replies, out + 1, in + cut);
			replies_acknowledged(&replies, replies.out, replies.in);
			replies_next(&replies, FILLER, FILLER);
		}
	}
}

/* Every byte by itself. */
static void in_crumbs(void **state)
{
	for (size_t index = 0; index < SUBJECTS; index++) {
		const struct subject *subject = &subjects[index];
		struct replies replies = greeted(state);
		__u32 length = strlen(subject->line);
		char byte[2] = "";

		for (__u32 at = 0; at + 1 < length; at++) {
			byte[0] = subject->line[at];
			kept_back(&replies, byte, at);
		}
		replies_next(&replies, "\n", subject->expected);
		counted(replies.talk.world, {subject->reason, 1});
		replies_acknowledged(&replies, replies.out, replies.in);
		replies_next(&replies, FILLER, FILLER);
	}
}

/* The start stands behind other lines, the end before others. */
static void between_lines(void **state)
{
	for (__u32 cut = 1; cut < strlen(VSFTPD); cut++) {
		struct replies replies = greeted(state);
		char text[128], expected[128];
		__u32 out;

		snprintf(text, sizeof(text), FILLER "%s", head_of(VSFTPD, cut));
		replies_segment(&replies, replies.in, text, replies.out, FILLER);
		out = replies.out + strlen(FILLER);
		replies_acknowledged(&replies, out, replies.in + strlen(text));
		replies_acknowledged(&replies, out - 1, replies.in + strlen(FILLER) - 1);
		counted(replies.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1});
		replies.in += strlen(text);
		replies.out = out;
		snprintf(text, sizeof(text), "%s" FILLER EXTENDED, &VSFTPD[cut]);
		snprintf(expected, sizeof(expected), LONGER FILLER EXTENDED);
		replies_next(&replies, text, expected);
		counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
			{FTPFIX_ANNOUNCEMENT_KEPT, 1});
		replies_acknowledged(&replies, replies.out, replies.in);
	}
}

/* Before the first line there is no byte that the client has: nothing but its number
 * goes on, and asks for an acknowledgement all the same. */
static void at_the_very_start(void **state)
{
	struct replies replies = replies_begin(state, LONG_VIP, -10u);

	piece_gives(&replies.talk, UPLINK_EGRESS,
		    PIECE(replies.in, replies.talk.client_sequence, "22"),
		    PIECE(replies.out - 1, replies.talk.client_sequence, NULL, PSH | ACK));
	replies.in += 2;
	replies_acknowledged(&replies, replies.out, replies.in);
	replies_next(&replies, &VSFTPD[2], LONGER);
	counted(replies.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1},
		{FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* The start comes again before the end, alone and with more of it. */
static void start_comes_again(void **state)
{
	struct replies replies = greeted(state);
	__u32 in = replies.in, out = replies.out;

	kept_back(&replies, "227 Ent", 0);
	for (int round = 0; round < 2; round++)
		replies_segment(&replies, in, "227 Ent", out - 1, "\n");
	replies_segment(&replies, in + 3, " En", out - 1, "\n");
	counted(replies.talk.world, NOTHING);
	replies_segment(&replies, in, "227 Entering P", out - 1, "\n");
	replies.in = in + strlen("227 Entering P");
	replies_acknowledged(&replies, out, replies.in);
	counted(replies.talk.world, {FTPFIX_PACKET_KEPT_BACK, 1});
	replies_segment(&replies, in, VSFTPD FILLER, out, LONGER FILLER);
	counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* The end was lost behind the node, and comes again; the start may, too. */
static void end_comes_again(void **state)
{
	for (__u32 cut = 1; cut < strlen(VSFTPD); cut++) {
		struct replies replies = greeted(state);
		__u32 in = replies.in, out = replies.out;

		kept_back(&replies, head_of(VSFTPD, cut), 0);
		replies_next(&replies, &VSFTPD[cut], LONGER);
		counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
		replies_segment(&replies, in + cut, &VSFTPD[cut], out, LONGER);
		replies_segment(&replies, in, head_of(VSFTPD, cut), out, LONGER);
		replies_segment(&replies, in, VSFTPD, out, LONGER);
		replies_segment(&replies, in + cut, &(VSFTPD FILLER)[cut], out, LONGER FILLER);
		counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 4});
	}
}

/* The client has everything, and the sender repeats it without what it said first. */
static void in_front_of_the_next(void **state)
{
	struct replies replies = greeted(state);
	__u32 in, out;

	kept_back(&replies, "227 ", 0);
	in = replies.in;
	out = replies.out;
	replies_next(&replies, &VSFTPD[4], LONGER);
	replies_segment(&replies, in, &(VSFTPD EXTENDED)[4], out, LONGER EXTENDED);
	counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
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
		struct replies replies = greeted(state);
		const char *const *tail = tails[index];

		kept_back(&replies, tail[0], 0);
		replies_next(&replies, tail[1], tail[2]);
		replies.out = replies.in;
		replies_acknowledged(&replies, replies.out, replies.in);
		replies_next(&replies, ".\r\n" FILLER VSFTPD, ".\r\n" FILLER LONGER);
		counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
		replies_segment(&replies, replies.start + strlen(FILLER), tail[0],
				replies.start + strlen(FILLER), tail[2]);
	}
}

/* Nobody asked for an announcement: nothing is kept back for one. */
static void not_owed(void **state)
{
	struct replies replies = greeted(state);

	replies_next(&replies, VSFTPD VSFTPD, LONGER LONGER);
	replies_acknowledged(&replies, replies.out, replies.in);
	replies_next(&replies, VSFTPD VSFTPD EXTENDED, LONGER LONGER EXTENDED);
	replies_acknowledged(&replies, replies.out, replies.in);
	counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 4},
		{FTPFIX_ANNOUNCEMENT_KEPT, 1});
	replies_next(&replies, "227 Ent", "227 Ent");
	replies_next(&replies, &VSFTPD[7], &VSFTPD[7]);
	counted(replies.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

/* One that is refused, in pieces: byte for byte. */
static void refused_in_pieces(void **state)
{
	static const char text[] = "227 Entering Passive Mode (10,0,0,175,0,21).\r\n";

	for (__u32 cut = 1; cut < strlen(text); cut++) {
		struct replies replies = greeted(state);

		kept_back(&replies, head_of(text, cut), 0);
		replies_next(&replies, text + cut, text);
		counted(replies.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_PORT_LOW));
		assert_int_equal(replies.out, replies.in);
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
			struct replies replies = greeted(state);

			long_line(text, "(10,0,0,175,83,237)", length);
			if (cut < FTPFIX_LINE_MAX) {
				kept_back(&replies, head_of(text, cut), 0);
				replies_next(&replies, text + cut, text);
				counted(replies.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MALFORMED));
			} else {
				replies_next(&replies, head_of(text, cut), head_of(text, cut));
				replies_next(&replies, text + cut, text + cut);
				counted(replies.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
			}
			assert_int_equal(replies.in, replies.out);
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
			struct replies replies = greeted(state);

			if (cut)
				kept_back(&replies, head_of(text, cut), 0);
			replies_next(&replies, text + cut, over ? text : expected);
			if (over)
				counted(replies.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
			else
				counted(replies.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
			replies_acknowledged(&replies, replies.out, replies.in);
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
