/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `show` shows, in lines of JSON: the one model behind its tables and its --json.
 * This header knows nothing of tables or sockets.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdio.h>

#include "instance.h"

struct model;

/* Of all sections in this order: "services", "interfaces", "servers", "sessions", "expected",
 * "flows", "counters"; where `only` is not NULL, of that alone. NULL if memory ran out. */
struct model *model_open(const struct instance *instance, const char *only);

/* Writes the next entries, each as a line ["SECTION", {...}], and no more than are read in a
 * moment: there may be millions. 1: go on; 0: that was all; or a negative errno after printing
 * what is wrong. */
int model_read(struct model *model, FILE *out);

void model_close(struct model *model);

#endif /* MODEL_H */
