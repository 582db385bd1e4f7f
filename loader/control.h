/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers who asks the instance over its sockets, without ever waiting for one.
 * This header knows nothing of the questions.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "instance.h"
#include "loop.h"

struct control;

/* Takes the sockets of every interface of the configuration, and so keeps other
 * instances off them. Prints what is wrong; NULL then. */
struct control *control_start(const struct loop *loop, struct instance *instance);

/* Called once a second: sends away who has been asking for too long. */
void control_second(struct control *control);

void control_stop(struct control *control);

#endif /* CONTROL_H */
