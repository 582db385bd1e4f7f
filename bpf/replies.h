/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines that a server sends: its announcements, and its answers to what the client
 * asked for. How lines come together from segments is not known here.
 */
#ifndef FTPFIX_REPLIES_H
#define FTPFIX_REPLIES_H

#include "commands.h"

/* How many announcements of this kind are owed. */
static __always_inline __u32 owed(const struct ftpfix_session *session, enum ftp_kind kind)
{
	if (asks_expired(session))
		return 0;
	return kind == FTP_229 ? unanswered(session->asked_epsv, session->answered_epsv)
			       : unanswered(session->asked_pasv, session->answered_pasv);
}

/* Marks one of those that are owed as given. */
static __always_inline void owed_given(struct ftpfix_session *session, enum ftp_kind kind)
{
	__u32 left = owed(session, kind);

	left -= left != 0;
	if (kind == FTP_229)
		session->answered_epsv = session->asked_epsv - left;
	else
		session->answered_pasv = session->asked_pasv - left;
}

/* Counts a line that is not followed up, with what little is known of it. */
static __always_inline void reply_refuse(struct segment *segment, enum ftpfix_reason reason)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	report(reason, &crossing->key, NULL, NULL);
}

/*
 * A 227 or 229 on its way out: it counts as the answer to a PASV or EPSV, at the start of
 * a reply. One that can not be followed leaves the answer owed: a server that says
 * something else in between gets no further than that.
 */
static __always_inline void reply_publish(struct segment *segment, enum ftp_kind kind)
{
	struct position *position = &segment->scratch->position;
	__u32 allowed = segment->service->allowed;
	int published;

	if (ftp_scan_inside(&segment->scratch->scan, kind == FTP_227 ? 227 : 229) &&
	    !(allowed & FTPFIX_ALLOW_MULTILINE)) {
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_MULTILINE);
		return;
	}
	/* Nor is it asked for when it began before the question. */
	if ((!owed(segment->session, kind) && !(allowed & FTPFIX_ALLOW_UNASKED)) ||
	    (position->line_begun && !segment->stream->holding)) {
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_UNASKED);
		return;
	}
	if (segment_read(segment->scratch, kind)) {
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_MALFORMED);
		return;
	}
	published = publish_line(segment->session, segment->service);
	if (published < 0)
		return;
	owed_given(segment->session, kind);
	if (published)
		line_edit(segment->stream);
}

/* Notes a 227 or 229 on its way in: whether it is asked for is judged where it leaves. */
static __always_inline void reply_note(struct segment *segment, enum ftp_kind kind)
{
	if (segment_read(segment->scratch, kind) || !seen_note())
		return;
	count(FTPFIX_PACKET_CONTENDED);
	line_again(segment);
}

/*
 * The answers that change how the session is read. AUTH is accepted by 234 or 334
 * (RFC 2228 section 3); EPSV ALL is refused by 5xx.
 */
static __always_inline void reply_answers(struct segment *segment, __u32 code)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftpfix_session *session = segment->session;

	if (code < 200)
		return;
	session->server.auth = session->client.auth;
	if (code == 234 || code == 334) {
		/* What is behind the line is encrypted. */
		segment->stream->opaque = 1;
		segment->stream->encryptions++;
		if (crossing->key.side == FTPFIX_SIDE_UPLINK)
			count(FTPFIX_SESSION_OPAQUE);
	}
	if (session->server.epsv_all != session->client.epsv_all) {
		session->server.epsv_all = session->client.epsv_all;
		if (code >= 500)
			session->refused_epsv_all = session->client.epsv_all;
	}
}

/* A line that has ended. */
static __always_inline void reply_line(struct segment *segment)
{
	const struct crossing *crossing = &segment->scratch->crossing;
	struct ftp_scan *scan = &segment->scratch->scan;
	enum ftp_kind kind = ftp_scan_reply_kind(scan);
	__u32 code = ftp_scan_code(scan);

	if (!clients_inside && !crossing->carried && !segment->stream->judged &&
	    segment->service->forward != FTPFIX_FORWARD_NONE) {
		if (crossing->entering)
			seen_note_first();
		else
			seen_take_first();
	}
	segment->stream->judged = 1;
	/* What it answered is not known, but the client must not wait for ever. */
	if (line_lost(scan))
		segment->session->server.auth = segment->session->client.auth;
	/* With the clients inside, the servers' addresses are the true ones. */
	if (kind != FTP_NONE && !clients_inside) {
		if (crossing->entering) {
			reply_note(segment, kind);
		} else {
			if (!line_ready(segment))
				return;
			reply_publish(segment, kind);
		}
	}
	if (code && scan->line[3] != '-' && !ftp_scan_inside(scan, code))
		reply_answers(segment, code);
}

#endif /* FTPFIX_REPLIES_H */
