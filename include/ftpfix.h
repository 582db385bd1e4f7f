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
#define FTPFIX_SESSIONS_MAX 32768
#define FTPFIX_BEGUN_MAX 8192 /* a power of two, below FTPFIX_DRAFTS_MAX */
#define FTPFIX_ENDED_MAX 4096 /* a power of two, below FTPFIX_BEGUN_MAX */
#define FTPFIX_DRAFTS_MAX 16384
#define FTPFIX_SEEN_MAX 16384
#define FTPFIX_EXPECTATION_GROUPS_MAX 2048 /* of FTPFIX_GROUP_SLOTS expectations each */
#define FTPFIX_FLOW_GROUPS_MAX 16384	   /* of FTPFIX_GROUP_SLOTS flows each */
#define FTPFIX_TURNS_MAX 32768		   /* a power of two, not above 65536 */
#define FTPFIX_HOPS_MAX 4096		   /* a power of two */
#define FTPFIX_ADVERTISE_MAX 1024
#define FTPFIX_TOLD_MAX 1024	  /* addresses that peers on the uplink were told */
#define FTPFIX_SOURCES_MAX 256	  /* FULLNAT addresses of one family */
#define FTPFIX_VIRTUALS_MAX 64	  /* virtual addresses of the balancer: a power of two */
#define FTPFIX_BACKENDS_MAX 256	  /* real servers of one virtual address */
#define FTPFIX_MAGLEV_SLOTS 65537 /* of one table: a prime, far above the servers */
#define FTPFIX_LINKS_MAX 256
#define FTPFIX_OWN_MAX 16384 /* addresses that packets leave from */
#define FTPFIX_EVENTS_BYTES (256 * 1024)

/* How many expectations one session may have open; a power of two. */
#define FTPFIX_EXPECTED_MAX 4

/* How many edits of one direction are remembered until their receiver has
 * acknowledged them; a power of two. */
#define FTPFIX_EDITS_MAX 4

/* No announcement is longer, its line end included. */
#define FTPFIX_LINE_MAX 128

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

/* How an endpoint is written over another. */
enum ftpfix_rewrite {
	FTPFIX_REWRITE_AUTO,	     /* at equal length where that can be, or else adjusted */
	FTPFIX_REWRITE_EQUAL_LENGTH, /* at equal length, or not at all */
	FTPFIX_REWRITE_ADJUST,	     /* as the server would write it, sequence numbers adjusted */
};

/* The rules that an operator may lift, as bits of ftpfix_service.allowed. */
enum ftpfix_allow {
	FTPFIX_ALLOW_UNASKED = 1 << 0,	 /* a 227 or 229 that nobody asked for */
	FTPFIX_ALLOW_MULTILINE = 1 << 1, /* one inside a multi-line reply */
	FTPFIX_ALLOW_ADDRESS = 1 << 2,	 /* a 227 of any address */
	FTPFIX_ALLOW_LOW_PORT = 1 << 3,	 /* ports below FTPFIX_PORT_MIN */
	FTPFIX_ALLOW_EPSV_ALL = 1 << 4,	 /* PASV, PORT and EPRT after EPSV ALL */
	FTPFIX_ALLOW_FOREIGN = 1 << 5,	 /* of a client inside, a session whose first line is
					  * no FTP command */
	FTPFIX_ALLOW_FXP = 1 << 6,	 /* transfers between two servers: a PORT that names another
					  * host, a data connection from another than the client */
};

/* Addresses that differ by family: arrays of two have this index. */
enum ftpfix_family { FTPFIX_IPV4, FTPFIX_IPV6, FTPFIX_FAMILIES };

/* How a server learns the client's own address under FULLNAT. */
enum ftpfix_client_address {
	FTPFIX_CLIENT_ADDRESS_NONE,
	FTPFIX_CLIENT_ADDRESS_TOA,	/* a TCP option, on control and data connections */
	FTPFIX_CLIENT_ADDRESS_PROXY_V1, /* a header in front of the control connection's */
	FTPFIX_CLIENT_ADDRESS_PROXY_V2, /* first byte (HAProxy's PROXY protocol) */
};

/* TOA: the option's kind, and its length with port and address. */
#define FTPFIX_TOA_KIND 254
#define FTPFIX_TOA_LENGTH_IPV4 8
#define FTPFIX_TOA_LENGTH_IPV6 20

/* Map services: control port (host order, 1..65535) → how its announcements
 * are treated. Written by the loader alone, whole entries at a time. */
struct ftpfix_service {
	__u16 port_low;	 /* the range of public data ports, both ends in it, */
	__u16 port_high; /* FTPFIX_PORT_MIN <= low <= high */
	__u32 forward;	 /* enum ftpfix_forward */
	__u32 rewrite;	 /* enum ftpfix_rewrite */
	__u32 allowed;	 /* bits of enum ftpfix_allow */
};

/* Map advertise (LPM trie): the prefix of those who are told → the address that they are
 * told. Where there is none, or one of the other family: the one that they dialled. */
struct ftpfix_advertise_key {
	__u32 prefix_length; /* of the mapped address: 96 + the IPv4 length */
	struct ftpfix_addr addr;
};

struct ftpfix_advertise {
	struct ftpfix_addr addr;
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

/* On which interfaces a program was attached, and so what it may match. */
enum ftpfix_side {
	FTPFIX_SIDE_UPLINK,
	FTPFIX_SIDE_INSIDE,
};

/* Map seen: what was announced, noted where its packet entered the node. Where
 * the announcement leaves the node it is learnt from this who announced it, which
 * a proxied or translated control connection no longer tells. */
struct ftpfix_seen_key {
	struct ftpfix_addr addr; /* as the line says; none for 229 and by sequence */
	__u32 sequence;		 /* TCP sequence of the line; 0 when by_sequence is 0 */
	__u16 port;		 /* announced, host order; 0 for HOST and for the first
				  * line of a session, which is noted by sequence alone */
	__u8 by_sequence;	 /* 1: the line kept its sequence number on the way */
	__u8 command;		 /* 1: PORT, EPRT or HOST; 0: 227 or 229 */
};

struct ftpfix_seen {
	struct ftpfix_tuple tuple; /* of the packet: its source is the announcer, its
				    * destination whom the announcer talks to */
	__u32 ifindex;		   /* where it entered the node */
	__u64 at_ns;
};

/* Map sessions: a control connection, client → service, as it is on the wires of
 * one side of the node. */
struct ftpfix_session_key {
	struct ftpfix_tuple tuple;
	__u8 side; /* enum ftpfix_side */
	__u8 padding[3];
};

/*
 * What was written over a piece of a stream. The stream as it arrives here is
 * its input, as it goes on its output; each has its own sequence numbers.
 *
 * An edit that is open (ftpfix_stream.holding) stands for the start of a line that
 * is kept back: its output is empty, and grows when the line is complete.
 */
struct ftpfix_extent {
	__u16 in_length;  /* bytes replaced */
	__u16 out_length; /* bytes of text written for them */
	__u16 held;	  /* of the replaced ones, those acknowledged before they went on */
	__u16 in_place;	  /* 1: nothing was held and the lengths are equal: byte for byte */
} __attribute__((aligned(8)));

struct ftpfix_edit {
	__u32 in_sequence;	     /* of the first replaced byte */
	__u32 out_sequence;	     /* of the first written one */
	struct ftpfix_extent extent; /* read and written as one word */
	char text[FTPFIX_LINE_MAX];
};

/*
 * Map drafts: one direction of a session → what of it must be written again the same way
 * until its receiver has acknowledged it, and the start of a line whose end has not come.
 * Its own direction makes and writes it, and deletes it when nothing in it is needed any
 * more; the other one reads it to translate acknowledgements.
 */
struct ftpfix_draft_key {
	struct ftpfix_tuple tuple; /* of its session */
	__u8 side;		   /* enum ftpfix_side */
	__u8 from_client;	   /* 1: commands; 0: replies */
	__u8 padding[2];
};

struct ftpfix_draft {
	__u32 edits;  /* so far; the newest stands at edits - 1 modulo the bound */
	__u32 floor;  /* input: what is before it needs no edits any more */
	__u8 floored; /* 1: floor is valid: an edit before it was forgotten */
	__u8 last;    /* the output's byte in front of floor */
	__u16 padding;
	__u32 ended; /* 1: the sweep is about to delete it */
	struct ftpfix_edit edit[FTPFIX_EDITS_MAX];
	char line[FTPFIX_LINE_MAX]; /* the first bytes of the current line */
};

/* Where the newest edit of a stream ends, and by how much what is behind it moved. */
struct ftpfix_shift {
	__u32 in_sequence; /* input: the first byte behind it */
	__u32 delta;	   /* output minus input, from there on */
} __attribute__((aligned(8)));

/* The times of flows, sessions and expectations: units of 2^20 ns, counted modulo 2^32, which
 * is 52 days. They are compared by their signed difference: no timeout may reach half of it. */
#define FTPFIX_TICK_SHIFT 20

/* How long the dataplane trusts in hearing of changed routes, unless the daemon renews it. */
#define FTPFIX_WATCHED_NS (3 * FTPFIX_SECOND_NS)

/* Columns of a line are counted up to here. */
#define FTPFIX_COLUMN_MAX 2047

/* One direction of a control connection: written by that direction alone. */
struct ftpfix_stream {
	__u32 seen_ticks;
	__u32 next_sequence; /* input: first byte not scanned yet */
	__u32 acknowledged;  /* highest acknowledgement number that it sent: of the other
			      * direction's output */
	union {
		struct {
			__u16 held_sequence; /* of the segment that was dropped last for a gap
					      * before it: the lower half */
			__u16 serial; /* 0: never edited. Changed before anything that a draft says
				       * is forgotten, so that the other direction does not read on
				       * in it: atomically, in this word */
		};
		__u32 serial_word;
	};
	struct ftpfix_shift shift; /* of the newest edit; read and written as one word */
	__u32 column : 11;	   /* bytes of the current line so far, saturating */
	__u32 multiline : 10;	   /* reply code that ends the multi-line reply, or 0 */
	__u32 spoken : 1;	   /* a packet of it was seen */
	__u32 started : 1;	   /* next_sequence is valid */
	__u32 acknowledging : 1;   /* acknowledged is valid */
	__u32 finished : 1;	   /* it sent a FIN */
	__u32 holding : 1;	   /* the newest edit is open */
	__u32 drafted : 1;	   /* it has a draft */
	__u32 opaque : 1;	   /* encrypted, not read */
	__u32 foreign : 1;	   /* its first line was no FTP: nothing in it is followed */
	__u32 lines : 1;  /* a line has ended, so that the byte before the current one is '\n' */
	__u32 begun : 1;  /* its first bytes were looked at */
	__u32 judged : 1; /* its first line was looked at */
	/* Commands: how often this was asked for; replies: how much of it was answered. */
	__u8 auth;
	__u8 epsv_all;
	__u8 held : 4;	      /* how often that segment was dropped */
	__u8 encryptions : 4; /* replies: how often AUTH was accepted; commands: of how many
			       * of these they know; modulo 2^4 */
	__u8 last;	      /* the last byte of the newest edit's output */
};

/* A data connection that a session announced. */
struct ftpfix_expected {
	__be16 be_port;	     /* the public one; 0: none */
	__be16 be_peer_port; /* from which the peer came; 0: not yet */
};

/*
 * What ftpfix_session.over says: whether the session is followed; odd, that it is over, as the
 * stamp of its grace period (bpf/grace.h), behind which it is deleted, or begun anew in its
 * place where its key is needed; or that one of these is being done. Changed by compare-and-swap.
 */
enum ftpfix_session_over {
	FTPFIX_SESSION_FOLLOWED = 0,
	FTPFIX_SESSION_CHANGING = 2,
};

/* Counts are modulo 2^8, and compared for their difference. */
struct ftpfix_session {
	struct ftpfix_stream client; /* commands */
	struct ftpfix_stream server; /* replies */
	/* Written by the commands' direction: how often it asked. */
	__u32 asked_ticks; /* when it did so last */
	__u8 asked_pasv;
	__u8 asked_epsv;
	/* Written by the replies' direction: how much of it was answered. */
	__u8 answered_pasv;
	__u8 answered_epsv;
	__u8 refused_epsv_all; /* how often EPSV ALL was asked for when it was refused last */
	/* Written where the replies leave the node: 1: their sequence numbers are those with
	 * which they came in, so that no proxy speaks in between. */
	__u8 translated;
	/* Written by the direction that is followed on this side of the node: */
	__u16 announcements; /* so far, modulo 2^16; the next goes to this modulo the bound */
	struct ftpfix_expected expected[FTPFIX_EXPECTED_MAX];
	__u32 over; /* see enum ftpfix_session_over */
};

/*
 * Map begun (array, written in a circle): a session in which only the client has spoken,
 * and that where anybody may send what looks like a client's packet; or one that is over,
 * for what comes late. When its place is needed, it is forgotten if it is still that.
 */
struct ftpfix_begun {
	struct ftpfix_session_key session;
};

/* Map ended (array, written in a circle): a session that is over, and still to be deleted. */
struct ftpfix_ended {
	struct ftpfix_session_key session;
};

/*
 * How an expectation names an address: by its number in map own_addresses; or, where it is an
 * end of the session, as that. Numbers are never given back, so that clients, who may be any
 * number, get none: but for one whose PORT names another host (FTPFIX_ALLOW_FXP), for that is
 * what the other host's packets go on from.
 */
enum ftpfix_named {
	FTPFIX_NAMED_NONE,
	FTPFIX_NAMED_SOURCE = FTPFIX_OWN_MAX, /* the source of the session's tuple */
	FTPFIX_NAMED_DESTINATION,	      /* its destination */
	FTPFIX_NAMED_COUNT,
};

/* Names have 15 bits. */
_Static_assert(FTPFIX_NAMED_COUNT <= 1 << 15, "an address is named by 15 bits");

/*
 * Map expectations (array): the one host that may connect, and the public port that it will
 * connect to, with the connection that this will be. One port serves one host once, so that
 * no two entries have the same peer and port: inserting one is at the same time the reservation
 * of the port. Where a peer and port may stand their hash tells (bpf/expectation_spot.h); map
 * expected_groups has the tags of the slots, as flow_groups those of flows.
 *
 * The state says whether there is an expectation in a slot that is taken. It is changed, by
 * compare-and-swap together with the port, by who takes the expectation away; and it has a
 * number that is another one whenever the slot has got another expectation.
 */
enum ftpfix_expectation_state {
	FTPFIX_EXPECTATION_COMING = 1, /* for those who insert the same meanwhile */
	FTPFIX_EXPECTATION_LIVE = 2,
	FTPFIX_EXPECTATION_UNREAD = 4, /* of what is encrypted: see bpf/unread.h */
	FTPFIX_EXPECTATION_NUMBER = 8, /* what the number goes up by */
};

struct ftpfix_expectation {
	struct ftpfix_addr peer; /* none: any (FTPFIX_ALLOW_FXP) */
	__be16 be_port;		 /* of an unread one: what stands for any */
	__u16 state;		 /* see enum ftpfix_expectation_state */
	__u32 deadline_ticks;	 /* see FTPFIX_TICK_SHIFT */
	__u32 out_ifindex;	 /* toward the target */
	__u16 announcement;	 /* its number in the session, modulo 2^16 */
	/* Addresses, as enum ftpfix_named or by number: */
	__u16 dialled;	       /* the peer's own end of the control connection */
	__u16 advertised : 15; /* what the announcement says */
	__u16 side : 1;	       /* enum ftpfix_side: where it comes in */
	__u16 source : 15;     /* toward the target; none: the peer's own */
	__u16 pooled : 1;      /* its source port is of the FULLNAT range */
	struct ftpfix_session_key session;
	struct ftpfix_endpoint target; /* what was announced */
} __attribute__((aligned(8)));

/*
 * Map virtuals: an address and port at which ftpfix itself takes control connections
 * (the balancer) → how it spreads them. Its servers are the entries id *
 * FTPFIX_BACKENDS_MAX + n of map backends, 0 <= n < variable backend_count[id]; the entry
 * `id` of map maglev is the table of those n that take new sessions. Written by the loader
 * alone, once: while the kernel replaces an element of a hash map, a program may find neither
 * the old one nor the new one, or read what is put into the memory of the old one.
 */
enum ftpfix_balance {
	FTPFIX_BALANCE_MAGLEV,		  /* by the client's address */
	FTPFIX_BALANCE_LEAST_CONNECTIONS, /* fewest sessions per weight, see map loads */
};

struct ftpfix_virtual {
	__u32 id;      /* below FTPFIX_VIRTUALS_MAX */
	__u32 balance; /* enum ftpfix_balance */
	__u32 forward; /* FTPFIX_FORWARD_NAT or FTPFIX_FORWARD_FULLNAT */
};

/* A slot of a Maglev table that no server has: none is up. */
#define FTPFIX_MAGLEV_NONE 0xffffffff

/* Such a server takes new sessions, and is being written: its clients may come again. */
#define FTPFIX_TAKES_LATER 2

/* What tells of another server, or of another way to it, is written while it takes none, or
 * takes them later. */
struct ftpfix_backend {
	struct ftpfix_endpoint endpoint; /* port 0: this entry is free */
	struct ftpfix_addr source;	 /* the node's own toward it: FULLNAT without a pool */
	__u32 out_ifindex;		 /* toward it */
	__u32 weight;			 /* 1..65535 */
	__u32 takes;			 /* 1: new sessions; 0: it is down or drained; or _LATER */
};

/* Map loads: a server's endpoint → its control connections that are established now.
 * Counted by the dataplane, atomically; the loader removes entries of zero. */
struct ftpfix_load {
	__s64 sessions;
};

/* Map sources (array): family * FTPFIX_SOURCES_MAX + n → an address of the FULLNAT pool. */
struct ftpfix_source {
	struct ftpfix_addr addr;
};

/* Map links: an interface that ftpfix is on, which is one of Ethernet, a VLAN device counted as
 * itself → how packets are sent out of it. Of what is missing here only the kernel knows what
 * stands in front of a packet. The map xdp_devices (devmap hash) has the same key where XDP
 * sends, and tells the kernel the device that carries it. */
struct ftpfix_link {
	__be16 be_vlan; /* by XDP: tag control information, 0: sent untagged */
	__u8 fast;	/* 1: takes frames from XDP */
	__u8 frags;	/* 1: and those of several buffers */
};

/* Map tagged: the device on which XDP saw a frame, and its VLAN → the VLAN device. */
struct ftpfix_tagged_key {
	__u32 ifindex;
	__be16 be_vlan; /* identifier, 12 bits */
	__u16 padding;
};

struct ftpfix_tagged {
	__u32 ifindex;
	__u32 sides; /* bits 1 << enum ftpfix_side that it was attached as */
};

/* Where a packet meets a program: twice the side, and 1 on its way out. */
enum ftpfix_hook {
	FTPFIX_HOOK_UPLINK_IN = 2 * FTPFIX_SIDE_UPLINK,
	FTPFIX_HOOK_UPLINK_OUT,
	FTPFIX_HOOK_INSIDE_IN = 2 * FTPFIX_SIDE_INSIDE,
	FTPFIX_HOOK_INSIDE_OUT,
};

/* What a flow is, in ftpfix_flow.place beside its hook: said when it is inserted. */
enum ftpfix_place {
	FTPFIX_PLACE_HOOK = 3,	       /* mask of enum ftpfix_hook */
	FTPFIX_PLACE_CONTROL = 1 << 2, /* a control connection; otherwise a data connection */
	FTPFIX_PLACE_INNER = 1 << 3,   /* the second pair of a connection: not counted */
	FTPFIX_PLACE_OPENER = 1 << 4,  /* its sender sent the first SYN */
};

/* How far one direction has come, in ftpfix_flow.progress. */
enum ftpfix_progress {
	FTPFIX_PROGRESS_SYN = 1 << 0,		   /* its SYN has passed */
	FTPFIX_PROGRESS_FIN = 1 << 1,		   /* its FIN has passed */
	FTPFIX_PROGRESS_ACKNOWLEDGING = 1 << 2,	   /* `acknowledged` is valid */
	FTPFIX_PROGRESS_FIN_ACKNOWLEDGED = 1 << 3, /* it acknowledged the peer's FIN */
};

/* What either direction may say of a flow, in ftpfix_flow.marks: set atomically, in the word
 * that they are in. */
enum ftpfix_mark {
	FTPFIX_MARK_SLOW = 1 << 0,     /* its sequence numbers were changed: not for XDP */
	FTPFIX_MARK_SETTLED = 1 << 1,  /* its handshake is done */
	FTPFIX_MARK_CLOSED = 1 << 2,   /* both FINs are acknowledged, or it was reset: it serves
					* late packets */
	FTPFIX_MARK_PEER_FIN = 1 << 3, /* the other direction's FIN has passed */
	FTPFIX_MARK_ANSWERED = 1 << 4, /* with TOA: who was dialled has answered the opener */
	FTPFIX_MARK_NARROW = 1 << 5,   /* with TOA: what the opener sent was too big further on */
	FTPFIX_MARK_COMING = 1 << 6,   /* this slot is about to hold a flow */
	FTPFIX_MARK_LIVE = 1 << 7,     /* this slot holds a flow */
};

/* The tuple of a flow's packets as they come in: of IPv4 the addresses and the ports as
 * they are in the packet, of IPv6 96 bits that stand for them (bpf/flow_key.h). Of a free slot the
 * first word says when it became free (bpf/grace.h). */
struct ftpfix_flow_key {
	__u32 word[3];
};

/*
 * Map flows (array, with its directory in map flow_groups): one direction of a connection as
 * it is at its hook → as it goes on. A slot is one cache line. The other direction's
 * key is what this one becomes, turned round, unless the path goes through the stack: then
 * each direction is translated at two hooks for FULLNAT. Its own direction writes an entry;
 * of marks both set bits.
 *
 * Connections that open, and those that are closed, stand here too, but no more of each
 * than map turns has places: so neither a flood of SYNs nor of ended connections takes an
 * established one's place.
 */
struct ftpfix_flow {
	struct ftpfix_flow_key key;
	__u32 peer;			/* slot of the other direction */
	struct ftpfix_addr destination; /* to which it goes on */
	__be16 be_source_port;		/* from which port, */
	__be16 be_destination_port;	/* to which port */
	__u16 source;	      /* from which own address: its number; 0: the packet's own */
	__u16 turn;	      /* its place in map turns */
	__u32 first_sequence; /* of the SYN */
	__u32 end_sequence;   /* one past the highest byte sent */
	__u32 acknowledged;   /* highest acknowledgement number sent */
	__u32 seen_ticks;     /* when its last packet came */
	__u16 hop;	      /* index of map hops, */
	__u8 hop_version;     /* and what its version was, halved, modulo 2^8 */
	__u8 hop_checked;     /* when the hop was looked up: ticks >> 4, modulo 2^8 */
	__u8 place;	      /* bits of enum ftpfix_place */
	__u8 marks;	      /* bits of enum ftpfix_mark */
	__u8 progress;	      /* bits of enum ftpfix_progress */
	__u8 wraps;	      /* how often its bytes filled 2^32, modulo 2^8 */
} __attribute__((aligned(64)));

/*
 * Map flow_groups (array): the directory of map flows. Group g is slots g *
 * FTPFIX_GROUP_SLOTS to g * FTPFIX_GROUP_SLOTS + FTPFIX_GROUP_SLOTS - 1; byte n of its words, the
 * lowest first, is the tag of slot n. A key has two groups and one tag, which its hash tells
 * (bpf/flow_key.h).
 */
#define FTPFIX_GROUP_SLOTS 16

enum ftpfix_tag {
	FTPFIX_TAG_FREE,  /* the slot is free */
	FTPFIX_TAG_BUSY,  /* its contents are about to change */
	FTPFIX_TAG_FIRST, /* from here on: a flow with this tag */
};

struct ftpfix_flow_group {
	__u64 tags[FTPFIX_GROUP_SLOTS / 8];
};

/*
 * Map turns (array): kind * places + turn → one more than the slot of a connection that
 * opens, or of one that is closed, on the way in from its opener; 0: none. Written in a
 * circle: whose place is needed gives way if it is still that.
 */
enum ftpfix_turn {
	FTPFIX_TURN_OPENING,
	FTPFIX_TURN_CLOSED,
	FTPFIX_TURN_KINDS,
};

/*
 * Map hops (array): where packets of flows leave the node, and the Ethernet header that is in
 * front of them there. A place is taken by another hop when it is needed, which version tells;
 * but only once in a unit of `written`, so that no version comes round while a flow uses its
 * hop, and not that of a hop of which only the interface is known.
 */
struct ftpfix_hop {
	__u32 version;	   /* odd while it is written, then one more */
	__u32 out_ifindex; /* a VLAN device counts itself */
	__u8 destination[6];
	__u8 source[6];
	__be16 be_vlan; /* by XDP: tag control information; 0: untagged */
	__u16 mtu;	/* the largest IP packet; 0: only the interface is known */
	__u16 fast;	/* 1: XDP may send there */
	__u16 written;	/* when it was written: ticks >> 4, modulo 2^16 */
	__u16 shown;	/* when the kernel saw last that it is in use, likewise */
	__u16 padding;
};

/*
 * Every decision has one reason. X(symbol, family, label, help): the counter's
 * index, the event's code, and the Prometheus series
 * ftpfix_<family>_total{reason="<label>"} come from this one list.
 */
#define FTPFIX_REASONS(X)                                                                        \
	X(ANNOUNCEMENT_REWRITTEN, announcements, "rewritten",                                    \
	  "the address or port was replaced, at equal length")                                   \
	X(ANNOUNCEMENT_ADJUSTED, announcements, "adjusted",                                      \
	  "the address or port was replaced, sequence numbers adjusted")                         \
	X(ANNOUNCEMENT_KEPT, announcements, "kept",                                              \
	  "expected, and already right for the receiver")                                        \
	X(ANNOUNCEMENT_HOST, announcements, "host",                                              \
	  "the virtual address in a HOST command was replaced by the server's")                  \
	X(ANNOUNCEMENT_REPEATED, announcements, "repeated",                                      \
	  "a retransmission, given the same bytes again")                                        \
	X(ANNOUNCEMENT_UNASKED, announcements, "unasked",                                        \
	  "no PASV or EPSV was outstanding: passed unchanged")                                   \
	X(ANNOUNCEMENT_MULTILINE, announcements, "multiline",                                    \
	  "inside a multi-line reply: passed unchanged")                                         \
	X(ANNOUNCEMENT_MALFORMED, announcements, "malformed",                                    \
	  "no endpoint could be read: passed unchanged")                                         \
	X(ANNOUNCEMENT_LENGTH, announcements, "length",                                          \
	  "has no room for the public address (--rewrite equal-length): passed unchanged")       \
	X(ANNOUNCEMENT_PORT_LOW, announcements, "port_low",                                      \
	  "the announced port is below 1024: a reply passed unchanged, a command was refused")   \
	X(ANNOUNCEMENT_ADDRESS_REFUSED, announcements, "address_refused",                        \
	  "the address is neither the peer's nor an allowed server: passed unchanged")           \
	X(ANNOUNCEMENT_BOUNCE, announcements, "bounce",                                          \
	  "a PORT or EPRT that names another host: made a command that no server knows")         \
	X(ANNOUNCEMENT_EPSV_ALL, announcements, "after_epsv_all",                                \
	  "a PORT or EPRT after EPSV ALL: made a command that no server knows")                  \
	X(ANNOUNCEMENT_FOREIGN, announcements, "foreign",                                        \
	  "in a session that did not begin as FTP: passed unchanged")                            \
	X(ANNOUNCEMENT_SERVER_UNSEEN, announcements, "server_unseen",                            \
	  "did not come in on an interface of the other side: passed unchanged")                 \
	X(ANNOUNCEMENT_NO_FREE_PORT, announcements, "no_free_port",                              \
	  "no fitting port of the range was found free: passed unchanged")                       \
	X(ANNOUNCEMENT_TABLE_FULL, announcements, "table_full",                                  \
	  "a table took no more entries: passed unchanged")                                      \
	X(COMMAND_UNKNOWN, commands, "unknown", "a verb of no FTP document: passed")             \
	X(COMMAND_LONG_ADDRESS, commands, "long_address",                                        \
	  "LPSV or LPRT (RFC 1639): passed, its address unread")                                 \
	X(SESSION_OPAQUE, sessions, "opaque",                                                    \
	  "the server accepted AUTH: nothing is read any more")                                  \
	X(SESSION_TABLE_FULL, sessions, "table_full",                                            \
	  "a packet of a new one, which is not followed: the table was full")                    \
	X(SESSION_RESUMED, sessions, "resumed",                                                  \
	  "plain text again after CCC: one direction is read again")                             \
	X(CONNECTION_EXPECTED, connections, "expected", "an expectation was recorded")           \
	X(CONNECTION_OPENED, connections, "opened", "the expected peer came and became a flow")  \
	X(CONNECTION_CLOSED, connections, "closed", "both sides finished, or one reset")         \
	X(CONNECTION_NOBODY_CAME, connections, "nobody_came",                                    \
	  "the expectation ran out, or its session ended: is the port range open?")              \
	X(CONNECTION_UNEXPECTED, connections, "unexpected",                                      \
	  "a SYN to an announced address and a port of --data-ports, by one who is not "         \
	  "expected there: passed")                                                              \
	X(CONNECTION_REPLACED, connections, "replaced",                                          \
	  "the session asked for newer ones before this one was used")                           \
	X(CONNECTION_TIMED_OUT, connections, "timed_out", "a flow was silent for too long")      \
	X(CONNECTION_CROWDED_OUT, connections, "crowded_out",                                    \
	  "was opening, and gave way to newer ones")                                             \
	X(CONNECTION_NO_SOURCE_PORT, connections, "no_source_port",                              \
	  "no FULLNAT source port was free: the SYN was answered with a reset")                  \
	X(CONNECTION_TABLE_FULL, connections, "table_full",                                      \
	  "the flow table was full: answered with a reset")                                      \
	X(BALANCED_OPENED, balanced, "opened", "a client's SYN to a virtual address")            \
	X(BALANCED_ESTABLISHED, balanced, "established", "the server and the client answered")   \
	X(BALANCED_CLOSED, balanced, "closed", "both sides finished, or one reset")              \
	X(BALANCED_TIMED_OUT, balanced, "timed_out", "a control connection was silent too long") \
	X(BALANCED_CROWDED_OUT, balanced, "crowded_out",                                         \
	  "was opening, and gave way to newer ones")                                             \
	X(BALANCED_NO_SERVER, balanced, "no_server",                                             \
	  "no server takes new sessions: the SYN was answered with a reset")                     \
	X(BALANCED_NO_SOURCE_PORT, balanced, "no_source_port",                                   \
	  "no FULLNAT source port was free: the SYN was answered with a reset")                  \
	X(BALANCED_TABLE_FULL, balanced, "table_full",                                           \
	  "the flow table was full: answered with a reset")                                      \
	X(PACKET_FORWARDED, packets, "forwarded", "translated by TC")                            \
	X(PACKET_FORWARDED_XDP, packets, "forwarded_xdp", "translated by XDP")                   \
	X(PACKET_REFUSED, packets, "refused",                                                    \
	  "of a connection that is refused: answered with a reset")                              \
	X(PACKET_ICMP, packets, "icmp", "an ICMP error about a flow: translated with it")        \
	X(PACKET_ICMP_SENT, packets, "icmp_sent",                                                \
	  "an ICMP error of the node's own was sent about the packet")                           \
	X(PACKET_TOA, packets, "toa", "got the client's address as a TCP option")                \
	X(PACKET_TOA_NO_ROOM, packets, "toa_no_room",                                            \
	  "the first of its connection, had no room for the TCP option: sent without it")        \
	X(PACKET_PROXY_HEADER, packets, "proxy_header", "got a PROXY protocol header")           \
	X(PACKET_HELD, packets, "held",                                                          \
	  "of a control connection, too early: dropped, to come again")                          \
	X(PACKET_KEPT_BACK, packets, "kept_back",                                                \
	  "the start of an announcement: joined to its end when that came")                      \
	X(PACKET_CUT, packets, "cut",                                                            \
	  "of a control connection, too long once it was rewritten: its end is left to come "    \
	  "again")                                                                               \
	X(PACKET_CONTENDED, packets, "contended",                                                \
	  "of a control connection, while another server's announcement of the same port is on " \
	  "its way: dropped, to come again")                                                     \
	X(PACKET_TTL, packets, "ttl_exceeded",                                                   \
	  "of a flow, at its last hop: its sender is told by ICMP (see icmp_sent)")              \
	X(PACKET_TOO_BIG, packets, "too_big",                                                    \
	  "of a flow, above the MTU ahead: its sender is told by ICMP (see icmp_sent)")          \
	X(PACKET_FRAGMENT, packets, "fragment", "an IP fragment: passed")                        \
	X(PACKET_MALFORMED, packets, "malformed", "a header that cannot be: passed")             \
	X(PACKET_EXTENSION, packets, "extension",                                                \
	  "IPv6 extension headers that are too long to look behind: passed")                     \
	X(PACKET_VLAN, packets, "vlan", "VLAN-tagged, on the interface below: passed")           \
	X(PACKET_FAILED, packets, "failed", "the kernel refused a change: dropped")              \
	X(BYTES_FORWARDED, bytes, "forwarded", "of IP packets translated by TC")                 \
	X(BYTES_FORWARDED_XDP, bytes, "forwarded_xdp", "of IP packets translated by XDP")        \
	X(EVENT_SENT, events, "sent", "handed to the daemon for its log")                        \
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
	struct ftpfix_session_key session;
	struct ftpfix_endpoint announced; /* by its sender; none where unknown */
	struct ftpfix_endpoint published; /* to its receiver; none where unknown */
	__u32 reason;			  /* enum ftpfix_reason */
	__u32 padding;
};

/* What the program ftpfix_count finds, which the daemon runs: how many entries there are. */
struct ftpfix_tally {
	__u64 sessions;
};

#define FTPFIX_ASSERT_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has changed its layout")

FTPFIX_ASSERT_SIZE(struct ftpfix_addr, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_endpoint, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_tuple, 36);
FTPFIX_ASSERT_SIZE(struct ftpfix_service, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_advertise_key, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_advertise, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_server_key, 20);
FTPFIX_ASSERT_SIZE(struct ftpfix_server, 4);
FTPFIX_ASSERT_SIZE(struct ftpfix_seen_key, 24);
FTPFIX_ASSERT_SIZE(struct ftpfix_seen, 48);
FTPFIX_ASSERT_SIZE(struct ftpfix_session_key, 40);
FTPFIX_ASSERT_SIZE(struct ftpfix_extent, 8);
FTPFIX_ASSERT_SIZE(struct ftpfix_edit, 144);
FTPFIX_ASSERT_SIZE(struct ftpfix_draft_key, 40);
FTPFIX_ASSERT_SIZE(struct ftpfix_draft, 720);
FTPFIX_ASSERT_SIZE(struct ftpfix_shift, 8);
FTPFIX_ASSERT_SIZE(struct ftpfix_stream, 32);
FTPFIX_ASSERT_SIZE(struct ftpfix_expected, 4);
FTPFIX_ASSERT_SIZE(struct ftpfix_session, 96);
FTPFIX_ASSERT_SIZE(struct ftpfix_begun, 40);
FTPFIX_ASSERT_SIZE(struct ftpfix_ended, 40);
FTPFIX_ASSERT_SIZE(struct ftpfix_expectation, 96);
FTPFIX_ASSERT_SIZE(struct ftpfix_virtual, 12);
FTPFIX_ASSERT_SIZE(struct ftpfix_backend, 48);
FTPFIX_ASSERT_SIZE(struct ftpfix_load, 8);
FTPFIX_ASSERT_SIZE(struct ftpfix_source, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_link, 4);
FTPFIX_ASSERT_SIZE(struct ftpfix_tagged_key, 8);
FTPFIX_ASSERT_SIZE(struct ftpfix_tagged, 8);
FTPFIX_ASSERT_SIZE(struct ftpfix_flow_key, 12);
FTPFIX_ASSERT_SIZE(struct ftpfix_flow, 64);
FTPFIX_ASSERT_SIZE(struct ftpfix_flow_group, 16);
FTPFIX_ASSERT_SIZE(struct ftpfix_hop, 32);
FTPFIX_ASSERT_SIZE(struct ftpfix_event, 96);
FTPFIX_ASSERT_SIZE(struct ftpfix_tally, 8);

#endif /* FTPFIX_H */
