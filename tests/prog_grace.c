// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Grace periods: a slot of the table of flows that was given back is another connection's only when
 * every program that was under way then has ended, however long its CPU stands still.
 */
#include <bpf/btf.h>
#include <pthread.h>

#include "prog_fast.h"
#include "prog_refuse.h"

/* Above the few ticks that a slot always waits. */
#define GRACE_US 10000

/* The CPU that the tests run on, and one that stands still. */
#define OWN_CPU 0
#define STOPPED_CPU 1

/* A small table. */
#define GROUPS 1
#define CONNECTIONS (GROUPS * FTPFIX_GROUP_SLOTS / 2)

/* Where a field of each CPU's working memory is. */
static __u32 scratch_offset(const struct world *world, const char *field)
{
	const struct btf *btf = bpf_object__btf(world->skeleton->obj);
	const struct btf_type *type;
	int id = btf__find_by_name_kind(btf, "scratch", BTF_KIND_STRUCT);

	assert_in_range(id, 1, btf__type_cnt(btf));
	type = btf__type_by_id(btf, id);
	for (int member = 0; member < btf_vlen(type); member++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[member].name_off);

		if (!strcmp(name, field))
			return btf_member_bit_offset(type, member) / 8;
	}
	fail_msg("no field %s", field);
	return 0;
}

/* The working memory of all CPUs; to be freed. */
static __u8 *scratch_read(const struct world *world, __u32 *size)
{
	const __u32 first = 0;
	__u8 *memory;

	*size = bpf_map__value_size(world->skeleton->maps.scratches);
	*size = (*size + 7) / 8 * 8;
	memory = calloc(libbpf_num_possible_cpus(), *size);
	assert_non_null(memory);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(world->skeleton->maps.scratches), &first, memory),
		0);
	return memory;
}

/* Since when a program is under way on that CPU, by its own note. */
static __u32 noted(const struct world *world, int cpu, const char *field)
{
	__u32 size, ticks;
	__u8 *memory = scratch_read(world, &size);

	memcpy(&ticks, memory + cpu * size + scratch_offset(world, field), sizeof(ticks));
	free(memory);
	return ticks;
}

/* Makes it look as if a program stood still on STOPPED_CPU since then; 0: no more. */
static void stands_still(const struct world *world, const char *field, __u32 since_ticks)
{
	const __u32 first = 0;
	__u32 size;
	__u8 *memory = scratch_read(world, &size);

	memcpy(memory + STOPPED_CPU * size + scratch_offset(world, field), &since_ticks,
	       sizeof(since_ticks));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skeleton->maps.scratches), &first,
					     memory, BPF_ANY),
			 0);
	free(memory);
}

static void needs_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) <= STOPPED_CPU) {
		print_message("# needs %d CPUs\n", STOPPED_CPU + 1);
		skip();
	}
	on_cpu(OWN_CPU);
}

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

/* Each program says that it is under way, and that it has ended. */
static void programs_say_so(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct running running = {};

	needs_cpus();
	dial_up_frame(&(struct dial){.world = world,
				     .shape = talk.shape,
				     .client = talk.client,
				     .vip = talk.vip,
				     .client_port = 50000,
				     .public_port = 8080},
		      ACK, 1, "", 0, &running.frame);
	for (int number = 0; number < PROGRAM_COUNT + FAST_TAGGED + 1; number++) {
		__u32 seen = 0;

		running.xdp = number >= PROGRAM_COUNT;
		running.program = running.xdp ? fast_program(world, number - PROGRAM_COUNT)
					      : world->program[number];
		running.ifindex = running.xdp ? world->uplink : program_interface(world, number);
		for (int try = 0; try < 100 && !seen; try++)
			seen = seen_noted(world, &running, run_often, "packet_since_ticks");
		assert_int_equal(seen & 1, 1);
		assert_int_equal(noted(world, STOPPED_CPU, "packet_since_ticks"), 0);
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
		stands_still(talk.world, field, (now_ns() >> FTPFIX_TICK_SHIFT) | 1);
		assert_ptr_equal(comes_and_goes(&dial), slot);
		before = *slot;
		other = comes_and_goes(&dial);
		assert_ptr_not_equal(other, slot);
		assert_memory_equal(slot, &before, sizeof(before));
		assert_ptr_not_equal(comes_and_goes(&dial), other);
		assert_memory_equal(slot, &before, sizeof(before));
		stands_still(talk.world, field, (now_ns() >> FTPFIX_TICK_SHIFT) | 1);
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
	stands_still(world, "packet_since_ticks", (now_ns() >> FTPFIX_TICK_SHIFT) | 1);
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
	flow_of(world, dial_up_key(&dial))->seen_ticks = ticks_before(FTPFIX_FLOW_CLOSING_NS * 3 / 2);
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
		cmocka_unit_test(sweep_says_so),
		cmocka_unit_test(slot_waits_for_packets),
		cmocka_unit_test(slot_waits_for_the_sweep),
		cmocka_unit_test(full_table_waits),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
