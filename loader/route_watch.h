/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells the dataplane when routes, neighbours or interfaces have changed, so that until then
 * it can go by the next hops that it knows.
 * This header knows nothing of how next hops are kept.
 */
#ifndef ROUTE_WATCH_H
#define ROUTE_WATCH_H

#include "dataplane.h"
#include "loop.h"

struct route_watch;

/* Listens from now on. Prints what is wrong; NULL then. */
struct route_watch *route_watch_start(const struct loop *loop, const struct dataplane *dataplane);

/* Called once a second: tells the dataplane that changes are still heard of. */
void route_watch_second(struct route_watch *watch);

/* The dataplane goes without from now on. */
void route_watch_stop(struct route_watch *watch);

#endif /* ROUTE_WATCH_H */
