// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix set: changes a setting of the running instance.
 * This file knows nothing of which values are allowed; the instance does.
 */
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "options.h"

/* What can be set, and what a request calls it. */
static const struct {
	const char *name;
	const char *key;
} settings[] = {
	{"advertise", "advertise"},
	{"data-ports", "data_ports"},
};

static const char *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(name, settings[i].name) == 0)
			return settings[i].key;
	return NULL;
}

int cmd_set(int argc, char **argv)
{
	struct client_options options;
	const char *key;
	json_t *answer;
	int err;

	err = options_client(argc, argv, false, &options);
	if (err)
		return err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	key = options.word_count == 2 ? find_key(options.word[0]) : NULL;
	if (!key) {
		log_line("set: say set advertise ADDR, or set data-ports LO-HI");
		return EXIT_USAGE;
	}
	answer = client_ask(options.device,
			    json_pack("{s:s, s:s}", "verb", "set", key, options.word[1]));
	if (!answer)
		return EXIT_FAILURE;
	json_decref(answer);
	return EXIT_SUCCESS;
}
