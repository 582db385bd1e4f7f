/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Consistent hashing: which server the clients of each slot of a table go to (Maglev:
 * Eisenbud et al., NSDI 2016, section 3.4). This header knows nothing of maps, nor of
 * which servers are up.
 */
#ifndef MAGLEV_H
#define MAGLEV_H

#include <stddef.h>

#include "ftpfix.h"

struct maglev_server {
	struct ftpfix_endpoint endpoint;
	__u32 weight; /* 1..65535 */
	__u32 number; /* what its slots are filled with */
};

/* Fills the table: with the numbers of the servers, in the proportion of their weights,
 * or with FTPFIX_MAGLEV_NONE if there are none. Who has which slot depends on endpoints
 * and weights alone, so that several nodes agree however each came to know the servers.
 * At most FTPFIX_BACKENDS_MAX servers, no two of one endpoint. */
void maglev_fill(__u32 table[FTPFIX_MAGLEV_SLOTS], const struct maglev_server *servers,
		 size_t count);

#endif /* MAGLEV_H */
