/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the running instance and asks it. This header knows nothing of what is
 * asked; request.h does.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>

/* Asks the instance on the interface, or the only one if device is NULL. Takes
 * the request over. The answer, which is no error, is for json_decref(); NULL
 * after printing what is wrong. */
json_t *client_ask(const char *device, json_t *request);

#endif /* CLIENT_H */
