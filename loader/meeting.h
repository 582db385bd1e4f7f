/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the instance on an interface and those who ask it meet: a Unix socket
 * for each interface. This header knows nothing of what is asked.
 *
 * The sockets are abstract: they belong to the network namespace, as the
 * interfaces do, and they vanish with their process. Whoever has the socket of
 * an interface is the one ftpfix on it.
 */
#ifndef MEETING_H
#define MEETING_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* How the names of the sockets start, after the zero byte; then comes the index
 * of the interface, which does not change when it is renamed. */
#define MEETING_PREFIX "ftpfix/"

/* The address of the interface's socket; returns its length. */
socklen_t meeting_address(unsigned int index, struct sockaddr_un *address);

/* Whether the process at the other end is root's or our own user's; otherwise
 * it may neither ask nor answer. */
bool meeting_trusts(int socket, struct ucred *peer);

#endif /* MEETING_H */
