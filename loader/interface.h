/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the interfaces that were named, and those that the routes to the
 * servers and their clients use. This header knows nothing of what is attached to them.
 */
#ifndef INTERFACE_H
#define INTERFACE_H

#include "config.h"

/* Looks every named interface up, and chooses by the routes where none was named: the
 * server-side ones if they are needed, and the uplinks of a balancer. Prints what is wrong; 0 or a negative errno. */
int interfaces_find(struct config *config);

/* Called once a second: tells of interfaces that are gone, and their programs with them. */
void interfaces_second(struct config *config);

/* Whether there is such an interface. */
bool interface_exists(unsigned int index);

/* The name that the interface bears now, for messages. */
const char *interface_name(unsigned int index, char name[IF_NAMESIZE]);

#endif /* INTERFACE_H */
