/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines that a server sends: its announcements, and its answers to what the client
 * asked for. How lines come together from segments is not known here.
 */
#ifndef FTPFIX_REPLIES_H
#define FTPFIX_REPLIES_H

#include "commands.h"

/* Takes one of the announcements that are owed. Returns whether there was one. */
static __always_inline int take_asked(struct ftpfix_session *session, enum ftp_kind kind)
{
	int extended = kind == FTP_229;
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
static __always_inline void reply_refuse(struct segment *segment, enum ftpfix_reason reason)
{
	report(reason, &segment->scratch->crossing.key.tuple, NULL, NULL);
}

/* A 227 or 229 on its way out: it counts as the answer to a PASV or EPSV, at the start of
 * a reply. */
static __always_inline void reply_publish(struct segment *segment, enum ftp_kind kind)
{
	__u32 allowed = segment->service->allowed;

	if (ftp_scan_inside(&segment->scratch->scan, kind == FTP_227 ? 227 : 229) &&
	    !(allowed & FTPFIX_ALLOW_MULTILINE))
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_MULTILINE);
	else if (!take_asked(segment->session, kind) && !(allowed & FTPFIX_ALLOW_UNASKED))
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_UNASKED);
	else if (segment_read(segment->scratch, kind))
		reply_refuse(segment, FTPFIX_ANNOUNCEMENT_MALFORMED);
	else if (publish_line())
		line_edit(segment->stream, segment->peer);
}

/* Notes a 227 or 229 on its way in: whether it is asked for is judged where it leaves. */
static __always_inline void reply_note(struct segment *segment, enum ftp_kind kind)
{
	if (segment_read(segment->scratch, kind) || !seen_note())
		return;
	count(FTPFIX_PACKET_CONTENDED);
	segment->scratch->position.failed = 1;
}

/*
 * The answers that change how the session is read. AUTH is accepted by 234 or 334
 * (RFC 2228 section 3) and refused by 4xx or 5xx; EPSV ALL is refused by 5xx.
 */
static __always_inline void reply_answers(struct segment *segment, __u32 code)
{
	struct ftpfix_session *session = segment->session;

	if (code == 234 || code == 334) {
		segment->stream->opaque = 1;
		session->answered_auth = session->asked_auth;
		/* What is behind the line is encrypted. */
		if (segment->scratch->crossing.key.side == FTPFIX_SIDE_UPLINK)
			count(FTPFIX_SESSION_OPAQUE);
	} else if (code >= 400) {
		session->answered_auth = session->asked_auth;
	}
	if (code >= 200 && session->answered_epsv_all != session->asked_epsv_all) {
		session->answered_epsv_all = session->asked_epsv_all;
		if (code >= 500)
			session->refused_epsv_all = session->asked_epsv_all;
	}
}

/* A line that has ended. */
static __always_inline void reply_line(struct segment *segment)
{
	struct ftpfix_scan *scan = &segment->scratch->scan;
	enum ftp_kind kind = ftp_scan_reply_kind(scan);
	__u32 code = ftp_scan_code(scan);

	/* With the clients inside, the servers' addresses are the true ones. */
	if (kind != FTP_NONE && !clients_inside) {
		if (segment->scratch->crossing.entering) {
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
