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

static int print_json(const json_t *model, const char *name)
{
	json_t *shown = name ? json_pack("{s:O}", name, json_object_get(model, name)) : NULL;
	int err;

	err = json_dumpf(shown ? shown : model, stdout,
			 JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
	json_decref(shown);
	putchar('\n');
	return err;
}

/* A person looks for what happened: the counters that are zero are left out. */
static void drop_zero_counters(json_t *model)
{
	json_t *all = json_object_get(model, "counters");

	for (size_t i = json_array_size(all); i-- > 0;)
		if (json_integer_value(json_object_get(json_array_get(all, i), "value")) == 0)
			json_array_remove(all, i);
}

static int print_tables(json_t *model, const char *name)
{
	int err = 0;

	drop_zero_counters(model);
	for (size_t i = 0; !err && i < SECTIONS; i++) {
		const struct section *section = &sections[i];
		json_t *entries = json_object_get(model, section->name);

		if (name && strcmp(name, section->name))
			continue;
		if (!name)
			printf("%s%s (%s)\n", i ? "\n" : "", section->name, section->what);
		if (json_array_size(entries) == 0)
			puts("none");
		else
			err = table_print(entries, section->columns, section->column_count);
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
	json_t *answer, *model;
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
	answer = client_ask(options.device,
			    json_pack("{s:s, s:s*}", "verb", "show", "section", options.word[0]));
	if (!answer)
		return EXIT_FAILURE;
	model = json_object_get(answer, "sections");
	err = options.json ? print_json(model, options.word[0])
			   : print_tables(model, options.word[0]);
	if (err || fflush(stdout)) {
		log_line("show: standard output cannot be written");
		err = -EIO;
	}
	json_decref(answer);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
