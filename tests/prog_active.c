// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Active mode for a client outside: its PORT and EPRT are noted on the uplink and
 * published toward the server, whose connection from port 20 is carried to the client.
 */
#include "prog_dial.h"
#include "prog_stream.h"

#define CLIENT_PORT 50000
#define PORT_LINE "PORT 198,51,100,10,195,80\r\n"
#define EPRT_LINE "EPRT |1|198.51.100.10|50000|\r\n"

/* What the server is told under FULLNAT: shorter by five, and as long as before. */
#define PORT_INSIDE "PORT 10,0,0,1,195,80\r\n"
#define EPRT_INSIDE "EPRT |1|10.0.0.1|0000050000|\r\n"

struct active {
	struct talk talk;
	struct stream uplink; /* commands, where they come in */
	struct stream inside; /* and where they leave */
};

static struct active active_begin(void **state, enum ftpfix_forward forward)
{
	struct world *world = world_begin(state, forward);
	struct active active = {.talk = talk_of(world)};

	world_sum_unknown(world);
	active.uplink = stream_of(&active.talk, UPLINK_INGRESS, -30u, active.talk.server_sequence);
	active.inside = stream_of(&active.talk, INSIDE_EGRESS, -30u, active.talk.inner_sequence);
	stream_passes(&active.uplink, "USER anonymous\r\n");
	stream_passes(&active.inside, "USER anonymous\r\n");
	return active;
}

/* The client's line, and what the server gets of it. */
static void active_line(struct active *active, const char *line, const char *expected)
{
	stream_passes(&active->uplink, line);
	stream_next(&active->inside, line, expected);
}

/* The server's connection to the endpoint that it was told, at `told`. */
static struct dial active_dial(const struct active *active, __u32 told)
{
	const struct talk *talk = &active->talk;

	return dial_active(talk, INSIDE_INGRESS, talk->server, told, CLIENT_PORT, talk->vip,
			   talk->client, CLIENT_PORT);
}

/* The connection is carried from its first packet to its last, once. */
static void carried(struct dial *dial)
{
	struct dial second = *dial;

	dial_open(dial);
	dial_up(dial, PSH | ACK, "listing");
	dial_down(dial, ACK, "");
	dial_up(dial, FIN | ACK, "");
	dial_down(dial, FIN | ACK, "");
	dial_up(dial, ACK, "");
	counted(dial->world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
		CARRIED(8, 7));
	assert_int_equal(dial_settled(dial), 0);
	dial_closed(dial);
	assert_int_equal(expected_count(dial->world), 0);
	dial_up_passes(&second, SYN, "");
	counted(dial->world, NOTHING);
}

static int active_expects(const struct active *active, __u32 peer, __u16 port,
			  struct ftpfix_expectation *expectation)
{
	const struct ftpfix_expectation *found;
	struct ftpfix_addr addr = {};

	if (peer)
		addr = talk_address(&active->talk, peer);
	found = expected_of(active->talk.world, addr, port);
	if (found)
		*expectation = *found;
	return !!found;
}

static void fullnat_port(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct ftpfix_addr vip = mapped(active.talk.vip), client = mapped(active.talk.client);
	struct ftpfix_addr peer = mapped(active.talk.peer);
	struct ftpfix_expectation expectation;
	struct dial dial;

	active_line(&active, PORT_LINE, PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	stream_acknowledged(&active.inside, active.inside.out, active.inside.in);
	assert_true(active_expects(&active, active.talk.server, CLIENT_PORT, &expectation));
	assert_memory_equal(&expectation.target.addr, &client, sizeof(client));
	assert_int_equal(expectation.target.be_port, htons(CLIENT_PORT));
	expectation_names(active.talk.world, &expectation, source, &vip);
	expectation_names(active.talk.world, &expectation, dialled, &peer);
	expectation_names(active.talk.world, &expectation, advertised, &peer);
	assert_int_equal(expectation.side, FTPFIX_SIDE_INSIDE);
	assert_int_equal(expectation.out_ifindex, active.talk.world->uplink);
	dial = active_dial(&active, active.talk.peer);
	carried(&dial);
}

static void fullnat_extended(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct dial dial;

	active_line(&active, EPRT_LINE, EPRT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	dial = active_dial(&active, active.talk.peer);
	carried(&dial);
}

/* Source addresses are kept: the server reaches the client by the client's own one,
 * and what it sends must leave as the virtual address. */
static void nat(void **state)
{
	static const char *const lines[] = {PORT_LINE, EPRT_LINE};

	for (int index = 0; index < 2; index++) {
		struct active active = active_begin(state, FTPFIX_FORWARD_NAT);
		struct dial dial;

		active_line(&active, lines[index], lines[index]);
		counted(active.talk.world, EXPECTED_KEPT);
		dial = active_dial(&active, active.talk.client);
		carried(&dial);
	}
}

/* What clients are told is nothing to a server that reaches the node directly. */
static void advertised_to_others(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);

	world_advertise(active.talk.world, 0, 0, ip4(192, 0, 2, 99));
	active_line(&active, PORT_LINE, PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
}

/* Through a proxy the line has other numbers on the other side, and its own source. */
static void proxied(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct dial dial;

	active.talk.peer_port = 33333;
	active.inside = stream_of(&active.talk, INSIDE_EGRESS, 0x77777777, 1);
	stream_passes(&active.inside, "USER anonymous\r\n");
	active_line(&active, PORT_LINE, PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	dial = active_dial(&active, active.talk.peer);
	carried(&dial);
}

/* What did not come in on the uplink, or was refused there, is not published. */
static void not_noted(void **state)
{
	static const enum ftpfix_forward forwards[] = {FTPFIX_FORWARD_NAT, FTPFIX_FORWARD_FULLNAT};

	for (int index = 0; index < 2; index++) {
		struct active active = active_begin(state, forwards[index]);

		stream_passes(&active.inside, PORT_LINE);
		counted(active.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN));
		stream_next(&active.uplink, "PORT 10,0,0,175,195,80\r\n",
			    "XORT 10,0,0,175,195,80\r\n");
		counted(active.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
		assert_int_equal(expected_count(active.talk.world), 0);
	}
}

/* Only the server may come, only to this port, only from its own side. */
static void only_the_server(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct dial dial, other;

	active_line(&active, PORT_LINE, PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	dial = active_dial(&active, active.talk.peer);
	other = dial;
	other.client++;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.public_port++;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.vip++;
	dial_up_passes(&other, SYN, "");
	other = dial;
	other.opens = UPLINK_INGRESS;
	dial_up_passes(&other, SYN, "");
	counted(dial.world, NOTHING);
	carried(&dial);
}

/* Two clients announce one port to one server, in the name of one address: the second
 * is given another port, and each gets what is its own. */
static void two_clients_with_one_port(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT), other = active;
	struct ftpfix_expectation expectation;
	struct piece piece;
	struct frame input;
	struct dial dial;

	active_line(&active, PORT_LINE, PORT_INSIDE);
	other.talk.client++;
	other.talk.peer_port++;
	other.uplink = stream_of(&other.talk, UPLINK_INGRESS, 5000, 1);
	other.inside = stream_of(&other.talk, INSIDE_EGRESS, 5000, 1);
	stream_passes(&other.uplink, "PORT 198,51,100,11,195,80\r\n");
	piece = PIECE(5000, 1, "PORT 198,51,100,11,195,80\r\n");
	piece_frame(&other.talk, INSIDE_EGRESS, &piece, &input);
	assert_int_equal(run(other.talk.world, INSIDE_EGRESS, &input), TC_ACT_UNSPEC);
	assert_int_equal(expected_count(other.talk.world), 2);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 2},
		{FTPFIX_CONNECTION_EXPECTED, 2});
	assert_true(active_expects(&active, active.talk.server, CLIENT_PORT, &expectation));
	assert_int_equal(expectation.target.addr.be_word[3], htonl(active.talk.client));
	dial = active_dial(&active, active.talk.peer);
	dial_open(&dial);
}

/* FXP: another server comes, and to another host than the client. */
static void between_servers(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct ftpfix_expectation expectation;
	struct dial dial;

	active.talk.world->service.allowed = FTPFIX_ALLOW_FXP;
	world_write_service(active.talk.world);
	active_line(&active, "PORT 198,51,100,99,195,80\r\n", PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1});
	assert_true(active_expects(&active, 0, CLIENT_PORT, &expectation));
	dial = active_dial(&active, active.talk.peer);
	dial.client = ip4(10, 0, 0, 222);
	dial.server = ip4(198, 51, 100, 99);
	carried(&dial);
}

/* In pieces on both sides of the node: kept back where it comes in, and where the
 * stack passes it on in pieces, where it leaves. */
static void in_two(void **state)
{
	for (__u32 cut = 1; cut < strlen(PORT_LINE); cut++) {
		struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
		struct dial dial;

		kept_back(&active.uplink, head_of(PORT_LINE, cut), 0);
		stream_next(&active.uplink, &PORT_LINE[cut], PORT_LINE);
		kept_back(&active.inside, head_of(PORT_LINE, cut), 0);
		stream_next(&active.inside, &PORT_LINE[cut], PORT_INSIDE);
		stream_acknowledged(&active.inside, active.inside.out, active.inside.in);
		stream_next(&active.inside, "LIST\r\n", "LIST\r\n");
		counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
			{FTPFIX_CONNECTION_EXPECTED, 1});
		dial = active_dial(&active, active.talk.peer);
		dial_open(&dial);
	}
}

/* Sent again after it was followed: the same bytes, and no second connection. */
static void comes_again(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_FULLNAT);
	__u32 in = active.inside.in, out = active.inside.out;

	active_line(&active, PORT_LINE, PORT_INSIDE);
	stream_segment(&active.uplink, active.uplink.in - strlen(PORT_LINE), PORT_LINE,
		       active.uplink.in - strlen(PORT_LINE), PORT_LINE);
	stream_segment(&active.inside, in, PORT_LINE, out, PORT_INSIDE);
	counted(active.talk.world, {FTPFIX_ANNOUNCEMENT_ADJUSTED, 1},
		{FTPFIX_CONNECTION_EXPECTED, 1}, {FTPFIX_ANNOUNCEMENT_REPEATED, 1});
}

/* --forward none: nothing is followed, and a bounce is none all the same. */
static void without_forwarding(void **state)
{
	struct active active = active_begin(state, FTPFIX_FORWARD_NONE);

	stream_passes(&active.uplink, PORT_LINE);
	counted(active.talk.world, NOTHING);
	assert_int_equal(map_entries(active.talk.world->skeleton->maps.seen), 0);
	stream_next(&active.uplink, "PORT 10,0,0,175,195,80\r\n", "XORT 10,0,0,175,195,80\r\n");
	counted(active.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_BOUNCE));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fullnat_port),
		cmocka_unit_test(fullnat_extended),
		cmocka_unit_test(nat),
		cmocka_unit_test(advertised_to_others),
		cmocka_unit_test(proxied),
		cmocka_unit_test(not_noted),
		cmocka_unit_test(only_the_server),
		cmocka_unit_test(two_clients_with_one_port),
		cmocka_unit_test(between_servers),
		cmocka_unit_test(in_two),
		cmocka_unit_test(comes_again),
		cmocka_unit_test(without_forwarding),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
