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

static bool is_advertise(const struct client_options *options)
{
	return options->word_count >= 2 && strcmp(options->word[0], "advertise") == 0;
}

static bool is_data_ports(const struct client_options *options)
{
	return options->word_count == 2 && strcmp(options->word[0], "data-ports") == 0;
}

/* What the words ask for; NULL if they are no UTF-8, which JSON is made of. */
static json_t *make_request(const struct client_options *options)
{
	json_t *rules;

	if (is_data_ports(options))
		return json_pack("{s:s, s:s}", "verb", "set", "data_ports", options->word[1]);
	rules = json_array();
	for (size_t i = 1; i < options->word_count; i++) {
		if (json_array_append_new(rules, json_string(options->word[i]))) {
			json_decref(rules);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o}", "verb", "set", "advertise", rules);
}

int cmd_set(int argc, char **argv)
{
	struct client_options options;
	json_t *answer;
	int err;

	err = options_client(argc, argv, false, &options);
	if (err)
		return err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (!is_advertise(&options) && !is_data_ports(&options)) {
		log_line("set: say set advertise [NET=]ADDR..., or set data-ports LO-HI");
		return EXIT_USAGE;
	}
	answer = client_ask(options.device, make_request(&options));
	if (!answer)
		return EXIT_FAILURE;
	json_decref(answer);
	return EXIT_SUCCESS;
}
