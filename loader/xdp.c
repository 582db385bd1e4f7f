// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches XDP programs to devices, and keeps the list of those that take frames from them.
 * This file knows nothing of what the programs do.
 */
#include "xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interface.h"
#include "maps.h"
#include "netlink.h"
#include "node.h"
#include "sysctl.h"
#include "xdp_features.h"
#include "xdp_plan.h"

/* How often devices are looked at where the kernel does not tell of changes. */
#define LOOK_SECONDS 5

struct attached {
	int link;		     /* -1: no program of ours is there */
	char reason[XDP_REASON_MAX]; /* why not */
	bool takes_tags;
};

struct xdp {
	const struct dataplane *dataplane;
	enum xdp_choice choice;
	const char *off; /* why there is none on any device; NULL: there may be */
	struct xdp_plan plan;
	struct attached attached[INTERFACES_MAX]; /* to the carrier of the same place */
	bool sends[INTERFACES_MAX];		  /* out of the interface of the same place */
	struct xdp_family family;
	struct mnl_socket *socket;
	struct watch watch;
	unsigned int seconds;
};

static bool is_demanded(const struct xdp *xdp)
{
	return xdp->choice != XDP_AUTO;
}

/* Says why XDP leaves the device alone: a refusal where it was asked for. */
static int leave_out(const struct xdp *xdp, unsigned int index, const char *reason,
		     const char *mend, int err)
{
	char name[IF_NAMESIZE];

	interface_name(index, name);
	if (!is_demanded(xdp)) {
		log_line("%s: no XDP: %s; TC alone carries what comes in there", name, reason);
		return 0;
	}
	log_line("--xdp %s: %s: %s; %s, or say --xdp auto", xdp_choice_name(xdp->choice), name,
		 reason, mend);
	return err;
}

static int attach_failed(const struct xdp *xdp, unsigned int index, char *reason, int err)
{
	char name[IF_NAMESIZE], mend[IF_NAMESIZE + 64];
	struct link link = {0};

	if (!link_ask(index, &link) && link.xdp_program) {
		snprintf(reason, XDP_REASON_MAX, "another XDP program (id %u) is on it",
			 link.xdp_program);
		snprintf(mend, sizeof(mend), "take that off (ip link set dev %s xdp off)",
			 interface_name(index, name));
	} else {
		snprintf(reason, XDP_REASON_MAX, "its driver takes no program: %s", strerror(-err));
		snprintf(mend, sizeof(mend), "name another interface");
	}
	return leave_out(xdp, index, reason, mend, err);
}

static int attach_carrier(struct xdp *xdp, size_t place)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	const struct xdp_carrier *carrier = &xdp->plan.carrier[place];
	struct attached *attached = &xdp->attached[place];
	unsigned int index = carrier->link.index;
	char name[IF_NAMESIZE];

	options.flags = xdp->choice == XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	attached->link =
		bpf_link_create(xdp->dataplane->xdp[carrier->sides], index, BPF_XDP, &options);
	if (attached->link < 0)
		return attach_failed(xdp, index, attached->reason, attached->link);
	attached->takes_tags = carrier->has_vlan && link_takes_tags(index);
	if (attached->takes_tags)
		log_line("%s: takes VLAN tags off before XDP sees them: what comes in by its VLANs "
			 "is TC's; ethtool -K %s rxvlan off makes it XDP's",
			 interface_name(index, name), name);
	return 0;
}

static int attach_carriers(struct xdp *xdp)
{
	const struct xdp_plan *plan = &xdp->plan;
	int err = 0;

	for (size_t i = 0; !err && i < plan->interface_count; i++)
		if (plan->interface[i].none)
			err = leave_out(xdp, plan->interface[i].device.index,
					plan->interface[i].none, "name another interface",
					-EOPNOTSUPP);
	for (size_t i = 0; !err && i < plan->carrier_count; i++)
		err = attach_carrier(xdp, i);
	return err;
}

static int write_tagged(const struct xdp *xdp)
{
	struct ftpfix_tagged_key key;
	struct ftpfix_tagged value;
	int err = 0;

	for (size_t i = 0; !err && i < xdp->plan.interface_count; i++)
		if (xdp_plan_tagged(&xdp->plan, &xdp->plan.interface[i], &key, &value))
			err = bpf_map_update_elem(xdp->dataplane->tagged, &key, &value, BPF_ANY);
	if (err)
		log_line("the tagged map cannot be written: %s", strerror(-err));
	return err;
}

/* Whether the device takes frames that XDP redirects to it, and those of several buffers;
 * a device that does not would drop them. */
static bool can_send(const struct xdp *xdp, size_t place, bool *frags)
{
	const struct link *link = &xdp->plan.carrier[place].link;
	bool ours = xdp->attached[place].link >= 0;
	__u64 features;

	*frags = false;
	if (xdp->choice == XDP_GENERIC)
		return ours;
	/* Drivers of hardware take frames once they run a program; a veth may not. */
	if (!xdp->family.id)
		return ours && strcmp(link->kind, "veth");
	if (xdp_features_ask(&xdp->family, link->index, &features))
		return false;
	*frags = features & XDP_FEATURE_SENDS_FRAGS;
	return features & XDP_FEATURE_SENDS;
}

static const char *why_not_sent(const struct xdp *xdp, const struct xdp_interface *interface)
{
	const char *kind = xdp->plan.carrier[interface->carrier].link.kind;

	if (strcmp(kind, "veth"))
		return "its driver takes no frames from XDP";
	return xdp->family.id ? "a veth takes frames from XDP only while its peer has GRO on, or "
				"an XDP program (ethtool -K PEER gro on)"
			      : "this kernel does not tell whether a veth takes frames from XDP";
}

static void say_sends(const struct xdp *xdp, const struct xdp_interface *interface, bool sends)
{
	char name[IF_NAMESIZE];

	/* One that is gone needs no words. */
	if (!if_indextoname(interface->device.index, name))
		return;
	if (sends)
		log_line("%s: takes frames from XDP from now on", name);
	else
		log_line("%s: %s: TC carries what leaves there", name,
			 why_not_sent(xdp, interface));
}

static int write_link(const struct xdp *xdp, const struct xdp_interface *interface, bool sends,
		      bool frags)
{
	struct ftpfix_link link = {
		.be_vlan = htons(interface->link.vlan), .fast = sends, .frags = frags};
	__u32 index = interface->device.index;
	__u32 device = xdp->plan.carrier[interface->carrier].link.index;
	int err = 0;

	/* In this order: what map links says so of XDP sends. A device stays in map xdp_devices:
	 * flows keep their next hop for a moment, until they see that it may be another. */
	if (sends)
		err = map_write(xdp->dataplane->xdp_devices, &index, &device, sizeof(device));
	if (!err)
		err = map_write(xdp->dataplane->links, &index, &link, sizeof(link));
	if (err)
		log_line("the links map cannot be written: %s", strerror(-err));
	return err;
}

/* What TC needs to know, without XDP too. */
static int write_links(const struct xdp *xdp)
{
	int err = 0;

	for (size_t i = 0; !err && i < xdp->plan.interface_count; i++)
		err = write_link(xdp, &xdp->plan.interface[i], false, false);
	return err;
}

/* Brings the maps to what the devices can do now. */
static int look_at(struct xdp *xdp, size_t place, bool first)
{
	const struct xdp_interface *interface = &xdp->plan.interface[place];
	bool frags, sends;
	int err;

	if (interface->none)
		return 0;
	sends = can_send(xdp, interface->carrier, &frags);
	err = write_link(xdp, interface, sends, sends && frags);
	if (err)
		return err;
	if (sends != xdp->sends[place])
		dataplane_hops_changed(xdp->dataplane);
	if (first ? !sends : sends != xdp->sends[place])
		say_sends(xdp, interface, sends);
	xdp->sends[place] = sends;
	return 0;
}

static int look_at_all(struct xdp *xdp, bool first)
{
	int err = 0;

	for (size_t i = 0; !err && i < xdp->plan.interface_count; i++)
		err = look_at(xdp, i, first);
	return err;
}

static void features_changed(void *context, uint32_t events)
{
	struct xdp *xdp = context;

	(void)events;
	netlink_drain(xdp->socket);
	look_at_all(xdp, false);
}

static int watch_features(struct xdp *xdp, const struct loop *loop)
{
	if (!xdp->family.group)
		return 0;
	xdp->socket = netlink_listen_generic(xdp->family.group);
	if (!xdp->socket) {
		log_line("changes of what devices can do cannot be heard of: %s", strerror(errno));
		return -EIO;
	}
	xdp->watch = (struct watch){
		.fd = mnl_socket_get_fd(xdp->socket), .ready = features_changed, .context = xdp};
	return loop_watch(loop, &xdp->watch, EPOLLIN);
}

static bool is_anywhere(const struct xdp *xdp)
{
	for (size_t i = 0; i < xdp->plan.carrier_count; i++)
		if (xdp->attached[i].link >= 0)
			return true;
	return false;
}

static bool is_on(const struct xdp *xdp, const struct xdp_interface *interface)
{
	return !interface->none && xdp->attached[interface->carrier].link >= 0;
}

/* The kernel looks up no next hop for what comes in where nothing is to be forwarded. */
static void say_forwarding(const struct xdp *xdp, enum ftpfix_family family)
{
	char names[INTERFACES_MAX * (IF_NAMESIZE + 1)] = "";

	for (size_t i = 0; i < xdp->plan.interface_count; i++) {
		const struct xdp_interface *interface = &xdp->plan.interface[i];

		if (!is_on(xdp, interface) || !node_refuses(&interface->device, family))
			continue;
		strcat(names, names[0] ? " " : "");
		strcat(names, interface->device.name);
	}
	if (names[0])
		log_line("forwarding of %s is off, so that XDP leaves what comes in to TC (on %s); "
			 "sysctl -w %s makes it faster",
			 family_name(family), names, sysctl_forwarding(family));
}

static const char *why_off(const struct config *config)
{
	if (config->flow.xdp == XDP_OFF)
		return "--xdp off";
	if (config->flow.path_stack)
		return "--path stack";
	return config->forward == FTPFIX_FORWARD_NONE ? "--forward none" : NULL;
}

static int begin(struct xdp *xdp, const struct loop *loop)
{
	int err;

	err = attach_carriers(xdp);
	if (err || !is_anywhere(xdp))
		return err;
	err = xdp_family_find(&xdp->family);
	if (err) {
		log_line("the kernel does not tell what devices can do: %s", strerror(-err));
		return err;
	}
	err = write_tagged(xdp);
	if (!err)
		err = watch_features(xdp, loop);
	if (!err)
		err = look_at_all(xdp, true);
	say_forwarding(xdp, FTPFIX_IPV4);
	say_forwarding(xdp, FTPFIX_IPV6);
	return err;
}

struct xdp *xdp_start(const struct loop *loop, const struct dataplane *dataplane,
		      const struct config *config)
{
	struct xdp *xdp = calloc(1, sizeof(*xdp));
	int err;

	if (!xdp)
		return NULL;
	xdp->dataplane = dataplane;
	xdp->choice = config->flow.xdp;
	xdp->off = why_off(config);
	for (size_t i = 0; i < INTERFACES_MAX; i++)
		xdp->attached[i].link = -1;
	err = xdp_plan_make(&xdp->plan, config, link_ask);
	if (err)
		log_line("the kernel does not tell what the interfaces are: %s", strerror(-err));
	else
		err = write_links(xdp);
	if (!err && !xdp->off)
		err = begin(xdp, loop);
	if (err) {
		xdp_stop(xdp);
		return NULL;
	}
	return xdp;
}

void xdp_second(struct xdp *xdp)
{
	if (!is_anywhere(xdp) || ++xdp->seconds < LOOK_SECONDS)
		return;
	xdp->seconds = 0;
	look_at_all(xdp, false);
}

size_t xdp_count(const struct xdp *xdp)
{
	return xdp->plan.interface_count;
}

static bool is_gone(const struct xdp_interface *interface)
{
	return !interface_exists(interface->device.index);
}

static const char *mode_of(const struct xdp *xdp, const struct xdp_interface *interface)
{
	if (is_gone(interface) || !is_on(xdp, interface))
		return "off";
	return xdp->choice == XDP_GENERIC ? "generic" : "native";
}

static const char *reason_of(const struct xdp *xdp, size_t number)
{
	const struct xdp_interface *interface = &xdp->plan.interface[number];
	const struct attached *attached = &xdp->attached[interface->carrier];

	if (is_gone(interface))
		return "it is gone: where another comes in its place, start ftpfix again";
	if (xdp->off)
		return xdp->off;
	if (interface->none)
		return interface->none;
	if (attached->link < 0)
		return attached->reason;
	if (interface->link.is_vlan && attached->takes_tags)
		return "the interface below it takes VLAN tags off (ethtool -K IFACE rxvlan off)";
	if (node_refuses(&interface->device, FTPFIX_IPV4))
		return "forwarding of IPv4 is off (net.ipv4.ip_forward)";
	if (node_refuses(&interface->device, FTPFIX_IPV6))
		return "forwarding of IPv6 is off (net.ipv6.conf.all.forwarding)";
	return xdp->sends[number] ? "" : why_not_sent(xdp, interface);
}

void xdp_look(const struct xdp *xdp, size_t number, struct xdp_view *view)
{
	const struct xdp_interface *interface = &xdp->plan.interface[number];

	*view = (struct xdp_view){
		.index = interface->device.index,
		.sides = interface->sides,
		.device = interface->none ? 0 : xdp->plan.carrier[interface->carrier].link.index,
		.vlan = interface->link.vlan,
		.mode = mode_of(xdp, interface),
		.sends = xdp->sends[number] && !is_gone(interface),
		.gone = is_gone(interface),
	};
	snprintf(view->reason, sizeof(view->reason), "%s", reason_of(xdp, number));
}

void xdp_stop(struct xdp *xdp)
{
	if (!xdp)
		return;
	for (size_t i = 0; i < INTERFACES_MAX; i++)
		if (xdp->attached[i].link >= 0)
			close(xdp->attached[i].link);
	if (xdp->socket)
		mnl_socket_close(xdp->socket);
	free(xdp);
}
