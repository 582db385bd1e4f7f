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
 * known without a map lookup. Port p is bit (p & 63) of word (p >> 6). */
const volatile __u64 service_ports[65536 / 64];

/* Whether --server names prefixes: then data connections are carried to no other
 * address, not even to the one that an announcement came from. */
const volatile __u32 servers_configured;

/* Whether the clients stand inside, behind the node's address translation. */
const volatile __u32 clients_inside;

/* How long a promised data connection is waited for. */
const volatile __u64 expectation_ns = FTPFIX_EXPECTATION_NS;

/* Silence after which the sweep ends an open flow, and forgets a session. */
const volatile __u64 flow_idle_ns = FTPFIX_FLOW_IDLE_NS;
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

/* Full: the session that was silent longest is forgotten; when it speaks again
 * it is taken up in mid-stream. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FTPFIX_SESSIONS_MAX);
	__type(key, struct ftpfix_session_key);
	__type(value, struct ftpfix_session);
} sessions SEC(".maps");

/* Full: the oldest expectations go; flows are not touched. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FTPFIX_EXPECTATIONS_MAX);
	__type(key, struct ftpfix_expectation_key);
	__type(value, struct ftpfix_expectation);
} expectations SEC(".maps");

/* Full: new data connections are dropped and counted (table_full); those that
 * are established stay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FTPFIX_FLOWS_MAX);
	__type(key, struct ftpfix_tuple);
	__type(value, struct ftpfix_flow);
} flows SEC(".maps");

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
