/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How flows are carried: the settings, their defaults and the rules between them.
 * This header knows nothing of maps or of the kernel.
 */
#ifndef FLOW_CONFIG_H
#define FLOW_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "log.h"

struct config;

enum xdp_choice {
	XDP_AUTO, /* native where that can be */
	XDP_NATIVE,
	XDP_GENERIC,
	XDP_OFF,
};

/* What --timeout names: silence after which a connection is forgotten. */
enum timeout {
	TIMEOUT_OPENING,
	TIMEOUT_ESTABLISHED,
	TIMEOUT_CLOSING,
	TIMEOUT_CONTROL,
	TIMEOUTS,
};

/* The addresses and ports that FULLNAT connects from. */
struct source_pool {
	struct ftpfix_addr addr[FTPFIX_FAMILIES][FTPFIX_SOURCES_MAX];
	size_t count[FTPFIX_FAMILIES]; /* 0: the control peer's address */
	__u16 port_low;
	__u16 port_high;
	bool ports_given;
};

struct flow_config {
	enum xdp_choice xdp;
	bool path_stack;
	bool path_given;
	struct source_pool sources;
	unsigned int sessions_max;
	unsigned int seconds[TIMEOUTS];
	bool seconds_given[TIMEOUTS];
	enum ftpfix_client_address client_address;
	__u8 toa_kind[FTPFIX_FAMILIES];
	bool toa_kind_given;
};

void flow_config_init(struct flow_config *flow);

/* Refuses settings that contradict each other or the rest of the configuration. */
int flow_config_check(const struct config *config, struct problem *problem);

/* The words for these settings, as the options take them. */
const char *xdp_choice_name(enum xdp_choice choice);
const char *path_name(bool stack);
const char *client_address_name(enum ftpfix_client_address how);
const char *timeout_name(enum timeout timeout);

/* Read what the options of these names say. */
int flow_take_xdp(struct config *config, const char *text, struct problem *problem);
int flow_take_path(struct config *config, const char *text, struct problem *problem);
int flow_take_source(struct config *config, const char *text, struct problem *problem);
int flow_take_max_sessions(struct config *config, const char *text, struct problem *problem);
int flow_take_timeout(struct config *config, const char *text, struct problem *problem);
int flow_take_client_address(struct config *config, const char *text, struct problem *problem);
int flow_take_toa_kind(struct config *config, const char *text, struct problem *problem);

#endif /* FLOW_CONFIG_H */
