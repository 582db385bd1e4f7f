// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix server: adds, drains and removes servers of the running instance.
 * This file knows nothing of which servers there are; the instance does.
 */
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "options.h"

static bool is_action(const char *word)
{
	return strcmp(word, "add") == 0 || strcmp(word, "del") == 0 || strcmp(word, "drain") == 0;
}

int cmd_server(int argc, char **argv)
{
	struct client_options options;
	json_t *answer;
	int err;

	err = options_client(argc, argv, false, &options);
	if (err)
		return err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (options.word_count != 2 || !is_action(options.word[0])) {
		log_line("server: say server add ADDR[:PORT][,weight=N], server drain ADDR[:PORT], "
			 "or server del ADDR[:PORT]");
		return EXIT_USAGE;
	}
	answer = client_ask(options.device, json_pack("{s:s, s:s, s:s}", "verb", "server", "action",
						      options.word[0], "server", options.word[1]));
	if (!answer)
		return EXIT_FAILURE;
	json_decref(answer);
	return EXIT_SUCCESS;
}
