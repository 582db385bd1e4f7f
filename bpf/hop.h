/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next hop of a flow: asked of the kernel's routing and neighbour tables, and then kept
 * until these change, as far as the daemon tells, or for so short a time that a change is
 * followed at once. Hops are few and flows many: a flow keeps the number of its hop. It is
 * the same for TC and XDP.
 */
#ifndef FTPFIX_HOP_H
#define FTPFIX_HOP_H

#include "flow_table.h"

/* How long a hop is used, in units of 2^HOP_SHIFT ticks: about a tenth of a second, many
 * packets of a flow that is worth the trouble, and less than any router needs to learn. While
 * changes are noted, some seconds: an MTU that the kernel learns is no change that it tells. */
#define HOP_SHIFT 4
#define HOP_UNITS 6
#define HOP_UNITS_WATCHED 200

/* How long a hop is used past the kernel until it is shown that it is in use. Only then does the
 * kernel ask a neighbour whether it is still there (RFC 4861 section 7.3.3), and learn that
 * another interface has its address now, which was not announced. */
#define HOP_UNITS_SHOWN 200

/* Ticks that come round after 52 days are of the present only within these bounds. */
#define HOP_WATCHED_TICKS (2 * FTPFIX_WATCHED_NS >> FTPFIX_TICK_SHIFT)
#define HOP_CHANGED_TICKS (2 << (8 + HOP_SHIFT))

/* Places of map hops in which a hop may be. */
#define HOP_WAYS 4

/* Of interface, addresses, VLAN and MTU. */
#define HOP_WORDS 5

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif

/* How long a hop is used. What makes an unknown one known is not always told. */
static __always_inline __u32 hop_units(const struct ftpfix_hop *hop, __u32 now_ticks)
{
	if (hop->mtu && routes_watched_ticks - now_ticks - 1 < HOP_WATCHED_TICKS)
		return HOP_UNITS_WATCHED;
	return HOP_UNITS;
}

/* Whether it is time to ask again, as it is when the hop was asked for in the unit of the last
 * change or before. A flow that was silent since it seems to have asked does so in any case:
 * the short count of hop_checked has gone round. */
static __always_inline int hop_stale(const struct ftpfix_flow *flow, const struct ftpfix_hop *hop,
				     __u32 now_ticks)
{
	__u8 age = (now_ticks >> HOP_SHIFT) - flow->hop_checked;
	__u32 asked_ticks = ((now_ticks >> HOP_SHIFT) - age) << HOP_SHIFT;

	return age >= hop_units(hop, now_ticks) ||
	       now_ticks - flow->seen_ticks > now_ticks - asked_ticks ||
	       routes_changed_ticks - asked_ticks < HOP_CHANGED_TICKS;
}

/* What makes a new flow, whose hop is not known, ask at its first packet. */
static __always_inline __u8 hop_unasked(__u32 now_ticks)
{
	return (now_ticks >> HOP_SHIFT) - HOP_UNITS;
}

/* All but the version, and when it was written. */
static __always_inline int hop_same(const struct ftpfix_hop *one, const struct ftpfix_hop *other)
{
	const __u32 *words = &one->out_ifindex, *others = &other->out_ifindex;
	__u32 difference = one->fast ^ other->fast;

	for (__u32 i = 0; i < HOP_WORDS; i++)
		difference |= words[i] ^ others[i];
	return !difference;
}

/* Reads a place that may be written at the same time. Returns its version, which is odd when
 * what was read is not whole. */
static __always_inline __u32 hop_read(const struct ftpfix_hop *place, struct ftpfix_hop *hop)
{
	__u32 version = *(volatile const __u32 *)&place->version;

	__builtin_memcpy(hop, place, sizeof(*hop));
	barrier();
	return version == *(volatile const __u32 *)&place->version ? version : version | 1;
}

/* The flow's hop into `hop`. Returns 0, or -ENOENT when another has taken its place. */
static __always_inline int hop_get(const struct ftpfix_flow *flow, struct ftpfix_hop *hop)
{
	__u32 index = flow->hop, version;
	const struct ftpfix_hop *place = bpf_map_lookup_elem(&hops, &index);

	if (!place)
		return -ENOENT;
	version = hop_read(place, hop);
	if (!version || version & 1)
		return -ENOENT;
	return (__u8)(version >> 1) == flow->hop_version ? 0 : -ENOENT;
}

static __always_inline __u32 hop_set(const struct ftpfix_hop *hop)
{
	const __u8 *mac = hop->destination;
	__u32 hash = hop->out_ifindex * 31 + mac[5] + (mac[4] << 8) + (mac[3] << 16) + hop->mtu;

	return hash * 0x9e3779b1 >> 16 & (FTPFIX_HOPS_MAX / HOP_WAYS - 1);
}

/* Writes the hop in its place, unless another CPU does so. Returns the version, or 1. */
static __always_inline __u32 hop_write(struct ftpfix_hop *place, const struct ftpfix_hop *hop,
				       __u16 unit)
{
	__u32 version = *(volatile __u32 *)&place->version & ~1u, before;

	if (__sync_val_compare_and_swap(&place->version, version, version + 1) != version)
		return 1;
	place->out_ifindex = hop->out_ifindex;
	__builtin_memcpy(place->destination, hop->destination, sizeof(place->destination));
	__builtin_memcpy(place->source, hop->source, sizeof(place->source));
	place->be_vlan = hop->be_vlan;
	place->mtu = hop->mtu;
	place->fast = hop->fast;
	place->written = place->shown = unit;
	before = __sync_fetch_and_add(&place->version, 1);
	barrier_var(before);
	return version + 2;
}

/* Gives the flow the place of this hop among those from `first` on, or else the one that is free
 * or was written longest ago. Returns as hop_keep(). */
static __always_inline int hop_place(struct ftpfix_flow *flow, const struct ftpfix_hop *hop,
				     __u32 first, __u16 unit)
{
	__u32 take = 0, most = 0, version;
	struct ftpfix_hop *place, there;

	for (int way = 0; way < HOP_WAYS; way++) {
		__u32 index = first + way, age;

		place = bpf_map_lookup_elem(&hops, &index);
		if (!place)
			return -EBUSY;
		version = hop_read(place, &there);
		if (version & 1)
			continue;
		if (version && hop_same(&there, hop)) {
			flow->hop = index;
			flow->hop_version = version >> 1;
			return 0;
		}
		age = version ? (__u16)(unit - there.written) : 1 << 16;
		if ((!version || there.mtu) && age > most) {
			most = age;
			take = index;
		}
	}
	place = bpf_map_lookup_elem(&hops, &take);
	version = place && most ? hop_write(place, hop, unit) : 1;
	if (version & 1)
		return -EBUSY;
	flow->hop = take;
	flow->hop_version = version >> 1;
	return 0;
}

/* Gives the flow this hop, whose version does not matter. Returns 0, or -EBUSY when there is no
 * place for it at the moment. */
__global int hop_keep(struct ftpfix_flow *flow, const struct ftpfix_hop *hop)
{
	__u16 unit = ticks_now() >> HOP_SHIFT;
	__u32 first;

	if (!flow || !hop)
		return -EBUSY;
	first = hop_set(hop) * HOP_WAYS;
	/* Another CPU may have written the same meanwhile. */
	return hop_place(flow, hop, first, unit) ? hop_place(flow, hop, first, unit) : 0;
}

static __always_inline void hop_question(struct bpf_fib_lookup *question,
					 const struct ftpfix_tuple *to, __u32 ifindex)
{
	__builtin_memset(question, 0, sizeof(*question));
	question->ifindex = ifindex;
	question->l4_protocol = IPPROTO_TCP;
	/* With a size that suits every route the kernel tells the route's MTU, if it is locked
	 * or was learned; without one it judges the packet itself by the device's. */
	question->tot_len = sizeof(struct iphdr);
	question->sport = to->be_source_port;
	question->dport = to->be_destination_port;
	if (address_mapped(&to->destination)) {
		question->family = AF_INET;
		question->ipv4_src = address_to_v4(&to->source);
		question->ipv4_dst = address_to_v4(&to->destination);
	} else {
		question->family = AF_INET6;
		__builtin_memcpy(question->ipv6_src, &to->source, sizeof(question->ipv6_src));
		__builtin_memcpy(question->ipv6_dst, &to->destination, sizeof(question->ipv6_dst));
	}
}

/*
 * Asks for the next hop of a flow whose packets become `to`, for one that came in on
 * `ifindex`, keeps it, and leaves it in `hop`. Where the neighbour is not resolved, an MTU of
 * zero leaves the packet to TC, which has it resolved, on the interface of the route; where the
 * kernel does not forward, the interface stays what it was. The context is that of either
 * kind of program. Returns what hop_keep() does.
 */
static __noinline int hop_ask(void *context, struct ftpfix_flow *flow,
			      const struct ftpfix_tuple *to, __u32 ifindex, struct ftpfix_hop *hop)
{
	struct bpf_fib_lookup question;
	const struct ftpfix_link *link;
	__u32 out_ifindex;
	long result;

	if (hop_get(flow, hop))
		hop->out_ifindex = 0;
	out_ifindex = hop->out_ifindex;
	__builtin_memset(hop, 0, sizeof(*hop));
	hop_question(&question, to, ifindex);
	result = bpf_fib_lookup(context, &question, sizeof(question), 0);
	if (result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH)
		out_ifindex = question.ifindex;
	hop->out_ifindex = out_ifindex;
	link = result == BPF_FIB_LKUP_RET_SUCCESS ? bpf_map_lookup_elem(&links, &out_ifindex)
						  : NULL;
	if (link) {
		__builtin_memcpy(hop->destination, question.dmac, sizeof(hop->destination));
		__builtin_memcpy(hop->source, question.smac, sizeof(hop->source));
		hop->be_vlan = link->be_vlan;
		/* The one that a route gives, or its device's. */
		hop->mtu = question.mtu_result;
		hop->fast = link->fast;
	}
	return hop_keep(flow, hop);
}

/* The hop of a flow whose packets become `to`, for one that came in on `ifindex`, into `hop`.
 * Returns 1 when the kernel was asked for it, otherwise 0. */
static __always_inline int hop_find(void *context, struct ftpfix_flow *flow,
				    const struct ftpfix_tuple *to, __u32 ifindex, __u32 now_ticks,
				    struct ftpfix_hop *hop)
{
	if (!hop_get(flow, hop) && !hop_stale(flow, hop, now_ticks))
		return 0;
	/* Where it is not kept the next packet asks: the one that the flow has may be wrong. */
	if (!hop_ask(context, flow, to, ifindex, hop))
		flow->hop_checked = now_ticks >> HOP_SHIFT;
	return 1;
}

/* Whether the kernel has not seen for too long that the hop is in use. */
static __always_inline int hop_unshown(const struct ftpfix_hop *hop, __u32 now_ticks)
{
	return (__u16)((now_ticks >> HOP_SHIFT) - hop->shown) >= HOP_UNITS_SHOWN;
}

/* The same of the hop that the flow was given a moment ago. */
static __always_inline int hop_kept_unshown(const struct ftpfix_flow *flow, __u32 now_ticks)
{
	struct ftpfix_hop kept;

	return !hop_get(flow, &kept) && hop_unshown(&kept, now_ticks);
}

/* Notes that the kernel sends a packet of the flow to its hop itself. */
static __always_inline void hop_show(const struct ftpfix_flow *flow, __u32 now_ticks)
{
	__u32 index = flow->hop;
	struct ftpfix_hop *place = bpf_map_lookup_elem(&hops, &index);

	if (place && (__u8)(place->version >> 1) == flow->hop_version)
		place->shown = now_ticks >> HOP_SHIFT;
}

#endif /* FTPFIX_HOP_H */
