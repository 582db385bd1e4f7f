/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract of dataplane and loader: every map key, map value and event.
 * This header knows nothing of packets, programs or the command line.
 *
 * Addresses and ports stand in network byte order and say so (be_); every
 * other integer is in host order. Times are nanoseconds of CLOCK_MONOTONIC,
 * as bpf_ktime_get_ns() gives them.
 */
#ifndef FTPFIX_H
#define FTPFIX_H

#include <linux/types.h>

#define FTPFIX_SECOND_NS 1000000000ULL

/* RFC 2577 section 3: no announced port below this one is ever followed. */
#define FTPFIX_PORT_MIN 1024

/* Bounds of the tables. What each does when full stands beside its map. */
#define FTPFIX_SERVICES_MAX 1024
#define FTPFIX_SERVERS_MAX 4096
#define FTPFIX_SESSIONS_MAX 16384
#define FTPFIX_SEEN_MAX 16384
#define FTPFIX_EXPECTATIONS_MAX 32768
#define FTPFIX_FLOWS_MAX 131072
#define FTPFIX_EVENTS_BYTES (256 * 1024)

/* How many announcements of one session are remembered (for retransmissions)
 * and how many expectations it may have open; a power of two. */
#define FTPFIX_ANNOUNCEMENTS_MAX 4

/* A client that asks gets its answer, and dials, within these times. */
#define FTPFIX_ASKED_NS (60 * FTPFIX_SECOND_NS)
#define FTPFIX_EXPECTATION_NS (60 * FTPFIX_SECOND_NS)
#define FTPFIX_SEEN_NS (10 * FTPFIX_SECOND_NS)

/* Silence after which the sweep ends a flow or forgets a session, by default. TCP's own
 * keepalive (RFC 1122 section 4.2.3.6) starts after two hours. */
#define FTPFIX_FLOW_IDLE_NS (7500 * FTPFIX_SECOND_NS)
#define FTPFIX_FLOW_HALF_OPEN_NS (60 * FTPFIX_SECOND_NS)
#define FTPFIX_FLOW_CLOSING_NS (60 * FTPFIX_SECOND_NS)
#define FTPFIX_SESSION_IDLE_NS (86400 * FTPFIX_SECOND_NS)

/* An IPv6 address, or an IPv4 address mapped into IPv6 (RFC 4291 section
 * 2.5.5.2); all zero where a field says that none is given. */
struct ftpfix_addr {
	__be32 be_word[4];
};

struct ftpfix_endpoint {
	struct ftpfix_addr addr;
	__be16 be_port;
	__u16 padding;
};

/* A TCP connection as one direction of it is seen on one interface. */
struct ftpfix_tuple {
	struct ftpfix_addr source;
	struct ftpfix_addr destination;
	__be16 be_source_port;
	__be16 be_destination_port;
};

/* Who carries the data connection that an announcement promises. */
enum ftpfix_forward {
	FTPFIX_FORWARD_NONE,	/* the network does: only the address is replaced */
	FTPFIX_FORWARD_NAT,	/* ftpfix, to the real server, source address kept */
	FTPFIX_FORWARD_FULLNAT, /* ftpfix, from an address of the node */
};

/* Map services: control port (host order, 1..65535) → how its announcements
 * are treated. Written by the loader alone, whole entries at a time. */
struct ftpfix_service {
	struct ftpfix_addr advertise; /* none: the address that the client dialled */
	struct ftpfix_addr source;    /* FULLNAT; none: the control peer's address */
	__u16 port_low;		      /* the range of public data ports, both ends in it, */
	__u16 port_high;	      /* FTPFIX_PORT_MIN <= low <= high */
	__u32 forward;		      /* enum ftpfix_forward */
};

/* Map servers (LPM trie): prefix → whether the operator named it. An announced
 * address outside of all prefixes is refused (RFC 2577, the bounce attack). */
struct ftpfix_server_key {
	__u32 prefix_length; /* of the mapped address: 96 + the IPv4 length */
	struct ftpfix_addr addr;
};

struct ftpfix_server {
	__u32 configured; /* 1: by --server; 0: a private range, by default */
};

/* Map seen: what a server announced, noted where its packet entered the node.
 * The uplink learns from it which server an announcement came from, which a
 * proxied or translated control connection no longer tells. */
struct ftpfix_seen_key {
	struct ftpfix_addr addr; /* as the line says; none for 229 and by sequence */
	__u32 sequence;		 /* TCP sequence of the line; 0 when by_sequence is 0 */
	__u16 port;		 /* announced, host order */
	__u8 by_sequence;	 /* 1: the line kept its sequence number on the way */
	__u8 padding;
};

struct ftpfix_seen {
	struct ftpfix_addr server; /* the source of the packet */
	struct ftpfix_addr peer;   /* its destination: the client that the server sees */
	__u64 at_ns;
	__u32 ifindex; /* where it entered the node */
	__u32 padding;
};

/* Map sessions: a control connection as the client sends it on the uplink. */
struct ftpfix_session_key {
	struct ftpfix_tuple tuple;
};

/* No client and no server writes an endpoint further right than this. */
#define FTPFIX_LINE_MAX 128

/* Where the scanner of one direction stands between two bytes. */
struct ftpfix_scan {
	char line[FTPFIX_LINE_MAX]; /* the first bytes of the current line */
	__u32 column;		    /* bytes of the current line so far, saturating */
	__u16 multiline;	    /* reply code that ends the multi-line reply, or 0 */
	__u16 padding;
};

/* One direction of a control connection: written by that direction alone. */
struct ftpfix_stream {
	__u64 last_seen_ns;
	__u32 next_sequence; /* first byte not scanned yet */
	__u32 acknowledged;  /* highest acknowledgement number that it sent */
	__u32 held_sequence; /* of the segment that was held last */
	__u8 started;	     /* 1: next_sequence is valid */
	__u8 acknowledging;  /* 1: acknowledged is valid */
	__u8 finished;	     /* 1: it sent a FIN */
	__u8 held;	     /* how often that was */
	struct ftpfix_scan scan;
};

/* What was written over an announcement, kept so that a retransmission is
 * rewritten to the same bytes whatever its segmentation. */
#define FTPFIX_EDIT_MAX 64

struct ftpfix_announcement {
	struct ftpfix_endpoint expected; /* the public endpoint; port 0: none */
	__u32 sequence;			 /* of the first replaced byte */
	__u32 length; /* replaced bytes; 0: the slot is empty or nothing changed */
	char text[FTPFIX_EDIT_MAX];
};

struct ftpfix_session {
	struct ftpfix_stream client; /* commands */
	struct ftpfix_stream server; /* replies */
	/* Written by the commands' direction: */
	__u64 asked_at_ns;
	__u32 asked_pasv;
	__u32 asked_epsv;
	/* Written by the replies' direction: */
	__u32 answered_pasv;
	__u32 answered_epsv;
	__u32 announcements; /* so far; the next slot is this modulo the bound */
	__u32 padding;
	struct ftpfix_announcement announcement[FTPFIX_ANNOUNCEMENTS_MAX];
};

/* Map expectations: the one client that may dial, and the public port it will
 * dial → the connection that this will be. One port serves one client once,
 * so that inserting the key is at the same time the reservation of the port. */
struct ftpfix_expectation_key {
	struct ftpfix_addr client;
	__be16 be_port;
	__u16 padding;
};

struct ftpfix_expectation {
	struct ftpfix_addr dialled;    /* where the client's control connection goes */
	struct ftpfix_addr advertised; /* what the announcement says */
	struct ftpfix_endpoint server; /* what the server announced */
	struct ftpfix_addr source;     /* FULLNAT source address, or none */
	struct ftpfix_session_key session;
	__u32 server_ifindex; /* toward the server */
	__u32 announcement;   /* its number in the session, from 0 on */
	__u64 deadline_ns;
};

/* On which interfaces a program was attached, and so what it may match. */
enum ftpfix_side {
	FTPFIX_SIDE_UPLINK,
	FTPFIX_SIDE_SERVER,
};

/* Map flows: one direction of a data connection as it enters the node → as it
 * leaves. The other direction's key is `to` turned round. Its own direction
 * writes an entry; the peer_ fields are written by the other one. */
struct ftpfix_flow {
	struct ftpfix_tuple to;
	__u32 out_ifindex;
	__u64 last_seen_ns;
	__u64 packets;
	__u64 bytes;	       /* of IP packets */
	__u32 first_sequence;  /* of the SYN */
	__u32 end_sequence;    /* one past the highest byte sent */
	__u32 acknowledged;    /* highest acknowledgement number sent */
	__u32 peer_fin_end;    /* what acknowledges the peer's FIN */
	__u8 side;	       /* enum ftpfix_side: where the packets of this entry enter */
	__u8 seen_syn;	       /* 1: its SYN has passed */
	__u8 seen_fin;	       /* 1: its FIN has passed */
	__u8 acknowledged_fin; /* 1: it acknowledged the peer's FIN */
	__u8 peer_fin;	       /* 1: the peer's FIN has passed, peer_fin_end is valid */
	__u8 acknowledging;    /* 1: acknowledged is valid */
	__u8 padding[2];
};

/*
 * Every decision has one reason. X(symbol, family, label, help): the counter's
 * index, the event's code, and the Prometheus series
 * ftpfix_<family>_total{reason="<label>"} come from this one list.
 */
#define FTPFIX_REASONS(X)                                                                         \
	X(ANNOUNCEMENT_REWRITTEN, announcements, "rewritten", "the address or port was replaced") \
	X(ANNOUNCEMENT_KEPT, announcements, "kept", "expected, and already right for the client") \
	X(ANNOUNCEMENT_REPEATED, announcements, "repeated",                                       \
	  "a retransmission, given the same bytes again")                                         \
	X(ANNOUNCEMENT_UNASKED, announcements, "unasked",                                         \
	  "no PASV or EPSV was outstanding: passed unchanged")                                    \
	X(ANNOUNCEMENT_MULTILINE, announcements, "multiline",                                     \
	  "inside a multi-line reply: passed unchanged")                                          \
	X(ANNOUNCEMENT_MALFORMED, announcements, "malformed",                                     \
	  "no endpoint could be read: passed unchanged")                                          \
	X(ANNOUNCEMENT_SPLIT, announcements, "split",                                             \
	  "cut by a segment boundary: passed unchanged")                                          \
	X(ANNOUNCEMENT_LENGTH, announcements, "length",                                           \
	  "has no room for the public address: passed unchanged")                                 \
	X(ANNOUNCEMENT_PORT_LOW, announcements, "port_low",                                       \
	  "the server announced a port below 1024: passed unchanged")                             \
	X(ANNOUNCEMENT_ADDRESS_REFUSED, announcements, "address_refused",                         \
	  "the address is neither the peer's nor an allowed server: "                             \
	  "passed unchanged")                                                                     \
	X(ANNOUNCEMENT_SERVER_UNSEEN, announcements, "server_unseen",                             \
	  "did not come in on a server-side interface: passed unchanged")                         \
	X(ANNOUNCEMENT_NO_FREE_PORT, announcements, "no_free_port",                               \
	  "no fitting port of the range was found free: passed unchanged")                        \
	X(ANNOUNCEMENT_TABLE_FULL, announcements, "table_full",                                   \
	  "a table took no more entries: passed unchanged")                                       \
	X(CONNECTION_EXPECTED, connections, "expected", "an expectation was recorded")            \
	X(CONNECTION_OPENED, connections, "opened", "the expected client came and became a flow") \
	X(CONNECTION_CLOSED, connections, "closed", "both sides finished, or one reset")          \
	X(CONNECTION_NOBODY_CAME, connections, "nobody_came",                                     \
	  "the expectation ran out: is the port range open?")                                     \
	X(CONNECTION_REPLACED, connections, "replaced",                                           \
	  "the session asked for newer ones before this one was used")                            \
	X(CONNECTION_TIMED_OUT, connections, "timed_out", "a flow was silent for too long")       \
	X(CONNECTION_NO_SOURCE_PORT, connections, "no_source_port",                               \
	  "no FULLNAT source port was free: the SYN was dropped")                                 \
	X(CONNECTION_TABLE_FULL, connections, "table_full",                                       \
	  "the flow table was full: the SYN was dropped")                                         \
	X(PACKET_FORWARDED, packets, "forwarded", "of a data connection, translated")             \
	X(PACKET_HELD, packets, "held",                                                           \
	  "of a control connection, out of order: dropped, to come again")                        \
	X(PACKET_CONTENDED, packets, "contended",                                                 \
	  "of a control connection, while another server's announcement "                         \
	  "of the same port is on its way: dropped, to come again")                               \
	X(PACKET_TTL, packets, "ttl_exceeded", "of a data connection, at its last hop: dropped")  \
	X(PACKET_TOO_BIG, packets, "too_big",                                                     \
	  "of a data connection, above the MTU ahead: dropped")                                   \
	X(PACKET_FRAGMENT, packets, "fragment", "an IPv4 fragment: passed")                       \
	X(PACKET_MALFORMED, packets, "malformed", "a header that cannot be: passed")              \
	X(PACKET_VLAN, packets, "vlan", "VLAN-tagged, on the interface below: passed")            \
	X(PACKET_FAILED, packets, "failed", "the kernel refused a change: dropped")               \
	X(BYTES_FORWARDED, bytes, "forwarded", "of data connections' IP packets, translated")     \
	X(EVENT_SENT, events, "sent", "handed to the daemon for its log")                         \
	X(EVENT_LOST, events, "lost", "the daemon's buffer was full")

enum ftpfix_reason {
#define FTPFIX_REASON_SYMBOL(symbol, family, label, help) FTPFIX_##symbol,
	FTPFIX_REASONS(FTPFIX_REASON_SYMBOL)
#undef FTPFIX_REASON_SYMBOL
		FTPFIX_REASON_COUNT
};

/* Ring buffer events: a decision that an operator may want to read about. */
struct ftpfix_event {
	__u64 at_ns;
	struct ftpfix_tuple session;	  /* client → service, as on the uplink */
	struct ftpfix_endpoint announced; /* by the server; none where unknown */
	struct ftpfix_endpoint published; /* to the client; none where unknown */
	__u32 reason;			  /* enum ftpfix_reason */
};

#define FTPFIX_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has changed its layout")

FTPFIX_ASSERT_SIZE(struct ftpfix_addr, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_endpoint, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_tuple, 36);
FTPFIX_ASSERT_SIZE(struct ftpfix_service, 40);
FTPFIX_ASSERT_SIZE(struct ftpfix_server_key, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_server, 4);
FTPFIX_ASSERT_SIZE(struct ftpfix_seen_key, 24);
FTPFIX_ASSERT_SIZE(struct ftpfix_seen, 48);
FTPFIX_ASSERT_SIZE(struct ftpfix_session_key, 36);
FTPFIX_ASSERT_SIZE(struct ftpfix_scan, 136);
FTPFIX_ASSERT_SIZE(struct ftpfix_stream, 160);
FTPFIX_ASSERT_SIZE(struct ftpfix_announcement, 92);
FTPFIX_ASSERT_SIZE(struct ftpfix_session, 720);
FTPFIX_ASSERT_SIZE(struct ftpfix_expectation_key, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_expectation, 120);
FTPFIX_ASSERT_SIZE(struct ftpfix_flow, 88);
FTPFIX_ASSERT_SIZE(struct ftpfix_event, 88);

#endif /* FTPFIX_H */
