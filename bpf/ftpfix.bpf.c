// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entry points of the dataplane, and the verdicts that their results
 * become. What they do stands in the headers beside this file.
 */
#include "maps.h"

SEC("tc")
int ftpfix_uplink_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return -1;
}

SEC("tc")
int ftpfix_uplink_egress(struct __sk_buff *skb)
{
	(void)skb;
	return -1;
}

SEC("tc")
int ftpfix_server_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return -1;
}

SEC("syscall")
int ftpfix_sweep(void *unused)
{
	(void)unused;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
