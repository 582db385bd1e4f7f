// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reading the table of flows: which slots are connections, what their packets are and
 * become, what is left out, and that nothing is read of two flows at once.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>

/* A copy may begin at either end, and the programs go on in the middle of it. */
static void *interrupted_copy(void *to, const void *from, size_t size);

#define memcpy interrupted_copy
#include "../loader/flow_table.c"
#undef memcpy
#include "../loader/slots.c"

#define GROUPS 5
#define SLOTS (GROUPS * FTPFIX_GROUP_SLOTS)
#define SEED 0x0123456789abcdefULL

#define ESTABLISHED (FTPFIX_MARK_LIVE | FTPFIX_MARK_SETTLED)

enum { MAP_FLOWS = 7, MAP_GROUPS };

/* The maps; exactly as large as that, so that the sanitizers see what is read behind them. */
static struct ftpfix_flow flows[SLOTS];
static struct ftpfix_flow_group groups[GROUPS];
static struct ftpfix_addr own[FTPFIX_OWN_MAX];

static const struct flow_table table = {groups, flows, own, GROUPS};
static const struct flow_maps maps = {MAP_FLOWS, MAP_GROUPS, -1, GROUPS, SEED};

/* The kernel's part. */
int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	__u32 index = *(const __u32 *)key;

	if (fd == MAP_FLOWS && index < SLOTS)
		memcpy(value, &flows[index], sizeof(flows[index]));
	else if (fd == MAP_GROUPS && index < GROUPS)
		memcpy(value, &groups[index], sizeof(groups[index]));
	else
		return -ENOENT;
	return 0;
}

static struct ftpfix_addr ipv4(const char *text)
{
	struct ftpfix_addr addr = {{0, 0, htonl(0xffff), 0}};

	assert_int_equal(inet_pton(AF_INET, text, &addr.be_word[3]), 1);
	return addr;
}

static struct ftpfix_addr ipv6(const char *text)
{
	struct ftpfix_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static void set_tag(__u32 slot, __u8 tag)
{
	((__u8 *)groups)[slot] = tag;
}

static int empty(void **state)
{
	(void)state;
	memset(flows, 0, sizeof(flows));
	memset(groups, 0, sizeof(groups));
	memset(own, 0, sizeof(own));
	return 0;
}

/* Tags are bytes of words, the lowest first. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "set_tag() knows one order");

/* A connection from 198.51.100.10:50001 to 203.0.113.5:21486, which goes on to 10.0.0.9:21485;
 * both its entries as the programs write them. */
static void connect_nat(__u32 up, __u32 down)
{
	flows[up] = (struct ftpfix_flow){
		.key.word = {up + 1, 1, 2},
		.peer = down,
		.destination = ipv4("10.0.0.9"),
		.be_source_port = htons(50001),
		.be_destination_port = htons(21485),
		.place = FTPFIX_HOOK_UPLINK_IN | FTPFIX_PLACE_OPENER,
		.marks = ESTABLISHED,
	};
	flows[down] = (struct ftpfix_flow){
		.key.word = {down + 1, 3, 4},
		.peer = up,
		.destination = ipv4("198.51.100.10"),
		.source = 1,
		.be_source_port = htons(21486),
		.be_destination_port = htons(50001),
		.place = FTPFIX_HOOK_INSIDE_IN,
		.marks = ESTABLISHED,
	};
	own[1] = ipv4("203.0.113.5");
	set_tag(up, FTPFIX_TAG_FIRST);
	set_tag(down, 0xff);
}

/* The same with sources of the node's own. */
static void connect_fullnat(__u32 up, __u32 down)
{
	connect_nat(up, down);
	flows[up].source = FTPFIX_OWN_MAX - 1;
	flows[up].be_source_port = htons(40000);
	own[FTPFIX_OWN_MAX - 1] = ipv4("10.0.0.1");
}

struct seen {
	struct flow_view view; /* the last */
	int count;
	int result;
};

static int note(const struct flow_view *view, void *context)
{
	struct seen *seen = context;

	seen->view = *view;
	seen->count++;
	return seen->result;
}

static struct seen read_table(void)
{
	struct seen seen = {0};
	__u32 slot = 0;

	assert_int_equal(flow_table_each(&table, &slot, note, &seen), 0);
	return seen;
}

static void check_tuple(const struct ftpfix_tuple *tuple, struct ftpfix_addr source,
			unsigned int source_port, struct ftpfix_addr destination,
			unsigned int destination_port)
{
	assert_memory_equal(&tuple->source, &source, sizeof(source));
	assert_int_equal(ntohs(tuple->be_source_port), source_port);
	assert_memory_equal(&tuple->destination, &destination, sizeof(destination));
	assert_int_equal(ntohs(tuple->be_destination_port), destination_port);
}

static void nothing_in_an_empty_table(void **state)
{
	(void)state;
	assert_int_equal(read_table().count, 0);
	assert_int_equal(flow_table_count(&table), 0);
}

static void every_slot_may_hold_a_connection(void **state)
{
	(void)state;
	for (__u32 slot = 0; slot < SLOTS; slot++) {
		struct seen seen;

		empty(NULL);
		connect_nat(slot, (slot + 37) % SLOTS);
		seen = read_table();
		assert_int_equal(seen.count, 1);
		assert_int_equal(seen.view.flow.peer, (slot + 37) % SLOTS);
		assert_int_equal(seen.view.peer.peer, slot);
		assert_int_equal(flow_table_count(&table), 1);
	}
}

static void a_full_table_is_read_whole(void **state)
{
	(void)state;
	for (__u32 slot = 0; slot < SLOTS; slot += 2)
		connect_nat(slot, slot + 1);
	assert_int_equal(read_table().count, SLOTS / 2);
	assert_int_equal(flow_table_count(&table), SLOTS / 2);
}

static void a_kept_source_is_that_of_the_packets(void **state)
{
	struct seen seen;

	(void)state;
	connect_nat(20, 3);
	seen = read_table();
	check_tuple(&seen.view.from, ipv4("198.51.100.10"), 50001, ipv4("203.0.113.5"), 21486);
	check_tuple(&seen.view.to, ipv4("198.51.100.10"), 50001, ipv4("10.0.0.9"), 21485);
}

static void own_sources_have_numbers(void **state)
{
	struct seen seen;

	(void)state;
	connect_fullnat(20, 3);
	seen = read_table();
	check_tuple(&seen.view.from, ipv4("198.51.100.10"), 50001, ipv4("203.0.113.5"), 21486);
	check_tuple(&seen.view.to, ipv4("10.0.0.1"), 40000, ipv4("10.0.0.9"), 21485);
}

/* As a client inside sees it who is dialled: what comes in is for the node's address, and
 * what the client answers leaves from there. */
static void a_source_that_the_peer_keeps_is_where_packets_go(void **state)
{
	struct seen seen;

	(void)state;
	connect_nat(20, 3);
	flows[3].source = 0;
	flows[20].destination = ipv4("203.0.113.5");
	seen = read_table();
	check_tuple(&seen.view.from, ipv4("198.51.100.10"), 50001, ipv4("203.0.113.5"), 21486);
	check_tuple(&seen.view.to, ipv4("198.51.100.10"), 50001, ipv4("203.0.113.5"), 21485);
}

static void ipv6_is_read_from_the_entries_too(void **state)
{
	struct seen seen;

	(void)state;
	connect_nat(20, 3);
	flows[3].destination = ipv6("2001:db8::10");
	flows[20].destination = ipv6("fd00::9");
	own[1] = ipv6("2001:db8::5");
	seen = read_table();
	check_tuple(&seen.view.from, ipv6("2001:db8::10"), 50001, ipv6("2001:db8::5"), 21486);
	check_tuple(&seen.view.to, ipv6("2001:db8::10"), 50001, ipv6("fd00::9"), 21485);
}

/* Makes the connection in slots 20 and 3 something that is not shown. */
typedef void (*spoil)(void);

static void free_slot(void)
{
	set_tag(20, FTPFIX_TAG_FREE);
}

static void busy_slot(void)
{
	set_tag(20, FTPFIX_TAG_BUSY);
}

static void dead(void)
{
	flows[20].marks = FTPFIX_MARK_SETTLED;
}

static void opening(void)
{
	flows[20].marks = FTPFIX_MARK_LIVE;
}

static void closed(void)
{
	flows[20].marks = ESTABLISHED | FTPFIX_MARK_CLOSED;
}

static void on_the_way_out(void)
{
	flows[20].place = FTPFIX_HOOK_UPLINK_OUT;
}

static void from_the_inside(void)
{
	flows[20].place = FTPFIX_HOOK_INSIDE_IN;
}

static void what_is_no_established_connection_is_left_out(void **state)
{
	static const spoil spoils[] = {free_slot, busy_slot,	  dead,		  opening,
				       closed,	  on_the_way_out, from_the_inside};

	(void)state;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		empty(NULL);
		connect_nat(20, 3);
		connect_nat(21, 22);
		spoils[i]();
		if (read_table().count != 1 || read_table().view.peer.peer != 21)
			fail_msg("%d connections with spoil %zu", read_table().count, i);
		assert_int_equal(flow_table_count(&table), 1);
	}
}

static void peer_is_free(void)
{
	set_tag(3, FTPFIX_TAG_FREE);
}

static void peer_is_dead(void)
{
	flows[3].marks &= ~FTPFIX_MARK_LIVE;
}

static void peer_is_another(void)
{
	flows[3].peer = 21;
}

static void peer_is_nowhere(void)
{
	flows[20].peer = SLOTS;
}

static void one_half_is_no_connection(void **state)
{
	static const spoil spoils[] = {peer_is_free, peer_is_dead, peer_is_another,
				       peer_is_nowhere};

	(void)state;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		empty(NULL);
		connect_nat(20, 3);
		spoils[i]();
		if (read_table().count != 0)
			fail_msg("shown with spoil %zu", i);
	}
}

static void a_number_that_was_never_given_reads_nothing(void **state)
{
	(void)state;
	connect_nat(20, 3);
	flows[20].source = flows[3].source = 0xffff;
	assert_int_equal(read_table().count, 1);
}

static void what_each_returns_ends_the_reading(void **state)
{
	struct seen seen = {.result = -ENOMEM};
	__u32 slot = 0;

	(void)state;
	connect_nat(0, 1);
	connect_nat(2, 3);
	assert_int_equal(flow_table_each(&table, &slot, note, &seen), -ENOMEM);
	assert_int_equal(seen.count, 1);
}

static void the_reading_goes_on_where_it_ended(void **state)
{
	struct seen seen = {.result = 1};
	__u32 slot = 0;

	(void)state;
	connect_nat(0, 1);
	connect_nat(SLOTS - 1, 3);
	assert_int_equal(flow_table_each(&table, &slot, note, &seen), 1);
	assert_int_equal(seen.view.flow.peer, 1);
	assert_int_equal(flow_table_each(&table, &slot, note, &seen), 1);
	assert_int_equal(seen.view.flow.peer, 3);
	assert_int_equal(flow_table_each(&table, &slot, note, &seen), 0);
	assert_int_equal(seen.count, 2);
}

/* Puts a flow of the tuple where the programs would look for it. Returns its slot. */
static __u32 put(const struct ftpfix_tuple *tuple, int choice, __u32 place)
{
	struct ftpfix_flow_key key;
	struct flow_spot spot;
	__u32 slot;

	flow_key(&key, tuple, SEED);
	flow_spot(&spot, &key, SEED, GROUPS);
	slot = spot.group[choice] * FTPFIX_GROUP_SLOTS + place;
	flows[slot].key = key;
	flows[slot].marks = FTPFIX_MARK_LIVE;
	set_tag(slot, spot.tag);
	return slot;
}

static void a_tuple_is_found_in_all_places_that_it_may_have(void **state)
{
	const struct ftpfix_tuple tuples[] = {
		{ipv4("10.0.0.9"), ipv4("10.0.0.1"), htons(21), htons(40000)},
		{ipv6("fd00::9"), ipv6("fd00::1"), htons(21), htons(40000)},
	};

	(void)state;
	for (int tuple = 0; tuple < 2; tuple++)
		for (int choice = 0; choice < 2; choice++)
			for (__u32 place = 0; place < FTPFIX_GROUP_SLOTS; place++) {
				empty(NULL);
				assert_false(flow_table_holds(&maps, &tuples[tuple]));
				put(&tuples[tuple], choice, place);
				assert_true(flow_table_holds(&maps, &tuples[tuple]));
				assert_false(flow_table_holds(&maps, &tuples[!tuple]));
			}
}

static void what_is_no_flow_of_the_tuple_is_not_found(void **state)
{
	const struct ftpfix_tuple tuple = {ipv4("10.0.0.9"), ipv4("10.0.0.1"), htons(21),
					   htons(40000)};
	__u32 slot = put(&tuple, 0, 5);

	(void)state;
	flows[slot].key.word[2]++;
	assert_false(flow_table_holds(&maps, &tuple));
	flows[slot].key.word[2]--;
	flows[slot].marks = FTPFIX_MARK_SETTLED;
	assert_false(flow_table_holds(&maps, &tuple));
	flows[slot].marks = FTPFIX_MARK_LIVE;
	set_tag(slot, FTPFIX_TAG_BUSY);
	assert_false(flow_table_holds(&maps, &tuple));
}

/* Whose program may have looked before for what would have stopped it. */
static void what_is_about_to_be_a_flow_is_found(void **state)
{
	const struct ftpfix_tuple tuple = {ipv4("10.0.0.9"), ipv4("10.0.0.1"), htons(21),
					   htons(40000)};
	__u32 slot = put(&tuple, 1, 3);

	(void)state;
	flows[slot].marks = FTPFIX_MARK_COMING;
	assert_true(flow_table_holds(&maps, &tuple));
}

static atomic_bool ending;

/* Puts one flow after another into slot 20, each of one number throughout. */
static void *change_hands(void *unused)
{
	__u8 *tag = &((__u8 *)groups)[20];
	struct ftpfix_flow *flow = &flows[20];

	(void)unused;
	for (__u32 number = 1; !ending; number++) {
		__atomic_store_n(&flow->marks, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(tag, FTPFIX_TAG_FREE, __ATOMIC_SEQ_CST);
		__atomic_store_n(tag, FTPFIX_TAG_BUSY, __ATOMIC_SEQ_CST);
		flow->key = (struct ftpfix_flow_key){{number, number, number}};
		flow->first_sequence = flow->end_sequence = number;
		__atomic_store_n(&flow->marks, ESTABLISHED, __ATOMIC_SEQ_CST);
		__atomic_store_n(tag, FTPFIX_TAG_FIRST + number % 4, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void a_copy_is_of_one_flow(void **state)
{
	struct ftpfix_flow copy;
	pthread_t writer;
	int whole = 0, tries = 0;

	(void)state;
	ending = false;
	assert_int_equal(pthread_create(&writer, NULL, change_hands, NULL), 0);
	for (; whole < 100000 || tries == whole; tries++) {
		if (!copy_flow(&table, 20, &copy))
			continue;
		whole++;
		if (copy.first_sequence != copy.key.word[0] ||
		    copy.end_sequence != copy.key.word[2] || copy.key.word[0] != copy.key.word[1])
			break;
	}
	ending = true;
	pthread_join(writer, NULL);
	assert_int_equal(copy.first_sequence, copy.key.word[0]);
	assert_int_equal(copy.end_sequence, copy.key.word[2]);
	assert_int_equal(copy.key.word[0], copy.key.word[1]);
}

/* What the programs do meanwhile, and whether copies begin at the end. */
static void (*meanwhile)(void);
static bool backward;

static void *interrupted_copy(void *to, const void *from, size_t size)
{
	size_t half = size / 2, first = backward ? half : 0, rest = backward ? 0 : half;

	memcpy((char *)to + first, (const char *)from + first, first ? size - half : half);
	if (meanwhile)
		meanwhile();
	memcpy((char *)to + rest, (const char *)from + rest, rest ? size - half : half);
	return to;
}

static void give_to_another(void)
{
	flows[20].key.word[0]++;
	flows[20].end_sequence++;
}

static void a_slot_that_changed_hands_is_no_copy(void **state)
{
	struct ftpfix_flow copy;

	(void)state;
	connect_nat(20, 21);
	for (int end = 0; end < 2; end++) {
		backward = end;
		meanwhile = give_to_another;
		assert_false(copy_flow(&table, 20, &copy));
		meanwhile = NULL;
		assert_true(copy_flow(&table, 20, &copy));
		assert_memory_equal(&copy, &flows[20], sizeof(copy));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_in_an_empty_table, empty),
		cmocka_unit_test_setup(every_slot_may_hold_a_connection, empty),
		cmocka_unit_test_setup(a_full_table_is_read_whole, empty),
		cmocka_unit_test_setup(a_kept_source_is_that_of_the_packets, empty),
		cmocka_unit_test_setup(own_sources_have_numbers, empty),
		cmocka_unit_test_setup(a_source_that_the_peer_keeps_is_where_packets_go, empty),
		cmocka_unit_test_setup(ipv6_is_read_from_the_entries_too, empty),
		cmocka_unit_test_setup(what_is_no_established_connection_is_left_out, empty),
		cmocka_unit_test_setup(one_half_is_no_connection, empty),
		cmocka_unit_test_setup(a_number_that_was_never_given_reads_nothing, empty),
		cmocka_unit_test_setup(what_each_returns_ends_the_reading, empty),
		cmocka_unit_test_setup(the_reading_goes_on_where_it_ended, empty),
		cmocka_unit_test_setup(a_tuple_is_found_in_all_places_that_it_may_have, empty),
		cmocka_unit_test_setup(what_is_no_flow_of_the_tuple_is_not_found, empty),
		cmocka_unit_test_setup(what_is_about_to_be_a_flow_is_found, empty),
		cmocka_unit_test_setup(a_copy_is_of_one_flow, empty),
		cmocka_unit_test_setup(a_slot_that_changed_hands_is_no_copy, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
