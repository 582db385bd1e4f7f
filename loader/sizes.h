/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many entries each map gets for so many sessions.
 * This header knows nothing of what is in the entries.
 */
#ifndef SIZES_H
#define SIZES_H

#include "config.h"

struct bpf_object;

/* Sizes the maps of an object that is not loaded yet. Prints what is wrong; 0 or a
 * negative errno. */
int sizes_set(const struct bpf_object *object, const struct config *config);

#endif /* SIZES_H */
