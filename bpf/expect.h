/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Expectations: reserving the public port that a peer will connect to, and keeping
 * the number of open ones of a session bounded. What the announcement looks
 * like, and what the connection becomes, is not known here.
 */
#ifndef FTPFIX_EXPECT_H
#define FTPFIX_EXPECT_H

#include "counter.h"
#include "expect_table.h"
#include "own.h"

static __always_inline int port_in(const volatile __u64 bits[65536 / 64], __u32 host_port)
{
	/* The compiler may know the bound; the verifier must be shown it. */
	barrier_var(host_port);
	host_port &= 65535;
	return bits[host_port >> 6] >> (host_port & 63) & 1;
}

static __always_inline int is_service_port(__u32 host_port)
{
	return port_in(service_ports, host_port);
}

/* Whether servers announce the port within TLS. */
static __always_inline int is_tls_port(__u32 host_port)
{
	return host_port >= tls_ports >> 16 && host_port <= (tls_ports & 0xffff) && host_port &&
	       !is_service_port(host_port);
}

static __always_inline int session_key_equal(const struct ftpfix_session_key *one,
					     const struct ftpfix_session_key *other)
{
	return one->side == other->side && tuple_equal(&one->tuple, &other->tuple);
}

/* Whether both say the same session's same target. */
static __always_inline int expect_same(const struct ftpfix_expectation *one,
				       const struct ftpfix_expectation *other)
{
	return one->target.be_port == other->target.be_port &&
	       address_equal(&one->target.addr, &other->target.addr) &&
	       session_key_equal(&one->session, &other->session);
}

/* Whether it is of what could not be read (unread.h), and stays when somebody comes for it. */
static __always_inline int expect_stays(const struct ftpfix_expectation *expectation)
{
	return !!(expectation->state & FTPFIX_EXPECTATION_UNREAD);
}

/* For the port, which is not known, stands the virtual address: a peer may be expected at several. */
static __always_inline __be16 unread_port(const struct ftpfix_addr *virtual)
{
	__u32 folded = virtual->be_word[0] ^ virtual->be_word[1] ^ virtual->be_word[2] ^
		       virtual->be_word[3];

	return folded ^ folded >> 16;
}

/* Finds what the peer is expected for at any port of that virtual address. */
static __always_inline __u64 unread_find(const struct ftpfix_addr *peer,
					 const struct ftpfix_addr *virtual)
{
	return expectation_find(peer, unread_port(virtual),
				FTPFIX_EXPECTATION_LIVE | FTPFIX_EXPECTATION_UNREAD, 0);
}

/* Whether nobody may come for it any more. */
static __always_inline int expect_over(const struct ftpfix_expectation *expectation,
				       __u32 now_ticks)
{
	return (__s32)(now_ticks - expectation->deadline_ticks) > 0;
}

/* The address that the expectation names so, or NULL for none. */
static __always_inline const struct ftpfix_addr *
expect_address(const struct ftpfix_expectation *expectation, __u32 named)
{
	const struct ftpfix_tuple *session = &expectation->session.tuple;

	if (named == FTPFIX_NAMED_SOURCE)
		return &session->source;
	return named == FTPFIX_NAMED_DESTINATION ? &session->destination : own_address(named);
}

/* Whether the peer was told that address, or has dialled it before. */
static __always_inline int expect_at(const struct ftpfix_expectation *expectation,
				     const struct ftpfix_addr *addr)
{
	const struct ftpfix_addr *known = expect_address(expectation, expectation->dialled);

	if (known && address_equal(addr, known))
		return 1;
	known = expect_address(expectation, expectation->advertised);
	return known && address_equal(addr, known);
}

/* How scratch->expectation, whose session is given, may name the address. Returns -ENOSPC when
 * it needs a number and all are given. */
__global int expect_name(const struct ftpfix_addr *addr)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_tuple *session;
	__u32 number;

	if (!scratch || !addr)
		return -EINVAL;
	session = &scratch->expectation.session.tuple;
	if (!address_given(addr))
		return FTPFIX_NAMED_NONE;
	if (address_equal(addr, &session->source))
		return FTPFIX_NAMED_SOURCE;
	if (address_equal(addr, &session->destination))
		return FTPFIX_NAMED_DESTINATION;
	number = own_number(addr);
	return number ? (int)number : -ENOSPC;
}

/* Drops an expectation that was found and nobody came for, and says so if anybody was told to. */
static __always_inline void expect_drop(__u64 found)
{
	const struct ftpfix_expectation *expectation = expectation_of(found);
	struct ftpfix_endpoint target, published = {};
	const struct ftpfix_addr *advertised;
	struct ftpfix_session_key session;
	int told;

	if (!expectation)
		return;
	/* What the slot says is another's once it is given back. */
	target = expectation->target;
	session = expectation->session;
	advertised = expect_address(expectation, expectation->advertised);
	if (advertised)
		published.addr = *advertised;
	published.be_port = expectation->be_port;
	told = !expect_stays(expectation);
	if (!expectation_remove(found) && told)
		report(FTPFIX_CONNECTION_NOBODY_CAME, &session, &target, &published);
}

/*
 * Reserves a public port for the peer in scratch->expectation, which says the rest. The
 * insertion decides between two CPUs that want the same port. Returns 0; -EEXIST when the
 * port is taken for this peer; or -E2BIG when there is no room.
 */
__global int expect_reserve(__u32 host_port)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_expectation *expectation, *taken;
	int renewed = 0, err;
	__u64 found;

	if (!scratch)
		return -EINVAL;
	expectation = &scratch->expectation;
	expectation->be_port = bpf_htons(host_port);
	found = expectation_find(&expectation->peer, expectation->be_port, FTPFIX_EXPECTATION_LIVE,
				 0);
	taken = expectation_of(found);
	if (taken) {
		/* Who announces an open port once more means the same. */
		renewed = expect_same(taken, expectation);
		if (!renewed && !expect_over(taken, ticks_now()))
			return -EEXIST;
		if (expectation_remove(found))
			renewed = 0;
		else if (!renewed)
			count(FTPFIX_CONNECTION_NOBODY_CAME);
	}
	err = expectation_insert(scratch);
	if (!err && !renewed)
		count(FTPFIX_CONNECTION_EXPECTED);
	else if (err && renewed)
		count(FTPFIX_CONNECTION_REPLACED);
	return err;
}

/* Takes back what expect_reserve() has reserved with what is in scratch->expectation. */
__global int expect_cancel(void)
{
	struct scratch *scratch = scratch_memory();
	__u64 found;

	if (!scratch)
		return 0;
	found = expectation_find(&scratch->expectation.peer, scratch->expectation.be_port,
				 FTPFIX_EXPECTATION_LIVE, 0);
	expectation_remove(found);
	return 0;
}

/* Drops what the session that ends still expects of the peer at that port. */
__global int expect_end(const struct ftpfix_session_key *session, const struct ftpfix_addr *peer,
			__u32 be_port)
{
	struct ftpfix_expectation *old;
	__u64 found;

	if (!session || !peer)
		return 0;
	found = expectation_find(peer, be_port, FTPFIX_EXPECTATION_LIVE, 0);
	old = expectation_of(found);
	if (old && session_key_equal(&old->session, session))
		expect_drop(found);
	return 0;
}

/* Drops what this session's announcement of that number still expects of the peer. */
__global int expect_replace(const struct ftpfix_session_key *session,
			    const struct ftpfix_addr *peer, __u32 be_port, __u32 announcement)
{
	struct ftpfix_expectation *old;
	__u64 found;

	if (!session || !peer)
		return 0;
	found = expectation_find(peer, be_port, FTPFIX_EXPECTATION_LIVE, 0);
	old = expectation_of(found);
	if (old && old->announcement == announcement && session_key_equal(&old->session, session) &&
	    !expectation_remove(found))
		count(FTPFIX_CONNECTION_REPLACED);
	return 0;
}

#endif /* FTPFIX_EXPECT_H */
