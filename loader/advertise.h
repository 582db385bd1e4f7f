/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which address is announced to whom: the rules that --advertise gives, and what
 * they say at present. This header knows nothing of the map that they fill, nor of
 * where an interface or a name gets its address from.
 */
#ifndef ADVERTISE_H
#define ADVERTISE_H

#include <stddef.h>

#include "address.h"
#include "log.h"

/* A rule without NET may fill two entries of the map; no other can. */
#define ADVERTISE_RULES_MAX (FTPFIX_ADVERTISE_MAX - 1)

/* Names that are looked up side by side, each by a process. */
#define ADVERTISE_NAMES_MAX 32

/* Of a host (RFC 1035 section 2.3.4), with its end. */
#define ADVERTISE_NAME_MAX 254

#define ADVERTISE_TEXT_MAX (PREFIX_TEXT_MAX + ADVERTISE_NAME_MAX + sizeof("=dev:"))

enum advertise_kind {
	ADVERTISE_DIALLED,
	ADVERTISE_ADDRESS,
	ADVERTISE_DEVICE,
	ADVERTISE_NAME,
};

struct advertise_rule {
	enum advertise_kind kind;
	bool narrowed;				  /* NET was given */
	struct prefix net;			  /* then: whom it is for */
	char name[ADVERTISE_NAME_MAX];		  /* of the interface or the host */
	struct ftpfix_addr addr[FTPFIX_FAMILIES]; /* at present; none: as dialled */
};

struct advertise {
	struct advertise_rule *rule;
	size_t count;
};

/* Adds a rule: [NET=]ADDR, [NET=]dialled, [NET=]dev:IFACE or [NET=]dns:NAME.
 * 0, or -EINVAL after wording the problem. */
int advertise_add(struct advertise *advertise, const char *name, const char *text,
		  struct problem *problem);

/* Forgets every rule. */
void advertise_clear(struct advertise *advertise);

/* Whom of the family the rule is for; false if it is for none of them. */
bool advertise_net(const struct advertise_rule *rule, enum ftpfix_family family,
		   struct prefix *net);

/* Writes the rule as it is given, into text, and returns text. */
const char *advertise_format(const struct advertise_rule *rule, char text[ADVERTISE_TEXT_MAX]);

/* Such a text without its NET. */
const char *advertise_format_source(const struct advertise_rule *rule,
				    char text[ADVERTISE_TEXT_MAX]);

#endif /* ADVERTISE_H */
