// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Control connections that are encrypted, from AUTH on or from the start, and those that
 * speak plainly again: what is encrypted passes byte for byte and is not read.
 */
#include "prog_stream.h"

#define PORT_LINE "PORT 198,51,100,10,195,80\r\n"
#define BOUNCE "PORT 198,51,100,11,195,80\r\n"
#define ACCEPTED "234 AUTH command OK.\r\n"

/* A TLS record, as far as a test must know one, that would be something if it were read. */
#define RECORD "\x17\x03\x03\x02\x80\n" BOUNCE "EPSV\r\nP"

/* Commands on the uplink; the replies are told. */
static struct stream commands(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct stream stream = stream_of(&talk, UPLINK_INGRESS, -20u, talk.server_sequence);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world_sum_unknown(world);
	stream_passes(&stream, "FEAT\r\n");
	stream_told(&stream, "211 none\r\n");
	return stream;
}

static struct stream encrypted(void **state)
{
	struct stream stream = commands(state);

	stream_passes(&stream, "AUTH TLS\r\n");
	stream_told(&stream, ACCEPTED);
	counted(stream.talk.world, {FTPFIX_SESSION_OPAQUE, 1});
	return stream;
}

/* Neither direction is read. */
static void unread(struct stream *stream)
{
	for (int round = 0; round < 3; round++) {
		stream_passes(stream, RECORD);
		stream_told(stream, "\x17\x03\x03\x02\x80\r\n" VSFTPD "22");
	}
	counted(stream->talk.world, NOTHING);
	assert_int_equal(map_entries(stream->talk.world->skeleton->maps.seen), 0);
}

/* Commands are read: another host is refused. */
static void read_on(struct stream *stream)
{
	stream_next(stream, BOUNCE, "XORT 198,51,100,11,195,80\r\n");
	counted(stream->talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
}

static void accepted(void **state)
{
	static const char *const verbs[] = {"AUTH TLS\r\n", "auth ssl\r\n", "AUTH TLS-C\n"};

	for (size_t index = 0; index < sizeof(verbs) / sizeof(verbs[0]); index++) {
		struct stream stream = commands(state);

		stream_passes(&stream, verbs[index]);
		stream_told(&stream, ACCEPTED);
		counted(stream.talk.world, {FTPFIX_SESSION_OPAQUE, 1});
		unread(&stream);
	}
}

/* The answer came another way, as the client's acknowledgement tells: it is not waited for. */
static void answered_elsewhere(void **state)
{
	for (int accepted = 0; accepted < 2; accepted++) {
		struct stream stream = commands(state);

		stream_passes(&stream, "AUTH TLS\r\n");
		piece_drops(&stream.talk, UPLINK_INGRESS,
			    PIECE(stream.in, stream.other, "NOOP\r\n"));
		counted(stream.talk.world, {FTPFIX_PACKET_HELD, 1});
		stream.other += strlen(ACCEPTED);
		if (accepted)
			unread(&stream);
		else
			read_on(&stream);
	}
}

/* RFC 2228: the mechanism asks for more, and what follows is none of FTP's lines. */
static void accepted_in_steps(void **state)
{
	struct stream stream = commands(state);

	stream_passes(&stream, "AUTH GSSAPI\r\n");
	stream_told(&stream, "334 Using authentication type GSSAPI; ADAT must follow\r\n");
	counted(stream.talk.world, {FTPFIX_SESSION_OPAQUE, 1});
	unread(&stream);
}

/* The command and its answer in pieces. */
static void accepted_in_pieces(void **state)
{
	struct stream stream = commands(state);

	stream_passes(&stream, "AU");
	stream_passes(&stream, "TH TLS\r");
	stream_passes(&stream, "\n");
	stream_told(&stream, "234-Go\r\n 200 on\r\n2");
	stream_told(&stream, "34");
	stream_told(&stream, " ok\r\n");
	counted(stream.talk.world, {FTPFIX_SESSION_OPAQUE, 1});
	unread(&stream);
}

static void refused(void **state)
{
	static const char *const answers[] = {
		"500 What?\r\n",       "504-No\r\n504 such thing\r\n", "421 Later.\r\n",
		"200 Never mind.\r\n", "530 234 is not for you\r\n",
	};

	for (size_t index = 0; index < sizeof(answers) / sizeof(answers[0]); index++) {
		struct stream stream = commands(state);

		stream_passes(&stream, "AUTH TLS\r\n");
		stream_told(&stream, answers[index]);
		counted(stream.talk.world, NOTHING);
		read_on(&stream);
	}
}

/* A client that does not wait for the answer: until that is known, its next bytes are
 * not let go. */
static void pipelined(void **state)
{
	for (int accepts = 0; accepts < 2; accepts++) {
		struct stream stream = commands(state);
		struct world *world = stream.talk.world;
		const char *both = accepts ? "AUTH TLS\r\n" RECORD : "AUTH TLS\r\n" BOUNCE;

		stream_segment(&stream, stream.in, both, stream.out, "AUTH TLS\r\n");
		counted(world, {FTPFIX_PACKET_CUT, 1});
		stream.in = stream.out += strlen("AUTH TLS\r\n");
		piece_drops(&stream.talk, UPLINK_INGRESS,
			    PIECE(stream.in, stream.other, both + 10));
		counted(world, {FTPFIX_PACKET_HELD, 1});
		/* AUTH itself may come again. */
		stream_segment(&stream, stream.in - 10, "AUTH TLS\r\n", stream.in - 10,
			       "AUTH TLS\r\n");
		stream_segment(&stream, stream.in - 10, both, stream.in - 10, "AUTH TLS\r\n");
		counted(world, {FTPFIX_PACKET_CUT, 1});
		stream_told(&stream, accepts ? ACCEPTED : "500 no\r\n");
		counted(world, {FTPFIX_SESSION_OPAQUE, accepts});
		if (accepts)
			unread(&stream);
		else
			read_on(&stream);
	}
}

/* Replies that do not come past this hook answer nothing: commands are read on. */
static void replies_go_another_way(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct stream stream = stream_of(&talk, UPLINK_INGRESS, 1, 1);

	stream_passes(&stream, "AUTH TLS\r\n");
	read_on(&stream);
}

/* What was adjusted before stays so: the numbers go on being moved. */
static void numbers_go_on(void **state)
{
	struct stream stream = replies_begin(state, LONG_VIP, -30u);
	__u32 in, out;

	stream_next(&stream, FILLER, FILLER);
	in = stream.in;
	out = stream.out;
	stream_next(&stream, VSFTPD, LONGER);
	stream_told(&stream, "AUTH TLS\r\n");
	stream_passes(&stream, ACCEPTED);
	counted(stream.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1}, {FTPFIX_SESSION_OPAQUE, 1});
	stream_told(&stream, "\x16\x03\x01");
	stream_passes(&stream, RECORD);
	stream_acknowledged(&stream, stream.out, stream.in);
	/* The client has it: of what comes again only what is behind the numbers goes on. */
	stream_segment(&stream, in, VSFTPD, out + NUMBERS + LONGER_NUMBERS,
		       &VSFTPD[NUMBERS + VSFTPD_NUMBERS]);
	counted(stream.talk.world, NOTHING);
}

/* Nothing is waited for in what is not read. */
static void gaps(void **state)
{
	struct stream stream = encrypted(state);

	unread(&stream);
	stream.in = stream.out += 1000;
	stream_passes(&stream, RECORD);
	stream.other += 1000;
	stream_told(&stream, RECORD);
	counted(stream.talk.world, NOTHING);
}

/* RFC 4217 section 12.3: the command is encrypted still, what follows is not. */
static void clear_again(void **state)
{
	struct stream stream = encrypted(state);
	struct world *world = stream.talk.world;

	unread(&stream);
	stream_passes(&stream, "PASV\r\n");
	counted(world, {FTPFIX_SESSION_RESUMED, 1});
	read_on(&stream);
	/* The other direction by itself. */
	stream_told(&stream, "\x15\x03\x03 close");
	stream_told(&stream, "200 ok\r\n");
	counted(world, {FTPFIX_SESSION_RESUMED, 1});
	stream_told(&stream, VSFTPD);
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
	/* And encrypted anew. */
	stream_passes(&stream, "AUTH TLS\r\n");
	stream_told(&stream, ACCEPTED);
	counted(world, {FTPFIX_SESSION_OPAQUE, 1});
	unread(&stream);
}

/* What is not a whole segment of plain lines resumes nothing. */
static void not_clear(void **state)
{
	static const char *const texts[] = {
		"\x16\x03\x03PASV\r\n",
		"PASV\r\n\x17\x03\x03",
		"PASV\n",
		"PASV",
		"XYZZY 1\r\n",
		"\r\n",
		"227 1\r\n",
		"ASV\r\n",
		"P\r\n",
	};
	struct stream stream = encrypted(state);
	char text[TEXT_MAX];

	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++)
		stream_passes(&stream, texts[index]);
	memset(text, 'x', 300);
	memcpy(text, "STOR ", 5);
	strcpy(text + 300, "\r\n");
	stream_passes(&stream, text);
	stream_told(&stream, "\x17\x03\x03 200 ok\r\n");
	stream_told(&stream, "200 ok");
	stream_told(&stream, "700 ok\r\n");
	stream_told(&stream, "PASV\r\n");
	counted(stream.talk.world, NOTHING);
	unread(&stream);
}

/* Implicit TLS, or a session that is taken up in the middle. */
static void from_the_start(void **state)
{
	static const char *const firsts[] = {"\x16\x03\x01", RECORD, "\x14\x03\x03\x01",
					     "\x15\x03\x03"};

	for (size_t index = 0; index < sizeof(firsts) / sizeof(firsts[0]); index++) {
		struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
		struct talk talk = talk_of(world);
		struct stream stream = stream_of(&talk, UPLINK_INGRESS, 500, 600);

		stream_passes(&stream, firsts[index]);
		stream_told(&stream, firsts[index]);
		unread(&stream);
	}
}

/* On the other side of the node it is the same, and is not counted twice. */
static void inside(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct stream stream = stream_of(&talk, INSIDE_EGRESS, 500, 600);

	stream_passes(&stream, "AUTH TLS\r\n");
	stream_told(&stream, ACCEPTED);
	/* The server's first line is noted, whatever it says. */
	map_clear(world->skeleton->maps.seen);
	unread(&stream);
	stream_passes(&stream, "PASV\r\n");
	counted(world, NOTHING);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(accepted_in_steps),
		cmocka_unit_test(accepted_in_pieces),
		cmocka_unit_test(answered_elsewhere),
		cmocka_unit_test(refused),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(replies_go_another_way),
		cmocka_unit_test(numbers_go_on),
		cmocka_unit_test(gaps),
		cmocka_unit_test(clear_again),
		cmocka_unit_test(not_clear),
		cmocka_unit_test(from_the_start),
		cmocka_unit_test(inside),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
