/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The balancer as a test sets it up: virtual addresses, their servers, the table of
 * slots; and a control connection through it, at all the programs that it meets.
 */
#ifndef FTPFIX_PROG_BALANCE_H
#define FTPFIX_PROG_BALANCE_H

#include "prog_dial.h"

#define SERVERS 3

static inline void balance_write(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

/* Slot s of the virtual address goes to server numbers[s % count]. As the loader does it, the
 * whole table is put in the place of the one before. */
static inline void balance_slots(struct world *world, __u32 id, const __u32 *numbers, __u32 count)
{
	__u32 slots = FTPFIX_MAGLEV_SLOTS, *keys = calloc(slots, sizeof(*keys));
	__u32 *values = calloc(slots, sizeof(*values));
	int table = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", sizeof(*keys), sizeof(*values),
				   slots, NULL);

	assert_true(keys && values && table >= 0);
	for (__u32 slot = 0; slot < slots; slot++) {
		keys[slot] = slot;
		values[slot] = numbers[slot % count];
	}
	assert_int_equal(bpf_map_update_batch(table, keys, values, &slots, NULL), 0);
	balance_write(world->skeleton->maps.maglev, &id, &table);
	close(table);
	free(keys);
	free(values);
}

/* All of them to one. */
static inline void balance_to(struct world *world, __u32 id, __u32 number)
{
	balance_slots(world, id, &number, 1);
}

static inline void balance_backend(struct world *world, __u32 id, __u32 number,
				   const struct ftpfix_backend *backend)
{
	__u32 index = id * FTPFIX_BACKENDS_MAX + number;

	balance_write(world->skeleton->maps.backends, &index, backend);
}

/* Server `number` is that many addresses above the talk's. */
static inline struct ftpfix_backend balance_server(const struct talk *talk, __u32 number)
{
	struct ftpfix_backend backend = {
		.endpoint = {.addr = talk_address(talk, talk->server + number),
			     .be_port = htons(SERVICE_PORT)},
		.source = talk_address(talk, ip4(10, 0, 0, 1)),
		.out_ifindex = talk->world->server,
		.weight = 1,
		.takes = 1,
	};

	return backend;
}

/* The talk's virtual address under this id, with its servers, all slots to the first. */
static inline void balance_virtual(const struct talk *talk, __u32 id, enum ftpfix_balance balance)
{
	struct ftpfix_endpoint dialled = {.addr = talk_address(talk, talk->vip),
					  .be_port = htons(talk->port)};
	struct ftpfix_virtual virtual = {
		.id = id,
		.balance = balance,
		.forward = talk->world->service.forward,
	};

	for (__u32 number = 0; number < SERVERS; number++) {
		struct ftpfix_backend backend = balance_server(talk, number);

		balance_backend(talk->world, id, number, &backend);
	}
	talk->world->skeleton->bss->backend_count[id] = SERVERS;
	balance_to(talk->world, id, 0);
	balance_write(talk->world->skeleton->maps.virtuals, &dialled, &virtual);
}

/* What every test of the balancer begins with. */
static inline struct talk balance_begin(void **state, enum ftpfix_forward forward, int ipv6,
					enum ftpfix_balance balance)
{
	struct world *world = world_begin(state, forward);
	struct talk talk = talk_of(world);

	map_clear(world->skeleton->maps.virtuals);
	map_clear(world->skeleton->maps.loads);
	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	talk.shape.ipv6 = ipv6;
	balance_virtual(&talk, 0, balance);
	return talk;
}

/* The talk's control connection: to the first server, by default. */
static inline struct dial balance_dial(const struct talk *talk)
{
	struct dial dial = dial_of(talk, SERVICE_PORT, SERVICE_PORT);

	dial.client_port = talk->client_port;
	dial.source_port = talk->client_port;
	return dial;
}

/* The sessions that the dial's server is counted to have. */
static inline __s64 balance_load(const struct dial *dial)
{
	struct ftpfix_endpoint server = {.addr = dial_address(dial, dial->server),
					 .be_port = htons(dial->server_port)};
	struct ftpfix_load load;

	if (bpf_map_lookup_elem(bpf_map__fd(dial->world->skeleton->maps.loads), &server, &load))
		return 0;
	return load.sessions;
}

/* Opens the connection, whose server has so many sessions then. */
static inline void balance_open_at(struct dial *dial, __s64 load, const char *file, int line)
{
	dial_learn_at(dial, file, line);
	counted_check(
		dial->world,
		(struct change[]){{FTPFIX_BALANCED_OPENED, 1}, CARRIED_OF(dial, 1, 0), NOTHING},
		file, line);
	dial_down_at(dial, SYN | ACK, "", file, line);
	if (balance_load(dial) != load - 1)
		_fail(file, line);
	dial_up_at(dial, ACK, "", file, line);
	counted_check(dial->world,
		      (struct change[]){
			      {FTPFIX_BALANCED_ESTABLISHED, 1}, CARRIED_OF(dial, 2, 0), NOTHING},
		      file, line);
	if (balance_load(dial) != load)
		_fail(file, line);
}

#define balance_open(dial, load) balance_open_at(dial, load, __FILE__, __LINE__)

/* A control connection at two programs: where a packet enters, and where it leaves. */
struct control {
	struct dial dial;
	__u32 longer; /* so many bytes more than the server sent the client got */
};

/* What came out of a program leaves by another as this frame. */
static inline void control_leaves(struct world *world, enum program program,
				  const struct frame *expected, const char *file, int line)
{
	struct frame input = world->output;

	run_check(world, program, &input, TC_ACT_UNSPEC, expected, file, line);
}

/* The client's next segment reaches its server as it is. */
static inline void control_up_at(struct control *control, __u8 flags, const char *bytes,
				 const char *file, int line)
{
	struct dial *dial = &control->dial, outside = *dial;
	struct frame input, output;

	outside.server_sequence += control->longer;
	dial_up_frame(&outside, flags, dial->client_sequence, bytes, 0, &input);
	dial_up_frame(dial, flags, dial->client_sequence, bytes, 1, &output);
	run_check(dial->world, UPLINK_INGRESS, &input, TC_ACT_REDIRECT, &output, file, line);
	control_leaves(dial->world, INSIDE_EGRESS, &output, file, line);
	dial->client_sequence += dial_step(flags, bytes);
}

/* The server's reaches the client with the bytes that are expected. */
static inline void control_down_at(struct control *control, __u8 flags, const char *bytes,
				   const char *expected, const char *file, int line)
{
	struct dial *dial = &control->dial;
	__u32 sequence = dial->server_sequence;
	struct frame output;

	dial_down_at(dial, flags, bytes, file, line);
	dial_down_frame(dial, flags, sequence + control->longer, expected, 1, &output);
	control_leaves(dial->world, UPLINK_EGRESS, &output, file, line);
	control->longer += strlen(expected) - strlen(bytes);
}

#define control_up(control, flags, bytes) control_up_at(control, flags, bytes, __FILE__, __LINE__)
#define control_down(control, flags, bytes, expected) \
	control_down_at(control, flags, bytes, expected, __FILE__, __LINE__)

static inline struct control control_open_at(const struct talk *talk, const char *file, int line)
{
	struct control control = {.dial = balance_dial(talk)};

	control_up_at(&control, SYN, "", file, line);
	control_down_at(&control, SYN | ACK, "", "", file, line);
	control_up_at(&control, ACK, "", file, line);
	counted_check(talk->world,
		      (struct change[]){{FTPFIX_BALANCED_OPENED, 1},
					{FTPFIX_BALANCED_ESTABLISHED, 1},
					CARRIED_OF(&control.dial, 3, 0),
					NOTHING},
		      file, line);
	return control;
}

/* A data connection of the session: to its server at the port that the client dials, from where
 * its control connection comes. */
static inline struct dial control_data(const struct control *control, __u16 port)
{
	struct dial data = control->dial;

	data.client_port = data.source_port = 50001;
	data.public_port = data.server_port = port;
	data.client_sequence = 5;
	data.server_sequence = 6;
	return data;
}

/* It is carried from its beginning to its end. */
static inline void control_carries_at(struct dial *data, const char *file, int line)
{
	dial_open_at(data, file, line);
	dial_down_at(data, PSH | ACK, "listing", file, line);
	dial_up_at(data, ACK, "", file, line);
	dial_down_at(data, FIN | ACK, "", file, line);
	dial_up_at(data, FIN | ACK, "", file, line);
	dial_down_at(data, ACK, "", file, line);
	counted_check(data->world,
		      (struct change[]){{FTPFIX_CONNECTION_OPENED, 1},
					{FTPFIX_CONNECTION_CLOSED, 1},
					CARRIED_OF(data, 8, 7),
					NOTHING},
		      file, line);
}

#define control_carries(data) control_carries_at(data, __FILE__, __LINE__)

#define control_open(talk) control_open_at(talk, __FILE__, __LINE__)

#endif /* FTPFIX_PROG_BALANCE_H */
