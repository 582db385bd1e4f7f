/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts decisions by their reason, and tells the daemon of those that an
 * operator may want to read about. It takes no decision itself.
 */
#ifndef FTPFIX_COUNTER_H
#define FTPFIX_COUNTER_H

#include "maps.h"
#include "loop.h"

/* Atomic although each CPU has its own: a packet may interrupt the sweep. */
static __always_inline void count_add(__u32 reason, __u64 amount)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &reason);

	if (value)
		__sync_fetch_and_add(value, amount);
}

static __always_inline void count(enum ftpfix_reason reason)
{
	count_add(reason, 1);
}

/* Counts a decision and sends it as an event, with what is known: any pointer
 * may be NULL. Returns 0. */
__global int report(enum ftpfix_reason reason, const struct ftpfix_session_key *session,
		    const struct ftpfix_endpoint *announced,
		    const struct ftpfix_endpoint *published)
{
	struct ftpfix_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	count(reason);
	if (!event) {
		count(FTPFIX_EVENT_LOST);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->at_ns = bpf_ktime_get_ns();
	event->reason = reason;
	if (session)
		event->session = *session;
	if (announced)
		event->announced = *announced;
	if (published)
		event->published = *published;
	bpf_ringbuf_submit(event, 0);
	count(FTPFIX_EVENT_SENT);
	return 0;
}

#endif /* FTPFIX_COUNTER_H */
