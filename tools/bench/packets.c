// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends minimum-size TCP packets of many connections through a node as fast as the node
 * takes them, and tells how long that took: the hands of packets.py, sessions.py and memory.py. It knows
 * no node, except that it can be the barest one itself.
 *
 *     packets CLIENT_NETNS SERVER_NETNS DEVICE NODE_MAC DIALLED SERVER
 *     packets ... redirect|redirect_fib NODE_NETNS UPLINK INSIDE HOP_MAC
 *
 * Clients of 100.64.0.0/10, or of 2001:db8:64::/64, talk to DIALLED; at the server's end the packets must have
 * the destination SERVER. Reads lines from its input, and answers each with one:
 *
 *     open FIRST COUNT   connections of these numbers, three packets each, in both
 *                        directions; how many had all of theirs arrive
 *     send COUNT FLOWS TRAIN
 *                        packets of clients, TRAIN of one connection in a row;
 *                        nanoseconds for one, and how many arrived
 *     touch COUNT        a packet of each of so many connections; how many arrived
 *     sessions FIRST COUNT
 *                        FTP sessions of these numbers: their control connections are
 *                        opened, and a line is said each way; how many had all arrive
 *     told TEXT GROWTH   what the 227s must tell, with commas, and by how much longer than
 *                        the server said it that is; 0
 *     plain              each session says NOOP and gets its 200: how many had all arrive,
 *                        and nanoseconds for each of the two packets
 *     announced          the same of PASV and its 227
 *     transfers          each session announces a data connection, which is opened and
 *                        closed: how many had all their packets arrive, and nanoseconds
 *                        for each of these packets, in their order
 *     hold               the same, but it stays open, and one more is announced, which the
 *                        client acknowledges
 *
 * Frames are made and sent by BPF_PROG_TEST_RUN with live frames, carried through the
 * node and dropped at the other end by soft interrupts of the same CPU: what is measured is
 * the work of one CPU on a packet, from its making to its end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "flow_number.h"
#include "packets.h"
#include "packets.skel.h"

#define ARGUMENTS 7
#define ARGUMENTS_FLOOR 12
#define BATCH 64
#define COUNT_MAX 10000000
#define FRAME_BYTES_MIN 60
#define HEADERS_BYTES 54
#define HEADERS6_BYTES 74
#define STEPS_MAX 8
#define WAIT_MS 200

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum { CLIENT, SERVER, ENDS };

struct end {
	int namespace;
	int ifindex;
	__be32 be_address[4]; /* whom its packets are for (CLIENT), from (SERVER) */
};

static struct packets *skeleton;
static struct end ends[ENDS];
/* The FTP sessions that are played now. */
static __u32 session_first, session_count;
/* Where each side's stream stands, of all control connections alike. */
static __u32 control_sequence[ENDS];
/* How much a 227 grows on its way, and how much all of them have so far. */
static __u32 growth, grown;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("packets: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static int namespace_open(const char *path)
{
	int opened = open(path, O_RDONLY | O_CLOEXEC);

	if (opened < 0)
		fail("%s: %s", path, strerror(errno));
	return opened;
}

static void enter(int namespace)
{
	if (setns(namespace, CLONE_NEWNET))
		fail("setns: %s", strerror(errno));
}

static int interface_index(const char *device)
{
	int found = if_nametoindex(device);

	if (!found)
		fail("no interface %s: %s", device, strerror(errno));
	return found;
}

static void read_mac(const char *text, __u8 *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != ETH_ALEN)
		fail("%s is no MAC address", text);
}

/* Attached as long as this process lives. */
static void attach(const struct bpf_program *program, int ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);

	if (bpf_link_create(bpf_program__fd(program), ifindex, BPF_XDP, &native) < 0)
		fail("%s: cannot be attached: %s", bpf_program__name(program), strerror(errno));
}

static void end_open(struct end *end, const char *path, const char *device, const char *address,
		     const struct bpf_program *sink)
{
	end->namespace = namespace_open(path);
	enter(end->namespace);
	end->ifindex = interface_index(device);
	skeleton->bss->stream.ipv6 = inet_pton(AF_INET6, address, end->be_address);
	if (!skeleton->bss->stream.ipv6 && !inet_pton(AF_INET, address, &end->be_address[3]))
		fail("%s is no address", address);
	attach(sink, end->ifindex);
}

/* Makes the node one that only redirects. */
static void floor_open(char **argument)
{
	const struct bpf_program *program = strcmp(argument[0], "redirect")
						    ? skeleton->progs.redirect_fib
						    : skeleton->progs.redirect;
	__u32 ifindex[2];

	enter(namespace_open(argument[1]));
	read_mac(argument[4], skeleton->bss->hop_destination);
	for (int device = 0; device < 2; device++) {
		ifindex[device] = interface_index(argument[2 + device]);
		if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.out), &ifindex[device],
					&ifindex[device], BPF_ANY))
			fail("the device map: %s", strerror(errno));
	}
	skeleton->bss->uplink_ifindex = ifindex[0];
	skeleton->bss->inside_ifindex = ifindex[1];
	for (int device = 0; device < 2; device++)
		attach(program, ifindex[device]);
}

static const struct bpf_program *generator(__u32 payload)
{
	if (payload == COMMAND_BYTES)
		return skeleton->progs.generate_command;
	return payload ? skeleton->progs.generate_reply : skeleton->progs.generate_empty;
}

/*
 * Sends that many packets of the stream, with so many bytes of text; returns the
 * nanoseconds for one. They are the kernel's own figure: around the call there is some
 * waiting besides, for the program to be known everywhere.
 */
static __u32 generate(int from, __u32 count, __u32 payload)
{
	char frame[HEADERS6_BYTES + REPLY_BYTES] = {};
	__u32 length = (skeleton->bss->stream.ipv6 ? HEADERS6_BYTES : HEADERS_BYTES) + payload;
	struct xdp_md context = {.data_end = length, .ingress_ifindex = ends[from].ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	if (length < FRAME_BYTES_MIN)
		length = context.data_end = run.data_size_in = FRAME_BYTES_MIN;
	enter(ends[from].namespace);
	skeleton->bss->stream.toward_client = from == SERVER;
	memcpy(skeleton->bss->stream.be_peer, ends[from].be_address, sizeof(ends[from].be_address));
	if (bpf_prog_test_run_opts(bpf_program__fd(generator(payload)), &run))
		fail("sending: %s", strerror(errno));
	return run.duration;
}

/* Waits until so many have arrived, or no more come; returns how many. */
static __u64 arrived(const struct sink *sink, __u64 before, __u32 count)
{
	for (int waited = 0; waited < WAIT_MS && sink->right - before < count; waited++)
		usleep(1000);
	if (sink->broken)
		fail("packets arrived with a wrong checksum");
	if (sink->mistold)
		fail("clients were told another address than %s", sink->told);
	return sink->right - before;
}

/* What each of a number of steps took, and how many packets arrived at least in each. */
struct tally {
	__u32 steps;
	__u32 nanoseconds[STEPS_MAX];
	__u64 least;
};

/* One packet of each connection. */
static void step(struct tally *tally, int from, __u32 first, __u32 count, __u32 payload)
{
	const struct sink *sink =
		from == CLIENT ? &skeleton->bss->server_sink : &skeleton->bss->client_sink;
	__u64 before = sink->right, came;

	skeleton->bss->stream.in_order = 1;
	skeleton->bss->next_number = first;
	if (tally->steps == STEPS_MAX)
		fail("more than %d steps", STEPS_MAX);
	tally->nanoseconds[tally->steps++] = generate(from, count, payload);
	came = arrived(sink, before, count);
	tally->least = came < tally->least ? came : tally->least;
}

/* One packet without text of each connection, at this place of its stream. */
static void step_at(struct tally *tally, int from, __u32 first, __u32 count, __u8 flags,
		    __u32 sequence, __u32 acknowledgement)
{
	struct stream *stream = &skeleton->bss->stream;

	stream->tcp_flags = flags;
	stream->sequence = sequence;
	stream->acknowledgement = acknowledgement;
	step(tally, from, first, count, 0);
}

/* Handshakes of the stream's connections. */
static void open_all(struct tally *tally, __u32 first, __u32 count)
{
	step_at(tally, CLIENT, first, count, TCP_SYN, CLIENT_SEQUENCE - 1, 0);
	step_at(tally, SERVER, first, count, TCP_SYN | TCP_ACK, SERVER_SEQUENCE - 1,
		CLIENT_SEQUENCE);
	step_at(tally, CLIENT, first, count, TCP_ACK, CLIENT_SEQUENCE, SERVER_SEQUENCE);
}

static void open_flows(__u32 first, __u32 count)
{
	struct tally tally = {.least = count};

	skeleton->bss->stream.kind = STREAM_FLOWS;
	open_all(&tally, first, count);
	printf("%llu\n", tally.least);
}

/* --- FTP sessions --- */

/* A line of every session's control connection. */
static void say(struct tally *tally, int from, const char *text)
{
	struct stream *stream = &skeleton->bss->stream;
	__u32 length = from == CLIENT ? COMMAND_BYTES : REPLY_BYTES;

	if (strlen(text) != length)
		fail("'%s' has not %u bytes", text, length);
	stream->kind = STREAM_CONTROL;
	stream->tcp_flags = TCP_PSH | TCP_ACK;
	stream->sequence = control_sequence[from];
	stream->acknowledgement = control_sequence[!from] + (from == CLIENT ? grown : 0);
	stream->announces = !strncmp(text, "227", 3) || !strncmp(text, "229", 3);
	memcpy(stream->text, text, length);
	step(tally, from, session_first, session_count, length);
	control_sequence[from] += length;
}

/* The server's address in the 227 is SERVER of lane.py. */
static void announce(struct tally *tally)
{
	if (skeleton->bss->stream.ipv6) {
		say(tally, CLIENT, "EPSV\r\n");
		say(tally, SERVER, "229 Entering Extended Passive Mode (|||25700|)\r\n");
	} else {
		say(tally, CLIENT, "PASV\r\n");
		say(tally, SERVER, "227 Entering Passive Mode (10,0,0,175,100,100)\r\n");
		grown += growth;
	}
}

/* The client has read all that was said. */
static void acknowledge(struct tally *tally)
{
	skeleton->bss->stream.kind = STREAM_CONTROL;
	step_at(tally, CLIENT, session_first, session_count, TCP_ACK, control_sequence[CLIENT],
		control_sequence[SERVER] + grown);
}

static void say_nothing(struct tally *tally)
{
	say(tally, CLIENT, "NOOP\r\n");
	say(tally, SERVER, "200 Nothing was done, and that successfully.  \r\n");
}

static void print_tally(const struct tally *tally)
{
	printf("%llu", tally->least);
	for (__u32 at = 0; at < tally->steps; at++)
		printf(" %u", tally->nanoseconds[at]);
	putchar('\n');
}

static void open_sessions(__u32 first, __u32 count)
{
	struct tally tally = {.least = count};

	session_first = first;
	session_count = count;
	grown = 0;
	control_sequence[CLIENT] = CLIENT_SEQUENCE;
	control_sequence[SERVER] = SERVER_SEQUENCE;
	skeleton->bss->stream.kind = STREAM_CONTROL;
	open_all(&tally, first, count);
	say_nothing(&tally);
	printf("%llu\n", tally.least);
}

/* A round trip of each session: with an announcement, or without. */
static void talk(bool announced)
{
	struct tally tally = {.least = session_count};

	skeleton->bss->stream.round++;
	if (announced)
		announce(&tally);
	else
		say_nothing(&tally);
	print_tally(&tally);
}

static void transfer(bool hold)
{
	struct tally tally = {.least = session_count};

	skeleton->bss->stream.round++;
	announce(&tally);
	skeleton->bss->stream.kind = STREAM_DATA;
	open_all(&tally, session_first, session_count);
	if (hold) {
		skeleton->bss->stream.round++;
		announce(&tally);
		acknowledge(&tally);
	} else {
		step_at(&tally, SERVER, session_first, session_count, TCP_FIN | TCP_ACK,
			SERVER_SEQUENCE, CLIENT_SEQUENCE);
		step_at(&tally, CLIENT, session_first, session_count, TCP_FIN | TCP_ACK,
			CLIENT_SEQUENCE, SERVER_SEQUENCE + 1);
		step_at(&tally, SERVER, session_first, session_count, TCP_ACK, SERVER_SEQUENCE + 1,
			CLIENT_SEQUENCE + 1);
	}
	print_tally(&tally);
}

static void told(void)
{
	struct sink *sink = &skeleton->bss->client_sink;

	sink->told_length = strlen(sink->told);
	puts("0");
}

/* --- what it is asked for --- */

static void send_packets(__u32 count, __u32 flows, __u32 train)
{
	struct stream *stream = &skeleton->bss->stream;
	const struct sink *sink = &skeleton->bss->server_sink;
	__u64 before = sink->right;
	__u32 nanoseconds;

	stream->kind = STREAM_FLOWS;
	stream->tcp_flags = TCP_ACK;
	stream->sequence = CLIENT_SEQUENCE;
	stream->acknowledgement = SERVER_SEQUENCE;
	stream->in_order = 0;
	stream->flows = flows;
	stream->train = train;
	nanoseconds = generate(CLIENT, count, 0);
	printf("%u %llu\n", nanoseconds, arrived(sink, before, count));
}

/* One packet of each connection, so that all of them are in use. */
static void touch(__u32 flows)
{
	struct tally tally = {.least = flows};

	skeleton->bss->stream.kind = STREAM_FLOWS;
	skeleton->bss->stream.train = 1;
	step_at(&tally, CLIENT, 0, flows, TCP_ACK, CLIENT_SEQUENCE, SERVER_SEQUENCE);
	printf("%llu\n", tally.least);
}

static void prepare(char **argument)
{
	skeleton = packets__open_and_load();
	if (!skeleton)
		fail("the programs cannot be loaded: %s (root is needed)", strerror(errno));
	read_mac(argument[4], skeleton->bss->stream.destination_mac);
	read_mac("02:00:5e:00:53:fe", skeleton->bss->stream.source_mac);
	read_mac(argument[4], skeleton->bss->hop_source);
	end_open(&ends[CLIENT], argument[1], argument[3], argument[5],
		 skeleton->progs.take_at_client);
	end_open(&ends[SERVER], argument[2], argument[3], argument[6],
		 skeleton->progs.take_at_server);
	memcpy(skeleton->bss->server_sink.be_wanted, ends[SERVER].be_address,
	       sizeof(ends[SERVER].be_address));
	memcpy(skeleton->bss->client_sink.be_wanted, ends[CLIENT].be_address,
	       sizeof(ends[CLIENT].be_address));
	skeleton->bss->client_sink.from = 1;
}

static void answer(const char *line)
{
	unsigned first, count, flows, train;

	if (sscanf(line, "open %u %u", &first, &count) == 2 && count <= COUNT_MAX)
		open_flows(first, count);
	else if (sscanf(line, "send %u %u %u", &count, &flows, &train) == 3 && count <= COUNT_MAX &&
		 train)
		send_packets(count, flows, train);
	else if (sscanf(line, "touch %u", &count) == 1 && count <= COUNT_MAX)
		touch(count);
	else if (sscanf(line, "sessions %u %u", &first, &count) == 2 && count <= COUNT_MAX)
		open_sessions(first, count);
	else if (sscanf(line, "told %15s %u", skeleton->bss->client_sink.told, &growth) == 2)
		told();
	else if (!strcmp(line, "plain\n") || !strcmp(line, "announced\n"))
		talk(line[0] == 'a');
	else if (!strcmp(line, "transfers\n") || !strcmp(line, "hold\n"))
		transfer(line[0] == 'h');
	else
		fail("what is '%s'?", line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[80];

	if (argc != ARGUMENTS && argc != ARGUMENTS_FLOOR)
		fail("called by lane.py");
	prepare(argv);
	if (argc == ARGUMENTS_FLOOR)
		floor_open(argv + ARGUMENTS);
	/* So that what else runs on this machine does not come in between. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
		fprintf(stderr, "packets: runs without priority: %s\n", strerror(errno));
	while (fgets(line, sizeof(line), stdin))
		answer(line);
	return 0;
}
