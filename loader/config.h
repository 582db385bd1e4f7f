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
	bool gone; /* it was there once */
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

/* What --server says; of those of a virtual address the prefix is one host. */
struct named_server {
	struct prefix prefix;
	__be16 be_port; /* 0: that of the virtual address */
	__u32 weight;	/* 0: none was given */
};

/* How servers are checked; no checks if the interval is 0. */
struct health_settings {
	unsigned int interval_seconds;
	unsigned int timeout_seconds;
	unsigned int rise; /* good checks in a row that bring a server up */
	unsigned int fall; /* bad ones that bring it down */
};

struct config {
	struct device_list uplinks;
	struct device_list server_side;
	__u16 port[FTPFIX_SERVICES_MAX];
	size_t port_count;
	size_t lasting_ports; /* so many come first; the others are those of servers, which go */
	struct named_server server[FTPFIX_SERVERS_MAX];
	size_t server_count;
	bool servers_named; /* false: `server` holds the private ranges */
	struct ftpfix_endpoint virtual[FTPFIX_VIRTUALS_MAX];
	size_t virtual_count; /* 0: another program forwards the control connections */
	enum ftpfix_balance balance;
	struct health_settings health;
	const char *virtual_option; /* one that says nothing without --vip; NULL: none given */
	struct advertise advertise;
	__u16 port_low;
	__u16 port_high;
	__u16 tls_port_low; /* 0: connections that are announced within TLS are not carried */
	__u16 tls_port_high;
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

/* Makes it a control port; one that is one already stays. */
int config_add_port(struct config *config, const char *name, __u16 port, struct problem *problem);

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
