/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the settings of the node's network stack, and changes none.
 * This header knows nothing of what depends on them.
 */
#ifndef SYSCTL_H
#define SYSCTL_H

#include <stdbool.h>

#include "ftpfix.h"

/* The lowest port that the node's own connections take. 0 or a negative errno. */
int sysctl_local_port(unsigned int *low);

/* Whether the stack forwards what comes in on the interface; true where that cannot be
 * read. */
bool sysctl_forwards(const char *device, enum ftpfix_family family);

/* The sysctl that switches forwarding on for all interfaces, and its value. */
const char *sysctl_forwarding(enum ftpfix_family family);

#endif /* SYSCTL_H */
