// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Announcements of another length that are sent again, in whatever pieces, also when they
 * are long forgotten; and what is left to come again because it does not fit.
 */
#include "prog_stream.h"

/* What the uplink takes of one segment: 1500 bytes without headers. */
#define SEGMENT 1460

/* Where the numbers of VSFTPD end. */
#define NUMBERS_END (NUMBERS + VSFTPD_NUMBERS)

/* Replies that said FILLER, VSFTPD and FILLER; nothing is acknowledged. */
static struct stream said(void **state, __u32 vip, const char *line)
{
	struct stream stream = replies_begin(state, vip, -20u);

	stream_next(&stream, FILLER, FILLER);
	stream_next(&stream, VSFTPD, line);
	stream_next(&stream, FILLER, FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	return stream;
}

static const char whole[] = FILLER VSFTPD FILLER;
#define WHOLE (sizeof(whole) - 1)

/* Bytes at..end of all that was said come again: of the numbers either all go on or
 * none do, so that the client gets no part of one text behind a part of the other. */
static void again(struct stream *stream, const char *line, __u32 at, __u32 end)
{
	__u32 first = strlen(FILLER) + NUMBERS, last = strlen(FILLER) + NUMBERS_END;
	__u32 growth = strlen(line) - strlen(VSFTPD), out = stream->start + at;
	char text[256] = "", expected[256] = "";

	memcpy(text, whole + at, end - at);
	if (at >= last)
		out += growth;
	else if (at > first)
		out = stream->start + first;
	if (end <= first || at >= last) {
		strcpy(expected, text);
	} else {
		if (at < first)
			strncat(expected, whole + at, first - at);
		strncat(expected, line + NUMBERS, (__u32)VSFTPD_NUMBERS + growth);
		if (end > last)
			strncat(expected, whole + last, end - last);
	}
	stream_segment(stream, stream->start + at, text, out, expected);
	counted(stream->talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, end > first && at < last});
}

static void in_pieces(void **state)
{
	struct stream longer = said(state, LONG_VIP, LONGER), shorter;

	for (int round = 0; round < 3; round++)
		again(&longer, LONGER, 0, WHOLE);
	for (__u32 at = 0; at < WHOLE; at++)
		for (__u32 end = at + 1; end <= WHOLE; end++)
			again(&longer, LONGER, at, end);
	shorter = said(state, SHORT_VIP, SHORTER);
	for (__u32 at = 0; at < WHOLE; at++)
		for (__u32 end = at + 1; end <= WHOLE; end++)
			again(&shorter, SHORTER, at, end);
}

/* Together with a line that is new. */
static void coalesced(void **state)
{
	struct stream stream = said(state, LONG_VIP, LONGER);

	stream.in -= strlen(FILLER);
	stream.out -= strlen(FILLER);
	stream_next(&stream, FILLER VSFTPD, FILLER LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1});
	stream.in -= strlen(VSFTPD);
	stream.out -= strlen(LONGER);
	stream_next(&stream, VSFTPD FILLER, LONGER FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* The client asks, and does not acknowledge the last `out` bytes that it was sent, of which
 * the server sent `in`. */
static void ask_behind(struct stream *stream, __u32 out, __u32 in)
{
	piece_gives(&stream->talk, UPLINK_INGRESS,
		    PIECE(stream->other, stream->out - out, "PASV\r\n"),
		    PIECE(stream->other, stream->in - in, "PASV\r\n"));
	stream->other += strlen("PASV\r\n");
}

/* Six announcements, each acknowledged behind the next one, so that the last four are
 * remembered. */
static struct stream six(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -100u);

	for (int number = 0; number < 6; number++) {
		ask_behind(&stream, number ? strlen(LONGER) : 0, number ? strlen(VSFTPD) : 0);
		stream_next(&stream, VSFTPD, LONGER);
		if (number)
			stream_acknowledged(&stream, stream.out - strlen(LONGER),
					    stream.in - strlen(VSFTPD));
	}
	stream_acknowledged(&stream, stream.out, stream.in);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 6});
	return stream;
}

/* What the client has does no more need its text: it is told a byte that it knows, or
 * what is behind the numbers that were forgotten. */
static void forgotten(void **state)
{
	struct stream stream = six(state);
	__u32 in = stream.start, out = stream.start;
	__u32 floor = out + strlen(LONGER) + NUMBERS + LONGER_NUMBERS;

	stream_segment(&stream, in, VSFTPD, floor - 1, "7");
	stream_segment(&stream, in + 5, "ering", floor - 1, "7");
	in += strlen(VSFTPD);
	stream_segment(&stream, in, VSFTPD, floor, &VSFTPD[NUMBERS_END]);
	stream_segment(&stream, in, VSFTPD VSFTPD, floor, &(VSFTPD LONGER)[NUMBERS_END]);
}

static void remembered(void **state)
{
	struct stream stream = six(state);
	__u32 in = stream.in - 4 * strlen(VSFTPD), out = stream.out - 4 * strlen(LONGER);

	stream_segment(&stream, in, VSFTPD VSFTPD VSFTPD VSFTPD, out, LONGER LONGER LONGER LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 4});
	/* Acknowledgements that come late still know those that are remembered. */
	stream_acknowledged(&stream, out, in);
	stream_acknowledged(&stream, out + strlen(LONGER), in + strlen(VSFTPD));
	stream_acknowledged(&stream, stream.out, stream.in);
}

/* Four edits may be unacknowledged: the rest of the segment waits for the first. */
static void five_at_once(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);

	stream_segment(&stream, stream.in, VSFTPD VSFTPD VSFTPD VSFTPD EXTENDED FILLER, stream.out,
		       LONGER LONGER LONGER LONGER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 4}, {FTPFIX_PACKET_CUT, 1});
	stream.in += 4 * strlen(VSFTPD);
	stream.out += 4 * strlen(LONGER);
	piece_drops(&stream.talk, UPLINK_EGRESS, PIECE(stream.in, stream.other, EXTENDED FILLER));
	counted(stream.talk.world, {FTPFIX_PACKET_HELD, 1});
	/* The first three of it are enough. */
	stream_acknowledged(&stream, stream.start + strlen(LONGER), stream.start + strlen(VSFTPD));
	stream_next(&stream, EXTENDED FILLER, EXTENDED FILLER);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
}

/* The same for announcements that are written in place. */
static void five_in_place(void **state)
{
	struct stream stream = replies_begin(state, ip4(203, 0, 113, 5), 1000);

	stream.talk.world->service.rewrite = FTPFIX_REWRITE_EQUAL_LENGTH;
	world_write_service(stream.talk.world);
	stream_segment(&stream, stream.in, VSFTPD VSFTPD VSFTPD VSFTPD EXTENDED, stream.out,
		       VSFTPD_PUBLIC VSFTPD_PUBLIC VSFTPD_PUBLIC VSFTPD_PUBLIC);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 4}, {FTPFIX_PACKET_CUT, 1});
}

/* A reply of `length` bytes that announces nothing, with its end. */
static void put_filler(char *text, __u32 length)
{
	memset(text, 'x', length);
	memcpy(text, "200 ", 4);
	memcpy(text + length - 2, "\r\n", 3);
}

/* A full segment that grows loses its end, and its FIN with it; they come again. */
static void cut_behind_the_announcement(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	__u32 client = stream.other, kept = SEGMENT - 5;
	char text[SEGMENT + 1] = VSFTPD, expected[SEGMENT + 8] = LONGER;

	put_filler(text + strlen(VSFTPD), SEGMENT - strlen(VSFTPD));
	strcat(expected, text + strlen(VSFTPD));
	expected[SEGMENT] = 0;
	piece_gives(&stream.talk, UPLINK_EGRESS, PIECE(1000, client, text, FIN | PSH | ACK),
		    PIECE(1000, client, expected, PSH | ACK));
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1}, {FTPFIX_PACKET_CUT, 1});
	stream_acknowledged(&stream, 1000 + SEGMENT, 1000 + kept);
	piece_gives(&stream.talk, UPLINK_EGRESS,
		    PIECE(1000 + kept, client, text + kept, FIN | PSH | ACK),
		    PIECE(1000 + SEGMENT, client, text + kept, FIN | PSH | ACK));
	stream_acknowledged(&stream, 1000 + SEGMENT + 6, 1000 + SEGMENT + 1);
}

/* Where not even the announcement fits, it comes again as a whole. */
static void cut_before_the_announcement(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	__u32 before = SEGMENT - strlen(VSFTPD), kept = before + NUMBERS;
	char text[SEGMENT + 1], expected[SEGMENT + 1];

	put_filler(text, before);
	strcat(text, VSFTPD);
	memcpy(expected, text, kept);
	expected[kept] = 0;
	stream_segment(&stream, 1000, text, 1000, expected);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1}, {FTPFIX_PACKET_CUT, 1});
	stream_acknowledged(&stream, 1000 + kept, 1000 + kept);
	stream_segment(&stream, 1000 + kept, text + kept, 1000 + kept, &LONGER[NUMBERS]);
	stream_acknowledged(&stream, 1000 + SEGMENT + 5, 1000 + SEGMENT);
}

/* Two in a full segment: the text of the second is cut, and comes again whole. */
static void cut_within_the_second(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, 1000);
	__u32 middle = SEGMENT - 2 * strlen(VSFTPD), second = 1000 + SEGMENT - strlen(VSFTPD);
	char text[SEGMENT + 1] = VSFTPD, expected[SEGMENT + 16] = LONGER;

	put_filler(text + strlen(VSFTPD), middle);
	strcat(expected, text + strlen(VSFTPD));
	strcat(text, VSFTPD);
	strncat(expected, VSFTPD, NUMBERS);
	expected[SEGMENT] = 0;
	assert_in_range(strlen(expected), SEGMENT - strlen(VSFTPD), SEGMENT);
	stream_segment(&stream, 1000, text, 1000, expected);
	stream_acknowledged(&stream, second + 5 + NUMBERS, second + NUMBERS);
	stream_segment(&stream, second + NUMBERS, &VSFTPD[NUMBERS], second + 5 + NUMBERS,
		       &LONGER[NUMBERS]);
	stream_acknowledged(&stream, 1000 + SEGMENT + 10, 1000 + SEGMENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(coalesced),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(remembered),
		cmocka_unit_test(five_at_once),
		cmocka_unit_test(five_in_place),
		cmocka_unit_test(cut_behind_the_announcement),
		cmocka_unit_test(cut_before_the_announcement),
		cmocka_unit_test(cut_within_the_second),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
