/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an encrypted reply may announce. Nobody here can read it, but where ftpfix carries the
 * control connection it is known whose it is: if it is a 227 or 229, it names a port of its own
 * server, and the operator says which ports these are (tls_ports). So every such reply leaves
 * an expectation of its client that is unread: at each of these ports, by that server at the
 * same port. It is not used up, for how many replies announced something is not known either;
 * it lasts as long after the last one as others do.
 */
#ifndef FTPFIX_UNREAD_H
#define FTPFIX_UNREAD_H

#include "publish.h"

/* Whether it still says of a session that is followed what is to be inserted. */
static __always_inline int unread_same(const struct ftpfix_expectation *one,
				       const struct ftpfix_expectation *other)
{
	return address_equal(&one->target.addr, &other->target.addr) &&
	       address_equal(&one->session.tuple.destination, &other->session.tuple.destination) &&
	       session_find(&one->session) != NULL;
}

/*
 * Expects the client in scratch->expectation, which says the rest. Several sessions of one client
 * go to one server, and share the expectation of the first. Between the lookup and the new
 * deadline the slot may have become another's, which then lasts longer: no more than any from now
 * on. Returns as expectation_insert(): -EEXIST when another CPU did the same.
 */
__global int unread_expect(void)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_expectation *expectation, *before;
	__u64 found;

	if (!scratch)
		return -EINVAL;
	expectation = &scratch->expectation;
	found = unread_find(&expectation->peer, &expectation->session.tuple.destination);
	before = expectation_of(found);
	if (before && unread_same(before, expectation)) {
		*(volatile __u32 *)&before->deadline_ticks = expectation->deadline_ticks;
		return 0;
	}
	expectation_remove(found);
	publish_note_told(expectation);
	return expectation_insert(scratch);
}

/* Follows an encrypted packet of replies, which leaves the node and may be an announcement, to the
 * other side. Its control connection is carried. */
__global int unread_reply(const struct ftpfix_service *service)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_expectation *expectation;

	if (!scratch || !service || publish_seen(scratch))
		return 0;
	expectation = &scratch->expectation;
	__builtin_memset(expectation, 0, sizeof(*expectation));
	__builtin_memset(&scratch->publishing.source, 0, sizeof(scratch->publishing.source));
	expectation->target.addr = scratch->note.tuple.source;
	publish_toward(scratch, service);
	/* Nobody comes for it but its client, whoever may come for what is read. */
	if (publish_expect(scratch, 0, 0)) {
		count(FTPFIX_ANNOUNCEMENT_TABLE_FULL);
		return 0;
	}
	expectation->advertised = expectation->dialled;
	expectation->be_port = unread_port(&expectation->session.tuple.destination);
	expectation->state = FTPFIX_EXPECTATION_UNREAD;
	if (unread_expect() == -E2BIG)
		count(FTPFIX_ANNOUNCEMENT_TABLE_FULL);
	return 0;
}

#endif /* FTPFIX_UNREAD_H */
