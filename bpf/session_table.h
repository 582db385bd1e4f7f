/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of sessions: finding one, beginning one, taking one away with its drafts. What
 * is followed in them is not known here.
 *
 * The kernel gives the memory of a hash table's entry to another key as soon as it is deleted,
 * while programs of other CPUs go on with what they found there. So a session that is over is
 * marked so that nobody finds it any more, and deleted after a grace period.
 */
#ifndef FTPFIX_SESSION_TABLE_H
#define FTPFIX_SESSION_TABLE_H

#include <linux/errno.h>

#include "draft.h"
#include "grace.h"
#include "scratch.h"

/* Of those that are over so many are looked at for each one more: two, so that they become
 * fewer. */
#define REAP_MAX 2

/* What stands in the table under this key, be it over. */
static __always_inline struct ftpfix_session *session_at(const struct ftpfix_session_key *key)
{
	return bpf_map_lookup_elem(&sessions, key);
}

static __always_inline __u32 session_over(const struct ftpfix_session *session)
{
	return *(const volatile __u32 *)&session->over;
}

static __always_inline struct ftpfix_session *session_find(const struct ftpfix_session_key *key)
{
	struct ftpfix_session *session = session_at(key);

	return session && !session_over(session) ? session : NULL;
}

/* Changes what is said of the session. Returns 1 if it was as `before`. */
static __always_inline int session_swap(struct ftpfix_session *session, __u32 before, __u32 after)
{
	return __sync_val_compare_and_swap(&session->over, before, after) == before;
}

/* Nobody finds the session any more. Returns 1 for whoever says so first. */
static __always_inline int session_retire(struct ftpfix_session *session)
{
	return session_swap(session, FTPFIX_SESSION_FOLLOWED, grace_stamp());
}

/* Whether the session is over, and in nobody's hands. */
static __always_inline int session_left(__u32 over)
{
	return over & 1 && grace_over(over);
}

/* Deletes a session that is over and in nobody's hands, and its drafts. */
static __always_inline void session_delete(struct ftpfix_session *session,
					   const struct ftpfix_session_key *key,
					   struct ftpfix_draft_key *name)
{
	__u32 over = session_over(session);

	if (!session_left(over) || !session_swap(session, over, FTPFIX_SESSION_CHANGING))
		return;
	draft_end(name, key, session);
	/* The kernel may fail to get the bucket's lock: then the sweep deletes it. */
	if (bpf_map_delete_elem(&sessions, key))
		session_swap(session, FTPFIX_SESSION_CHANGING, over);
}

/* Deletes sessions that are over, the oldest first. */
__global int session_reap(void)
{
	struct scratch *scratch = scratch_memory();

	if (!scratch || *(volatile __u32 *)&ended_gone == *(volatile __u32 *)&ended_count)
		return 0;
	grace_review();
#pragma unroll
	for (int try = 0; try < REAP_MAX; try++) {
		__u32 number = *(volatile __u32 *)&ended_gone;
		__u32 place = number & (FTPFIX_ENDED_MAX - 1);
		const struct ftpfix_ended *oldest = bpf_map_lookup_elem(&ended, &place);
		struct ftpfix_session *session;

		if (!oldest || number == *(volatile __u32 *)&ended_count)
			return 0;
		scratch->reaped = oldest->session;
		session = session_at(&scratch->reaped);
		if (session && session_over(session) && !session_left(session_over(session)))
			return 0;
		if (__sync_val_compare_and_swap(&ended_gone, number, number + 1) == number &&
		    session)
			session_delete(session, &scratch->reaped, &scratch->draft_key);
	}
	return 0;
}

/* The session under this key is over, and to be deleted. */
static __always_inline void session_note_ended(const struct ftpfix_session_key *key)
{
	__u32 place = __sync_fetch_and_add(&ended_count, 1) & (FTPFIX_ENDED_MAX - 1);
	struct ftpfix_ended *newest = bpf_map_lookup_elem(&ended, &place);

	if (newest)
		newest->session = *key;
}

/*
 * Begins the session crossing.key anew as scratch->session, in the place of one that is over; one
 * without drafts at once, for of such a one nobody can hold more than this key's own. Returns 0,
 * also where the other direction has done so; or -EBUSY when that cannot be done yet.
 */
__global int session_renew(void)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_session *session, *new;
	__u32 over;

	if (!scratch)
		return -EBUSY;
	session = session_at(&scratch->crossing.key);
	if (!session)
		return -EBUSY;
	over = session_over(session);
	if (over == FTPFIX_SESSION_FOLLOWED)
		return 0;
	grace_review();
	if (session->client.drafted || session->server.drafted ? !session_left(over) : !(over & 1))
		return -EBUSY;
	if (!session_swap(session, over, FTPFIX_SESSION_CHANGING))
		return -EBUSY;
	draft_end(&scratch->draft_key, &scratch->crossing.key, session);
	new = &scratch->session;
	new->over = FTPFIX_SESSION_CHANGING;
	*session = *new;
	new->over = FTPFIX_SESSION_FOLLOWED;
	session_swap(session, FTPFIX_SESSION_CHANGING, FTPFIX_SESSION_FOLLOWED);
	return 0;
}

#endif /* FTPFIX_SESSION_TABLE_H */
