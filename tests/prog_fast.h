/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fast path's world: devices that are up, routes and neighbours by which packets are
 * sent on, and frames as XDP gets and gives them. The connections are those of prog_dial.h.
 */
#ifndef FTPFIX_PROG_FAST_H
#define FTPFIX_PROG_FAST_H

#include "prog_balance.h"

#define FAST_FRAME_MAX 16384

/* What stands in front of a packet to a server, or to a client. */
static const struct ethernet to_server = {{2, 0, 0, 0, 0, 0xbb}, {2, 0, 0, 0, 0, 0x0b}};
static const struct ethernet to_client = {{2, 0, 0, 0, 0, 0xaa}, {2, 0, 0, 0, 0, 0x0a}};

/* The client is behind a router, or beside the node; the servers are beside it. The client's
 * addresses are 198.51.100.10 and what ip6() makes of it. */
#define FAST_SETUP                                                                   \
	"set -e; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"  \
	"ip link set uplink address 02:00:00:00:00:0a up\n"                          \
	"ip link set server address 02:00:00:00:00:0b up\n"                          \
	"ip address add 203.0.113.2/24 dev uplink\n"                                 \
	"ip address add 10.0.0.1/24 dev server\n"                                    \
	"ip route add 198.51.100.0/24 via 203.0.113.1\n"                             \
	"ip neighbour add 203.0.113.1 lladdr 02:00:00:00:00:aa dev uplink\n"         \
	"ip neighbour add 10.0.0.175 lladdr 02:00:00:00:00:bb dev server\n"          \
	"ip -6 route add 2001:db8:c633::/64 dev uplink\n"                            \
	"ip -6 route add 2001:db8:a00::/64 dev server\n"                             \
	"ip neighbour add 2001:db8:c633::640a lladdr 02:00:00:00:00:aa dev uplink\n" \
	"ip neighbour add 2001:db8:a00::af lladdr 02:00:00:00:00:bb dev server\n"

enum fast { FAST_UPLINK, FAST_INSIDE, FAST_BOTH, FAST_TAGGED };

struct fast_output {
	__u8 bytes[FAST_FRAME_MAX];
	__u32 length;
};

static inline int fast_program(const struct world *world, enum fast fast)
{
	const struct ftpfix *skeleton = world->skeleton;

	switch (fast) {
	case FAST_UPLINK:
		return bpf_program__fd(skeleton->progs.ftpfix_uplink_xdp);
	case FAST_INSIDE:
		return bpf_program__fd(skeleton->progs.ftpfix_inside_xdp);
	case FAST_BOTH:
		return bpf_program__fd(skeleton->progs.ftpfix_both_xdp);
	default:
		return bpf_program__fd(skeleton->progs.ftpfix_tagged_xdp);
	}
}

static inline void fast_command(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* Says how XDP sends out of a device. */
static inline void fast_link(struct world *world, __u32 ifindex, __u32 carrier, __u16 vlan,
			     __u16 frags)
{
	struct ftpfix_link link = {.be_vlan = htons(vlan), .fast = 1, .frags = frags};

	balance_write(world->skeleton->maps.links, &ifindex, &link);
	balance_write(world->skeleton->maps.xdp_devices, &ifindex, &carrier);
}

/* Says which VLAN device a tagged frame came in by. */
static inline void fast_tagged(struct world *world, __u32 carrier, __u16 vlan, __u32 ifindex,
			       __u32 sides)
{
	struct ftpfix_tagged_key key = {.ifindex = carrier, .be_vlan = htons(vlan)};
	struct ftpfix_tagged value = {.ifindex = ifindex, .sides = sides};

	balance_write(world->skeleton->maps.tagged, &key, &value);
}

/* A frame comes in by the device of that side. */
static inline int fast_run(struct world *world, enum fast fast, __u32 ifindex, const __u8 *bytes,
			   __u32 length, struct fast_output *output)
{
	struct xdp_md context = {.data_end = length, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = length,
		    .data_out = output->bytes, .data_size_out = sizeof(output->bytes),
		    .ctx_in = &context, .ctx_size_in = sizeof(context));
	int err = bpf_prog_test_run_opts(fast_program(world, fast), &options);

	if (err)
		print_error("# BPF_PROG_TEST_RUN: %s\n", strerror(-err));
	assert_int_equal(err, 0);
	output->length = options.data_size_out;
	return (int)options.retval;
}

static inline void fast_check(struct world *world, enum fast fast, __u32 ifindex,
			      const struct frame *input, int verdict, const struct frame *expected,
			      const char *file, int line)
{
	static struct fast_output output;
	int got = fast_run(world, fast, ifindex, input->bytes, input->length, &output);

	if (got != verdict) {
		print_error("# verdict %d, not %d\n", got, verdict);
		_fail(file, line);
	}
	memcpy(world->output.bytes, output.bytes, FRAME_MAX);
	world->output.length = output.length;
	frame_compare(&world->output, expected, file, line);
}

/* The frame of a tagged device has this tag instead of the one that frame_build() writes. */
static inline void fast_tag(struct frame *frame, __u16 tag)
{
	if (frame->network > ETH_HLEN)
		put16(frame->bytes + ETH_HLEN, tag);
}

struct fast_dial {
	struct dial dial;
	enum fast up; /* the programs of both sides, and the devices */
	enum fast down;
	__u32 uplink;
	__u32 inside;
	__u16 up_tag; /* VLAN tags of the frames on both sides; 0: untagged */
	__u16 inside_tag;
	struct ethernet to_client; /* what stands in front of what goes on */
	struct ethernet to_server;
};

static inline void fast_side(const struct fast_dial *fast, struct dial *dial, __u16 tag)
{
	*dial = fast->dial;
	dial->shape.tags[0] = tag ? ETH_P_8021Q : 0;
}

/* The client's next segment as it comes in, and as it goes on. */
static inline void fast_up_frames(const struct fast_dial *fast, __u8 flags, const char *bytes,
				  struct frame *input, struct frame *output)
{
	struct dial outside, inside;

	fast_side(fast, &outside, fast->up_tag);
	fast_side(fast, &inside, fast->inside_tag);
	dial_up_frame(&outside, flags, outside.client_sequence, bytes, 0, input);
	dial_up_frame(&inside, flags, inside.client_sequence, bytes, 1, output);
	fast_tag(input, fast->up_tag);
	fast_tag(output, fast->inside_tag);
	memcpy(output->bytes, &fast->to_server, sizeof(fast->to_server));
}

static inline void fast_down_frames(const struct fast_dial *fast, __u8 flags, const char *bytes,
				    struct frame *input, struct frame *output)
{
	struct dial outside, inside;

	fast_side(fast, &outside, fast->up_tag);
	fast_side(fast, &inside, fast->inside_tag);
	dial_down_frame(&inside, flags, inside.server_sequence, bytes, 0, input);
	dial_down_frame(&outside, flags, outside.server_sequence, bytes, 1, output);
	fast_tag(input, fast->inside_tag);
	fast_tag(output, fast->up_tag);
	memcpy(output->bytes, &fast->to_client, sizeof(fast->to_client));
}

static inline void fast_up_at(struct fast_dial *fast, __u8 flags, const char *bytes,
			      const char *file, int line)
{
	struct frame input, output;

	fast_up_frames(fast, flags, bytes, &input, &output);
	fast_check(fast->dial.world, fast->up, fast->uplink, &input, XDP_REDIRECT, &output, file,
		   line);
	fast->dial.client_sequence += dial_step(flags, bytes);
}

static inline void fast_down_at(struct fast_dial *fast, __u8 flags, const char *bytes,
				const char *file, int line)
{
	struct frame input, output;

	fast_down_frames(fast, flags, bytes, &input, &output);
	fast_check(fast->dial.world, fast->down, fast->inside, &input, XDP_REDIRECT, &output, file,
		   line);
	fast->dial.server_sequence += dial_step(flags, bytes);
}

/* The next segment is sent on by XDP, exactly translated, */
#define fast_up(fast, flags, bytes) fast_up_at(fast, flags, bytes, __FILE__, __LINE__)
#define fast_down(fast, flags, bytes) fast_down_at(fast, flags, bytes, __FILE__, __LINE__)

/* or is left to TC, untouched. */
#define fast_up_passes(fast, flags, bytes)                                 \
	do {                                                               \
		struct frame up_frame, up_output;                          \
		fast_up_frames(fast, flags, bytes, &up_frame, &up_output); \
		fast_passes(fast, &up_frame);                              \
	} while (0)
#define fast_down_passes(fast, flags, bytes)                                              \
	do {                                                                              \
		struct frame down_frame, down_output;                                     \
		fast_down_frames(fast, flags, bytes, &down_frame, &down_output);          \
		fast_check((fast)->dial.world, (fast)->down, (fast)->inside, &down_frame, \
			   XDP_PASS, &down_frame, __FILE__, __LINE__);                    \
	} while (0)
#define fast_passes(fast, frame)                                                           \
	fast_check((fast)->dial.world, (fast)->up, (fast)->uplink, frame, XDP_PASS, frame, \
		   __FILE__, __LINE__)

/* The counters of packets that XDP carried. */
#define CARRIED_FAST(dial, packets, payload)                                                       \
	{FTPFIX_PACKET_FORWARDED_XDP, packets},                                                    \
	{                                                                                          \
		FTPFIX_BYTES_FORWARDED_XDP, (packets) * ((dial)->shape.ipv6 ? 60 : 40) + (payload) \
	}

/* So long ago, by the very clock that the dataplane reads, which is coarser than now_ns(). */
static inline __u32 ticks_before(__u64 time_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec - time_ns) >> FTPFIX_TICK_SHIFT;
}

/* What the daemon tells: that it will go on to tell for so long, and when it told of a change. */
static inline void tell(struct fast_dial *fast, __u64 watched_ns, __u64 changed_ns)
{
	struct ftpfix *skeleton = fast->dial.world->skeleton;

	skeleton->bss->routes_watched_ticks = ticks_before(0) + (watched_ns >> FTPFIX_TICK_SHIFT);
	skeleton->bss->routes_changed_ticks = ticks_before(changed_ns);
}

/* Devices take XDP frames only where they have a program themselves. */
static inline int fast_setup_configured(void **state, void (*constants)(struct ftpfix *))
{
	struct world *world;

	if (world_setup(state) || !*state)
		return *state || !geteuid() ? -1 : 0;
	if (constants) {
		world_close(*state);
		*state = world_open_configured(0, 0, constants);
		if (!*state)
			return -1;
	}
	world = *state;
	world->hops = 1;
	if (system(FAST_SETUP) ||
	    bpf_xdp_attach(world->uplink, fast_program(world, FAST_UPLINK), 0, NULL) ||
	    bpf_xdp_attach(world->server, fast_program(world, FAST_INSIDE), 0, NULL))
		return -1;
	return 0;
}

static inline int fast_setup(void **state)
{
	return fast_setup_configured(state, NULL);
}

/* A data connection that a client was promised. */
static inline struct fast_dial fast_expected(void **state, int ipv6)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct talk talk = talk_of(world);
	struct fast_dial fast = {
		.up = FAST_UPLINK,
		.down = FAST_INSIDE,
		.uplink = world->uplink,
		.inside = world->server,
		.to_client = to_client,
		.to_server = to_server,
	};

	map_clear(world->skeleton->maps.links);
	map_clear(world->skeleton->maps.xdp_devices);
	map_clear(world->skeleton->maps.tagged);
	fast_link(world, world->uplink, world->uplink, 0, 0);
	fast_link(world, world->server, world->server, 0, 0);
	talk.shape.ipv6 = ipv6;
	talk_ask(&talk, "EPSV\r\n");
	talk_answer(&talk, EXTENDED, EXTENDED);
	counted(world, EXPECTED_KEPT);
	fast.dial = dial_of(&talk, PORT, PORT);
	return fast;
}

/* The same, established. */
static inline struct fast_dial fast_open(void **state, int ipv6)
{
	struct fast_dial fast = fast_expected(state, ipv6);

	dial_open(&fast.dial);
	counted(fast.dial.world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED_OF(&fast.dial, 3, 0));
	return fast;
}

#endif /* FTPFIX_PROG_FAST_H */
