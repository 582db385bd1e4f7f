/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs and maps in the kernel, as file descriptors.
 * This header knows nothing of interfaces, nor of who reads the maps.
 */
#ifndef DATAPLANE_H
#define DATAPLANE_H

#include "config.h"
#include "expectation_table.h"
#include "flow_table.h"

struct ftpfix; /* the skeleton */

struct dataplane {
	struct ftpfix *skeleton;
	/* Programs: */
	int uplink_ingress;
	int uplink_egress;
	int inside_ingress;
	int inside_egress;
	int sweep;
	int count;
	int xdp[4]; /* by the sides of untagged frames, bits 1 << enum ftpfix_side */
	/* Maps: */
	int services;
	int servers;
	int advertise;
	int virtuals;
	int backends;
	int maglev;
	int loads;
	int sessions;
	struct expectation_maps expectations;
	struct flow_maps flows;
	int counters;
	int events;
	int links;
	int xdp_devices;
	int tagged;
};

/* Loads programs and maps and fills the maps in from the configuration.
 * Prints what is wrong; 0 or a negative errno. */
int dataplane_load(struct dataplane *dataplane, const struct config *config);

/* Writes the services map again, after the configuration has changed. */
int dataplane_write_services(const struct dataplane *dataplane, const struct config *config);

/* Makes the control ports those of the configuration, after some have come or gone. */
int dataplane_write_ports(const struct dataplane *dataplane, const struct config *config);

/* Makes the host a server that may be announced, or takes it back. */
int dataplane_add_server(const struct dataplane *dataplane, const struct ftpfix_addr *host);
void dataplane_remove_server(const struct dataplane *dataplane, const struct ftpfix_addr *host);

/* Makes the advertise map what the rules say at present. */
int dataplane_write_advertise(const struct dataplane *dataplane, const struct advertise *advertise);

/* Has it look at the first `count` places for servers of the virtual address of this id. */
void dataplane_write_backend_count(const struct dataplane *dataplane, __u32 id, __u32 count);

/* Keeps FULLNAT connections that open from now on from going on from this port of the node, or
 * lets them again. One that is in the table already keeps it. */
void dataplane_hold_port(const struct dataplane *dataplane, __be16 be_port);
void dataplane_release_port(const struct dataplane *dataplane, __be16 be_port);

/* Has the dataplane ask the kernel again for the next hops that it knows. */
void dataplane_hops_changed(const struct dataplane *dataplane);

/* For so long from now the dataplane may go by what it knows: dataplane_hops_changed() is
 * called when that changes. */
void dataplane_hops_watched(const struct dataplane *dataplane, __u64 time_ns);

/* Ends what was silent for too long. */
void dataplane_sweep(const struct dataplane *dataplane);

/* Counts what the tables hold. 0 or a negative errno. */
int dataplane_count(const struct dataplane *dataplane, struct ftpfix_tally *tally);

/* Closes everything; of a dataplane that was never loaded too. */
void dataplane_free(struct dataplane *dataplane);

#endif /* DATAPLANE_H */
