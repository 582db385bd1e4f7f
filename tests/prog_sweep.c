// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sweep: what is silent for too long ends, is counted and told; what is not
 * stays. Time is moved by rewriting the entries' times.
 */
#include "prog_dial.h"

#define VSFTPD_TOLD "227 Entering Passive Mode (192,0,2,99,83,237).\r\n"

struct heard {
	__u32 events;
	struct ftpfix_event last;
};

static int hear(void *context, void *data, size_t size)
{
	struct heard *heard = context;

	assert_int_equal(size, sizeof(heard->last));
	heard->events++;
	memcpy(&heard->last, data, sizeof(heard->last));
	return 0;
}

/* Takes what stands in the ring buffer. */
static struct heard events(struct world *world)
{
	struct heard heard = {};
	struct ring_buffer *buffer =
		ring_buffer__new(bpf_map__fd(world->skeleton->maps.events), hear, &heard, NULL);

	assert_non_null(buffer);
	assert_in_range(ring_buffer__consume(buffer), 0, 1 << 20);
	ring_buffer__free(buffer);
	return heard;
}

/* Skips where the machine has not been up for so long. */
static void needs_uptime(__u64 ns)
{
	if (now_ns() > ns + 10 * FTPFIX_SECOND_NS)
		return;
	print_message("# needs %llu seconds of uptime\n",
		      (unsigned long long)(ns / FTPFIX_SECOND_NS));
	skip();
}

static void silent_entry(struct world *world, struct ftpfix_tuple key, __u64 time_ns)
{
	struct ftpfix_flow *flow = flow_of(world, key);

	assert_non_null(flow);
	flow->seen_ticks = (now_ns() - time_ns) >> FTPFIX_TICK_SHIFT;
}

/* Makes both directions silent for that long. */
static void silent(struct dial *dial, __u64 up_ns, __u64 down_ns)
{
	silent_entry(dial->world, dial_up_key(dial), up_ns);
	silent_entry(dial->world, dial_down_key(dial), down_ns);
}

static void stays(struct dial *dial)
{
	sweep(dial->world);
	counted(dial->world, NOTHING);
	assert_int_equal(dial_entries(dial), 2);
}

static void goes(struct dial *dial)
{
	sweep(dial->world);
	counted(dial->world, {FTPFIX_CONNECTION_TIMED_OUT, 1});
	assert_int_equal(dial_entries(dial), 0);
}

#define SHORT (FTPFIX_SECOND_NS)

static void nobody_came(void **state)
{
	struct dial dial = dial_expected(state);
	struct talk talk = talk_of(dial.world);
	struct ftpfix_session_key session = talk_key(&talk);
	struct ftpfix_addr vip = mapped(dial.vip), server = mapped(dial.server);
	struct ftpfix_expectation *expectation;
	struct heard heard;

	sweep(dial.world);
	counted(dial.world, NOTHING);
	expectation = talk_expected(&talk, dial.public_port);
	assert_non_null(expectation);
	expectation->deadline_ticks = (now_ns() >> FTPFIX_TICK_SHIFT) - 1;
	events(dial.world);
	sweep(dial.world);
	counted(dial.world, {FTPFIX_CONNECTION_NOBODY_CAME, 1}, {FTPFIX_EVENT_SENT, 1});
	assert_null(talk_expected(&talk, dial.public_port));
	assert_int_equal(expected_count(dial.world), 0);
	heard = events(dial.world);
	assert_int_equal(heard.events, 1);
	assert_int_equal(heard.last.reason, FTPFIX_CONNECTION_NOBODY_CAME);
	assert_in_range(heard.last.at_ns, now_ns() - FTPFIX_SECOND_NS, now_ns());
	assert_memory_equal(&heard.last.session, &session, sizeof(session));
	assert_memory_equal(&heard.last.announced.addr, &server, sizeof(server));
	assert_int_equal(heard.last.announced.be_port, htons(dial.server_port));
	assert_memory_equal(&heard.last.published.addr, &vip, sizeof(vip));
	assert_int_equal(heard.last.published.be_port, htons(dial.public_port));
	sweep(dial.world);
	counted(dial.world, NOTHING);
}

static void half_open(void **state)
{
	struct dial dial = dial_expected(state);

	dial_up(&dial, SYN, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(1, 0));
	stays(&dial);
	silent(&dial, FTPFIX_FLOW_HALF_OPEN_NS - SHORT, FTPFIX_FLOW_HALF_OPEN_NS - SHORT);
	stays(&dial);
	silent(&dial, SHORT, FTPFIX_FLOW_HALF_OPEN_NS + SHORT);
	stays(&dial);
	silent(&dial, FTPFIX_FLOW_HALF_OPEN_NS + SHORT, FTPFIX_FLOW_HALF_OPEN_NS + SHORT);
	goes(&dial);
}

static void established(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	silent(&dial, FTPFIX_FLOW_HALF_OPEN_NS + SHORT, FTPFIX_FLOW_HALF_OPEN_NS + SHORT);
	stays(&dial);
	silent(&dial, FLOW_IDLE_NS - SHORT, FLOW_IDLE_NS - SHORT);
	stays(&dial);
}

/* A download says nothing in one direction for long; both must be silent. */
static void idle(void **state)
{
	struct dial dial = dial_expected(state);

	needs_uptime(FLOW_IDLE_NS);
	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	silent(&dial, FLOW_IDLE_NS - SHORT, FLOW_IDLE_NS - SHORT);
	stays(&dial);
	silent(&dial, SHORT, FLOW_IDLE_NS + SHORT);
	stays(&dial);
	silent(&dial, FLOW_IDLE_NS + SHORT, SHORT);
	stays(&dial);
	silent(&dial, FLOW_IDLE_NS + SHORT, FLOW_IDLE_NS + SHORT);
	goes(&dial);
}

/* One side's FIN closes one direction only (RFC 9293 section 3.6). */
static void half_closed(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 0));
	silent(&dial, 2 * FTPFIX_FLOW_CLOSING_NS, 2 * FTPFIX_FLOW_CLOSING_NS);
	stays(&dial);
}

/* The last acknowledgement went another way. */
static void closing(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, FIN | ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(5, 0));
	silent(&dial, FTPFIX_FLOW_CLOSING_NS - SHORT, FTPFIX_FLOW_CLOSING_NS - SHORT);
	stays(&dial);
	silent(&dial, FTPFIX_FLOW_CLOSING_NS + SHORT, FTPFIX_FLOW_CLOSING_NS + SHORT);
	goes(&dial);
}

/* Both FINs were acknowledged: it was counted as closed then. */
static void closed(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_up(&dial, FIN | ACK, "");
	dial_down(&dial, FIN | ACK, "");
	dial_up(&dial, ACK, "");
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, {FTPFIX_CONNECTION_CLOSED, 1},
		CARRIED(6, 0));
	silent(&dial, SHORT, FTPFIX_FLOW_CLOSING_NS + SHORT);
	stays(&dial);
	silent(&dial, FTPFIX_FLOW_CLOSING_NS + SHORT, FTPFIX_FLOW_CLOSING_NS + SHORT);
	sweep(dial.world);
	counted(dial.world, NOTHING);
	assert_int_equal(dial_entries(&dial), 0);
}

/* None of many is forgotten or counted twice, and their places are free again. */
static void many(void **state)
{
	struct dial dial = dial_expected(state);
	struct ftpfix_flow up = {.place = FTPFIX_HOOK_UPLINK_IN};
	struct ftpfix_flow down = {.place = FTPFIX_HOOK_INSIDE_IN};

	up.seen_ticks = (now_ns() - FTPFIX_FLOW_HALF_OPEN_NS - SHORT) >> FTPFIX_TICK_SHIFT;
	down.seen_ticks = up.seen_ticks;
	for (int number = 0; number < 3000; number++) {
		struct dial other = dial;
		struct ftpfix_tuple back;

		other.client_port = other.source_port = 1024 + number;
		back = dial_down_key(&other);
		flow_insert_of(dial.world, dial_up_key(&other), tuple_turned(&back), up, down);
	}
	dial_open(&dial);
	counted(dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	assert_int_equal(dial_unsettled(&dial), 6000);
	assert_int_equal(dial_settled(&dial), 2);
	sweep(dial.world);
	counted(dial.world, {FTPFIX_CONNECTION_TIMED_OUT, 3000});
	assert_int_equal(dial_entries(&dial), 2);
	assert_int_equal(flows_marked(dial.world, 0, 0), 2);
}

static void session_silent(const struct talk *talk, __u64 client_ns, __u64 server_ns)
{
	struct ftpfix_session_key key = talk_key(talk);
	struct ftpfix_session session;

	assert_true(talk_session(talk, &session));
	session.client.seen_ticks = (now_ns() - client_ns) >> FTPFIX_TICK_SHIFT;
	session.server.seen_ticks = (now_ns() - server_ns) >> FTPFIX_TICK_SHIFT;
	session.client.spoken = 1;
	session.server.spoken = 1;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(talk->world->skeleton->maps.sessions),
					     &key, &session, BPF_EXIST),
			 0);
	sweep(talk->world);
}

static void session_stays(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NONE));
	struct ftpfix_session session;

	talk_ask(&talk, "NOOP\r\n");
	/* Its server has not spoken yet. */
	sweep(talk.world);
	assert_true(talk_session(&talk, &session));
	session_silent(&talk, SESSION_IDLE_NS - SHORT, SESSION_IDLE_NS - SHORT);
	assert_true(talk_session(&talk, &session));
	counted(talk.world, NOTHING);
}

static void session_goes(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NONE));
	struct ftpfix_session session;

	needs_uptime(SESSION_IDLE_NS);
	talk_ask(&talk, "NOOP\r\n");
	session_silent(&talk, SHORT, SESSION_IDLE_NS + SHORT);
	assert_true(talk_session(&talk, &session));
	session_silent(&talk, SESSION_IDLE_NS + SHORT, SHORT);
	assert_true(talk_session(&talk, &session));
	session_silent(&talk, SESSION_IDLE_NS + SHORT, SESSION_IDLE_NS + SHORT);
	assert_false(talk_session(&talk, &session));
}

/* One in which the server was never heard is forgotten as a connection is that opens. */
static void one_sided_session_goes(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NONE));
	struct ftpfix_session_key key = talk_key(&talk);
	int map = bpf_map__fd(talk.world->skeleton->maps.sessions);
	__u64 silence_ns = FTPFIX_FLOW_HALF_OPEN_NS - SHORT;
	struct ftpfix_session session;
	struct frame frame;

	talk_command(&talk, talk.client_sequence, ACK, "", 0, &frame);
	run_passes(talk.world, UPLINK_INGRESS, &frame);
	for (int round = 0; round < 2; round++) {
		assert_true(talk_session(&talk, &session));
		session.client.seen_ticks = (now_ns() - silence_ns) >> FTPFIX_TICK_SHIFT;
		assert_int_equal(bpf_map_update_elem(map, &key, &session, BPF_EXIST), 0);
		sweep(talk.world);
		silence_ns += 2 * SHORT;
	}
	assert_false(talk_session(&talk, &session));
	counted(talk.world, NOTHING);
}

/* A session that says nothing lasts as long as its data connection moves bytes: at the address
 * that its client dialled before, or at the one that it was told, and dialled or not. */
static void session_with_data_stays(void **state)
{
	const struct {
		__u32 told;
		__u32 dialled;
		const char *line;
	} rows[] = {
		{0, ip4(203, 0, 113, 5), VSFTPD_PUBLIC},
		{ip4(192, 0, 2, 99), ip4(203, 0, 113, 5), VSFTPD_TOLD},
		{ip4(192, 0, 2, 99), ip4(192, 0, 2, 99), VSFTPD_TOLD},
	};

	needs_uptime(SESSION_IDLE_NS);
	for (size_t index = 0; index < sizeof(rows) / sizeof(rows[0]); index++) {
		struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NAT));
		struct ftpfix_session session;
		struct dial data;

		world_allow(talk.world, ip4(10, 0, 0, 0), 8, 0);
		if (rows[index].told)
			world_advertise(talk.world, 0, 0, rows[index].told);
		talk_ask(&talk, "PASV\r\n");
		talk_answer(&talk, VSFTPD, rows[index].line);
		data = dial_of(&talk, PORT, PORT);
		data.vip = rows[index].dialled;
		dial_open(&data);
		session_silent(&talk, SESSION_IDLE_NS + SHORT, SESSION_IDLE_NS + SHORT);
		assert_true(talk_session(&talk, &session));
		silent(&data, SESSION_IDLE_NS + SHORT, SESSION_IDLE_NS + SHORT);
		session_silent(&talk, SESSION_IDLE_NS + SHORT, SESSION_IDLE_NS + SHORT);
		assert_false(talk_session(&talk, &session));
	}
}

/* A server that announces and is silent then keeps its draft until the client has got the
 * line, and one that is left behind by a session goes. */
static void draft_goes(void **state)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_NONE));
	const struct bpf_map *drafts = talk.world->skeleton->maps.drafts;

	world_allow(talk.world, ip4(10, 0, 0, 0), 8, 0);
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	session_silent(&talk, SHORT, 60 * FTPFIX_SECOND_NS);
	assert_int_equal(map_entries(drafts), 1);
	talk_ask(&talk, "NOOP\r\n");
	session_silent(&talk, SHORT, SHORT);
	assert_int_equal(map_entries(drafts), 1);
	session_silent(&talk, SHORT, 60 * FTPFIX_SECOND_NS);
	assert_int_equal(map_entries(drafts), 0);
	talk_ask(&talk, "PASV\r\n");
	talk_leave(&talk, VSFTPD, VSFTPD_PUBLIC);
	assert_int_equal(map_entries(drafts), 1);
	map_clear(talk.world->skeleton->maps.sessions);
	sweep(talk.world);
	assert_int_equal(map_entries(drafts), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_came),
		cmocka_unit_test(half_open),
		cmocka_unit_test(established),
		cmocka_unit_test(idle),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(closing),
		cmocka_unit_test(closed),
		cmocka_unit_test(many),
		cmocka_unit_test(session_stays),
		cmocka_unit_test(session_goes),
		cmocka_unit_test(one_sided_session_goes),
		cmocka_unit_test(draft_goes),
		cmocka_unit_test(session_with_data_stays),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
