/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which device carries which interface, and so where XDP programs go: one for each device,
 * below the VLAN interfaces on it.
 * This header knows nothing of programs or maps.
 */
#ifndef XDP_PLAN_H
#define XDP_PLAN_H

#include "config.h"
#include "link.h"

#define INTERFACES_MAX (2 * DEVICES_MAX)

/* An interface of the configuration. */
struct xdp_interface {
	struct device device;
	__u32 sides; /* bits 1 << enum ftpfix_side that it is attached as */
	struct link link;
	size_t carrier;	  /* its place among the carriers */
	const char *none; /* why no device can be its carrier; NULL: there is one */
};

/* A device that frames come in on and leave by. */
struct xdp_carrier {
	struct link link;
	__u32 sides; /* of its untagged frames; 0: it carries VLANs alone */
	bool has_vlan;
};

struct xdp_plan {
	struct xdp_interface interface[INTERFACES_MAX];
	size_t interface_count;
	struct xdp_carrier carrier[INTERFACES_MAX];
	size_t carrier_count;
};

/* Looks one interface up; 0 or a negative errno. */
typedef int (*link_finder)(unsigned int index, struct link *link);

/* Makes the plan from the interfaces of the configuration. 0 or a negative errno. */
int xdp_plan_make(struct xdp_plan *plan, const struct config *config, link_finder find);

/* The entry of map tagged for an interface; false if there is none. */
bool xdp_plan_tagged(const struct xdp_plan *plan, const struct xdp_interface *interface,
		     struct ftpfix_tagged_key *key, struct ftpfix_tagged *value);

#endif /* XDP_PLAN_H */
