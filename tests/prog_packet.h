/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds whole frames from what a test says of them, with checksums computed
 * over every byte (RFC 1071). It shares no code with the dataplane.
 */
#ifndef FTPFIX_PROG_PACKET_H
#define FTPFIX_PROG_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/types.h>

/* More than BPF_PROG_TEST_RUN takes of linear data. */
#define FRAME_MAX 4096

/* Not zero, so that a sum which takes the padding in is a wrong one. */
#define FRAME_PADDING 0xa5

#define FRAME_TCP 6

enum tcp_flag { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

struct frame {
	__u8 bytes[FRAME_MAX];
	__u32 length;
	__u32 network;	 /* offset of the IP header */
	__u32 transport; /* offset of the TCP header */
	__u32 payload;	 /* offset of the payload */
	__u32 end;	 /* offset behind the IP packet */
};

/* What a frame is to be; numbers in host order. */
struct spec {
	__u16 tags[2]; /* Ethernet types of the VLAN tags, outer first; 0: none */
	__u32 source;
	__u32 destination;
	__u16 source_port;
	__u16 destination_port;
	__u32 sequence;
	__u32 acknowledgement;
	__u8 flags;
	__u8 ttl;	   /* 0: 64 */
	__u8 ip_options;   /* bytes of them, a multiple of four: NOPs */
	__u8 timestamps;   /* 1: the TCP option, behind two NOPs */
	__u8 ipv6;	   /* 1: the addresses stand for those of ip6() */
	__u8 extensions;   /* headers in front of TCP, of eight bytes each */
	__u8 extension[6]; /* their types */
	__u8 tcp_options;  /* bytes of them, behind the timestamps, a multiple of four */
	const __u8 *tcp_option;
	__u32 padding;	   /* bytes behind the IP packet */
	const char *bytes; /* payload */
	__u32 length;	   /* of the payload */
};

static inline __u32 ip4(__u8 one, __u8 two, __u8 three, __u8 four)
{
	return (__u32)one << 24 | two << 16 | three << 8 | four;
}

struct ip6 {
	__u8 bytes[16];
};

/* The IPv6 address that stands for an IPv4 one: 203.0.113.5 is 2001:db8:cb00::7105, so that
 * no two addresses have their difference in one word alone. */
static inline struct ip6 ip6(__u32 address)
{
	struct ip6 ip = {{0x20, 0x01, 0x0d, 0xb8, address >> 24, address >> 16}};

	ip.bytes[14] = address >> 8;
	ip.bytes[15] = address;
	return ip;
}

static inline void put16(__u8 *at, __u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static inline void put32(__u8 *at, __u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* The 16-bit words of the bytes, added to sum; an odd last byte is a high one. */
static inline __u64 checksum_add(__u64 sum, const __u8 *bytes, __u32 length)
{
	for (__u32 index = 0; index < length; index++)
		sum += index & 1 ? bytes[index] : bytes[index] << 8;
	return sum;
}

static inline __u16 checksum_end(__u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Computes the checksums of a frame anew. */
static inline void frame_checksums(struct frame *frame)
{
	__u8 *network = frame->bytes + frame->network;
	__u8 *transport = frame->bytes + frame->transport;
	__u32 length = frame->end - frame->transport;
	int ipv6 = network[-2] == 0x86; /* ETH_P_IPV6 */
	__u64 sum;

	if (!ipv6) {
		put16(network + 10, 0);
		put16(network + 10,
		      checksum_end(checksum_add(0, network, frame->transport - frame->network)));
	}
	put16(transport + 16, 0);
	sum = (ipv6 ? checksum_add(0, network + 8, 32) : checksum_add(0, network + 12, 8)) +
	      FRAME_TCP + length;
	put16(transport + 16, checksum_end(checksum_add(sum, transport, length)));
}

/* What stands in front of a packet. */
struct ethernet {
	__u8 destination[6];
	__u8 source[6];
};

/* To the node. */
static const struct ethernet to_node = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static inline void frame_ethernet(struct frame *frame, const struct spec *spec)
{
	__u32 at = sizeof(to_node);

	memcpy(frame->bytes, &to_node, sizeof(to_node));
	for (int tag = 0; tag < 2 && spec->tags[tag]; tag++, at += 4) {
		put16(frame->bytes + at, spec->tags[tag]);
		put16(frame->bytes + at + 2, 100 + tag);
	}
	put16(frame->bytes + at, spec->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	frame->network = at + 2;
}

static inline void frame_ipv4(struct frame *frame, const struct spec *spec)
{
	__u8 *header = frame->bytes + frame->network;

	header[0] = 0x40 | (20 + spec->ip_options) / 4;
	put16(header + 2, frame->end - frame->network);
	put16(header + 4, 0x1234);
	put16(header + 6, 0x4000);
	header[8] = spec->ttl ? spec->ttl : 64;
	header[9] = FRAME_TCP;
	put32(header + 12, spec->source);
	put32(header + 16, spec->destination);
	memset(header + 20, 1, spec->ip_options);
}

static inline void frame_ipv6(struct frame *frame, const struct spec *spec)
{
	__u8 *header = frame->bytes + frame->network, *next = header + 6;
	struct ip6 source = ip6(spec->source), destination = ip6(spec->destination);

	put32(header, 0x60012345);
	put16(header + 4, frame->end - frame->network - 40);
	header[7] = spec->ttl ? spec->ttl : 64;
	memcpy(header + 8, source.bytes, sizeof(source.bytes));
	memcpy(header + 24, destination.bytes, sizeof(destination.bytes));
	/* Each is filled up by PadN (RFC 8200 section 4.2). */
	for (int number = 0; number < spec->extensions; number++) {
		*next = spec->extension[number];
		next = header + 40 + 8 * number;
		next[2] = 1;
		next[3] = 4;
	}
	*next = FRAME_TCP;
}

static inline void frame_tcp(struct frame *frame, const struct spec *spec)
{
	static const __u8 timestamps[] = {1, 1, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7};
	__u8 *header = frame->bytes + frame->transport;

	put16(header, spec->source_port);
	put16(header + 2, spec->destination_port);
	put32(header + 4, spec->sequence);
	put32(header + 8, spec->acknowledgement);
	header[12] = (frame->payload - frame->transport) / 4 << 4;
	header[13] = spec->flags;
	put16(header + 14, 502);
	if (spec->timestamps)
		memcpy(header + 20, timestamps, sizeof(timestamps));
	if (spec->tcp_options)
		memcpy(header + 20 + (spec->timestamps ? sizeof(timestamps) : 0), spec->tcp_option,
		       spec->tcp_options);
}

static inline void frame_build(struct frame *frame, const struct spec *spec)
{
	memset(frame, 0, sizeof(*frame));
	frame_ethernet(frame, spec);
	frame->transport =
		frame->network + (spec->ipv6 ? 40 + 8 * spec->extensions : 20 + spec->ip_options);
	frame->payload = frame->transport + 20 + (spec->timestamps ? 12 : 0) + spec->tcp_options;
	frame->end = frame->payload + spec->length;
	frame->length = frame->end + spec->padding;
	if (spec->ipv6)
		frame_ipv6(frame, spec);
	else
		frame_ipv4(frame, spec);
	frame_tcp(frame, spec);
	if (spec->length)
		memcpy(frame->bytes + frame->payload, spec->bytes, spec->length);
	memset(frame->bytes + frame->end, FRAME_PADDING, spec->padding);
	frame_checksums(frame);
}

#endif /* FTPFIX_PROG_PACKET_H */
