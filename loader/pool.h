/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The servers of all virtual addresses of one family and port, and what the maps hold for
 * them. This header knows nothing of why a server takes sessions or not.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>

#include "config.h"
#include "dataplane.h"

struct pool {
	enum ftpfix_family family;
	__be16 be_port;
	__u32 virtual[FTPFIX_VIRTUALS_MAX]; /* which of the configuration's; their ids */
	size_t virtual_count;
	const struct ftpfix_backend *member[FTPFIX_BACKENDS_MAX]; /* NULL: a free place */
	/* As the maps have it: */
	struct ftpfix_backend written[FTPFIX_BACKENDS_MAX];
	__u32 slots[FTPFIX_BACKENDS_MAX]; /* of the table, that each place has */
	bool empty;			  /* no server takes sessions, which was said */
	bool complete;			  /* false: something of it could not be written yet */
};

/* Gives the server a place, which pool_write() brings into the maps. False if all are
 * taken; true if it has one already. */
bool pool_join(struct pool *pool, const struct ftpfix_backend *server);

/* Takes its place back, if it has one. */
void pool_leave(struct pool *pool, const struct ftpfix_backend *server);

bool pool_has_place(const struct pool *pool);

/* Which place the server has, or -1. */
int pool_place(const struct pool *pool, const struct ftpfix_backend *server);

/* Makes the maps say what the servers say now. A table of slots is replaced as a whole.
 * Prints what is wrong; 0 or a negative errno: then the next call goes on. */
int pool_write(struct pool *pool, const struct dataplane *dataplane, const struct config *config);

#endif /* POOL_H */
