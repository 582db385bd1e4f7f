// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Waits for file descriptors and calls whoever watches the one that is ready.
 * This file knows nothing of what the descriptors are.
 */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"

/* The usual limit is for programs that use select(), and less than the checks of all servers
 * may need at the same time. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int loop_open(struct loop *loop)
{
	raise_limit();
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->fd < 0) {
		int err = -errno;

		log_line("epoll cannot be set up: %s", strerror(-err));
		return err;
	}
	return 0;
}

static int control(const struct loop *loop, int operation, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->fd, operation, watch->fd, &event)) {
		int err = -errno;

		log_line("a file descriptor cannot be watched: %s", strerror(-err));
		return err;
	}
	return 0;
}

int loop_watch(const struct loop *loop, struct watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

int loop_change(const struct loop *loop, struct watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, watch, events);
}

int loop_once(const struct loop *loop, int timeout)
{
	struct epoll_event event;
	struct watch *watch;
	int count;

	/* One at a time: a watcher may close other descriptors, and events of
	 * those must not be waiting here. */
	count = epoll_wait(loop->fd, &event, 1, timeout);
	if (count < 0 && errno != EINTR) {
		int err = -errno;

		log_line("waiting failed: %s", strerror(-err));
		return err;
	}
	if (count > 0) {
		watch = event.data.ptr;
		watch->ready(watch->context, event.events);
	}
	return 0;
}

void loop_close(struct loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	loop->fd = -1;
}
