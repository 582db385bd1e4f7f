// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Prints an array of JSON objects as a table, with nothing that a terminal
 * would obey. This file knows nothing of what the objects are.
 */
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 64

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (isprint((unsigned char)*text))
			fputc(*text, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
	}
}

static void put_value(FILE *out, const json_t *value)
{
	const char *name, *comma = "";
	size_t i;
	json_t *item;

	if (json_is_string(value)) {
		put_text(out, json_string_value(value));
	} else if (json_is_integer(value)) {
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		fprintf(out, "%.1f", json_real_value(value));
	} else if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "yes" : "no", out);
	} else if (json_is_array(value) && json_array_size(value) > 0) {
		json_array_foreach (value, i, item) {
			fputs(i ? "," : "", out);
			put_value(out, item);
		}
	} else if (json_is_object(value) && json_object_size(value) > 0) {
		json_object_foreach ((json_t *)value, name, item) {
			fputs(comma, out);
			put_text(out, name);
			fputc('=', out);
			put_value(out, item);
			comma = ",";
		}
	} else {
		fputc('-', out);
	}
}

/* The text of a cell, for free(); NULL if memory ran out. */
static char *make_cell(const char *cell, const json_t *entry)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	while (*cell) {
		size_t plain = strcspn(cell, "{");
		char key[KEY_MAX];

		fwrite(cell, 1, plain, out);
		cell += plain;
		if (sscanf(cell, "{%63[^}]}", key) != 1)
			break;
		put_value(out, json_object_get(entry, key));
		cell += strlen(key) + 2;
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static void print_row(char *const *cells, const int *widths, size_t columns)
{
	for (size_t i = 0; i < columns; i++) {
		if (i + 1 < columns)
			printf("%-*s  ", widths[i], cells[i]);
		else
			printf("%s\n", cells[i]);
	}
}

static int make_cells(char **cells, const json_t *entries, const struct column *columns,
		      size_t column_count)
{
	size_t row;
	json_t *entry;

	for (size_t i = 0; i < column_count; i++)
		cells[i] = strdup(columns[i].title);
	json_array_foreach ((json_t *)entries, row, entry)
		for (size_t i = 0; i < column_count; i++)
			cells[(row + 1) * column_count + i] = make_cell(columns[i].cell, entry);
	for (size_t i = 0; i < (json_array_size(entries) + 1) * column_count; i++)
		if (!cells[i])
			return -ENOMEM;
	return 0;
}

int table_print(const json_t *entries, const struct column *columns, size_t column_count)
{
	size_t rows = json_array_size(entries) + 1, count = rows * column_count;
	char **cells = calloc(count, sizeof(*cells));
	int *widths = calloc(column_count, sizeof(*widths));
	int err = -ENOMEM;

	if (!cells || !widths)
		goto out;
	err = make_cells(cells, entries, columns, column_count);
	if (err)
		goto out;
	for (size_t i = 0; i < count; i++)
		if ((int)strlen(cells[i]) > widths[i % column_count])
			widths[i % column_count] = strlen(cells[i]);
	for (size_t i = 0; i < rows; i++)
		print_row(cells + i * column_count, widths, column_count);
out:
	for (size_t i = 0; cells && i < count; i++)
		free(cells[i]);
	free(cells);
	free(widths);
	return err;
}
