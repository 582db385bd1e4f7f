// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names the sockets where instances are asked, and judges who is there.
 * This file knows nothing of what is asked.
 */
#include "meeting.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

socklen_t meeting_address(unsigned int index, struct sockaddr_un *address)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	length = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, MEETING_PREFIX "%u",
			  index);
	return offsetof(struct sockaddr_un, sun_path) + 1 + length;
}

bool meeting_trusts(int socket, struct ucred *peer)
{
	socklen_t length = sizeof(*peer);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, peer, &length))
		return false;
	return peer->uid == 0 || peer->uid == geteuid();
}
