// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --forward nat, up to the announcement: which server, which public port, what is
 * expected then. What becomes of the connection is prog_flow's subject.
 */
#include "prog_dial.h"

static struct world *nat_world(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return world;
}

static void set_range(struct world *world, __u16 low, __u16 high)
{
	world->service.port_low = low;
	world->service.port_high = high;
	world_write_service(world);
}

/* Writes the line that the format gives with this port: "%u" is a 229's port or a
 * 227's octets, "%s" the dots that fill it up to `length`. */
static void line_with_port(char *line, const char *format, __u16 port, size_t length)
{
	char dots[TEXT_MAX] = "";

	for (int pass = 0; pass < 2; pass++) {
		if (strstr(format, "%u,%u"))
			sprintf(line, format, port >> 8, port & 255, dots);
		else
			sprintf(line, format, port, dots);
		assert_in_range(strlen(line), 1, length);
		memset(dots, '.', length - strlen(line));
	}
}

/* The server's line leaves with whichever other port was chosen for the public,
 * which is returned; all other bytes are those of the format. */
static __u16 leaves_with_any_port(struct talk *talk, const char *text, const char *format)
{
	struct frame input, output;
	char expected[TEXT_MAX];
	__u16 port;

	talk_observe(talk, text);
	talk_response(talk, talk->server_sequence, PSH | ACK, text, strlen(text), &input);
	assert_int_equal(run(talk->world, UPLINK_EGRESS, &input), TC_ACT_UNSPEC);
	if (!memcmp(talk->world->output.bytes, input.bytes, input.length))
		fail_msg("# passed unchanged: %s", text);
	port = talk_published(talk);
	line_with_port(expected, format, port, strlen(text));
	talk_response(talk, talk->server_sequence, PSH | ACK, expected, strlen(text), &output);
	frame_compare(&talk->world->output, &output, __FILE__, __LINE__);
	talk->server_sequence += strlen(text);
	return port;
}

/* The time as the dataplane reads it while packets pass. */
static __u32 coarse_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec) >> FTPFIX_TICK_SHIFT;
}

static void passive(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_session_key session = talk_key(&talk);
	struct ftpfix_expectation expectation;
	struct ftpfix_addr vip = mapped(talk.vip), server = mapped(talk.server), none = {};
	__u32 before, after;

	talk_ask(&talk, "PASV\r\n");
	before = coarse_ticks();
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	after = coarse_ticks();
	counted(world, EXPECTED_NEW);
	assert_int_equal(expected_count(world), 1);
	assert_true(talk_expects(&talk, PORT, &expectation));
	expectation_names(world, &expectation, dialled, &vip);
	expectation_names(world, &expectation, advertised, &vip);
	assert_memory_equal(&expectation.target.addr, &server, sizeof(server));
	assert_int_equal(expectation.target.be_port, htons(PORT));
	expectation_names(world, &expectation, source, &none);
	assert_memory_equal(&expectation.session, &session, sizeof(session));
	assert_int_equal(expectation.out_ifindex, world->server);
	assert_int_equal(expectation.announcement, 0);
	assert_in_range(expectation.deadline_ticks - (FTPFIX_EXPECTATION_NS >> FTPFIX_TICK_SHIFT),
			before, after);
	/* The note is used up. */
	assert_int_equal(map_entries(world->skeleton->maps.seen), 0);
}

/* The control port is translated too: each of both is a service's. */
static void translated_control_port(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world), inner = talk;

	talk.port = OTHER_SERVICE_PORT;
	talk_ask(&talk, "PASV\r\n");
	talk_observe(&inner, VSFTPD);
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
}

static void extended(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	struct ftpfix_addr server = mapped(talk.server);

	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	assert_true(talk_expects(&talk, PORT, &expectation));
	assert_memory_equal(&expectation.target.addr, &server, sizeof(server));
	assert_int_equal(expectation.target.be_port, htons(PORT));
}

/* Another address is announced than the one that the client dialled: it may come
 * to either, as clients do that trust the control peer more. */
static void advertised_address(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	struct ftpfix_addr advertised = mapped(ip4(192, 0, 2, 99)), vip = mapped(talk.vip);

	world_advertise(world, 0, 0, ip4(192, 0, 2, 99));
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, "227 Entering Passive Mode (192,0,2,99,83,237).\r\n");
	counted(world, EXPECTED_NEW);
	assert_true(talk_expects(&talk, PORT, &expectation));
	expectation_names(talk.world, &expectation, dialled, &vip);
	expectation_names(talk.world, &expectation, advertised, &advertised);
}

/* The server names the virtual address itself, by its own configuration. */
static void already_public(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	struct ftpfix_addr server = mapped(talk.server);

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD_PUBLIC, VSFTPD_PUBLIC);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	assert_true(talk_expects(&talk, PORT, &expectation));
	assert_memory_equal(&expectation.target.addr, &server, sizeof(server));
}

/* A private address that is not the sender's stands for the sender. */
static void behind_another_translation(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	struct ftpfix_addr server = mapped(talk.server);

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, "227 Entering Passive Mode (10,77,7,177,83,237).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,83,237).\r\n");
	counted(world, EXPECTED_NEW);
	assert_true(talk_expects(&talk, PORT, &expectation));
	assert_memory_equal(&expectation.target.addr, &server, sizeof(server));
}

static void port_out_of_range(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	__u16 port;

	set_range(world, 20000, 20009);
	talk_ask(&talk, "PASV\r\nEPSV\r\n");
	port = leaves_with_any_port(&talk, VSFTPD,
				    "227 Entering Passive Mode (203,0,113,5,%u,%u)%s\r\n");
	assert_in_range(port, 20000, 20009);
	assert_true(talk_expects(&talk, port, &expectation));
	assert_int_equal(expectation.target.be_port, htons(PORT));
	counted(world, EXPECTED_NEW);
	/* Of the same range it could be the same port again, for the same server's. */
	set_range(world, 20010, 20019);
	port = leaves_with_any_port(&talk, EXTENDED,
				    "229 Entering Extended Passive Mode (|||%u|)%s\r\n");
	assert_in_range(port, 20010, 20019);
	assert_true(talk_expects(&talk, port, &expectation));
	assert_int_equal(expectation.target.be_port, htons(PORT));
	counted(world, EXPECTED_NEW);
}

/* One more session of a world whose range is low..high; a line that gives no room
 * but for the port. */
static struct talk range_session(struct world *world, int number)
{
	struct talk talk = talk_of(world);

	talk.vip = ip4(192, 0, 2, 5);
	talk.client_port += number;
	talk.peer_port += number;
	talk_ask(&talk, "PASV\r\n");
	return talk;
}

#define BARE "227 (10,0,0,175,83,237)\r\n"
#define BARE_FORMAT "227 (192,0,2,5,%u,%u)%s\r\n"

/* Sessions of one client get each a port of their own in low..high, until there is
 * no more; another client has the range for itself. */
static void range_is_used_up(struct world *world, __u16 low, __u16 high)
{
	struct talk talk;

	world_reset(world, FTPFIX_FORWARD_NAT);
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	set_range(world, low, high);
	for (int session = 0; session <= high - low; session++) {
		talk = range_session(world, session);
		assert_in_range(leaves_with_any_port(&talk, BARE, BARE_FORMAT), low, high);
		counted(world, EXPECTED_NEW);
	}
	assert_int_equal(expected_count(world), high - low + 1);
	talk = range_session(world, 1000);
	talk_answer(&talk, BARE, BARE);
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_NO_FREE_PORT));
	assert_int_equal(expected_count(world), high - low + 1);
	talk = talk_of(world);
	talk.vip = ip4(192, 0, 2, 5);
	talk.client++;
	talk.peer++;
	talk_ask(&talk, "PASV\r\n");
	assert_in_range(leaves_with_any_port(&talk, BARE, BARE_FORMAT), low, high);
	counted(world, EXPECTED_NEW);
}

static void range_full(void **state)
{
	struct world *world = nat_world(state);

	range_is_used_up(world, 30100, 30103);
	range_is_used_up(world, 65532, 65535);
	range_is_used_up(world, 50000, 50000);
}

/* 227 writes the octets of a port apart: 20480 is 80,0. A range across such a
 * border is as good as any. */
static void range_across_octets(void **state)
{
	struct world *world = nat_world(state);

	for (int round = 0; round < 8; round++)
		range_is_used_up(world, 20478, 20481);
}

/* Two servers chose one port for one client at once. */
static void collision_of_servers(void **state)
{
	struct world *world = nat_world(state);
	struct talk one = talk_of(world), other = talk_of(world);
	struct ftpfix_expectation expectation;
	__u16 port;

	other.client_port++;
	other.peer_port++;
	other.server++;
	talk_ask(&one, "PASV\r\n");
	talk_ask(&other, "PASV\r\n");
	talk_answer(&one, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	port = leaves_with_any_port(&other, "227 Entering Passive Mode (10,0,0,176,83,237).\r\n",
				    "227 Entering Passive Mode (203,0,113,5,%u,%u)%s\r\n");
	counted(world, EXPECTED_NEW);
	assert_in_range(port, FTPFIX_PORT_MIN, 65535);
	assert_int_not_equal(port, PORT);
	assert_true(talk_expects(&one, PORT, &expectation));
	assert_int_equal(ntohl(expectation.target.addr.be_word[3]), one.server);
	assert_true(talk_expects(&other, port, &expectation));
	assert_int_equal(ntohl(expectation.target.addr.be_word[3]), other.server);
	assert_int_equal(expectation.target.be_port, htons(PORT));
}

/* Without a dot to drop, a port with one digit less makes the room. */
static void digits_of_the_port(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	__u16 port;

	set_range(world, 20000, 65535);
	talk_ask(&talk, "PASV\r\n");
	port = leaves_with_any_port(&talk, "227 Entering Passive Mode (10,0,0,175,83,237)\r\n",
				    "227 Entering Passive Mode (203,0,113,5,%u,%u)%s\r\n");
	assert_in_range(port, 20000, 65535);
	counted(world, EXPECTED_NEW);
}

/* Four digits are left, and one for the upper octet leaves 9,252 to 9,255 alone;
 * two for each octet leave thousands. "Every fitting port is taken" is not so. */
static void digits_are_for_either_octet(void **state)
{
	struct world *world = nat_world(state);

	set_range(world, 9 * 256 + 252, 65535);
	for (int session = 0; session < 8; session++) {
		struct talk talk = talk_of(world);

		talk.client_port += session;
		talk.peer_port += session;
		talk_ask(&talk, "PASV\r\n");
		assert_in_range(leaves_with_any_port(&talk, BARE, "227 (203,0,113,5,%u,%u)%s\r\n"),
				9 * 256 + 252, 65535);
		counted(world, EXPECTED_NEW);
	}
}

static void shorter_port_is_padded(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	__u16 port;

	set_range(world, 3000, 3009);
	talk_ask(&talk, "EPSV\r\n");
	port = leaves_with_any_port(&talk, EXTENDED,
				    "229 Entering Extended Passive Mode (|||%u|)%s\r\n");
	assert_in_range(port, 3000, 3009);
	counted(world, EXPECTED_NEW);
}

/* With --rewrite equal-length; prog_adjust has what happens otherwise. */
static void longer_port_does_not_fit(void **state)
{
	static const char text[] = "229 Entering Extended Passive Mode (|||2121|)\r\n";
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);

	world->service.rewrite = FTPFIX_REWRITE_EQUAL_LENGTH;
	set_range(world, 20000, 65535);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, text, text);
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
	assert_int_equal(expected_count(world), 0);
}

/* A client's connection to a control port is a control connection: 2100 is never
 * given out for data. */
static void control_port_is_no_public_port(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	__u16 port;

	set_range(world, OTHER_SERVICE_PORT - 1, OTHER_SERVICE_PORT);
	talk_ask(&talk, "EPSV\r\n");
	port = leaves_with_any_port(&talk, "229 Entering Extended Passive Mode (|||2100|)\r\n",
				    "229 Entering Extended Passive Mode (|||%u|)%s\r\n");
	assert_int_equal(port, OTHER_SERVICE_PORT - 1);
	counted(world, EXPECTED_NEW);
}

/* What one server, seen at `server`, says in a world of --server 10.0.0.0/24. */
static void named_servers_only(void **state)
{
	struct world *world, *usual = world_begin(state, FTPFIX_FORWARD_NAT);
	struct ftpfix_expectation expectation;
	struct talk talk;

	(void)usual;
	world = world_open(1, 0);
	assert_non_null(world);
	world_reset(world, FTPFIX_FORWARD_NAT);
	world_allow(world, ip4(10, 0, 0, 0), 24, 1);
	talk = talk_of(world);
	talk_ask(&talk, "PASV\r\nPASV\r\nPASV\r\nPASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	/* One named server may name another one. */
	talk_answer(&talk, "227 Entering Passive Mode (10,0,0,199,83,238).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,83,238)\r\n");
	counted(world, EXPECTED_NEW);
	assert_true(talk_expects(&talk, PORT + 1, &expectation));
	assert_int_equal(ntohl(expectation.target.addr.be_word[3]), ip4(10, 0, 0, 199));
	talk_answer(&talk, "227 Entering Passive Mode (10,0,1,175,83,239).\r\n",
		    "227 Entering Passive Mode (10,0,1,175,83,239).\r\n");
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED));
	/* Its own address does not help one that was not named. */
	talk.server = ip4(10, 0, 1, 175);
	talk_answer(&talk, "227 Entering Passive Mode (10,0,1,175,83,240).\r\n",
		    "227 Entering Passive Mode (10,0,1,175,83,240).\r\n");
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED));
	talk_ask(&talk, "EPSV\r\nPASV\r\n");
	talk_answer(&talk, "229 Entering Extended Passive Mode (|||21489|)\r\n",
		    "229 Entering Extended Passive Mode (|||21489|)\r\n");
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED));
	talk_answer(&talk, "227 Entering Passive Mode (203,0,113,5,83,242).\r\n",
		    "227 Entering Passive Mode (203,0,113,5,83,242).\r\n");
	counted(world, REFUSED(FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED));
	world_close(world);
}

/* A server that names its open port again means the connection it meant. */
static void announced_again(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);

	talk_ask(&talk, "EPSV\r\nPASV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	assert_int_equal(expected_count(world), 1);
}

/* A session has four connections open at most; the oldest goes. */
static void fifth_replaces_the_first(void **state)
{
	struct world *world = nat_world(state);
	struct talk talk = talk_of(world);
	struct ftpfix_expectation expectation;
	char text[64], public[64];

	for (int number = 0; number < 6; number++) {
		snprintf(text, sizeof(text), "227 Entering Passive Mode (10,0,0,175,83,%u).\r\n",
			 100 + number);
		snprintf(public, sizeof(public),
			 "227 Entering Passive Mode (203,0,113,5,83,%u)\r\n", 100 + number);
		talk_ask(&talk, "PASV\r\n");
		talk_answer(&talk, text, public);
		counted(world, EXPECTED_NEW, {FTPFIX_CONNECTION_REPLACED, number >= 4});
	}
	assert_int_equal(expected_count(world), 4);
	for (int number = 0; number < 6; number++)
		assert_int_equal(talk_expects(&talk, 83 * 256 + 100 + number, &expectation),
				 number >= 2);
}

/* An expectation that ran out gives its port up, though no sweep came by. */
static void expired_port_is_free(void **state)
{
	struct world *world = nat_world(state);
	struct talk one = talk_of(world), other = talk_of(world);
	struct ftpfix_expectation expectation, *expected;

	talk_ask(&one, "PASV\r\n");
	talk_answer(&one, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	expected = talk_expected(&one, PORT);
	assert_non_null(expected);
	expected->deadline_ticks = (now_ns() - FTPFIX_SECOND_NS) >> FTPFIX_TICK_SHIFT;
	other.client_port++;
	other.peer_port++;
	talk_ask(&other, "PASV\r\n");
	talk_answer(&other, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW, {FTPFIX_CONNECTION_NOBODY_CAME, 1});
	assert_true(talk_expects(&other, PORT, &expectation));
	assert_int_equal(expectation.session.tuple.be_source_port, htons(other.client_port));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passive),
		cmocka_unit_test(translated_control_port),
		cmocka_unit_test(extended),
		cmocka_unit_test(advertised_address),
		cmocka_unit_test(already_public),
		cmocka_unit_test(behind_another_translation),
		cmocka_unit_test(port_out_of_range),
		cmocka_unit_test(range_full),
		cmocka_unit_test(range_across_octets),
		cmocka_unit_test(collision_of_servers),
		cmocka_unit_test(digits_of_the_port),
		cmocka_unit_test(digits_are_for_either_octet),
		cmocka_unit_test(shorter_port_is_padded),
		cmocka_unit_test(longer_port_does_not_fit),
		cmocka_unit_test(control_port_is_no_public_port),
		cmocka_unit_test(named_servers_only),
		cmocka_unit_test(announced_again),
		cmocka_unit_test(fifth_replaces_the_first),
		cmocka_unit_test(expired_port_is_free),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
