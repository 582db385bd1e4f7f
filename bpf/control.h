/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet of a control connection on its way through a program: which session and
 * stream it is of, what of it is new, its lines one by one, and what goes on in its
 * place. What lines mean is commands.h's and replies.h's.
 */
#ifndef FTPFIX_CONTROL_H
#define FTPFIX_CONTROL_H

#include "carried.h"
#include "replies.h"
#include "rewrite.h"
#include "unread.h"

static long control_step(__u32 index, void *context)
{
	struct segment *segment = context;
	const struct position *position = &segment->scratch->position;
	const struct crossing *crossing = &segment->scratch->crossing;
	const struct packet *packet = &segment->scratch->packet;
	int step = segment_step(segment);

	(void)index;
	if (step != SEGMENT_LINE)
		return step == SEGMENT_END;
	segment_cross(segment);
	if (crossing->from_client)
		command_line(segment);
	else
		reply_line(segment);
	/* Where the line is left to come again, it was not scanned. */
	if (position->failed || position->end == position->line_start)
		return 1;
	line_pass(segment);
	if (crossing->from_client)
		ftp_scan_command_done(&segment->scratch->scan);
	else
		ftp_scan_reply_done(&segment->scratch->scan);
	segment_next_line(segment);
	return segment->stream->opaque || position->line_start == position->end ||
	       position->end != packet->payload_length;
}

/* Whether an announcement may be published at all now: then what may be one is worth
 * waiting for. */
static __always_inline int replies_owed(const struct segment *segment)
{
	return segment->service->allowed & FTPFIX_ALLOW_UNASKED ||
	       owed(segment->session, FTP_227) || owed(segment->session, FTP_229);
}

/* Whether the unfinished line may become one that is judged or published here, so that
 * its start must not go on before its end has come. */
static __always_inline int control_undecided(const struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	const struct ftp_scan *scan = &segment->scratch->scan;
	int host;

	if (!scan->column || scan->column >= FTPFIX_LINE_MAX)
		return 0;
	if (!crossing->from_client)
		return !crossing->entering && !clients_inside && replies_owed(segment) &&
		       ftp_scan_reply_open(scan);
	if (segment->stream->foreign)
		return 0;
	host = command_leaves(segment);
	return ftp_scan_command_open(scan, host);
}

/* Settles the start of a line that the segment ends with. */
static __always_inline void control_rest(struct segment *segment)
{
	const struct position *position = &segment->scratch->position;
	const struct packet *packet = &segment->scratch->packet;
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftpfix_stream *stream = segment->stream;

	if (position->failed || stream->opaque || position->end != packet->payload_length)
		return;
	/* What went on already cannot be kept back. */
	if (control_undecided(segment) && (stream->holding || !position->line_begun))
		line_hold(segment, crossing->from_client && crossing->entering);
	else
		line_pass(segment);
}

/* After CCC (RFC 4217 section 12.3) the peers speak plainly again; nothing but text that
 * no TLS record can be counts for that. */
static __noinline int control_resumes(struct segment *segment)
{
	struct position *position = &segment->scratch->position;
	const struct crossing *crossing = &segment->scratch->crossing;
	const struct packet *packet = &segment->scratch->packet;
	struct ftp_chunk *chunk = &segment->scratch->chunk;

	if (packet->payload_length > FTP_CHUNK_MAX)
		return 0;
	position->loaded = 0;
	return !segment_load(segment) && ftp_plain(chunk, crossing->from_client);
}

/* Whether a stream that begins here is encrypted from its first record on (implicit TLS,
 * or taken up in mid-stream), and so for good: content type and major version, RFC 8446
 * section 5.1. */
static __always_inline int control_begins_encrypted(struct segment *segment)
{
	const struct packet *packet = &segment->scratch->packet;
	__u8 record[2] = {};

	if (segment->stream->begun || packet->payload_length < sizeof(record))
		return 0;
	bpf_skb_load_bytes(segment->skb, packet->payload_offset, record, sizeof(record));
	return record[0] >= 20 && record[0] <= 23 && record[1] == 3;
}

/* Whether the client has acknowledged more of the server's stream than came past here: what
 * answered its AUTH may be in that. */
static __always_inline int control_answered(const struct segment *segment)
{
	const struct ftpfix_stream *server = segment->peer;
	__u32 end = stream_front(server, server->next_sequence) + server->finished;

	return !server->started | (segment->stream->acknowledging &
				   sequence_after(segment->stream->acknowledged, end));
}

/* Whether what is new in the packet is to be read. Returns 1; 0 when it is encrypted; or
 * -EAGAIN when the answer that tells has not come. */
static __always_inline int control_readable(struct segment *segment, __u32 place)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftpfix_session *session = segment->session;
	struct ftpfix_stream *stream = segment->stream;
	int asked, waits;

	if (crossing->from_client) {
		if (stream->encryptions != session->server.encryptions) {
			stream->encryptions = session->server.encryptions;
			stream->opaque = 1;
		}
		asked = !stream->opaque & (session->server.auth != session->client.auth);
		waits = asked & session->server.spoken & !control_answered(segment);
		/* One way on from here, not one for each condition: the verifier goes along each. */
		barrier_var(waits);
		if (waits)
			return -EAGAIN;
		/* What the answer was, the client's next bytes tell. */
		stream->begun &= !asked;
	}
	if (control_begins_encrypted(segment))
		stream->opaque = 1;
	stream->begun = 1;
	if (!stream->opaque)
		return 1;
	/* What was not made so by AUTH is not ended by CCC: a browser inside may be led
	 * to send, in a record, what a stranger likes. */
	if (place || !session->server.encryptions || !control_resumes(segment))
		return 0;
	stream->opaque = 0;
	stream->column = 0;
	stream->multiline = 0;
	if (crossing->key.side == FTPFIX_SIDE_UPLINK)
		count(FTPFIX_SESSION_RESUMED);
	return 1;
}

/*
 * Scans what the packet brings that is new, and takes away what must come again. Returns
 * 0; -EBUSY when the packet must be dropped to come again as a whole; another error
 * when it must not travel on.
 */
static __always_inline int control_scan(struct segment *segment)
{
	struct position *position = &segment->scratch->position;
	struct ftpfix_stream *stream = segment->stream;
	struct packet *packet = &segment->scratch->packet;
	struct scratch *scratch = segment->scratch;
	int place, readable;

	place = stream->opaque ? stream_skip(stream, packet)
			       : stream_place(stream, segment->peer, packet,
					      scratch->crossing.from_client);
	if (place < 0) {
		count(FTPFIX_PACKET_HELD);
		return -EBUSY;
	}
	if (place >= (int)packet->payload_length)
		return 0;
	readable = control_readable(segment, place);
	if (!readable) {
		if (tls_ports && scratch->crossing.carried && !scratch->crossing.from_client)
			unread_reply(segment->service);
		stream_advance(stream, packet, packet->payload_length);
		return 0;
	}
	line_resume(scratch, stream);
	segment_begin(segment, place);
	if (readable < 0) {
		position->end = place;
	} else {
		bpf_loop(SEGMENT_ROUNDS_MAX, control_step, segment, 0);
		control_rest(segment);
	}
	if (position->failed)
		return -EBUSY;
	line_suspend(scratch, stream);
	stream_advance(stream, packet, position->end);
	if (position->end == packet->payload_length)
		return 0;
	if (!position->end) {
		count(FTPFIX_PACKET_HELD);
		return -EBUSY;
	}
	count(FTPFIX_PACKET_CUT);
	return payload_cut(segment->skb, packet, &scratch->change, position->end);
}

/* Whether the packet must come again because of what session_insert() returned. */
static __always_inline int control_waits(int err)
{
	if (err != -EBUSY)
		return 0;
	count(FTPFIX_PACKET_HELD);
	return err;
}

/* A packet of a control connection. Returns 0 when it may pass, or an error as
 * control_scan() does. */
static __always_inline int control_packet(struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct packet *packet = &segment->scratch->packet;
	struct ftpfix_session *session;
	int err, over, foreign;

	if (packet->flags & TCP_SYN)
		return control_waits(
			session_begin(packet, crossing->from_client, segment->scratch));
	foreign = clients_inside && !(segment->service->allowed & FTPFIX_ALLOW_FOREIGN);
	err = session_need(packet, crossing->from_client, foreign, segment->scratch, &session);
	/* One way on from here: the verifier goes along each. */
	barrier_var(session);
	if (!session)
		/* What carries nothing need not come again. */
		return packet->payload_length ? control_waits(err) : 0;
	segment->session = session;
	segment->stream = crossing->from_client ? &session->client : &session->server;
	segment->peer = crossing->from_client ? &session->server : &session->client;
	stream_note(segment->stream, segment->peer, packet);
	over = session_reset(segment->stream, packet);
	err = draft_review(segment->scratch, segment->stream, segment->peer);
	if (err) {
		count(FTPFIX_PACKET_HELD);
		return err;
	}
	segment->scratch->position.known =
		segment->stream->started ? segment->stream->next_sequence : packet->host_sequence;
	if (packet->payload_length)
		err = control_scan(segment);
	/* A reset must arrive; what it carries no receiver reads. */
	if (err == -EBUSY && packet->flags & TCP_RST)
		err = payload_cut(segment->skb, packet, &segment->scratch->change, 0);
	if (err == -EBUSY)
		return err;
	draft_settle(segment->scratch, segment->stream);
	if (crossing->carried && stream_shift(segment->stream).delta)
		carried_slow();
	if (!err)
		err = rewrite_packet(segment->skb, packet, segment->stream, segment->peer);
	if (err) {
		count(FTPFIX_PACKET_FAILED);
		return err;
	}
	if (over)
		session_end(&crossing->key);
	else
		session_finish(&crossing->key, segment->stream, segment->peer, packet);
	return 0;
}

/*
 * Looks at the TCP packet in the scratch, at this hook. Returns -ENOENT when it is of no control
 * connection that this hook handles; 0 when it may pass; another error when it must be
 * dropped.
 *
 * Into the node come the commands of clients outside, on the uplink, and the replies of
 * servers inside; out of it the same on the other side. With the clients inside it is
 * the other way round. What ftpfix carries itself it looks at on the uplink alone. `carried`
 * says that the packet is known to be of that: by its flow where it enters, or because it was
 * sent on and leaves.
 */
__global int control_at(struct __sk_buff *skb, int side, int entering, int carried)
{
	struct segment segment = {
		.skb = skb,
		.scratch = scratch_memory(),
	};
	const struct packet *packet;
	struct crossing *crossing;
	__u32 port;
	int found;

	if (!segment.scratch || (carried && side == FTPFIX_SIDE_INSIDE))
		return -ENOENT;
	packet = &segment.scratch->packet;
	crossing = &segment.scratch->crossing;
	crossing->from_client = ((side == FTPFIX_SIDE_UPLINK) == !clients_inside) == !!entering;
	port = bpf_ntohs(crossing->from_client ? packet->tuple.be_destination_port
					       : packet->tuple.be_source_port);
	if (!is_service_port(port))
		return -ENOENT;
	segment.service = bpf_map_lookup_elem(&services, &port);
	if (!segment.service)
		return -ENOENT;
	/* The connection that follows could not be sent back into the VLAN. */
	if (packet->tagged && side == FTPFIX_SIDE_INSIDE) {
		count(FTPFIX_PACKET_VLAN);
		return 0;
	}
	grace_begin_packet(segment.scratch);
	crossing->tuple = packet->tuple;
	crossing->ifindex = skb->ifindex;
	crossing->entering = entering;
	crossing->ipv6 = packet->ipv6;
	crossing->key.side = side;
	if (crossing->from_client)
		crossing->key.tuple = packet->tuple;
	else
		tuple_turn(&crossing->key.tuple, &packet->tuple);
	if (carried && !entering) {
		carried_sent(segment.scratch);
	} else {
		found = carried_find();
		if (found < 0)
			return -ENOENT;
		crossing->carried = !clients_inside && found;
	}
	if (crossing->carried && side == FTPFIX_SIDE_INSIDE)
		return -ENOENT;
	return control_packet(&segment);
}

#endif /* FTPFIX_CONTROL_H */
