/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What ftpfix says on stderr, and the text of a problem on its way there.
 * This header knows nothing of what is being said.
 */
#ifndef LOG_H
#define LOG_H

/* Why something was refused: the thing, the reason and the mend, in one line
 * that is printed here or sent to whoever asked over the control socket. */
struct problem {
	char text[512];
};

/* Prints one line on stderr, after the name of the program. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As log_line(), from a problem that was met. */
void log_problem(const struct problem *problem);

/* Words the problem and returns -EINVAL, so that a check can end with it. */
int problem_set(struct problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* LOG_H */
