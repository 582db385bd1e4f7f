/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the operator asked of one instance: the settings, their defaults and the
 * rules between them. This header knows nothing of maps or of the kernel.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "advertise.h"
#include "flow_config.h"
#include "value.h"

#define DEVICES_MAX 64

struct device {
	unsigned int index; /* 0 until the interface was looked for */
	char name[IF_NAMESIZE];
};

struct device_list {
	struct device device[DEVICES_MAX];
	size_t count;
};

enum attach_choice {
	ATTACH_AUTOMATIC, /* TCX where the kernel has it */
	ATTACH_TCX,
	ATTACH_CLSACT,
};

struct config {
	struct device_list uplinks;
	struct device_list server_side;
	__u16 port[FTPFIX_SERVICES_MAX];
	size_t port_count;
	struct prefix server[FTPFIX_SERVERS_MAX];
	size_t server_count;
	bool servers_named; /* false: `server` holds the private ranges */
	struct advertise advertise;
	__u16 port_low;
	__u16 port_high;
	enum ftpfix_forward forward;
	enum ftpfix_rewrite rewrite;
	__u32 allowed; /* bits of enum ftpfix_allow */
	bool clients_inside;
	unsigned int expect_seconds;
	unsigned int dns_seconds;
	struct ftpfix_endpoint listen;
	enum attach_choice attach;
	struct flow_config flow;
};

/* A rule that can be lifted, as --allow names it, and its bit. */
struct allowance {
	const char *name;
	enum ftpfix_allow bit;
};

#define ALLOWANCES 6

extern const struct allowance allowances[ALLOWANCES];

/* Every default that does not depend on what else was given. */
void config_init(struct config *config);

/* Gives back what the settings hold. */
void config_free(struct config *config);

/* Sets the range of public data ports, which must hold more than control ports. */
int config_set_data_ports(struct config *config, const char *name, const char *text,
			  struct problem *problem);

/* Fills in the defaults that depend on other settings, and refuses settings
 * that contradict each other. */
int config_complete(struct config *config, struct problem *problem);

/* Whether ftpfix itself takes control connections, at a virtual address. */
bool config_has_virtuals(const struct config *config);

/* Whether the list holds the interface. */
bool device_list_has(const struct device_list *list, unsigned int index);

/* The words for these settings, as the options take them. */
const char *forward_name(enum ftpfix_forward forward);
const char *rewrite_name(enum ftpfix_rewrite rewrite);
const char *clients_name(bool inside);

/* Read such words. */
int config_set_forward(struct config *config, const char *text, struct problem *problem);
int config_set_rewrite(struct config *config, const char *text, struct problem *problem);
int config_set_clients(struct config *config, const char *text, struct problem *problem);

#endif /* CONFIG_H */
