// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the values that an operator writes: addresses, prefixes, ports, ranges.
 * This file knows nothing of options, nor of what depends on two values.
 */
#include "value.h"

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

int value_seconds(const char *name, const char *text, const struct span *allowed,
		  unsigned int *seconds, struct problem *problem)
{
	unsigned long number;

	if (!read_number(text, &number) || number < allowed->low || number > allowed->high)
		return problem_set(problem, "%s: '%s' is no number of seconds from %u to %u", name,
				   text, allowed->low, allowed->high);
	*seconds = number;
	return 0;
}

int value_number(const char *name, const char *text, const struct span *allowed,
		 unsigned int *number, struct problem *problem)
{
	unsigned long value;

	if (!read_number(text, &value) || value < allowed->low || value > allowed->high)
		return problem_set(problem, "%s: '%s' is no number from %u to %u", name, text,
				   allowed->low, allowed->high);
	*number = value;
	return 0;
}

int value_word(const char *name, const char *text, const char *const *words, size_t count,
	       unsigned int *choice, struct problem *problem)
{
	char known[256] = "";

	for (size_t i = 0; i < count; i++) {
		const char *before = i + 1 < count ? ", " : " or ";
		size_t used = strlen(known);

		if (strcmp(text, words[i]) == 0) {
			*choice = i;
			return 0;
		}
		snprintf(known + used, sizeof(known) - used, "%s%s", i ? before : "", words[i]);
	}
	return problem_set(problem, "%s: '%s' is not among its words; say %s", name, text, known);
}

static int no_address(const char *name, const char *text, struct problem *problem)
{
	return problem_set(problem,
			   "%s: '%s' is no IP address; write it like 203.0.113.5 or 2001:db8::5",
			   name, text);
}

static int check_host(const char *name, const char *text, const struct ftpfix_addr *addr,
		      struct problem *problem)
{
	const char *reason = address_unreachable(addr);

	if (reason)
		return problem_set(problem, "%s: %s %s; name the address of a host", name, text,
				   reason);
	return 0;
}

int value_host(const char *name, const char *text, struct ftpfix_addr *addr,
	       struct problem *problem)
{
	if (!address_read(text, addr))
		return no_address(name, text, problem);
	return check_host(name, text, addr, problem);
}

/* Copies what stands before the end; false if that is longer than any address. */
static bool copy_address(const char *text, const char *end, char address[INET6_ADDRSTRLEN])
{
	size_t length = end - text;

	if (length >= INET6_ADDRSTRLEN)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return true;
}

static int check_prefix(const char *name, const char *text, const struct prefix *prefix,
			struct problem *problem)
{
	bool ipv4 = prefix_family(prefix) == FTPFIX_IPV4;
	struct prefix masked = prefix_masked(prefix);
	char suggestion[PREFIX_TEXT_MAX];
	const char *reason;

	if (!prefix_equal(prefix, &masked))
		return problem_set(problem,
				   "%s: '%s' has bits set after its length; write %s, or the "
				   "address alone for one host",
				   name, text, prefix_format(&masked, suggestion));
	/* One that holds more than what cannot be reached is the operator's choice. */
	reason = prefix->length < (ipv4 ? MAPPED_BITS + 8 : 8) ? NULL
							       : address_unreachable(&prefix->addr);
	if (reason && (ipv4 || prefix->length > 0))
		return problem_set(problem, "%s: %s %s; name addresses of hosts", name, text,
				   reason);
	return 0;
}

int value_prefix(const char *name, const char *text, struct prefix *prefix, struct problem *problem)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned int offset, bits;
	unsigned long length;
	bool ipv4;

	if (slash && !read_number(slash + 1, &length))
		return problem_set(problem, "%s: '%s' has no prefix length after its '/'", name,
				   text);
	if (!copy_address(text, slash ? slash : text + strlen(text), address) ||
	    !address_read(address, &prefix->addr))
		return no_address(name, text, problem);
	/* Written as IPv4, or as what it is mapped to. */
	ipv4 = !strchr(address, ':');
	offset = ipv4 ? MAPPED_BITS : 0;
	bits = 128 - offset;
	if (!slash)
		length = bits;
	if (length > bits)
		return problem_set(problem,
				   "%s: '%s' has a prefix length above %u; IPv%d has %u bits", name,
				   text, bits, ipv4 ? 4 : 6, bits);
	prefix->length = offset + length;
	return check_prefix(name, text, prefix, problem);
}

int value_listen(const char *name, const char *text, struct ftpfix_endpoint *endpoint,
		 struct problem *problem)
{
	bool bracketed = text[0] == '[';
	const char *start = text + bracketed;
	const char *end = bracketed ? strchr(text, ']') : strrchr(text, ':');
	const char *colon = end ? end + bracketed : "";
	char address[INET6_ADDRSTRLEN];
	__u16 port;
	int err;

	if (*colon != ':' || !copy_address(start, end, address))
		return problem_set(problem,
				   "%s: '%s' is no address and port; write it like "
				   "127.0.0.1:9199 or [::1]:9199",
				   name, text);
	if (!address_read(address, &endpoint->addr))
		return no_address(name, address, problem);
	if (!bracketed && strchr(address, ':'))
		return problem_set(problem, "%s: '%s' has no brackets; write [%s]%s", name, text,
				   address, colon);
	err = value_port(name, colon + 1, &port, problem);
	if (err)
		return err;
	endpoint->be_port = htons(port);
	return 0;
}

int value_endpoint(const char *name, const char *text, struct ftpfix_endpoint *endpoint,
		   struct problem *problem)
{
	const char *colon = strchr(text, ':');
	size_t length = strlen(text);
	char address[INET6_ADDRSTRLEN];
	int err;

	*endpoint = (struct ftpfix_endpoint){0};
	/* An IPv6 address in brackets and nothing behind it. */
	if (text[0] == '[' && text[length - 1] == ']' &&
	    copy_address(text + 1, text + length - 1, address))
		return value_host(name, address, &endpoint->addr, problem);
	/* One of several colons is no port's, unless brackets say so. */
	if (text[0] != '[' && (!colon || strchr(colon + 1, ':')))
		return value_host(name, text, &endpoint->addr, problem);
	err = value_listen(name, text, endpoint, problem);
	return err ? err : check_host(name, text, &endpoint->addr, problem);
}
