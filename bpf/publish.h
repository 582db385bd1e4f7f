/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of one announcement that leaves the node: which endpoint stands for
 * the announced one where it goes, and the expectation of a connection to that. Reply
 * or command, family and syntax are parameters. Whether it may be followed at all was
 * judged before.
 */
#ifndef FTPFIX_PUBLISH_H
#define FTPFIX_PUBLISH_H

#include "backend.h"
#include "expect.h"
#include "seen.h"

/* Candidates that are tried for a free port before the range counts as full. */
#define PORT_TRIES_MAX 1024

/* Whether a prefix of the servers map holds the address: 0 no, 1 by default,
 * 2 because the operator named it. */
static __always_inline int server_allowed(const struct ftpfix_addr *addr)
{
	struct ftpfix_server_key key = {.prefix_length = 128, .addr = *addr};
	struct ftpfix_server *server = bpf_map_lookup_elem(&servers, &key);

	return !server ? 0 : server->configured ? 2 : 1;
}

/* What the receiver of an announcement is told instead of the address announced: what
 * the operator gave for it, or the one by which it knows the other side. */
static __always_inline void publish_address(struct ftpfix_addr *addr,
					    const struct ftpfix_addr *receiver,
					    const struct ftpfix_addr *known)
{
	struct ftpfix_advertise_key key = {.prefix_length = 128, .addr = *receiver};
	struct ftpfix_advertise *found = bpf_map_lookup_elem(&advertise, &key);

	*addr = *known;
	if (found && address_given(&found->addr) &&
	    address_mapped(&found->addr) == address_mapped(known))
		*addr = found->addr;
}

/*
 * Who announced the line in the scratch, as it came in, into scratch->note: what was noted
 * then, or what the flow tells where ftpfix carries the control connection itself. Returns 0
 * or -ENOENT.
 */
static __always_inline int publish_seen(struct scratch *scratch)
{
	const struct crossing *crossing = &scratch->crossing;
	struct ftpfix_seen *note = &scratch->note;

	if (!crossing->carried)
		return seen_take(&scratch->line, crossing->in_sequence, note);
	note->tuple = crossing->from_client ? crossing->tuple : crossing->beyond;
	note->ifindex = crossing->from_client ? crossing->ifindex : crossing->beyond_ifindex;
	return 0;
}

/*
 * Where the FULLNAT connection to the server comes from: the address by which that server
 * knows the client already, if ftpfix carries the control connection too, for a server
 * compares them; or what the operator gave; or the control peer's.
 */
static __always_inline void publish_source(struct scratch *scratch, struct ftpfix_addr *addr)
{
	const struct ftpfix_seen *note = &scratch->note;
	__u32 family = scratch->crossing.ipv6 ? FTPFIX_IPV6 : FTPFIX_IPV4, index;
	struct ftpfix_source *source;

	*addr = note->tuple.destination;
	if (!source_count[family] || scratch->crossing.carried)
		return;
	index = hash_address(&scratch->crossing.tuple.destination) % source_count[family];
	index += family * FTPFIX_SOURCES_MAX;
	source = bpf_map_lookup_elem(&sources, &index);
	if (source)
		*addr = source->addr;
}

/* How the connection to the server goes on, into the expectation. */
static __always_inline void publish_toward(struct scratch *scratch,
					   const struct ftpfix_service *service)
{
	struct ftpfix_expectation *expectation = &scratch->expectation;

	if (service->forward == FTPFIX_FORWARD_FULLNAT) {
		publish_source(scratch, &scratch->publishing.source);
		expectation->pooled = 1;
	}
	expectation->out_ifindex = scratch->note.ifindex;
}

/*
 * The server behind a 227 or 229, into the expectation. Returns 0 or the reason for
 * which it is refused, negated (every reason that is returned is above zero).
 *
 * RFC 2577: the announced address must be the control peer's own, or of a
 * configured server. A private address that is neither stands for the server
 * that sent the line: it is behind a translation of its own.
 */
static __noinline int publish_server(struct scratch *scratch, const struct ftpfix_service *service)
{
	const struct crossing *crossing = &scratch->crossing;
	struct ftpfix_expectation *expectation = &scratch->expectation;
	const struct ftp_announcement *line = &scratch->line;
	struct ftpfix_addr *server = &expectation->target.addr;
	struct ftpfix_seen *note = &scratch->note;
	int allowed = 1, found;

	if (line->host_port < FTPFIX_PORT_MIN && !(service->allowed & FTPFIX_ALLOW_LOW_PORT))
		return -FTPFIX_ANNOUNCEMENT_PORT_LOW;
	found = !publish_seen(scratch);
	*server = crossing->tuple.source;
	if (line->kind == FTP_227 && !address_equal(&line->addr, server)) {
		*server = line->addr;
		allowed = service->allowed & FTPFIX_ALLOW_ADDRESS ? 2 : server_allowed(server);
		if (!allowed)
			return -FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED;
	}
	if (service->forward == FTPFIX_FORWARD_NONE)
		return 0;
	if (!found)
		return -FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN;
	if (allowed < 2) {
		*server = note->tuple.source;
		if (servers_configured && server_allowed(server) < 2)
			return -FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED;
	}
	publish_toward(scratch, service);
	return 0;
}

/* The client behind a PORT or EPRT, which was judged where it came in: its note says
 * so. The server's connection reaches it from where its control connection goes.
 * Returns as publish_server(). */
static __noinline int publish_client(struct scratch *scratch)
{
	struct ftpfix_expectation *expectation = &scratch->expectation;
	struct ftpfix_seen *note = &scratch->note;

	if (publish_seen(scratch))
		return -FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN;
	expectation->target.addr = scratch->line.addr;
	scratch->publishing.source = note->tuple.destination;
	expectation->out_ifindex = note->ifindex;
	return 0;
}

static __always_inline int publish_port_usable(const struct publishing *publishing,
					       const struct ftp_announcement *line,
					       const struct ftpfix_service *service,
					       __u32 host_port)
{
	if (publishing->fixed_port)
		return host_port == line->host_port;
	return host_port >= service->port_low && host_port <= service->port_high &&
	       !is_service_port(host_port) && ftp_edit_fits(line, publishing->digits, host_port);
}

struct publish_loop {
	struct scratch *scratch;
	const struct ftpfix_service *service;
};

static long publish_candidate(__u32 index, void *context)
{
	struct publish_loop *loop = context;
	struct publishing *publishing = &loop->scratch->publishing;
	__u32 count = publishing->choice.count;
	__u32 host_port;

	if (index >= count)
		return 1;
	host_port = port_candidate(&publishing->choice, (publishing->first_try + index) % count) &
		    65535;
	if (!publish_port_usable(publishing, &loop->scratch->line, loop->service, host_port))
		return 0;
	publishing->result = expect_reserve(host_port);
	publishing->host_port = host_port;
	return publishing->result != -EEXIST;
}

/*
 * Reserves a public port that the line in the scratch can hold in publishing.digits: the
 * announced one if that may be, or else one of the range. Returns 0; -ENOSPC when none
 * fits; -EEXIST when all that fit are taken; or an error of the map.
 */
__global int publish_reserve(const struct ftpfix_service *service)
{
	struct publish_loop loop = {.scratch = scratch_memory(), .service = service};
	struct publishing *publishing;
	const struct ftp_announcement *line;

	if (!loop.scratch || !service)
		return -EINVAL;
	publishing = &loop.scratch->publishing;
	line = &loop.scratch->line;
	publishing->result = -EEXIST;
	publishing->host_port = line->host_port;
	if (loop.service->forward == FTPFIX_FORWARD_NONE)
		return ftp_edit_fits(line, publishing->digits, line->host_port) ? 0 : -ENOSPC;
	if (publish_port_usable(publishing, line, loop.service, line->host_port)) {
		publishing->result = expect_reserve(line->host_port);
		if (publishing->result != -EEXIST)
			return publishing->result;
	}
	if (publishing->fixed_port)
		return -EEXIST;
	if (port_choose(&publishing->choice, line->kind, loop.service->port_low,
			loop.service->port_high, publishing->digits))
		return -ENOSPC;
	publishing->first_try = bpf_get_prandom_u32();
	bpf_loop(PORT_TRIES_MAX, publish_candidate, &loop, 0);
	return publishing->result;
}

/* Settles the public endpoint within the least room that will do. Returns 0 or
 * a refusal's reason, negated. */
static __always_inline int publish_settle(struct scratch *scratch,
					  const struct ftpfix_service *service)
{
	struct publishing *publishing = &scratch->publishing;
	int refusal = -FTPFIX_ANNOUNCEMENT_LENGTH;

	for (__u32 room = 0; room < FTP_ROOM_COUNT; room++) {
		int adjusts = room == FTP_ROOM_ADJUST, err;

		if (service->rewrite ==
		    (adjusts ? FTPFIX_REWRITE_EQUAL_LENGTH : FTPFIX_REWRITE_ADJUST))
			continue;
		publishing->room = room;
		publishing->digits = ftp_edit_digits(&scratch->line, &publishing->addr, room);
		if (publishing->digits < 0)
			continue;
		err = publish_reserve(service);
		if (!err)
			return 0;
		if (err == -EEXIST)
			refusal = -FTPFIX_ANNOUNCEMENT_NO_FREE_PORT;
		else if (err != -ENOSPC)
			return -FTPFIX_ANNOUNCEMENT_TABLE_FULL;
	}
	return refusal;
}

/* Drops what is still expected by this session's announcement of that number. Replies and
 * commands take turns: its peer was the client, the server (who has another address behind a
 * control connection that ftpfix carries), or anybody. */
static __always_inline void publish_replace(struct scratch *scratch, __be16 be_port,
					    __u16 announcement)
{
	const struct crossing *crossing = &scratch->crossing;
	const struct ftpfix_addr *server = &crossing->key.tuple.destination;
	struct ftpfix_addr *anybody = &scratch->publishing.anybody;

	if (crossing->carried)
		server = crossing->from_client ? &crossing->beyond.destination
					       : &crossing->beyond.source;
	__builtin_memset(anybody, 0, sizeof(*anybody));
	expect_replace(&crossing->key, &crossing->key.tuple.source, be_port, announcement);
	expect_replace(&crossing->key, server, be_port, announcement);
	expect_replace(&crossing->key, anybody, be_port, announcement);
}

static __always_inline void publish_told(const struct ftpfix_addr *addr)
{
	__u32 nothing = 0;

	if (addr && !bpf_map_lookup_elem(&told, addr))
		bpf_map_update_elem(&told, addr, &nothing, BPF_NOEXIST);
}

/* Notes where a peer who comes in on the uplink is expected. */
static __always_inline void publish_note_told(const struct ftpfix_expectation *expectation)
{
	if (expectation->side != FTPFIX_SIDE_UPLINK)
		return;
	publish_told(expect_address(expectation, expectation->dialled));
	if (expectation->advertised != expectation->dialled)
		publish_told(expect_address(expectation, expectation->advertised));
}

/* Remembers what is expected, in the place of the session's oldest announcement, whose
 * expectation goes if it is still open. */
static __noinline void publish_remember(struct scratch *scratch, struct ftpfix_session *session,
					__u32 forward)
{
	__u32 slot = session->announcements & (FTPFIX_EXPECTED_MAX - 1);
	struct ftpfix_expected *expected = &session->expected[slot];

	/* Nothing is expected any more where the peer came. */
	if (expected->be_port && !expected->be_peer_port)
		publish_replace(scratch, expected->be_port,
				(__u16)(session->announcements - FTPFIX_EXPECTED_MAX));
	expected->be_port = forward == FTPFIX_FORWARD_NONE ? 0 : scratch->expectation.be_port;
	if (expected->be_port)
		publish_note_told(&scratch->expectation);
	expected->be_peer_port = 0;
	session->announcements++;
}

/* The addresses of an expectation whose session is given, the peer's end of that being
 * `dialled`. Returns 0 or a refusal's reason, negated. */
static __always_inline int publish_names(struct scratch *scratch, const struct ftpfix_addr *dialled)
{
	struct ftpfix_expectation *expectation = &scratch->expectation;
	int end = expect_name(dialled), told = expect_name(&scratch->publishing.addr);
	int source = expect_name(&scratch->publishing.source);

	if (end < 0 || told < 0 || source < 0)
		return -FTPFIX_ANNOUNCEMENT_TABLE_FULL;
	expectation->dialled = end;
	expectation->advertised = told;
	expectation->source = source;
	return 0;
}

/* The expectation of the announcement in scratch->line, but for its port and for what
 * publish_server() or publish_client() tells of its target. Returns 0 or a refusal's reason,
 * negated. */
static __noinline int publish_expect(struct scratch *scratch, __u32 announcement, __u32 allowed)
{
	const struct crossing *crossing = &scratch->crossing;
	struct publishing *publishing = &scratch->publishing;
	struct ftpfix_expectation *expectation = &scratch->expectation;
	/* The packet as it leaves. */
	int beyond = crossing->carried && crossing->from_client;
	const struct ftpfix_tuple *leaving = beyond ? &crossing->beyond : &crossing->tuple;

	publish_address(&publishing->addr, &leaving->destination, &leaving->source);
	/* A server that reaches the client directly is told nothing else. */
	if (crossing->from_client && !clients_inside)
		publishing->addr = leaving->source;
	publishing->fixed_port = address_equal(&publishing->addr, &scratch->line.addr);
	expectation->session = crossing->key;
	expectation->side = beyond ? FTPFIX_SIDE_INSIDE : crossing->key.side;
	expectation->announcement = announcement;
	expectation->deadline_ticks = ticks_now() + (__u32)(expectation_ns >> FTPFIX_TICK_SHIFT);
	if (!(allowed & FTPFIX_ALLOW_FXP))
		expectation->peer = leaving->destination;
	return publish_names(scratch, &leaving->source);
}

/* Whether the endpoint that was settled on is another than the announced one. */
static __always_inline int publish_differs(const struct scratch *scratch)
{
	const struct ftp_announcement *line = &scratch->line;
	const struct publishing *publishing = &scratch->publishing;

	return publishing->host_port != line->host_port ||
	       (line->kind != FTP_229 && !address_equal(&publishing->addr, &line->addr));
}

/* Whether the edited line can be remembered as a whole, as it must be if it is cut. */
static __always_inline int line_fits(const struct scratch *scratch)
{
	return scratch->line.length + scratch->edit.length <=
	       FTPFIX_LINE_MAX + scratch->edit.removed;
}

/* Writes what was settled on into scratch->edit. Returns 1 when that is another endpoint,
 * 0 when it is the announced one, or a refusal's reason, negated. */
static __always_inline int publish_write(struct scratch *scratch, __u32 forward)
{
	struct publishing *publishing = &scratch->publishing;

	if (!publish_differs(scratch))
		return 0;
	if (!ftp_edit(&scratch->line, &publishing->addr, publishing->host_port, publishing->room,
		      &scratch->edit) &&
	    line_fits(scratch))
		return 1;
	if (forward != FTPFIX_FORWARD_NONE)
		expect_cancel();
	return -FTPFIX_ANNOUNCEMENT_LENGTH;
}

/*
 * Reports a refusal of the announcement in scratch->line with what is known of it. A
 * 229 names no address: there it is the server's own. Returns 0.
 */
__global int publish_refuse(enum ftpfix_reason reason)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_endpoint said;

	if (!scratch)
		return 0;
	said = scratch->expectation.target;
	if (scratch->line.kind != FTP_229)
		said.addr = scratch->line.addr;
	said.be_port = bpf_htons(scratch->line.host_port);
	return report(reason, &scratch->crossing.key, &said, NULL);
}

/*
 * Follows the announcement in scratch->line, which may be followed, to the other side
 * of the node: expects the connection. Returns 1 when scratch->edit is to be made in
 * the line, 0 when it is right as it is, or -EPERM when it can not be followed, and
 * passes unchanged.
 */
__global int publish_line(struct ftpfix_session *session, const struct ftpfix_service *service)
{
	struct scratch *scratch = scratch_memory();
	int err;

	if (!scratch || !session || !service)
		return -EPERM;
	__builtin_memset(&scratch->expectation, 0, sizeof(scratch->expectation));
	__builtin_memset(&scratch->publishing.source, 0, sizeof(scratch->publishing.source));
	scratch->expectation.target.be_port = bpf_htons(scratch->line.host_port);
	err = scratch->crossing.from_client ? publish_client(scratch)
					    : publish_server(scratch, service);
	if (!err)
		err = publish_expect(scratch, session->announcements, service->allowed);
	if (!err)
		err = publish_settle(scratch, service);
	if (!err)
		err = publish_write(scratch, service->forward);
	if (err < 0) {
		publish_refuse(-err);
		return -EPERM;
	}
	publish_remember(scratch, session, service->forward);
	if (!err)
		count(FTPFIX_ANNOUNCEMENT_KEPT);
	else if (scratch->edit.removed == scratch->edit.length)
		count(FTPFIX_ANNOUNCEMENT_REWRITTEN);
	else
		count(FTPFIX_ANNOUNCEMENT_ADJUSTED);
	return err;
}

#endif /* FTPFIX_PUBLISH_H */
