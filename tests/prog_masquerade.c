// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Clients inside, behind the node's address translation, and a server outside: what
 * the client announces is replaced where it leaves, and the server's connection is
 * carried in. The server's own announcements are right as they are.
 */
#include "prog_dial.h"
#include "prog_stream.h"

#define CLIENT_PORT 50000
#define PORT_LINE "PORT 10,0,0,175,195,80\r\n"
#define PORT_OUTSIDE "PORT 192,0,2,5,195,080\r\n"
#define EPRT_LINE "EPRT |1|10.0.0.175|50000|\r\n"
#define EPRT_OUTSIDE "EPRT |1|192.0.2.5|050000|\r\n"

/* The client 10.0.0.175 speaks to 198.51.100.77, which sees it as 192.0.2.5. */
static struct talk inside_talk(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NAT));

	world_sum_unknown(talk.world);
	talk.client = ip4(192, 0, 2, 5);
	talk.vip = ip4(198, 51, 100, 77);
	talk.peer = ip4(10, 0, 0, 175);
	talk.server = talk.vip;
	return talk;
}

struct masquerade {
	struct talk talk;
	struct stream inside; /* commands, where they come in */
	struct stream uplink; /* and where they leave */
};

/* A segment without bytes. */
static struct piece bare(__u32 sequence, __u32 acknowledgement, __u8 flags)
{
	struct piece piece = {
		.sequence = sequence, .acknowledgement = acknowledgement, .flags = flags};

	return piece;
}

static struct masquerade masquerade_begin(void **state, const char *first)
{
	struct masquerade masquerade = {.talk = inside_talk(state)};

	masquerade.inside = stream_of(&masquerade.talk, INSIDE_INGRESS, -40u, 7000);
	masquerade.uplink = stream_of(&masquerade.talk, UPLINK_EGRESS, -40u, 7000);
	/* Only a session whose SYN was seen is known from its first line on. */
	piece_passes(&masquerade.talk, INSIDE_INGRESS, bare(-41u, 0, SYN));
	piece_passes(&masquerade.talk, UPLINK_EGRESS, bare(-41u, 0, SYN));
	stream_passes(&masquerade.inside, first);
	stream_passes(&masquerade.uplink, first);
	return masquerade;
}

static void line(struct masquerade *masquerade, const char *text, const char *expected)
{
	stream_passes(&masquerade->inside, text);
	stream_next(&masquerade->uplink, text, expected);
}

static struct dial server_dial(const struct masquerade *masquerade)
{
	const struct talk *talk = &masquerade->talk;

	return dial_active(talk, UPLINK_INGRESS, talk->vip, talk->client, CLIENT_PORT, talk->vip,
			   talk->peer, CLIENT_PORT);
}

static void followed(void **state, const char *text, const char *expected)
{
	struct masquerade masquerade = masquerade_begin(state, "USER me\r\n");
	struct dial dial, other;

	line(&masquerade, text, expected);
	counted(masquerade.talk.world, EXPECTED_NEW);
	dial = server_dial(&masquerade);
	other = dial;
	other.client++;
	dial_up_passes(&other, SYN, "");
	counted(dial.world, NOTHING);
	dial_open(&dial);
	dial_up(&dial, PSH | ACK, "listing");
	dial_down(&dial, ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 7));
}

static void active(void **state)
{
	followed(state, PORT_LINE, PORT_OUTSIDE);
	followed(state, EPRT_LINE, EPRT_OUTSIDE);
}

/* With an address of another length, and cut in every place on the way in and out. */
static void in_two(void **state)
{
	static const char longer[] = "PORT 192,100,200,155,195,80\r\n";

	for (__u32 cut = 1; cut < strlen(PORT_LINE); cut++) {
		struct masquerade masquerade = masquerade_begin(state, "USER me\r\n");
		struct world *world = masquerade.talk.world;

		masquerade.uplink.talk.client = ip4(192, 100, 200, 155);
		piece_passes(&masquerade.uplink.talk, UPLINK_EGRESS,
			     bare(masquerade.uplink.in - 1, 0, SYN));
		world->service.rewrite = FTPFIX_REWRITE_ADJUST;
		world_write_service(world);
		stream_passes(&masquerade.uplink, "NOOP\r\n");
		stream_passes(&masquerade.inside, "NOOP\r\n");
		kept_back(&masquerade.inside, head_of(PORT_LINE, cut), 0);
		stream_next(&masquerade.inside, &PORT_LINE[cut], PORT_LINE);
		kept_back(&masquerade.uplink, head_of(PORT_LINE, cut), 0);
		stream_next(&masquerade.uplink, &PORT_LINE[cut], longer);
		counted(world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
		stream_acknowledged(&masquerade.uplink, masquerade.uplink.out,
				    masquerade.uplink.in);
		stream_passes(&masquerade.uplink, "LIST\r\n");
	}
}

/* Servers outside are as many as there are: none takes a number of an address. */
static void many_servers(void **state)
{
	for (int server = 0; server < 20; server++) {
		struct masquerade masquerade = masquerade_begin(state, "USER me\r\n");
		struct world *world = masquerade.talk.world;
		struct talk *talk = &masquerade.talk;
		__u32 before = world->skeleton->bss->own_count;

		talk->vip = talk->server = ip4(198, 51, 100, 80) + server;
		masquerade.inside = stream_of(talk, INSIDE_INGRESS, -40u, 7000);
		masquerade.uplink = stream_of(talk, UPLINK_EGRESS, -40u, 7000);
		piece_passes(talk, INSIDE_INGRESS, bare(-41u, 0, SYN));
		piece_passes(talk, UPLINK_EGRESS, bare(-41u, 0, SYN));
		line(&masquerade, PORT_LINE, PORT_OUTSIDE);
		counted(world, EXPECTED_NEW);
		assert_int_equal(world->skeleton->bss->own_count, before);
	}
}

/* The host inside that is announced must be the one that says so. */
static void another_host(void **state)
{
	struct masquerade masquerade = masquerade_begin(state, "USER me\r\n");

	stream_next(&masquerade.inside, "PORT 10,0,0,9,195,80\r\n", "XORT 10,0,0,9,195,80\r\n");
	counted(masquerade.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
	stream_next(&masquerade.inside, "PORT 10,0,0,175,0,22\r\n", "XORT 10,0,0,175,0,22\r\n");
	counted(masquerade.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_PORT_LOW));
	assert_int_equal(map_entries(masquerade.talk.world->skeleton->maps.seen), 0);
}

/* "NAT slipstreaming": what a web page makes a browser send opens nothing, and what
 * comes behind it passes byte for byte, also in pieces. */
static void foreign(void **state)
{
	static const char *const firsts[] = {
		"POST / HTTP/1.1\r\n",	"GET / HTTP/1.1\r\n", "OPTIONS / HTTP/1.1\r\n",
		"\x16\x02\x01 TLS\r\n", "HEAD / HTTP/1.0\n",  "connect x\r\n",
	};

	for (size_t index = 0; index < sizeof(firsts) / sizeof(firsts[0]); index++) {
		struct masquerade masquerade = masquerade_begin(state, firsts[index]);
		struct world *world = masquerade.talk.world;

		stream_passes(&masquerade.inside, "Host: x\r\n\r\n" PORT_LINE);
		counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_FOREIGN));
		stream_passes(&masquerade.inside, "PORT 10,0,0,");
		stream_passes(&masquerade.inside, "175,195,80\r\nP");
		counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_FOREIGN));
		stream_passes(&masquerade.uplink, "Host: x\r\n\r\n" PORT_LINE);
		counted(world, NOTHING);
		assert_int_equal(map_entries(world->skeleton->maps.seen), 0);
		assert_int_equal(expected_count(world), 0);
	}
}

/* A session that is taken up in its middle may have begun with anything; so may one of
 * which a stranger's SYN/ACK or reset would have made the node forget how it began. */
static void beginning_unseen(void **state)
{
	struct masquerade masquerade = {.talk = inside_talk(state)};
	struct talk *talk = &masquerade.talk;

	masquerade.inside = stream_of(talk, INSIDE_INGRESS, 1, 7000);
	stream_passes(&masquerade.inside, "USER me\r\n" PORT_LINE);
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_FOREIGN));

	masquerade = masquerade_begin(state, "POST / HTTP/1.1\r\n");
	talk = &masquerade.talk;
	piece_passes(talk, UPLINK_INGRESS, bare(6999, -40u, SYN | ACK));
	piece_passes(talk, INSIDE_EGRESS, bare(6999, -40u, SYN | ACK));
	stream_passes(&masquerade.inside, PORT_LINE);
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_FOREIGN));
	piece_passes(talk, UPLINK_INGRESS, bare(7000, -40u, RST));
	piece_passes(talk, INSIDE_EGRESS, bare(7000, -40u, RST));
	stream_passes(&masquerade.inside, PORT_LINE);
	counted(talk->world, REFUSED(FTPFIX_ANNOUNCEMENT_FOREIGN));
	assert_int_equal(map_entries(talk->world->skeleton->maps.seen), 0);
}

static void foreign_allowed(void **state)
{
	struct masquerade masquerade = {.talk = inside_talk(state)};
	struct world *world = masquerade.talk.world;

	world->service.allowed = FTPFIX_ALLOW_FOREIGN;
	world_write_service(world);
	masquerade.inside = stream_of(&masquerade.talk, INSIDE_INGRESS, 1, 7000);
	masquerade.uplink = stream_of(&masquerade.talk, UPLINK_EGRESS, 1, 7000);
	line(&masquerade, "OPTIONS x\r\n" PORT_LINE, "OPTIONS x\r\n" PORT_OUTSIDE);
	counted(world, EXPECTED_NEW, {FTPFIX_COMMAND_UNKNOWN, 1});
}

/* 227 and 229 of the server pass, asked for or not, whole or in pieces. */
static void passive(void **state)
{
	struct masquerade masquerade = masquerade_begin(state, "PASV\r\nEPSV\r\n");
	struct stream replies =
		stream_of(&masquerade.talk, UPLINK_INGRESS, 7000, masquerade.uplink.out);
	struct stream inner =
		stream_of(&masquerade.talk, INSIDE_EGRESS, 7000, masquerade.inside.out);

	stream_passes(&replies, "200 hello\r\n" VSFTPD EXTENDED VSFTPD "22");
	stream_passes(&replies, "7 Ent");
	stream_passes(&inner, "200 hello\r\n" VSFTPD EXTENDED VSFTPD "22");
	stream_passes(&inner, "7 Ent");
	counted(masquerade.talk.world, NOTHING);
	assert_int_equal(expected_count(masquerade.talk.world), 0);
}

/* At the other hooks of a side there are no commands. */
static void from_outside(void **state)
{
	struct talk talk = inside_talk(state);
	struct spec spec = {
		.source = talk.vip,
		.destination = talk.client,
		.source_port = 40000,
		.destination_port = SERVICE_PORT,
		.flags = PSH | ACK,
		.bytes = PORT_LINE,
		.length = strlen(PORT_LINE),
	};
	struct frame frame;

	frame_build(&frame, &spec);
	run_passes(talk.world, UPLINK_INGRESS, &frame);
	run_passes(talk.world, INSIDE_EGRESS, &frame);
	counted(talk.world, NOTHING);
	assert_int_equal(sessions_count(talk.world), 0);
}

/* The daemon sweeps between the client's SYN and the answer: how the session began is known all
 * the same. */
static void swept_at_once(void **state)
{
	struct masquerade masquerade = {.talk = inside_talk(state)};

	masquerade.inside = stream_of(&masquerade.talk, INSIDE_INGRESS, -40u, 7000);
	masquerade.uplink = stream_of(&masquerade.talk, UPLINK_EGRESS, -40u, 7000);
	piece_passes(&masquerade.talk, INSIDE_INGRESS, bare(-41u, 0, SYN));
	piece_passes(&masquerade.talk, UPLINK_EGRESS, bare(-41u, 0, SYN));
	sweep(masquerade.talk.world);
	line(&masquerade, PORT_LINE, PORT_OUTSIDE);
	counted(masquerade.talk.world, EXPECTED_NEW);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(active),	   cmocka_unit_test(in_two),
		cmocka_unit_test(many_servers),	   cmocka_unit_test(another_host),
		cmocka_unit_test(foreign),	   cmocka_unit_test(beginning_unseen),
		cmocka_unit_test(foreign_allowed), cmocka_unit_test(passive),
		cmocka_unit_test(from_outside),	   cmocka_unit_test(swept_at_once),
	};

	return cmocka_run_group_tests(tests, world_setup_inside, world_teardown);
}
