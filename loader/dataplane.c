// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loads the programs, writes the configuration into their maps, runs the sweep.
 * This file knows nothing of interfaces, nor of who reads the maps.
 */
#include "dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "ftpfix.skel.h"

#define VERIFIER_TAIL 4096

/* What libbpf says while loading is the verifier's reason; at other times it
 * repeats errors that are reported with more sense where they are met. */
static bool loading;

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text;
	size_t length;

	if (!loading || level != LIBBPF_WARN || vasprintf(&text, format, arguments) < 0)
		return 0;
	/* The verifier tells every step; the last ones are what counts. */
	length = strlen(text);
	fprintf(stderr, "%s", length > VERIFIER_TAIL ? text + length - VERIFIER_TAIL : text);
	free(text);
	return 0;
}

static void write_constants(struct ftpfix *skeleton, const struct config *config)
{
	for (size_t i = 0; i < config->port_count; i++) {
		unsigned int port = config->port[i];

		skeleton->rodata->service_ports[port >> 6] |= 1ULL << (port & 63);
	}
	skeleton->rodata->servers_configured = config->servers_named;
}

int dataplane_write_services(const struct dataplane *dataplane, const struct config *config)
{
	struct ftpfix_service service = {
		.source = {[FTPFIX_IPV4] = config->source},
		.port_low = config->port_low,
		.port_high = config->port_high,
		.forward = config->forward,
	};

	for (size_t i = 0; i < config->port_count; i++) {
		__u32 port = config->port[i];
		int err = bpf_map_update_elem(dataplane->services, &port, &service, BPF_ANY);

		if (err) {
			log_line("port %u cannot be written into the services map: %s", port,
				 strerror(-err));
			return err;
		}
	}
	return 0;
}

static int write_servers(struct ftpfix *skeleton, const struct config *config)
{
	int map = bpf_map__fd(skeleton->maps.servers);
	struct ftpfix_server server = {.configured = config->servers_named};

	for (size_t i = 0; i < config->server_count; i++) {
		struct ftpfix_server_key key = {
			.prefix_length = 96 + config->server[i].length,
			.addr = address_from_ipv4(config->server[i].be_network),
		};
		int err = bpf_map_update_elem(map, &key, &server, BPF_ANY);

		if (err) {
			log_line("a server cannot be written into the servers map: %s",
				 strerror(-err));
			return err;
		}
	}
	return 0;
}

static void take_descriptors(struct dataplane *dataplane)
{
	const struct ftpfix *skeleton = dataplane->skeleton;

	dataplane->uplink_ingress = bpf_program__fd(skeleton->progs.ftpfix_uplink_ingress);
	dataplane->uplink_egress = bpf_program__fd(skeleton->progs.ftpfix_uplink_egress);
	dataplane->inside_ingress = bpf_program__fd(skeleton->progs.ftpfix_inside_ingress);
	dataplane->inside_egress = bpf_program__fd(skeleton->progs.ftpfix_inside_egress);
	dataplane->sweep = bpf_program__fd(skeleton->progs.ftpfix_sweep);
	dataplane->services = bpf_map__fd(skeleton->maps.services);
	dataplane->sessions = bpf_map__fd(skeleton->maps.sessions);
	dataplane->expectations = bpf_map__fd(skeleton->maps.expectations);
	dataplane->flows = bpf_map__fd(skeleton->maps.flows);
	dataplane->counters = bpf_map__fd(skeleton->maps.counters);
	dataplane->events = bpf_map__fd(skeleton->maps.events);
}

int dataplane_load(struct dataplane *dataplane, const struct config *config)
{
	int err;

	libbpf_set_print(print_libbpf);
	dataplane->skeleton = ftpfix__open();
	if (!dataplane->skeleton) {
		err = -errno;
		log_line("the programs cannot be opened: %s", strerror(-err));
		return err;
	}
	write_constants(dataplane->skeleton, config);
	loading = true;
	err = ftpfix__load(dataplane->skeleton);
	loading = false;
	if (err) {
		log_line("the kernel refused the programs: %s; its reason stands above",
			 strerror(-err));
		return err;
	}
	take_descriptors(dataplane);
	err = write_servers(dataplane->skeleton, config);
	if (err)
		return err;
	return dataplane_write_services(dataplane, config);
}

void dataplane_sweep(const struct dataplane *dataplane)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err = bpf_prog_test_run_opts(dataplane->sweep, &options);

	if (err)
		log_line("the sweep of silent connections cannot run: %s", strerror(-err));
}

void dataplane_free(struct dataplane *dataplane)
{
	ftpfix__destroy(dataplane->skeleton);
	dataplane->skeleton = NULL;
}
