/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of an instance that is set up: serving until it is told to end.
 * This header knows nothing of how it was set up.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "control.h"
#include "events.h"
#include "http.h"
#include "instance.h"
#include "loop.h"

struct daemon {
	struct instance instance;
	struct loop loop;
	struct control *control;
	struct http *http;
	struct events *events;
};

/* Keeps the signals that end an instance waiting until it serves, so that none
 * comes between attaching and detaching. Prints what is wrong; 0 or a negative
 * errno. */
int daemon_hold_signals(void);

/* Serves until SIGTERM, SIGINT or SIGHUP. Prints what is wrong; 0 or a negative
 * errno. */
int daemon_serve(struct daemon *daemon);

#endif /* DAEMON_H */
