// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Turns: of connections that open, and of those that are closed, no more stand in the table
 * than there are places; the oldest goes. Those that are established are not touched.
 */
#include "prog_balance.h"

#define PLACES 4

/* Data and control connections, IPv4 and IPv6, in each of the ways through the node. */
#define ROUNDS 12

static struct world *past_the_stack, *through_the_stack;

/* Connections of one kind, each with a client of its own. */
struct crowd {
	struct talk talk;
	int control;
	int stack;     /* 1: past both programs of the node's way, each moves it */
	__u32 entries; /* of one connection */
	__u32 clients; /* so far */
	__u32 announced;
	__u32 counted; /* of these */
};

/* No connection has had a turn yet. */
static void turns_begin(struct world *world)
{
	const __u32 none = 0;

	memset(world->skeleton->bss->turns_taken, 0, sizeof(world->skeleton->bss->turns_taken));
	for (__u32 place = 0; place < FTPFIX_TURN_KINDS * PLACES; place++)
		balance_write(world->skeleton->maps.turns, &place, &none);
}

static struct crowd crowd_begin(int round)
{
	int ipv6 = round & 1, control = round >> 1 & 1, way = round >> 2;
	enum ftpfix_forward forward = way ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT;
	struct world *world = way == 2 ? through_the_stack : past_the_stack;
	struct crowd crowd = {.control = control, .stack = way == 2, .entries = way == 2 ? 4 : 2};

	if (control) {
		crowd.talk = balance_begin((void **)&world, forward, ipv6, FTPFIX_BALANCE_MAGLEV);
	} else {
		crowd.talk = talk_of(world_begin((void **)&world, forward));
		crowd.talk.shape.ipv6 = ipv6;
	}
	turns_begin(world);
	return crowd;
}

/* The connection of this client: to the virtual address, or expected after an announcement in a
 * session of its own. */
static struct dial crowd_dial_of(struct crowd *crowd, __u32 client)
{
	struct talk talk = crowd->talk;
	struct dial dial;

	talk.client += client;
	talk.client_port += crowd->control ? client : ++crowd->announced;
	talk.peer_port = talk.client_port;
	if (talk.world->service.forward == FTPFIX_FORWARD_NAT)
		talk.peer = talk.client;
	if (crowd->control)
		return balance_dial(&talk);
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	dial = dial_of(&talk, PORT, PORT);
	dial.client_port = dial.source_port = 50000 + client;
	return dial;
}

/* The next client's. */
static struct dial crowd_dial(struct crowd *crowd)
{
	return crowd_dial_of(crowd, ++crowd->clients);
}

/* A segment enters the node by one program and leaves it by another: what came out at last. */
static void crosses_at(struct world *world, enum program enters, enum program leaves,
		       const struct frame *input, const struct frame *output, const char *file,
		       int line)
{
	struct frame middle;

	if (run(world, enters, input) != TC_ACT_UNSPEC)
		_fail(file, line);
	middle = world->output;
	run_check(world, leaves, &middle, TC_ACT_UNSPEC, output, file, line);
}

static void up_at(const struct crowd *crowd, struct dial *dial, __u8 flags, const char *file,
		  int line)
{
	struct frame input, output;

	if (!crowd->stack) {
		dial_up_at(dial, flags, "", file, line);
		return;
	}
	dial_up_frame(dial, flags, dial->client_sequence, "", 0, &input);
	dial->shape.ttl = 65;
	dial_up_frame(dial, flags, dial->client_sequence, "", 1, &output);
	dial->shape.ttl = 0;
	crosses_at(dial->world, UPLINK_INGRESS, INSIDE_EGRESS, &input, &output, file, line);
	dial->client_sequence += dial_step(flags, "");
}

static void down_at(const struct crowd *crowd, struct dial *dial, __u8 flags, const char *file,
		    int line)
{
	struct frame input, output;

	if (!crowd->stack) {
		dial_down_at(dial, flags, "", file, line);
		return;
	}
	dial_down_frame(dial, flags, dial->server_sequence, "", 0, &input);
	dial->shape.ttl = 65;
	dial_down_frame(dial, flags, dial->server_sequence, "", 1, &output);
	dial->shape.ttl = 0;
	crosses_at(dial->world, INSIDE_INGRESS, UPLINK_EGRESS, &input, &output, file, line);
	dial->server_sequence += dial_step(flags, "");
}

#define up(crowd, dial, flags) up_at(crowd, dial, flags, __FILE__, __LINE__)
#define down(crowd, dial, flags) down_at(crowd, dial, flags, __FILE__, __LINE__)

static void settles(const struct crowd *crowd, struct dial *dial)
{
	down(crowd, dial, SYN | ACK);
	up(crowd, dial, ACK);
}

static void closes(const struct crowd *crowd, struct dial *dial)
{
	up(crowd, dial, FIN | ACK);
	down(crowd, dial, FIN | ACK);
	up(crowd, dial, ACK);
}

/* What happened since it was counted last. */
struct events {
	__s64 opened, established, closed, crowded_out;
	__s64 packets;
};

static void happened_at(struct crowd *crowd, struct events events, const char *file, int line)
{
	const struct dial dial = {.shape = crowd->talk.shape};
	__u32 announced = crowd->announced - crowd->counted;
	int control = crowd->control;

	crowd->counted = crowd->announced;
	counted_check(
		crowd->talk.world,
		(struct change[]){
			{control ? FTPFIX_BALANCED_OPENED : FTPFIX_CONNECTION_OPENED,
			 events.opened},
			{FTPFIX_BALANCED_ESTABLISHED, control ? events.established : 0},
			{control ? FTPFIX_BALANCED_CLOSED : FTPFIX_CONNECTION_CLOSED,
			 events.closed},
			{control ? FTPFIX_BALANCED_CROWDED_OUT : FTPFIX_CONNECTION_CROWDED_OUT,
			 events.crowded_out},
			{FTPFIX_ANNOUNCEMENT_KEPT, announced},
			{FTPFIX_CONNECTION_EXPECTED, announced},
			CARRIED_OF(&dial, events.packets, 0),
			NOTHING,
		},
		file, line);
}

#define happened(crowd, ...) happened_at(crowd, (struct events){__VA_ARGS__}, __FILE__, __LINE__)

/* So many connections stand in the table, and nothing else. */
static void stand(const struct crowd *crowd, __u32 connections)
{
	assert_int_equal(flows_taken(crowd->talk.world), connections * crowd->entries);
	assert_int_equal(flows_live(crowd->talk.world), connections * crowd->entries);
}

/* As the connection is between the two programs of its way. */
static struct ftpfix_tuple middle_key(const struct dial *dial)
{
	struct ftpfix_tuple key = dial_down_key(dial);

	key = tuple_turned(&key);
	key.source = dial_address(dial, dial->client);
	return key;
}

/* Nothing of the connection is left: its packets are nobody's. */
static void is_gone(struct crowd *crowd, const struct dial *dial)
{
	struct ftpfix_tuple middle = middle_key(dial);

	assert_null(flow_of(dial->world, dial_up_key(dial)));
	assert_null(flow_of(dial->world, dial_down_key(dial)));
	assert_null(flow_of(dial->world, middle));
	assert_null(flow_of(dial->world, tuple_turned(&middle)));
	dial_down_passes(dial, ACK, "");
	dial_up_passes(dial, ACK, "");
	happened(crowd, 0);
}

/* The connection is there, and goes on. */
static void goes_on(struct crowd *crowd, struct dial *dial)
{
	down(crowd, dial, ACK);
	up(crowd, dial, ACK);
	happened(crowd, .packets = 2);
}

static void load_is(const struct crowd *crowd, __s64 sessions)
{
	const struct dial dial = balance_dial(&crowd->talk);

	assert_int_equal(balance_load(&dial), crowd->control ? sessions : 0);
}

/* As many SYNs as there are places, each of a client of its own. */
static void all_open(struct crowd *crowd, struct dial *dials)
{
	for (int number = 0; number < PLACES; number++) {
		dials[number] = crowd_dial(crowd);
		up(crowd, &dials[number], SYN);
	}
	happened(crowd, .opened = PLACES, .packets = PLACES);
}

/* One more client's SYN. */
static struct dial one_more(struct crowd *crowd)
{
	struct dial dial = crowd_dial(crowd);

	up(crowd, &dial, SYN);
	return dial;
}

/* The first that opened goes, whether its server has answered or not, and its whole place in
 * the table with it. */
static void oldest_that_opens_goes(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES], more[PLACES];

		all_open(&crowd, dials);
		stand(&crowd, PLACES);
		down(&crowd, &dials[1], SYN | ACK);
		happened(&crowd, .packets = 1);
		for (int number = 0; number < PLACES; number++) {
			more[number] = one_more(&crowd);
			happened(&crowd, .opened = 1, .crowded_out = 1, .packets = 1);
			is_gone(&crowd, &dials[number]);
			stand(&crowd, PLACES);
			load_is(&crowd, 0);
		}
		for (int number = 0; number < PLACES; number++)
			settles(&crowd, &more[number]);
		happened(&crowd, .established = PLACES, .packets = 2 * PLACES);
		load_is(&crowd, PLACES);
	}
}

/* An established connection stays when its turn is over, and those beside it take their places
 * from each other alone. */
static void established_ones_stay(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES];

		all_open(&crowd, dials);
		settles(&crowd, &dials[0]);
		settles(&crowd, &dials[2]);
		happened(&crowd, .established = 2, .packets = 4);
		for (int number = 0; number < PLACES; number++) {
			int stays = !(number & 1);

			one_more(&crowd);
			happened(&crowd, .opened = 1, .crowded_out = !stays, .packets = 1);
			if (stays)
				goes_on(&crowd, &dials[number]);
			else
				is_gone(&crowd, &dials[number]);
		}
		stand(&crowd, PLACES + 2);
		/* However many come. */
		for (int number = 0; number < 3 * PLACES; number++)
			one_more(&crowd);
		happened(&crowd, .opened = 3 * PLACES, .crowded_out = 3 * PLACES,
			 .packets = 3 * PLACES);
		stand(&crowd, PLACES + 2);
		load_is(&crowd, 2);
		goes_on(&crowd, &dials[0]);
		up(&crowd, &dials[2], RST);
		happened(&crowd, .closed = 1, .packets = 1);
		load_is(&crowd, 1);
	}
}

/* The SYN that comes again is of the same connection, and takes no place from others. */
static void syn_again_takes_no_turn(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES];

		all_open(&crowd, dials);
		for (int again = 0; again < 2 * PLACES; again++) {
			dials[0].client_sequence--;
			up(&crowd, &dials[0], SYN);
		}
		happened(&crowd, .packets = 2 * PLACES);
		stand(&crowd, PLACES);
		one_more(&crowd);
		happened(&crowd, .opened = 1, .crowded_out = 1, .packets = 1);
		is_gone(&crowd, &dials[0]);
	}
}

/* Who gave way may come again where anybody may; a data connection was expected once. */
static void crowded_out_comes_again(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES];

		all_open(&crowd, dials);
		one_more(&crowd);
		happened(&crowd, .opened = 1, .crowded_out = 1, .packets = 1);
		dials[0].client_sequence--;
		if (!crowd.control) {
			dial_up_passes(&dials[0], SYN, "");
			happened(&crowd, 0);
			stand(&crowd, PLACES);
			continue;
		}
		up(&crowd, &dials[0], SYN);
		happened(&crowd, .opened = 1, .crowded_out = 1, .packets = 1);
		is_gone(&crowd, &dials[1]);
		settles(&crowd, &dials[0]);
		happened(&crowd, .established = 1, .packets = 2);
		stand(&crowd, PLACES);
		load_is(&crowd, 1);
	}
}

/* As many connections as there are places have closed. */
static void all_close(struct crowd *crowd, struct dial *dials)
{
	all_open(crowd, dials);
	for (int number = 0; number < PLACES; number++) {
		settles(crowd, &dials[number]);
		closes(crowd, &dials[number]);
	}
	happened(crowd, .established = PLACES, .closed = PLACES, .packets = 5 * PLACES);
	stand(crowd, PLACES);
	load_is(crowd, 0);
}

/* The first that was closed goes, which was counted when it closed; until then late packets are
 * carried, and take no place from others. */
static void oldest_that_is_closed_goes(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES];

		all_close(&crowd, dials);
		for (int again = 0; again < 2 * PLACES; again++)
			goes_on(&crowd, &dials[0]);
		for (int number = 0; number < PLACES; number++) {
			struct dial dial = one_more(&crowd);

			settles(&crowd, &dial);
			happened(&crowd, .opened = 1, .established = 1, .packets = 3);
			goes_on(&crowd, &dials[number]);
			stand(&crowd, PLACES + 1);
			load_is(&crowd, 1);
			closes(&crowd, &dial);
			happened(&crowd, .closed = 1, .packets = 3);
			is_gone(&crowd, &dials[number]);
			stand(&crowd, PLACES);
			load_is(&crowd, 0);
		}
	}
}

/* Those that open take no place of those that are closed, nor the other way round, though all
 * have the same numbers. */
static void kinds_are_kept_apart(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial closed[PLACES], dials[PLACES], other;

		other = one_more(&crowd);
		settles(&crowd, &other);
		happened(&crowd, .opened = 1, .established = 1, .packets = 3);
		crowd.talk.world->skeleton->bss->turns_taken[FTPFIX_TURN_OPENING] = 0;
		for (int number = 0; number < PLACES; number++) {
			closed[number] = one_more(&crowd);
			settles(&crowd, &closed[number]);
			closes(&crowd, &closed[number]);
		}
		happened(&crowd, .opened = PLACES, .established = PLACES, .closed = PLACES,
			 .packets = 6 * PLACES);
		all_open(&crowd, dials);
		for (int number = 0; number < PLACES; number++)
			goes_on(&crowd, &closed[number]);
		stand(&crowd, 2 * PLACES + 1);
		closes(&crowd, &other);
		happened(&crowd, .closed = 1, .packets = 3);
		is_gone(&crowd, &closed[0]);
		stand(&crowd, 2 * PLACES);
		for (int number = 0; number < PLACES; number++)
			settles(&crowd, &dials[number]);
		happened(&crowd, .established = PLACES, .packets = 2 * PLACES);
	}
}

/* A slot that was given back is taken again only after a grace period. */
#define GRACE_US 5000

/* A slot whose connection has ended is another's: that it was noted for the first one's turn
 * ends nothing of the second's. */
static void slot_of_another(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dial = crowd_dial(&crowd), others[PLACES];
		struct ftpfix_flow *flow;

		up(&crowd, &dial, SYN);
		flow = flow_of(dial.world, dial_up_key(&dial));
		up(&crowd, &dial, RST);
		happened(&crowd, .opened = 1, .closed = 1, .packets = 2);
		stand(&crowd, 0);
		dial = crowd_dial_of(&crowd, crowd.clients);
		usleep(GRACE_US);
		up(&crowd, &dial, SYN);
		assert_non_null(flow);
		assert_ptr_equal(flow_of(dial.world, dial_up_key(&dial)), flow);
		for (int number = 1; number < PLACES; number++)
			others[number] = one_more(&crowd);
		happened(&crowd, .opened = PLACES, .packets = PLACES);
		stand(&crowd, PLACES);
		settles(&crowd, &others[1]);
		settles(&crowd, &dial);
	}
}

/* The same of a slot whose connection was closed, when others close. */
static void slot_of_another_when_others_close(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES], dial;
		struct ftpfix_flow *flow;

		all_close(&crowd, dials);
		flow = flow_of(dials[0].world, dial_up_key(&dials[0]));
		crowd.talk.world->skeleton->bss->turns_taken[FTPFIX_TURN_OPENING] = 0;
		up(&crowd, &dials[0], RST);
		happened(&crowd, .packets = 1);
		stand(&crowd, PLACES - 1);
		dial = crowd_dial_of(&crowd, 1);
		usleep(GRACE_US);
		up(&crowd, &dial, SYN);
		happened(&crowd, .opened = 1, .packets = 1);
		assert_non_null(flow);
		assert_ptr_equal(flow_of(dial.world, dial_up_key(&dial)), flow);
		assert_int_equal(flow->turn, 0);
		settles(&crowd, &dial);
		for (int number = 0; number < PLACES; number++) {
			struct dial more = one_more(&crowd);

			settles(&crowd, &more);
			closes(&crowd, &more);
		}
		happened(&crowd, .opened = PLACES, .established = PLACES + 1, .closed = PLACES,
			 .packets = 6 * PLACES + 2);
		stand(&crowd, PLACES + 1);
		goes_on(&crowd, &dial);
		load_is(&crowd, 1);
	}
}

/* A connection that was closed before it was established (its server's first packet behind the
 * handshake was its FIN) is closed, and opens no more. */
static void closed_without_being_established(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct crowd crowd = crowd_begin(round);
		struct dial dials[PLACES], dial = one_more(&crowd);
		struct ftpfix_flow *flow = flow_of(dial.world, dial_up_key(&dial));

		settles(&crowd, &dial);
		closes(&crowd, &dial);
		happened(&crowd, .opened = 1, .established = 1, .closed = 1, .packets = 6);
		assert_non_null(flow);
		assert_int_equal(flow->turn, 0);
		flow->marks &= ~FTPFIX_MARK_SETTLED;
		dial.world->flows[flow->peer].marks &= ~FTPFIX_MARK_SETTLED;
		crowd.talk.world->skeleton->bss->turns_taken[FTPFIX_TURN_OPENING] = 0;
		all_open(&crowd, dials);
		stand(&crowd, PLACES + 1);
		goes_on(&crowd, &dial);
	}
}

static void place_constants(struct ftpfix *skeleton)
{
	skeleton->rodata->turn_places = PLACES;
}

static void stack_constants(struct ftpfix *skeleton)
{
	place_constants(skeleton);
	skeleton->rodata->path_stack = 1;
}

static int crowd_setup(void **state)
{
	if (world_setup(state) || !*state)
		return *state || !geteuid() ? -1 : 0;
	world_close(*state);
	*state = NULL;
	past_the_stack = world_open_configured(0, 0, place_constants);
	through_the_stack = world_open_configured(0, 0, stack_constants);
	return past_the_stack && through_the_stack ? 0 : -1;
}

static int crowd_teardown(void **state)
{
	(void)state;
	world_close(past_the_stack);
	world_close(through_the_stack);
	return 0;
}

/* Through the stack a connection has two pairs, of which the second holds the port: who takes
 * that takes both away. */
static void one_port(struct ftpfix *skeleton)
{
	skeleton->rodata->path_stack = 1;
	skeleton->rodata->source_port_low = skeleton->rodata->source_port_high = 40000;
}

static void port_is_taken(void **state)
{
	struct world *world = past_the_stack ? world_open_configured(0, 0, one_port) : NULL;
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk), other = dial;
	struct frame frame;

	(void)state;
	other.client++;
	dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
	assert_int_equal(run(world, UPLINK_INGRESS, &frame), TC_ACT_UNSPEC);
	assert_int_equal(flows_taken(world), 4);
	dial_up_frame(&other, SYN, other.client_sequence, "", 0, &frame);
	assert_int_equal(run(world, UPLINK_INGRESS, &frame), TC_ACT_UNSPEC);
	assert_int_equal(flows_taken(world), 4);
	assert_null(flow_of(world, dial_up_key(&dial)));
	counted(world, {FTPFIX_BALANCED_OPENED, 2}, {FTPFIX_BALANCED_CROWDED_OUT, 1},
		CARRIED(2, 0));
	world_close(world);
}

static void some_ports(struct ftpfix *skeleton)
{
	skeleton->rodata->path_stack = 1;
	skeleton->rodata->source_port_low = 40000;
	skeleton->rodata->source_port_high = 40063;
}

/* All ports of a pool are held by connections that open: of many tries none leaves anything
 * behind, and one of them gives way. */
static void ports_are_taken(void **state)
{
	struct world *world = past_the_stack ? world_open_configured(0, 0, some_ports) : NULL;
	struct talk talk =
		balance_begin((void **)&world, FTPFIX_FORWARD_FULLNAT, 0, FTPFIX_BALANCE_MAGLEV);
	struct dial dial = balance_dial(&talk);
	struct frame frame;

	(void)state;
	for (int client = 0; client < 65; client++) {
		dial_up_frame(&dial, SYN, dial.client_sequence, "", 0, &frame);
		assert_int_equal(run(world, UPLINK_INGRESS, &frame), TC_ACT_UNSPEC);
		assert_int_equal(flows_taken(world), 4 * (client < 64 ? client + 1 : 64));
		dial.client++;
	}
	counted(world, {FTPFIX_BALANCED_OPENED, 65}, {FTPFIX_BALANCED_CROWDED_OUT, 1},
		CARRIED(65, 0));
	world_close(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_that_opens_goes),
		cmocka_unit_test(established_ones_stay),
		cmocka_unit_test(syn_again_takes_no_turn),
		cmocka_unit_test(crowded_out_comes_again),
		cmocka_unit_test(oldest_that_is_closed_goes),
		cmocka_unit_test(kinds_are_kept_apart),
		cmocka_unit_test(slot_of_another),
		cmocka_unit_test(slot_of_another_when_others_close),
		cmocka_unit_test(closed_without_being_established),
		cmocka_unit_test(port_is_taken),
		cmocka_unit_test(ports_are_taken),
	};

	return cmocka_run_group_tests(tests, crowd_setup, crowd_teardown);
}
