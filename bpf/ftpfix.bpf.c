// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry points of the dataplane, and the verdicts that their results
 * become. What they do stands in the headers beside this file.
 */
#include <linux/pkt_cls.h>

#include "control.h"
#include "flow.h"
#include "sweep.h"

/* Leaves the packet to the programs and filters after this one; of the same
 * value as TCX_NEXT. */
#define PASS TC_ACT_UNSPEC

/*
 * Parses the packet into the scratch. A function of its own, so that the entry points
 * leave their stack to the deepest calls. Returns 1 when it may be of a control
 * connection, by its ports; 0 when not; or an error as parse_packet() does.
 */
__global int parse(struct __sk_buff *skb)
{
	struct scratch *scratch = scratch_memory();
	const struct ftpfix_tuple *tuple;
	int err;

	if (!scratch)
		return -ENOENT;
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

static __always_inline int flow_verdict(int result)
{
	if (result == -ENOENT)
		return PASS;
	return result < 0 ? TC_ACT_SHOT : bpf_redirect_neigh(result, NULL, 0, 0);
}

/* Into the node. */
static __always_inline int ingress(struct __sk_buff *skb, enum ftpfix_side side)
{
	int parsed = parse(skb), err;

	if (parsed < 0)
		return unparsed(parsed);
	/* Flows first: the port of a data connection may have the number of a control
	 * port. */
	err = flow_packet(skb, side);
	if (err != -ENOENT)
		return flow_verdict(err);
	if (!parsed)
		return PASS;
	err = control_at(skb, side, 1);
	return err && err != -ENOENT ? TC_ACT_SHOT : PASS;
}

/* Out of the node. */
static __always_inline int egress(struct __sk_buff *skb, enum ftpfix_side side)
{
	int parsed = parse(skb), err;

	if (parsed < 0)
		return unparsed(parsed);
	if (!parsed)
		return PASS;
	err = control_at(skb, side, 0);
	return err && err != -ENOENT ? TC_ACT_SHOT : PASS;
}

SEC("tc")
int ftpfix_uplink_ingress(struct __sk_buff *skb)
{
	return ingress(skb, FTPFIX_SIDE_UPLINK);
}

SEC("tc")
int ftpfix_uplink_egress(struct __sk_buff *skb)
{
	return egress(skb, FTPFIX_SIDE_UPLINK);
}

SEC("tc")
int ftpfix_inside_ingress(struct __sk_buff *skb)
{
	return ingress(skb, FTPFIX_SIDE_INSIDE);
}

SEC("tc")
int ftpfix_inside_egress(struct __sk_buff *skb)
{
	return egress(skb, FTPFIX_SIDE_INSIDE);
}

/* Run by the daemon, not by packets. */
SEC("syscall")
int ftpfix_sweep(void *unused)
{
	(void)unused;
	sweep_all();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
