// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Listens to what the kernel tells of routes, neighbours and interfaces.
 * This file knows nothing of what makes one of its messages a change.
 */
#include "route_watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"
#include "route_change.h"

#define GROUP(name) (1U << (RTNLGRP_##name - 1))

/* A device's netconf says whether what comes in there is forwarded. */
#define GROUPS                                                                                   \
	(GROUP(LINK) | GROUP(NEIGH) | GROUP(IPV4_ROUTE) | GROUP(IPV6_ROUTE) | GROUP(IPV4_RULE) | \
	 GROUP(IPV6_RULE) | GROUP(NEXTHOP) | GROUP(IPV4_NETCONF) | GROUP(IPV6_NETCONF))

#define MESSAGES_BYTES 32768 /* no less than the kernel puts into one datagram */

struct route_watch {
	const struct dataplane *dataplane;
	struct route_memory *memory;
	struct mnl_socket *socket;
	struct watch watch;
	bool changed; /* since the last second */
};

static void note_change(struct route_watch *watch)
{
	dataplane_hops_changed(watch->dataplane);
	watch->changed = true;
}

static int told(const struct nlmsghdr *message, void *context)
{
	struct route_watch *watch = context;

	if (route_change_told(watch->memory, message))
		note_change(watch);
	return MNL_CB_OK;
}

static void socket_ready(void *context, uint32_t events)
{
	static _Alignas(struct nlmsghdr) char messages[MESSAGES_BYTES];
	struct route_watch *watch = context;
	ssize_t length;

	(void)events;
	length = mnl_socket_recvfrom(watch->socket, messages, sizeof(messages));
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length >= 0 && mnl_cb_run(messages, length, 0, 0, told, watch) != MNL_CB_ERROR)
		return;
	/* ENOBUFS: more was told than there was room for. */
	route_memory_clear(watch->memory);
	note_change(watch);
}

/* A device that goes down is told of before the routes over it go, so that a change may be
 * seen too early: it is noted once more. */
void route_watch_second(struct route_watch *watch)
{
	if (watch->changed)
		dataplane_hops_changed(watch->dataplane);
	watch->changed = false;
	dataplane_hops_watched(watch->dataplane, FTPFIX_WATCHED_NS);
}

static int listen_to(struct route_watch *watch, const struct loop *loop)
{
	watch->socket = netlink_listen(GROUPS);
	if (!watch->socket) {
		log_line("changes of routes cannot be heard of: %s", strerror(errno));
		return -EIO;
	}
	watch->watch = (struct watch){
		.fd = mnl_socket_get_fd(watch->socket), .ready = socket_ready, .context = watch};
	return loop_watch(loop, &watch->watch, EPOLLIN);
}

struct route_watch *route_watch_start(const struct loop *loop, const struct dataplane *dataplane)
{
	struct route_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->dataplane = dataplane;
	watch->memory = route_memory_new();
	if (!watch->memory || listen_to(watch, loop)) {
		route_watch_stop(watch);
		return NULL;
	}
	note_change(watch);
	dataplane_hops_watched(dataplane, FTPFIX_WATCHED_NS);
	return watch;
}

void route_watch_stop(struct route_watch *watch)
{
	if (!watch)
		return;
	dataplane_hops_watched(watch->dataplane, 0);
	if (watch->socket)
		mnl_socket_close(watch->socket);
	route_memory_free(watch->memory);
	free(watch);
}
