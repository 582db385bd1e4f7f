/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The dataplane's events as lines of the log.
 * This header knows nothing of how the events come about.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>

#include "loop.h"

struct events;

/* Reads events from the ring buffer map within the loop; where the clients are
 * tells who was to connect. Prints what is wrong; NULL then. */
struct events *events_start(const struct loop *loop, int map, bool clients_inside);

/* Called once a second: says how many lines were suppressed in the last one. */
void events_second(struct events *events);

void events_stop(struct events *events);

#endif /* EVENTS_H */
