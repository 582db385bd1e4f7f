/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends what fell silent. The daemon runs it every few seconds; without it the
 * tables stay bounded, and what ends by FIN or RST ends all the same.
 */
#ifndef FTPFIX_SWEEP_H
#define FTPFIX_SWEEP_H

#include "flow_track.h"
#include "keepalive.h"

struct sweep {
	__u64 now_ns;
	__u32 expectations; /* 1: it goes through their table; 0: through that of flows */
};

/* How long ago that was, in the time of flows. */
static __always_inline __u64 sweep_age_ns(const struct sweep *sweep, __u32 seen_ticks)
{
	__s32 ticks = (__u32)(sweep->now_ns >> FTPFIX_TICK_SHIFT) - seen_ticks;

	return ticks > 0 ? (__u64)ticks << FTPFIX_TICK_SHIFT : 0;
}

/* Drops the expectation of a slot that is taken, if it ran out. */
__global int sweep_expectation(__u32 slot, __u32 now_ticks)
{
	struct ftpfix_expectation *expectation = expectation_at(slot);
	union expectation_word word;

	if (!expectation)
		return 0;
	word.word = *(volatile __u32 *)expectation_word(expectation);
	barrier();
	if (word.state & FTPFIX_EXPECTATION_LIVE && expect_over(expectation, now_ticks))
		expect_drop(expectation_found(slot, word.word));
	return 0;
}

/* After how much silence a connection ends. */
static __always_inline __u64 sweep_limit_ns(const struct ftpfix_flow *flow)
{
	if (flow_closing(flow))
		return flow_closing_ns;
	if (!(flow->marks & FTPFIX_MARK_SETTLED))
		return flow_half_open_ns;
	return flow->place & FTPFIX_PLACE_CONTROL ? session_idle_ns : flow_idle_ns;
}

/* Whether it is of a second pair whose first one is gone: a reset ends each where it passes,
 * and the node's firewall may have dropped it in between. The first one makes of the client's
 * packets what the second one's opener takes. */
static __always_inline int sweep_orphan(const struct ftpfix_flow *flow,
					const struct ftpfix_flow *peer)
{
	const struct ftpfix_flow *first = flow, *back = peer;
	struct ftpfix_tuple from, to;

	if (!(flow->place & FTPFIX_PLACE_INNER))
		return 0;
	if (!(flow->place & FTPFIX_PLACE_OPENER)) {
		first = peer;
		back = flow;
	}
	flow_from(back, first, &from);
	flow_to(back, &from, &to);
	return !flow_find(&to);
}

/*
 * Whether a control connection that was silent for so long must stay because its session's
 * data connections move bytes. Its inner pair, through the stack, stays as long as the outer.
 */
static __always_inline int sweep_alive(const struct sweep *sweep, const struct ftpfix_flow *flow,
				       const struct ftpfix_flow *peer, __u64 limit_ns)
{
	struct ftpfix_session_key session = {.side = FTPFIX_SIDE_UPLINK};
	__u32 now_ticks = sweep->now_ns >> FTPFIX_TICK_SHIFT;
	const struct ftpfix_flow *client = flow, *back = peer;

	if (!(flow->place & FTPFIX_PLACE_CONTROL) || !marks_established(flow->marks) ||
	    flow_closing(flow))
		return 0;
	if (flow->place & FTPFIX_PLACE_INNER)
		return 1;
	if ((flow->place & FTPFIX_PLACE_HOOK) != FTPFIX_HOOK_UPLINK_IN) {
		client = peer;
		back = flow;
	}
	flow_from(client, back, &session.tuple);
	return session_alive(&session, client, now_ticks, limit_ns >> FTPFIX_TICK_SHIFT);
}

/* Whether neither direction has had a packet since these times: packets interrupt the sweep. */
static __always_inline int sweep_still(const struct ftpfix_flow *flow,
				       const struct ftpfix_flow *peer, __u32 seen, __u32 peer_seen)
{
	return *(volatile const __u32 *)&flow->seen_ticks == seen &&
	       *(volatile const __u32 *)&peer->seen_ticks == peer_seen;
}

/* Whether the slot has the entry of an opener who was silent for long enough to be looked at. */
static __always_inline int sweep_silent(const struct sweep *sweep, const struct ftpfix_flow *flow)
{
	__u64 age = sweep_age_ns(sweep, flow->seen_ticks);

	return flow->marks & FTPFIX_MARK_LIVE && flow->place & FTPFIX_PLACE_OPENER &&
	       (age >= sweep_limit_ns(flow) || age >= flow_closing_ns);
}

/* Ends the connection that has this slot if it fell silent: by its opener's entry. */
__global int sweep_end(__u32 slot, __u64 now_ns)
{
	const struct sweep sweep = {.now_ns = now_ns};
	struct ftpfix_flow *flow = flow_at(slot), *peer;
	__u64 age, limit, other;
	__u32 seen, peer_seen;
	__u8 place, marks;

	if (!flow || !sweep_silent(&sweep, flow))
		return 0;
	seen = *(volatile __u32 *)&flow->seen_ticks;
	place = flow->place;
	age = sweep_age_ns(&sweep, seen);
	limit = sweep_limit_ns(flow);
	peer = flow_peer(flow);
	if (!peer)
		return 0;
	peer_seen = *(volatile __u32 *)&peer->seen_ticks;
	other = sweep_age_ns(&sweep, peer_seen);
	if (other < age)
		age = other;
	if (sweep_orphan(flow, peer)) {
		if (limit > flow_closing_ns)
			limit = flow_closing_ns;
	} else if (age >= limit && sweep_alive(&sweep, flow, peer, limit)) {
		return 0;
	}
	if (age < limit || !sweep_still(flow, peer, seen, peer_seen))
		return 0;
	marks = flow_remove(slot, 0);
	if (marks && !(marks & FTPFIX_MARK_CLOSED))
		flow_became(place, FTPFIX_CONNECTION_TIMED_OUT, FTPFIX_BALANCED_TIMED_OUT);
	return 0;
}

/* Looks at a slot that is taken. Only of a connection that may have to go the sweep holds
 * more than one look takes. */
__global int sweep_slot(__u32 slot, __u64 now_ns)
{
	const struct sweep sweep = {.now_ns = now_ns};
	const struct ftpfix_flow *flow = flow_at(slot);
	struct scratch *scratch;

	if (!flow || !sweep_silent(&sweep, flow))
		return 0;
	scratch = scratch_memory();
	if (!scratch)
		return 0;
	grace_begin(&scratch->sweep_since_ticks, grace_ticks());
	sweep_end(slot, now_ns);
	grace_end(&scratch->sweep_since_ticks);
	return 0;
}

/* Looks at the slots of a group that are taken: in a large table most are not. */
static long sweep_group(void *map, const __u32 *group, const struct ftpfix_flow_group *found,
			void *context)
{
	const struct sweep *sweep = context;

	(void)map;
	for (__u32 word = 0; word < WORDS_OF_GROUP; word++) {
		__u64 tags = *(const volatile __u64 *)&found->tags[word];
		__u32 slot = *group * FTPFIX_GROUP_SLOTS + word * SLOTS_OF_WORD;

		for (; tags; tags >>= 8, slot++) {
			if ((tags & 0xff) < FTPFIX_TAG_FIRST)
				continue;
			if (sweep->expectations)
				sweep_expectation(slot, sweep->now_ns >> FTPFIX_TICK_SHIFT);
			else
				sweep_slot(slot, sweep->now_ns);
		}
	}
	return 0;
}

/* Whether a silent session is still of use: as long as its control connection is carried, or a
 * data connection of its own moves bytes. */
static __always_inline int sweep_needed(const struct sweep *sweep,
					const struct ftpfix_session_key *key, __u64 limit_ns)
{
	const struct ftpfix_flow *carried = flow_find(&key->tuple);

	if (carried && carried->place & FTPFIX_PLACE_CONTROL)
		return 1;
	return session_alive(key, NULL, sweep->now_ns >> FTPFIX_TICK_SHIFT,
			     limit_ns >> FTPFIX_TICK_SHIFT);
}

/*
 * Whether one direction alone was ever seen: what came late of a session that had ended, or what
 * a stranger sent. If more comes it is taken up again; but not as one whose first line is known.
 */
static __always_inline int sweep_one_sided(const struct ftpfix_session *session)
{
	return !(session->client.spoken && session->server.spoken) &&
	       !(clients_inside && !session->client.foreign);
}

/* Ends a session that fell silent, and deletes one that is over. */
static long sweep_session(void *map, const struct ftpfix_session_key *key,
			  struct ftpfix_session *session, void *context)
{
	struct ftpfix_session_key own = *key;
	const struct sweep *sweep = context;
	struct ftpfix_draft_key name;
	__u64 limit = session_idle_ns;
	int finished;

	(void)map;
	if (session_over(session)) {
		session_delete(session, &own, &name);
		return 0;
	}
	finished = session->client.finished && session->server.finished;
	if (finished)
		limit = flow_closing_ns;
	else if (sweep_one_sided(session) && limit > flow_half_open_ns)
		limit = flow_half_open_ns;
	/* A direction that was never seen is as silent as the other one. */
	if ((session->client.spoken && sweep_age_ns(sweep, session->client.seen_ticks) <= limit) ||
	    (session->server.spoken && sweep_age_ns(sweep, session->server.seen_ticks) <= limit))
		return 0;
	if (!finished && sweep_needed(sweep, &own, limit))
		return 0;
	/* The next sweep deletes it. */
	if (session_retire(session))
		session_abandon(&own, session);
	return 0;
}

/* Silence after which the sweep looks whether a draft is needed. */
#define SWEEP_DRAFT_NS (10 * FTPFIX_SECOND_NS)

/*
 * Deletes a draft that its silent direction would delete with its next packet, or that a
 * session has left behind. Before anything is deleted the direction must be seen to be still
 * silent: see draft_review().
 */
static long sweep_draft(void *map, const struct ftpfix_draft_key *key, struct ftpfix_draft *draft,
			void *context)
{
	struct ftpfix_draft_key own = *key; /* which another draft may have a moment later */
	struct ftpfix_session_key name = {.tuple = own.tuple, .side = own.side};
	struct ftpfix_session *session = session_at(&name);
	const struct sweep *sweep = context;
	struct ftpfix_stream *stream, *peer;
	__u32 seen;

	if (!session) {
		bpf_map_delete_elem(map, &own);
		return 0;
	}
	stream = own.from_client ? &session->client : &session->server;
	peer = own.from_client ? &session->server : &session->client;
	seen = *(volatile __u32 *)&stream->seen_ticks;
	if (sweep_age_ns(sweep, seen) < SWEEP_DRAFT_NS || !draft_done(stream, peer))
		return 0;
	__sync_lock_test_and_set(&draft->ended, 1);
	if (*(volatile __u32 *)&stream->seen_ticks != seen) {
		draft->ended = 0;
		return 0;
	}
	stream_forget(stream);
	/* Whose session has ended meanwhile: then its memory may be another draft's. */
	if (bpf_map_delete_elem(map, &own))
		draft->ended = 0;
	return 0;
}

static __always_inline void sweep_all(void)
{
	struct sweep sweep = {.now_ns = bpf_ktime_get_ns(), .expectations = 1};
	struct scratch *scratch = scratch_memory();

	if (!scratch)
		return;
	bpf_for_each_map_elem(&expected_groups, sweep_group, &sweep, 0);
	sweep.expectations = 0;
	bpf_for_each_map_elem(&flow_groups, sweep_group, &sweep, 0);
	/* No session is deleted while it is looked at. */
	grace_review();
	grace_begin(&scratch->sweep_since_ticks, grace_ticks());
	bpf_for_each_map_elem(&sessions, sweep_session, &sweep, 0);
	bpf_for_each_map_elem(&drafts, sweep_draft, &sweep, 0);
	grace_end(&scratch->sweep_since_ticks);
}

#endif /* FTPFIX_SWEEP_H */
