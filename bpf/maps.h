/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps and the load-time constants of the dataplane. Their keys and values
 * are specified in include/ftpfix.h; nothing here knows what they are used for.
 */
#ifndef FTPFIX_MAPS_H
#define FTPFIX_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ftpfix.h"

/* One bit for each control port, so that a packet which is none of ours is
 * known without a map lookup. Port p is bit (p & 63) of word (p >> 6). Written by the
 * loader, also while the programs run. */
volatile __u64 service_ports[65536 / 64];

/* The same of the ports from which the loader's checks of servers come: no connection goes on
 * from them under FULLNAT, for its server's answers would be the check's. */
volatile __u64 check_ports[65536 / 64];

/* The range of public data ports, both ends in it: the lowest in the upper half. Written by the
 * loader, also while the programs run. */
volatile __u32 data_ports;

/* The range, in the same form, of the ports that servers announce within TLS, where nothing is
 * read; 0: no connection to these is carried. */
const volatile __u32 tls_ports;

/* Whether --server names prefixes: then data connections are carried to no other
 * address, not even to the one that an announcement came from. */
const volatile __u32 servers_configured;

/* Whether the clients stand inside, behind the node's address translation. */
const volatile __u32 clients_inside;

/* Whether flows go through the node's stack, or past it. */
const volatile __u32 path_stack;

/* The FULLNAT pool: how many addresses of each family map sources has, which is the
 * loader's to write while the programs run; and the ports. */
volatile __u32 source_count[FTPFIX_FAMILIES];
const volatile __u32 source_port_low = FTPFIX_PORT_MIN;
const volatile __u32 source_port_high = 65535;

/* How many entries of map backends to look at for the virtual address of each id. Written by
 * the loader, also while the programs run. */
volatile __u32 backend_count[FTPFIX_VIRTUALS_MAX];

/* The loader's to write, in ticks of the coarse monotonic clock: when something that next hops
 * depend on changed last, and until when that is sure to be noted here. */
volatile __u32 routes_changed_ticks;
volatile __u32 routes_watched_ticks;

/* How servers learn the client's address under FULLNAT: enum ftpfix_client_address, and
 * the option kind of TOA for each family. */
const volatile __u32 client_address;
const volatile __u32 toa_kind[FTPFIX_FAMILIES] = {FTPFIX_TOA_KIND, FTPFIX_TOA_KIND};

/* How long a promised data connection is waited for: less than 2^31 ticks. */
const volatile __u64 expectation_ns = FTPFIX_EXPECTATION_NS;

/* Silence after which the sweep ends a flow that is opening, open, or closing, and
 * forgets a session. */
const volatile __u64 flow_half_open_ns = FTPFIX_FLOW_HALF_OPEN_NS;
const volatile __u64 flow_idle_ns = FTPFIX_FLOW_IDLE_NS;
const volatile __u64 flow_closing_ns = FTPFIX_FLOW_CLOSING_NS;
const volatile __u64 session_idle_ns = FTPFIX_SESSION_IDLE_NS;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_SERVERS_MAX);
	__type(key, struct ftpfix_server_key);
	__type(value, struct ftpfix_server);
} servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_ADVERTISE_MAX);
	__type(key, struct ftpfix_advertise_key);
	__type(value, struct ftpfix_advertise);
} advertise SEC(".maps");

/* Full: the oldest notes go; their announcements are counted server_unseen. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FTPFIX_SEEN_MAX);
	__type(key, struct ftpfix_seen_key);
	__type(value, struct ftpfix_seen);
} seen SEC(".maps");

/* Full: new sessions are not followed (sessions table_full); those that are stay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_SESSIONS_MAX);
	__type(key, struct ftpfix_session_key);
	__type(value, struct ftpfix_session);
} sessions SEC(".maps");

/* Smaller than the tables of sessions and drafts: what was only begun cannot fill these. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_BEGUN_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_begun);
} begun SEC(".maps");

/* How many were ever noted there. */
__u32 begun_count;

/* Full: what finds no place any more is left to the sweep. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_ENDED_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_ended);
} ended SEC(".maps");

/* How many were ever noted there, and how many of these are deleted. */
__u32 ended_count;
__u32 ended_gone;

/* Full: announcements pass unchanged, and commands that must not are left to come again
 * (both table_full); what stands here stays, for it must be written the same way again. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_DRAFTS_MAX);
	__type(key, struct ftpfix_draft_key);
	__type(value, struct ftpfix_draft);
} drafts SEC(".maps");

/* Addresses that packets leave from, and the number of each (own.h). Full: what would leave
 * from a further one is refused (table_full). Written once; no number is given again. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_OWN_MAX);
	__type(key, struct ftpfix_addr);
	__type(value, __u32);
} own_numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FTPFIX_OWN_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_addr);
} own_addresses SEC(".maps");

/* How many numbers were given. */
__u32 own_count;

/* Addresses at which peers that come in on the uplink are expected, or were. Full: SYNs to a
 * further one are not counted when nobody expects them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_TOLD_MAX);
	__type(key, struct ftpfix_addr);
	__type(value, __u32);
} told SEC(".maps");

/* Full, when neither group of a peer and port has a free slot: new announcements pass unchanged
 * (announcements table_full); what is expected stays, and flows are not touched. The daemon
 * reads it as memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FTPFIX_EXPECTATION_GROUPS_MAX *FTPFIX_GROUP_SLOTS);
	__type(key, __u32);
	__type(value, struct ftpfix_expectation);
} expectations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FTPFIX_EXPECTATION_GROUPS_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_flow_group);
} expected_groups SEC(".maps");

/* The connections that are carried. Full, when neither group of a key has a free slot: new
 * ones are refused and counted (table_full); those that are there stay. The daemon reads
 * it as memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FTPFIX_FLOW_GROUPS_MAX *FTPFIX_GROUP_SLOTS);
	__type(key, __u32);
	__type(value, struct ftpfix_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FTPFIX_FLOW_GROUPS_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_flow_group);
} flow_groups SEC(".maps");

/* How many groups there are, and what makes their use unforeseeable to strangers. */
const volatile __u32 flow_group_count = FTPFIX_FLOW_GROUPS_MAX;
const volatile __u32 expectation_group_count = FTPFIX_EXPECTATION_GROUPS_MAX;
const volatile __u64 flow_seed;

/* Full: of connections that open, and of those that are closed, the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_TURN_KINDS *FTPFIX_TURNS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* How many places each kind has, a power of two not above 65536; how many were ever taken. */
const volatile __u32 turn_places = FTPFIX_TURNS_MAX;
__u32 turns_taken[FTPFIX_TURN_KINDS];

/* Full: a hop takes the place of another, which its flows then look up again. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_HOPS_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_hop);
} hops SEC(".maps");

/* The balancer's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_VIRTUALS_MAX);
	__type(key, struct ftpfix_endpoint);
	__type(value, struct ftpfix_virtual);
} virtuals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_VIRTUALS_MAX *FTPFIX_BACKENDS_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_backend);
} backends SEC(".maps");

struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_MAGLEV_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FTPFIX_VIRTUALS_MAX);
	__type(key, __u32);
	__array(values, struct maglev_table);
} maglev SEC(".maps");

/* Full: sessions of further servers are not counted, and least connections takes them for
 * idle. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FTPFIX_VIRTUALS_MAX *FTPFIX_BACKENDS_MAX);
	__type(key, struct ftpfix_endpoint);
	__type(value, struct ftpfix_load);
} loads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FTPFIX_FAMILIES *FTPFIX_SOURCES_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_source);
} sources SEC(".maps");

/* Written by the loader alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FTPFIX_LINKS_MAX);
	__type(key, __u32);
	__type(value, struct ftpfix_link);
} links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, FTPFIX_LINKS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xdp_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FTPFIX_LINKS_MAX);
	__type(key, struct ftpfix_tagged_key);
	__type(value, struct ftpfix_tagged);
} tagged SEC(".maps");

/* Indexed by enum ftpfix_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FTPFIX_REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FTPFIX_EVENTS_BYTES);
} events SEC(".maps");

#endif /* FTPFIX_MAPS_H */
