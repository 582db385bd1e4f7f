/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What next hops depend on, as rtnetlink tells it: which of its messages tell of a change.
 * This header knows nothing of sockets, nor of who wants to know.
 */
#ifndef ROUTE_CHANGE_H
#define ROUTE_CHANGE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

/* What interfaces and neighbours were, as far as there is room for it. */
struct route_memory;

/* One that knows nothing yet. NULL where there is no memory. */
struct route_memory *route_memory_new(void);

/* To be called when messages were lost: what it knows need not be so any more. */
void route_memory_clear(struct route_memory *memory);

/* Frees it; NULL too. */
void route_memory_free(struct route_memory *memory);

/* Whether a next hop may be another one from this message on. Of a neighbour that the kernel
 * only had confirmed it is not, nor of an interface of which something else is told. */
bool route_change_told(struct route_memory *memory, const struct nlmsghdr *message);

#endif /* ROUTE_CHANGE_H */
