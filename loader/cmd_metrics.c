// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix metrics: prints the text that /metrics serves.
 * This file knows nothing of what stands in it.
 */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "options.h"

int cmd_metrics(int argc, char **argv)
{
	struct client_options options;
	const char *text;
	json_t *answer;
	int err;

	err = options_client(argc, argv, false, &options);
	if (err)
		return err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (options.word_count > 0) {
		log_line("metrics: '%s' is not expected here; see ftpfix --help", options.word[0]);
		return EXIT_USAGE;
	}
	answer = client_ask(options.device, json_pack("{s:s}", "verb", "metrics"));
	if (!answer)
		return EXIT_FAILURE;
	text = json_string_value(json_object_get(answer, "text"));
	err = !text || fputs(text, stdout) < 0 || fflush(stdout);
	if (err)
		log_line("metrics: standard output cannot be written");
	json_decref(answer);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
