/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be asked of a running instance, in JSON. This header knows nothing
 * of sockets.
 *
 * A request is one line, an object: {"verb": "set", "advertise": [TEXT,
 * ...]}, {"verb": "set", "data_ports": TEXT}, {"verb": "show"} or {"verb": "metrics"}.
 * The answer is an object: {"error": TEXT}, {"text": TEXT}, or {} where there is nothing to
 * say. In front of that of "show", which is {"complete": true}, there is a line for each entry
 * (see model.h).
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>

#include "instance.h"
#include "model.h"

/* Holds as many rules as `set advertise` takes, of usual length. */
#define REQUEST_MAX 65536

/* An answer, of which one piece is there. */
struct reply {
	char *text; /* NULL: there is no more, or memory ran out */
	size_t length;
	struct model *rest; /* NULL: this is the last piece */
};

/* Does what the request asks for. The reply is for reply_end(). */
void request_answer(struct instance *instance, const char *request, size_t length,
		    struct reply *reply);

/* Goes on to the next piece. */
void reply_next(struct reply *reply);

void reply_end(struct reply *reply);

#endif /* REQUEST_H */
