// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The rules for replies that an operator may lift, one by one; and that each of them
 * holds where only the others are lifted.
 */
#include "prog_dial.h"

#define ALL                                                                     \
	(FTPFIX_ALLOW_UNASKED | FTPFIX_ALLOW_MULTILINE | FTPFIX_ALLOW_ADDRESS | \
	 FTPFIX_ALLOW_LOW_PORT | FTPFIX_ALLOW_EPSV_ALL | FTPFIX_ALLOW_FOREIGN | FTPFIX_ALLOW_FXP)

/* What breaks one rule, and what becomes of it where that is allowed. */
struct subject {
	__u32 bit;
	__u32 reason;
	const char *command;
	const char *answer;
	const char *expected;
	__u32 counted; /* when it is allowed */
	__u16 port;
};

static const struct subject subjects[] = {
	{FTPFIX_ALLOW_UNASKED, FTPFIX_ANNOUNCEMENT_UNASKED, "NOOP\r\n", VSFTPD, VSFTPD_PUBLIC,
	 FTPFIX_ANNOUNCEMENT_REWRITTEN, PORT},
	{FTPFIX_ALLOW_UNASKED, FTPFIX_ANNOUNCEMENT_UNASKED, "PASV\r\n", EXTENDED, EXTENDED,
	 FTPFIX_ANNOUNCEMENT_KEPT, PORT},
	{FTPFIX_ALLOW_MULTILINE, FTPFIX_ANNOUNCEMENT_MULTILINE, "PASV\r\n",
	 "211-Status:\r\n" VSFTPD "211 End\r\n", "211-Status:\r\n" VSFTPD_PUBLIC "211 End\r\n",
	 FTPFIX_ANNOUNCEMENT_REWRITTEN, PORT},
	{FTPFIX_ALLOW_ADDRESS, FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED, "PASV\r\n",
	 "227 Entering Passive Mode (198,18,0,175,83,237).\r\n",
	 "227 Entering Passive Mode (203,0,113,5,83,237)..\r\n", FTPFIX_ANNOUNCEMENT_REWRITTEN,
	 PORT},
	{FTPFIX_ALLOW_LOW_PORT, FTPFIX_ANNOUNCEMENT_PORT_LOW, "EPSV\r\n",
	 "229 Entering Extended Passive Mode (|||1023|)\r\n",
	 "229 Entering Extended Passive Mode (|||1023|)\r\n", FTPFIX_ANNOUNCEMENT_KEPT, 1023},
};

static struct talk allowing(void **state, __u32 allowed)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world->service.allowed = allowed;
	world->service.port_low = 1000;
	world_write_service(world);
	return talk_of(world);
}

static void each_by_itself(void **state)
{
	for (size_t index = 0; index < sizeof(subjects) / sizeof(subjects[0]); index++) {
		const struct subject *subject = &subjects[index];
		struct talk talk = allowing(state, subject->bit);
		struct ftpfix_expectation expectation;

		talk_ask(&talk, subject->command);
		talk_answer(&talk, subject->answer, subject->expected);
		counted(talk.world, {subject->counted, 1}, {FTPFIX_CONNECTION_EXPECTED, 1});
		assert_true(talk_expects(&talk, subject->port, &expectation));
		assert_int_equal(ntohl(expectation.target.addr.be_word[3]),
				 subject->bit == FTPFIX_ALLOW_ADDRESS ? ip4(198, 18, 0, 175)
								      : talk.server);
		assert_int_equal(expected_count(talk.world), 1);
	}
}

/* FXP aside, which makes anybody be expected: that is no question of the reply. */
static void all_but_one(void **state)
{
	for (size_t index = 0; index < sizeof(subjects) / sizeof(subjects[0]); index++) {
		const struct subject *subject = &subjects[index];
		struct talk talk = allowing(state, ALL & ~subject->bit);

		talk_ask(&talk, subject->command);
		talk_answer(&talk, subject->answer, subject->answer);
		counted(talk.world, REFUSED(subject->reason));
		assert_int_equal(expected_count(talk.world), 0);
	}
}

/* FXP: the connection to a server may come from anywhere, once. */
static void from_anywhere(void **state)
{
	struct talk talk = allowing(state, FTPFIX_ALLOW_FXP);
	struct dial dial, second;

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
	dial = dial_of(&talk, PORT, PORT);
	dial.client = dial.source = ip4(192, 0, 2, 200);
	second = dial;
	dial_open(&dial);
	counted(talk.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	second.client++;
	dial_up_passes(&second, SYN, "");
	counted(talk.world, NOTHING);
}

/* A refused one leaves what was asked for owed: the true answer still counts. */
static void refused_first(void **state)
{
	struct talk talk = allowing(state, 0);

	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, "227 Entering Passive Mode (198,18,0,175,83,237).\r\n",
		    "227 Entering Passive Mode (198,18,0,175,83,237).\r\n");
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED));
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(talk.world, EXPECTED_NEW);
	talk_answer(&talk, VSFTPD, VSFTPD);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_UNASKED));
}

/* What a server tells those within a prefix, and all others, is its longest match's. */
static void advertised_by_prefix(void **state)
{
	static const struct {
		__u32 client;
		const char *expected;
	} rows[] = {
		{0xc633640a, "227 Entering Passive Mode (192,0,2,1,83,237)..\r\n"},
		{0xc6336401, "227 Entering Passive Mode (192,0,2,2,83,237)..\r\n"},
		{0x08080808, "227 Entering Passive Mode (192,0,2,3,83,237)..\r\n"},
	};

	for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
		struct talk talk = allowing(state, 0);
		struct ftpfix_addr vip = mapped(talk.vip);
		struct ftpfix_expectation expectation;

		world_advertise(talk.world, 0, 0, ip4(192, 0, 2, 3));
		world_advertise(talk.world, ip4(198, 51, 100, 0), 24, ip4(192, 0, 2, 1));
		world_advertise(talk.world, ip4(198, 51, 100, 1), 32, ip4(192, 0, 2, 2));
		talk.client = talk.peer = rows[index].client;
		talk_ask(&talk, "PASV\r\n");
		talk_answer(&talk, VSFTPD, rows[index].expected);
		counted(talk.world, EXPECTED_NEW);
		assert_true(talk_expects(&talk, PORT, &expectation));
		expectation_names(talk.world, &expectation, dialled, &vip);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_by_itself),	cmocka_unit_test(all_but_one),
		cmocka_unit_test(from_anywhere),	cmocka_unit_test(refused_first),
		cmocka_unit_test(advertised_by_prefix),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
