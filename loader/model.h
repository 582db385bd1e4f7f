/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `show` shows, as JSON: the one model behind its tables and its --json.
 * This header knows nothing of tables or sockets.
 */
#ifndef MODEL_H
#define MODEL_H

#include <jansson.h>

#include "instance.h"

/* An object with one array for each section: "services", "interfaces", "servers",
 * "sessions", "expected", "flows", "counters"; where `only` is not NULL, with that alone: a
 * table of a million entries takes seconds. NULL after printing what is wrong. */
json_t *model_read(const struct instance *instance, const char *only);

#endif /* MODEL_H */
