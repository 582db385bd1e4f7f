// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the values that an operator writes: addresses, prefixes, ports, ranges.
 * This file knows nothing of options, nor of what depends on two values.
 */
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#define PORT_MAX 65535

/* Decimal digits and nothing else, unlike strtoul(), which takes signs, spaces
 * and hexadecimal. */
static bool read_number(const char *text, unsigned long *number)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 9 || text[digits] != '\0')
		return false;
	*number = strtoul(text, NULL, 10);
	return true;
}

int value_port(const char *name, const char *text, __u16 *port, struct problem *problem)
{
	unsigned long number;

	if (!read_number(text, &number) || number < 1 || number > PORT_MAX)
		return problem_set(problem, "%s: '%s' is no port; name one from 1 to 65535", name,
				   text);
	*port = number;
	return 0;
}

int value_port_range(const char *name, const char *text, __u16 *low, __u16 *high,
		     struct problem *problem)
{
	const char *dash = strchr(text, '-');
	unsigned long from, to;
	char start[16];

	if (!dash || (size_t)(dash - text) >= sizeof(start))
		return problem_set(problem,
				   "%s: '%s' is no range of ports; write it like 20000-29999", name,
				   text);
	memcpy(start, text, dash - text);
	start[dash - text] = '\0';
	if (!read_number(start, &from) || !read_number(dash + 1, &to))
		return problem_set(problem,
				   "%s: '%s' is no range of ports; write it like 20000-29999", name,
				   text);
	if (to > PORT_MAX)
		return problem_set(problem, "%s: '%s' ends above 65535, the highest port", name,
				   text);
	if (from > to)
		return problem_set(problem, "%s: '%s' ends below its start; write %lu-%lu", name,
				   text, to, from);
	if (from < FTPFIX_PORT_MIN)
		return problem_set(problem,
				   "%s: '%s' starts below %d (RFC 2577 forbids such data ports); "
				   "start it at %d or above",
				   name, text, FTPFIX_PORT_MIN, FTPFIX_PORT_MIN);
	*low = from;
	*high = to;
	return 0;
}

static int read_ipv4(const char *name, const char *text, __be32 *be_ipv4, struct problem *problem)
{
	struct in6_addr ipv6;

	if (inet_pton(AF_INET, text, be_ipv4) == 1)
		return 0;
	if (inet_pton(AF_INET6, text, &ipv6) == 1)
		return problem_set(problem,
				   "%s: '%s': IPv6 is not supported yet; name an IPv4 address",
				   name, text);
	return problem_set(problem, "%s: '%s' is no IPv4 address; write it like 203.0.113.5", name,
			   text);
}

/* Why no connection can go to the address, or NULL if one can. */
static const char *unreachable(__be32 be_ipv4)
{
	__u32 ipv4 = ntohl(be_ipv4);

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

int value_host(const char *name, const char *text, struct ftpfix_addr *addr,
	       struct problem *problem)
{
	const char *reason;
	__be32 be_ipv4;
	int err;

	err = read_ipv4(name, text, &be_ipv4, problem);
	if (err)
		return err;
	reason = unreachable(be_ipv4);
	if (reason)
		return problem_set(problem, "%s: %s %s; name the address of a host", name, text,
				   reason);
	*addr = address_from_ipv4(be_ipv4);
	return 0;
}

static __be32 network_mask(unsigned int length)
{
	return length ? htonl(~0U << (32 - length)) : 0;
}

static int check_prefix(const char *name, const char *text, const struct prefix *prefix,
			struct problem *problem)
{
	struct in_addr network = {prefix->be_network & network_mask(prefix->length)};
	char suggestion[INET_ADDRSTRLEN];
	const char *reason;

	if (prefix->be_network != network.s_addr) {
		inet_ntop(AF_INET, &network, suggestion, sizeof(suggestion));
		return problem_set(problem,
				   "%s: '%s' has bits set after its length; write %s/%u, or the "
				   "address alone for one host",
				   name, text, suggestion, prefix->length);
	}
	/* 0.0.0.0/0 is every address, and the operator's own choice. */
	reason = prefix->length < 8 ? NULL : unreachable(prefix->be_network);
	if (reason)
		return problem_set(problem, "%s: %s %s; name addresses of servers", name, text,
				   reason);
	return 0;
}

int value_prefix(const char *name, const char *text, struct prefix *prefix, struct problem *problem)
{
	const char *slash = strchr(text, '/');
	unsigned long length = 32;
	char address[INET6_ADDRSTRLEN];
	int err;

	if (slash && !read_number(slash + 1, &length))
		return problem_set(problem, "%s: '%s' has no prefix length after its '/'", name,
				   text);
	snprintf(address, sizeof(address), "%.*s",
		 (int)(slash ? (size_t)(slash - text) : strlen(text)), text);
	err = read_ipv4(name, address, &prefix->be_network, problem);
	if (err)
		return err;
	if (length > 32)
		return problem_set(problem,
				   "%s: '%s' has a prefix length above 32; IPv4 has 32 bits", name,
				   text);
	prefix->length = length;
	return check_prefix(name, text, prefix, problem);
}

int value_listen(const char *name, const char *text, struct sockaddr_in *address,
		 struct problem *problem)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	__be32 be_ipv4;
	__u16 port;
	int err;

	if (text[0] == '[')
		return problem_set(problem,
				   "%s: '%s': IPv6 is not supported yet; name an IPv4 address",
				   name, text);
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return problem_set(problem,
				   "%s: '%s' is no address and port; write it like 127.0.0.1:9199",
				   name, text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	err = read_ipv4(name, host, &be_ipv4, problem);
	if (err)
		return err;
	err = value_port(name, colon + 1, &port, problem);
	if (err)
		return err;
	*address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = be_ipv4};
	return 0;
}
