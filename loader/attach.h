/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attaches the programs to the interfaces and detaches what was attached.
 * This header knows nothing of what the programs do.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "config.h"
#include "dataplane.h"

/* One program on one interface. */
struct attachment {
	unsigned int index;
	int program;
	__u32 program_id;
	bool egress;
	__u32 priority; /* clsact: where on the interface it runs */
	int link;	/* TCX: -1 if there is none */
	bool lost;	/* clsact: someone took it off, and it could not be put back yet */
};

struct attachments {
	enum attach_choice how; /* never ATTACH_AUTOMATIC once attached */
	struct attachment item[4 * DEVICES_MAX];
	size_t count;
	unsigned int qdisc[2 * DEVICES_MAX]; /* interfaces whose clsact is ours */
	size_t qdisc_count;
};

/* Attaches what the configuration asks for, all of it or nothing. Prints what
 * is wrong; 0 or a negative errno. */
int attach_all(struct attachments *attachments, const struct config *config,
	       const struct dataplane *dataplane);

/* Called once a second: puts back what others took off. */
void attach_second(struct attachments *attachments);

/* Whether all that was attached to the interface is there, as far as is known. */
bool attach_holds(const struct attachments *attachments, unsigned int index);

/* Detaches what was attached and is still there; nothing else. */
void detach_all(struct attachments *attachments);

/* The word for a way of attaching, as --attach takes it. */
const char *attach_name(enum attach_choice how);

#endif /* ATTACH_H */
