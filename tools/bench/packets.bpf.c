// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends and takes minimum-size TCP packets, and forwards them as cheaply as that can be
 * done: the ends and the floors of the packet rates. Nothing of ftpfix is in here.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow_number.h"
#include "packets.h"

#define AF_INET 2

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct stream stream;
struct sink server_sink;
struct sink client_sink;
/* Of the generator, which runs on one CPU. */
__u32 next_number;

/* The node's other device, by its interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} out SEC(".maps");

/* The one key of that map, and how a redirected frame is addressed. */
__u32 out_ifindex;
__u8 hop_destination[ETH_ALEN];
__u8 hop_source[ETH_ALEN];

/* A permutation of all numbers with no order left in it (Wellons' lowbias32). */
static __always_inline __u32 scatter(__u32 number)
{
	number ^= number >> 16;
	number *= 0x7feb352d;
	number ^= number >> 15;
	number *= 0x846ca68b;
	return number ^ number >> 16;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u32 sum_words(const void *data, __u32 words)
{
	const __u16 *word = data;
	__u32 sum = 0;

	for (__u32 at = 0; at < words; at++)
		sum += word[at];
	return sum;
}

static __always_inline __u32 tcp_sum(const struct frame *frame)
{
	return sum_words(&frame->ip.saddr, 4) + bpf_htons(IPPROTO_TCP) +
	       bpf_htons(sizeof(frame->tcp)) + sum_words(&frame->tcp, sizeof(frame->tcp) / 2);
}

static __always_inline void fill_headers(struct frame *frame, __u32 number)
{
	__u32 client = bpf_htonl(flow_client(number));
	__u16 client_port = bpf_htons(flow_client_port(number));
	__u16 data_port = bpf_htons(flow_data_port(number));

	__builtin_memset(frame, 0, sizeof(*frame));
	__builtin_memcpy(frame->ethernet.h_dest, stream.destination_mac, ETH_ALEN);
	__builtin_memcpy(frame->ethernet.h_source, stream.source_mac, ETH_ALEN);
	frame->ethernet.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tot_len = bpf_htons(sizeof(frame->ip) + sizeof(frame->tcp));
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	if (stream.toward_client) {
		frame->ip.saddr = stream.be_peer;
		frame->ip.daddr = client;
		frame->tcp.source = data_port;
		frame->tcp.dest = client_port;
	} else {
		frame->ip.saddr = client;
		frame->ip.daddr = stream.be_peer;
		frame->tcp.source = client_port;
		frame->tcp.dest = data_port;
	}
	frame->tcp.seq = bpf_htonl(stream.sequence);
	frame->tcp.ack_seq = bpf_htonl(stream.acknowledgement);
	frame->tcp.doff = sizeof(frame->tcp) / 4;
	((__u8 *)&frame->tcp)[13] = stream.tcp_flags;
	frame->tcp.window = bpf_htons(65535);
	frame->ip.check = fold(sum_words(&frame->ip, sizeof(frame->ip) / 2));
	frame->tcp.check = fold(tcp_sum(frame));
}

/* Run by the tool, as if the frame had come in on its device: it goes out there. */
SEC("xdp")
int generate(struct xdp_md *context)
{
	struct frame *frame = (void *)(long)context->data;
	__u32 number = next_number++;

	if ((void *)(frame + 1) > (void *)(long)context->data_end)
		return XDP_ABORTED;
	if (!stream.in_order)
		number = (__u64)scatter(number / stream.train) * stream.flows >> 32;
	fill_headers(frame, number);
	return XDP_TX;
}

static __always_inline int take(struct xdp_md *context, struct sink *sink)
{
	struct frame *frame = (void *)(long)context->data;

	if ((void *)(frame + 1) > (void *)(long)context->data_end ||
	    frame->ethernet.h_proto != bpf_htons(ETH_P_IP) || frame->ip.protocol != IPPROTO_TCP ||
	    (sink->from ? frame->ip.saddr : frame->ip.daddr) != sink->be_wanted) {
		sink->other++;
		return XDP_DROP;
	}
	/* What is correct sums up to nothing. */
	if (sink->right++ % SAMPLE == 0 && fold(tcp_sum(frame)))
		sink->broken++;
	return XDP_DROP;
}

SEC("xdp")
int take_at_server(struct xdp_md *context)
{
	return take(context, &server_sink);
}

SEC("xdp")
int take_at_client(struct xdp_md *context)
{
	return take(context, &client_sink);
}

/* The least that forwarding can be: other addresses in front, out of the other device. */
SEC("xdp")
int redirect(struct xdp_md *context)
{
	struct ethhdr *ethernet = (void *)(long)context->data;

	if ((void *)(ethernet + 1) > (void *)(long)context->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(ethernet->h_dest, hop_destination, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, hop_source, ETH_ALEN);
	return bpf_redirect_map(&out, out_ifindex, 0);
}

/* The same, and the kernel is asked where to. */
SEC("xdp")
int redirect_fib(struct xdp_md *context)
{
	struct frame *frame = (void *)(long)context->data;
	struct bpf_fib_lookup fib = {.family = AF_INET, .l4_protocol = IPPROTO_TCP};
	__u32 sum;

	if ((void *)(frame + 1) > (void *)(long)context->data_end || frame->ip.ttl <= 1)
		return XDP_ABORTED;
	fib.tot_len = bpf_ntohs(frame->ip.tot_len);
	fib.ifindex = context->ingress_ifindex;
	fib.ipv4_src = frame->ip.saddr;
	fib.ipv4_dst = frame->ip.daddr;
	if (bpf_fib_lookup(context, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_ABORTED;
	__builtin_memcpy(frame->ethernet.h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(frame->ethernet.h_source, fib.smac, ETH_ALEN);
	/* RFC 1624: the sum of what is left is one more. */
	sum = frame->ip.check + bpf_htons(0x0100);
	frame->ip.check = sum + (sum >> 16);
	frame->ip.ttl--;
	return bpf_redirect_map(&out, fib.ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
