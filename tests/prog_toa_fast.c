// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that are to tell the client's address as a TCP option are TC's, in established
 * connections too, until one of them is answered.
 */
#include "prog_fast.h"

/* TC takes the client's packet, and puts the option in. */
static void told(const struct dial *dial)
{
	struct frame frame;

	dial_up_frame(dial, ACK, dial->client_sequence, "", 0, &frame);
	world_sum_unknown(dial->world);
	assert_int_equal(run(dial->world, UPLINK_INGRESS, &frame), TC_ACT_REDIRECT);
	assert_int_equal(dial->world->output.length, frame.length + FTPFIX_TOA_LENGTH_IPV4);
	dial->world->run_flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
}

/* That of the handshake may be lost: the next one tells it as well. */
static void control(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial *dial = &fast.dial;

	*dial = balance_dial(&talk);
	dial_learn(dial);
	dial_down(dial, SYN | ACK, "");
	told(dial);
	assert_int_equal(dial_settled(dial), 2);
	counted(talk.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
		{FTPFIX_PACKET_TOA, 1}, CARRIED_OF(dial, 3, 0));
	fast_up_passes(&fast, ACK, "");
	told(dial);
	counted(talk.world, {FTPFIX_PACKET_TOA, 1}, CARRIED_OF(dial, 1, 0));
	dial_down(dial, PSH | ACK, "220 ready\r\n");
	counted(talk.world, CARRIED_OF(dial, 1, 11));
	fast_up(&fast, ACK, "");
	counted(talk.world, CARRIED_FAST(dial, 1, 0));
}

/* So is it below the MTU of a route, which is not that of its device. */
static void route_has_an_mtu(void **state)
{
	struct fast_dial fast = fast_expected(state, 0);
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial *dial = &fast.dial;
	char bytes[1000] = "";
	struct frame frame;

	fast_command("ip route replace 10.0.0.175 dev server mtu lock 1000");
	*dial = balance_dial(&talk);
	dial_learn(dial);
	dial_down(dial, SYN | ACK, "");
	told(dial);
	for (__u32 room = 0; room <= FTPFIX_TOA_LENGTH_IPV4; room += FTPFIX_TOA_LENGTH_IPV4) {
		memset(bytes, 'x', sizeof(bytes));
		bytes[1000 - 40 - room] = 0;
		dial_up_frame(dial, ACK, dial->client_sequence, bytes, 0, &frame);
		world_sum_unknown(dial->world);
		assert_int_equal(run(dial->world, UPLINK_INGRESS, &frame), TC_ACT_REDIRECT);
		assert_int_equal(dial->world->output.length, frame.length + room);
		dial->world->run_flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
	}
	fast_command("ip route delete 10.0.0.175 dev server");
}

static void toa_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_TOA;
}

static int setup(void **state)
{
	return fast_setup_configured(state, toa_constants);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(control),
		cmocka_unit_test(route_has_an_mtu),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
