// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Prints JSON objects as a table, with nothing that a terminal
 * would obey. This file knows nothing of what the objects are.
 */
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
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

static void put_cell(FILE *out, const char *cell, const json_t *entry)
{
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
	fputc('\0', out);
}

/* For free(); NULL if memory ran out. */
static char *make_row(const struct table *table, const json_t *entry)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	for (size_t i = 0; i < table->column_count; i++)
		put_cell(out, table->columns[i].cell, entry);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

int table_add(struct table *table, const json_t *entry)
{
	if (table->row_count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		char **grown = reallocarray(table->rows, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->rows = grown;
		table->room = room;
	}
	table->rows[table->row_count] = make_row(table, entry);
	return table->rows[table->row_count++] ? 0 : -ENOMEM;
}

static void widen(int *width, const char *text)
{
	if ((int)strlen(text) > *width)
		*width = strlen(text);
}

static void print_cell(const char *text, int width, bool last)
{
	if (last)
		printf("%s\n", text);
	else
		printf("%-*s  ", width, text);
}

int table_print(const struct table *table)
{
	size_t columns = table->column_count;
	int *widths = calloc(columns, sizeof(*widths));
	const char *cell;

	if (!widths)
		return -ENOMEM;
	for (size_t i = 0; i < columns; i++)
		widen(&widths[i], table->columns[i].title);
	for (size_t row = 0; row < table->row_count; row++) {
		cell = table->rows[row];
		for (size_t i = 0; i < columns; cell += strlen(cell) + 1)
			widen(&widths[i++], cell);
	}
	for (size_t i = 0; i < columns; i++)
		print_cell(table->columns[i].title, widths[i], i + 1 == columns);
	for (size_t row = 0; row < table->row_count; row++) {
		cell = table->rows[row];
		for (size_t i = 0; i < columns; i++, cell += strlen(cell) + 1)
			print_cell(cell, widths[i], i + 1 == columns);
	}
	free(widths);
	return 0;
}

void table_clear(struct table *table)
{
	while (table->row_count > 0)
		free(table->rows[--table->row_count]);
	free(table->rows);
	table->rows = NULL;
	table->room = 0;
}
