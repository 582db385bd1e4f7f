/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control connection on the uplink: what the client asks for, on its way
 * in, and which replies answer it, on their way out. What becomes of an answer
 * is announce.h's.
 */
#ifndef FTPFIX_CONTROL_H
#define FTPFIX_CONTROL_H

#include "announce.h"
#include "session.h"

/* No more announcements than this are owed to a client at once, and none that
 * it asked for too long ago. */
#define ASKED_MAX FTPFIX_ANNOUNCEMENTS_MAX

struct control {
	struct segment segment; /* first: the loops below are given this */
	struct ftpfix_session_key key;
	const struct ftpfix_service *service;
};

static __always_inline int asks_expired(const struct ftpfix_session *session)
{
	return elapsed_ns(bpf_ktime_get_coarse_ns(), session->asked_at_ns) > FTPFIX_ASKED_NS;
}

/* Notes that an announcement is owed. Those owed for too long are owed no more. */
static __always_inline void note_asked(struct ftpfix_session *session, enum ftp_verb verb)
{
	if (verb == FTP_VERB_OTHER)
		return;
	if (asks_expired(session)) {
		session->asked_pasv = session->answered_pasv;
		session->asked_epsv = session->answered_epsv;
	}
	if (verb == FTP_VERB_PASV)
		session->asked_pasv++;
	else
		session->asked_epsv++;
	session->asked_at_ns = bpf_ktime_get_coarse_ns();
}

static long command_step(__u32 index, void *context)
{
	struct control *control = context;
	struct segment *segment = &control->segment;
	struct ftpfix_scan *scan = &segment->scratch->scan;
	int step = segment_step(segment);

	(void)index;
	if (step != SEGMENT_LINE)
		return step == SEGMENT_END;
	note_asked(segment->session, ftp_scan_verb(scan));
	ftp_scan_command_done(scan);
	segment_next_line(segment);
	return 0;
}

/* Takes one of the announcements that are owed. Returns whether there was one. */
static __always_inline int take_asked(struct ftpfix_session *session, __u32 code)
{
	int extended = code == FTP_CODE_229;
	__u32 asked = extended ? session->asked_epsv : session->asked_pasv;
	__u32 answered = extended ? session->answered_epsv : session->answered_pasv;
	__u32 owed = asked - answered;

	if (asks_expired(session))
		owed = 0;
	if (owed > ASKED_MAX)
		owed = ASKED_MAX;
	answered = owed ? asked - owed + 1 : asked;
	if (extended)
		session->answered_epsv = answered;
	else
		session->answered_pasv = answered;
	return owed != 0;
}

/* Counts a line that is not followed up, with what little is known of it. */
static __always_inline void control_refuse(struct control *control, enum ftpfix_reason reason)
{
	report(reason, &control->key.tuple, NULL, NULL);
}

/* One line of a reply, at its end or at the end of the segment. */
static __noinline void reply_line(struct control *control, __u32 complete)
{
	struct segment *segment = &control->segment;
	struct ftpfix_scan *scan = &segment->scratch->scan;
	__u32 code = ftp_scan_announcement(scan);
	int err;

	/* A line whose code came with an earlier segment was dealt with there. */
	if (!code || segment->line_begun >= FTP_TEXT_START)
		return;
	if (ftp_scan_inside(scan, code)) {
		control_refuse(control, FTPFIX_ANNOUNCEMENT_MULTILINE);
		return;
	}
	if (!take_asked(segment->session, code)) {
		control_refuse(control, FTPFIX_ANNOUNCEMENT_UNASKED);
		return;
	}
	err = segment->line_begun ? -EAGAIN : segment_read(segment, code, complete);
	if (err == -EAGAIN)
		control_refuse(control, FTPFIX_ANNOUNCEMENT_SPLIT);
	else if (err)
		control_refuse(control, FTPFIX_ANNOUNCEMENT_MALFORMED);
	else if (announce_line(segment, &control->key, control->service))
		segment->dropped = 1;
}

static long reply_step(__u32 index, void *context)
{
	struct control *control = context;
	struct segment *segment = &control->segment;
	int step = segment_step(segment);

	(void)index;
	if (step == SEGMENT_MORE)
		return 0;
	reply_line(control, step == SEGMENT_LINE);
	if (step == SEGMENT_END)
		return 1;
	ftp_scan_reply_done(&segment->scratch->scan);
	segment_next_line(segment);
	return 0;
}

/* Gives the bytes that were rewritten before the same rewrite. Returns 0 or an
 * error of the kernel. */
static __noinline int control_repeat(struct control *control)
{
	struct segment *segment = &control->segment;

	for (__u32 slot = 0; slot < FTPFIX_ANNOUNCEMENTS_MAX; slot++) {
		int err = nat_patch(segment->skb, segment->packet, &segment->scratch->patch,
				    &segment->session->announcement[slot]);

		if (err < 0)
			return err;
		if (err)
			count(FTPFIX_ANNOUNCEMENT_REPEATED);
	}
	return 0;
}

/*
 * Scans what the packet brings that is new. Returns 0; -EBUSY when the packet
 * must be held back until what is before it has come; another error when it must
 * not travel on.
 */
static __always_inline int control_scan(struct control *control, struct ftpfix_stream *stream,
					const struct ftpfix_stream *peer, int from_client)
{
	struct segment *segment = &control->segment;
	const struct packet *packet = segment->packet;
	int place = stream_place(stream, peer, packet);

	if (place < 0) {
		count(FTPFIX_PACKET_HELD);
		return -EBUSY;
	}
	if (place > 0 && !from_client && control_repeat(control)) {
		count(FTPFIX_PACKET_FAILED);
		return -EIO;
	}
	if (place >= (int)packet->payload_length)
		return 0;
	segment->scratch->scan = stream->scan;
	segment_begin(segment, place);
	if (from_client)
		bpf_loop(SEGMENT_ROUNDS_MAX, command_step, control, 0);
	else
		bpf_loop(SEGMENT_ROUNDS_MAX, reply_step, control, 0);
	stream->scan = segment->scratch->scan;
	stream_advance(stream, packet);
	if (!segment->dropped)
		return 0;
	/* What should have been written is remembered for the retransmission. */
	count(FTPFIX_PACKET_FAILED);
	return -EIO;
}

/* A packet of a control connection whose key stands in control. Returns 0 when
 * it may pass, or an error as control_scan() does. */
static __always_inline int control_packet(struct control *control, int from_client)
{
	struct segment *segment = &control->segment;
	const struct packet *packet = segment->packet;
	struct ftpfix_session *session;
	struct ftpfix_stream *stream, *peer;
	int err = 0;

	if (session_bounds(&control->key, packet, from_client))
		return 0;
	session = packet->payload_length ? session_need(&control->key, segment->scratch)
					 : session_find(&control->key);
	if (!session) {
		if (packet->payload_length)
			control_refuse(control, FTPFIX_ANNOUNCEMENT_TABLE_FULL);
		return 0;
	}
	segment->session = session;
	stream = from_client ? &session->client : &session->server;
	peer = from_client ? &session->server : &session->client;
	stream_note(stream, packet);
	if (packet->payload_length)
		err = control_scan(control, stream, peer, from_client);
	if (!err)
		session_finish(&control->key, stream, peer, packet);
	return err;
}

/* A packet from a client to a control port. Returns as control_packet(). */
static __noinline int control_command(struct __sk_buff *skb, const struct packet *packet)
{
	struct control control = {
		.segment = {.skb = skb, .packet = packet, .scratch = scratch_memory()},
		.key = {.tuple = packet->tuple},
	};

	return control.segment.scratch ? control_packet(&control, 1) : 0;
}

/* A packet from a control port to a client. Returns as control_packet(). */
static __always_inline int control_reply(struct __sk_buff *skb, const struct packet *packet)
{
	struct control control = {
		.segment = {.skb = skb, .packet = packet, .scratch = scratch_memory()},
	};
	__u32 port = bpf_ntohs(packet->tuple.be_source_port);

	tuple_turn(&control.key.tuple, &packet->tuple);
	control.service = bpf_map_lookup_elem(&services, &port);
	if (!control.segment.scratch || !control.service)
		return 0;
	return control_packet(&control, 0);
}

#endif /* FTPFIX_CONTROL_H */
