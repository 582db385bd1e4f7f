// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SYNs that come where data connections do and are expected by nobody: they pass as they are,
 * and are counted where it is known that the address was announced.
 */
#include "prog_dial.h"
#include "prog_stream.h"

#define LOW 21000
#define HIGH 21999

static void ports(struct world *world, __u16 low, __u16 high)
{
	world->skeleton->bss->data_ports = (__u32)low << 16 | high;
}

/* Somebody is expected at 203.0.113.5. */
static struct dial told(void **state)
{
	struct dial dial = dial_expected(state);

	ports(dial.world, LOW, HIGH);
	return dial;
}

#define UNEXPECTED(number) counted(dial.world, {FTPFIX_CONNECTION_UNEXPECTED, number})

static void another_sender(void **state)
{
	struct dial dial = told(state), other = dial;

	other.client++;
	dial_up_passes(&other, SYN, "");
	UNEXPECTED(1);
	/* It may come again, and is another one. */
	dial_up_passes(&other, SYN, "");
	UNEXPECTED(1);
	assert_int_equal(dial_entries(&dial), 0);
	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
}

static void ports_of_the_range(void **state)
{
	struct dial dial = told(state);

	dial.public_port = LOW;
	dial_up_passes(&dial, SYN, "");
	dial.public_port = HIGH;
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(2);
	dial.public_port = LOW - 1;
	dial_up_passes(&dial, SYN, "");
	dial.public_port = HIGH + 1;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, NOTHING);
	/* Another range, while the programs run. */
	ports(dial.world, HIGH + 1, HIGH + 1);
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(1);
	dial.public_port = LOW;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, NOTHING);
}

/* A scan of all ports: every one of the range counts once. */
static void scan(void **state)
{
	struct dial dial = told(state), other = dial;

	ports(dial.world, FTPFIX_PORT_MIN, 65535);
	other.client++;
	for (__u32 port = LOW; port <= HIGH; port++) {
		other.public_port = port;
		dial_up_passes(&other, SYN, "");
	}
	UNEXPECTED(HIGH - LOW + 1);
}

/* What anybody may dial, another program forwards. */
static void control_connection(void **state)
{
	struct dial dial = told(state);

	ports(dial.world, FTPFIX_PORT_MIN, 65535);
	dial.client++;
	dial.public_port = OTHER_SERVICE_PORT;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, NOTHING);
}

static void other_addresses(void **state)
{
	struct dial dial = told(state);

	dial.vip++;
	dial_up_passes(&dial, SYN, "");
	counted(dial.world, NOTHING);
}

/* Nothing was announced yet. */
static void nothing_announced(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial = dial_of(&talk, PORT, PORT);

	ports(world, LOW, HIGH);
	dial_up_passes(&dial, SYN, "");
	counted(world, NOTHING);
}

/* The address that is announced, and the one of the control connection. */
static void advertised(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial = dial_of(&talk, PORT, PORT);

	ports(world, LOW, HIGH);
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	world_advertise(world, 0, 0, ip4(192, 0, 2, 99));
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	dial.client++;
	dial_up_passes(&dial, SYN, "");
	dial.vip = ip4(192, 0, 2, 99);
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(2);
	/* The operator has another one told from now on. */
	world_advertise(world, 0, 0, ip4(192, 0, 2, 98));
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
	dial.vip = ip4(192, 0, 2, 98);
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(1);
	/* It is the network that carries these connections. */
	world_reset(world, FTPFIX_FORWARD_NONE);
	talk = talk_of(world);
	ports(world, LOW, HIGH);
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, {FTPFIX_ANNOUNCEMENT_KEPT, 1});
	dial = dial_of(&talk, PORT, PORT);
	dial_up_passes(&dial, SYN, "");
	counted(world, NOTHING);
}

static void six(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct dial dial;

	talk.shape.ipv6 = 1;
	ports(world, LOW, HIGH);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	dial = dial_of(&talk, PORT, PORT);
	dial.client++;
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(1);
	dial.vip++;
	dial_up_passes(&dial, SYN, "");
	counted(world, NOTHING);
}

/* What opens nothing, and what comes in elsewhere. */
static void other_packets(void **state)
{
	struct dial dial = told(state), other = dial;
	struct frame frame;

	other.client++;
	dial_up_passes(&other, SYN | ACK, "");
	dial_up_passes(&other, ACK, "data");
	dial_up_passes(&other, RST, "");
	dial_up_passes(&other, SYN | RST, "");
	dial_up_frame(&other, SYN, other.client_sequence, "", 0, &frame);
	for (int program = 0; program < PROGRAM_COUNT; program++)
		if (program != UPLINK_INGRESS)
			run_passes(dial.world, program, &frame);
	counted(dial.world, NOTHING);
}

/* On a device that is the uplink and the servers' the SYN of a server who is told the address that
 * clients are told comes by the uplink's program first. */
static void server_on_one_arm(void **state)
{
	static const char line[] = "EPRT |1|198.51.100.10|50000|\r\n";
	struct world *world = world_begin(state, FTPFIX_FORWARD_FULLNAT);
	struct talk talk = talk_of(world);
	struct stream uplink = stream_of(&talk, UPLINK_INGRESS, 1, talk.server_sequence);
	struct stream inside = stream_of(&talk, INSIDE_EGRESS, 1, talk.inner_sequence);
	struct ftpfix_addr addr = mapped(talk.peer);
	__u32 nothing = 0;
	struct dial dial;

	ports(world, FTPFIX_PORT_MIN, 65535);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.told), &addr,
					     &nothing, BPF_NOEXIST),
			 0);
	world_sum_unknown(world);
	stream_passes(&uplink, line);
	stream_next(&inside, line, "EPRT |1|10.0.0.1|0000050000|\r\n");
	counted(world, EXPECTED_NEW);
	dial = dial_active(&talk, UPLINK_INGRESS, talk.server, talk.peer, 50000, talk.vip,
			   talk.client, 50000);
	dial_up_passes(&dial, SYN, "");
	counted(world, NOTHING);
	/* Another's is as unexpected as from elsewhere. */
	dial.client++;
	dial_up_passes(&dial, SYN, "");
	UNEXPECTED(1);
	dial.client--;
	dial.opens = INSIDE_INGRESS;
	dial.answers = UPLINK_INGRESS;
	dial_open(&dial);
	counted(world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
}

/* Of a connection that is there a SYN is for its server to judge. */
static void syn_of_a_connection(void **state)
{
	struct dial dial = told(state);
	__u32 sequence;

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	sequence = dial.client_sequence;
	dial.client_sequence += 77777;
	dial_up(&dial, SYN, "");
	dial.client_sequence = sequence;
	counted(dial.world, CARRIED(1, 0));
}

/* No room for one more address: it is followed, and what is not expected there not counted. */
static void no_room(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	int map = bpf_map__fd(world->skeleton->maps.told);
	struct talk talk = talk_of(world);
	struct dial dial;

	ports(world, LOW, HIGH);
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (__u32 number = 0; number < FTPFIX_TOLD_MAX; number++) {
		struct ftpfix_addr addr = mapped(ip4(192, 0, 0, 0) + number);
		__u32 nothing = 0;

		assert_int_equal(bpf_map_update_elem(map, &addr, &nothing, BPF_NOEXIST), 0);
	}
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
	counted(world, EXPECTED_NEW);
	dial = dial_of(&talk, PORT, PORT);
	dial.client++;
	dial_up_passes(&dial, SYN, "");
	counted(world, NOTHING);
	dial.client--;
	dial_open(&dial);
	counted(world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_sender),
		cmocka_unit_test(ports_of_the_range),
		cmocka_unit_test(scan),
		cmocka_unit_test(control_connection),
		cmocka_unit_test(other_addresses),
		cmocka_unit_test(nothing_announced),
		cmocka_unit_test(advertised),
		cmocka_unit_test(six),
		cmocka_unit_test(other_packets),
		cmocka_unit_test(server_on_one_arm),
		cmocka_unit_test(syn_of_a_connection),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
