/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs of one packet through a program of the world, and what became of the
 * packet and of the counters. It knows no FTP.
 */
#ifndef FTPFIX_PROG_H
#define FTPFIX_PROG_H

#include <linux/pkt_cls.h>

#include "prog_world.h"

/* A counter's difference that a test expects. */
struct change {
	__u32 reason;
	__s64 amount;
};

static inline const char *reason_name(__u32 reason)
{
#define REASON_NAME(symbol, family, label, help) #family "/" label,
	static const char *const names[] = {FTPFIX_REASONS(REASON_NAME)};
#undef REASON_NAME

	return names[reason];
}

/* Fails unless exactly the changes listed happened since the last look; the list
 * ends with FTPFIX_REASON_COUNT. */
static inline void counted_check(struct world *world, const struct change *changes,
				 const char *file, int line)
{
	__s64 expected[FTPFIX_REASON_COUNT] = {};
	int wrong = 0;

	for (; changes->reason < FTPFIX_REASON_COUNT; changes++)
		expected[changes->reason] += changes->amount;
	for (__u32 reason = 0; reason < FTPFIX_REASON_COUNT; reason++) {
		__u64 now = counter_value(world, reason);
		__s64 difference = now - world->counted[reason];

		world->counted[reason] = now;
		if (difference == expected[reason])
			continue;
		print_error("# %s: %lld, not %lld\n", reason_name(reason), (long long)difference,
			    (long long)expected[reason]);
		wrong = 1;
	}
	if (wrong)
		_fail(file, line);
}

#define NOTHING                        \
	{                              \
		FTPFIX_REASON_COUNT, 0 \
	}
#define counted(world, ...) \
	counted_check(world, (const struct change[]){__VA_ARGS__, NOTHING}, __FILE__, __LINE__)

static inline __u32 program_interface(const struct world *world, enum program program)
{
	return program == INSIDE_INGRESS || program == INSIDE_EGRESS ? world->server
								     : world->uplink;
}

/* Whether the packets of this program may have come through another one. */
static inline int program_leaves(enum program program)
{
	return program == UPLINK_EGRESS || program == INSIDE_EGRESS;
}

/* Runs one packet through a program; the frame that comes out stands in
 * world->output. Unless a test says otherwise the kernel
 * knows the sum over the packet, and checks that it is right behind the program too. */
static inline int run(struct world *world, enum program program, const struct frame *frame)
{
	struct __sk_buff context = {
		.ifindex = program_interface(world, program),
		.gso_size = world->gso_size,
		.gso_segs = world->gso_size ? 2 : 0,
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->length, .data_out = world->output.bytes,
		    .data_size_out = sizeof(world->output.bytes), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .flags = world->run_flags);
	int err;

	if (program_leaves(program))
		memcpy(context.cb, world->beside, sizeof(context.cb));
	err = bpf_prog_test_run_opts(world->program[program], &options);
	/* Kernels before 6.15 do not know the flag. */
	if (err == -EINVAL) {
		options.flags = 0;
		err = bpf_prog_test_run_opts(world->program[program], &options);
	}
	if (err)
		print_error("# BPF_PROG_TEST_RUN: %s\n", strerror(-err));
	assert_int_equal(err, 0);
	memcpy(world->beside, context.cb, sizeof(world->beside));
	world->output.length = options.data_size_out;
	memcpy(&world->leaves, world->output.bytes, sizeof(world->leaves));
	if (world->hops)
		memcpy(world->output.bytes, frame->bytes, sizeof(world->leaves));
	return (int)options.retval;
}

/* Whether the last program gave its packet a number, by which the one that it leaves by knows it. */
static inline int numbered(const struct world *world)
{
	return world->beside[0] || world->beside[1];
}

/* Runs what the daemon runs every few seconds. */
static inline void sweep(struct world *world)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	assert_int_equal(bpf_prog_test_run_opts(
				 bpf_program__fd(world->skeleton->progs.ftpfix_sweep), &options),
			 0);
	assert_int_equal(options.retval, 0);
}

/* Prints a difference of frames as text and in hexadecimal. */
static inline void frame_print(const char *title, const __u8 *bytes, __u32 length)
{
	char text[FRAME_MAX * 4 + 1], *at = text;

	for (__u32 index = 0; index < length && index < FRAME_MAX; index++) {
		int printable = bytes[index] >= ' ' && bytes[index] < 127;

		at += sprintf(at, printable ? "%c" : "\\%02x", bytes[index]);
	}
	*at = 0;
	print_error("# %s (%u bytes): %s\n", title, length, text);
}

static inline void frame_compare(const struct frame *got, const struct frame *expected,
				 const char *file, int line)
{
	if (got->length == expected->length &&
	    !memcmp(got->bytes, expected->bytes, expected->length))
		return;
	frame_print("got", got->bytes, got->length);
	frame_print("not", expected->bytes, expected->length);
	_fail(file, line);
}

/* Runs input and wants this verdict and these bytes. */
static inline void run_check(struct world *world, enum program program, const struct frame *input,
			     int verdict, const struct frame *expected, const char *file, int line)
{
	int got = run(world, program, input);

	if (got != verdict) {
		print_error("# verdict %d, not %d\n", got, verdict);
		_fail(file, line);
	}
	frame_compare(&world->output, expected, file, line);
}

#define run_gives(world, program, input, verdict, expected) \
	run_check(world, program, input, verdict, expected, __FILE__, __LINE__)
#define run_passes(world, program, input) run_gives(world, program, input, TC_ACT_UNSPEC, input)

/* A dropped packet's bytes are nobody's. */
#define run_drops(world, program, input) assert_int_equal(run(world, program, input), TC_ACT_SHOT)

#endif /* FTPFIX_PROG_H */
