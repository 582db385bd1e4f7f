// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs each hook's program on packets that are none of ftpfix's, beside an empty program
 * of its type, by BPF_PROG_TEST_RUN: the hands of others.py. Attaches nothing.
 *
 *     others ROUNDS
 *
 * Prints a line "PROGRAM PACKET NANOSECONDS" for each in each round; rounds alternate
 * between the programs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "ftpfix.h"
#include "ftpfix.skel.h"

#define REPEAT 200000
#define SUBJECTS_MAX 16
#define FRAME_BYTES 128

struct subject {
	const char *name;
	int fd;
	__u32 passed; /* the verdict that lets a packet go on */
};

struct packet {
	const char *name;
	char frame[FRAME_BYTES];
};

static struct subject subjects[SUBJECTS_MAX];
static int subject_count;

/* Of some HTTPS connection: no control port, no flow. */
static void fill_tcp(struct tcphdr *tcp, int syn)
{
	tcp->source = htons(50000);
	tcp->dest = htons(443);
	tcp->doff = 5;
	tcp->syn = syn;
	tcp->ack = !syn;
}

static void *fill_ipv4(struct packet *packet, __u8 protocol)
{
	struct ethhdr *ethernet = (void *)packet->frame;
	struct iphdr *ip = (void *)(ethernet + 1);

	ethernet->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(FRAME_BYTES - sizeof(*ethernet));
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = htonl(0xc6336409);
	ip->daddr = htonl(0xcb007105);
	return ip + 1;
}

static void *fill_ipv6(struct packet *packet)
{
	struct ethhdr *ethernet = (void *)packet->frame;
	struct ipv6hdr *ip = (void *)(ethernet + 1);

	ethernet->h_proto = htons(ETH_P_IPV6);
	ip->version = 6;
	ip->payload_len = htons(FRAME_BYTES - sizeof(*ethernet) - sizeof(*ip));
	ip->hop_limit = 64;
	ip->nexthdr = IPPROTO_TCP;
	inet_pton(AF_INET6, "2001:db8:c::9", &ip->saddr);
	inet_pton(AF_INET6, "2001:db8:5::5", &ip->daddr);
	return ip + 1;
}

/* A UDP datagram: known by its protocol, before its ports. */
static void fill_udp(struct udphdr *udp)
{
	udp->source = htons(50000);
	udp->dest = htons(443);
	udp->len = htons(FRAME_BYTES - sizeof(struct ethhdr) - sizeof(struct iphdr));
}

static int add(const char *name, int fd, enum bpf_prog_type type)
{
	if (fd < 0)
		return fd;
	if (subject_count == SUBJECTS_MAX)
		return -E2BIG;
	subjects[subject_count++] =
		(struct subject){name, fd, type == BPF_PROG_TYPE_XDP ? XDP_PASS : (__u32)-1};
	return 0;
}

static int add_empty(const char *name, enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_0,
		 .imm = type == BPF_PROG_TYPE_XDP ? XDP_PASS : -1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return add(name,
		   bpf_prog_load(type, "empty", "GPL", insns, sizeof(insns) / sizeof(*insns), NULL),
		   type);
}

/* Every program that packets meet. */
static int add_all(const struct ftpfix *skeleton)
{
	struct bpf_program *program;
	int err = add_empty("empty-tc", BPF_PROG_TYPE_SCHED_CLS);

	if (!err)
		err = add_empty("empty-xdp", BPF_PROG_TYPE_XDP);
	bpf_object__for_each_program (program, skeleton->obj) {
		enum bpf_prog_type type = bpf_program__type(program);

		if (!err && (type == BPF_PROG_TYPE_SCHED_CLS || type == BPF_PROG_TYPE_XDP))
			err = add(bpf_program__name(program), bpf_program__fd(program), type);
	}
	return err;
}

static int measure(const struct subject *subject, const struct packet *packet)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet->frame, .data_size_in = FRAME_BYTES,
		    .repeat = REPEAT);
	int err = bpf_prog_test_run_opts(subject->fd, &run);

	if (err)
		return err;
	if (run.retval != subject->passed) {
		fprintf(stderr, "others: %s: verdict %d, expected to pass\n", subject->name,
			run.retval);
		return -EINVAL;
	}
	printf("%s %s %u\n", subject->name, packet->name, run.duration);
	return 0;
}

int main(int argc, char **argv)
{
	struct packet packets[] = {
		{.name = "IPv4-TCP"}, {.name = "IPv6-TCP"}, {.name = "SYN"}, {.name = "UDP"}};
	int packet_count = sizeof(packets) / sizeof(*packets);
	int rounds = argc == 2 ? atoi(argv[1]) : 0, err = -EINVAL;
	struct ftpfix *skeleton = NULL;

	if (rounds < 1)
		goto out;
	fill_tcp(fill_ipv4(&packets[0], IPPROTO_TCP), 0);
	fill_tcp(fill_ipv6(&packets[1]), 0);
	fill_tcp(fill_ipv4(&packets[2], IPPROTO_TCP), 1);
	fill_udp(fill_ipv4(&packets[3], IPPROTO_UDP));
	skeleton = ftpfix__open();
	if (!skeleton) {
		err = -errno;
		goto out;
	}
	skeleton->bss->service_ports[21 >> 6] |= 1ULL << 21;
	err = ftpfix__load(skeleton);
	if (!err)
		err = add_all(skeleton);
	for (int round = 0; round < rounds && !err; round++)
		for (int at = 0; at < subject_count * packet_count && !err; at++)
			err = measure(&subjects[at % subject_count], &packets[at / subject_count]);
out:
	if (err)
		fprintf(stderr, "others: %s (called by others.py, as root)\n", strerror(-err));
	ftpfix__destroy(skeleton);
	return err < 0;
}
