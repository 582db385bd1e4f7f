// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the Prometheus exposition text from the maps.
 * This file knows nothing of who asks for it.
 */
#include "metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "maps.h"
#include "reason.h"
#include "sizes.h"

static int write_counters(FILE *out, const struct instance *instance)
{
	__u64 counters[FTPFIX_REASON_COUNT];
	int err;

	err = map_counters(instance->dataplane.counters, counters);
	if (err)
		return err;
	for (int family = 0; family < FAMILY_COUNT; family++) {
		fprintf(out, "# HELP ftpfix_%s_total %s\n# TYPE ftpfix_%s_total counter\n",
			families[family].name, families[family].help, families[family].name);
		for (int i = 0; i < FTPFIX_REASON_COUNT; i++)
			if ((int)reasons[i].family == family)
				fprintf(out, "ftpfix_%s_total{reason=\"%s\"} %llu\n",
					families[family].name, reasons[i].label, counters[i]);
	}
	return 0;
}

static void write_gauges(FILE *out, const char *name, const char *help, unsigned long max,
			 unsigned long count)
{
	fprintf(out, "# HELP ftpfix_%s %s.\n# TYPE ftpfix_%s gauge\nftpfix_%s %lu\n", name, help,
		name, name, count);
	fprintf(out, "# HELP ftpfix_%s_max What the table of ftpfix_%s holds at most.\n", name,
		name);
	fprintf(out, "# TYPE ftpfix_%s_max gauge\nftpfix_%s_max %lu\n", name, name, max);
}

static int write_tables(FILE *out, const struct instance *instance)
{
	const struct dataplane *dataplane = &instance->dataplane;
	struct expectation_table expectations;
	struct ftpfix_tally tally;
	struct flow_table table;
	int err;

	err = dataplane_count(dataplane, &tally);
	if (err)
		return err;
	err = expectation_table_open(&expectations, &dataplane->expectations);
	if (err)
		return err;
	err = flow_table_open(&table, &dataplane->flows);
	if (err) {
		expectation_table_close(&expectations);
		return err;
	}
	write_gauges(out, "sessions", "Control connections that are remembered",
		     map_max(dataplane->sessions), tally.sessions);
	write_gauges(out, "expectations", "Data connections that are expected",
		     instance->config.flow.sessions_max, expectation_table_count(&expectations));
	expectation_table_close(&expectations);
	write_gauges(out, "flows", "Connections that are carried",
		     sizes_connections(&instance->config), flow_table_count(&table));
	flow_table_close(&table);
	return 0;
}

/* The name of an interface may hold what a label must escape. */
static void write_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void write_rules(FILE *out, const struct advertise *advertise)
{
	char source[ADVERTISE_TEXT_MAX], net_text[PREFIX_TEXT_MAX], text[ENDPOINT_TEXT_MAX];
	struct prefix net;

	fputs("# HELP ftpfix_advertise_info Which address is announced to whom; none: the one "
	      "that was dialled.\n"
	      "# TYPE ftpfix_advertise_info gauge\n",
	      out);
	for (size_t i = 0; i < advertise->count * FTPFIX_FAMILIES; i++) {
		const struct advertise_rule *rule = &advertise->rule[i / FTPFIX_FAMILIES];
		enum ftpfix_family family = i % FTPFIX_FAMILIES;
		bool none = address_is_none(&rule->addr[family]);

		if (!advertise_net(rule, family, &net))
			continue;
		fprintf(out, "ftpfix_advertise_info{net=\"%s\",", prefix_format(&net, net_text));
		write_label(out, "source", advertise_format_source(rule, source));
		fprintf(out, ",address=\"%s\"} 1\n",
			none ? "" : address_format(&rule->addr[family], text));
	}
}

static void write_server_name(FILE *out, const char *series, const struct server_view *server)
{
	char text[ENDPOINT_TEXT_MAX];

	fprintf(out, "ftpfix_server_%s{server=\"%s\"} ", series,
		endpoint_format(&server->endpoint.addr, server->endpoint.be_port, text));
}

/* What leaves is not checked any more. */
static int write_up(const struct server_view *server, void *context)
{
	FILE *out = context;

	if (server->leaving)
		return 0;
	write_server_name(out, "up", server);
	fprintf(out, "%d\n", server->up);
	return 0;
}

static int write_sessions(const struct server_view *server, void *context)
{
	FILE *out = context;

	write_server_name(out, "sessions", server);
	fprintf(out, "%lld\n", server->sessions);
	return 0;
}

static int write_weight(const struct server_view *server, void *context)
{
	FILE *out = context;

	write_server_name(out, "weight", server);
	fprintf(out, "%u\n", server->weight);
	return 0;
}

static void write_servers(FILE *out, const struct balancer *balancer)
{
	if (!balancer)
		return;
	fputs("# HELP ftpfix_server_up Whether a server is reached and passes its checks.\n"
	      "# TYPE ftpfix_server_up gauge\n",
	      out);
	balancer_each(balancer, write_up, out);
	fputs("# HELP ftpfix_server_sessions Control connections that a server has.\n"
	      "# TYPE ftpfix_server_sessions gauge\n",
	      out);
	balancer_each(balancer, write_sessions, out);
	fputs("# HELP ftpfix_server_weight The weight of a server.\n"
	      "# TYPE ftpfix_server_weight gauge\n",
	      out);
	balancer_each(balancer, write_weight, out);
}

static void write_interfaces(FILE *out, const struct xdp *xdp)
{
	struct xdp_view view;
	char name[IF_NAMESIZE];

	fputs("# HELP ftpfix_interface_xdp How XDP takes what comes in on an interface.\n"
	      "# TYPE ftpfix_interface_xdp gauge\n",
	      out);
	for (size_t i = 0; i < xdp_count(xdp); i++) {
		xdp_look(xdp, i, &view);
		fputs("ftpfix_interface_xdp{", out);
		write_label(out, "device", interface_name(view.index, name));
		fprintf(out, ",mode=\"%s\"} 1\n", view.mode);
	}
}

static void write_process(FILE *out, const struct instance *instance)
{
	fprintf(out,
		"# HELP ftpfix_build_info The version that runs.\n"
		"# TYPE ftpfix_build_info gauge\n"
		"ftpfix_build_info{version=\"%s\"} 1\n"
		"# HELP ftpfix_start_time_seconds When ftpfix started, in seconds since 1970.\n"
		"# TYPE ftpfix_start_time_seconds gauge\n"
		"ftpfix_start_time_seconds %lld\n",
		FTPFIX_VERSION, (long long)instance->started);
}

char *metrics_text(const struct instance *instance)
{
	char *text = NULL;
	size_t length;
	FILE *out;
	int err;

	out = open_memstream(&text, &length);
	if (!out)
		return NULL;
	err = write_counters(out, instance);
	if (!err)
		err = write_tables(out, instance);
	write_rules(out, &instance->config.advertise);
	write_servers(out, instance->balancer);
	write_interfaces(out, instance->xdp);
	write_process(out, instance);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (err) {
		log_line("the metrics cannot be read from the maps: %s", strerror(-err));
		free(text);
		return NULL;
	}
	return text;
}
