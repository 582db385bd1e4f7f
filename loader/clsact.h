/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs as filters of the clsact qdisc, for kernels without TCX.
 * This header knows nothing of which programs those are.
 */
#ifndef CLSACT_H
#define CLSACT_H

#include "attach.h"

/* Makes sure that the interface has a clsact qdisc. 0 or a negative errno;
 * `created` says whether it had none. */
int clsact_create(unsigned int index, bool *created);

/* The id of the program of a filter that an ftpfix which was killed left in this
 * place; 0 if there is none. */
__u32 clsact_left(const struct attachment *attachment);

/* Adds the filter; that of an ftpfix which was killed is replaced. -EEXIST if
 * someone else's filter has its place. */
int clsact_attach(const struct attachment *attachment);

/* Whether it is there. */
bool clsact_holds(const struct attachment *attachment);

/* Removes the filter, unless someone else has put another there. */
int clsact_detach(const struct attachment *attachment);

/* Removes the qdisc, unless it has filters left. */
void clsact_remove(unsigned int index);

#endif /* CLSACT_H */
