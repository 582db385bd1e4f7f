/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the sessions that are followed: here it costs a fraction of copying all entries to the
 * daemon. What is followed in them is not known here.
 */
#ifndef FTPFIX_TALLY_H
#define FTPFIX_TALLY_H

#include "session_table.h"

static long tally_session(void *map, const struct ftpfix_session_key *key,
			  const struct ftpfix_session *session, __u64 *count)
{
	(void)map;
	(void)key;
	*count += !session_over(session);
	return 0;
}

static __always_inline void tally_all(struct ftpfix_tally *tally)
{
	__u64 count = 0;

	bpf_for_each_map_elem(&sessions, tally_session, &count, 0);
	tally->sessions = count;
}

#endif /* FTPFIX_TALLY_H */
