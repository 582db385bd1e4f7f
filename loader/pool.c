// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the servers of a pool into the maps, in an order in which the programs never see
 * a slot without its server. This file knows nothing of why a server takes sessions.
 */
#include "pool.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maglev.h"
#include "maps.h"

int pool_place(const struct pool *pool, const struct ftpfix_backend *server)
{
	for (int i = 0; i < FTPFIX_BACKENDS_MAX; i++)
		if (pool->member[i] == server)
			return i;
	return -1;
}

bool pool_has_place(const struct pool *pool)
{
	return pool_place(pool, NULL) >= 0;
}

bool pool_join(struct pool *pool, const struct ftpfix_backend *server)
{
	int place;

	if (pool_place(pool, server) >= 0)
		return true;
	place = pool_place(pool, NULL);
	if (place < 0)
		return false;
	pool->member[place] = server;
	return true;
}

void pool_leave(struct pool *pool, const struct ftpfix_backend *server)
{
	int place = pool_place(pool, server);

	if (place >= 0)
		pool->member[place] = NULL;
}

/* Writes one place for every virtual address. */
static int write_place(struct pool *pool, const struct dataplane *dataplane, __u32 place,
		       const struct ftpfix_backend *backend)
{
	int err = 0;

	for (size_t i = 0; !err && i < pool->virtual_count; i++) {
		__u32 index = pool->virtual[i] * FTPFIX_BACKENDS_MAX + place;

		err = bpf_map_update_elem(dataplane->backends, &index, backend, BPF_ANY);
	}
	if (!err)
		pool->written[place] = *backend;
	return err;
}

/* Whether both are one server, to which one way leads. */
static bool is_same(const struct ftpfix_backend *one, const struct ftpfix_backend *other)
{
	return one->out_ifindex == other->out_ifindex &&
	       address_equal(&one->source, &other->source) &&
	       !memcmp(&one->endpoint, &other->endpoint, sizeof(one->endpoint));
}

/* A program may read an entry while it is written, and no matter for how long that is
 * interrupted: one that changes its server says so before, and until it is whole. */
static int write_changed(struct pool *pool, const struct dataplane *dataplane, __u32 place,
			 const struct ftpfix_backend *now)
{
	struct ftpfix_backend step[] = {pool->written[place], *now, *now};
	size_t first = is_same(&step[0], now) ? 2 : 0;
	int err = 0;

	if (memcmp(&step[0], now, sizeof(*now)) == 0)
		return 0;
	step[0].takes = step[1].takes = step[0].takes ? FTPFIX_TAKES_LATER : 0;
	for (size_t i = first; !err && i < 3; i++)
		err = write_place(pool, dataplane, place, &step[i]);
	return err;
}

static int write_places(struct pool *pool, const struct dataplane *dataplane, bool taking)
{
	static const struct ftpfix_backend free_place;
	int err = 0;

	for (__u32 place = 0; !err && place < FTPFIX_BACKENDS_MAX; place++) {
		const struct ftpfix_backend *now =
			pool->member[place] ? pool->member[place] : &free_place;

		if (!now->takes == !taking)
			err = write_changed(pool, dataplane, place, now);
	}
	return err;
}

/* Fills a new table in. The descriptor of its map, or a negative errno. */
static int make_table(const __u32 table[FTPFIX_MAGLEV_SLOTS])
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	__u32 *keys = calloc(FTPFIX_MAGLEV_SLOTS, sizeof(*keys));
	__u32 count = FTPFIX_MAGLEV_SLOTS;
	int map, err;

	if (!keys)
		return -ENOMEM;
	for (__u32 i = 0; i < FTPFIX_MAGLEV_SLOTS; i++)
		keys[i] = i;
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(*keys), sizeof(*table),
			     FTPFIX_MAGLEV_SLOTS, NULL);
	err = map < 0 ? map : bpf_map_update_batch(map, keys, table, &count, &options);
	free(keys);
	if (err && map >= 0)
		close(map);
	return err ? err : map;
}

/* Returns when no program uses the old table any more: the kernel waits for that. */
static int write_table(const struct pool *pool, const struct dataplane *dataplane,
		       const __u32 table[FTPFIX_MAGLEV_SLOTS])
{
	int map = make_table(table), err = 0;

	if (map < 0)
		return map;
	for (size_t i = 0; !err && i < pool->virtual_count; i++)
		err = bpf_map_update_elem(dataplane->maglev, &pool->virtual[i], &map, BPF_ANY);
	close(map);
	return err;
}

static int write_slots(struct pool *pool, const struct dataplane *dataplane)
{
	struct maglev_server servers[FTPFIX_BACKENDS_MAX];
	__u32 *table = calloc(FTPFIX_MAGLEV_SLOTS, sizeof(*table));
	size_t count = 0;
	int err;

	if (!table)
		return -ENOMEM;
	for (__u32 place = 0; place < FTPFIX_BACKENDS_MAX; place++) {
		const struct ftpfix_backend *server = pool->member[place];

		if (server && server->takes)
			servers[count++] =
				(struct maglev_server){server->endpoint, server->weight, place};
	}
	maglev_fill(table, servers, count);
	err = write_table(pool, dataplane, table);
	memset(pool->slots, 0, sizeof(pool->slots));
	for (size_t i = 0; !err && i < FTPFIX_MAGLEV_SLOTS && count > 0; i++)
		pool->slots[table[i]]++;
	free(table);
	return err;
}

/* Whether the table must be another: who takes sessions, or with which weight. */
static bool shares_change(const struct pool *pool)
{
	for (size_t place = 0; place < FTPFIX_BACKENDS_MAX; place++) {
		const struct ftpfix_backend *now = pool->member[place];
		const struct ftpfix_backend *before = &pool->written[place];
		bool takes = now && now->takes;

		if (takes != !!before->takes)
			return true;
		if (takes && (now->weight != before->weight ||
			      memcmp(&now->endpoint, &before->endpoint, sizeof(now->endpoint))))
			return true;
	}
	return false;
}

/* How far those who choose a server must look. */
static void write_counts(const struct pool *pool, const struct dataplane *dataplane)
{
	__u32 count = 0;

	for (__u32 place = 0; place < FTPFIX_BACKENDS_MAX; place++)
		if (pool->member[place])
			count = place + 1;
	for (size_t i = 0; i < pool->virtual_count; i++)
		dataplane_write_backend_count(dataplane, pool->virtual[i], count);
}

/* What never changes. */
static int write_virtuals(const struct pool *pool, const struct dataplane *dataplane,
			  const struct config *config)
{
	int err = 0;

	for (size_t i = 0; !err && i < pool->virtual_count; i++) {
		const struct ftpfix_virtual virtual = {
			.id = pool->virtual[i],
			.balance = config->balance,
			.forward = config->forward,
		};

		err = map_write(dataplane->virtuals, &config->virtual[virtual.id], &virtual,
				sizeof(virtual));
	}
	return err;
}

static void say_empty(struct pool *pool, const struct config *config)
{
	char text[ENDPOINT_TEXT_MAX];
	bool empty = true;

	for (size_t place = 0; place < FTPFIX_BACKENDS_MAX; place++)
		empty &= !pool->member[place] || !pool->member[place]->takes;
	for (size_t i = 0; empty != pool->empty && i < pool->virtual_count; i++) {
		const struct ftpfix_endpoint *virtual = &config->virtual[pool->virtual[i]];

		log_line("%s: %s", endpoint_format(&virtual->addr, virtual->be_port, text),
			 empty ? "no server takes new sessions: clients are refused"
			       : "a server takes new sessions again");
	}
	pool->empty = empty;
}

int pool_write(struct pool *pool, const struct dataplane *dataplane, const struct config *config)
{
	bool slots = config->balance == FTPFIX_BALANCE_MAGLEV &&
		     (!pool->complete || shares_change(pool));
	int err;

	err = write_places(pool, dataplane, true);
	if (!err && slots)
		err = write_slots(pool, dataplane);
	if (!err)
		err = write_places(pool, dataplane, false);
	if (!err)
		write_counts(pool, dataplane);
	if (!err && !pool->complete)
		err = write_virtuals(pool, dataplane, config);
	if (err)
		log_line("the servers of a virtual address cannot be written into the maps: %s",
			 strerror(-err));
	pool->complete = !err;
	say_empty(pool, config);
	return err;
}
