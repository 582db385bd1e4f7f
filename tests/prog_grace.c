// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Grace periods: a slot of the table of flows that was given back is another connection's only when
 * every program that was under way then has ended, however long its CPU stands still.
 */
#include <pthread.h>

#include "prog_error.h"
#include "prog_fast.h"
#include "prog_grace.h"
#include "prog_refuse.h"

/* A small table. */
#define GROUPS 1
#define CONNECTIONS (GROUPS * FTPFIX_GROUP_SLOTS / 2)

struct running {
	int program;
	int xdp;
	__u32 ifindex;
	struct frame frame;
	volatile int ended;
};

/* Runs a program on STOPPED_CPU many times, for some milliseconds. */
static void *run_often(void *context)
{
	struct running *running = context;
	struct __sk_buff skb = {.ifindex = running->ifindex};
	struct xdp_md xdp = {.data_end = running->frame.length,
			     .ingress_ifindex = running->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = running->frame.bytes,
		    .data_size_in = running->frame.length, .repeat = 20000);

	on_cpu(STOPPED_CPU);
	options.ctx_in = running->xdp ? (void *)&xdp : (void *)&skb;
	options.ctx_size_in = running->xdp ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(running->program, &options))
		running->program = -1;
	running->ended = 1;
	return NULL;
}

/* The same of the sweep. */
static void *sweep_often(void *context)
{
	struct running *running = context;
	LIBBPF_OPTS(bpf_test_run_opts, options);

	on_cpu(STOPPED_CPU);
	for (int round = 0; round < 2000 && running->program >= 0; round++)
		if (bpf_prog_test_run_opts(running->program, &options))
			running->program = -1;
	running->ended = 1;
	return NULL;
}

/* What other CPUs saw noted while the program ran, or 0. */
static __u32 seen_noted(const struct world *world, struct running *running,
			void *(*often)(void *context), const char *field)
{
	__u32 seen = 0, now;
	pthread_t thread;

	running->ended = 0;
	assert_int_equal(pthread_create(&thread, NULL, often, running), 0);
	while (!running->ended && !seen)
		seen = noted(world, STOPPED_CPU, field);
	now = now_ns() >> FTPFIX_TICK_SHIFT;
	pthread_join(thread, NULL);
	assert_int_not_equal(running->program, -1);
	if (seen)
		assert_in_range(now - seen + 1, 0, 1000);
	return seen;
}

/* The first programs are those of TC, the others XDP's. */
#define PROGRAMS (PROGRAM_COUNT + FAST_TAGGED + 1)

static __u32 interface_of(const struct world *world, int number)
{
	return number < PROGRAM_COUNT ? program_interface(world, number) : world->uplink;
}

static int program_of(const struct world *world, int number)
{
	return number < PROGRAM_COUNT ? world->program[number]
				      : fast_program(world, number - PROGRAM_COUNT);
}

/* A packet from a control port to one, which each program of TC takes for one of a session. */
static void control_frame(int ipv6, struct frame *frame)
{
	frame_build(frame, &(struct spec){.ipv6 = ipv6,
					  .source = ip4(198, 51, 100, 10),
					  .destination = ip4(203, 0, 113, 5),
					  .source_port = SERVICE_PORT,
					  .destination_port = SERVICE_PORT,
					  .flags = ACK});
}

/* Each program that looks something up says that it is under way, and that it has ended. */
static void programs_say_so(void **state)
{
	struct talk talk = balance_begin(state, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct world *world = talk.world;
	struct dial dial = balance_dial(&talk);
	struct running running = {};

	needs_cpus();
	balance_open(&dial, 1);
	for (int number = 0; number < PROGRAMS; number++) {
		__u32 seen = 0;

		running.xdp = number >= PROGRAM_COUNT;
		running.program = program_of(world, number);
		running.ifindex = interface_of(world, number);
		if (running.xdp)
			dial_up_frame(&dial, ACK, dial.client_sequence, "", 0, &running.frame);
		else
			control_frame(0, &running.frame);
		for (int try = 0; try < 100 && !seen; try++)
			seen = seen_noted(world, &running, run_often, "packet_since_ticks");
		assert_int_equal(seen & 1, 1);
		assert_int_equal(noted(world, STOPPED_CPU, "packet_since_ticks"), 0);
	}
}

/* Whether the program looks for something that has a grace period, for this packet. However that
 * ends, nothing waits for it afterwards. */
static int looks(struct world *world, int number, const struct frame *frame)
{
	static struct fast_output output;

	note(world, OWN_CPU, "now_ticks", 0);
	if (number < PROGRAM_COUNT)
		run(world, number, frame);
	else
		fast_run(world, number - PROGRAM_COUNT, interface_of(world, number), frame->bytes,
			 frame->length, &output);
	assert_int_equal(noted(world, OWN_CPU, "packet_since_ticks"), 0);
	return noted(world, OWN_CPU, "now_ticks") != 0;
}

static void nobody_looks(struct world *world, const struct frame *frame)
{
	for (int number = 0; number < PROGRAMS; number++)
		assert_int_equal(looks(world, number, frame), 0);
}

/* For what is none of ours no program looks at anything that others may take out of a table. */
static void others_look_for_nothing(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, ipv6, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk), other = dial;
		struct frame frame;
		__u8 *protocol;

		needs_cpus();
		/* A table that is not empty. */
		balance_open(&dial, 1);
		other.public_port = 8080;
		dial_up_frame(&other, SYN, 1, "", 0, &frame);
		nobody_looks(talk.world, &frame);
		dial_up_frame(&other, PSH | ACK, 1, "GET / HTTP/1.0\r\n", 0, &frame);
		nobody_looks(talk.world, &frame);
		dial_up_frame(&other, RST, 1, "", 0, &frame);
		nobody_looks(talk.world, &frame);
		/* Cut short; not TCP; an echo request, where the flags and ports were. */
		frame.length = frame.transport + 10;
		nobody_looks(talk.world, &frame);
		dial_up_frame(&dial, ACK, dial.client_sequence, "", 0, &frame);
		protocol = frame.bytes + frame.network + (ipv6 ? 6 : 9);
		*protocol = IPPROTO_UDP;
		nobody_looks(talk.world, &frame);
		*protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		frame.bytes[frame.transport] = ipv6 ? SIX_ECHO : ECHO;
		nobody_looks(talk.world, &frame);
	}
}

/* An error about the client's next packet to its server. */
static void unreachable_frame(const struct dial *dial, struct frame *frame)
{
	int ipv6 = dial->shape.ipv6;
	struct frame quoted;

	dial_up_frame(dial, ACK, dial->client_sequence, "", 1, &quoted);
	error_build(frame, &(struct error){.outer = {.ipv6 = ipv6,
						     .source = dial->server,
						     .destination = dial->source},
					   .type = ipv6 ? SIX_UNREACHABLE : UNREACHABLE,
					   .quote = quoted.bytes + quoted.network,
					   .quote_length = quoted.end - quoted.network});
}

/* For what may be ours they say so. */
static void ours_are_looked_for(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, ipv6, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk);
		struct world *world = talk.world;
		struct frame frame;

		needs_cpus();
		control_frame(ipv6, &frame);
		for (int number = 0; number < PROGRAM_COUNT; number++)
			assert_int_equal(looks(world, number, &frame), 1);
		dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
		assert_int_equal(looks(world, UPLINK_INGRESS, &frame), 1);
		assert_non_null(flow_of(world, dial_up_key(&dial)));
		dial.client_sequence++;
		dial_down(&dial, SYN | ACK, "");
		dial_up_frame(&dial, ACK, dial.client_sequence, "", 0, &frame);
		assert_int_equal(looks(world, UPLINK_INGRESS, &frame), 1);
		for (int number = PROGRAM_COUNT; number < PROGRAMS; number++)
			assert_int_equal(looks(world, number, &frame), 1);
		unreachable_frame(&dial, &frame);
		assert_int_equal(looks(world, INSIDE_INGRESS, &frame), 1);
		dial_up_frame(&dial, RST, dial.client_sequence, "", 0, &frame);
		assert_int_equal(looks(world, UPLINK_INGRESS, &frame), 1);
		assert_int_equal(dial_settled(&dial), 0);
	}
}

/* So they do for the SYN of a connection that was promised, where none is found yet. */
static void promised_are_looked_for(void **state)
{
	for (int number = 0; number < PROGRAMS; number++) {
		struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
		struct talk talk = talk_of(world);
		struct frame frame;
		struct dial dial;
		int opens = number == UPLINK_INGRESS ||
			    (number >= PROGRAM_COUNT && number != PROGRAM_COUNT + FAST_INSIDE &&
			     number != PROGRAM_COUNT + FAST_TAGGED);

		needs_cpus();
		talk_ask(&talk, "EPSV\r\n");
		talk_answer(&talk, EXTENDED, EXTENDED);
		dial = dial_of(&talk, PORT, PORT);
		dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
		assert_int_equal(looks(world, number, &frame), opens);
		assert_int_equal(flow_of(world, dial_up_key(&dial)) != NULL, opens);
	}
}

/* The client connects, and gives up: the slot where its entry was. */
static const struct ftpfix_flow *comes_and_goes(struct dial *dial)
{
	const struct ftpfix_flow *flow;

	dial_learn(dial);
	flow = flow_of(dial->world, dial_up_key(dial));
	assert_non_null(flow);
	dial_up(dial, RST, "");
	assert_null(flow_of(dial->world, dial_up_key(dial)));
	usleep(GRACE_US);
	return flow;
}

/* A slot waits for who was under way when it was given back, and for nobody else. */
static void slot_waits(void **state, const char *field)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct talk talk =
			balance_begin(state, FTPFIX_FORWARD_NAT, ipv6, FTPFIX_BALANCE_MAGLEV);
		struct dial dial = balance_dial(&talk);
		const struct ftpfix_flow *slot, *other;
		struct ftpfix_flow before;

		needs_cpus();
		slot = comes_and_goes(&dial);
		assert_ptr_equal(comes_and_goes(&dial), slot);
		stands_still(talk.world, field, ticks_noted());
		assert_ptr_equal(comes_and_goes(&dial), slot);
		before = *slot;
		other = comes_and_goes(&dial);
		assert_ptr_not_equal(other, slot);
		assert_memory_equal(slot, &before, sizeof(before));
		assert_ptr_not_equal(comes_and_goes(&dial), other);
		assert_memory_equal(slot, &before, sizeof(before));
		stands_still(talk.world, field, ticks_noted());
		assert_ptr_equal(comes_and_goes(&dial), slot);
		stands_still(talk.world, field, 0);
		assert_ptr_equal(comes_and_goes(&dial), slot);
	}
}

static void slot_waits_for_packets(void **state)
{
	slot_waits(state, "packet_since_ticks");
}

static void slot_waits_for_the_sweep(void **state)
{
	slot_waits(state, "sweep_since_ticks");
}

/* The SYN is refused, for there is no room. */
static void no_room(const struct dial *dial)
{
	struct frame input, expected;

	dial_up_frame(dial, SYN, dial->client_sequence, "", 0, &input);
	reset_for(dial, &input, SYN, "", &expected);
	run_check(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &expected, __FILE__,
		  __LINE__);
}

/* Where all slots wait for a CPU that stands still new connections are refused, and those that
 * are there go on; then there is room again. */
static void full_table(struct world *world)
{
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial stays = balance_dial(&talk), dial = stays;

	needs_cpus();
	balance_open(&stays, 1);
	stands_still(world, "packet_since_ticks", ticks_noted());
	for (int number = 1; number < CONNECTIONS; number++) {
		dial.client++;
		comes_and_goes(&dial);
	}
	counted(world, {FTPFIX_BALANCED_OPENED, CONNECTIONS - 1},
		{FTPFIX_BALANCED_CLOSED, CONNECTIONS - 1},
		CARRIED_OF(&dial, 2 * (CONNECTIONS - 1), 0));
	no_room(&dial);
	counted(world, {FTPFIX_BALANCED_TABLE_FULL, 1}, {FTPFIX_PACKET_REFUSED, 1},
		{FTPFIX_EVENT_SENT, 1});
	dial_up(&stays, ACK, "");
	dial_down(&stays, ACK, "");
	stands_still(world, "packet_since_ticks", 0);
	usleep(GRACE_US);
	dial_learn(&dial);
	counted(world, {FTPFIX_BALANCED_OPENED, 1}, CARRIED_OF(&dial, 3, 0));
}

/* So does the sweep, while it looks at a connection that was silent for some time. */
static void sweep_looks(struct world *world)
{
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_NAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct running running = {.program = bpf_program__fd(world->skeleton->progs.ftpfix_sweep)};
	struct dial dial = balance_dial(&talk);
	__u32 seen = 0;

	needs_cpus();
	balance_open(&dial, 1);
	flow_of(world, dial_up_key(&dial))->seen_ticks =
		ticks_before(FTPFIX_FLOW_CLOSING_NS * 3 / 2);
	for (int try = 0; try < 100 && !seen; try++)
		seen = seen_noted(world, &running, sweep_often, "sweep_since_ticks");
	assert_int_equal(seen & 1, 1);
	assert_int_equal(noted(world, STOPPED_CPU, "sweep_since_ticks"), 0);
	dial_up(&dial, ACK, "");
}

static void small(struct ftpfix *skeleton)
{
	skeleton->rodata->flow_group_count = GROUPS;
	bpf_map__set_max_entries(skeleton->maps.flow_groups, GROUPS);
	bpf_map__set_max_entries(skeleton->maps.flows, GROUPS * FTPFIX_GROUP_SLOTS);
}

static void in_small_world(void **state, void (*test)(struct world *world))
{
	struct world *world;

	world_begin(state, FTPFIX_FORWARD_NAT);
	world = world_open_configured(0, 0, small);
	assert_non_null(world);
	test(world);
	world_close(world);
}

static void full_table_waits(void **state)
{
	in_small_world(state, full_table);
}

static void sweep_says_so(void **state)
{
	in_small_world(state, sweep_looks);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_say_so),
		cmocka_unit_test(others_look_for_nothing),
		cmocka_unit_test(ours_are_looked_for),
		cmocka_unit_test(promised_are_looked_for),
		cmocka_unit_test(sweep_says_so),
		cmocka_unit_test(slot_waits_for_packets),
		cmocka_unit_test(slot_waits_for_the_sweep),
		cmocka_unit_test(full_table_waits),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
