// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Checks the capabilities of the process, and gives up those not needed.
 * This file knows nothing of what they are needed for.
 */
#include "privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define WORDS _LINUX_CAPABILITY_U32S_3

/* BPF loads the programs, PERFMON lets them compare pointers, NET_ADMIN
 * attaches them. */
static const struct {
	unsigned int number;
	const char *name;
} needed[] = {
	{CAP_BPF, "CAP_BPF"},
	{CAP_PERFMON, "CAP_PERFMON"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
};

#define NEEDED (sizeof(needed) / sizeof(needed[0]))

static bool has(const struct __user_cap_data_struct data[WORDS], unsigned int capability)
{
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

int privilege_check(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[WORDS] = {0};

	if (syscall(SYS_capget, &header, data)) {
		log_line("the capabilities of this process cannot be read: %s", strerror(errno));
		return -EPERM;
	}
	for (size_t i = 0; i < NEEDED; i++) {
		if (has(data, needed[i].number))
			continue;
		log_line("needs root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; %s is missing); "
			 "run it with sudo",
			 needed[i].name);
		return -EPERM;
	}
	return 0;
}

static int set(const struct __user_cap_data_struct data[WORDS])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privilege_drop(void)
{
	struct __user_cap_data_struct data[WORDS] = {0};
	int err;

	for (size_t i = 0; i < NEEDED; i++) {
		__u32 mask = CAP_TO_MASK(needed[i].number);

		data[CAP_TO_INDEX(needed[i].number)].effective |= mask;
		data[CAP_TO_INDEX(needed[i].number)].permitted |= mask;
	}
	err = set(data);
	if (err)
		log_line("capabilities cannot be given up: %s", strerror(-err));
	return err;
}

int privilege_drop_all(void)
{
	const struct __user_cap_data_struct none[WORDS] = {0};

	return set(none);
}
