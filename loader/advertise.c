// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the rules of --advertise, and refuses those that contradict each other.
 * This file knows nothing of maps, interfaces or the resolver.
 */
#include "advertise.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

#define DEVICE_PREFIX "dev:"
#define NAME_PREFIX "dns:"

static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) ? NULL : text + length;
}

static int read_device(const char *name, const char *device, struct advertise_rule *rule,
		       struct problem *problem)
{
	size_t printable = 0;

	while (isgraph((unsigned char)device[printable]))
		printable++;
	if (printable == 0 || device[printable] || printable >= IF_NAMESIZE)
		return problem_set(problem, "%s: '%s' cannot be the name of an interface", name,
				   device);
	rule->kind = ADVERTISE_DEVICE;
	strcpy(rule->name, device);
	return 0;
}

static int read_name(const char *name, const char *host, struct advertise_rule *rule,
		     struct problem *problem)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";

	if (host[0] == '\0' || host[strspn(host, allowed)] || strlen(host) >= sizeof(rule->name))
		return problem_set(problem,
				   "%s: '%s' cannot be the name of a host; write it in letters, "
				   "digits, dots and hyphens",
				   name, host);
	rule->kind = ADVERTISE_NAME;
	strcpy(rule->name, host);
	return 0;
}

static int read_address(const char *name, const char *text, struct advertise_rule *rule,
			struct problem *problem)
{
	enum ftpfix_family family, wanted;
	struct ftpfix_addr addr;
	int err;

	err = value_host(name, text, &addr, problem);
	if (err)
		return err;
	family = address_family(&addr);
	wanted = prefix_family(&rule->net);
	if (rule->narrowed && family != wanted)
		return problem_set(problem,
				   "%s: %s is an %s address, which clients of an %s prefix cannot "
				   "dial; name an %s address",
				   name, text, family_name(family), family_name(wanted),
				   family_name(wanted));
	rule->kind = ADVERTISE_ADDRESS;
	rule->addr[family] = addr;
	return 0;
}

static int read_source(const char *name, const char *text, struct advertise_rule *rule,
		       struct problem *problem)
{
	const char *device = after(text, DEVICE_PREFIX);
	const char *host = after(text, NAME_PREFIX);

	if (device)
		return read_device(name, device, rule, problem);
	if (host)
		return read_name(name, host, rule, problem);
	if (strcmp(text, "dialled"))
		return read_address(name, text, rule, problem);
	rule->kind = ADVERTISE_DIALLED;
	return 0;
}

static int read_rule(const char *name, const char *text, struct advertise_rule *rule,
		     struct problem *problem)
{
	bool plain = after(text, DEVICE_PREFIX) || after(text, NAME_PREFIX);
	const char *equals = plain ? NULL : strchr(text, '=');
	char net[PREFIX_TEXT_MAX];
	int err;

	if (!equals)
		return read_source(name, text, rule, problem);
	if ((size_t)(equals - text) >= sizeof(net))
		return problem_set(problem, "%s: '%s' has no prefix before its '='", name, text);
	memcpy(net, text, equals - text);
	net[equals - text] = '\0';
	err = value_prefix(name, net, &rule->net, problem);
	if (err)
		return err;
	rule->narrowed = true;
	return read_source(name, equals + 1, rule, problem);
}

bool advertise_net(const struct advertise_rule *rule, enum ftpfix_family family, struct prefix *net)
{
	*net = rule->narrowed ? rule->net : prefix_of_all(family);
	if (rule->narrowed)
		return prefix_family(net) == family;
	return rule->kind != ADVERTISE_ADDRESS || !address_is_none(&rule->addr[family]);
}

/* Two rules for the very same clients; of others the longer prefix counts. */
static int check_same_net(const struct advertise *advertise, const char *name,
			  const struct advertise_rule *rule, struct problem *problem)
{
	char text[ADVERTISE_TEXT_MAX], taken_text[ADVERTISE_TEXT_MAX], net_text[PREFIX_TEXT_MAX];
	struct prefix net, taken;

	for (size_t i = 0; i < advertise->count * FTPFIX_FAMILIES; i++) {
		const struct advertise_rule *other = &advertise->rule[i / FTPFIX_FAMILIES];
		enum ftpfix_family family = i % FTPFIX_FAMILIES;

		if (advertise_net(rule, family, &net) && advertise_net(other, family, &taken) &&
		    prefix_equal(&net, &taken))
			return problem_set(problem,
					   "%s: %s and %s both are for %s; leave one of them out, "
					   "or put another NET= before it",
					   name, advertise_format(other, taken_text),
					   advertise_format(rule, text),
					   prefix_format(&net, net_text));
	}
	return 0;
}

static int check_count(const struct advertise *advertise, const char *name,
		       const struct advertise_rule *rule, struct problem *problem)
{
	size_t names = rule->kind == ADVERTISE_NAME;

	if (advertise->count == ADVERTISE_RULES_MAX)
		return problem_set(problem, "%s: more than %d; name prefixes that hold several",
				   name, ADVERTISE_RULES_MAX);
	for (size_t i = 0; i < advertise->count; i++)
		names += advertise->rule[i].kind == ADVERTISE_NAME;
	if (names > ADVERTISE_NAMES_MAX)
		return problem_set(problem, "%s: more than %d " NAME_PREFIX " names", name,
				   ADVERTISE_NAMES_MAX);
	return 0;
}

int advertise_add(struct advertise *advertise, const char *name, const char *text,
		  struct problem *problem)
{
	struct advertise_rule rule = {0}, *grown;
	int err;

	err = read_rule(name, text, &rule, problem);
	if (!err)
		err = check_count(advertise, name, &rule, problem);
	if (!err)
		err = check_same_net(advertise, name, &rule, problem);
	if (err)
		return err;
	grown = reallocarray(advertise->rule, advertise->count + 1, sizeof(rule));
	if (!grown)
		return problem_set(problem, "%s: no memory for another one", name);
	advertise->rule = grown;
	advertise->rule[advertise->count++] = rule;
	return 0;
}

void advertise_clear(struct advertise *advertise)
{
	free(advertise->rule);
	*advertise = (struct advertise){0};
}

const char *advertise_format_source(const struct advertise_rule *rule,
				    char text[ADVERTISE_TEXT_MAX])
{
	bool ipv6 = address_is_none(&rule->addr[FTPFIX_IPV4]);

	if (rule->kind == ADVERTISE_DIALLED)
		return strcpy(text, "dialled");
	if (rule->kind == ADVERTISE_ADDRESS)
		return address_format(&rule->addr[ipv6 ? FTPFIX_IPV6 : FTPFIX_IPV4], text);
	snprintf(text, ADVERTISE_TEXT_MAX, "%s%s",
		 rule->kind == ADVERTISE_DEVICE ? DEVICE_PREFIX : NAME_PREFIX, rule->name);
	return text;
}

const char *advertise_format(const struct advertise_rule *rule, char text[ADVERTISE_TEXT_MAX])
{
	char net[PREFIX_TEXT_MAX], source[ADVERTISE_TEXT_MAX];

	if (!rule->narrowed)
		return advertise_format_source(rule, text);
	prefix_format(&rule->net, net);
	advertise_format_source(rule, source);
	strcpy(stpcpy(stpcpy(text, net), "="), source);
	return text;
}
