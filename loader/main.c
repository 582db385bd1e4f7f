// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix: the table of its verbs. What a verb does stands in its own file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "verbs.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"run", cmd_run},   {"set", cmd_set},	      {"server", cmd_server},
	{"show", cmd_show}, {"metrics", cmd_metrics},
};

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
		options_help();
		return EXIT_SUCCESS;
	}
	if (strcmp(verb, "--version") == 0) {
		puts("ftpfix " FTPFIX_VERSION);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	log_line("'%s' is no verb; say run, set, server, show or metrics (see ftpfix --help)",
		 verb);
	return EXIT_USAGE;
}
