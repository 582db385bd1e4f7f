// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * PORT and EPRT as they come in from a client: which are followed, which are made a
 * command that no server knows, which pass; and the same in pieces.
 */
#include "prog_stream.h"

#define PORT_LINE "PORT 198,51,100,10,195,80\r\n"
#define EPRT_LINE "EPRT |1|198.51.100.10|50000|\r\n"

/* Commands into the uplink, behind a first line. */
static struct stream commands(void **state, enum ftpfix_forward forward)
{
	struct world *world = world_begin(state, forward);
	struct talk talk = talk_of(world);
	struct stream stream = stream_of(&talk, UPLINK_INGRESS, -40u, talk.server_sequence);

	world_sum_unknown(world);
	stream_passes(&stream, "USER anonymous\r\n");
	return stream;
}

static void allow(struct stream *stream, __u32 allowed)
{
	stream->talk.world->service.allowed = allowed;
	world_write_service(stream->talk.world);
}

static __u32 notes(const struct stream *stream)
{
	return map_entries(stream->talk.world->skeleton->maps.seen);
}

/* It is noted for where it leaves, by its number and by its content. */
static void noted_line(void **state, const char *line, __u32 allowed)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

	allow(&stream, allowed);
	stream_passes(&stream, line);
	counted(stream.talk.world, NOTHING);
	assert_int_equal(notes(&stream), 2);
}

/* It is made another command for this reason, in place, and noted nowhere. */
static void disarmed_line(void **state, const char *line, __u32 reason)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	char expected[128];

	snprintf(expected, sizeof(expected), "X%s", line + 1);
	stream_next(&stream, line, expected);
	counted(stream.talk.world, REFUSED(reason));
	assert_int_equal(notes(&stream), 0);
	/* The same when it comes again, in one piece or the first byte alone. */
	stream_segment(&stream, stream.in - strlen(line), line, stream.in - strlen(line), expected);
	stream_segment(&stream, stream.in - strlen(line), head_of(line, 1),
		       stream.in - strlen(line), "X");
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 2});
	stream_segment(&stream, stream.in - strlen(line) + 1, line + 1,
		       stream.in - strlen(line) + 1, line + 1);
	counted(stream.talk.world, NOTHING);
}

static void of_the_client_itself(void **state)
{
	noted_line(state, PORT_LINE, 0);
	noted_line(state, EPRT_LINE, 0);
	noted_line(state, "port 198,51,100,10,195,80\r\n", 0);
	noted_line(state, "eprt !1!198.51.100.10!1024!\r\n", 0);
	noted_line(state, "PORT 198,51,100,10,195,80\n", 0);
}

/* RFC 2577 section 3: no bounce to another host. */
static void of_another_host(void **state)
{
	disarmed_line(state, "PORT 198,51,100,11,195,80\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "PORT 10,0,0,175,195,80\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "PORT 0,0,0,0,195,80\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "port 198,51,100,11,195,80\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "EPRT |1|198.51.100.11|50000|\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "EPRT |2|2001:db8::1|50000|\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
	disarmed_line(state, "EPRT |2|::198.51.100.10|50000|\r\n", FTPFIX_ANNOUNCEMENT_BOUNCE);
}

static void of_another_host_allowed(void **state)
{
	noted_line(state, "PORT 198,51,100,11,195,80\r\n", FTPFIX_ALLOW_FXP);
	noted_line(state, "EPRT |1|198.51.100.11|50000|\r\n", FTPFIX_ALLOW_FXP);
}

static void low_ports(void **state)
{
	disarmed_line(state, "PORT 198,51,100,10,3,255\r\n", FTPFIX_ANNOUNCEMENT_PORT_LOW);
	disarmed_line(state, "PORT 198,51,100,10,0,0\r\n", FTPFIX_ANNOUNCEMENT_PORT_LOW);
	disarmed_line(state, "EPRT |1|198.51.100.10|1023|\r\n", FTPFIX_ANNOUNCEMENT_PORT_LOW);
	noted_line(state, "PORT 198,51,100,10,4,0\r\n", 0);
	noted_line(state, "PORT 198,51,100,10,0,25\r\n", FTPFIX_ALLOW_LOW_PORT);
	noted_line(state, "EPRT |1|198.51.100.10|25|\r\n", FTPFIX_ALLOW_LOW_PORT);
}

/* What cannot be read is no announcement for a server either. */
static void malformed(void **state)
{
	static const char *const lines[] = {
		"PORT 198,51,100,10,195\r\n",	    "PORT 198,51,100,10,195,80,1\r\n",
		"PORT 198,51,100,256,195,80\r\n",   "PORT 198,51,100,10,195,256\r\n",
		"PORT 198.51.100.10.195.80\r\n",    "PORT 198,51,100,10,195,80 \r\n",
		"PORT 198,51, 100,10,195,80\r\n",   "PORT \r\n",
		"PORT (198,51,100,10,195,80)\r\n",  "EPRT |1|198.51.100.10|65536|\r\n",
		"EPRT |3|198.51.100.10|50000|\r\n", "EPRT |1|198.51.100.10|50000\r\n",
		"EPRT |1|198.51.100|50000|\r\n",    "EPRT |1|198.51.100.10|50000|x\r\n",
		"EPRT |2|2001:db8:::1|50000|\r\n",  "EPRT |1!198.51.100.10|50000|\r\n",
		"EPRT 1|198.51.100.10|50000|\r\n",
	};

	for (size_t index = 0; index < sizeof(lines) / sizeof(lines[0]); index++) {
		struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

		stream_passes(&stream, lines[index]);
		counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_MALFORMED));
		assert_int_equal(notes(&stream), 0);
	}
}

/* Only the verb itself, at the start of a line. */
static void no_announcement(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

	stream_passes(&stream, "STOR " PORT_LINE);
	stream_passes(&stream, " " PORT_LINE);
	stream_passes(&stream, "XPORT 198,51,100,11,195,80\r\n");
	stream_passes(&stream, "PORTS 198,51,100,11,195,80\r\n");
	stream_passes(&stream, "PORT\r\nEPRT\r\nPOR 198,51,100,11,195,80\r\n");
	counted(stream.talk.world, {FTPFIX_COMMAND_UNKNOWN, 4});
	assert_int_equal(notes(&stream), 0);
}

/* RFC 2428 section 4: after EPSV ALL every command that announces is refused. */
static void after_epsv_all(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	struct talk *talk = &stream.talk;
	struct ftpfix_session session;

	stream_passes(&stream, "EPSV ALL\r\n");
	stream_told(&stream, "200 EPSV ALL ok.\r\n");
	stream_next(&stream, PORT_LINE, "XORT 198,51,100,10,195,80\r\n");
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_EPSV_ALL));
	stream_next(&stream, "eprt |1|198.51.100.10|50000|\r\n",
		    "Xprt |1|198.51.100.10|50000|\r\n");
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_EPSV_ALL));
	stream_passes(&stream, "PASV\r\n");
	assert_true(talk_session(talk, &session));
	assert_int_equal(session.asked_pasv, 0);
	stream_told(&stream, VSFTPD);
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
	stream_passes(&stream, "EPSV\r\n");
	assert_true(talk_session(talk, &session));
	assert_int_equal(session.asked_epsv, 1);
}

/* Before its answer is known it holds, too. */
static void epsv_all_unanswered(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

	stream_next(&stream, "epsv all\r\n" PORT_LINE, "epsv all\r\nXORT 198,51,100,10,195,80\r\n");
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_EPSV_ALL));
}

static void epsv_all_refused(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

	stream_passes(&stream, "EPSV ALL\r\n");
	stream_told(&stream, "501-That is\r\n 200 not\r\n501 understood.\r\n");
	stream_passes(&stream, PORT_LINE);
	counted(stream.talk.world, NOTHING);
	assert_int_equal(notes(&stream), 2);
	/* And once more, accepted this time. */
	stream_passes(&stream, "EPSV ALL\r\n");
	stream_told(&stream, "200 ok\r\n");
	stream_told(&stream, "500 of something else\r\n");
	stream_next(&stream, PORT_LINE, "XORT 198,51,100,10,195,80\r\n");
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_EPSV_ALL));
}

static void epsv_all_allowed(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	struct ftpfix_session session;

	allow(&stream, FTPFIX_ALLOW_EPSV_ALL);
	stream_passes(&stream, "EPSV ALL\r\nPASV\r\n" PORT_LINE);
	counted(stream.talk.world, NOTHING);
	assert_int_equal(notes(&stream), 2);
	assert_true(talk_session(&stream.talk, &session));
	assert_int_equal(session.asked_pasv, 1);
}

/* Every way to cut a line that is followed, refused, or unreadable in two: the
 * tail carries the line. */
static void in_two(void **state)
{
	static const char *const lines[][2] = {
		{PORT_LINE, PORT_LINE},
		{EPRT_LINE, EPRT_LINE},
		{"PORT 10,0,0,175,195,80\r\n", "XORT 10,0,0,175,195,80\r\n"},
		{"eprt |1|10.0.0.175|50000|\n", "Xprt |1|10.0.0.175|50000|\n"},
		{"PORT 1,2,3\r\n", "PORT 1,2,3\r\n"},
	};

	for (size_t index = 0; index < sizeof(lines) / sizeof(lines[0]); index++) {
		const char *line = lines[index][0], *expected = lines[index][1];

		for (__u32 cut = 1; cut < strlen(line); cut++) {
			struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
			__u32 in = stream.in;

			kept_back(&stream, head_of(line, cut), 0);
			stream_next(&stream, line + cut, expected);
			stream.out = stream.in;
			counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_BOUNCE, expected[0] == 'X'},
				{FTPFIX_ANNOUNCEMENT_MALFORMED, index == 4},
				{FTPFIX_EVENT_SENT, index > 1});
			assert_int_equal(notes(&stream), index < 2 ? 2 : 0);
			stream_acknowledged(&stream, stream.out, stream.in);
			stream_segment(&stream, in, line, in, expected);
			stream_segment(&stream, in + cut, line + cut, in, expected);
			counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_REPEATED, 2});
			stream_passes(&stream, "NOOP\r\n");
		}
	}
}

/* A person at a terminal: every byte by itself, other commands too. */
static void typed(void **state)
{
	static const char line[] = "PORT 10,0,0,175,195,80\r\n";
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	char byte[2] = "";

	for (__u32 at = 0; at + 2 < sizeof(line); at++) {
		byte[0] = line[at];
		kept_back(&stream, byte, at);
	}
	stream_next(&stream, "\n", "XORT 10,0,0,175,195,80\r\n");
	stream.out = stream.in;
	counted(stream.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
	kept_back(&stream, "P", 0);
	stream_next(&stream, "W", "PW");
	stream_next(&stream, "D", "D");
	stream_next(&stream, "\r", "\r");
	stream_next(&stream, "\n", "\n");
	kept_back(&stream, "E", 0);
	kept_back(&stream, "P", 1);
	stream_next(&stream, "S", "EPS");
	stream_next(&stream, "V\r\n", "V\r\n");
}

/* The connection ends in front of the line's end, which makes it none: it ends with it,
 * at the number that the receiver expects, whether the end comes by itself or not. */
static void finished_while_kept_back(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	__u32 in, out;

	kept_back(&stream, "POR", 0);
	in = stream.in;
	out = stream.out;
	piece_gives(&stream.talk, UPLINK_INGRESS, PIECE(in, stream.other, NULL, FIN | ACK),
		    PIECE(out, stream.other, NULL, FIN | ACK));
	stream_acknowledged(&stream, out + 1, in + 1);
	stream = commands(state, FTPFIX_FORWARD_FULLNAT);
	piece_gives(&stream.talk, UPLINK_INGRESS,
		    PIECE(stream.in, stream.other, "POR", FIN | PSH | ACK),
		    PIECE(stream.in, stream.other, NULL, FIN | PSH | ACK));
	stream_acknowledged(&stream, stream.in + 1, stream.in + 4);
}

/* A keepalive, or the probe of a zero window, while a line is kept back asks for an
 * acknowledgement as ever: it stands below what is expected. */
static void keepalive_while_kept_back(void **state)
{
	struct stream stream = commands(state, FTPFIX_FORWARD_FULLNAT);

	kept_back(&stream, "PORT 1", 0);
	stream_segment(&stream, stream.in - 1, "", stream.out - 1, "");
	piece_gives(&stream.talk, UPLINK_INGRESS, PIECE(stream.in - 1, stream.other, "?", ACK),
		    PIECE(stream.out - 1, stream.other, "\n", ACK));
	/* A bare acknowledgement is none. */
	stream_segment(&stream, stream.in, "", stream.out, "");
	stream_next(&stream, "0,0,0,175,195,80\r\n", "XORT 10,0,0,175,195,80\r\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_client_itself),
		cmocka_unit_test(of_another_host),
		cmocka_unit_test(of_another_host_allowed),
		cmocka_unit_test(low_ports),
		cmocka_unit_test(malformed),
		cmocka_unit_test(no_announcement),
		cmocka_unit_test(after_epsv_all),
		cmocka_unit_test(epsv_all_unanswered),
		cmocka_unit_test(epsv_all_refused),
		cmocka_unit_test(epsv_all_allowed),
		cmocka_unit_test(in_two),
		cmocka_unit_test(typed),
		cmocka_unit_test(finished_while_kept_back),
		cmocka_unit_test(keepalive_while_kept_back),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
