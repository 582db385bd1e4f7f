// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet that was sent on leaves by another device: the program there knows it by a number, or
 * parses it like any other. That can be seen where its connection has gone meanwhile: what is known
 * by its number asks no table for it, while a data connection of which one port has the number of a
 * control port would be read.
 */
#include "prog_fast.h"

#define LISTING "PASV\r\nPASV\r\nPASV\r\n"

/* The client's command in a data connection to a port that is a control port here. */
struct command {
	struct dial dial;
	__u8 flags;
	const char *bytes;
};

/* The client of a session was promised a connection to that port, and has opened it. */
static struct command data_begin(void **state, int ipv6)
{
	static const char line[] = "229 Entering Extended Passive Mode (|||02100|)\r\n";
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct command command = {.flags = PSH | ACK, .bytes = LISTING};
	struct talk talk = talk_of(world);
	struct frame frame;

	talk.shape.ipv6 = ipv6;
	talk_ask(&talk, "EPSV\r\n");
	talk_observe(&talk, line);
	talk_response(&talk, talk.server_sequence, PSH | ACK, line, strlen(line), &frame);
	assert_int_equal(run(world, UPLINK_EGRESS, &frame), TC_ACT_UNSPEC);
	command.dial = dial_of(&talk, talk_published(&talk), OTHER_SERVICE_PORT);
	dial_open(&command.dial);
	counted(world, EXPECTED_NEW, {FTPFIX_CONNECTION_OPENED, 1},
		CARRIED_OF(&command.dial, 3, 0));
	return command;
}

static void command_frame(const struct command *command, int inside, struct frame *frame)
{
	dial_up_frame(&command->dial, command->flags, command->dial.client_sequence, command->bytes,
		      inside, frame);
}

/* The command comes in and is sent on, exactly translated. */
static void comes_in(const struct command *command)
{
	struct frame input, output;

	command_frame(command, 0, &input);
	command_frame(command, 1, &output);
	run_gives(command->dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
}

/* It leaves, when its connection is in no table any more. Returns whether it was read, as it is
 * where it is parsed. */
static int read_as(const struct command *command)
{
	__u32 before = sessions_count(command->dial.world);
	struct frame frame;

	world_clear_flows(command->dial.world);
	command_frame(command, 1, &frame);
	run_passes(command->dial.world, INSIDE_EGRESS, &frame);
	return sessions_count(command->dial.world) != before;
}

/* It comes in and leaves. */
static int passed_and_read(const struct command *command)
{
	comes_in(command);
	assert_true(numbered(command->dial.world));
	return read_as(command);
}

static void known(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct command command = data_begin(state, round & 1);

		command.dial.world->gso_size = round & 2 ? 10 : 0;
		assert_false(passed_and_read(&command));
	}
}

static void without_its_number(void **state)
{
	for (int word = 0; word < 2; word++) {
		struct command command = data_begin(state, 0);

		comes_in(&command);
		command.dial.world->beside[word] ^= 1;
		assert_true(read_as(&command));
	}
}

static void twice(void **state)
{
	struct command command = data_begin(state, 0);
	__u32 beside[5];

	comes_in(&command);
	memcpy(beside, command.dial.world->beside, sizeof(beside));
	assert_false(read_as(&command));
	memcpy(command.dial.world->beside, beside, sizeof(beside));
	assert_true(read_as(&command));
}

/* What another program may have made of the packet in between. */
enum alteration {
	FROM,
	TO,
	FROM_PORT,
	TO_PORT,
	SEQUENCE,
	ACKNOWLEDGEMENT,
	FLAGS,
	OPTIONS,
	LENGTH,
	ALTERATIONS
};

static void alter(struct command *command, enum alteration alteration)
{
	struct dial *dial = &command->dial;

	switch (alteration) {
	case FROM:
		dial->source ^= 1;
		break;
	case TO:
		dial->server ^= 1;
		break;
	case FROM_PORT:
		dial->source_port ^= 1;
		break;
	case TO_PORT:
		dial->server_port = SERVICE_PORT;
		break;
	case SEQUENCE:
		dial->client_sequence ^= 1;
		break;
	case ACKNOWLEDGEMENT:
		dial->server_sequence ^= 1;
		break;
	case FLAGS:
		command->flags ^= PSH;
		break;
	/* Of the same length. */
	case OPTIONS:
		dial->shape.timestamps = 1;
		command->bytes = "PASV\r\n";
		break;
	default:
		command->bytes = LISTING LISTING;
	}
}

static void changed(void **state)
{
	for (int alteration = 0; alteration < ALTERATIONS; alteration++)
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			struct command command = data_begin(state, ipv6);

			comes_in(&command);
			alter(&command, alteration);
			assert_true(read_as(&command));
		}
}

/* A tag that was put in front counts as one, also where the length was kept. */
static void tagged(void **state)
{
	struct command command = data_begin(state, 0);

	comes_in(&command);
	counted(command.dial.world, CARRIED(1, strlen(LISTING)));
	command.dial.shape.tags[0] = ETH_P_8021Q;
	command.bytes = &LISTING[4];
	assert_false(read_as(&command));
	counted(command.dial.world, {FTPFIX_PACKET_VLAN, 1});
}

/* On a device that is both the uplink and the servers' it meets two programs, of which one takes its
 * number. */
static void one_arm(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct command command = data_begin(state, round & 1);
		struct world *world = command.dial.world;
		__u32 sessions = sessions_count(world);
		struct frame frame;

		command.bytes = "PORT and\r\nPOR";
		comes_in(&command);
		command_frame(&command, 1, &frame);
		run_passes(world, round & 2 ? INSIDE_EGRESS : UPLINK_EGRESS, &frame);
		run_passes(world, round & 2 ? UPLINK_EGRESS : INSIDE_EGRESS, &frame);
		assert_int_equal(sessions_count(world), sessions);
	}
}

/* Behind another packet's parse, be that of the same header, the number is worth nothing. */
static void no_more_the_last(void **state)
{
	enum { NEXT_CARRIED, SAME_IN, SAME_OUT, CASES };

	for (int other = 0; other < CASES; other++) {
		struct command command = data_begin(state, 0), next = command;
		struct world *world = command.dial.world;
		struct frame frame;
		__u32 beside[5];

		comes_in(&command);
		memcpy(beside, world->beside, sizeof(beside));
		memset(world->beside, 0, sizeof(world->beside));
		next.dial.client_sequence += strlen(LISTING);
		command_frame(&command, 1, &frame);
		if (other == NEXT_CARRIED)
			comes_in(&next);
		else
			run_passes(world, other == SAME_IN ? UPLINK_INGRESS : UPLINK_EGRESS,
				   &frame);
		memcpy(world->beside, beside, sizeof(beside));
		assert_true(read_as(&command));
	}
}

/* A connection that XDP opens takes the place in the scratch as well. */
static void xdp_came_between(void **state)
{
	struct command command = data_begin(state, 0);
	struct talk talk = talk_of(command.dial.world);
	static struct fast_output output;
	struct dial other;
	struct frame frame;

	talk.client_port++;
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	other = dial_of(&talk, PORT, PORT);
	comes_in(&command);
	dial_up_frame(&other, SYN, other.client_sequence, "", 0, &frame);
	fast_run(other.world, FAST_UPLINK, other.world->uplink, frame.bytes, frame.length, &output);
	assert_int_equal(expected_count(other.world), 0);
	assert_true(read_as(&command));
}

/* Each CPU numbers its own packets, and none as another does. */
static void of_another_cpu(void **state)
{
	enum { NUMBERS = 16 };
	struct world *before = *state, *world;
	__u32 beside[2][NUMBERS][5];

	if (libbpf_num_possible_cpus() < 2 || !before) {
		print_message("# needs root and two CPUs\n");
		skip();
	}
	/* Both begin to count. */
	world = *state = world_open(0, 0);
	assert_non_null(world);
	for (int cpu = 0; cpu < 2; cpu++) {
		on_cpu(cpu);
		for (int number = 0; number < NUMBERS; number++) {
			struct command command = data_begin(state, 0);

			comes_in(&command);
			memcpy(beside[cpu][number], world->beside, sizeof(world->beside));
		}
	}
	for (int one = 0; one < NUMBERS; one++)
		for (int other = 0; other < NUMBERS; other++)
			assert_memory_not_equal(beside[0][one], beside[1][other],
						sizeof(beside[0][one]));
	on_cpu(0);
	world_close(world);
	*state = before;
}

/* What stands in front of the TCP header is parsed again. */
static void options_and_extensions(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct command command = data_begin(state, ipv6);

		command.dial.shape.extensions = ipv6;
		command.dial.shape.ip_options = ipv6 ? 0 : 4;
		comes_in(&command);
		assert_false(numbered(command.dial.world));
		assert_true(read_as(&command));
	}
}

/* What came out of a program leaves by another as it is; without its number if `parsed`. */
static void leaves(struct world *world, enum program program, int parsed)
{
	struct frame frame = world->output;

	assert_true(numbered(world));
	if (parsed)
		memset(world->beside, 0, sizeof(world->beside));
	run_passes(world, program, &frame);
}

/* The server's reply was followed: it stands on the device by which it came in. */
static void followed(const struct control *control, const struct talk *talk)
{
	const struct ftpfix_expectation *expectation = talk_expected(talk, PORT);

	counted(talk->world, EXPECTED_KEPT, CARRIED_OF(&control->dial, 2, 6 + strlen(EXTENDED)));
	assert_non_null(expectation);
	assert_int_equal(expectation->out_ifindex, talk->world->server);
	assert_int_equal(sessions_count(talk->world), 1);
}

/* What of a control connection leaves is read by what was known when it came in. */
static void reply_without_the_table(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, ipv6, FTPFIX_BALANCE_MAGLEV);
		struct control control = control_open(&talk);

		control_up(&control, PSH | ACK, "EPSV\r\n");
		dial_down(&control.dial, PSH | ACK, EXTENDED);
		world_clear_flows(talk.world);
		leaves(talk.world, UPLINK_EGRESS, 0);
		followed(&control, &talk);
	}
}

/* The same of a command, which was read where it came in. */
static void command_without_the_table(void **state)
{
	for (int parsed = 0; parsed < 2; parsed++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
		struct control control = control_open(&talk);

		dial_up(&control.dial, PSH | ACK, "EPSV\r\n");
		assert_int_equal(sessions_count(talk.world), 1);
		world_clear_flows(talk.world);
		leaves(talk.world, INSIDE_EGRESS, parsed);
		assert_int_equal(sessions_count(talk.world), parsed ? 2 : 1);
	}
}

/* Parsed, and found in the table, a control connection's packets are treated the same. */
static void control_parsed(void **state)
{
	for (int round = 0; round < 4; round++) {
		enum ftpfix_forward forward =
			round & 1 ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT;
		struct talk talk = balance_begin(state, forward, round / 2, FTPFIX_BALANCE_MAGLEV);
		struct control control = control_open(&talk);

		dial_up(&control.dial, PSH | ACK, "EPSV\r\n");
		leaves(talk.world, INSIDE_EGRESS, 1);
		dial_down(&control.dial, PSH | ACK, EXTENDED);
		leaves(talk.world, UPLINK_EGRESS, 1);
		followed(&control, &talk);
	}
}

/* Number and note are of the CPU that both programs run on. */
static int setup(void **state)
{
	on_cpu(0);
	return world_setup(state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(without_its_number),
		cmocka_unit_test(twice),
		cmocka_unit_test(changed),
		cmocka_unit_test(tagged),
		cmocka_unit_test(one_arm),
		cmocka_unit_test(no_more_the_last),
		cmocka_unit_test(xdp_came_between),
		cmocka_unit_test(of_another_cpu),
		cmocka_unit_test(options_and_extensions),
		cmocka_unit_test(reply_without_the_table),
		cmocka_unit_test(command_without_the_table),
		cmocka_unit_test(control_parsed),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
