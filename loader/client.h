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

/* The same for what has an entry in each line of its answer, in front of the object: calls
 * `each` for every one, which is no longer there afterwards; other than 0 ends that and is
 * returned. 0, or -EIO after printing what is wrong. */
typedef int (*client_entry)(const char *section, json_t *entry, void *context);
int client_each(const char *device, json_t *request, client_entry each, void *context);

#endif /* CLIENT_H */
