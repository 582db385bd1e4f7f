// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Both CPUs in the table of flows at the same time: connections open, move bytes and end in a
 * table that is small, with too few turns and too few source ports, so that they take places
 * from each other all the time. At every pause the table must be whole, and no
 * packet may ever have gone another connection's way.
 *
 * Threads must not fail by cmocka, which jumps: each notes its first failure.
 */
#include <pthread.h>

#include "prog_balance.h"
#include "prog_refuse.h"

#define CPUS 2
#define THREADS 4
#define CLIENTS 10 /* of each thread */
#define ROUNDS 40
#define STEPS 2000 /* of each thread between two pauses */

/* Few, but more than all hold: what was given back has its grace period. */
#define GROUPS 31
#define SLOTS (GROUPS * FTPFIX_GROUP_SLOTS)
#define TURNS 8
#define PORT_LOW 40000
#define PORT_COUNT 12

enum state { NONE, SYN_SENT, SYN_ANSWERED, OPEN, CLIENT_FINISHED, BOTH_FINISHED };

struct client {
	struct dial dial;
	enum state state;
	int established; /* its place must be taken by nobody */
};

struct racer {
	struct world *world;
	int cpu;
	struct client client[CLIENTS];
	struct frame output;
	__u64 random;
	__u64 carried;
	__u64 opened;
	__u64 settled;
	__u64 refused;
	__u64 lost; /* before they were established */
	char failure[512];
	pthread_barrier_t *begin;
};

static __u32 random_below(struct racer *racer, __u32 bound)
{
	racer->random = racer->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (racer->random >> 33) % bound;
}

static void failed(struct racer *racer, const struct client *client, const char *what, int verdict)
{
	if (*racer->failure)
		return;
	snprintf(racer->failure, sizeof(racer->failure),
		 "%s: client %#x, port %u, state %d, verdict %d", what, client->dial.client,
		 client->dial.source_port, client->state, verdict);
}

static int race_run(struct racer *racer, enum program program, const struct frame *frame)
{
	struct __sk_buff context = {.ifindex = program_interface(racer->world, program)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->length, .data_out = racer->output.bytes,
		    .data_size_out = sizeof(racer->output.bytes), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	if (bpf_prog_test_run_opts(racer->world->program[program], &options))
		return -1;
	racer->output.length = options.data_size_out;
	return (int)options.retval;
}

static int same(const struct frame *one, const struct frame *other)
{
	return one->length == other->length && !memcmp(one->bytes, other->bytes, one->length);
}

/* The client's entry, if it is that of the connection which it believes to have. Nobody else
 * opens one of its tuple: if it is there now, it was there all the time. */
static const struct ftpfix_flow *own_flow(const struct client *client)
{
	const struct ftpfix_flow *flow = flow_of(client->dial.world, dial_up_key(&client->dial));

	return flow && ntohs(flow->be_source_port) == client->dial.source_port ? flow : NULL;
}

/* Whether the server's packet was sent to whom its port belongs now. */
static int carried_to_another(const struct racer *racer, const struct client *client, __u8 flags,
			      const char *bytes, const struct frame *input)
{
	const __u8 *network = racer->output.bytes + input->network;
	struct dial other = client->dial;
	struct ftpfix_addr addr = {};
	struct frame expected;
	__be16 be_port;

	if (other.shape.ipv6)
		memcpy(&addr, network + 24, 16);
	else
		memcpy(&addr.be_word[3], network + 16, 4);
	memcpy(&be_port, racer->output.bytes + input->transport + 2, sizeof(be_port));
	other.client = dial_number(&other, &addr);
	other.client_port = ntohs(be_port);
	dial_down_frame(&other, flags, other.server_sequence, bytes, 1, &expected);
	return same(&racer->output, &expected);
}

/* A packet was not carried. That is right when the connection gave way before it was established:
 * then it is nobody's, or, as its port may be another's by now, that one's. */
static void not_carried(struct racer *racer, struct client *client, int to_another, int verdict,
			const struct frame *input)
{
	if (client->established || own_flow(client))
		failed(racer, client, "the packet of a connection that is there", verdict);
	else if (verdict == TC_ACT_UNSPEC ? !same(&racer->output, input)
					  : verdict != TC_ACT_SHOT && !to_another)
		failed(racer, client, "the packet of a connection that is gone", verdict);
	client->state = NONE;
	racer->lost++;
}

/* The next packet of the client or of the server. Returns 1 when it was carried. */
static int exchange(struct racer *racer, struct client *client, int from_client, __u8 flags,
		    const char *bytes)
{
	struct dial *dial = &client->dial;
	struct frame input, expected;
	int verdict;

	if (from_client) {
		dial_up_frame(dial, flags, dial->client_sequence, bytes, 0, &input);
		dial_up_frame(dial, flags, dial->client_sequence, bytes, 1, &expected);
	} else {
		dial_down_frame(dial, flags, dial->server_sequence, bytes, 0, &input);
		dial_down_frame(dial, flags, dial->server_sequence, bytes, 1, &expected);
	}
	verdict = race_run(racer, from_client ? UPLINK_INGRESS : INSIDE_INGRESS, &input);
	if (verdict != TC_ACT_REDIRECT || !same(&racer->output, &expected)) {
		not_carried(racer, client,
			    verdict == TC_ACT_REDIRECT && !from_client &&
				    carried_to_another(racer, client, flags, bytes, &input),
			    verdict, &input);
		return 0;
	}
	*(from_client ? &dial->client_sequence : &dial->server_sequence) += dial_step(flags, bytes);
	racer->carried++;
	return 1;
}

/* The client's SYN is carried, from whatever port; or it is refused. */
static void begin(struct racer *racer, struct client *client)
{
	struct dial *dial = &client->dial;
	struct frame input, expected;
	__be16 be_port;
	int verdict;

	dial_up_frame(dial, SYN, dial->client_sequence, "", 0, &input);
	verdict = race_run(racer, UPLINK_INGRESS, &input);
	client->state = NONE;
	if (verdict != TC_ACT_REDIRECT) {
		not_carried(racer, client, 0, verdict, &input);
		return;
	}
	reset_for(dial, &input, SYN, "", &expected);
	if (same(&racer->output, &expected)) {
		racer->refused++;
		return;
	}
	memcpy(&be_port, racer->output.bytes + input.transport, sizeof(be_port));
	dial->source_port = ntohs(be_port);
	dial_up_frame(dial, SYN, dial->client_sequence, "", 1, &expected);
	if (!same(&racer->output, &expected))
		failed(racer, client, "a SYN was changed wrongly", verdict);
	dial->client_sequence++;
	client->state = SYN_SENT;
	racer->opened++;
}

/* The last packet of the handshake: from now on nobody may take its place. */
static void settle(struct racer *racer, struct client *client)
{
	const struct ftpfix_flow *flow;

	if (!exchange(racer, client, 1, ACK, ""))
		return;
	flow = own_flow(client);
	client->state = flow ? OPEN : NONE;
	client->established = !!flow;
	if (!flow)
		racer->lost++;
	else if (!(flow->marks & FTPFIX_MARK_SETTLED))
		failed(racer, client, "not established", 0);
	racer->settled += !!flow;
}

/* A reset takes the connection away, or closes it where it was established. */
static void reset(struct racer *racer, struct client *client, int from_client)
{
	const struct ftpfix_flow *flow;

	if (!exchange(racer, client, from_client, from_client ? RST : RST | ACK, ""))
		return;
	flow = own_flow(client);
	if (flow && !(client->established && flow->marks & FTPFIX_MARK_CLOSED))
		failed(racer, client, "a reset left it", 0);
	client->established = 0;
	client->state = NONE;
}

static void step_opening(struct racer *racer, struct client *client)
{
	__u32 chance = random_below(racer, 10);

	if (chance == 0) {
		/* Nothing comes of it any more. */
		client->state = NONE;
	} else if (chance == 1) {
		reset(racer, client, random_below(racer, 2));
	} else if (client->state == SYN_ANSWERED) {
		settle(racer, client);
	} else if (chance == 2) {
		client->dial.client_sequence--;
		begin(racer, client);
	} else if (exchange(racer, client, 0, SYN | ACK, "")) {
		client->state = SYN_ANSWERED;
	}
}

static void step_open(struct racer *racer, struct client *client)
{
	__u32 chance = random_below(racer, 8);

	if (chance < 2)
		exchange(racer, client, 1, ACK, "");
	else if (chance < 4)
		exchange(racer, client, 0, PSH | ACK, "200 ok\r\n");
	else if (chance < 6)
		reset(racer, client, chance & 1);
	else if (exchange(racer, client, 1, FIN | ACK, ""))
		client->state = CLIENT_FINISHED;
}

static void step(struct racer *racer, struct client *client)
{
	switch (client->state) {
	case NONE:
		client->dial.client_sequence = random_below(racer, -1);
		client->dial.server_sequence = random_below(racer, -1);
		begin(racer, client);
		break;
	case SYN_SENT:
	case SYN_ANSWERED:
		step_opening(racer, client);
		break;
	case OPEN:
		step_open(racer, client);
		break;
	case CLIENT_FINISHED:
		if (exchange(racer, client, 0, FIN | ACK, ""))
			client->state = BOTH_FINISHED;
		break;
	case BOTH_FINISHED:
		if (!exchange(racer, client, 1, ACK, ""))
			break;
		client->established = 0;
		client->state = NONE;
		break;
	}
}

static void *race(void *context)
{
	struct racer *racer = context;

	on_cpu(racer->cpu);
	pthread_barrier_wait(racer->begin);
	for (int number = 0; number < STEPS && !*racer->failure; number++)
		step(racer, &racer->client[random_below(racer, CLIENTS)]);
	return NULL;
}

/* A slot that is taken holds one of a pair, stands where its key is looked for, and no other has
 * that key; one that is free holds nothing. */
static void slot_is_whole(const struct world *world, __u32 slot)
{
	const struct ftpfix_flow *flow = &world->flows[slot], *peer;
	struct flow_spot spot;

	assert_int_not_equal(*slot_tag(world, slot), FTPFIX_TAG_BUSY);
	if (*slot_tag(world, slot) == FTPFIX_TAG_FREE) {
		assert_false(flow->marks & FTPFIX_MARK_LIVE);
		return;
	}
	assert_true(flow->marks & FTPFIX_MARK_LIVE);
	flow_spot(&spot, &flow->key, world->skeleton->rodata->flow_seed, world->group_count);
	assert_int_equal(*slot_tag(world, slot), spot.tag);
	assert_true(slot / FTPFIX_GROUP_SLOTS == spot.group[0] ||
		    slot / FTPFIX_GROUP_SLOTS == spot.group[1]);
	assert_in_range(flow->peer, 0, SLOTS - 1);
	peer = &world->flows[flow->peer];
	assert_in_range(*slot_tag(world, flow->peer), FTPFIX_TAG_FIRST, 255);
	assert_int_equal(peer->peer, slot);
	assert_true((flow->place ^ peer->place) & FTPFIX_PLACE_OPENER);
	assert_int_equal((flow->marks ^ peer->marks) &
				 (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED | FTPFIX_MARK_CLOSED),
			 0);
	for (__u32 other = 0; other < slot; other++)
		if (*slot_tag(world, other))
			assert_memory_not_equal(&world->flows[other].key, &flow->key,
						sizeof(flow->key));
}

/* Returns how many connections are established. */
static int table_is_whole(const struct world *world)
{
	int opening = 0, closed = 0, established = 0;

	for (__u32 slot = 0; slot < SLOTS; slot++) {
		const struct ftpfix_flow *flow = &world->flows[slot];

		slot_is_whole(world, slot);
		if (!*slot_tag(world, slot) || !(flow->place & FTPFIX_PLACE_OPENER))
			continue;
		if (flow->marks & FTPFIX_MARK_CLOSED)
			closed++;
		else if (flow->marks & FTPFIX_MARK_SETTLED)
			established++;
		else
			opening++;
	}
	assert_in_range(opening, 0, TURNS);
	assert_in_range(closed, 0, TURNS);
	return established;
}

/* What is counted of each server's sessions. */
static __s64 loads_of(const struct racer *racers)
{
	return balance_load(&racers[0].client[0].dial) + balance_load(&racers[1].client[0].dial);
}

static void pause_is_whole(const struct racer *racers)
{
	int established = table_is_whole(racers->world), believed = 0;

	for (int number = 0; number < THREADS; number++) {
		if (*racers[number].failure)
			fail_msg("thread %d: %s", number, racers[number].failure);
		for (int client = 0; client < CLIENTS; client++) {
			believed += racers[number].client[client].established;
			if (racers[number].client[client].established)
				assert_non_null(own_flow(&racers[number].client[client]));
		}
	}
	assert_int_equal(established, believed);
	assert_int_equal(loads_of(racers), established);
}

/* Every second thread's clients are of IPv6. */
static void racer_begin(struct racer *racer, struct talk talk, int number)
{
	racer->world = talk.world;
	racer->cpu = number / 2 % CPUS;
	racer->random = number + 1;
	talk.shape.ipv6 = number & 1;
	for (int client = 0; client < CLIENTS; client++) {
		struct dial *dial = &racer->client[client].dial;

		*dial = balance_dial(&talk);
		dial->client += number * CLIENTS + client;
		dial->client_port = PORT_LOW + client % 2;
		dial->source_port = dial->client_port;
		if (talk.world->service.forward == FTPFIX_FORWARD_NAT)
			dial->source = dial->client;
	}
}

/* All that is left goes: nothing stays in the table, and no server is thought to have anything. */
static void all_ends(struct racer *racers)
{
	struct world *world = racers->world;

	for (int number = 0; number < THREADS; number++)
		for (int client = 0; client < CLIENTS; client++)
			if (racers[number].client[client].established)
				reset(&racers[number], &racers[number].client[client], client & 1);
	pause_is_whole(racers);
	for (__u32 slot = 0; slot < SLOTS; slot++)
		world->flows[slot].seen_ticks -= 2 * FTPFIX_FLOW_CLOSING_NS >> FTPFIX_TICK_SHIFT;
	sweep(world);
	for (__u32 slot = 0; slot < SLOTS; slot++)
		assert_int_equal(*slot_tag(world, slot), FTPFIX_TAG_FREE);
	assert_int_equal(loads_of(racers), 0);
}

/* All threads go so many steps. */
static void race_round(struct racer *racers)
{
	pthread_barrier_t begin;
	pthread_t thread[THREADS];

	pthread_barrier_init(&begin, NULL, THREADS);
	for (int number = 0; number < THREADS; number++) {
		racers[number].begin = &begin;
		assert_int_equal(pthread_create(&thread[number], NULL, race, &racers[number]), 0);
	}
	for (int number = 0; number < THREADS; number++)
		pthread_join(thread[number], NULL);
	pthread_barrier_destroy(&begin);
}

static void many_at_once(void **state, enum ftpfix_forward forward)
{
	struct world *world = world_begin(state, forward);
	static struct racer racers[THREADS];
	struct talk talk = talk_of(world);

	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		print_message("# needs %d CPUs\n", CPUS);
		skip();
	}
	memset(racers, 0, sizeof(racers));
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		talk.shape.ipv6 = ipv6;
		balance_virtual(&talk, ipv6, FTPFIX_BALANCE_MAGLEV);
	}
	for (int number = 0; number < THREADS; number++)
		racer_begin(&racers[number], talk, number);
	for (int round = 0; round < ROUNDS; round++) {
		race_round(racers);
		pause_is_whole(racers);
	}
	for (int number = 0; number < THREADS; number++) {
		struct racer *racer = &racers[number];

		print_message("# thread %d: %llu carried, %llu opened, %llu established, "
			      "%llu refused, %llu gave way\n",
			      number, racer->carried, racer->opened, racer->settled, racer->refused,
			      racer->lost);
		assert_true(racer->settled && racer->refused && racer->lost);
	}
	all_ends(racers);
}

static void source_kept(void **state)
{
	many_at_once(state, FTPFIX_FORWARD_NAT);
}

static void sources_of_a_pool(void **state)
{
	many_at_once(state, FTPFIX_FORWARD_FULLNAT);
}

static void small(struct ftpfix *skeleton)
{
	skeleton->rodata->flow_group_count = GROUPS;
	skeleton->rodata->turn_places = TURNS;
	skeleton->rodata->source_port_low = PORT_LOW;
	skeleton->rodata->source_port_high = PORT_LOW + PORT_COUNT - 1;
	bpf_map__set_max_entries(skeleton->maps.flow_groups, GROUPS);
	bpf_map__set_max_entries(skeleton->maps.flows, SLOTS);
	bpf_map__set_max_entries(skeleton->maps.turns, FTPFIX_TURN_KINDS * TURNS);
}

static int small_setup(void **state)
{
	return world_setup_configured(state, 0, small);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_kept),
		cmocka_unit_test(sources_of_a_pool),
	};

	return cmocka_run_group_tests(tests, small_setup, world_teardown);
}
