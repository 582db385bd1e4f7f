/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a control connection's record, and where in the stream of one
 * direction a segment stands. It does not read the payload.
 */
#ifndef FTPFIX_SESSION_H
#define FTPFIX_SESSION_H

#include "scratch.h"
#include "counter.h"
#include "expect.h"
#include "flow_table.h"
#include "session_table.h"

/* A segment further away than this is none of the connection: no window of a
 * control connection is that large. */
#define STREAM_AWAY_MAX (1 << 20)

/* A tail loss probe (RFC 8985 section 7) and a fast retransmission may bring a segment
 * before what is missing in front of it; this often means that that comes another way. */
#define STREAM_HOLDS_MAX 8

/* Whether the packet acknowledges what the peer's stream may have come to. */
static __always_inline int stream_acknowledges(const struct ftpfix_stream *peer,
					       const struct packet *packet)
{
	__s32 ahead = packet->host_acknowledgement - stream_front(peer, peer->next_sequence);
	int far = peer->started & (ahead > STREAM_AWAY_MAX);

	/* Not one way for each condition: the verifier goes along them all. */
	barrier_var(far);
	return packet->flags & TCP_ACK & ~(far * TCP_ACK);
}

/* What header alone tells of the stream that it belongs to. */
static __always_inline void stream_note(struct ftpfix_stream *stream,
					const struct ftpfix_stream *peer,
					const struct packet *packet)
{
	*(volatile __u32 *)&stream->seen_ticks = ticks_now();
	stream->spoken = 1;
	if (!stream_acknowledges(peer, packet))
		return;
	if (stream->acknowledging &&
	    !sequence_after(packet->host_acknowledgement, stream->acknowledged))
		return;
	stream->acknowledged = packet->host_acknowledgement;
	stream->acknowledging = 1;
}

static __always_inline void stream_restart(struct ftpfix_stream *stream, __u32 sequence)
{
	stream->next_sequence = sequence;
	stream->started = 1;
	stream->held = 0;
	stream->holding = 0;
	stream->lines = 0;
	stream->column = 0;
	stream->multiline = 0;
	stream->begun = 0;
}

/*
 * Drops what a session that is over still expects. The peer is the client, the server, or
 * anybody. Behind a control connection that ftpfix carries the server has another address, which
 * its flow tells: where that went first, at a reset on its way out of the stack, the server is
 * expected until the deadline.
 */
__global int session_abandon(const struct ftpfix_session_key *key,
			     const struct ftpfix_session *session)
{
	const struct ftpfix_flow *carried;
	struct ftpfix_addr peer = {};

	if (!key || !session)
		return 0;
	for (int slot = 0; slot < FTPFIX_EXPECTED_MAX; slot++) {
		__be16 be_port = session->expected[slot].be_port;

		if (!be_port || session->expected[slot].be_peer_port)
			continue;
		expect_end(key, &peer, be_port);
		expect_end(key, &key->tuple.source, be_port);
		expect_end(key, &key->tuple.destination, be_port);
		carried = flow_find(&key->tuple);
		if (carried)
			expect_end(key, &carried->destination, be_port);
	}
	return 0;
}

/* Forgets a session, and what it expects. */
__global int session_end(const struct ftpfix_session_key *key)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_session_key *ended;
	struct ftpfix_session *session;

	if (!key || !scratch)
		return 0;
	/* What an argument points to is no key for Linux 6.1. */
	ended = &scratch->ended;
	*ended = *key;
	session = session_find(ended);
	if (!session || !session_retire(session))
		return 0;
	session_abandon(ended, session);
	session_note_ended(ended);
	session_reap();
	return 0;
}

/* Whether a session that is noted in map begun is still to go when its place is needed. */
static __always_inline int session_lasts(const struct ftpfix_session *session)
{
	return session->server.spoken && !(session->client.finished && session->server.finished);
}

/*
 * Notes a session that must not last on the word of its client alone, or not much longer.
 * Two CPUs write one place only when all places were taken in between.
 */
__global int session_note_begun(const struct ftpfix_session_key *key)
{
	__u32 place = __sync_fetch_and_add(&begun_count, 1) & (FTPFIX_BEGUN_MAX - 1);
	struct ftpfix_begun *begun_before = bpf_map_lookup_elem(&begun, &place);
	struct scratch *scratch = scratch_memory();
	struct ftpfix_session_key *before;
	struct ftpfix_session *session;

	if (!begun_before || !scratch || !key)
		return 0;
	before = &scratch->inside;
	*before = begun_before->session;
	begun_before->session = *key;
	session = session_find(before);
	if (session && !session_lasts(session))
		session_end(before);
	return 0;
}

/* Inserts the session crossing.key, which is in the scratch, unless there is one: the other
 * direction may have come first. Returns 0; -EBUSY when an earlier one of the same key is not gone
 * yet; or -E2BIG when the table took none. */
__global int session_insert(int from_client)
{
	struct scratch *scratch = scratch_memory();
	int err;

	if (!scratch)
		return -E2BIG;
	session_reap();
	err = bpf_map_update_elem(&sessions, &scratch->crossing.key, &scratch->session,
				  BPF_NOEXIST);
	if (err == -EEXIST)
		err = session_renew();
	if (!err && from_client)
		session_note_begun(&scratch->crossing.key);
	return !err || err == -EBUSY ? err : -E2BIG;
}

/* The new session begins with a packet of this direction: what nobody spoke in is silent to the
 * sweep. */
static __always_inline void session_spoken(struct ftpfix_session *new, int from_client)
{
	new->client.seen_ticks = new->server.seen_ticks = ticks_now();
	new->client.spoken = from_client;
	new->server.spoken = !from_client;
}

/*
 * Begins a session anew at a SYN or SYN/ACK. With the clients inside that is their own SYN,
 * which nobody outside can send: only a session that began with it is known from its
 * first line on. With the clients outside, whose SYNs may be a flood, it is the server's
 * answer, and the session is inserted with the third packet. Returns as session_insert().
 */
static __always_inline int session_begin(const struct packet *packet, int from_client,
					 struct scratch *scratch)
{
	struct ftpfix_session *new = &scratch->session;
	int synchronizes = from_client && !(packet->flags & TCP_ACK);

	if (clients_inside ? !synchronizes : from_client)
		return 0;
	session_end(&scratch->crossing.key);
	if (!clients_inside)
		return 0;
	new->client.next_sequence = packet->host_sequence + 1;
	new->client.started = 1;
	new->client.foreign = 0;
	new->client.judged = 0;
	new->server.started = 0;
	session_spoken(new, 1);
	return session_insert(from_client);
}

/* Whether the client's packet, which says nothing, is the last one of the session that is over:
 * it acknowledges the server's FIN, or what the server sent before one of them reset. */
static __always_inline int session_outlived(const struct ftpfix_session *ended,
					    const struct packet *packet)
{
	int outlived;

	if (!ended)
		return 0;
	outlived = session_over(ended) & !packet->payload_length &
		   (packet->host_sequence - ended->client.next_sequence <= 1);
	/* Not one way for each condition: the verifier goes along them all. */
	barrier_var(outlived);
	return outlived;
}

/*
 * Finds the session or takes it up, which the packet's header places in both streams: the
 * third packet of the handshake does so before there is any payload. `foreign` says
 * that what was missed may have been no FTP. Returns as session_insert(), and into *session
 * NULL where there is none.
 */
static __always_inline int session_need(const struct packet *packet, int from_client, int foreign,
					struct scratch *scratch, struct ftpfix_session **session)
{
	const struct ftpfix_session_key *key = &scratch->crossing.key;
	struct ftpfix_session *found = session_at(key), *new = &scratch->session;
	struct ftpfix_stream *own, *peer;
	int err, says;

	*session = found && !session_over(found) ? found : NULL;
	says = packet->payload_length | (from_client & !!(packet->flags & TCP_ACK));
	/* One way on for the verifier, as above. */
	barrier_var(says);
	if (*session || packet->flags & TCP_RST || !says || session_outlived(found, packet))
		return 0;
	own = from_client ? &new->client : &new->server;
	peer = from_client ? &new->server : &new->client;
	own->next_sequence = packet->host_sequence;
	own->started = 1;
	peer->next_sequence = packet->host_acknowledgement;
	peer->started = (packet->flags & TCP_ACK) != 0;
	new->client.foreign = foreign;
	new->client.judged = foreign;
	session_spoken(new, from_client);
	err = session_insert(from_client);
	if (!err)
		*session = session_find(key);
	if (err == -E2BIG)
		report(FTPFIX_SESSION_TABLE_FULL, key, NULL, NULL);
	return err;
}

/*
 * Notes from which port of its own the peer came to the connection that the session's
 * announcement of this number promised. Of an announcement that has been replaced
 * nothing is noted.
 */
static __always_inline void session_joined(const struct ftpfix_session_key *key, __u32 announcement,
					   __be16 be_peer_port)
{
	struct ftpfix_session *session = session_find(key);
	__u16 newer;

	if (!session)
		return;
	newer = session->announcements - announcement - 1;
	if (newer < FTPFIX_EXPECTED_MAX)
		session->expected[announcement & (FTPFIX_EXPECTED_MAX - 1)].be_peer_port =
			be_peer_port;
}

/*
 * Notes a connection of the session that an announcement promised which nobody could read: in
 * the place of the oldest announcement, of which nothing more is noted then. Where replies are
 * encrypted no other is; two connections that open at once may take one place.
 */
static __always_inline void session_joined_unread(const struct ftpfix_session_key *key,
						  const struct ftpfix_tuple *connection)
{
	struct ftpfix_session *session = session_find(key);
	struct ftpfix_expected *expected;

	if (!session)
		return;
	expected = &session->expected[session->announcements & (FTPFIX_EXPECTED_MAX - 1)];
	session->announcements++;
	expected->be_peer_port = connection->be_source_port;
	expected->be_port = connection->be_destination_port;
}

/*
 * How many bytes at the front of the packet's payload were scanned before; or
 * -EAGAIN when bytes are missing in front of it, and the packet must be dropped
 * for them to come first. It is not held where they came another way: because the
 * peer has acknowledged them, or because it came too often without them.
 */
static __always_inline int stream_place(struct ftpfix_stream *stream,
					const struct ftpfix_stream *peer,
					const struct packet *packet, int from_client)
{
	__u32 sequence = packet->host_sequence;
	__s32 behind = stream->next_sequence - sequence;
	__u32 arrived;

	if (!stream->started) {
		stream_restart(stream, sequence);
		return 0;
	}
	/* Its receiver will not take it, so it is nothing to follow. */
	if (behind > STREAM_AWAY_MAX || behind < -STREAM_AWAY_MAX)
		return packet->payload_length;
	if (behind >= 0)
		return behind < (__s32)packet->payload_length ? behind
							      : (__s32)packet->payload_length;
	if (stream->held_sequence != (__u16)sequence)
		stream->held = 0;
	arrived = stream_input(stream, from_client, peer->acknowledged, SEQADJ_ACKNOWLEDGED);
	if ((peer->acknowledging && !sequence_after(sequence, arrived)) ||
	    stream->held == STREAM_HOLDS_MAX) {
		stream_restart(stream, sequence);
		return 0;
	}
	stream->held_sequence = sequence;
	stream->held++;
	return -EAGAIN;
}

/* Marks the packet's payload as scanned, up to `end`. */
static __always_inline void stream_advance(struct ftpfix_stream *stream,
					   const struct packet *packet, __u32 end)
{
	__u32 sequence = packet->host_sequence + end;

	if (sequence_after(sequence, stream->next_sequence)) {
		stream->next_sequence = sequence;
		stream->held = 0;
	}
}

/* Where a packet is of an encrypted stream, in which nothing is waited for: how many
 * bytes at its front are no news. */
static __always_inline int stream_skip(const struct ftpfix_stream *stream,
				       const struct packet *packet)
{
	__s32 behind = stream->next_sequence - packet->host_sequence;

	return behind < 0 ? 0 : behind;
}

/*
 * Whether a reset ends the session: from where its sender stands in the stream (which a
 * FIN has moved by one), so that no stranger does.
 */
static __always_inline int session_reset(const struct ftpfix_stream *stream,
					 const struct packet *packet)
{
	return packet->flags & TCP_RST &&
	       (!stream->started ||
		packet->host_sequence - stream->next_sequence <= stream->finished);
}

/*
 * Notes a FIN. With the second one the session is over; but what is still under way may
 * have to be brought in step with its edits.
 */
static __always_inline void session_finish(const struct ftpfix_session_key *key,
					   struct ftpfix_stream *stream,
					   const struct ftpfix_stream *peer,
					   const struct packet *packet)
{
	if (!(packet->flags & TCP_FIN) || packet->cut)
		return;
	stream->finished = 1;
	if (!peer->finished)
		return;
	if (!stream_edited(stream) && !stream_edited(peer)) {
		session_end(key);
		return;
	}
	session_abandon(key, session_find(key));
	session_note_begun(key);
}

#endif /* FTPFIX_SESSION_H */
