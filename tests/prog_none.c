// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --forward none: only the address of a 227 is replaced, wherever it stands in a
 * segment and in a frame. Which announcements count is strict's subject.
 */
#include "prog_flows.h"
#include "prog_talk.h"

static void asked_and_rewritten(struct talk *talk, const char *text, const char *expected)
{
	talk_ask(talk, "PASV\r\n");
	counted(talk->world, NOTHING);
	talk_leave(talk, text, expected);
	counted(talk->world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
}

/* Asks in a session of its own for the line, which the given virtual address
 * makes the expected one. */
static void rewritten_for(void **state, __u32 vip, const char *text, const char *expected)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk.vip = vip;
	asked_and_rewritten(&talk, text, expected);
	assert_int_equal(expected_count(world), 0);
	assert_int_equal(flows_taken(world), 0);
	assert_int_equal(flows_live(world), 0);
}

static void vsftpd(void **state)
{
	rewritten_for(state, ip4(203, 0, 113, 5), VSFTPD, VSFTPD_PUBLIC);
	rewritten_for(state, ip4(1, 2, 3, 4), VSFTPD,
		      "227 Entering Passive Mode (1,2,3,4,83,237)....\r\n");
	rewritten_for(state, ip4(203, 10, 113, 5), VSFTPD,
		      "227 Entering Passive Mode(203,10,113,5,83,237)\r\n");
	rewritten_for(state, ip4(123, 56, 241, 199), VSFTPD,
		      "227 EnteringPassiveMode(123,56,241,199,83,237)\r\n");
}

static void pure_ftpd(void **state)
{
	rewritten_for(state, ip4(203, 0, 113, 5),
		      "227 Entering Passive Mode (10,0,0,175,83,237)\r\n",
		      "227 Entering Passive Mode(203,0,113,5,83,237)\r\n");
	rewritten_for(state, ip4(192, 0, 2, 5), "227 Entering Passive Mode (10,0,0,175,83,237)\r\n",
		      "227 Entering Passive Mode (192,0,2,5,83,237).\r\n");
}

static void pyftpdlib(void **state)
{
	rewritten_for(state, ip4(203, 0, 113, 5),
		      "227 Entering passive mode (10,0,0,175,83,237).\r\n",
		      "227 Entering passive mode (203,0,113,5,83,237)\r\n");
	rewritten_for(state, ip4(123, 56, 241, 199),
		      "227 Entering passive mode (10,0,0,175,83,237).\r\n",
		      "227 Enteringpassivemode(123,56,241,199,83,237)\r\n");
}

static void busybox(void **state)
{
	rewritten_for(state, ip4(203, 0, 113, 5), "227 PASV ok (10,0,0,175,83,237)\r\n",
		      "227 PASV ok(203,0,113,5,83,237)\r\n");
}

/* The last line of a multi-line 227 is the reply's. */
static void aioftp(void **state)
{
	rewritten_for(state, ip4(192, 0, 2, 5),
		      "227-listening socket created\r\n227 (10,0,0,175,83,237)\r\n",
		      "227-listening socket created\r\n227 (192,0,2,5,83,237).\r\n");
}

static void sys_ftpd(void **state)
{
	rewritten_for(state, ip4(198, 51, 0, 5), "227 10,0,0,175,83,237\r\n",
		      "227 198,51,0,5,83,237\r\n");
}

/* The example of the issue: the control port is another one, the public address
 * is longer by two digits. */
static void one_to_one_gateway(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(172, 16, 0, 0), 12, 0);
	talk.vip = ip4(123, 56, 241, 199);
	talk.port = OTHER_SERVICE_PORT;
	asked_and_rewritten(&talk, "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
			    "227 Entering Passive Mode(123,56,241,199,83,237)\r\n");
}

/* On the server's own interface the client dials the private address. */
static void advertised_address(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	talk.vip = ip4(172, 17, 9, 135);
	world_advertise(world, 0, 0, ip4(123, 56, 241, 199));
	asked_and_rewritten(&talk, "227 Entering Passive Mode (172,17,9,135,83,237).\r\n",
			    "227 Entering Passive Mode(123,56,241,199,83,237)\r\n");
	/* `ftpfix set advertise`: the next announcement carries it. */
	world_advertise(world, 0, 0, ip4(203, 0, 113, 5));
	asked_and_rewritten(&talk, "227 Entering Passive Mode (172,17,9,135,83,238).\r\n",
			    "227 Entering Passive Mode (203,0,113,5,83,238)..\r\n");
}

static void already_public(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD_PUBLIC, VSFTPD_PUBLIC);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
}

static void extended_stays(void **state)
{
	static const char text[] = "229 Entering Extended Passive Mode (|||21485|)\r\n";
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	talk_ask(&talk, "EPSV\r\n");
	talk_leave(&talk, text, text);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
	assert_int_equal(expected_count(world), 0);
}

/* A line of `length` bytes, at least six, that announces nothing. */
static void put_filler(char *text, int length)
{
	memcpy(text, "200 ", 4);
	memset(text + 4, 'x', length - 6);
	memcpy(text + length - 2, "\r\n", 3);
}

/* Rewritten behind `before` bytes of another line and with `behind` after it. */
static void rewritten_behind(struct talk *talk, int before, const char *behind)
{
	char text[TEXT_MAX], expected[TEXT_MAX];

	text[0] = 0;
	if (before)
		put_filler(text, before);
	strcpy(expected, text);
	strcat(strcat(text, VSFTPD), behind);
	strcat(strcat(expected, VSFTPD_PUBLIC), behind);
	asked_and_rewritten(talk, text, expected);
}

/* The rewritten bytes begin at every parity, in segments of every parity. */
static void first_middle_and_last(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (int before = 5; before < 10; before++) {
		rewritten_behind(&talk, before == 5 ? 0 : before, "");
		rewritten_behind(&talk, before == 5 ? 0 : before, "200 ok\r\n");
		rewritten_behind(&talk, before == 5 ? 0 : before, "200 more\r\n");
	}
}

/* The scanner reads 256 bytes at a time: the line stands across every place
 * where a piece may end, and behind many pieces. */
static void large_segments(void **state)
{
	static const int far[] = {511, 512, 513, 1460, 2047, 3500};
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (int before = 256 - (int)sizeof(VSFTPD); before <= 257; before++)
		rewritten_behind(&talk, before, "200 ok\r\n");
	for (size_t index = 0; index < sizeof(far) / sizeof(far[0]); index++)
		rewritten_behind(&talk, far[index], "");
}

/* As many lines as a segment holds. */
static void many_lines(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);
	char text[TEXT_MAX] = "", expected[TEXT_MAX] = "";

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (int line = 0; line < 500; line++)
		strcat(text, line & 1 ? "200 x\r\n" : "\r\n\n");
	strcpy(expected, text);
	asked_and_rewritten(&talk, strcat(text, VSFTPD), strcat(expected, VSFTPD_PUBLIC));
}

static void two_in_a_segment(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk_ask(&talk, "PASV\r\nPASV\r\n");
	talk_leave(&talk,
		   VSFTPD "200 odd\r\n"
			  "227 Entering Passive Mode (10,0,0,175,83,238)\r\n",
		   VSFTPD_PUBLIC "200 odd\r\n"
				 "227 Entering Passive Mode(203,0,113,5,83,238)\r\n");
	counted(world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 2});
}

/* The replaced bytes are the segment's last ones but for the newline; what pads the
 * frame behind that is no part of the sum. */
static void edit_at_the_end(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk.vip = ip4(192, 0, 2, 5);
	talk.shape.padding = 9;
	asked_and_rewritten(&talk, "227 Entering Passive Mode (10,0,0,175,83,237)\n",
			    "227 Entering Passive Mode (192,0,2,5,83,237).\n");
	talk_leave(&talk, "200 x\r\n", "200 x\r\n");
	asked_and_rewritten(&talk, "200 y\r\n227 Entering Passive Mode (10,0,0,175,83,237)\n",
			    "200 y\r\n227 Entering Passive Mode (192,0,2,5,83,237).\n");
	asked_and_rewritten(&talk, "227 PASV ok (10,0,0,175,83,237)\n",
			    "227 PASV ok (192,0,2,5,83,237).\n");
	counted(world, NOTHING);
}

static void every_shape(void **state, struct spec shape)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk.shape = shape;
	for (int before = 6; before < 10; before++)
		rewritten_behind(&talk, before, "");
}

static void ip_options(void **state)
{
	every_shape(state, (struct spec){.ip_options = 4});
	every_shape(state, (struct spec){.ip_options = 40});
}

static void tcp_timestamps(void **state)
{
	every_shape(state, (struct spec){.timestamps = 1});
	every_shape(state, (struct spec){.timestamps = 1, .ip_options = 40});
}

static void vlan_tag(void **state)
{
	every_shape(state, (struct spec){.tags = {ETH_P_8021Q}});
}

static void two_vlan_tags(void **state)
{
	every_shape(state, (struct spec){.tags = {ETH_P_8021AD, ETH_P_8021Q}});
	every_shape(state, (struct spec){.tags = {ETH_P_8021AD, ETH_P_8021Q},
					 .timestamps = 1,
					 .ip_options = 40});
}

static void ethernet_padding(void **state)
{
	every_shape(state, (struct spec){.padding = 1});
	every_shape(state, (struct spec){.padding = 18});
}

/* The kernel knows no sum over the packet, as where nothing was received. */
static void sum_unknown(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world->run_flags = 0;
	for (int before = 6; before < 10; before++)
		rewritten_behind(&talk, before, "");
}

/* Ethernet pads short segments: what stands there is no command. */
static void padding_is_no_command(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NONE);
	struct talk talk = talk_of(world);
	struct frame frame;

	talk_command(&talk, talk.client_sequence, PSH | ACK, "NOOP\r\n", 6, &frame);
	memcpy(frame.bytes + frame.length, "PASV\r\n", 6);
	frame.length += 6;
	run_passes(world, UPLINK_INGRESS, &frame);
	talk.client_sequence += 6;
	talk_leave(&talk, VSFTPD, VSFTPD);
	counted(world, {FTPFIX_ANNOUNCEMENT_UNASKED, 1}, {FTPFIX_EVENT_SENT, 1});
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vsftpd),
		cmocka_unit_test(pure_ftpd),
		cmocka_unit_test(pyftpdlib),
		cmocka_unit_test(busybox),
		cmocka_unit_test(aioftp),
		cmocka_unit_test(sys_ftpd),
		cmocka_unit_test(one_to_one_gateway),
		cmocka_unit_test(advertised_address),
		cmocka_unit_test(already_public),
		cmocka_unit_test(extended_stays),
		cmocka_unit_test(first_middle_and_last),
		cmocka_unit_test(large_segments),
		cmocka_unit_test(many_lines),
		cmocka_unit_test(two_in_a_segment),
		cmocka_unit_test(edit_at_the_end),
		cmocka_unit_test(ip_options),
		cmocka_unit_test(tcp_timestamps),
		cmocka_unit_test(vlan_tag),
		cmocka_unit_test(two_vlan_tags),
		cmocka_unit_test(ethernet_padding),
		cmocka_unit_test(sum_unknown),
		cmocka_unit_test(padding_is_no_command),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
