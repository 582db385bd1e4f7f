// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends and takes minimum-size TCP packets, and forwards them as cheaply as that can be
 * done: the ends and the floors of the packet rates. Nothing of ftpfix is in here.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
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

struct frame6 {
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct stream stream;
struct sink server_sink;
struct sink client_sink;
/* Of the generator, which runs on one CPU. */
__u32 next_number;

/* The barest node's two devices, by their interface index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} out SEC(".maps");

/* The same, and how a redirected frame is addressed. */
__u32 uplink_ifindex;
__u32 inside_ifindex;
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

static __always_inline __u32 tcp_sum(const struct frame *frame, __u32 payload)
{
	return sum_words(&frame->ip.saddr, 4) + bpf_htons(IPPROTO_TCP) +
	       bpf_htons(sizeof(frame->tcp) + payload) +
	       sum_words(&frame->tcp, (sizeof(frame->tcp) + payload) / 2);
}

/* Who talks to whom, in host order. */
struct ends {
	__u32 client;
	__u16 client_port;
	__u16 port;
};

static __always_inline void find_ends(struct ends *ends, __u32 number)
{
	if (stream.kind == STREAM_FLOWS) {
		ends->client = flow_client(number);
		ends->client_port = flow_client_port(number);
		ends->port = flow_data_port(number);
		return;
	}
	ends->client = session_client(number);
	ends->client_port = CONTROL_CLIENT_PORT;
	ends->port = CONTROL_PORT;
	if (stream.kind == STREAM_DATA) {
		ends->client_port = session_data_client_port(number, stream.round);
		ends->port = session_data_port(number, stream.round);
	}
}

static __always_inline void fill_digits(char *text, __u32 number)
{
	text[0] = '0' + number / 100;
	text[1] = '0' + number / 10 % 10;
	text[2] = '0' + number % 10;
}

static __always_inline void fill_text(char *text, __u32 length, __u32 number)
{
	__u16 port;

	__builtin_memcpy(text, stream.text, length);
	if (length != REPLY_BYTES || !stream.announces)
		return;
	port = session_data_port(number, stream.round);
	if (stream.ipv6) {
		/* All of them have five digits. */
		fill_digits(text + REPLY_229_PORT_AT, port / 100);
		fill_digits(text + REPLY_229_PORT_AT + 2, port % 1000);
	} else {
		fill_digits(text + REPLY_227_PORT_AT, port >> 8);
		fill_digits(text + REPLY_227_PORT_AT + sizeof("100,") - 1, port & 0xff);
	}
}

static __always_inline void fill_ethernet(struct ethhdr *ethernet, __u16 protocol)
{
	__builtin_memcpy(ethernet->h_dest, stream.destination_mac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, stream.source_mac, ETH_ALEN);
	ethernet->h_proto = bpf_htons(protocol);
}

static __always_inline void fill_tcp(void *at, const struct ends *ends)
{
	struct tcphdr *tcp = at;

	tcp->source = bpf_htons(stream.toward_client ? ends->port : ends->client_port);
	tcp->dest = bpf_htons(stream.toward_client ? ends->client_port : ends->port);
	tcp->seq = bpf_htonl(stream.sequence);
	tcp->ack_seq = bpf_htonl(stream.acknowledgement);
	tcp->doff = sizeof(*tcp) / 4;
	((__u8 *)tcp)[13] = stream.tcp_flags;
	tcp->window = bpf_htons(65535);
}

static __always_inline void fill_headers(struct frame *frame, const struct ends *ends,
					 __u32 payload)
{
	__be32 be_client = bpf_htonl(ends->client);

	__builtin_memset(frame, 0, sizeof(*frame));
	fill_ethernet(&frame->ethernet, ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tot_len = bpf_htons(sizeof(frame->ip) + sizeof(frame->tcp) + payload);
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->ip.saddr = stream.toward_client ? stream.be_peer[3] : be_client;
	frame->ip.daddr = stream.toward_client ? be_client : stream.be_peer[3];
	frame->ip.check = fold(sum_words(&frame->ip, sizeof(frame->ip) / 2));
	fill_tcp(&frame->tcp, ends);
}

static __always_inline void fill_headers6(struct frame6 *frame, const struct ends *ends,
					  __u32 payload)
{
	__be32 client[4] = {bpf_htonl(CLIENTS6_FIRST), bpf_htonl(CLIENTS6_SECOND), 0,
			    bpf_htonl(ends->client)};

	__builtin_memset(frame, 0, sizeof(*frame));
	fill_ethernet(&frame->ethernet, ETH_P_IPV6);
	frame->ip.version = 6;
	frame->ip.payload_len = bpf_htons(sizeof(frame->tcp) + payload);
	frame->ip.hop_limit = 64;
	frame->ip.nexthdr = IPPROTO_TCP;
	__builtin_memcpy(&frame->ip.saddr, stream.toward_client ? stream.be_peer : client,
			 sizeof(client));
	__builtin_memcpy(&frame->ip.daddr, stream.toward_client ? client : stream.be_peer,
			 sizeof(client));
	fill_tcp(&frame->tcp, ends);
}

static __always_inline __u32 take_number(void)
{
	__u32 number = next_number++;

	return stream.in_order ? number
			       : (__u64)scatter(number / stream.train) * stream.flows >> 32;
}

static __always_inline int generate6(struct xdp_md *context, __u32 payload)
{
	struct frame6 *frame = (void *)(long)context->data;
	__u32 number = take_number(), sum;
	struct ends ends;

	if ((void *)(frame + 1) + payload > (void *)(long)context->data_end)
		return XDP_ABORTED;
	find_ends(&ends, number);
	fill_headers6(frame, &ends, payload);
	fill_text((char *)(frame + 1), payload, number);
	sum = sum_words(&frame->ip.saddr, 16) + bpf_htons(IPPROTO_TCP) + frame->ip.payload_len;
	frame->tcp.check = fold(sum + sum_words(&frame->tcp, (sizeof(frame->tcp) + payload) / 2));
	return XDP_TX;
}

/* Makes the next packet, with so many bytes of text. */
static __always_inline int generate(struct xdp_md *context, __u32 payload)
{
	struct frame *frame = (void *)(long)context->data;
	__u32 number;
	struct ends ends;

	if (stream.ipv6)
		return generate6(context, payload);
	number = take_number();
	if ((void *)(frame + 1) + payload > (void *)(long)context->data_end)
		return XDP_ABORTED;
	find_ends(&ends, number);
	fill_headers(frame, &ends, payload);
	fill_text((char *)(frame + 1), payload, number);
	frame->tcp.check = fold(tcp_sum(frame, payload));
	return XDP_TX;
}

/* Run by the tool, as if the frame had come in on its device: it goes out there. */
SEC("xdp")
int generate_empty(struct xdp_md *context)
{
	return generate(context, 0);
}

SEC("xdp")
int generate_command(struct xdp_md *context)
{
	return generate(context, COMMAND_BYTES);
}

SEC("xdp")
int generate_reply(struct xdp_md *context)
{
	return generate(context, REPLY_BYTES);
}

static __always_inline int is_wanted(const __be32 *be_addr, const struct sink *sink)
{
	return be_addr[0] == sink->be_wanted[0] && be_addr[1] == sink->be_wanted[1] &&
	       be_addr[2] == sink->be_wanted[2] && be_addr[3] == sink->be_wanted[3];
}

static __always_inline int take6(const struct frame6 *frame, const void *end, struct sink *sink)
{
	if ((void *)(frame + 1) <= end && frame->ip.nexthdr == IPPROTO_TCP &&
	    is_wanted(sink->from ? frame->ip.saddr.s6_addr32 : frame->ip.daddr.s6_addr32, sink))
		sink->right++;
	else
		sink->other++;
	return XDP_DROP;
}

/* Whether a line is no 227, or tells what it must. */
static __always_inline int is_told(const char *text, const void *end, const struct sink *sink)
{
	const char *address = text + REPLY_227_ADDRESS_AT;

	if ((void *)(address + TOLD_BYTES) > end || text[0] != '2' || text[2] != '7')
		return 1;
	for (__u32 at = 0; at < TOLD_BYTES; at++)
		if (at < sink->told_length && address[at] != sink->told[at])
			return 0;
	return 1;
}

static __always_inline int take(struct xdp_md *context, struct sink *sink)
{
	struct frame *frame = (void *)(long)context->data;
	void *end = (void *)(long)context->data_end;

	if ((void *)(frame + 1) <= end && frame->ethernet.h_proto == bpf_htons(ETH_P_IPV6))
		return take6((void *)frame, end, sink);
	if ((void *)(frame + 1) > end || frame->ethernet.h_proto != bpf_htons(ETH_P_IP) ||
	    frame->ip.protocol != IPPROTO_TCP ||
	    (sink->from ? frame->ip.saddr : frame->ip.daddr) != sink->be_wanted[3]) {
		sink->other++;
		return XDP_DROP;
	}
	if (sink->right++ % SAMPLE)
		return XDP_DROP;
	if (frame->ip.tot_len == bpf_htons(sizeof(frame->ip) + sizeof(frame->tcp))) {
		/* What is correct sums up to nothing. */
		if (fold(tcp_sum(frame, 0)))
			sink->broken++;
	} else if (sink->told_length && !is_told((const char *)(frame + 1), end, sink)) {
		sink->mistold++;
	}
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
	__u32 out_ifindex =
		context->ingress_ifindex == uplink_ifindex ? inside_ifindex : uplink_ifindex;

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
