/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which interfaces the routes to the servers and to their clients use.
 * This header knows nothing of what is attached to them.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "config.h"

/* Fills the list with the interfaces over which the routing tables reach the
 * servers of the configuration. Prints what is wrong; 0 or a negative errno. */
int route_devices(const struct config *config, struct device_list *list);

/* The same over which default routes reach the clients of the virtual addresses, anywhere. */
int route_uplinks(const struct config *config, struct device_list *list);

#endif /* ROUTE_H */
