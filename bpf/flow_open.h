/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For whom a SYN is: the peer of an expectation, or a client of a virtual address. Either
 * becomes a connection in the table, or is refused by a stated rule.
 */
#ifndef FTPFIX_FLOW_OPEN_H
#define FTPFIX_FLOW_OPEN_H

#include "backend.h"
#include "flow_insert.h"
#include "flow_track.h"
#include "proxy_header.h"

/* Finds what the packet's sender is expected for, or what anybody is, or what could not be read. */
static __always_inline __u64 flow_expected(const struct packet *packet, struct scratch *scratch)
{
	__u32 be_port = packet->tuple.be_destination_port;
	struct ftpfix_addr *anybody = &scratch->publishing.anybody;
	__u64 found;

	found = expectation_find(&packet->tuple.source, be_port, FTPFIX_EXPECTATION_LIVE, 0);
	if (found)
		return found;
	__builtin_memset(anybody, 0, sizeof(*anybody));
	found = expectation_find(anybody, be_port, FTPFIX_EXPECTATION_LIVE, 0);
	if (found || !is_tls_port(bpf_ntohs(be_port)))
		return found;
	return unread_find(&packet->tuple.source, &packet->tuple.destination);
}

/*
 * Takes the expectation that this SYN is for: from the one peer, on its side of the node
 * (`sides` are bits 1 << enum ftpfix_side), to the endpoint that it was told, before the
 * deadline, untagged, and once, unless it stays. Returns 0 with scratch->expectation filled, or -ENOENT.
 */
static __always_inline int flow_claim(const struct packet *packet, __u32 sides,
				      struct scratch *scratch)
{
	__u64 found = flow_expected(packet, scratch);
	const struct ftpfix_expectation *expectation = expectation_of(found);

	if (!expectation || !(sides >> expectation->side & 1))
		return -ENOENT;
	if (!expect_at(expectation, &packet->tuple.destination) ||
	    expect_over(expectation, ticks_now()))
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	scratch->expectation = *expectation;
	if (expect_stays(&scratch->expectation)) {
		scratch->expectation.target.be_port = packet->tuple.be_destination_port;
		return expectation_still(found) ? 0 : -ENOENT;
	}
	/* Of several that want it, the one who removes it has it. */
	return expectation_remove(found);
}

/* What came in here is to be opened. */
static __always_inline struct opening *opening_begin(__u32 ifindex, enum ftpfix_side side,
						     struct scratch *scratch)
{
	struct opening *opening = &scratch->opening;

	grace_begin_packet(scratch);
	__builtin_memset(opening, 0, sizeof(*opening));
	opening->key = scratch->packet.tuple;
	opening->in_ifindex = ifindex;
	opening->side = side;
	return opening;
}

/* The expected peer of the scratch has come. A function of its own, for the stack of the
 * insertion before is deep. */
static __noinline void flow_opened(struct scratch *scratch)
{
	const struct ftpfix_expectation *expectation = &scratch->expectation;
	const struct ftpfix_tuple *key = &scratch->opening.key;

	count(FTPFIX_CONNECTION_OPENED);
	if (expect_stays(expectation))
		session_joined_unread(&expectation->session, key);
	else
		session_joined(&expectation->session, expectation->announcement,
			       key->be_source_port);
}

/*
 * Makes a data connection of the SYN in the scratch, which came in on `ifindex`, if it is
 * expected on one of the sides: its expectation says all. Returns 0; -ENOENT when it is for
 * nobody; or as flow_insert(), and is expected still.
 */
static __always_inline int flow_open_expected(__u32 ifindex, __u32 sides, struct scratch *scratch)
{
	struct ftpfix_expectation *expectation = &scratch->expectation;
	const struct ftpfix_addr *source;
	struct opening *opening;
	int err;

	if (flow_claim(&scratch->packet, sides, scratch))
		return -ENOENT;
	opening = opening_begin(ifindex, expectation->side, scratch);
	opening->target = expectation->target;
	source = expect_address(expectation, expectation->source);
	if (source)
		opening->source = *source;
	opening->pooled = expectation->pooled;
	opening->addresses = 1;
	opening->out_ifindex = expectation->out_ifindex;
	/* A peer that connects again from the same port has given the old
	 * connection up. */
	flow_give_up(scratch->slot, 0);
	err = flow_insert();
	if (err) {
		/* The peer may send its SYN again; what stays is there still. */
		expectation_insert(scratch);
		return err;
	}
	flow_opened(scratch);
	return 0;
}

/* Reports the expected peer in the scratch that found no room. Returns what flow_open() does
 * then. */
static __always_inline int flow_refuse_peer(struct scratch *scratch, int err)
{
	const struct ftpfix_expectation *expectation = &scratch->expectation;

	report(err == -EEXIST ? FTPFIX_CONNECTION_NO_SOURCE_PORT : FTPFIX_CONNECTION_TABLE_FULL,
	       &expectation->session, &expectation->target, NULL);
	return -ECONNREFUSED;
}

/* Reports a client that the balancer refused. Returns what flow_open() does then. */
static __always_inline int flow_refuse_client(struct scratch *scratch, enum ftpfix_reason reason)
{
	struct ftpfix_session_key *session = &scratch->crossing.key;

	__builtin_memset(session, 0, sizeof(*session));
	session->tuple = scratch->packet.tuple;
	report(reason, session, NULL, NULL);
	return -ECONNREFUSED;
}

/* Where the FULLNAT connection to the server comes from. */
static __always_inline void opening_sources(struct opening *opening,
					    const struct ftpfix_backend *backend)
{
	__u32 family = address_mapped(&backend->endpoint.addr) ? FTPFIX_IPV4 : FTPFIX_IPV6;

	opening->pooled = 1;
	opening->addresses = source_count[family];
	if (!opening->addresses) {
		opening->addresses = 1;
		opening->source = backend->source;
	}
	opening->first_address = hash_address(&opening->key.source);
}

/* A control connection to a virtual address: a server is chosen for it. Returns as
 * flow_open(). */
static __always_inline int flow_open_virtual(struct __sk_buff *skb, struct scratch *scratch)
{
	const struct packet *packet = &scratch->packet;
	struct ftpfix_endpoint dialled = {
		.addr = packet->tuple.destination,
		.be_port = packet->tuple.be_destination_port,
	};
	struct ftpfix_backend *backend, *server;
	struct ftpfix_virtual *found;
	struct opening *opening;
	int err;

	/* The port of a virtual address is a service's: most SYNs need not be looked up. */
	if (!is_service_port(bpf_ntohs(dialled.be_port)))
		return -ENOENT;
	found = bpf_map_lookup_elem(&virtuals, &dialled);
	if (!found)
		return -ENOENT;
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return -ENOENT;
	}
	opening = opening_begin(skb->ifindex, FTPFIX_SIDE_UPLINK, scratch);
	opening->virtual = *found;
	opening->place = FTPFIX_PLACE_CONTROL;
	opening->marks = proxy_wanted() ? FTPFIX_MARK_SLOW : 0;
	backend = backend_choose(&opening->virtual, &packet->tuple.source);
	if (!backend)
		return flow_refuse_client(scratch, FTPFIX_BALANCED_NO_SERVER);
	server = &opening->backend;
	if (backend_copy(backend, server))
		return -EALREADY;
	opening->target = server->endpoint;
	opening->out_ifindex = server->out_ifindex;
	if (opening->virtual.forward == FTPFIX_FORWARD_FULLNAT)
		opening_sources(opening, server);
	/* What is there is of an earlier connection, whose end was seen, or which never opened. */
	flow_give_up(scratch->slot, 0);
	err = flow_insert();
	if (err == -EALREADY)
		return err;
	if (err)
		return flow_refuse_client(scratch, err == -EEXIST ? FTPFIX_BALANCED_NO_SOURCE_PORT
								  : FTPFIX_BALANCED_TABLE_FULL);
	count(FTPFIX_BALANCED_OPENED);
	return 0;
}

/* Whether the packet's sender is expected on the servers' side, whose program it comes by next where
 * that is the same device. */
static __always_inline int flow_expected_inside(const struct packet *packet,
						struct scratch *scratch)
{
	const struct ftpfix_expectation *expectation =
		expectation_of(flow_expected(packet, scratch));

	return expectation && expectation->side == FTPFIX_SIDE_INSIDE &&
	       expect_at(expectation, &packet->tuple.destination) &&
	       !expect_over(expectation, ticks_now());
}

/* Counts a SYN that came where data connections do, and was expected by nobody: a scan's, or
 * that of a client who has another address now. */
static __always_inline void flow_unexpected(const struct packet *packet, struct scratch *scratch)
{
	__u32 host_port = bpf_ntohs(packet->tuple.be_destination_port), ports = data_ports;

	if (host_port >= ports >> 16 && host_port <= (ports & 0xffff) &&
	    !is_service_port(host_port) && bpf_map_lookup_elem(&told, &packet->tuple.destination) &&
	    !flow_expected_inside(packet, scratch))
		count(FTPFIX_CONNECTION_UNEXPECTED);
}

/*
 * Makes a connection of the SYN in the scratch if it is for one: `settled` says that one of
 * its tuple is established, which only a peer that was told to dial again ends so. (To
 * others its server answers, RFC 5961 section 4.) Returns 0; -ENOENT when the SYN is for
 * nobody of ours; -ECONNREFUSED when it is to be refused; or -EALREADY when it is to be
 * dropped, for another CPU opens the same, or its server is being written: it comes again.
 */
__global int flow_open(struct __sk_buff *skb, int side, int settled)
{
	struct scratch *scratch = scratch_memory();
	int err;

	if (!scratch)
		return -ENOENT;
	err = flow_open_expected(skb->ifindex, 1 << (side & 1), scratch);
	if (err == -EALREADY)
		return err;
	if (err && err != -ENOENT)
		return flow_refuse_peer(scratch, err);
	if (err && !settled && side == FTPFIX_SIDE_UPLINK)
		err = flow_open_virtual(skb, scratch);
	if (err == -ENOENT && side == FTPFIX_SIDE_UPLINK && !scratch->slot)
		flow_unexpected(&scratch->packet, scratch);
	return err;
}

#endif /* FTPFIX_FLOW_OPEN_H */
