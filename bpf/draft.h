/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The drafts of the session that is looked at: found, made and deleted. A draft is its
 * own direction's: no other packet deletes it while the session lasts. What is written
 * in it is seqadj.h's and line.h's.
 */
#ifndef FTPFIX_DRAFT_H
#define FTPFIX_DRAFT_H

#include "scratch.h"
#include "seqadj.h"

static __always_inline void draft_name(struct ftpfix_draft_key *name,
				       const struct ftpfix_session_key *session, int from_client)
{
	__builtin_memset(name, 0, sizeof(*name));
	name->tuple = session->tuple;
	name->side = session->side;
	name->from_client = !!from_client;
}

static inline struct ftpfix_draft *draft_find(int from_client)
{
	struct scratch *scratch = scratch_memory();

	if (!scratch)
		return NULL;
	draft_name(&scratch->draft_key, &scratch->crossing.key, from_client);
	return bpf_map_lookup_elem(&drafts, &scratch->draft_key);
}

/* The draft of the packet's own direction: one that was found to be needed no more begins anew,
 * where there is none it is made. NULL when the table took none. */
static __always_inline struct ftpfix_draft *draft_need(struct scratch *scratch,
						       struct ftpfix_stream *stream)
{
	struct ftpfix_draft_key *name = &scratch->draft_key;
	struct ftpfix_draft *draft;

	draft_name(name, &scratch->crossing.key, scratch->crossing.from_client);
	if (!stream->drafted) {
		draft_begin(&scratch->draft, stream);
		stream->drafted = 1;
		/* Also over what an earlier session of the same ends may have left. */
		if (bpf_map_update_elem(&drafts, name, &scratch->draft, BPF_ANY))
			stream->drafted = 0;
	}
	draft = bpf_map_lookup_elem(&drafts, name);
	if (draft && scratch->position.draft_done) {
		stream_forget(stream);
		draft_begin(draft, stream);
	}
	scratch->position.draft_done = 0;
	return draft;
}

/* Deletes both drafts of a session that is over. */
static __always_inline void draft_end(struct ftpfix_draft_key *name,
				      const struct ftpfix_session_key *key,
				      const struct ftpfix_session *session)
{
	draft_name(name, key, 1);
	if (session->client.drafted)
		bpf_map_delete_elem(&drafts, name);
	name->from_client = 0;
	if (session->server.drafted)
		bpf_map_delete_elem(&drafts, name);
}

/*
 * Finds out whether nothing in the draft of the packet's own direction is needed any more, not
 * even for this packet, which may come again because the acknowledgement was lost. Returns 0,
 * or -EAGAIN when the sweep is about to delete the draft.
 *
 * The sweep sets `ended`, and then looks whether the direction is still silent: of the two
 * that meet here at least one sees what the other wrote before its barrier.
 */
static __always_inline int draft_review(struct scratch *scratch, struct ftpfix_stream *stream,
					const struct ftpfix_stream *peer)
{
	struct ftpfix_draft *draft;

	scratch->position.draft_done = 0;
	if (!stream->drafted)
		return 0;
	stream_serial(stream); /* a barrier behind the writing of seen_ticks */
	draft = draft_find(scratch->crossing.from_client);
	if (draft && *(volatile __u32 *)&draft->ended)
		return -EAGAIN;
	if (draft) {
		scratch->position.draft_done = draft_done(stream, peer) &&
					       !sequence_after(stream_shift(stream).in_sequence,
							       scratch->packet.host_sequence);
		return 0;
	}
	/* The sweep has done so. */
	stream_forget(stream);
	stream->drafted = 0;
	return 0;
}

/* Deletes the draft of the packet's own direction when nothing in it was needed, and nothing in
 * the packet has come into it. */
static __always_inline void draft_settle(struct scratch *scratch, struct ftpfix_stream *stream)
{
	if (!scratch->position.draft_done)
		return;
	stream_forget(stream);
	draft_name(&scratch->draft_key, &scratch->crossing.key, scratch->crossing.from_client);
	bpf_map_delete_elem(&drafts, &scratch->draft_key);
	stream->drafted = 0;
}

#endif /* FTPFIX_DRAFT_H */
