/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints JSON objects as a table. This header knows nothing of what
 * the objects are.
 */
#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>
#include <stddef.h>

/* A column: what stands above it, and what in it, with a key in braces where
 * its value goes: "{low}-{high}". */
struct column {
	const char *title;
	const char *cell;
};

/* Rows, each with the texts of its cells one behind the other: objects of a million entries
 * would take far more memory. */
struct table {
	const struct column *columns;
	size_t column_count;
	char **rows;
	size_t row_count;
	size_t room;
};

/* Adds a row for the entry. 0 or -ENOMEM. */
int table_add(struct table *table, const json_t *entry);

/* Prints the titles and the rows. 0 or -ENOMEM. */
int table_print(const struct table *table);

/* Frees the rows. */
void table_clear(struct table *table);

#endif /* TABLE_H */
