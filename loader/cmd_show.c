// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ftpfix show: the state of the running instance, as tables or as JSON.
 * This file knows which columns there are and nothing of the maps.
 */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "options.h"
#include "table.h"

static const struct column services[] = {
	{"PORT", "{port}"},
	{"FORWARD", "{forward}"},
	{"ADVERTISE", "{advertise}"},
	{"AT PRESENT", "{advertise_map}"},
	{"DATA PORTS", "{data_port_low}-{data_port_high}"},
	{"SOURCE", "{source}"},
	{"CLIENTS", "{clients}"},
	{"VIRTUAL", "{virtuals}"},
	{"BALANCE", "{balance}"},
	{"REWRITE", "{rewrite}"},
	{"ALLOWED", "{allowed}"},
	{"UPLINKS", "{devices}"},
	{"INSIDE", "{server_devices}"},
	{"SERVERS", "{servers}"},
	{"BY", "{attached_by}"},
};

static const struct column servers[] = {
	{"SERVER", "{server}"}, {"STATE", "{state}"},	    {"WEIGHT", "{weight}"},
	{"SHARE %", "{share}"}, {"SESSIONS", "{sessions}"}, {"REASON", "{reason}"},
};

static const struct column interfaces[] = {
	{"INTERFACE", "{interface}"},
	{"SIDES", "{sides}"},
	{"TC", "{tc}"},
	{"XDP", "{xdp}"},
	{"ON", "{device}"},
	{"VLAN", "{vlan}"},
	{"SENDS", "{sends}"},
	{"WHY NOT", "{reason}"},
};

static const struct column sessions[] = {
	{"SIDE", "{side}"},
	{"CLIENT", "{client}"},
	{"SERVICE", "{service}"},
	{"STATE", "{state}"},
	{"PASV", "{outstanding_pasv}"},
	{"EPSV", "{outstanding_epsv}"},
	{"ANNOUNCEMENTS", "{announcements}"},
	{"IDLE", "{idle_seconds} s"},
};

static const struct column expected[] = {
	{"PEER", "{peer}"},	      {"SIDE", "{side}"},     {"PUBLIC", "{public}"},
	{"TARGET", "{target}"},	      {"SOURCE", "{source}"}, {"OVER", "{device}"},
	{"LEFT", "{seconds_left} s"},
};

static const struct column flows[] = {
	{"KIND", "{kind}"},
	{"CLIENT", "{client}"},
	{"PUBLIC", "{public}"},
	{"SOURCE", "{source}"},
	{"SERVER", "{server}"},
	{"STATE", "{state}"},
	{"BYTES UP/DOWN", "{bytes_to_server}/{bytes_to_client}"},
	{"IDLE", "{idle_seconds} s"},
};

static const struct column counters[] = {
	{"COUNTER", "{family}"},
	{"REASON", "{reason}"},
	{"VALUE", "{value}"},
	{"MEANING", "{help}"},
};

#define COLUMNS(name) name, sizeof(name) / sizeof((name)[0])

static const struct section {
	const char *name;
	const struct column *columns;
	size_t column_count;
	const char *what;
} sections[] = {
	{"services", COLUMNS(services), "control ports"},
	{"interfaces", COLUMNS(interfaces), "what is attached where, and what XDP does"},
	{"servers", COLUMNS(servers), "servers of the virtual addresses"},
	{"sessions", COLUMNS(sessions), "control connections"},
	{"expected", COLUMNS(expected), "data connections that may be opened"},
	{"flows", COLUMNS(flows), "established connections"},
	{"counters", COLUMNS(counters), "decisions that were taken"},
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* What was printed, and what is kept until it can be. */
struct printer {
	const char *only; /* the section that is shown; NULL: all */
	bool json;
	size_t number; /* of the section that comes now */
	size_t entries;
	bool opened; /* it has */
	bool any;    /* a section was opened before */
	struct table table;
};

/* As json_dumpf() would write it within an array within an object. */
static int print_entry(const json_t *entry, bool first)
{
	char *text = json_dumps(entry, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
	char *rest = text, *line;

	if (!text)
		return -ENOMEM;
	fputs(first ? "" : ",", stdout);
	while ((line = strsep(&rest, "\n")))
		printf("\n    %s", line);
	free(text);
	return 0;
}

static void open_section(struct printer *printer)
{
	const struct section *section = &sections[printer->number];

	printer->opened = true;
	printer->entries = 0;
	printer->table =
		(struct table){.columns = section->columns, .column_count = section->column_count};
	if (printer->json)
		printf("%s\n  \"%s\": [", printer->any ? "," : "{", section->name);
	else if (!printer->only)
		printf("%s%s (%s)\n", printer->any ? "\n" : "", section->name, section->what);
	printer->any = true;
}

static int close_section(struct printer *printer)
{
	int err = 0;

	if (printer->json)
		fputs(printer->entries ? "\n  ]" : "]", stdout);
	else if (printer->table.row_count == 0)
		puts("none");
	else
		err = table_print(&printer->table);
	table_clear(&printer->table);
	printer->opened = false;
	return err;
}

/* Prints what there is up to this section: those without entries too. */
static int go_to(struct printer *printer, const char *name)
{
	int err = 0;

	while (!err && printer->number < SECTIONS) {
		const char *now = sections[printer->number].name;
		bool shown = !printer->only || strcmp(now, printer->only) == 0;

		if (shown && !printer->opened)
			open_section(printer);
		if (name && strcmp(name, now) == 0)
			return 0;
		if (shown)
			err = close_section(printer);
		printer->number++;
	}
	return err;
}

/* A person looks for what happened: the counters that are zero are left out. */
static bool is_zero_counter(const struct printer *printer, const json_t *entry)
{
	return sections[printer->number].columns == counters &&
	       json_integer_value(json_object_get(entry, "value")) == 0;
}

static int take_entry(const char *section, json_t *entry, void *context)
{
	struct printer *printer = context;
	int err;

	err = go_to(printer, section);
	if (err || printer->number == SECTIONS)
		return err;
	if (printer->json)
		err = print_entry(entry, printer->entries == 0);
	else if (!is_zero_counter(printer, entry))
		err = table_add(&printer->table, entry);
	printer->entries++;
	return err;
}

static int print_all(struct printer *printer, const char *device)
{
	int err;

	err = client_each(device,
			  json_pack("{s:s, s:s*}", "verb", "show", "section", printer->only),
			  take_entry, printer);
	if (!err)
		err = go_to(printer, NULL);
	if (!err && printer->json)
		puts("\n}");
	table_clear(&printer->table);
	/* What is wrong with the instance was said. */
	if (err != -EIO && (err || fflush(stdout) || ferror(stdout))) {
		log_line("show: standard output cannot be written");
		err = -EIO;
	}
	return err;
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < SECTIONS; i++)
		if (strcmp(name, sections[i].name) == 0)
			return true;
	return false;
}

int cmd_show(int argc, char **argv)
{
	struct client_options options;
	struct printer printer;
	int err;

	err = options_client(argc, argv, true, &options);
	if (err)
		return err > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	if (options.word_count > 1 || (options.word_count == 1 && !is_section(options.word[0]))) {
		log_line("show: '%s' cannot be shown; say services, interfaces, servers, sessions, "
			 "expected, flows or counters, or nothing for all",
			 options.word[options.word_count - 1]);
		return EXIT_USAGE;
	}
	printer = (struct printer){.only = options.word[0], .json = options.json};
	return print_all(&printer, options.device) ? EXIT_FAILURE : EXIT_SUCCESS;
}
