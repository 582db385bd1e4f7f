/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Working memory of one program run: too large for the stack, and kept in a map
 * so that the verifier need not follow every value in it. Each CPU has its own;
 * programs of TC do not interrupt each other on a CPU.
 */
#ifndef FTPFIX_SCRATCH_H
#define FTPFIX_SCRATCH_H

#include "maps.h"
#include "flow_key.h"
#include "ftp_edit.h"
#include "payload.h"
#include "port_choice.h"
#include "tcp_adjust.h"

/* The packet that is looked at, for functions that stand alone before the verifier:
 * pointers do not survive in memory. */
struct crossing {
	struct ftpfix_tuple tuple; /* as the packet carries it */
	struct ftpfix_session_key key;
	__u32 ifindex;	    /* where it is */
	__u32 in_sequence;  /* of the current line's first byte */
	__u32 out_sequence; /* the same, as it goes on */
	__u8 from_client;   /* 1: commands; 0: replies */
	__u8 entering;	    /* 1: on its way into the node; 0: out of it */
	__u8 ipv6;
	/* 1: ftpfix carries the control connection itself. Then its flow tells how the packet
	 * looks on the other side of the node, and nothing need be looked at there. */
	__u8 carried;
	__u32 beyond_ifindex; /* where it was or will be there */
	struct ftpfix_tuple beyond;
};

/* How far the packet is read: see segment.h. Offsets count from the start of its
 * payload. Here, so that the verifier need not tell one round of a loop from another. */
struct position {
	__u32 loaded;	  /* where the chunk ends */
	__u32 line_start; /* where the current line starts */
	__u32 line_begun; /* its bytes before this segment; 0: line_start is valid */
	__u32 end;	  /* where reading ends: what is behind must come again */
	__u32 failed;	  /* 1: the packet must not travel on */
	__u32 known;	  /* input sequence number from which on the packet is news */
	__u32 stale;	  /* its bytes whose edits are forgotten, for their receiver has them */
	__u32 draft_done; /* 1: of its direction's draft nothing is needed any more */
};

/* What is being settled for one announcement: see publish.h. */
struct publishing {
	struct ftpfix_addr addr;    /* that is announced instead */
	struct ftpfix_addr anybody; /* none */
	/* Toward the target; none: the peer's own. */
	struct ftpfix_addr source;
	__u32 fixed_port; /* 1: the announced port must be kept */
	__u32 room;	  /* enum ftp_room that was settled on */
	__u32 host_port;  /* public port that was settled on */
	int digits;	  /* that it may have */
	struct port_choice choice;
	__u32 first_try;
	int result;
};

/* The packet that was sent on last, whose header is still here: see sent.h. */
struct sent {
	__u64 number;  /* that it has; 0: none was sent, or it has left, or another was parsed */
	__u64 count;   /* of the numbers that this CPU has given */
	__u32 length;  /* of its frame */
	__u32 kind;    /* enum sent_kind; of a control connection also */
	__u32 ifindex; /* where it came in, */
	struct ftpfix_tuple from; /* and as which */
};

/* A connection that is about to open: see flow_open.h. */
struct opening {
	struct ftpfix_tuple key;    /* of its SYN, as that came in */
	struct ftpfix_tuple middle; /* the same through the stack: to the server, from the client */
	struct ftpfix_tuple to;	    /* as it reaches its target */
	struct ftpfix_endpoint target;
	struct ftpfix_addr source;     /* toward the target; none: the peer's own */
	struct ftpfix_virtual virtual; /* that it was for, of a control connection, */
	struct ftpfix_backend backend; /* and the server that takes it */
	__u32 out_ifindex;
	__u32 in_ifindex;
	__u32 side;	 /* enum ftpfix_side: where it comes in */
	__u8 place;	 /* enum ftpfix_place: FTPFIX_PLACE_CONTROL or 0 */
	__u8 marks;	 /* enum ftpfix_mark that it has from the start */
	__u32 pooled;	 /* 1: its source port, and where `source` is none its source address,
			 * are of the FULLNAT pool */
	__u32 addresses; /* of the pool to choose from */
	__u32 first_try;
	__u32 first_address;
	__u32 reusing; /* 1: none was free, those of connections that open or are closed are taken */
	__u32 slot;    /* of its opener's flow, plus one */
	int result;
};

struct scratch {
	struct packet packet;
	struct sent sent;
	__u32 slot; /* of the packet's flow on its way in, plus one; 0: it has none */
	struct ftp_scan scan;
	struct ftp_chunk chunk;
	struct ftp_announcement line;
	struct ftp_edit edit;
	struct payload_change change;
	struct patch patch;
	struct tcp_options options;
	struct crossing crossing;
	struct position position;
	struct publishing publishing;
	struct ftpfix_session session; /* a new one: zero but for how its streams begin */
	struct ftpfix_draft_key draft_key;
	struct ftpfix_draft draft; /* a new one: zero but for how it begins */
	struct ftpfix_seen note;
	struct ftpfix_seen other_note;	  /* of the same announcement */
	struct ftpfix_session_key inside; /* the session that a note is of */
	struct ftpfix_session_key ended;
	struct ftpfix_session_key reaped;
	struct ftpfix_expectation expectation;
	struct opening opening;
	struct ftpfix_flow ahead;    /* a new connection's, of its opener */
	struct ftpfix_flow behind;   /* and of the other direction; */
	struct flow_spot ahead_spot; /* where these may stand */
	struct flow_spot behind_spot;
	struct ftpfix_hop hop;	  /* of the packet that is carried */
	__u32 addressed;	  /* 1: its Ethernet header is that of the hop */
	struct ftpfix_tuple to;	  /* that it becomes */
	struct ftpfix_tuple back; /* key of a flow's other direction */
	struct ftpfix_tuple turned;
	struct ftpfix_tuple removed; /* of a connection that is removed: its first packet */
	struct ftpfix_tuple removed_to;
	struct packet quoted; /* by an ICMP error; of its payload nothing is known */
	struct ftpfix_tuple quoted_to;
	__u32 answer_mtu; /* what a packet is too big for */
	/* When the program that handles a packet on this CPU began to look at what may be taken
	 * out, and the one that sweeps, which packets interrupt; 0: none does (see grace.h). */
	__u32 packet_since_ticks;
	__u32 sweep_since_ticks;
	__u32 now_ticks; /* when the packet's program began so, by the coarse clock */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_memory(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&scratches, &first);
}

#endif /* FTPFIX_SCRATCH_H */
