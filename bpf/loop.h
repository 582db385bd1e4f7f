/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One loop for two worlds: a bpf_loop() in the dataplane, whose body the
 * verifier walks once whatever the count, and a plain loop in native tests.
 */
#ifndef FTPFIX_LOOP_H
#define FTPFIX_LOOP_H

#include <linux/types.h>

/* The body of a loop: 0 goes on, 1 ends it. */
typedef long (*each_body)(__u32 index, void *context);

/* __global marks what the verifier walks once by itself, instead of once for
 * every state of every caller. Such a function must bear NULL pointers. */
#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __global __noinline

/*
 * Zero, which the verifier does not know. Older kernels (6.1) verify a body for its first round
 * alone, with what stands on the stack then, and take out what that round would not do: what
 * rounds change, and decide by, must begin as a number that is known to nobody.
 */
volatile __u32 each_zero;

/* bpf_loop() takes at most 1 << 23 rounds; no caller comes near. */
static __always_inline void each(__u32 rounds, each_body body, void *context)
{
	bpf_loop(rounds, body, context, 0);
}

#else

#define __global static __attribute__((noinline, unused))

/* In the dataplane: the compiler must not use what it knows of the variable, so
 * that the verifier is shown the bound. */
#define barrier_var(variable) ((void)(variable))

static inline void each(__u32 rounds, each_body body, void *context)
{
	for (__u32 index = 0; index < rounds; index++)
		if (body(index, context))
			break;
}

#endif
#endif /* FTPFIX_LOOP_H */
