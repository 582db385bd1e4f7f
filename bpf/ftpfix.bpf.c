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

/* Counts what cannot be parsed. Such a packet passes: it is for the stack, or
 * the next router, to judge. */
static __always_inline int unparsed(int err)
{
	if (err == -EMSGSIZE)
		count(FTPFIX_PACKET_FRAGMENT);
	else if (err == -EBADMSG)
		count(FTPFIX_PACKET_MALFORMED);
	return PASS;
}

static __always_inline int flow_verdict(int result)
{
	if (result == -ENOENT)
		return PASS;
	return result < 0 ? TC_ACT_SHOT : bpf_redirect_neigh(result, NULL, 0, 0);
}

SEC("tc")
int ftpfix_uplink_ingress(struct __sk_buff *skb)
{
	struct packet packet = {};
	int err = parse_packet(skb, &packet);

	if (err)
		return unparsed(err);
	if (is_service_port(bpf_ntohs(packet.tuple.be_destination_port)))
		return control_command(skb, &packet) ? TC_ACT_SHOT : PASS;
	return flow_verdict(flow_packet(skb, &packet, FTPFIX_SIDE_UPLINK));
}

SEC("tc")
int ftpfix_uplink_egress(struct __sk_buff *skb)
{
	struct packet packet = {};
	int err = parse_packet(skb, &packet);

	if (err)
		return unparsed(err);
	if (!is_service_port(bpf_ntohs(packet.tuple.be_source_port)))
		return PASS;
	return control_reply(skb, &packet) ? TC_ACT_SHOT : PASS;
}

SEC("tc")
int ftpfix_server_ingress(struct __sk_buff *skb)
{
	struct packet packet = {};
	int err = parse_packet(skb, &packet);

	if (err)
		return unparsed(err);
	/* Flows first: a server's data port may have the number of a control port. */
	err = flow_packet(skb, &packet, FTPFIX_SIDE_SERVER);
	if (err != -ENOENT)
		return flow_verdict(err);
	if (!is_service_port(bpf_ntohs(packet.tuple.be_source_port)) || !seen_observe(skb, &packet))
		return PASS;
	count(FTPFIX_PACKET_CONTENDED);
	return TC_ACT_SHOT;
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
