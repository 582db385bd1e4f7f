// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Measures what each hook costs a packet that is none of ftpfix's, and what control
 * connections cost, beside an empty program, by BPF_PROG_TEST_RUN: rounds alternate
 * between all of them, and the medians are told. Prints how many instructions the
 * verifier walked, too. Needs root; attaches nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include "ftpfix.h"
#include "ftpfix.skel.h"

#define ROUNDS 31
#define REPEAT 1000000
#define PROGRAMS 5

/* A packet that is scanned moves its session: the state in front of it is put back
 * between two runs, which are therefore timed one by one. */
#define SINGLES 300

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	char payload[64];
} __attribute__((packed));

#define HEADERS (sizeof(struct frame) - sizeof(((struct frame *)0)->payload))

struct subject {
	const char *name;
	int fd;
	__u32 nanoseconds[ROUNDS];
};

/* A segment of some HTTPS connection: no control port, no flow. */
static void fill_frame(struct frame *frame)
{
	memset(frame, 0, sizeof(*frame));
	frame->ethernet.h_proto = htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = 5;
	frame->ip.tot_len = htons(sizeof(*frame) - sizeof(frame->ethernet));
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->ip.saddr = htonl(0xc6336409);
	frame->ip.daddr = htonl(0xcb007105);
	frame->tcp.source = htons(50000);
	frame->tcp.dest = htons(443);
	frame->tcp.doff = 5;
	frame->tcp.ack = 1;
}

static int load_empty(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL", insns,
			     sizeof(insns) / sizeof(*insns), NULL);
}

static int measure(struct subject *subject, int round, const struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(*frame),
		    .repeat = REPEAT);
	int err = bpf_prog_test_run_opts(subject->fd, &run);

	if (err)
		return err;
	if (run.retval != (__u32)-1) {
		fprintf(stderr, "%s: verdict %d, expected to pass\n", subject->name, run.retval);
		return -EINVAL;
	}
	subject->nanoseconds[round] = run.duration;
	return 0;
}

static int compare(const void *one, const void *other)
{
	__u32 first = *(const __u32 *)one, second = *(const __u32 *)other;

	return first < second ? -1 : first > second;
}

static void print_cost(struct subject *subjects)
{
	printf("a TCP packet that is none of ours, %d rounds of %d runs, medians\n", ROUNDS,
	       REPEAT);
	for (int at = 0; at < PROGRAMS; at++) {
		qsort(subjects[at].nanoseconds, ROUNDS, sizeof(__u32), compare);
		printf("%-24s %4u ns  (%u to %u)\n", subjects[at].name,
		       subjects[at].nanoseconds[ROUNDS / 2], subjects[at].nanoseconds[0],
		       subjects[at].nanoseconds[ROUNDS - 1]);
	}
}

/* Entries of a map, to be put back. */
struct snapshot {
	int map;
	__u32 entries;
	struct {
		char key[64];
		char value[sizeof(struct ftpfix_session)];
	} entry[4];
};

static void map_clear(int map)
{
	char key[64];

	while (!bpf_map_get_next_key(map, NULL, key))
		if (bpf_map_delete_elem(map, key))
			return;
}

static void snapshot_take(struct snapshot *snapshot, int map)
{
	void *before = NULL;

	snapshot->map = map;
	for (snapshot->entries = 0; snapshot->entries < 4; snapshot->entries++) {
		char *key = snapshot->entry[snapshot->entries].key;

		if (bpf_map_get_next_key(map, before, key) ||
		    bpf_map_lookup_elem(map, key, snapshot->entry[snapshot->entries].value))
			return;
		before = key;
	}
}

static int snapshot_put(const struct snapshot *snapshot)
{
	int err = 0;

	for (__u32 at = 0; at < snapshot->entries && !err; at++)
		err = bpf_map_update_elem(snapshot->map, snapshot->entry[at].key,
					  snapshot->entry[at].value, BPF_ANY);
	return err;
}

/* A segment of a control connection, 198.51.100.9 to 203.0.113.5, and how it is run. */
struct control {
	const char *name;
	__u32 program; /* index of struct subject */
	__u32 rewrite; /* enum ftpfix_rewrite */
	__u32 sequence;
	const char *text;
	__u32 nanoseconds[ROUNDS * SINGLES];
};

#define GREETING "220 ready\r\n"
#define ASKS "PASV\r\n"
#define ANNOUNCEMENT "227 Entering Passive Mode (10,0,0,175,83,237).\r\n"
#define COMMANDS_START 5000
#define REPLIES_START 1000

enum { EMPTY, UPLINK_INGRESS, UPLINK_EGRESS, INSIDE_INGRESS, INSIDE_EGRESS };

#define NEXT_COMMAND (COMMANDS_START + sizeof(ASKS) - 1)
#define NEXT_REPLY (REPLIES_START + sizeof(GREETING) - 1)
#define COMMAND "TYPE I\r\n"
#define REPLY "200 Type set to I.\r\n"

#define CONTROL(title, hook, how, first, line)                                   \
	{                                                                        \
		.name = title, .program = hook, .rewrite = FTPFIX_REWRITE_##how, \
		.sequence = first, .text = line                                  \
	}

static struct control controls[] = {
	CONTROL("an empty program", EMPTY, AUTO, NEXT_REPLY, REPLY),
	CONTROL("a command, where it comes in", UPLINK_INGRESS, AUTO, NEXT_COMMAND, COMMAND),
	CONTROL("a command, where it leaves", INSIDE_EGRESS, AUTO, COMMANDS_START, COMMAND),
	CONTROL("a reply, where it comes in", INSIDE_INGRESS, AUTO, NEXT_REPLY, REPLY),
	CONTROL("a reply, where it leaves", UPLINK_EGRESS, AUTO, NEXT_REPLY, REPLY),
	CONTROL("227, noted", INSIDE_INGRESS, AUTO, NEXT_REPLY, ANNOUNCEMENT),
	CONTROL("227, rewritten in place", UPLINK_EGRESS, AUTO, NEXT_REPLY, ANNOUNCEMENT),
	CONTROL("227, adjusted", UPLINK_EGRESS, ADJUST, NEXT_REPLY, ANNOUNCEMENT),
};
#define CONTROLS (sizeof(controls) / sizeof(controls[0]))

static void fill_control(struct frame *frame, __u32 program, __u32 sequence, const char *text)
{
	int command = program == UPLINK_INGRESS || program == INSIDE_EGRESS;
	__u32 client = htonl(0xc6336409), server = htonl(0xcb007105);
	size_t length = strlen(text);

	if (program == INSIDE_INGRESS || program == INSIDE_EGRESS)
		server = htonl(0x0a0000af);
	fill_frame(frame);
	frame->ip.tot_len = htons(HEADERS - sizeof(frame->ethernet) + length);
	frame->ip.saddr = command ? client : server;
	frame->ip.daddr = command ? server : client;
	frame->tcp.source = htons(command ? 50000 : 21);
	frame->tcp.dest = htons(command ? 21 : 50000);
	frame->tcp.seq = htonl(sequence);
	frame->tcp.ack_seq = htonl(command ? REPLIES_START : COMMANDS_START);
	memcpy(frame->payload, text, length);
}

/* Runs one segment once; its time into *nanoseconds where that is asked for. */
static int run_control(const struct subject *subject, __u32 program, __u32 sequence,
		       const char *text, __u32 *nanoseconds)
{
	struct frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &frame,
		    .data_size_in = HEADERS + strlen(text));
	int err;

	fill_control(&frame, program, sequence, text);
	err = bpf_prog_test_run_opts(subject[program].fd, &run);
	if (err)
		return err;
	if (run.retval != (__u32)-1) {
		fprintf(stderr, "%s: verdict %d, expected to pass\n", subject[program].name,
			run.retval);
		return -EINVAL;
	}
	if (nanoseconds)
		*nanoseconds = run.duration;
	return 0;
}

/* The control connection as it is in front of its announcement. */
static int prepare(const struct ftpfix *skeleton, const struct subject *subjects,
		   struct snapshot *sessions, struct snapshot *seen)
{
	int err;

	map_clear(bpf_map__fd(skeleton->maps.sessions));
	map_clear(bpf_map__fd(skeleton->maps.drafts));
	map_clear(bpf_map__fd(skeleton->maps.seen));
	err = run_control(subjects, INSIDE_INGRESS, REPLIES_START, GREETING, NULL);
	if (!err)
		err = run_control(subjects, UPLINK_EGRESS, REPLIES_START, GREETING, NULL);
	if (!err)
		err = run_control(subjects, UPLINK_INGRESS, COMMANDS_START, ASKS, NULL);
	if (err)
		return err;
	snapshot_take(sessions, bpf_map__fd(skeleton->maps.sessions));
	err = run_control(subjects, INSIDE_INGRESS, NEXT_REPLY, ANNOUNCEMENT, NULL);
	snapshot_take(seen, bpf_map__fd(skeleton->maps.seen));
	if (!err && (sessions->entries != 2 || !seen->entries)) {
		fprintf(stderr, "%u sessions, %u notes: not what was to be measured\n",
			sessions->entries, seen->entries);
		err = -EINVAL;
	}
	return err;
}

/* 10.0.0.0/8, as the loader allows it by default. */
static int allow_servers(const struct ftpfix *skeleton)
{
	struct ftpfix_server_key key = {.prefix_length = 96 + 8};
	struct ftpfix_server server = {};

	key.addr.be_word[2] = htonl(0xffff);
	key.addr.be_word[3] = htonl(0x0a000000);
	return bpf_map_update_elem(bpf_map__fd(skeleton->maps.servers), &key, &server, BPF_ANY);
}

static int write_service(const struct ftpfix *skeleton, __u32 rewrite)
{
	const struct ftpfix_service service = {.port_low = FTPFIX_PORT_MIN,
					       .port_high = 65535,
					       .forward = FTPFIX_FORWARD_NAT,
					       .rewrite = rewrite};
	__u32 port = 21;

	return bpf_map_update_elem(bpf_map__fd(skeleton->maps.services), &port, &service, BPF_ANY);
}

/* One segment, time and again in front of the same state. */
static int measure_control(const struct ftpfix *skeleton, const struct subject *subjects,
			   struct control *control, int round)
{
	static struct snapshot sessions, seen;
	int err = write_service(skeleton, control->rewrite);

	if (!err)
		err = prepare(skeleton, subjects, &sessions, &seen);
	for (int run = 0; run < SINGLES && !err; run++) {
		map_clear(bpf_map__fd(skeleton->maps.expectations));
		map_clear(bpf_map__fd(skeleton->maps.drafts));
		err = snapshot_put(&sessions);
		if (!err)
			err = snapshot_put(&seen);
		if (!err)
			err = run_control(subjects, control->program, control->sequence,
					  control->text,
					  &control->nanoseconds[round * SINGLES + run]);
	}
	return err;
}

/* How often the reason was counted. */
static __u64 counted(const struct ftpfix *skeleton, __u32 reason)
{
	__u64 values[256] = {}, sum = 0;

	bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counters), &reason, values);
	for (int cpu = 0; cpu < 256; cpu++)
		sum += values[cpu];
	return sum;
}

static int measure_controls(const struct ftpfix *skeleton, const struct subject *subjects)
{
	int err = allow_servers(skeleton);

	for (int round = 0; round < ROUNDS; round++)
		for (size_t at = 0; at < CONTROLS && !err; at++)
			err = measure_control(skeleton, subjects, &controls[at], round);
	if (err)
		return err;
	/* What was measured is what it is called. */
	if (counted(skeleton, FTPFIX_ANNOUNCEMENT_REWRITTEN) != ROUNDS * SINGLES ||
	    counted(skeleton, FTPFIX_ANNOUNCEMENT_ADJUSTED) != ROUNDS * SINGLES) {
		fprintf(stderr, "not every announcement was replaced\n");
		return -EINVAL;
	}
	printf("a segment of a control connection, --forward nat, %d single runs, medians\n"
	       "(and from the 5th to the 95th percentile)\n",
	       ROUNDS * SINGLES);
	for (size_t at = 0; at < CONTROLS; at++) {
		__u32 *times = controls[at].nanoseconds, runs = ROUNDS * SINGLES;

		qsort(times, runs, sizeof(__u32), compare);
		printf("%-30s %6u ns  (%u to %u)\n", controls[at].name, times[runs / 2],
		       times[runs / 20], times[runs - 1 - runs / 20]);
	}
	return 0;
}

static void print_verified(const struct bpf_object *object)
{
	struct bpf_program *program;

	printf("instructions that the verifier walked\n");
	bpf_object__for_each_program (program, object) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			printf("%-24s %6u\n", bpf_program__name(program), info.verified_insns);
	}
}

int main(void)
{
	struct subject subjects[PROGRAMS] = {{.name = "empty", .fd = -1}};
	struct ftpfix *skeleton = ftpfix__open();
	struct frame frame;
	int err = -errno;

	if (!skeleton)
		goto out;
	skeleton->bss->service_ports[21 >> 6] |= 1ULL << 21;
	err = ftpfix__load(skeleton);
	if (err)
		goto out;
	err = subjects[0].fd = load_empty();
	if (err < 0)
		goto out;
	subjects[1].name = "ftpfix_uplink_ingress";
	subjects[1].fd = bpf_program__fd(skeleton->progs.ftpfix_uplink_ingress);
	subjects[2].name = "ftpfix_uplink_egress";
	subjects[2].fd = bpf_program__fd(skeleton->progs.ftpfix_uplink_egress);
	subjects[3].name = "ftpfix_inside_ingress";
	subjects[3].fd = bpf_program__fd(skeleton->progs.ftpfix_inside_ingress);
	subjects[4].name = "ftpfix_inside_egress";
	subjects[4].fd = bpf_program__fd(skeleton->progs.ftpfix_inside_egress);
	fill_frame(&frame);
	for (int round = 0; round < ROUNDS; round++)
		for (int at = 0; at < PROGRAMS; at++) {
			err = measure(&subjects[at], round, &frame);
			if (err)
				goto out;
		}
	print_cost(subjects);
	err = measure_controls(skeleton, subjects);
	if (err)
		goto out;
	print_verified(skeleton->obj);
out:
	if (err < 0)
		fprintf(stderr, "cost: %s (root is needed)\n", strerror(-err));
	ftpfix__destroy(skeleton);
	return err < 0;
}
