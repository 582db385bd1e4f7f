/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints an array of JSON objects as a table. This header knows nothing of what
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

/* Prints the titles and one row for each entry. 0 or -ENOMEM. */
int table_print(const json_t *entries, const struct column *columns, size_t column_count);

#endif /* TABLE_H */
