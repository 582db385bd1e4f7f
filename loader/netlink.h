/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions to the kernel with all of their answers, and what it tells unasked.
 * This header knows nothing of what is asked.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <libmnl/libmnl.h>

/* Sends the dump request (its flags and sequence are set here) and calls `each`
 * for every message of the answer. 0 or a negative errno. */
int netlink_dump(struct nlmsghdr *request, mnl_cb_t each, void *context);

/* Sends a request for one thing, which the kernel acknowledges; otherwise as above. */
int netlink_ask(struct nlmsghdr *request, mnl_cb_t each, void *context);

/* The same of a family of generic netlink. */
int netlink_ask_generic(struct nlmsghdr *request, mnl_cb_t each, void *context);

/* Opens a socket that never waits, on which the kernel tells of changes (a mask of
 * RTMGRP_). NULL and errno if that fails. */
struct mnl_socket *netlink_listen(unsigned int groups);

/* The same of a multicast group of generic netlink. */
struct mnl_socket *netlink_listen_generic(int group);

/* Takes what the kernel told, without looking at it. */
void netlink_drain(const struct mnl_socket *socket);

#endif /* NETLINK_H */
