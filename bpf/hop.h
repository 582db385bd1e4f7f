/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next hop of a flow: asked of the kernel's routing and neighbour tables, and then kept
 * in the flow until these change, as far as the daemon tells, or for so short a time that a
 * change is followed at once. It is the same for TC and XDP, whose packets only it does not
 * look at.
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

/* Ticks that come round after 52 days are of the present only within these bounds. */
#define HOP_WATCHED_TICKS (2 * FTPFIX_WATCHED_NS >> FTPFIX_TICK_SHIFT)
#define HOP_CHANGED_TICKS (2 << (8 + HOP_SHIFT))

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif

/* How long the flow's hop is used. What makes an unknown one known is not always told. */
static __always_inline __u32 hop_units(const struct ftpfix_flow *flow, __u32 now_ticks)
{
	if (flow->hop_mtu && routes_watched_ticks - now_ticks - 1 < HOP_WATCHED_TICKS)
		return HOP_UNITS_WATCHED;
	return HOP_UNITS;
}

/* Whether it is time to ask again, as it is when the hop was asked for in the unit of the last
 * change or before. A flow that was silent since it seems to have asked does so in any case:
 * the short count of hop_checked has gone round. */
static __always_inline int hop_stale(const struct ftpfix_flow *flow, __u32 now_ticks)
{
	__u8 age = (now_ticks >> HOP_SHIFT) - flow->hop_checked;
	__u32 asked_ticks = ((now_ticks >> HOP_SHIFT) - age) << HOP_SHIFT;

	return age >= hop_units(flow, now_ticks) ||
	       now_ticks - flow->seen_ticks > now_ticks - asked_ticks ||
	       routes_changed_ticks - asked_ticks < HOP_CHANGED_TICKS;
}

/* What makes a new flow, whose hop is not known, ask at its first packet. */
static __always_inline __u8 hop_unasked(__u32 now_ticks)
{
	return (now_ticks >> HOP_SHIFT) - HOP_UNITS;
}

static __always_inline void hop_question(struct bpf_fib_lookup *question,
					 const struct ftpfix_flow *flow, __u32 ifindex)
{
	__builtin_memset(question, 0, sizeof(*question));
	question->ifindex = ifindex;
	question->l4_protocol = IPPROTO_TCP;
	/* With a size that suits every route the kernel tells the route's MTU, if it is locked
	 * or was learned; without one it judges the packet itself by the device's. */
	question->tot_len = sizeof(struct iphdr);
	question->sport = flow->to.be_source_port;
	question->dport = flow->to.be_destination_port;
	if (address_mapped(&flow->to.destination)) {
		question->family = AF_INET;
		question->ipv4_src = address_to_v4(&flow->to.source);
		question->ipv4_dst = address_to_v4(&flow->to.destination);
	} else {
		question->family = AF_INET6;
		__builtin_memcpy(question->ipv6_src, &flow->to.source, sizeof(question->ipv6_src));
		__builtin_memcpy(question->ipv6_dst, &flow->to.destination,
				 sizeof(question->ipv6_dst));
	}
}

/*
 * Asks for the flow's next hop, for a packet that came in on `ifindex`. Where the neighbour
 * is not resolved, hop_mtu zero leaves the packet to TC, which has it resolved, on the
 * interface of the route; where the kernel does not forward, the interface stays what it was.
 * The context is that of either kind of program.
 */
static __always_inline void hop_refresh(void *context, struct ftpfix_flow *flow, __u32 ifindex,
					__u32 now_ticks)
{
	struct bpf_fib_lookup question;
	const struct ftpfix_link *link;
	__u32 out_ifindex;
	long result;

	flow->hop_checked = now_ticks >> HOP_SHIFT;
	flow->hop_mtu = 0;
	hop_question(&question, flow, ifindex);
	result = bpf_fib_lookup(context, &question, sizeof(question), 0);
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return;
	out_ifindex = question.ifindex;
	flow->out_ifindex = out_ifindex;
	if (result != BPF_FIB_LKUP_RET_SUCCESS)
		return;
	link = bpf_map_lookup_elem(&links, &out_ifindex);
	if (!link)
		return;
	__builtin_memcpy(flow->hop_destination, question.dmac, sizeof(flow->hop_destination));
	__builtin_memcpy(flow->hop_source, question.smac, sizeof(flow->hop_source));
	flow->be_hop_vlan = link->be_vlan;
	/* The one that a route gives, or its device's. */
	flow->hop_mtu = question.mtu_result;
}

#endif /* FTPFIX_HOP_H */
