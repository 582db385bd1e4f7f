/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Serves the metrics over HTTP. This header knows nothing of what they say.
 */
#ifndef HTTP_H
#define HTTP_H

#include "instance.h"
#include "loop.h"

struct http;

/* Listens where the configuration says and answers within the loop. Prints what
 * is wrong; NULL then. */
struct http *http_start(const struct loop *loop, const struct instance *instance);

/* Milliseconds until http_work() has to be called, or -1. */
int http_timeout(const struct http *http);

/* Does what is due: ends connections that were silent for too long. */
void http_work(struct http *http);

void http_stop(struct http *http);

#endif /* HTTP_H */
