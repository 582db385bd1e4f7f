/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checks one FTP server again and again: does it accept a connection, and greet?
 * This header knows nothing of what follows from that.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>

#include "config.h"
#include "loop.h"
#include "next_hop.h"

#define HEALTH_REASON_MAX 128

enum health_phase {
	HEALTH_IDLE,
	HEALTH_CONNECTING,
	HEALTH_READING, /* until the greeting has come */
	HEALTH_LEAVING, /* after QUIT, until the server closes */
};

/* Where a check stands in the server's replies. */
struct greeting {
	char code[4]; /* of the current line, with the character behind it */
	unsigned int column;
	bool waiting; /* inside of a reply 120 of several lines */
};

/* It must stay where it is while it is checked. */
struct health {
	const struct loop *loop;
	const struct health_settings *settings;
	enum ftpfix_client_address client_address; /* what the server expects in front */
	struct ftpfix_endpoint endpoint;
	struct next_hop hop; /* toward it */
	struct watch watch;
	enum health_phase phase;
	struct greeting greeting;
	unsigned int seconds; /* of the phase still; when idle, until the next check */
	__be16 be_port;	      /* from which the check that is under way comes; 0: none */
	unsigned int row;     /* results in a row that speak against the present state */
	bool checked;	      /* once at least */
	bool up;
	char reason[HEALTH_REASON_MAX]; /* of the last bad result */
	void (*changed)(void *context); /* `up` has changed */
	/* Keeps sessions from coming from there to the server until release() is called; false
	 * when one does already. */
	bool (*reserve)(void *context, const struct ftpfix_endpoint *local);
	void (*release)(void *context, __be16 be_port);
	void *context;
};

/* Prepares the first check of a server, which is taken to be up. It is brought down by
 * one bad result if that is the first, and by `fall` of them in a row later. */
void health_begin(struct health *health);

/* Called once a second: starts checks that are due, and ends those that take too long. */
void health_second(struct health *health);

/* Ends a check that may be running. */
void health_end(struct health *health);

#endif /* HEALTH_H */
