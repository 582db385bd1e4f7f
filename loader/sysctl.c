// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the settings of the node's network stack under /proc/sys.
 * This file knows nothing of what depends on them.
 */
#include "sysctl.h"

#include <errno.h>
#include <stdio.h>

/* The first number in the file. 0 or a negative errno. */
static int read_number(const char *path, unsigned int *number)
{
	FILE *file = fopen(path, "re");
	int err = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%u", number) != 1)
		err = -EINVAL;
	fclose(file);
	return err;
}

int sysctl_local_port(unsigned int *low)
{
	return read_number("/proc/sys/net/ipv4/ip_local_port_range", low);
}

bool sysctl_forwards(const char *device, enum ftpfix_family family)
{
	unsigned int on;
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/forwarding",
		 family == FTPFIX_IPV4 ? 4 : 6, device);
	return read_number(path, &on) || on;
}

const char *sysctl_forwarding(enum ftpfix_family family)
{
	return family == FTPFIX_IPV4 ? "net.ipv4.ip_forward=1" : "net.ipv6.conf.all.forwarding=1";
}
