/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses and prefixes as the maps hold them, and as people read them.
 * This header knows nothing of which addresses are allowed where.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <arpa/inet.h>
#include <stdbool.h>

#include "ftpfix.h"

/* An IPv6 address in brackets, a colon and a port. */
#define ENDPOINT_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("[]:65535"))

#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + sizeof("/128"))

/* Where the bits of an IPv4 address start in the mapped one. */
#define MAPPED_BITS 96

/* The length of a prefix that is one host, of either family. */
#define HOST_BITS 128

/* An IPv4 prefix is one of the mapped addresses, and at least MAPPED_BITS long. */
struct prefix {
	struct ftpfix_addr addr;
	unsigned int length; /* 0..128 */
};

/* The IPv4 address (network order) mapped into IPv6. */
struct ftpfix_addr address_from_ipv4(__be32 be_ipv4);

/* The address of this family (AF_INET, AF_INET6), as the kernel and the resolver
 * give it. */
struct ftpfix_addr address_from_bytes(int family, const void *bytes);

/* Reads an IPv4 or IPv6 address; false if the text is neither. */
bool address_read(const char *text, struct ftpfix_addr *addr);

/* Whether the address is the all-zero one, which stands for "none". */
bool address_is_none(const struct ftpfix_addr *addr);

bool address_equal(const struct ftpfix_addr *one, const struct ftpfix_addr *other);

enum ftpfix_family address_family(const struct ftpfix_addr *addr);

/* "IPv4" or "IPv6". */
const char *family_name(enum ftpfix_family family);

/* Why no connection can go to the address from another host, in words that
 * follow it; NULL if one can. */
const char *address_unreachable(const struct ftpfix_addr *addr);

/* Writes the address into text and returns text. */
const char *address_format(const struct ftpfix_addr *addr, char text[ENDPOINT_TEXT_MAX]);

/* Writes address and port (network order) into text and returns text. */
const char *endpoint_format(const struct ftpfix_addr *addr, __be16 be_port,
			    char text[ENDPOINT_TEXT_MAX]);

/* All addresses of the family: 0.0.0.0/0 or ::/0. */
struct prefix prefix_of_all(enum ftpfix_family family);

enum ftpfix_family prefix_family(const struct prefix *prefix);

/* The prefix without the bits after its length. */
struct prefix prefix_masked(const struct prefix *prefix);

bool prefix_equal(const struct prefix *one, const struct prefix *other);

/* Whether the inner prefix lies in the outer one, both of one family. */
bool prefix_holds(const struct prefix *outer, const struct prefix *inner);

/* Writes ADDR/LEN into text and returns text. */
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX]);

#endif /* ADDRESS_H */
