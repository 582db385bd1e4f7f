/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One question to the kernel's rtnetlink, with all of its answers.
 * This header knows nothing of what is asked.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <libmnl/libmnl.h>

/* Sends the dump request (its flags and sequence are set here) and calls `each`
 * for every message of the answer. 0 or a negative errno. */
int netlink_dump(struct nlmsghdr *request, mnl_cb_t each, void *context);

#endif /* NETLINK_H */
