/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses as the maps hold them, and as people read them.
 * This header knows nothing of which addresses are allowed where.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <arpa/inet.h>
#include <stdbool.h>

#include "ftpfix.h"

/* An IPv6 address in brackets, a colon and a port. */
#define ENDPOINT_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* The IPv4 address (network order) mapped into IPv6. */
struct ftpfix_addr address_from_ipv4(__be32 be_ipv4);

/* Whether the address is the all-zero one, which stands for "none". */
bool address_is_none(const struct ftpfix_addr *addr);

/* Writes the address into text and returns text. */
const char *address_format(const struct ftpfix_addr *addr, char text[ENDPOINT_TEXT_MAX]);

/* Writes address and port (network order) into text and returns text. */
const char *endpoint_format(const struct ftpfix_addr *addr, __be16 be_port,
			    char text[ENDPOINT_TEXT_MAX]);

#endif /* ADDRESS_H */
