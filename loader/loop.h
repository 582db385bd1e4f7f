/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Waits for file descriptors and calls whoever watches the one that is ready.
 * This header knows nothing of what the descriptors are.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

/* A descriptor and its watcher; it must stay where it is while watched. */
struct watch {
	int fd;
	void (*ready)(void *context, uint32_t events);
	void *context;
};

struct loop {
	int fd;
};

/* Opens the loop. Prints what is wrong; 0 or a negative errno. */
int loop_open(struct loop *loop);

/* Watches a descriptor for the events (EPOLLIN, EPOLLOUT). */
int loop_watch(const struct loop *loop, struct watch *watch, uint32_t events);

/* Watches for other events from now on. */
int loop_change(const struct loop *loop, struct watch *watch, uint32_t events);

/* Waits at most so many milliseconds (-1: for ever), then calls the watcher of
 * one descriptor that is ready. */
int loop_once(const struct loop *loop, int timeout);

/* Closes the loop; one that was never opened has fd -1. */
void loop_close(struct loop *loop);

#endif /* LOOP_H */
