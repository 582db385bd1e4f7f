/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The servers behind the virtual addresses: which are up, which take new sessions; and
 * how that is changed while it runs. This header knows nothing of who asks for changes.
 */
#ifndef BALANCER_H
#define BALANCER_H

#include "config.h"
#include "dataplane.h"
#include "loop.h"

struct balancer;

/* Fills the maps in from the configuration, whose servers and ports it keeps up to date
 * from then on. Prints what is wrong; NULL then. */
struct balancer *balancer_start(const struct loop *loop, const struct dataplane *dataplane,
				struct config *config);

/* Does what `ftpfix server ACTION SERVER` asks for. 0, or -EINVAL after wording the
 * problem. Of a NULL balancer the problem is that there is none. */
int balancer_change(struct balancer *balancer, const char *action, const char *server,
		    struct problem *problem);

/* Called once a second: follows routes, checks servers, forgets those that have left. */
void balancer_second(struct balancer *balancer);

void balancer_stop(struct balancer *balancer);

/* One server as it stands. */
struct server_view {
	struct ftpfix_endpoint endpoint;
	__u32 weight;
	bool leaving;
	bool up;	    /* it is reached, and was not found to be down */
	const char *state;  /* up, down, drained or leaving */
	const char *reason; /* why it is not up; NULL where it is */
	__s64 sessions;
};

/* Calls `each` for every server; other than 0 ends that and is returned. */
typedef int (*server_each)(const struct server_view *server, void *context);
int balancer_each(const struct balancer *balancer, server_each each, void *context);

/* Calls `each` for every virtual address that the server serves, with its slots of the
 * table, which are 0 if no table is used. */
typedef int (*share_each)(const struct ftpfix_endpoint *virtual, __u32 slots, void *context);
int balancer_shares(const struct balancer *balancer, const struct ftpfix_endpoint *server,
		    share_each each, void *context);

#endif /* BALANCER_H */
