// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Turns the addresses of the maps into text and IPv4 addresses into those.
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

bool address_is_none(const struct ftpfix_addr *addr)
{
	return !(addr->be_word[0] | addr->be_word[1] | addr->be_word[2] | addr->be_word[3]);
}

static bool is_ipv4(const struct ftpfix_addr *addr)
{
	return memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

const char *address_format(const struct ftpfix_addr *addr, char text[ENDPOINT_TEXT_MAX])
{
	if (is_ipv4(addr))
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
	snprintf(text, ENDPOINT_TEXT_MAX, is_ipv4(addr) ? "%.45s:%u" : "[%.45s]:%u", address,
		 ntohs(be_port));
	return text;
}
