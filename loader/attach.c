// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts the programs on the interfaces, in their order, by TCX or clsact.
 * This file knows nothing of what the programs do.
 */
#include "attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clsact.h"
#include "interface.h"

/* enum bpf_attach_type of Linux 6.6, which older headers do not name. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/* A one-arm interface has all four programs; the lower ones run first. */
#define PRIORITY_UPLINK 21
#define PRIORITY_INSIDE 22

const char *attach_name(enum attach_choice how)
{
	return how == ATTACH_CLSACT ? "clsact" : "tcx";
}

/* A kernel with TCX looks for interface 0 and finds none; one without refuses
 * the type of attachment before it looks. */
static bool kernel_has_tcx(int program)
{
	int link = bpf_link_create(program, 0, TCX_INGRESS, NULL);

	if (link >= 0)
		close(link);
	return link == -ENODEV;
}

static int choose(struct attachments *attachments, enum attach_choice choice, int program)
{
	bool tcx = kernel_has_tcx(program);

	if (choice == ATTACH_TCX && !tcx) {
		log_line("--attach tcx: the kernel lacks TCX, which Linux 6.6 has; leave the "
			 "option out, or say --attach clsact");
		return -EOPNOTSUPP;
	}
	attachments->how = choice == ATTACH_CLSACT || !tcx ? ATTACH_CLSACT : ATTACH_TCX;
	return 0;
}

static int attach_tcx(struct attachment *attachment)
{
	int link = bpf_link_create(attachment->program, attachment->index,
				   attachment->egress ? TCX_EGRESS : TCX_INGRESS, NULL);

	if (link < 0)
		return link;
	attachment->link = link;
	return 0;
}

static void note_qdisc(struct attachments *attachments, unsigned int index)
{
	for (size_t i = 0; i < attachments->qdisc_count; i++)
		if (attachments->qdisc[i] == index)
			return;
	attachments->qdisc[attachments->qdisc_count++] = index;
}

static int attach_clsact(struct attachments *attachments, struct attachment *attachment)
{
	bool created;
	int err;

	err = clsact_create(attachment->index, &created);
	if (err)
		return err;
	if (created)
		note_qdisc(attachments, attachment->index);
	return clsact_attach(attachment);
}

static int program_id(int program, __u32 *id)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	int err;

	err = bpf_obj_get_info_by_fd(program, &info, &length);
	*id = info.id;
	return err;
}

static int attach_one(struct attachments *attachments, const struct device *device, int program,
		      bool egress, __u32 priority)
{
	struct attachment *attachment = &attachments->item[attachments->count];
	int err;

	*attachment = (struct attachment){.index = device->index,
					  .program = program,
					  .egress = egress,
					  .priority = priority,
					  .link = -1};
	err = program_id(program, &attachment->program_id);
	if (!err)
		err = attachments->how == ATTACH_TCX ? attach_tcx(attachment)
						     : attach_clsact(attachments, attachment);
	if (err && attachments->how == ATTACH_CLSACT)
		log_line("%s: the program cannot be attached by clsact: %s; is another filter at "
			 "priority %u? (tc filter show dev %s %s)",
			 device->name, strerror(-err), priority, device->name,
			 egress ? "egress" : "ingress");
	else if (err)
		log_line("%s: the program cannot be attached by TCX: %s; try --attach clsact",
			 device->name, strerror(-err));
	if (err)
		return err;
	attachments->count++;
	return 0;
}

static void detach_one(const struct attachment *attachment)
{
	char name[IF_NAMESIZE];
	int err;

	if (attachment->link >= 0) {
		close(attachment->link);
		return;
	}
	err = clsact_detach(attachment);
	if (err)
		log_line("%s: the program cannot be detached: %s",
			 interface_name(attachment->index, name), strerror(-err));
}

static bool is_attached(const struct attachments *attachments, __u32 program_id)
{
	for (size_t i = 0; i < attachments->count; i++)
		if (attachments->item[i].program_id == program_id)
			return true;
	return false;
}

/* One that was killed may have been attached otherwise than we are, and no filter of ours takes
 * the place of all that it left: its programs would go on beside ours. */
static void detach_left(const struct attachments *attachments, const struct device_list *list)
{
	for (size_t i = 0; i < 4 * list->count; i++) {
		struct attachment place = {.index = list->device[i / 4].index,
					   .egress = i & 1,
					   .priority = i & 2 ? PRIORITY_INSIDE : PRIORITY_UPLINK,
					   .link = -1};

		place.program_id = clsact_left(&place);
		if (place.program_id && !is_attached(attachments, place.program_id))
			detach_one(&place);
	}
}

int attach_all(struct attachments *attachments, const struct config *config,
	       const struct dataplane *dataplane)
{
	int err;

	err = choose(attachments, config->attach, dataplane->uplink_ingress);
	/* Uplinks first: TCX runs the programs of a one-arm interface in the
	 * order in which they came. */
	for (size_t i = 0; !err && i < config->uplinks.count; i++) {
		const struct device *device = &config->uplinks.device[i];

		err = attach_one(attachments, device, dataplane->uplink_ingress, false,
				 PRIORITY_UPLINK);
		if (!err)
			err = attach_one(attachments, device, dataplane->uplink_egress, true,
					 PRIORITY_UPLINK);
	}
	for (size_t i = 0; !err && i < config->server_side.count; i++) {
		const struct device *device = &config->server_side.device[i];

		err = attach_one(attachments, device, dataplane->inside_ingress, false,
				 PRIORITY_INSIDE);
		if (!err)
			err = attach_one(attachments, device, dataplane->inside_egress, true,
					 PRIORITY_INSIDE);
	}
	if (err) {
		detach_all(attachments);
		return err;
	}
	detach_left(attachments, &config->uplinks);
	detach_left(attachments, &config->server_side);
	return 0;
}

static void put_back(struct attachments *attachments, struct attachment *attachment)
{
	const char *direction = attachment->egress ? "egress" : "ingress";
	int err = attach_clsact(attachments, attachment);
	char name[IF_NAMESIZE];

	interface_name(attachment->index, name);
	if (!err)
		log_line("%s: someone took the program off %s, and it was put back", name,
			 direction);
	else if (!attachment->lost)
		log_line("%s: someone took the program off %s, and it cannot be put back: %s; is "
			 "another filter at priority %u? (tc filter show dev %s %s)",
			 name, direction, strerror(-err), attachment->priority, name, direction);
	attachment->lost = err;
}

/* Whoever removes the qdisc removes all filters with it, and nobody is told. */
void attach_second(struct attachments *attachments)
{
	for (size_t i = 0; i < attachments->count; i++) {
		struct attachment *attachment = &attachments->item[i];

		if (attachment->link < 0 && !clsact_holds(attachment) &&
		    interface_exists(attachment->index))
			put_back(attachments, attachment);
	}
}

bool attach_holds(const struct attachments *attachments, unsigned int index)
{
	for (size_t i = 0; i < attachments->count; i++)
		if (attachments->item[i].index == index && attachments->item[i].lost)
			return false;
	return true;
}

void detach_all(struct attachments *attachments)
{
	while (attachments->count > 0)
		detach_one(&attachments->item[--attachments->count]);
	while (attachments->qdisc_count > 0)
		clsact_remove(attachments->qdisc[--attachments->qdisc_count]);
}
