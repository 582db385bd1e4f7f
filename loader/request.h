/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be asked of a running instance, in JSON. This header knows nothing
 * of sockets.
 *
 * A request is one line, an object: {"verb": "set", "advertise": [TEXT,
 * ...]}, {"verb": "set", "data_ports": TEXT}, {"verb": "show"} or {"verb": "metrics"}.
 * The answer is an object: {"error": TEXT}, {"sections": {...}} (see model.h),
 * {"text": TEXT}, or {} where there is nothing to say.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>

#include "instance.h"

/* Holds as many rules as `set advertise` takes, of usual length. */
#define REQUEST_MAX 65536

/* Does what the request asks for. The answer is for free(); NULL if memory ran
 * out. */
char *request_answer(struct instance *instance, const char *request, size_t length);

#endif /* REQUEST_H */
