/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the configuration takes from the settings of the node, and what it needs there.
 * This header knows nothing of programs or maps.
 */
#ifndef NODE_H
#define NODE_H

#include "config.h"

/* Completes and checks the configuration, whose interfaces were found. Prints what is
 * wrong; 0 or a negative errno. */
int node_check(struct config *config);

/* Whether the interface has an address of the family, and the stack yet forwards nothing
 * of it that comes in there. */
bool node_refuses(const struct device *device, enum ftpfix_family family);

#endif /* NODE_H */
