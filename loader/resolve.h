/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks the addresses of a host up without waiting for them. This header knows
 * nothing of what they are used for.
 *
 * The resolver of the C library waits, and reads what strangers sent. So each query
 * is a process of its own, without privileges and without our descriptors, which can
 * be ended at any time.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "address.h"
#include "loop.h"

struct answer {
	int error;		    /* as gai_strerror() takes it; 0: there is an address */
	int known[FTPFIX_FAMILIES]; /* 0: this family could not be looked up */
	struct ftpfix_addr addr[FTPFIX_FAMILIES]; /* none: the host has none */
};

/* It must stay where it is while it runs. */
struct query {
	const struct loop *loop;
	struct watch watch;
	int process; /* 0: none runs */
	void (*done)(void *context, const struct answer *answer);
	void *context;
};

/* Starts to look up the host; done() is called within the loop. Of several addresses
 * the one in `current` stays. 0 or a negative errno. */
int resolve_start(struct query *query, const char *host,
		  const struct ftpfix_addr current[FTPFIX_FAMILIES]);

/* Ends a query that may be running. */
void resolve_end(struct query *query);

#endif /* RESOLVE_H */
