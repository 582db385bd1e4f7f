/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A virtual address with one server, and the control connection of a client to it: as the
 * loader writes it, and as a connection that is dialled.
 */
#ifndef FTPFIX_PROG_VIRTUAL_H
#define FTPFIX_PROG_VIRTUAL_H

#include "prog_dial.h"

/* The virtual address and the server are the talk's, and so is the node's address. */
static inline struct dial dial_virtual(const struct talk *talk)
{
	const struct ftpfix *skeleton = talk->world->skeleton;
	struct ftpfix_endpoint dialled = {
		.addr = talk_address(talk, talk->vip),
		.be_port = htons(SERVICE_PORT),
	};
	struct ftpfix_virtual virtual = {
		.balance = FTPFIX_BALANCE_LEAST_CONNECTIONS,
		.forward = talk->world->service.forward,
	};
	struct ftpfix_backend backend = {
		.endpoint = {.addr = talk_address(talk, talk->server),
			     .be_port = htons(SERVICE_PORT)},
		.source = talk_address(talk, talk->peer),
		.out_ifindex = talk->world->server,
		.weight = 1,
		.takes = 1,
	};
	__u32 first = 0;

	skeleton->bss->backend_count[first] = 1;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.virtuals), &dialled,
					     &virtual, BPF_ANY),
			 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.backends), &first, &backend,
					     BPF_ANY),
			 0);
	return dial_of(talk, SERVICE_PORT, SERVICE_PORT);
}

#endif /* FTPFIX_PROG_VIRTUAL_H */
