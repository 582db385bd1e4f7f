/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of a new connection, and the source port that makes them the only ones of
 * their kind. For whom the connection is was settled before.
 */
#ifndef FTPFIX_FLOW_INSERT_H
#define FTPFIX_FLOW_INSERT_H

#include "expect.h"
#include "flow_table.h"
#include "hop.h"

/* Other ports that are tried where the client's own is taken, and there is no pool. */
#define SOURCE_OTHERS_MAX 32

/* Ports that are tried before the pool counts as exhausted: a pool that is not larger is
 * searched as a whole. */
#define SOURCE_TRIES_MAX 4096

/* Ports that are tried before connections that open or close have to give theirs up: where
 * any are free, one of so many nearly always is, and a flood must not make every SYN search
 * the whole pool. */
#define SOURCE_FREE_TRIES_MAX 128

/* Between the candidates of a larger pool: a prime above the size of any, so that no tries meet
 * before all candidates were tried. */
#define SOURCE_STRIDE 16777259

/* Fills in an entry of the scratch. */
static __always_inline struct ftpfix_flow *flow_entry(struct scratch *scratch, __u32 hook,
						      __u32 place, __u32 out_ifindex)
{
	struct ftpfix_flow *flow = &scratch->flow;

	__builtin_memset(flow, 0, sizeof(*flow));
	flow->out_ifindex = out_ifindex;
	flow->seen_ticks = ticks_now();
	flow->hop_checked = hop_unasked(flow->seen_ticks);
	flow->place = hook | place;
	return flow;
}

/* Removes a pair from map unsettled. */
static __always_inline void flow_forget(const struct ftpfix_tuple *key,
					const struct ftpfix_tuple *to)
{
	struct ftpfix_tuple other;

	tuple_turn(&other, to);
	bpf_map_delete_elem(&unsettled, &other);
	bpf_map_delete_elem(&unsettled, key);
}

/* Whether the way back in scratch->back is kept by a connection that opens or closes. One
 * whose other half was pushed out of the table keeps nothing; and when no port is left, any
 * gives way: under a flood nearly all of them are of SYNs that nobody meant. */
static __always_inline int flow_held(struct scratch *scratch)
{
	struct ftpfix_flow *flow = bpf_map_lookup_elem(&unsettled, &scratch->back);

	if (!flow)
		return 0;
	if (!scratch->opening.reusing && flow_peer(flow))
		return 1;
	flow_forget(&scratch->back, &flow->to);
	return 0;
}

/*
 * Inserts `from` at hook `in`, which becomes `to`, and the way back, which comes in at hook
 * `back`. The key of the way back is what makes the source port ours, so that it may not
 * exist, not among the established ones either; the other key was looked for before.
 * Returns 0, -EEXIST, or another error of the map.
 */
static __noinline int flow_insert_pair(struct scratch *scratch, const struct ftpfix_tuple *from,
				       const struct ftpfix_tuple *to, __u32 hooks)
{
	const struct opening *opening = &scratch->opening;
	__u32 in = hooks & FTPFIX_PLACE_HOOK, back = hooks >> 4 & FTPFIX_PLACE_HOOK;
	__u32 place = opening->place | (hooks >> 8);
	struct ftpfix_flow *flow;
	int err;

	tuple_turn(&scratch->back, to);
	if (bpf_map_lookup_elem(&flows, &scratch->back) || flow_held(scratch))
		return -EEXIST;
	flow = flow_entry(scratch, back, place, opening->in_ifindex);
	tuple_turn(&flow->to, from);
	err = bpf_map_update_elem(&unsettled, &scratch->back, flow, BPF_NOEXIST);
	if (err)
		return err;
	flow = flow_entry(scratch, in, place | FTPFIX_PLACE_OPENER, opening->out_ifindex);
	flow->to = *to;
	err = bpf_map_update_elem(&unsettled, from, flow, BPF_ANY);
	if (err)
		bpf_map_delete_elem(&unsettled, &scratch->back);
	return err;
}

/*
 * Inserts the way back of the packet in the scratch once more, whose own flow at this hook, a
 * way in, is `half` of a pair. Returns 0; -EEXIST when the way back is another's by now; or
 * another error of the map.
 */
static __noinline int flow_restore(struct __sk_buff *skb, struct scratch *scratch,
				   const struct ftpfix_flow *half, __u32 hook)
{
	__u32 place = half->place & ~(FTPFIX_PLACE_HOOK | FTPFIX_PLACE_OPENER);
	struct ftpfix_flow *flow;

	tuple_turn(&scratch->back, &half->to);
	if (bpf_map_lookup_elem(&flows, &scratch->back))
		return -EEXIST;
	flow = flow_entry(scratch, path_stack ? hook + 1 : 2 - hook, place, skb->ifindex);
	tuple_turn(&flow->to, &scratch->packet.tuple);
	return bpf_map_update_elem(&unsettled, &scratch->back, flow, BPF_NOEXIST);
}

#define FLOW_HOOKS(in, back, place) ((in) | (back) << 4 | (place) << 8)

/*
 * Inserts the connection with the source of opening->to. Past the stack it is translated
 * once, on the way in; through the stack the target comes in and the source goes out,
 * so that netfilter sees the peer and the target. Returns as flow_insert_pair().
 */
static __always_inline int flow_insert_as(struct scratch *scratch)
{
	struct opening *opening = &scratch->opening;
	__u32 in = 2 * (opening->side & 1), out = in + 1;
	__u32 other_in = 2 - in, other_out = other_in + 1;
	int err;

	if (!path_stack)
		return flow_insert_pair(scratch, &opening->key, &opening->to,
					FLOW_HOOKS(in, other_in, 0));
	opening->middle = opening->to;
	opening->middle.source = opening->key.source;
	err = flow_insert_pair(scratch, &opening->key, &opening->middle, FLOW_HOOKS(in, out, 0));
	if (err || address_equal(&opening->middle.source, &opening->to.source))
		return err;
	err = flow_insert_pair(scratch, &opening->middle, &opening->to,
			       FLOW_HOOKS(other_out, other_in, FTPFIX_PLACE_INNER));
	if (err)
		flow_forget(&opening->key, &opening->middle);
	return err;
}

/* The pool's address of this number. */
static __always_inline void source_address(struct opening *opening, __u32 number)
{
	__u32 family = address_mapped(&opening->target.addr) ? FTPFIX_IPV4 : FTPFIX_IPV6;
	__u32 index = family * FTPFIX_SOURCES_MAX + number;
	struct ftpfix_source *source = bpf_map_lookup_elem(&sources, &index);

	if (source)
		opening->to.source = source->addr;
}

/* Candidate `try` of the pool into opening->to: a port of the range, and an address where
 * it is not given. Where the addresses are several, they take turns. */
static __always_inline void source_candidate(struct opening *opening, __u32 try)
{
	__u32 ports = source_port_high - source_port_low + 1;
	__u32 total;
	__u64 at;

	if (!opening->addresses || !ports)
		return;
	total = opening->addresses * ports;
	at = (__u64)try * (total > SOURCE_TRIES_MAX ? SOURCE_STRIDE : 1);
	at = (at + opening->first_try) % total;
	opening->to.be_source_port = bpf_htons(source_port_low + at / opening->addresses);
	if (!address_given(&opening->source))
		source_address(opening, (opening->first_address + at) % opening->addresses);
}

struct insert_loop {
	struct scratch *scratch;
};

/* The first try is with the peer's own port. */
static long source_try(__u32 try, void *context)
{
	struct scratch *scratch = ((struct insert_loop *)context)->scratch;
	struct opening *opening = &scratch->opening;
	__u32 port;

	if (try && opening->pooled)
		source_candidate(opening, try - 1);
	else if (try)
		opening->to.be_source_port = bpf_htons(
			FTPFIX_PORT_MIN + bpf_get_prandom_u32() % (65536 - FTPFIX_PORT_MIN));
	port = bpf_ntohs(opening->to.be_source_port);
	if (opening->pooled && (port < source_port_low || port > source_port_high))
		return 0;
	/* What comes back to a control port would be taken for commands. */
	if (is_service_port(port))
		return 0;
	opening->result = flow_insert_as(scratch);
	return opening->result != -EEXIST;
}

/*
 * Inserts the connection of scratch->opening, keeping the peer's port if it can. Returns 0;
 * -EEXIST when no source port was free; or another error of the map.
 */
__global int flow_insert(void)
{
	struct insert_loop loop = {.scratch = scratch_memory()};
	struct opening *opening;
	__u32 tries = SOURCE_TRIES_MAX, ports;

	if (!loop.scratch)
		return -EINVAL;
	opening = &loop.scratch->opening;
	opening->to.source = opening->key.source;
	opening->to.be_source_port = opening->key.be_source_port;
	opening->to.destination = opening->target.addr;
	opening->to.be_destination_port = opening->target.be_port;
	if (address_given(&opening->source))
		opening->to.source = opening->source;
	else if (opening->pooled && opening->addresses)
		source_address(opening, opening->first_address % opening->addresses);
	ports = source_port_high - source_port_low + 1;
	if (!opening->pooled)
		tries = SOURCE_OTHERS_MAX;
	else if (opening->addresses * ports < tries)
		tries = opening->addresses * ports;
	opening->first_try = bpf_get_prandom_u32();
	opening->result = -EEXIST;
	bpf_loop((tries < SOURCE_FREE_TRIES_MAX ? tries : SOURCE_FREE_TRIES_MAX) + 1, source_try,
		 &loop, 0);
	if (opening->result != -EEXIST)
		return opening->result;
	opening->reusing = 1;
	bpf_loop(tries + 1, source_try, &loop, 0);
	return opening->result;
}

#endif /* FTPFIX_FLOW_INSERT_H */
