/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The address by which others reach an interface.
 * This header knows nothing of what it is used for.
 */
#ifndef IFADDR_H
#define IFADDR_H

#include "address.h"

/* Finds the first global address of each family that is in use: tentative,
 * deprecated, temporary and secondary ones are not. Of IPv6, a unique local address
 * only if there is no other. All zero where there is none, or no such interface.
 * 0 or a negative errno. */
int ifaddr_find(const char *device, struct ftpfix_addr addr[FTPFIX_FAMILIES]);

#endif /* IFADDR_H */
