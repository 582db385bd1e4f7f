// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Serves until told to end: signals, the clock, and who else waits in the loop.
 * This file knows nothing of what they serve.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "interface.h"

#define SWEEP_SECONDS 10

struct service {
	struct daemon *daemon;
	struct watch signals;
	struct watch clock;
	unsigned long seconds;
	bool ending;
};

static void signal_ready(void *context, uint32_t events)
{
	struct service *service = context;

	(void)events;
	service->ending = true;
}

static void clock_ready(void *context, uint32_t events)
{
	struct service *service = context;
	uint64_t seconds = 0;

	(void)events;
	if (read(service->clock.fd, &seconds, sizeof(seconds)) != sizeof(seconds))
		return;
	events_second(service->daemon->events);
	control_second(service->daemon->control);
	attach_second(&service->daemon->instance.attachments);
	interfaces_second(&service->daemon->instance.config);
	follow_second(service->daemon->instance.follow);
	balancer_second(service->daemon->instance.balancer);
	xdp_second(service->daemon->instance.xdp);
	route_watch_second(service->daemon->instance.routes);
	service->seconds += seconds;
	if (service->seconds >= SWEEP_SECONDS) {
		service->seconds = 0;
		dataplane_sweep(&service->daemon->instance.dataplane);
	}
}

static void ending_signals(sigset_t *signals)
{
	struct sigaction hangup;

	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	/* The terminal is gone: nothing would detach us later. Who starts us by nohup means us to
	 * stay, and a signal that is held back is not ignored. */
	if (sigaction(SIGHUP, NULL, &hangup) || hangup.sa_handler != SIG_IGN)
		sigaddset(signals, SIGHUP);
}

int daemon_hold_signals(void)
{
	sigset_t signals;

	ending_signals(&signals);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		int err = -errno;

		log_line("signals cannot be held back: %s", strerror(-err));
		return err;
	}
	return 0;
}

static int watch_signals(struct service *service)
{
	sigset_t signals;

	ending_signals(&signals);
	service->signals.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (service->signals.fd < 0)
		return -errno;
	return loop_watch(&service->daemon->loop, &service->signals, EPOLLIN);
}

static int watch_clock(struct service *service)
{
	const struct itimerspec every_second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};

	service->clock.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (service->clock.fd < 0 || timerfd_settime(service->clock.fd, 0, &every_second, NULL))
		return -errno;
	return loop_watch(&service->daemon->loop, &service->clock, EPOLLIN);
}

static int serve(struct service *service)
{
	struct http *http = service->daemon->http;
	int err = 0;

	while (!err && !service->ending) {
		int timeout = http_timeout(http);

		err = loop_once(&service->daemon->loop, timeout);
		if (timeout >= 0)
			http_work(http);
	}
	return err;
}

int daemon_serve(struct daemon *daemon)
{
	struct service service = {
		.daemon = daemon,
		.signals = {.fd = -1, .ready = signal_ready, .context = &service},
		.clock = {.fd = -1, .ready = clock_ready, .context = &service},
	};
	int err;

	err = watch_signals(&service);
	if (!err)
		err = watch_clock(&service);
	if (err) {
		log_line("the signals or the clock cannot be watched: %s", strerror(-err));
		goto out;
	}
	fputs("ready\n", stderr);
	sd_notify(0, "READY=1");
	err = serve(&service);
	sd_notify(0, "STOPPING=1");
out:
	if (service.signals.fd >= 0)
		close(service.signals.fd);
	if (service.clock.fd >= 0)
		close(service.clock.fd);
	return err;
}
