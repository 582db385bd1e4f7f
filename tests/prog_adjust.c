// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Announcements whose text takes another length: the sequence numbers, acknowledgements
 * and SACK blocks around them. What is sent again is prog_again's subject.
 */
#include "prog_stream.h"

/* Such starts that a line of these wraps its sequence numbers at every place. */
#define WRAPS 70

static void one_longer(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_next(&stream, FILLER, FILLER);
	stream_next(&stream, VSFTPD, LONGER);
	stream_next(&stream, FILLER, FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	assert_int_equal(stream.out - stream.in, 5);
}

static void one_shorter(void **state)
{
	struct stream stream = replies_begin(state, SHORT_VIP, 1000);

	stream_next(&stream, FILLER, FILLER);
	stream_next(&stream, VSFTPD, SHORTER);
	stream_next(&stream, FILLER, FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	assert_int_equal(stream.in - stream.out, 3);
}

/* At every parity of the line and of what follows it, behind options and a tag. */
static void in_every_frame(void **state)
{
	static const struct spec shapes[] = {
		{}, {.timestamps = 1}, {.ip_options = 8}, {.tags = {ETH_P_8021Q}}};
	static const char *const before[] = {"", "200 a\r\n", "200 ab\r\n"};
	static const char *const behind[] = {"", "200 c\r\n", "200 cd\r\n"};

	for (size_t index = 0; index < 4 * 3 * 3; index++) {
		struct stream stream = replies_begin(state, LONG_VIP, -30u);
		char text[128], expected[128];

		snprintf(text, sizeof(text), "%s" VSFTPD "%s", before[index / 4 % 3],
			 behind[index / 12]);
		snprintf(expected, sizeof(expected), "%s" LONGER "%s", before[index / 4 % 3],
			 behind[index / 12]);
		stream.talk.shape = shapes[index % 4];
		stream_next(&stream, text, expected);
		counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	}
}

/* Ethernet's padding does not become payload, nor stay behind it. */
static void padding_goes(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	struct piece input = PIECE(1000, stream.other, VSFTPD);
	struct piece output = PIECE(1000, stream.other, LONGER);
	struct frame in, out;

	stream.talk.shape.padding = 9;
	piece_frame(&stream.talk, UPLINK_EGRESS, &input, &in);
	stream.talk.shape.padding = 0;
	piece_frame(&stream.talk, UPLINK_EGRESS, &output, &out);
	run_gives(stream.talk.world, UPLINK_EGRESS, &in, TC_ACT_UNSPEC, &out);
}

/* Two in one segment, and more behind those: each moves what follows it. */
static void several(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_next(&stream, VSFTPD FILLER VSFTPD, LONGER FILLER LONGER);
	assert_int_equal(stream.out - stream.in, 10);
	stream_next(&stream, EXTENDED, EXTENDED);
	stream_acknowledged(&stream, stream.out, stream.in);
	stream_next(&stream, VSFTPD, LONGER);
	stream_next(&stream, FILLER, FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 3},
		{FTPFIX_ANNOUNCEMENT_KEPT, 1});
	assert_int_equal(stream.out - stream.in, 15);
	stream_acknowledged(&stream, stream.out, stream.in);
}

/* An address of the same length is written in place, and moves nothing. */
static void of_the_same_length(void **state)
{
	struct stream stream = replies_begin(state, ip4(203, 0, 13, 5), 1000);

	stream_next(&stream, VSFTPD, "227 Entering Passive Mode (203,0,13,5,83,237).\r\n");
	stream_next(&stream, FILLER, FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* What the client acknowledges of the first line, and of what is around it. */
static void every_acknowledgement(void **state, __u32 vip, const char *line, __u32 length,
				  __u32 start)
{
	struct stream stream = replies_begin(state, vip, start);
	__u32 first = start + strlen(FILLER) + NUMBERS;

	stream_next(&stream, FILLER, FILLER);
	stream_next(&stream, VSFTPD, line);
	stream_next(&stream, FILLER, FILLER);
	for (__u32 out = start - 2; out != stream.out + 1; out++) {
		__u32 in = out;

		/* Inside of the numbers nothing is surely there but what is before them. */
		if ((__s32)(out - first) > 0)
			in = out - first < length ? first : out - length + VSFTPD_NUMBERS;
		stream_acknowledged(&stream, out, in);
	}
}

static void acknowledgements(void **state)
{
	every_acknowledgement(state, LONG_VIP, LONGER, LONGER_NUMBERS, 1000);
	every_acknowledgement(state, SHORT_VIP, SHORTER, SHORTER_NUMBERS, 1000);
}

static void wrapping(void **state)
{
	for (__u32 before = 0; before < WRAPS; before++) {
		every_acknowledgement(state, LONG_VIP, LONGER, LONGER_NUMBERS, -before);
		every_acknowledgement(state, SHORT_VIP, SHORTER, SHORTER_NUMBERS, -before);
	}
	/* And where the sign of a difference turns over. */
	every_acknowledgement(state, LONG_VIP, LONGER, LONGER_NUMBERS, 0x7fffffe0);
}

/* Where an edge of a SACK block stands before the program. A block must not say more
 * than is true: its left edge goes on, its right edge back. */
static __u32 edge_of(__u32 out, __u32 first, int left)
{
	if ((__s32)(out - first) <= 0)
		return out;
	if (out - first < LONGER_NUMBERS)
		return left ? first + VSFTPD_NUMBERS : first;
	return out - LONGER_NUMBERS + VSFTPD_NUMBERS;
}

/* Blocks in front of the numbers, over, into, out of and behind them; the option at
 * an odd distance from a word, with and without timestamps. */
static void sack_blocks(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -50u);
	__u32 first = stream.start + strlen(FILLER) + NUMBERS, end;
	struct piece in, out;

	stream_next(&stream, FILLER, FILLER);
	stream_next(&stream, VSFTPD, LONGER);
	stream_next(&stream, FILLER FILLER, FILLER FILLER);
	end = first + LONGER_NUMBERS;
	for (__u32 shift = 0; shift < 12; shift++) {
		stream.talk.shape.timestamps = shift & 1;
		in = PIECE(stream.other, stream.start);
		in.edges = shift & 1 ? 4 : 6;
		in.edge[0] = end + shift;
		in.edge[1] = end + shift + 10;
		in.edge[2] = first - 6 + shift;
		in.edge[3] = end - 6 + shift;
		in.edge[4] = first - shift - 3;
		in.edge[5] = first - shift;
		out = in;
		for (int edge = 0; edge < in.edges; edge++)
			out.edge[edge] = edge_of(in.edge[edge], first, !(edge & 1));
		piece_gives(&stream.talk, UPLINK_INGRESS, in, out);
	}
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
}

/* Options that end before they should: what is unreadable stays as it is. */
static void broken_options(void **state)
{
	static const __u8 broken[][8] = {
		{5, 0, 1, 2, 3, 4, 5, 6},   {5, 1, 1, 2, 3, 4, 5, 6},  {5, 40, 1, 2, 3, 4, 5, 6},
		{0, 5, 10, 1, 2, 3, 4, 5},  {8, 9, 1, 5, 10, 1, 2, 3}, {1, 1, 1, 1, 1, 1, 1, 5},
		{5, 6, 0, 0, 8, 0, 5, 255}, {1, 1, 1, 5, 2, 3, 3, 7},
	};
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_next(&stream, VSFTPD, LONGER);
	for (size_t index = 0; index < sizeof(broken) / sizeof(broken[0]); index++) {
		stream.talk.shape.tcp_option = broken[index];
		stream.talk.shape.tcp_options = sizeof(broken[index]);
		stream_acknowledged(&stream, stream.out, stream.in);
	}
}

/* Numbers of packets without bytes, and of such as end the connection. */
static void flags(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	struct talk *talk = &stream.talk;
	__u32 client = stream.other;

	stream_next(&stream, VSFTPD, LONGER);
	piece_gives(talk, UPLINK_EGRESS, PIECE(stream.in, client), PIECE(stream.out, client));
	piece_gives(talk, UPLINK_EGRESS, PIECE(stream.in, client, FILLER, FIN | PSH | ACK),
		    PIECE(stream.out, client, FILLER, FIN | PSH | ACK));
	stream.in += strlen(FILLER) + 1;
	stream.out += strlen(FILLER) + 1;
	stream_acknowledged(&stream, stream.out, stream.in);
	piece_gives(talk, UPLINK_INGRESS, PIECE(client, stream.out, NULL, FIN | ACK),
		    PIECE(client, stream.in, NULL, FIN | ACK));
	piece_gives(talk, UPLINK_EGRESS, PIECE(stream.in, client + 1),
		    PIECE(stream.out, client + 1));
}

/* A reset speaks of its sender's place, and without ACK of nothing else. */
static void resets(void **state)
{
	for (int bare = 0; bare < 2; bare++) {
		struct stream stream = replies_begin(state, LONG_VIP, 1000);
		__u32 client = stream.other, other = bare ? 0 : client;
		__u8 flags = bare ? RST : RST | ACK;
		struct ftpfix_session session;

		stream_next(&stream, VSFTPD, LONGER);
		piece_gives(&stream.talk, UPLINK_EGRESS, PIECE(stream.in, other, "why", flags),
			    PIECE(stream.out, other, "why", flags));
		assert_false(talk_session(&stream.talk, &session));
		stream = replies_begin(state, LONG_VIP, 1000);
		stream_next(&stream, VSFTPD, LONGER);
		other = bare ? stream.out : stream.in;
		piece_gives(&stream.talk, UPLINK_INGRESS, PIECE(client, stream.out, NULL, flags),
			    PIECE(client, other, NULL, flags));
		assert_false(talk_session(&stream.talk, &session));
	}
}

/* RFC 1122 section 4.2.3.6: one below the next, with a byte of garbage or none. */
static void keepalives(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	__u32 client = stream.other;

	stream_next(&stream, VSFTPD, LONGER);
	for (int garbage = 0; garbage < 2; garbage++) {
		const char *bytes = garbage ? "?" : NULL;

		piece_gives(&stream.talk, UPLINK_EGRESS, PIECE(stream.in - 1, client, bytes, ACK),
			    PIECE(stream.out - 1, client, bytes, ACK));
		piece_gives(&stream.talk, UPLINK_INGRESS, PIECE(client - 1, stream.out, bytes, ACK),
			    PIECE(client - 1, stream.in, bytes, ACK));
	}
	stream_next(&stream, FILLER, FILLER);
}

/* Texts that have no room for anything. */
static void other_announcements(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_next(&stream, "227 10,0,0,1,4,0\r\n", "227 123,156,241,199,4,0\r\n");
	stream_next(&stream, "227 (10,0,0,1,4,0)\r\n", "227 (123,156,241,199,4,0)\r\n");
	stream_next(&stream, "227-more\r\n227 (10,0,0,1,4,0)\r\n",
		    "227-more\r\n227 (123,156,241,199,4,0)\r\n");
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 3});
}

/* By default equal length goes first, and what has no room for it is adjusted. */
static void only_where_needed(void **state)
{
	struct stream stream = replies_begin(state, ip4(123, 56, 241, 199), 1000);

	stream.talk.world->service.rewrite = FTPFIX_REWRITE_AUTO;
	world_write_service(stream.talk.world);
	stream_next(&stream, VSFTPD, "227 EnteringPassiveMode(123,56,241,199,83,237)\r\n");
	assert_int_equal(stream.in, stream.out);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	stream_next(&stream, "227 ok (10,0,0,175,83,237)\r\n",
		    "227 ok (123,56,241,199,83,237)\r\n");
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	assert_int_equal(stream.out - stream.in, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_longer),
		cmocka_unit_test(one_shorter),
		cmocka_unit_test(in_every_frame),
		cmocka_unit_test(padding_goes),
		cmocka_unit_test(several),
		cmocka_unit_test(of_the_same_length),
		cmocka_unit_test(acknowledgements),
		cmocka_unit_test(wrapping),
		cmocka_unit_test(sack_blocks),
		cmocka_unit_test(broken_options),
		cmocka_unit_test(flags),
		cmocka_unit_test(resets),
		cmocka_unit_test(keepalives),
		cmocka_unit_test(other_announcements),
		cmocka_unit_test(only_where_needed),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
