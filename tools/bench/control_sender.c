// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plays both ends of FTP control connections through a node, and tells how long that
 * takes: the hands of control.py, which says what to send. It knows no node: neither its
 * rules nor its programs.
 *
 *     control_sender CLIENT_NETNS SERVER_NETNS DEVICE NODE_MAC CLIENT SERVER
 *                    {DIALLED TOLD GROWTH}...
 *
 * Each DIALLED makes one session, from CLIENT to that address; there the 227 of
 * SERVER must arrive with the address TOLD, GROWTH bytes longer. Then reads lines
 * "KIND SESSION COUNT" and answers each with the nanoseconds it took:
 *
 *     plain      a NOOP and the 200 that answers it, COUNT times
 *     announced  a PASV and the 227 that answers it, COUNT times
 *
 * Frames go out through packet sockets at the ends of the two wires. Over veth the
 * kernel carries each through the node to the other end before send() returns, on
 * the sender's CPU. What arrives is counted, and of one packet in SAMPLE every
 * byte of the payload is looked at: a node that does something else is no measurement.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <sys/socket.h>

#define SESSIONS_MAX 3
#define FTP_PORT 21
#define CLIENT_PORT 40000 /* of the first session */
/* A power of two: this share of what is sent is looked at. */
#define SAMPLE 512
/* In one run, so that no two of its packets have one number. */
#define COUNT_MAX 30000
#define WAIT_MS 200
#define PAYLOAD_MAX 128
#define ARGUMENTS 7
#define ARGUMENTS_EACH 3
/* Of 227: the two octets of the port have three digits each, always; and what is still
 * expected for one session is no port of another one. */
#define OCTET_FIRST 100
#define OCTETS 156
#define OCTETS_EACH (OCTETS / SESSIONS_MAX)

enum { CLIENT, SERVER, ENDS };

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	char payload[PAYLOAD_MAX];
} __attribute__((packed));

struct end {
	int sender;   /* packet sockets */
	int receiver; /* of the sampled frames */
	int counters; /* /proc/net/dev of its namespace */
	uint64_t sent;
	uint64_t arrived_before; /* packets on its device when counting began */
};

/* One side of a session, as it sees itself. */
struct peer {
	uint32_t sequence;
	uint32_t acknowledgement;
	uint32_t address;
	uint32_t other; /* whom it talks to, as it knows it */
	uint16_t port;
	uint16_t other_port;
};

struct session {
	struct peer peer[ENDS];
	char told[3 * 4 + 4]; /* commas in it, as in a 227 */
	uint32_t growth;
	uint32_t first_octet; /* of the ports that it announces */
	uint32_t announced;
};

static struct end ends[ENDS];
static struct session sessions[SESSIONS_MAX];
static const char *device;
static uint8_t node_mac[ETH_ALEN];
static uint16_t ip_id;
/* Of the sampled packets: the sequence number with which they must arrive. */
static uint32_t sampled_sequence[65536 / SAMPLE];

static const char reply_text[] = "200 Type set to I.\r\n";
static const char command_text[] = "NOOP\r\n";
static const char pasv_text[] = "PASV\r\n";

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("control_sender: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* --- the wires --- */

static int packet_socket(int protocol)
{
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = if_nametoindex(device),
	};
	int made = socket(AF_PACKET, SOCK_RAW, 0);

	if (made < 0)
		fail("socket: %s", strerror(errno));
	if (protocol) {
		/* Of IPv4 with a TCP payload: what has a sampled number. */
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct frame, ip.id)),
			BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SAMPLE - 1),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, sizeof(struct frame)),
			BPF_STMT(BPF_RET | BPF_K, 0),
		};
		struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};
		int room = 1 << 22, on = 1;

		if (setsockopt(made, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
		    setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
		    setsockopt(made, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)))
			fail("setsockopt: %s", strerror(errno));
	}
	if (bind(made, (struct sockaddr *)&where, sizeof(where)))
		fail("bind to %s: %s", device, strerror(errno));
	return made;
}

static void end_open(struct end *end, const char *namespace)
{
	int entered = open(namespace, O_RDONLY | O_CLOEXEC);

	if (entered < 0 || setns(entered, CLONE_NEWNET))
		fail("%s: %s", namespace, strerror(errno));
	close(entered);
	end->sender = packet_socket(0);
	end->receiver = packet_socket(ETH_P_IP);
	end->counters = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	if (end->counters < 0)
		fail("/proc/net/dev: %s", strerror(errno));
}

/* Packets that have come to the device of this end so far. */
static uint64_t end_arrived(const struct end *end)
{
	unsigned long long packets;
	char text[4096], *line;
	ssize_t length = pread(end->counters, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = 0;
	line = strstr(text, device);
	if (!line || sscanf(line + strlen(device), ": %*u %llu", &packets) != 1)
		fail("no packet counter of %s", device);
	return packets;
}

static void counting_begins(void)
{
	for (int at = 0; at < ENDS; at++) {
		ends[at].sent = 0;
		ends[at].arrived_before = end_arrived(&ends[at]);
	}
}

/* Everything that one end sent has come to the other one. */
static void all_must_have_arrived(void)
{
	uint64_t arrived = 0;

	for (int at = 0; at < ENDS; at++) {
		const struct end *to = &ends[!at];

		for (int waited = 0; waited <= WAIT_MS; waited++) {
			arrived = end_arrived(to) - to->arrived_before;
			if (arrived >= ends[at].sent)
				break;
			usleep(1000);
		}
		if (arrived != ends[at].sent)
			fail("of %llu packets of the %s, %llu came out of the node",
			     (unsigned long long)ends[at].sent, at ? "server" : "client",
			     (unsigned long long)arrived);
	}
}

/* --- segments --- */

static uint32_t sum_words(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;
	uint16_t word;

	for (; length > 1; length -= 2, bytes += 2) {
		memcpy(&word, bytes, 2);
		sum += word;
	}
	if (length) {
		word = 0;
		memcpy(&word, bytes, 1);
		sum += word;
	}
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void session_send(struct session *session, int from, struct tcphdr flags,
			 const char *payload, size_t length)
{
	struct peer *peer = &session->peer[from];
	size_t header = flags.syn ? 24 : 20;
	struct frame frame = {.ethernet.h_proto = htons(ETH_P_IP), .tcp = flags};
	char *options = frame.payload;

	memcpy(frame.ethernet.h_dest, node_mac, ETH_ALEN);
	memcpy(frame.ethernet.h_source, "\2\0\136\0\123\376", ETH_ALEN);
	frame.ip.version = 4;
	frame.ip.ihl = 5;
	frame.ip.tot_len = htons(20 + header + length);
	if (ip_id % SAMPLE == 0)
		sampled_sequence[ip_id / SAMPLE] = session->peer[!from].acknowledgement;
	frame.ip.id = htons(ip_id++);
	frame.ip.ttl = 64;
	frame.ip.protocol = IPPROTO_TCP;
	frame.ip.saddr = peer->address;
	frame.ip.daddr = peer->other;
	frame.ip.check = sum_fold(sum_words(&frame.ip, sizeof(frame.ip)));
	frame.tcp.source = peer->port;
	frame.tcp.dest = peer->other_port;
	frame.tcp.seq = htonl(peer->sequence);
	frame.tcp.ack_seq = flags.ack ? htonl(peer->acknowledgement) : 0;
	frame.tcp.doff = header / 4;
	frame.tcp.window = htons(65535);
	/* A window scale of 7, and a byte of padding. */
	memcpy(options, "\3\3\7", header - 20);
	memcpy(options + header - 20, payload, length);
	frame.tcp.check = sum_fold(sum_words(&frame.ip.saddr, 8) + htons(IPPROTO_TCP) +
				   htons(header + length) + sum_words(&frame.tcp, header + length));
	peer->sequence += length + flags.syn;
	if (send(ends[from].sender, &frame, 34 + header + length, 0) < 0)
		fail("send: %s", strerror(errno));
	ends[from].sent++;
}

static const struct tcphdr SYN = {.syn = 1}, SYN_ACK = {.syn = 1, .ack = 1};
static const struct tcphdr ACK = {.ack = 1}, DATA = {.ack = 1, .psh = 1};

/* The other end has read this many bytes. */
static void session_read(struct session *session, int by, uint32_t bytes)
{
	session->peer[by].acknowledgement += bytes;
}

static void session_say(struct session *session, int from, const char *text, size_t length)
{
	session_send(session, from, DATA, text, length);
	session_read(session, !from, length);
}

static void session_open(struct session *session, int number, char **argument, uint32_t client,
			 uint32_t server)
{
	struct peer *one = &session->peer[CLIENT], *other = &session->peer[SERVER];
	static const char greeting[] = "220 ready\r\n";

	one->address = other->other = client;
	other->address = server;
	one->port = other->other_port = htons(CLIENT_PORT + number);
	one->other_port = other->port = htons(FTP_PORT);
	one->sequence = 1000000;
	other->sequence = 2000000;
	if (inet_pton(AF_INET, argument[0], &one->other) != 1)
		fail("%s is no IPv4 address", argument[0]);
	snprintf(session->told, sizeof(session->told), "%s", argument[1]);
	for (char *at = session->told; *at; at++)
		if (*at == '.')
			*at = ',';
	session->growth = atoi(argument[2]);
	session->first_octet = OCTET_FIRST + number * OCTETS_EACH;
	session_send(session, CLIENT, SYN, "", 0);
	other->acknowledgement = one->sequence;
	session_send(session, SERVER, SYN_ACK, "", 0);
	one->acknowledgement = other->sequence;
	session_send(session, CLIENT, ACK, "", 0);
	session_say(session, SERVER, greeting, sizeof(greeting) - 1);
	session_say(session, CLIENT, command_text, sizeof(command_text) - 1);
	session_say(session, SERVER, reply_text, sizeof(reply_text) - 1);
}

/* --- what is measured --- */

static void send_plain(struct session *session, uint32_t count)
{
	for (uint32_t sent = 0; sent < count; sent++) {
		session_say(session, CLIENT, command_text, sizeof(command_text) - 1);
		session_say(session, SERVER, reply_text, sizeof(reply_text) - 1);
	}
	session_send(session, CLIENT, ACK, "", 0);
}

static void announce(struct session *session)
{
	struct in_addr server = {session->peer[SERVER].address};
	uint32_t number = session->announced++;
	uint32_t high = session->first_octet + number / OCTETS % OCTETS_EACH;
	uint32_t low = OCTET_FIRST + number % OCTETS;
	unsigned char octet[4];
	char line[PAYLOAD_MAX];
	int length;

	memcpy(octet, &server, sizeof(octet));
	length = snprintf(line, sizeof(line), "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u).\r\n",
			  octet[0], octet[1], octet[2], octet[3], high, low);
	session_say(session, CLIENT, pasv_text, sizeof(pasv_text) - 1);
	session_say(session, SERVER, line, length);
	session_read(session, CLIENT, session->growth);
}

static void send_announced(struct session *session, uint32_t count)
{
	for (uint32_t sent = 0; sent < count; sent++)
		announce(session);
	session_send(session, CLIENT, ACK, "", 0);
}

/* --- what arrived --- */

static void look_at_227(const struct session *session, const char *text, int length)
{
	char start[PAYLOAD_MAX];
	int expected =
		snprintf(start, sizeof(start), "227 Entering Passive Mode (%s,", session->told);

	if (length <= expected || memcmp(text, start, expected))
		fail("the client was to be told %s, and got: %.*s", session->told, length, text);
}

/* Looks at one frame at one end; returns whether it had a payload. */
static bool look_at(const struct session *session, int end, const struct frame *frame, int length,
		    bool announced)
{
	int header = 14 + 20 + frame->tcp.doff * 4;
	int payload = ntohs(frame->ip.tot_len) + 14 - header;
	uint32_t expected = sampled_sequence[ntohs(frame->ip.id) / SAMPLE];
	const char *bytes = (const char *)frame + header;
	const char *text = reply_text;

	if (length < header + payload)
		fail("a frame of %d bytes that should have %d", length, header + payload);
	if (payload <= 0)
		return false;
	if (ntohl(frame->tcp.seq) != expected)
		fail("sequence number %u came as %u", expected, ntohl(frame->tcp.seq));
	if (end == SERVER)
		text = announced ? pasv_text : command_text;
	if (end == CLIENT && announced)
		look_at_227(session, bytes, payload);
	else if (payload != (int)strlen(text) || memcmp(bytes, text, payload))
		fail("%s expected, got: %.*s", text, payload, bytes);
	return true;
}

/* Looks at the sampled frames; returns how many there were. */
static int look(const struct session *session, bool announced)
{
	struct frame frame;
	int looked = 0;

	for (int end = 0; end < ENDS; end++) {
		ssize_t length;

		while ((length = recv(ends[end].receiver, &frame, sizeof(frame), MSG_DONTWAIT)) > 0)
			if (session)
				looked += look_at(session, end, &frame, length, announced);
	}
	return looked;
}

static uint64_t run(const char *kind, struct session *session, uint32_t count)
{
	bool announced = strcmp(kind, "plain");
	uint64_t begun, nanoseconds;

	counting_begins();
	begun = now_ns();
	if (!announced)
		send_plain(session, count);
	else if (!strcmp(kind, "announced"))
		send_announced(session, count);
	else
		fail("what is '%s'?", kind);
	nanoseconds = now_ns() - begun;
	all_must_have_arrived();
	if (!look(session, announced) && count > 2 * SAMPLE)
		fail("none of %u was looked at", count);
	return nanoseconds;
}

int main(int argc, char **argv)
{
	int count = (argc - ARGUMENTS) / ARGUMENTS_EACH;
	uint32_t client, server, repeat;
	unsigned number;
	char kind[16];

	if (count < 1 || count > SESSIONS_MAX || argc != ARGUMENTS + count * ARGUMENTS_EACH ||
	    sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &node_mac[0], &node_mac[1],
		   &node_mac[2], &node_mac[3], &node_mac[4], &node_mac[5]) != ETH_ALEN ||
	    inet_pton(AF_INET, argv[5], &client) != 1 || inet_pton(AF_INET, argv[6], &server) != 1)
		fail("called by control.py");
	/* So that what else runs on this machine does not come in between. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
		fprintf(stderr, "control_sender: runs without priority: %s\n", strerror(errno));
	device = argv[3];
	end_open(&ends[CLIENT], argv[1]);
	end_open(&ends[SERVER], argv[2]);
	counting_begins();
	for (int at = 0; at < count; at++)
		session_open(&sessions[at], at, &argv[ARGUMENTS + at * ARGUMENTS_EACH], client,
			     server);
	all_must_have_arrived();
	look(NULL, false);
	while (scanf("%15s %u %u", kind, &number, &repeat) == 3) {
		if (number >= (unsigned)count || repeat > COUNT_MAX)
			fail("session %u, %u times: above the bounds", number, repeat);
		printf("%llu\n", (unsigned long long)run(kind, &sessions[number], repeat));
		fflush(stdout);
	}
	return 0;
}
