// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes lines to stderr, each with one call so that lines do not mix.
 * This file knows nothing of what is being said.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024

void log_line(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fprintf(stderr, "ftpfix: %s\n", line);
}

void log_problem(const struct problem *problem)
{
	log_line("%s", problem->text);
}

int problem_set(struct problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}
