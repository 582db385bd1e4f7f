/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the advertise map what its rules say: addresses of interfaces and of names
 * are followed. This header knows nothing of who changes the rules.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "advertise.h"
#include "dataplane.h"
#include "loop.h"

struct follow;

/* Fills the map in from the rules, which it keeps up to date from then on. Names are
 * looked up again so many seconds after each answer. Prints what is wrong; NULL then. */
struct follow *follow_start(const struct loop *loop, const struct dataplane *dataplane,
			    struct advertise *rules, unsigned int dns_seconds);

/* Puts other rules, which it takes over, in the place of those that hold. 0, or a
 * negative errno: then the old ones still hold, and the others are the caller's. */
int follow_replace(struct follow *follow, const struct advertise *rules);

/* Called once a second: looks names up that are due. */
void follow_second(struct follow *follow);

void follow_stop(struct follow *follow);

#endif /* FOLLOW_H */
