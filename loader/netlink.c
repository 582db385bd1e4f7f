// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends netlink requests and reads each answer to its end; hears of changes.
 * This file knows nothing of what is asked.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SEQUENCE 1
#define ANSWER_BYTES 32768 /* what the kernel fills at most in one dump message */

static int read_answer(struct mnl_socket *socket, mnl_cb_t each, void *context)
{
	char *buffer = malloc(ANSWER_BYTES);
	ssize_t length;
	int result, err = 0;

	if (!buffer)
		return -ENOMEM;
	do {
		length = mnl_socket_recvfrom(socket, buffer, ANSWER_BYTES);
		result = length < 0 ? MNL_CB_ERROR
				    : mnl_cb_run(buffer, length, SEQUENCE,
						 mnl_socket_get_portid(socket), each, context);
		if (result == MNL_CB_ERROR)
			err = -errno;
	} while (result > MNL_CB_STOP);
	free(buffer);
	return err;
}

static int exchange(int bus, struct nlmsghdr *request, __u16 flags, mnl_cb_t each, void *context)
{
	struct mnl_socket *socket;
	int err;

	socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = SEQUENCE;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		err = -errno;
	else
		err = read_answer(socket, each, context);
	mnl_socket_close(socket);
	return err;
}

int netlink_dump(struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	return exchange(NETLINK_ROUTE, request, NLM_F_DUMP, each, context);
}

int netlink_ask(struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	return exchange(NETLINK_ROUTE, request, NLM_F_ACK, each, context);
}

int netlink_ask_generic(struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	return exchange(NETLINK_GENERIC, request, NLM_F_ACK, each, context);
}

struct mnl_socket *netlink_listen(unsigned int groups)
{
	struct mnl_socket *socket;

	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

struct mnl_socket *netlink_listen_generic(int group)
{
	struct mnl_socket *socket;

	socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket &&
	    (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	     mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

void netlink_drain(const struct mnl_socket *socket)
{
	char piece[64];

	/* ENOBUFS: more was told than there was room for, which says enough. */
	while (recv(mnl_socket_get_fd(socket), piece, sizeof(piece), 0) >= 0 || errno == ENOBUFS)
		;
}
