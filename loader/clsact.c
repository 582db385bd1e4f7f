// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Adds and removes filters of the clsact qdisc, only ever its own ones.
 * This file knows nothing of what the programs do.
 */
#include "clsact.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "interface.h"
#include "netlink.h"

/* The filter's handle below its priority: "FTP". */
#define HANDLE 0x465450

/* Every program of ftpfix is named so (and cut at 15 characters). */
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

static bool is_ftpfix(__u32 id)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	int program, err;

	program = bpf_prog_get_fd_by_id(id);
	if (program < 0)
		return false;
	err = bpf_obj_get_info_by_fd(program, &info, &length);
	close(program);
	return !err && strncmp(info.name, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX)) == 0;
}

__u32 clsact_left(const struct attachment *attachment)
{
	__u32 id = program_in_place(attachment);

	/* No other ftpfix runs on the interface, or this one would not have come
	 * so far: what is there was left by one that could not detach. */
	return id && is_ftpfix(id) ? id : 0;
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

int clsact_detach(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = HANDLE, .priority = attachment->priority);
	struct bpf_tc_hook hook = hook_of(attachment);

	if (program_in_place(attachment) != attachment->program_id)
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
static bool has_filters(unsigned int index, __u32 direction)
{
	_Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN + sizeof(struct tcmsg)] = {0};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	bool found = false;

	request->nlmsg_type = RTM_GETTFILTER;
	header->tcm_family = AF_UNSPEC;
	header->tcm_ifindex = index;
	header->tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction);
	return netlink_dump(request, note_filter, &found) || found;
}

void clsact_remove(unsigned int index)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = index,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char name[IF_NAMESIZE];
	int err;

	if (!if_indextoname(index, name) || has_filters(index, TC_H_MIN_INGRESS) ||
	    has_filters(index, TC_H_MIN_EGRESS))
		return;
	err = bpf_tc_hook_destroy(&hook);
	if (err)
		log_line("%s: the clsact qdisc cannot be removed: %s", name, strerror(-err));
}
