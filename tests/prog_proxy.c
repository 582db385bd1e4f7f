// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * --client-address proxy-v1 and proxy-v2: the header in front of a control connection's first
 * byte, as often as the server may not have got it, and the numbers of both directions.
 */
#include "prog_stream.h"
#include "prog_virtual.h"

#define MTU 1500

struct header {
	const char *bytes;
	__u32 length;
};

/* The client is 198.51.100.10 port 50001 (0xc351), and dialled 203.0.113.5 port 21. */
static const char v1_text[] = "PROXY TCP4 198.51.100.10 203.0.113.5 50001 21\r\n";
static const struct header v1 = {v1_text, sizeof(v1_text) - 1};

/* The addresses of prog_talk.h as ip6() gives them. */
static const char v1_six_text[] = "PROXY TCP6 2001:db8:c633::640a 2001:db8:cb00::7105 50001 21\r\n";
static const struct header v1_six = {v1_six_text, sizeof(v1_six_text) - 1};

static const char v2_bytes[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
			       "\xc6\x33\x64\x0a\xcb\0\x71\x05\xc3\x51\0\x15";
static const struct header v2 = {v2_bytes, sizeof(v2_bytes) - 1};

static const char v2_six_bytes[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
				   "\x20\x01\x0d\xb8\xc6\x33\0\0\0\0\0\0\0\0\x64\x0a"
				   "\x20\x01\x0d\xb8\xcb\0\0\0\0\0\0\0\0\0\x71\x05\xc3\x51\0\x15";
static const struct header v2_six = {v2_six_bytes, sizeof(v2_six_bytes) - 1};

static const struct header none = {"", 0};

/* The header that the world's constants ask for. */
static const struct header *header_of(const struct dial *dial)
{
	int first = dial->world->skeleton->rodata->client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V1;

	if (dial->shape.ipv6)
		return first ? &v1_six : &v2_six;
	return first ? &v1 : &v2;
}

/* A segment of the client's arrives, and goes on with this in front, moved by so much. */
static void sent_at(const struct dial *dial, __u8 flags, const char *bytes, __u32 length,
		    const struct header *front, __u32 moved, __u32 kept, const char *file, int line)
{
	char whole[FRAME_MAX];
	struct spec spec = dial->shape;
	struct frame input, output;

	spec.source = dial->client;
	spec.destination = dial->vip;
	spec.source_port = dial->client_port;
	spec.destination_port = dial->public_port;
	spec.sequence = dial->client_sequence;
	spec.acknowledgement = dial->server_sequence;
	spec.flags = flags;
	spec.bytes = bytes;
	spec.length = length;
	frame_build(&input, &spec);
	memcpy(whole, front->bytes, front->length);
	memcpy(whole + front->length, bytes, kept);
	spec.source = dial->source;
	spec.destination = dial->server;
	spec.source_port = dial->source_port;
	spec.destination_port = dial->server_port;
	spec.sequence += moved;
	spec.ttl = 63;
	spec.bytes = whole;
	spec.length = front->length + kept;
	if (kept < length)
		spec.flags &= ~FIN;
	if (front->length) {
		spec.padding = 0;
		world_sum_unknown(dial->world);
	}
	frame_build(&output, &spec);
	run_check(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output, file, line);
	dial->world->run_flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
}

/* With the header in front, or moved by it. */
#define announced(dial, flags, bytes)                                                           \
	sent_at(dial, flags, bytes, strlen(bytes), header_of(dial), 0, strlen(bytes), __FILE__, \
		__LINE__)
#define moved(dial, flags, bytes)                                                                 \
	sent_at(dial, flags, bytes, strlen(bytes), &none, header_of(dial)->length, strlen(bytes), \
		__FILE__, __LINE__)

/* A segment of the server's arrives, with this acknowledgement and options, and goes on with
 * others. */
static void answered_at(const struct dial *dial, __u8 flags, const char *bytes,
			__u32 acknowledgement, const __u8 *option, __u32 acknowledged,
			const __u8 *other_option, __u32 options, const char *file, int line)
{
	struct dial from = *dial, to = *dial;
	struct frame input, output;

	from.client_sequence = acknowledgement;
	from.shape.tcp_option = option;
	from.shape.tcp_options = options;
	to.client_sequence = acknowledged;
	to.shape.tcp_option = other_option;
	to.shape.tcp_options = options;
	dial_down_frame(&from, flags, dial->server_sequence, bytes, 0, &input);
	dial_down_frame(&to, flags, dial->server_sequence, bytes, 1, &output);
	run_check(dial->world, INSIDE_INGRESS, &input, TC_ACT_REDIRECT, &output, file, line);
}

/* The server acknowledges so many of its own numbers behind the client's next byte. */
#define answered(dial, flags, bytes, beyond)                                      \
	answered_at(dial, flags, bytes, (dial)->client_sequence + (beyond), NULL, \
		    (dial)->client_sequence, NULL, 0, __FILE__, __LINE__)

/* A client has sent its SYN and got the answer; its next packet ends the handshake. */
static struct dial half_open(void **state, const struct spec *shape)
{
	struct talk talk = talk_of(world_begin(state, FTPFIX_FORWARD_FULLNAT));
	struct dial dial;

	talk.shape.ipv6 = shape->ipv6;
	dial = dial_virtual(&talk);
	dial.shape = *shape;
	/* Wraps within the header, and between the two kinds of numbers. */
	dial.client_sequence = 0xffffffef;
	dial_up(&dial, SYN, "");
	dial_down(&dial, SYN | ACK, "");
	counted(dial.world, {FTPFIX_BALANCED_OPENED, 1}, {FTPFIX_PACKET_FORWARDED, 2},
		{FTPFIX_BYTES_FORWARDED, counter_value(dial.world, FTPFIX_BYTES_FORWARDED) -
						 dial.world->counted[FTPFIX_BYTES_FORWARDED]});
	return dial;
}

static const struct spec plain;

static struct dial opened(void **state, const struct spec *shape)
{
	struct dial dial = half_open(state, shape);

	announced(&dial, ACK, "");
	answered(&dial, PSH | ACK, "220 ready\r\n", header_of(&dial)->length);
	dial.server_sequence += strlen("220 ready\r\n");
	return dial;
}

static void with_the_handshake(void **state)
{
	struct dial dial = half_open(state, &plain);

	announced(&dial, ACK, "");
	counted(dial.world, {FTPFIX_PACKET_PROXY_HEADER, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
		CARRIED(1, 0));
}

static void until_it_is_acknowledged(void **state)
{
	struct dial dial = half_open(state, &plain);
	__u32 length = header_of(&dial)->length;

	announced(&dial, ACK, "");
	/* The server's SYN/ACK came again. */
	dial.server_sequence--;
	dial_down(&dial, SYN | ACK, "");
	announced(&dial, ACK, "");
	answered(&dial, ACK, "", 0);
	announced(&dial, PSH | ACK, "USER anonymous\r\n");
	answered_at(&dial, ACK, "", dial.client_sequence + length - 1, NULL, dial.client_sequence,
		    NULL, 0, __FILE__, __LINE__);
	announced(&dial, FIN | ACK, "");
	answered(&dial, ACK, "", length);
	moved(&dial, ACK, "");
	moved(&dial, PSH | ACK, "USER anonymous\r\n");
	dial.client_sequence += strlen("USER anonymous\r\n");
	moved(&dial, PSH | ACK, "PASS guest\r\n");
	answered(&dial, ACK, "", length);
}

/* What has a header in front, or numbers that moved, is parsed again where it leaves. */
static void parsed_again(void **state)
{
	struct dial dial = half_open(state, &plain);

	announced(&dial, ACK, "");
	assert_false(numbered(dial.world));
	answered(&dial, PSH | ACK, "220 ready\r\n", header_of(&dial)->length);
	assert_false(numbered(dial.world));
	dial.server_sequence += strlen("220 ready\r\n");
	moved(&dial, PSH | ACK, "USER anonymous\r\n");
	assert_false(numbered(dial.world));
	dial = dial_expected(state);
	dial_open(&dial);
	assert_true(numbered(dial.world));
}

static void every_shape(void **state)
{
	static const struct spec shapes[] = {
		{.timestamps = 1},
		{.ip_options = 8, .timestamps = 1},
		{.padding = 6},
		{.ipv6 = 1},
		{.ipv6 = 1, .timestamps = 1, .extensions = 1, .extension = {60}},
	};

	for (size_t index = 0; index < sizeof(shapes) / sizeof(shapes[0]); index++) {
		struct dial dial = opened(state, &shapes[index]);

		moved(&dial, ACK, "");
		moved(&dial, PSH | ACK, "USER anonymous\r\n");
		dial.client_sequence += strlen("USER anonymous\r\n");
		answered(&dial, PSH | ACK, "331 Password\r\n", header_of(&dial)->length);
	}
}

static void later_bytes_alone(void **state)
{
	struct dial dial = half_open(state, &plain);

	/* What was in front was lost on its way here. */
	dial.client_sequence += 16;
	moved(&dial, PSH | ACK, "PASS guest\r\n");
	dial.client_sequence -= 16;
	announced(&dial, ACK, "");
}

static void keepalives(void **state)
{
	struct dial dial = opened(state, &plain);

	dial.client_sequence--;
	moved(&dial, ACK, "");
}

static void resets(void **state)
{
	struct dial dial = half_open(state, &plain);

	sent_at(&dial, RST, "", 0, &none, 0, 0, __FILE__, __LINE__);
	counted(dial.world, {FTPFIX_BALANCED_CLOSED, 1}, CARRIED(1, 0));
	dial = opened(state, &plain);
	moved(&dial, RST, "");
	assert_int_equal(dial_settled(&dial), 0);
}

static void closes(void **state)
{
	struct dial dial = opened(state, &plain);
	__u32 length = header_of(&dial)->length;

	moved(&dial, FIN | ACK, "");
	dial.client_sequence++;
	answered(&dial, FIN | ACK, "", length);
	dial.server_sequence++;
	assert_int_equal(dial_settled(&dial), 2);
	moved(&dial, ACK, "");
	assert_int_equal(dial_settled(&dial), 0);
	/* The last acknowledgement was lost. */
	dial.server_sequence--;
	answered(&dial, FIN | ACK, "", length);
	dial.server_sequence++;
	moved(&dial, ACK, "");
}

static void put_block(__u8 *option, __u32 start, __u32 end)
{
	static const __u8 head[] = {1, 1, 5, 10};

	memcpy(option, head, sizeof(head));
	put32(option + 4, start);
	put32(option + 8, end);
}

static void sack_blocks(void **state)
{
	struct dial dial = opened(state, &(struct spec){.timestamps = 1});
	__u32 first = dial.client_sequence, length = header_of(&dial)->length;
	__u8 from[12], to[12];

	put_block(from, first + length + 16, first + length + 28);
	put_block(to, first + 16, first + 28);
	answered_at(&dial, ACK, "", first + length, from, first, to, sizeof(from), __FILE__,
		    __LINE__);
	/* The header came twice (RFC 2883): nothing of the client's. */
	put_block(from, first, first + length);
	put_block(to, first, first);
	answered_at(&dial, ACK, "", first + length, from, first, to, sizeof(from), __FILE__,
		    __LINE__);
}

/* What is too long with the header is sent again by the client. */
static void too_long(void **state)
{
	struct dial dial = half_open(state, &plain);
	__u32 length = header_of(&dial)->length, room = MTU - 40;
	char bytes[3000];

	memset(bytes, 'x', sizeof(bytes));
	sent_at(&dial, ACK, bytes, room - length, header_of(&dial), 0, room - length, __FILE__,
		__LINE__);
	counted(dial.world, {FTPFIX_PACKET_PROXY_HEADER, 1}, {FTPFIX_BALANCED_ESTABLISHED, 1},
		CARRIED(1, room - length));
	sent_at(&dial, FIN | ACK, bytes, room, header_of(&dial), 0, room - length, __FILE__,
		__LINE__);
	counted(dial.world, {FTPFIX_PACKET_PROXY_HEADER, 1}, {FTPFIX_PACKET_CUT, 1},
		CARRIED(1, room));
	dial.world->gso_size = 1000;
	sent_at(&dial, ACK, bytes, 2000, header_of(&dial), 0, room - length, __FILE__, __LINE__);
	counted(dial.world, {FTPFIX_PACKET_PROXY_HEADER, 1}, {FTPFIX_PACKET_CUT, 1},
		CARRIED(1, 2000));
}

/* Both may change the numbers: the header of the connection, and what is edited in it. */
static void with_an_edit(void **state)
{
	struct dial dial = opened(state, &plain);
	__u32 length = header_of(&dial)->length;
	const char *told = "PORT 10,0,0,1,195,80\r\n", *line = "PORT 198,51,100,10,195,80\r\n";
	struct frame input, output;

	dial_up_frame(&dial, PSH | ACK, dial.client_sequence, line, 0, &input);
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence + length, told, 1, &output);
	world_sum_unknown(dial.world);
	run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	dial.client_sequence += strlen(line);
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence, "LIST\r\n", 0, &input);
	dial_up_frame(&dial, PSH | ACK, dial.client_sequence + length - 5, "LIST\r\n", 1, &output);
	run_gives(dial.world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output);
	/* Of two programs the first takes the header off, the second the edit. */
	answered_at(&dial, PSH | ACK, "200 ok\r\n", dial.client_sequence + length - 5, NULL,
		    dial.client_sequence - 5, NULL, 0, __FILE__, __LINE__);
	dial_down_frame(&dial, PSH | ACK, dial.server_sequence, "200 ok\r\n", 1, &output);
	input = dial.world->output;
	run_gives(dial.world, UPLINK_EGRESS, &input, TC_ACT_UNSPEC, &output);
}

static void left_to_tc(void **state)
{
	struct dial dial = opened(state, &plain);
	struct ftpfix_flow flow;

	assert_true(dial_flow(&dial, dial_up_key(&dial), &flow));
	assert_true(flow.marks & FTPFIX_MARK_SLOW);
	assert_true(dial_flow(&dial, dial_down_key(&dial), &flow));
	assert_true(flow.marks & FTPFIX_MARK_SLOW);
}

static void not_on_data_connections(void **state)
{
	struct dial dial = dial_expected(state);

	dial_open(&dial);
	dial_up(&dial, PSH | ACK, "odd");
	dial_down(&dial, PSH | ACK, "even");
}

static int setup(void **state, void (*constants)(struct ftpfix *))
{
	return world_setup_configured(state, 0, constants);
}

static void constants_1(struct ftpfix *skeleton)
{
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_PROXY_V1;
}

static void constants_2(struct ftpfix *skeleton)
{
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_PROXY_V2;
}

static int setup_1(void **state)
{
	return setup(state, constants_1);
}

static int setup_2(void **state)
{
	return setup(state, constants_2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_the_handshake),
		cmocka_unit_test(until_it_is_acknowledged),
		cmocka_unit_test(parsed_again),
		cmocka_unit_test(every_shape),
		cmocka_unit_test(later_bytes_alone),
		cmocka_unit_test(keepalives),
		cmocka_unit_test(resets),
		cmocka_unit_test(closes),
		cmocka_unit_test(sack_blocks),
		cmocka_unit_test(too_long),
		cmocka_unit_test(with_an_edit),
		cmocka_unit_test(left_to_tc),
		cmocka_unit_test(not_on_data_connections),
	};
	int failed = cmocka_run_group_tests_name("proxy v1", tests, setup_1, world_teardown);

	return failed + cmocka_run_group_tests_name("proxy v2", tests, setup_2, world_teardown);
}
