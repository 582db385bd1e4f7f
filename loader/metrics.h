/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Prometheus exposition text. This header knows nothing of who asks for it.
 */
#ifndef METRICS_H
#define METRICS_H

#include "instance.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The text of all metrics, for free(); NULL after printing what is wrong. */
char *metrics_text(const struct instance *instance);

#endif /* METRICS_H */
