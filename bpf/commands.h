/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines that a client sends: what it asks for, and what it announces, judged where
 * they come in and published where they leave. How lines come together from segments
 * is not known here.
 */
#ifndef FTPFIX_COMMANDS_H
#define FTPFIX_COMMANDS_H

#include "line.h"
#include "publish.h"
#include "session.h"

/* No more announcements than this are owed to a client at once, and none that
 * it asked for too long ago. */
#define ASKED_MAX FTPFIX_EXPECTED_MAX

static __always_inline int asks_expired(const struct ftpfix_session *session)
{
	return ticks_since(session->asked_ticks) > FTPFIX_ASKED_NS >> FTPFIX_TICK_SHIFT;
}

/* How many more were asked for than answered. Either is counted by its own direction, so
 * that one may be ahead. */
static __always_inline __u32 unanswered(__u8 asked, __u8 answered)
{
	__s8 count = asked - answered;

	return count > 0 ? count : 0;
}

static __always_inline void count_asked(__u8 *asked, __u8 answered)
{
	if (unanswered(*asked, answered) < ASKED_MAX)
		(*asked)++;
}

/* Notes that an announcement is owed. Those owed for too long are owed no more. */
static __always_inline void note_asked(struct ftpfix_session *session, enum ftp_verb verb)
{
	if (asks_expired(session)) {
		session->asked_pasv = session->answered_pasv;
		session->asked_epsv = session->answered_epsv;
	}
	if (verb == FTP_VERB_PASV)
		count_asked(&session->asked_pasv, session->answered_pasv);
	else
		count_asked(&session->asked_epsv, session->answered_epsv);
	session->asked_ticks = ticks_now();
}

/* Whether EPSV ALL was said and not refused: then only EPSV may follow (RFC 2428
 * section 4). */
static __always_inline int only_epsv(const struct segment *segment)
{
	const struct ftpfix_session *session = segment->session;

	return session->client.epsv_all != session->refused_epsv_all &&
	       !(segment->service->allowed & FTPFIX_ALLOW_EPSV_ALL);
}

/* What keeps the PORT or EPRT in scratch->line from being followed, as a reason, or 0.
 * RFC 2577 section 3: the address must be the client's own. */
static __always_inline enum ftpfix_reason command_fault(struct segment *segment)
{
	const struct packet *packet = &segment->scratch->packet;
	const struct ftp_announcement *line = &segment->scratch->line;
	__u32 allowed = segment->service->allowed;

	if (only_epsv(segment))
		return FTPFIX_ANNOUNCEMENT_EPSV_ALL;
	if (line->host_port < FTPFIX_PORT_MIN && !(allowed & FTPFIX_ALLOW_LOW_PORT))
		return FTPFIX_ANNOUNCEMENT_PORT_LOW;
	if (!address_equal(&line->addr, &packet->tuple.source) && !(allowed & FTPFIX_ALLOW_FXP))
		return FTPFIX_ANNOUNCEMENT_BOUNCE;
	return 0;
}

/* Makes the command one that no server knows, so that the client is told so by a 500
 * and the connection lives: XORT, XPRT. */
static __always_inline void command_disarm(struct segment *segment)
{
	struct ftp_edit *edit = &segment->scratch->edit;

	if (!line_ready_or_again(segment))
		return;
	edit->offset = 0;
	edit->removed = 1;
	edit->length = 1;
	edit->text[0] = 'X';
	line_edit(segment->stream);
}

/* Whether what is to be told to the server can be told here: where the command leaves, or
 * where all is known of the other side. */
static __always_inline int command_leaves(const struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;

	return !crossing->entering || crossing->carried ||
	       segment->service->forward == FTPFIX_FORWARD_NONE;
}

/* A PORT or EPRT that comes in: it is noted for where it leaves, or disarmed. Returns 1 when
 * it may be published here. */
static __noinline int command_judge(struct segment *segment, enum ftp_kind kind)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct scratch *scratch = segment->scratch;
	enum ftpfix_reason fault;

	if (segment_read(scratch, kind)) {
		report(FTPFIX_ANNOUNCEMENT_MALFORMED, &crossing->key, NULL, NULL);
		return 0;
	}
	fault = command_fault(segment);
	if (fault) {
		__builtin_memset(&scratch->expectation, 0, sizeof(scratch->expectation));
		publish_refuse(fault);
		command_disarm(segment);
		return 0;
	}
	if (crossing->carried)
		return 1;
	if (segment->service->forward != FTPFIX_FORWARD_NONE && seen_note()) {
		count(FTPFIX_PACKET_CONTENDED);
		line_again(segment);
	}
	return 0;
}

/* Writes the server's own address over the virtual one in a HOST (RFC 7151). */
static __always_inline void host_write(struct segment *segment)
{
	struct scratch *scratch = segment->scratch;
	const struct crossing *crossing = &scratch->crossing;
	const struct ftpfix_addr *server =
		crossing->carried ? &crossing->beyond.destination : &crossing->tuple.destination;
	__u32 rewrite = segment->service->rewrite;

	if (address_equal(&scratch->line.addr, server))
		return;
	for (__u32 room = FTP_ROOM_DOT; room <= FTP_ROOM_ADJUST; room += FTP_ROOM_ADJUST) {
		int adjusts = room == FTP_ROOM_ADJUST, digits;

		if (rewrite == (adjusts ? FTPFIX_REWRITE_EQUAL_LENGTH : FTPFIX_REWRITE_ADJUST))
			continue;
		digits = ftp_edit_digits(&scratch->line, server, room);
		if (digits < 0 || ftp_edit(&scratch->line, server, 0, room, &scratch->edit) ||
		    !line_fits(scratch))
			continue;
		count(FTPFIX_ANNOUNCEMENT_HOST);
		line_edit(segment->stream);
		return;
	}
	publish_refuse(FTPFIX_ANNOUNCEMENT_LENGTH);
}

/*
 * A HOST that names the address which the client dialled, where the server knows itself
 * by another: noted where it comes in, and written where it leaves, since only there
 * the server's own address is known.
 */
static __noinline void command_host(struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	const struct packet *packet = &segment->scratch->packet;
	struct scratch *scratch = segment->scratch;
	const struct ftpfix_tuple *tuple = &packet->tuple;
	struct ftpfix_addr told;

	if (segment_read(scratch, FTP_HOST))
		return;
	__builtin_memset(&scratch->expectation, 0, sizeof(scratch->expectation));
	if (!crossing->entering) {
		if (!seen_take(&scratch->line, scratch->crossing.in_sequence, &scratch->note))
			host_write(segment);
		return;
	}
	publish_address(&told, &tuple->source, &tuple->destination);
	if (!address_equal(&scratch->line.addr, &tuple->destination) &&
	    !address_equal(&scratch->line.addr, &told))
		return;
	if (command_leaves(segment))
		host_write(segment);
	else
		seen_note();
}

/* Whether a line of this kind may be edited here: one that comes in is noted only, or
 * disarmed. */
static __always_inline int command_edits(const struct segment *segment, enum ftp_kind kind)
{
	const struct crossing *crossing = &segment->scratch->crossing;

	return kind == FTP_HOST ? command_leaves(segment)
				: kind != FTP_NONE && (!crossing->entering || crossing->carried);
}

/* What a verb alone brings about. */
static __always_inline void command_verb(struct segment *segment, enum ftp_verb verb)
{
	struct position *position = &segment->scratch->position;
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftpfix_session *session = segment->session;

	if (crossing->entering && verb == FTP_VERB_UNKNOWN)
		count(FTPFIX_COMMAND_UNKNOWN);
	if (crossing->entering && verb == FTP_VERB_LONG)
		count(FTPFIX_COMMAND_LONG_ADDRESS);
	if ((verb == FTP_VERB_PASV && !only_epsv(segment)) || verb == FTP_VERB_EPSV)
		note_asked(session, verb);
	if (verb == FTP_VERB_EPSV_ALL && session->client.epsv_all == session->server.epsv_all)
		session->client.epsv_all++;
	if (verb == FTP_VERB_AUTH) {
		session->client.auth++;
		/* Whether what follows is encrypted, the answer tells. */
		position->end = segment_scanned(segment);
	}
}

/* A line that has ended. */
static __always_inline void command_line(struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftp_scan *scan = &segment->scratch->scan;
	enum ftp_kind kind = ftp_scan_command_kind(scan);
	int judged, leaves;

	/* A browser inside may be made to send to port 21 what a stranger likes. */
	if (clients_inside && !segment->stream->judged &&
	    !(segment->service->allowed & FTPFIX_ALLOW_FOREIGN))
		segment->stream->foreign = ftp_scan_foreign(scan);
	segment->stream->judged = 1;
	if (segment->stream->foreign) {
		if (kind != FTP_NONE && crossing->entering)
			report(FTPFIX_ANNOUNCEMENT_FOREIGN, &crossing->key, NULL, NULL);
		return;
	}
	judged = crossing->entering && kind != FTP_HOST;
	if (command_edits(segment, kind) &&
	    !(judged ? line_ready_or_again(segment) : line_ready(segment)))
		return;
	command_verb(segment, ftp_scan_verb(scan));
	if (kind == FTP_HOST) {
		command_host(segment);
	} else if (kind != FTP_NONE) {
		leaves = crossing->entering ? command_judge(segment, kind)
					    : !segment_read(segment->scratch, kind);
		if (leaves && publish_line(segment->session, segment->service) > 0)
			line_edit(segment->stream);
	}
}

#endif /* FTPFIX_COMMANDS_H */
