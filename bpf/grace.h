/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grace periods: what was taken out of a table is written over only when every program that may
 * have found it there has ended. How long programs take says nothing about that, for a
 * hypervisor may stop a CPU in the middle of one for any time. Of which table it is, is not
 * known here.
 *
 * Each CPU notes when the program that runs on it began to look things up. Whoever is about to
 * need what was taken out looks, at most once a tick, since when all that are under way have
 * begun. This is the scheme of epochs by which memory is reclaimed without locks (K. Fraser,
 * Practical lock-freedom, 2004, section 5.2.3), with the time for an epoch.
 */
#ifndef FTPFIX_GRACE_H
#define FTPFIX_GRACE_H

#include "packet.h"
#include "scratch.h"

/* How many ticks lie at least between the end of what was taken out and the begin of the
 * programs that may not have seen it: one for the note of a begin, which is odd and so may be one
 * too late, and a whole one in which that note reaches the other CPUs. */
#define GRACE_TICKS 2

/* More CPUs than any Linux has. */
#define GRACE_CPUS_MAX 8192

/* By how many ticks something may have been taken out later than what is known of the programs:
 * no CPU stands still for as long, which is 18 minutes. */
#define GRACE_LATE_TICKS (1U << 20)

/* What was taken out long enough before this is in nobody's hands. */
__u32 grace_safe_ticks;

/* When that was found out, in ticks: after it. */
__u32 grace_known_ticks;

/* Not the coarse clock of the packets: that may be behind by several ticks. */
static __always_inline __u32 grace_ticks(void)
{
	return bpf_ktime_get_ns() >> FTPFIX_TICK_SHIFT;
}

/* When something was taken out that nobody finds any more: as a number that is never zero. */
static __always_inline __u32 grace_stamp(void)
{
	return grace_ticks() | 1;
}

/* A program begins to look things up, not before `now`. */
static __always_inline void grace_begin(__u32 *since_ticks, __u32 now)
{
	*(volatile __u32 *)since_ticks = now | 1;
	barrier();
}

/*
 * The same of a packet's program, before its first look at what may be taken out; further ones
 * change nothing. For a packet that is none of ours there mostly is none.
 */
static __always_inline void grace_begin_packet(struct scratch *scratch)
{
	if (scratch->packet_since_ticks)
		return;
	scratch->now_ticks = ticks_now();
	grace_begin(&scratch->packet_since_ticks, scratch->now_ticks);
}

/* It holds nothing any more of what it has found. */
static __always_inline void grace_end(__u32 *since_ticks)
{
	barrier();
	*(volatile __u32 *)since_ticks = 0;
}

struct grace {
	__u32 own_cpu;
	__u32 safe_ticks;
};

static __always_inline void grace_note(struct grace *grace, const __u32 *since_ticks)
{
	__u32 since = *(const volatile __u32 *)since_ticks;

	if (since && (__s32)(since - grace->safe_ticks) < 0)
		grace->safe_ticks = since;
}

static long grace_cpu(__u32 cpu, void *context)
{
	struct grace *grace = context;
	const struct scratch *scratch;
	__u32 first = 0;

	scratch = bpf_map_lookup_percpu_elem(&scratches, &first, cpu);
	if (!scratch)
		return 1;
	/* Our own packet uses nothing any more of what was taken out before it asks. */
	if (cpu != grace->own_cpu)
		grace_note(grace, &scratch->packet_since_ticks);
	grace_note(grace, &scratch->sweep_since_ticks);
	return 0;
}

/* Finds out what is in nobody's hands, unless that is known. To be called by a packet's program
 * before it asks grace_over(). */
__global int grace_review(void)
{
	__u32 now = grace_ticks();
	struct grace grace = {.own_cpu = bpf_get_smp_processor_id(), .safe_ticks = now};

	if (grace_known_ticks == now)
		return 0;
	bpf_loop(GRACE_CPUS_MAX, grace_cpu, &grace, 0);
	*(volatile __u32 *)&grace_safe_ticks = grace.safe_ticks;
	barrier();
	*(volatile __u32 *)&grace_known_ticks = now;
	return 0;
}

/* Whether nobody can hold any more what has this stamp, or has none because it was never taken
 * out. */
static __always_inline int grace_over(__u32 stamp)
{
	__u32 age = *(const volatile __u32 *)&grace_safe_ticks - stamp;

	return !stamp || (age >= GRACE_TICKS && age < -GRACE_LATE_TICKS);
}

#endif /* FTPFIX_GRACE_H */
