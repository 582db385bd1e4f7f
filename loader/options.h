/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command lines: options into settings, and the text of --help.
 * This header knows nothing of what the settings do.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "config.h"

/* Exit status when the command line was at fault; 1 is for everything else. */
#define EXIT_USAGE 2

/* Prints what --help prints, to stdout. */
void options_help(void);

/* Reads what follows `ftpfix run` into the configuration, complete with its
 * defaults. Returns 0, 1 if --help was given and printed, or -EINVAL after
 * printing why. */
int options_run(int argc, char **argv, struct config *config);

/* A setting, and as many rules as `set advertise` takes. */
#define WORDS_MAX (1 + ADVERTISE_RULES_MAX)

/* What `set`, `show` and `metrics` take. */
struct client_options {
	const char *device; /* --dev, or NULL */
	bool json;	    /* --json */
	const char *word[WORDS_MAX];
	size_t word_count;
};

/* Reads what follows such a verb; as options_run(). */
int options_client(int argc, char **argv, bool takes_json, struct client_options *options);

#endif /* OPTIONS_H */
