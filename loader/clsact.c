// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Adds and removes filters of the clsact qdisc, only ever its own ones.
 * This file knows nothing of what the programs do.
 */
#include "clsact.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "interface.h"
#include "netlink.h"

/* The filter's handle below its priority: "FTP". */
#define HANDLE 0x465450

/* Every program of ftpfix is named so, and its filters by it. */
#define PROGRAM_PREFIX "ftpfix_"

int clsact_create(unsigned int index, bool *created)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = index, .attach_point = BPF_TC_INGRESS);
	int err = bpf_tc_hook_create(&hook);

	*created = err == 0;
	return err == -EEXIST ? 0 : err;
}

static struct bpf_tc_hook hook_of(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = attachment->index,
		    .attach_point = attachment->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);

	return hook;
}

/* The id of the program that the filter in our place runs; 0 if none is there. */
static __u32 program_in_place(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = HANDLE, .priority = attachment->priority);
	struct bpf_tc_hook hook = hook_of(attachment);

	return bpf_tc_query(&hook, &place) ? 0 : place.prog_id;
}

/* Asks for the filters of one direction. */
static int each_filter(unsigned int index, bool egress, mnl_cb_t each, void *context)
{
	_Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg)] = {0};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = RTM_GETTFILTER;
	header->tcm_family = AF_UNSPEC;
	header->tcm_ifindex = index;
	header->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	return netlink_dump(request, each, context);
}

struct look {
	__u32 priority;
	bool ours; /* the filter in our place has a name of ours */
};

static int read_name(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *options, *attribute;
	struct look *look = context;

	if (header->tcm_handle != HANDLE || TC_H_MAJ(header->tcm_info) >> 16 != look->priority)
		return MNL_CB_OK;
	mnl_attr_for_each (options, message, sizeof(*header)) {
		if (mnl_attr_get_type(options) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(attribute, options)
		{
			if (mnl_attr_get_type(attribute) == TCA_BPF_NAME)
				look->ours = !strncmp(mnl_attr_get_str(attribute), PROGRAM_PREFIX,
						      strlen(PROGRAM_PREFIX));
		}
	}
	return MNL_CB_OK;
}

/* By the name that the filter got with its program: the kernel shows the program of an id only
 * to those who have CAP_SYS_ADMIN, which nothing else here needs. */
static bool is_ftpfix(const struct attachment *attachment)
{
	struct look look = {.priority = attachment->priority};

	return !each_filter(attachment->index, attachment->egress, read_name, &look) && look.ours;
}

__u32 clsact_left(const struct attachment *attachment)
{
	__u32 id = program_in_place(attachment);

	/* No other ftpfix runs on the interface, or this one would not have come
	 * so far: what is there was left by one that could not detach. */
	return id && is_ftpfix(attachment) ? id : 0;
}

int clsact_attach(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HANDLE, .priority = attachment->priority,
		    .prog_fd = attachment->program);
	struct bpf_tc_hook hook = hook_of(attachment);

	if (clsact_left(attachment))
		filter.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &filter);
}

bool clsact_holds(const struct attachment *attachment)
{
	return program_in_place(attachment) == attachment->program_id;
}

int clsact_detach(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HANDLE, .priority = attachment->priority);
	struct bpf_tc_hook hook = hook_of(attachment);

	if (!clsact_holds(attachment))
		return 0;
	return bpf_tc_detach(&hook, &filter);
}

static int note_filter(const struct nlmsghdr *message, void *context)
{
	bool *found = context;

	(void)message;
	*found = true;
	return MNL_CB_OK;
}

/* Whether one direction of the qdisc has filters; when in doubt, it has. */
static bool has_filters(unsigned int index, bool egress)
{
	bool found = false;

	return each_filter(index, egress, note_filter, &found) || found;
}

void clsact_remove(unsigned int index)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = index,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char name[IF_NAMESIZE];
	int err;

	if (!if_indextoname(index, name) || has_filters(index, false) || has_filters(index, true))
		return;
	err = bpf_tc_hook_destroy(&hook);
	if (err)
		log_line("%s: the clsact qdisc cannot be removed: %s", name, strerror(-err));
}
