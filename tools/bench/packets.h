/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packets.c tells the programs of packets.bpf.c, and what they answer. */
#ifndef PACKETS_H
#define PACKETS_H

#include <linux/types.h>

/* Every SAMPLE-th packet that arrives has its checksum verified; a power of two. */
#define SAMPLE 256

/* Lines of control connections: all commands and all replies have one length each, and the
 * port stands in a 227 at one place, in a 229 at another. */
#define COMMAND_BYTES 6
#define REPLY_BYTES 48
#define REPLY_227_PORT_AT 38
#define REPLY_229_PORT_AT 39

/* Whose packets: of many data connections that are told apart by number; of the control
 * connections of as many FTP sessions; of their data connections. */
enum stream_kind { STREAM_FLOWS, STREAM_CONTROL, STREAM_DATA };

/* What the generator sends. */
struct stream {
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__be32 be_peer[4]; /* the address that is not a client's; of IPv4 the last word */
	__u32 ipv6;
	__u32 flows;
	__u32 in_order;	     /* 1: one flow after the other; 0: in no order */
	__u32 train;	     /* packets of one flow in a row */
	__u32 toward_client; /* 1: sent by the peer */
	__u32 kind;	     /* enum stream_kind */
	__u32 round;	     /* of a session's data connections */
	__u32 sequence;
	__u32 acknowledgement;
	__u8 tcp_flags;
	__u8 announces; /* 1: the text is a 227, or a 229, and gets its port */
	__u8 padding[2];
	char text[REPLY_BYTES];
};

/* Where the address begins in a 227, and how long it can be there. */
#define REPLY_227_ADDRESS_AT 27
#define TOLD_BYTES 16

/* What arrived at one end. */
struct sink {
	__be32 be_wanted[4]; /* the address of the other side that packets must have */
	__u32 from;	     /* 1: as their source; 0: as their destination */
	__u64 right;
	__u64 other;
	__u64 broken;	   /* sampled, and the TCP checksum is wrong */
	__u64 mistold;	   /* sampled, and a 227 with another address than this: */
	__u32 told_length; /* 0: not looked at */
	char told[TOLD_BYTES];
};

#endif /* PACKETS_H */
