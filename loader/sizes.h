/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many entries each map gets for so many sessions.
 * This header knows nothing of what is in the entries.
 */
#ifndef SIZES_H
#define SIZES_H

#include "config.h"

struct bpf_object;

/* How many groups the tables of flows and of expectations have, and how many of the connections
 * that open, and as many of those that are closed, the first takes: constants of the programs. */
unsigned int sizes_flow_groups(const struct config *config);
unsigned int sizes_expectation_groups(const struct config *config);
unsigned int sizes_turn_places(const struct config *config);

/* How many connections the table of flows is made for. */
unsigned int sizes_connections(const struct config *config);

/* Sizes the maps of an object that is not loaded yet. Prints what is wrong; 0 or a
 * negative errno. */
int sizes_set(const struct bpf_object *object, const struct config *config);

#endif /* SIZES_H */
