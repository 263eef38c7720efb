/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC twice a call is a fifth of what tracing costs.  Between two
 * readings, at most half a millisecond apart, a thread counts on with the
 * processor's own clock, whose rate the readings of a while ago have told.
 */
#include <time.h>

#include "watch/watch.h"

#define NS_PER_S	1000000000ull
#define RATE_NS		20000000ull	/* long enough to measure the rate, and to trust it */

static u64 read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

#ifdef __x86_64__

#define COUNT_ON	(1u << 20)	/* ticks; times the rate fits in 64 bits */

struct reading {
	u64 tsc, ns;
};

static u64 rate;		/* ns a tick, in 32.32; 0: not known yet */
static struct reading origin;	/* that the next rate is measured from */
static u32 measuring;		/* a thread is at it */

static __thread struct reading last __attribute__((tls_model("initial-exec")));

static void measure(struct reading now)
{
	u64 ns, ticks;

	if (__atomic_exchange_n(&measuring, 1, __ATOMIC_ACQUIRE))
		return;
	ns = now.ns - origin.ns;
	ticks = now.tsc - origin.tsc;
	if (origin.ns && ns > RATE_NS && ns < NS_PER_S && ticks > COUNT_ON)
		WRITE_ONCE(rate, (ns << 32) / ticks);
	else if (origin.ns && ns >= NS_PER_S)
		WRITE_ONCE(rate, 0);
	if (!origin.ns || ns > RATE_NS)
		origin = now;
	__atomic_store_n(&measuring, 0, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) u64 read_anew(void)
{
	last.ns = read_clock();
	last.tsc = __builtin_ia32_rdtsc();
	measure(last);
	return last.ns;
}

u64 watch_now(void)
{
	const u64 ticks = __builtin_ia32_rdtsc() - last.tsc, ns_per_tick = READ_ONCE(rate);

	if (likely(ticks < COUNT_ON && ns_per_tick))
		return last.ns + (ticks * ns_per_tick >> 32);
	return read_anew();
}

#else

u64 watch_now(void)
{
	return read_clock();
}

#endif
