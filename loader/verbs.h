/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verbs of the command line, each in its own file. Each takes what follows
 * the program's name, the verb first, and returns the exit status.
 */
#ifndef VERBS_H
#define VERBS_H

int cmd_run(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_server(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_metrics(int argc, char **argv);

#endif /* VERBS_H */
