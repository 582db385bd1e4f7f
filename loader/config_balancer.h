/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The settings of the balancer: virtual addresses, their servers, how these are chosen
 * and checked. This header knows nothing of which server is up.
 */
#ifndef CONFIG_BALANCER_H
#define CONFIG_BALANCER_H

#include "config.h"

#define WEIGHT_DEFAULT 1

/* Every default of these. */
void config_init_balancer(struct config *config);

/* ADDR[/LEN], ADDR:PORT, or weight=N for the server before it. */
int config_add_server(struct config *config, const char *text, struct problem *problem);

/* ADDR[:PORT]. */
int config_add_virtual(struct config *config, const char *text, struct problem *problem);

int config_set_balance(struct config *config, const char *text, struct problem *problem);
int config_set_health_interval(struct config *config, const char *text, struct problem *problem);
int config_set_health_timeout(struct config *config, const char *text, struct problem *problem);
int config_set_health_rise(struct config *config, const char *text, struct problem *problem);
int config_set_health_fall(struct config *config, const char *text, struct problem *problem);
int config_set_tls_ports(struct config *config, const char *text, struct problem *problem);

/* Refuses what contradicts each other, and makes the ports of virtual addresses and
 * servers control ports. */
int config_complete_balancer(struct config *config, struct problem *problem);

/* Reads ADDR[:PORT][,weight=N], which names one host. */
int named_server_read(const char *name, const char *text, struct named_server *server,
		      struct problem *problem);

/* The word for it, as --balance takes it. */
const char *balance_name(enum ftpfix_balance balance);

#endif /* CONFIG_BALANCER_H */
