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

enum tcp_flag { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

struct frame {
	__u8 bytes[FRAME_MAX];
	__u32 length;
	__u32 network;	 /* offset of the IPv4 header */
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
	__u32 padding;	   /* bytes behind the IP packet */
	const char *bytes; /* payload */
	__u32 length;	   /* of the payload */
};

static inline __u32 ip4(__u8 one, __u8 two, __u8 three, __u8 four)
{
	return (__u32)one << 24 | two << 16 | three << 8 | four;
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

/* Computes both checksums of a frame anew. */
static inline void frame_checksums(struct frame *frame)
{
	__u8 *network = frame->bytes + frame->network;
	__u8 *transport = frame->bytes + frame->transport;
	__u32 length = frame->end - frame->transport;
	__u64 sum;

	put16(network + 10, 0);
	put16(network + 10,
	      checksum_end(checksum_add(0, network, frame->transport - frame->network)));
	put16(transport + 16, 0);
	sum = checksum_add(0, network + 12, 8) + network[9] + length;
	put16(transport + 16, checksum_end(checksum_add(sum, transport, length)));
}

static inline void frame_ethernet(struct frame *frame, const struct spec *spec)
{
	static const __u8 addresses[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	__u32 at = sizeof(addresses);

	memcpy(frame->bytes, addresses, sizeof(addresses));
	for (int tag = 0; tag < 2 && spec->tags[tag]; tag++, at += 4) {
		put16(frame->bytes + at, spec->tags[tag]);
		put16(frame->bytes + at + 2, 100 + tag);
	}
	put16(frame->bytes + at, ETH_P_IP);
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
	header[9] = 6;
	put32(header + 12, spec->source);
	put32(header + 16, spec->destination);
	memset(header + 20, 1, spec->ip_options);
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
}

static inline void frame_build(struct frame *frame, const struct spec *spec)
{
	memset(frame, 0, sizeof(*frame));
	frame_ethernet(frame, spec);
	frame->transport = frame->network + 20 + spec->ip_options;
	frame->payload = frame->transport + 20 + (spec->timestamps ? 12 : 0);
	frame->end = frame->payload + spec->length;
	frame->length = frame->end + spec->padding;
	frame_ipv4(frame, spec);
	frame_tcp(frame, spec);
	if (spec->length)
		memcpy(frame->bytes + frame->payload, spec->bytes, spec->length);
	memset(frame->bytes + frame->end, FRAME_PADDING, spec->padding);
	frame_checksums(frame);
}

#endif /* FTPFIX_PROG_PACKET_H */
