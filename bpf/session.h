/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a control connection's record, and where in the stream of one
 * direction a segment stands. It does not read the payload.
 */
#ifndef FTPFIX_SESSION_H
#define FTPFIX_SESSION_H

#include "scratch.h"
#include "counter.h"

/* A segment further away than this is none of the connection: no window of a
 * control connection is that large. */
#define STREAM_AWAY_MAX (1 << 20)

/* A tail loss probe (RFC 8985 section 7) may bring a segment twice before what is
 * missing in front of it; four times means that this comes another way. */
#define STREAM_HOLDS_MAX 3

/* Whether sequence number `one` stands behind `other` (RFC 9293 section 3.4). */
static __always_inline int sequence_after(__u32 one, __u32 other)
{
	return (__s32)(one - other) > 0;
}

static __always_inline struct ftpfix_session *session_find(const struct ftpfix_session_key *key)
{
	return bpf_map_lookup_elem(&sessions, key);
}

/* Finds the session or begins one. NULL when the table took none. */
static __always_inline struct ftpfix_session *session_need(const struct ftpfix_session_key *key,
							   struct scratch *scratch)
{
	struct ftpfix_session *session = session_find(key);

	if (session)
		return session;
	__builtin_memset(&scratch->session, 0, sizeof(scratch->session));
	/* The other direction may have come first: then its record is taken. */
	bpf_map_update_elem(&sessions, key, &scratch->session, BPF_NOEXIST);
	return session_find(key);
}

/* What header alone tells of the stream that it belongs to. */
static __always_inline void stream_note(struct ftpfix_stream *stream, const struct packet *packet)
{
	stream->last_seen_ns = bpf_ktime_get_coarse_ns();
	if (!(packet->flags & TCP_ACK))
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
	__builtin_memset(&stream->scan, 0, sizeof(stream->scan));
}

/*
 * How many bytes at the front of the packet's payload were scanned before; or
 * -EAGAIN when bytes are missing in front of it, and the packet must be dropped
 * for them to come first. It is not held where they came another way: because the
 * peer has acknowledged them, or because it came too often without them.
 */
static __always_inline int stream_place(struct ftpfix_stream *stream,
					const struct ftpfix_stream *peer,
					const struct packet *packet)
{
	__u32 sequence = packet->host_sequence;
	__s32 behind = stream->next_sequence - sequence;

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
	if (stream->held_sequence != sequence)
		stream->held = 0;
	if ((peer->acknowledging && !sequence_after(sequence, peer->acknowledged)) ||
	    stream->held == STREAM_HOLDS_MAX) {
		stream_restart(stream, sequence);
		return 0;
	}
	stream->held_sequence = sequence;
	stream->held++;
	return -EAGAIN;
}

/* Marks the packet's payload as scanned. */
static __always_inline void stream_advance(struct ftpfix_stream *stream,
					   const struct packet *packet)
{
	__u32 end = packet->host_sequence + packet->payload_length;

	if (sequence_after(end, stream->next_sequence)) {
		stream->next_sequence = end;
		stream->held = 0;
	}
}

/*
 * Forgets the session that the packet begins anew or ends: by the service's
 * SYN/ACK, or by a reset from where its sender stands in the stream (which a FIN
 * has moved by one), so that no stranger ends a session. Returns 1 when nothing else is to be done with it.
 */
static __always_inline int session_bounds(const struct ftpfix_session_key *key,
					  const struct packet *packet, int from_client)
{
	struct ftpfix_session *session;
	struct ftpfix_stream *stream;
	int over = !from_client;

	if (!(packet->flags & (TCP_SYN | TCP_RST)))
		return 0;
	session = session_find(key);
	if (!session)
		return 1;
	stream = from_client ? &session->client : &session->server;
	if (packet->flags & TCP_RST)
		over = !stream->started ||
		       packet->host_sequence - stream->next_sequence <= stream->finished;
	if (over)
		bpf_map_delete_elem(&sessions, key);
	return 1;
}

/* Notes a FIN; with the second one the session is over. */
static __always_inline void session_finish(const struct ftpfix_session_key *key,
					   struct ftpfix_stream *stream,
					   const struct ftpfix_stream *peer,
					   const struct packet *packet)
{
	if (!(packet->flags & TCP_FIN))
		return;
	stream->finished = 1;
	if (peer->finished)
		bpf_map_delete_elem(&sessions, key);
}

#endif /* FTPFIX_SESSION_H */
