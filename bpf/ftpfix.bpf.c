// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry points of the dataplane, and the verdicts that their results
 * become. What they do stands in the headers beside this file.
 */
#include <linux/pkt_cls.h>

#include "answer.h"
#include "control.h"
#include "fast.h"
#include "flow.h"
#include "grace.h"
#include "icmp.h"
#include "sent.h"
#include "sweep.h"
#include "tally.h"

/* Leaves the packet to the programs and filters after this one; of the same
 * value as TCX_NEXT. */
#define PASS TC_ACT_UNSPEC

/*
 * Begins with the packet, and parses it into the scratch. A function of its own, so that the
 * entry points leave their stack to the deepest calls. Returns 1 when it may be of a control
 * connection, by its ports; 0 when not; or an error as parse_packet() does.
 */
__global int begin(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_tuple *tuple;
	int err;

	if (!scratch)
		return -ENOENT;
	sent_forget(scratch);
	err = parse_packet(skb, &scratch->packet);
	if (err)
		return err;
	tuple = &scratch->packet.tuple;
	return is_service_port(bpf_ntohs(tuple->be_destination_port)) ||
	       is_service_port(bpf_ntohs(tuple->be_source_port));
}

/* Counts what cannot be parsed. Such a packet passes: it is for the stack, or
 * the next router, to judge. */
static __always_inline int unparsed(int err)
{
	if (err == -EMSGSIZE)
		count(FTPFIX_PACKET_FRAGMENT);
	else if (err == -EBADMSG)
		count(FTPFIX_PACKET_MALFORMED);
	else if (err == -E2BIG)
		count(FTPFIX_PACKET_EXTENSION);
	return PASS;
}

/* Sends a translated packet out of an interface, or lets it go on where it is. A tag that told its
 * priority was for this node. */
static __always_inline int send(struct __sk_buff *skb, int out_ifindex, int addressed)
{
	if (!out_ifindex)
		return PASS;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	return addressed ? bpf_redirect(out_ifindex, 0)
			 : bpf_redirect_neigh(out_ifindex, NULL, 0, 0);
}

/* The same of a packet that flow_carry() has prepared. */
static __always_inline int send_carried(struct __sk_buff *skb, int out_ifindex)
{
	const struct scratch *scratch = scratch_memory();

	return send(skb, out_ifindex, scratch && scratch->addressed);
}

/* What the answer to a packet is worth: when there is none the packet is dropped. */
static __always_inline int answered(int verdict)
{
	return verdict < 0 ? TC_ACT_SHOT : verdict;
}

/* Sends the packet of a flow on, or an answer back. */
static __always_inline int carry(struct __sk_buff *skb)
{
	int out_ifindex = flow_carry(skb);

	if (out_ifindex == -ETIME)
		return answered(answer_icmp(skb, ANSWER_TIME_EXCEEDED));
	if (out_ifindex == -EMSGSIZE)
		return answered(answer_icmp(skb, ANSWER_TOO_BIG));
	return out_ifindex < 0 ? TC_ACT_SHOT : send_carried(skb, out_ifindex);
}

/* An ICMP message at this hook. */
static __always_inline int icmp(struct __sk_buff *skb, int hook)
{
	int out_ifindex = icmp_packet(skb, hook);

	if (out_ifindex == -ENOENT)
		return PASS;
	return out_ifindex < 0 ? TC_ACT_SHOT : send(skb, out_ifindex, 0);
}

/* Whether a control connection's packet must not go on. */
static __always_inline int stopped(struct __sk_buff *skb, enum ftpfix_side side, int entering,
				   int carried)
{
	int err = control_at(skb, side, entering, carried);

	return err && err != -ENOENT;
}

/* Into the node. */
static __always_inline int ingress(struct __sk_buff *skb, enum ftpfix_side side)
{
	int parsed = begin(skb), flow;

	if (parsed == -ENOMSG)
		return icmp(skb, 2 * side);
	if (parsed < 0)
		return unparsed(parsed);
	/* Flows first: the port of a data connection may have the number of a control
	 * port. */
	flow = flow_lookup(skb, 2 * side);
	if (flow == -ECONNREFUSED)
		return answered(answer_reset(skb));
	if (flow == -EALREADY)
		return TC_ACT_SHOT;
	/* Before its translation, so that the numbers of both directions are the server's. */
	if ((flow > 0 || (flow < 0 && parsed)) && stopped(skb, side, 1, flow > 0))
		return TC_ACT_SHOT;
	return flow < 0 ? PASS : carry(skb);
}

/* Out of the node. Only what the stack has routed is still to be translated. */
static __always_inline int egress(struct __sk_buff *skb, enum ftpfix_side side)
{
	int sent = sent_take(skb), parsed, flow = -ENOENT;

	if (sent == SENT_DATA)
		return PASS;
	if (sent == SENT_CONTROL)
		return stopped(skb, side, 0, 1) ? TC_ACT_SHOT : PASS;
	parsed = begin(skb);
	if (parsed == -ENOMSG && path_stack)
		return icmp(skb, 2 * side + 1);
	if (parsed < 0)
		return unparsed(parsed);
	if (path_stack) {
		flow = flow_lookup(skb, 2 * side + 1);
		if (flow >= 0 && carry(skb) == TC_ACT_SHOT)
			return TC_ACT_SHOT;
	}
	if ((flow > 0 || (flow < 0 && parsed)) && stopped(skb, side, 0, 0))
		return TC_ACT_SHOT;
	return PASS;
}

/* The packet is decided about: its program holds nothing any more of what it has found. */
static __always_inline int done(int verdict)
{
	struct scratch *scratch = scratch_memory();

	if (scratch)
		grace_end(&scratch->packet_since_ticks);
	return verdict;
}

SEC("tc")
int ftpfix_uplink_ingress(struct __sk_buff *skb)
{
	return done(ingress(skb, FTPFIX_SIDE_UPLINK));
}

SEC("tc")
int ftpfix_uplink_egress(struct __sk_buff *skb)
{
	return done(egress(skb, FTPFIX_SIDE_UPLINK));
}

SEC("tc")
int ftpfix_inside_ingress(struct __sk_buff *skb)
{
	return done(ingress(skb, FTPFIX_SIDE_INSIDE));
}

SEC("tc")
int ftpfix_inside_egress(struct __sk_buff *skb)
{
	return done(egress(skb, FTPFIX_SIDE_INSIDE));
}

/* One of these is on a device, by what stands on its untagged side. */
SEC("xdp.frags")
int ftpfix_uplink_xdp(struct xdp_md *xdp)
{
	return fast_packet(xdp, 1 << FTPFIX_SIDE_UPLINK);
}

SEC("xdp.frags")
int ftpfix_inside_xdp(struct xdp_md *xdp)
{
	return fast_packet(xdp, 1 << FTPFIX_SIDE_INSIDE);
}

SEC("xdp.frags")
int ftpfix_both_xdp(struct xdp_md *xdp)
{
	return fast_packet(xdp, 1 << FTPFIX_SIDE_UPLINK | 1 << FTPFIX_SIDE_INSIDE);
}

/* The device is used through VLANs alone. */
SEC("xdp.frags")
int ftpfix_tagged_xdp(struct xdp_md *xdp)
{
	return fast_packet(xdp, 0);
}

/* Run by the daemon, not by packets. */
SEC("syscall")
int ftpfix_sweep(void *unused)
{
	(void)unused;
	sweep_all();
	return 0;
}

/* The same. */
SEC("syscall")
int ftpfix_count(struct ftpfix_tally *tally)
{
	tally_all(tally);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
