// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix run: checks, sets up, serves, takes down.
 * This file knows the order of these and nothing of how they are done.
 */
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "daemon.h"
#include "interface.h"
#include "kernel.h"
#include "node.h"
#include "options.h"
#include "privilege.h"

static int check(struct config *config)
{
	int err;

	err = privilege_check();
	if (!err)
		err = interfaces_find(config);
	if (!err)
		err = node_check(config);
	if (!err)
		err = kernel_check();
	return err;
}

/* What can be refused comes before anything is attached. */
static int set_up(struct daemon *daemon)
{
	struct instance *instance = &daemon->instance;
	int err;

	err = daemon_hold_signals();
	if (err)
		return err;
	err = loop_open(&daemon->loop);
	if (err)
		return err;
	daemon->control = control_start(&daemon->loop, instance);
	if (!daemon->control)
		return -EBUSY;
	daemon->http = http_start(&daemon->loop, instance);
	if (!daemon->http)
		return -EADDRINUSE;
	err = dataplane_load(&instance->dataplane, &instance->config);
	if (err)
		return err;
	instance->follow = follow_start(&daemon->loop, &instance->dataplane,
					&instance->config.advertise, instance->config.dns_seconds);
	if (!instance->follow)
		return -EIO;
	if (instance->config.virtual_count > 0) {
		instance->balancer =
			balancer_start(&daemon->loop, &instance->dataplane, &instance->config);
		if (!instance->balancer)
			return -EIO;
	}
	instance->routes = route_watch_start(&daemon->loop, &instance->dataplane);
	if (!instance->routes)
		return -EIO;
	daemon->events = events_start(&daemon->loop, instance->dataplane.events,
				      instance->config.clients_inside);
	if (!daemon->events)
		return -EIO;
	err = attach_all(&instance->attachments, &instance->config, &instance->dataplane);
	if (err)
		return err;
	instance->xdp = xdp_start(&daemon->loop, &instance->dataplane, &instance->config);
	if (!instance->xdp)
		return -EIO;
	return privilege_drop();
}

static void take_down(struct daemon *daemon)
{
	xdp_stop(daemon->instance.xdp);
	detach_all(&daemon->instance.attachments);
	events_stop(daemon->events);
	route_watch_stop(daemon->instance.routes);
	balancer_stop(daemon->instance.balancer);
	follow_stop(daemon->instance.follow);
	http_stop(daemon->http);
	control_stop(daemon->control);
	dataplane_free(&daemon->instance.dataplane);
	loop_close(&daemon->loop);
}

int cmd_run(int argc, char **argv)
{
	struct daemon *daemon;
	int err, status = EXIT_FAILURE;

	daemon = calloc(1, sizeof(*daemon));
	if (!daemon)
		goto out;
	daemon->loop.fd = -1;
	daemon->instance.started = time(NULL);
	err = options_run(argc, argv, &daemon->instance.config);
	if (err) {
		status = err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
		goto out;
	}
	err = check(&daemon->instance.config);
	if (!err) {
		err = set_up(daemon);
		if (!err)
			err = daemon_serve(daemon);
		take_down(daemon);
	}
	config_free(&daemon->instance.config);
	status = err ? EXIT_FAILURE : EXIT_SUCCESS;
out:
	free(daemon);
	return status;
}
