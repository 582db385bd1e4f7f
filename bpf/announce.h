/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of one announcement that leaves on the uplink: is it asked for,
 * may its endpoint be followed, which public endpoint stands for it. Lines are
 * read and written elsewhere; packets are changed by nat.h.
 */
#ifndef FTPFIX_ANNOUNCE_H
#define FTPFIX_ANNOUNCE_H

#include "expect.h"
#include "port_choice.h"
#include "seen.h"

/* Candidates that are tried for a free port before the range counts as full. */
#define PORT_TRIES_MAX 1024

struct announce {
	struct segment *segment;
	struct scratch *scratch;
	const struct ftpfix_session_key *session_key;
	const struct ftpfix_service *service;
	__u32 room;	 /* enum ftp_room that was settled on */
	__u32 host_port; /* public port that was settled on */
	int digits;	 /* that it may have */
	struct port_choice choice;
	__u32 first_try;
	int result;
};

/* Whether a prefix of the servers map holds the address: 0 no, 1 by default,
 * 2 because the operator named it. */
static __always_inline int server_allowed(const struct ftpfix_addr *addr)
{
	struct ftpfix_server_key key = {.prefix_length = 128, .addr = *addr};
	struct ftpfix_server *server = bpf_map_lookup_elem(&servers, &key);

	return !server ? 0 : server->configured ? 2 : 1;
}

/*
 * The server endpoint behind the announcement, and how to reach it, into the
 * expectation. Returns 0 or the reason for which it is refused, negated (every
 * reason that this returns is above zero in the enum).
 *
 * RFC 2577: the announced address must be the control peer's own, or of a
 * configured server. A private address that is neither stands for the server
 * that sent the line: it is behind a translation of its own.
 */
static __noinline int announce_server(struct announce *announce)
{
	struct scratch *scratch = announce->scratch;
	struct ftpfix_expectation *expectation = &scratch->expectation;
	const struct ftp_announcement *line = &scratch->line;
	const struct packet *packet = announce->segment->packet;
	struct ftpfix_addr said = address_v4(bpf_htonl(line->host_address));
	struct ftpfix_addr *server = &expectation->server.addr;
	struct ftpfix_seen *note = &scratch->note;
	int allowed, found;

	*server = packet->tuple.source;
	expectation->server.be_port = bpf_htons(line->host_port);
	if (line->host_port < FTPFIX_PORT_MIN)
		return -FTPFIX_ANNOUNCEMENT_PORT_LOW;
	found = !seen_take(line, packet->host_sequence + announce->segment->line_start, note);
	if (line->code == FTP_CODE_227 && !address_equal(&said, &packet->tuple.source)) {
		*server = said;
		allowed = server_allowed(&said);
		if (!allowed)
			return -FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED;
	} else {
		allowed = 1;
	}
	if (announce->service->forward == FTPFIX_FORWARD_NONE)
		return 0;
	if (!found)
		return -FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN;
	if (allowed < 2) {
		*server = note->server;
		if (servers_configured && server_allowed(server) < 2)
			return -FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED;
	}
	if (announce->service->forward == FTPFIX_FORWARD_FULLNAT)
		expectation->source = address_given(&announce->service->source)
					      ? announce->service->source
					      : note->peer;
	expectation->server_ifindex = note->ifindex;
	return 0;
}

static __always_inline int announce_port_usable(const struct announce *announce, __u32 host_port)
{
	return host_port >= announce->service->port_low &&
	       host_port <= announce->service->port_high && !is_service_port(host_port) &&
	       ftp_edit_fits(&announce->scratch->line, announce->digits, host_port);
}

static long announce_candidate(__u32 index, void *context)
{
	struct announce *announce = context;
	__u32 count = announce->choice.count;
	__u32 host_port;

	if (index >= count)
		return 1;
	host_port =
		port_candidate(&announce->choice, (announce->first_try + index) % count) & 65535;
	if (!announce_port_usable(announce, host_port))
		return 0;
	announce->result = expect_reserve(host_port);
	announce->host_port = host_port;
	return announce->result != -EEXIST;
}

/*
 * Reserves a public port that the line can hold in this room: the server's own
 * if that may be, or else one of the range. Returns 0; -ENOSPC when none fits;
 * -EEXIST when all that fit are taken; or an error of the map.
 */
static __noinline int announce_reserve(struct announce *announce)
{
	const struct ftp_announcement *line = &announce->scratch->line;

	announce->result = -EEXIST;
	if (announce_port_usable(announce, line->host_port)) {
		announce->host_port = line->host_port;
		announce->result = expect_reserve(line->host_port);
		if (announce->result != -EEXIST)
			return announce->result;
	}
	if (port_choose(&announce->choice, line->code, announce->service->port_low,
			announce->service->port_high, announce->digits))
		return -ENOSPC;
	announce->first_try = bpf_get_prandom_u32();
	bpf_loop(PORT_TRIES_MAX, announce_candidate, announce, 0);
	return announce->result;
}

/* Settles the public endpoint within the least room that will do. Returns 0 or
 * a refusal's reason, negated. */
static __always_inline int announce_settle(struct announce *announce, __u32 host_address)
{
	const struct ftp_announcement *line = &announce->scratch->line;
	int refusal = -FTPFIX_ANNOUNCEMENT_LENGTH;

	for (__u32 room = 0; room < FTP_ROOM_COUNT; room++) {
		int err;

		announce->room = room;
		announce->digits = ftp_edit_digits(line, host_address, room);
		if (announce->digits < 0)
			continue;
		if (announce->service->forward == FTPFIX_FORWARD_NONE) {
			announce->host_port = line->host_port;
			err = ftp_edit_fits(line, announce->digits, line->host_port) ? 0 : -ENOSPC;
		} else {
			err = announce_reserve(announce);
		}
		if (!err)
			return 0;
		if (err == -EEXIST)
			refusal = -FTPFIX_ANNOUNCEMENT_NO_FREE_PORT;
		else if (err != -ENOSPC)
			return -FTPFIX_ANNOUNCEMENT_TABLE_FULL;
	}
	return refusal;
}

/* Remembers what is written, in the place of the session's oldest announcement,
 * whose expectation goes if it is still open. */
static __noinline void announce_remember(struct announce *announce)
{
	struct scratch *scratch = announce->scratch;
	struct ftpfix_session *session = announce->segment->session;
	__u32 slot = session->announcements & (FTPFIX_ANNOUNCEMENTS_MAX - 1);
	struct ftpfix_announcement *written = &session->announcement[slot];

	expect_replace(announce->session_key, &written->expected,
		       session->announcements - FTPFIX_ANNOUNCEMENTS_MAX);
	*written = scratch->written;
	session->announcements++;
}

/* Reserves, writes and remembers one announcement that may be followed. Returns
 * 0 or a refusal's reason, negated. */
static __always_inline int announce_publish(struct announce *announce)
{
	struct scratch *scratch = announce->scratch;
	struct segment *segment = announce->segment;
	struct ftpfix_expectation *expectation = &scratch->expectation;
	struct ftpfix_announcement *written = &scratch->written;
	__u32 host_address;
	int err;

	expectation->dialled = announce->session_key->tuple.destination;
	expectation->advertised = address_given(&announce->service->advertise)
					  ? announce->service->advertise
					  : expectation->dialled;
	expectation->session = *announce->session_key;
	expectation->announcement = segment->session->announcements;
	expectation->deadline_ns = bpf_ktime_get_ns() + FTPFIX_EXPECTATION_NS;
	__builtin_memset(&scratch->expectation_key, 0, sizeof(scratch->expectation_key));
	scratch->expectation_key.client = announce->session_key->tuple.source;
	host_address = bpf_ntohl(address_to_v4(&expectation->advertised));

	err = announce_settle(announce, host_address);
	if (err)
		return err;
	if (ftp_edit(&scratch->line, host_address, announce->host_port, announce->room,
		     &scratch->edit)) {
		if (announce->service->forward != FTPFIX_FORWARD_NONE)
			bpf_map_delete_elem(&expectations, &scratch->expectation_key);
		return -FTPFIX_ANNOUNCEMENT_LENGTH;
	}
	__builtin_memset(written, 0, sizeof(*written));
	written->sequence =
		segment->packet->host_sequence + segment->line_start + scratch->edit.offset;
	written->length = scratch->edit.length;
	__builtin_memcpy(written->text, scratch->edit.text, sizeof(written->text));
	if (announce->service->forward != FTPFIX_FORWARD_NONE) {
		written->expected.addr = expectation->advertised;
		written->expected.be_port = scratch->expectation_key.be_port;
	}
	announce_remember(announce);
	return 0;
}

/* Reports a refusal with what is known of the announcement. */
static __noinline void announce_refuse(struct announce *announce, int reason)
{
	struct scratch *scratch = announce->scratch;
	struct ftpfix_endpoint said = scratch->expectation.server;

	/* A 229 names no address: there it is the server's own. */
	if (scratch->line.code == FTP_CODE_227)
		said.addr = address_v4(bpf_htonl(scratch->line.host_address));

	report(reason, &announce->session_key->tuple, &said, NULL);
}

/*
 * Follows the announcement in scratch->line, which the client asked for, and
 * rewrites it in the packet. What may not be followed passes unchanged. Returns
 * 0, or an error of the kernel after which the packet must not travel on.
 */
static __noinline int announce_line(struct segment *segment,
				    const struct ftpfix_session_key *session_key,
				    const struct ftpfix_service *service)
{
	struct scratch *scratch = segment->scratch;
	struct announce announce = {
		.segment = segment,
		.scratch = scratch,
		.session_key = session_key,
		.service = service,
	};
	int err;

	__builtin_memset(&scratch->expectation, 0, sizeof(scratch->expectation));
	err = announce_server(&announce);
	if (!err)
		err = announce_publish(&announce);
	if (err) {
		announce_refuse(&announce, -err);
		return 0;
	}
	err = nat_patch(segment->skb, segment->packet, &scratch->patch, &scratch->written);
	if (err < 0)
		return err;
	count(err ? FTPFIX_ANNOUNCEMENT_REWRITTEN : FTPFIX_ANNOUNCEMENT_KEPT);
	return 0;
}

#endif /* FTPFIX_ANNOUNCE_H */
