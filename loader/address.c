// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Turns the addresses of the maps into text and others into those.
 * This file knows nothing of which addresses are allowed where.
 */
#include "address.h"

#include <stdio.h>
#include <string.h>

static const __u8 mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct ftpfix_addr address_from_ipv4(__be32 be_ipv4)
{
	struct ftpfix_addr addr = {{0, 0, htonl(0xffff), be_ipv4}};

	return addr;
}

struct ftpfix_addr address_from_bytes(int family, const void *bytes)
{
	struct ftpfix_addr addr;
	__be32 be_ipv4;

	if (family == AF_INET) {
		memcpy(&be_ipv4, bytes, sizeof(be_ipv4));
		return address_from_ipv4(be_ipv4);
	}
	memcpy(&addr, bytes, sizeof(addr));
	return addr;
}

bool address_read(const char *text, struct ftpfix_addr *addr)
{
	__be32 be_ipv4;

	if (inet_pton(AF_INET, text, &be_ipv4) == 1) {
		*addr = address_from_ipv4(be_ipv4);
		return true;
	}
	return inet_pton(AF_INET6, text, addr) == 1;
}

bool address_is_none(const struct ftpfix_addr *addr)
{
	return !(addr->be_word[0] | addr->be_word[1] | addr->be_word[2] | addr->be_word[3]);
}

bool address_equal(const struct ftpfix_addr *one, const struct ftpfix_addr *other)
{
	return memcmp(one, other, sizeof(*one)) == 0;
}

enum ftpfix_family address_family(const struct ftpfix_addr *addr)
{
	return memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) ? FTPFIX_IPV6 : FTPFIX_IPV4;
}

const char *family_name(enum ftpfix_family family)
{
	return family == FTPFIX_IPV4 ? "IPv4" : "IPv6";
}

static const char *unreachable_ipv4(__u32 ipv4)
{
	if (ipv4 >> 24 == 0)
		return "is in 0.0.0.0/8, which names no host";
	if (ipv4 >> 24 == IN_LOOPBACKNET)
		return "is a loopback address, which no other host reaches";
	if (IN_MULTICAST(ipv4))
		return "is a multicast address, which TCP cannot use";
	if (ipv4 == INADDR_BROADCAST)
		return "is the broadcast address, which TCP cannot use";
	return NULL;
}

const char *address_unreachable(const struct ftpfix_addr *addr)
{
	const struct in6_addr *ipv6 = (const struct in6_addr *)addr;

	if (address_family(addr) == FTPFIX_IPV4)
		return unreachable_ipv4(ntohl(addr->be_word[3]));
	if (IN6_IS_ADDR_UNSPECIFIED(ipv6))
		return "names no host";
	if (IN6_IS_ADDR_LOOPBACK(ipv6))
		return "is the loopback address, which no other host reaches";
	if (IN6_IS_ADDR_LINKLOCAL(ipv6))
		return "is a link-local address, which means another host on every link";
	if (IN6_IS_ADDR_MULTICAST(ipv6))
		return "is a multicast address, which TCP cannot use";
	return NULL;
}

const char *address_format(const struct ftpfix_addr *addr, char text[ENDPOINT_TEXT_MAX])
{
	if (address_family(addr) == FTPFIX_IPV4)
		inet_ntop(AF_INET, &addr->be_word[3], text, ENDPOINT_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr, text, ENDPOINT_TEXT_MAX);
	return text;
}

const char *endpoint_format(const struct ftpfix_addr *addr, __be16 be_port,
			    char text[ENDPOINT_TEXT_MAX])
{
	char address[ENDPOINT_TEXT_MAX];

	address_format(addr, address);
	snprintf(text, ENDPOINT_TEXT_MAX,
		 address_family(addr) == FTPFIX_IPV4 ? "%.45s:%u" : "[%.45s]:%u", address,
		 ntohs(be_port));
	return text;
}

struct prefix prefix_of_all(enum ftpfix_family family)
{
	struct prefix all = {0};

	if (family == FTPFIX_IPV4)
		all = (struct prefix){address_from_ipv4(0), MAPPED_BITS};
	return all;
}

enum ftpfix_family prefix_family(const struct prefix *prefix)
{
	return prefix->length < MAPPED_BITS ? FTPFIX_IPV6 : address_family(&prefix->addr);
}

struct prefix prefix_masked(const struct prefix *prefix)
{
	struct prefix masked = *prefix;

	for (unsigned int word = 0; word < 4; word++) {
		unsigned int before = 32 * word;

		if (prefix->length <= before)
			masked.addr.be_word[word] = 0;
		else if (prefix->length < before + 32)
			masked.addr.be_word[word] &= htonl(~0U << (before + 32 - prefix->length));
	}
	return masked;
}

bool prefix_equal(const struct prefix *one, const struct prefix *other)
{
	return one->length == other->length && address_equal(&one->addr, &other->addr);
}

bool prefix_holds(const struct prefix *outer, const struct prefix *inner)
{
	struct prefix shortened = {inner->addr, outer->length};

	shortened = prefix_masked(&shortened);
	return outer->length <= inner->length && prefix_family(outer) == prefix_family(inner) &&
	       prefix_equal(&shortened, outer);
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX])
{
	bool ipv4 = prefix_family(prefix) == FTPFIX_IPV4;
	char address[ENDPOINT_TEXT_MAX];

	/* ::/0 and others that hold the mapped addresses are no IPv4 prefixes. */
	if (ipv4)
		address_format(&prefix->addr, address);
	else
		inet_ntop(AF_INET6, &prefix->addr, address, sizeof(address));
	snprintf(text, PREFIX_TEXT_MAX, "%.45s/%u", address,
		 prefix->length - (ipv4 ? MAPPED_BITS : 0));
	return text;
}
