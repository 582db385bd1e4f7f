// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Measures what each hook costs a packet that is none of ftpfix's, beside an
 * empty program, by BPF_PROG_TEST_RUN with repeat: rounds alternate between all
 * programs, and the medians are told. Prints how many instructions the verifier
 * walked, too. Needs root; attaches nothing.
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

#include "ftpfix.skel.h"

#define ROUNDS 31
#define REPEAT 1000000
#define PROGRAMS 4

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	char payload[64];
} __attribute__((packed));

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
	skeleton->rodata->service_ports[21 >> 6] |= 1ULL << 21;
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
	fill_frame(&frame);
	for (int round = 0; round < ROUNDS; round++)
		for (int at = 0; at < PROGRAMS; at++) {
			err = measure(&subjects[at], round, &frame);
			if (err)
				goto out;
		}
	print_cost(subjects);
	print_verified(skeleton->obj);
out:
	if (err < 0)
		fprintf(stderr, "cost: %s (root is needed)\n", strerror(-err));
	ftpfix__destroy(skeleton);
	return err < 0;
}
