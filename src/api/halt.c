/* SPDX-License-Identifier: MIT */
/*
 * Halted vCPUs (KVM_CAP_HALT_POLL): who is woken soon is spared the sleep.
 *
 * A vCPU polls for its own vcpu->halt_poll_ns before it sleeps.  That is 0 at
 * first, doubles as long as what wakes it comes within the VM's limit, and is 0
 * again after a longer halt.
 */
#include "api/kvm.h"
#include "api/stats.h"
#include "api/worker.h"

/* KVM's parameters halt_poll_ns_grow_start and halt_poll_ns_grow. */
#define POLL_START_NS	10000u
#define POLL_GROWTH	2

/* True if a request came before @h->poll_end. */
static bool poll_until(struct vcpu *vcpu, struct halt *h, u64 stop)
{
	do {
		if (__atomic_load_n(vcpu->requests, __ATOMIC_SEQ_CST))
			return true;
		__builtin_ia32_pause();
		h->poll_end = worker_now_ns();
	} while (h->poll_end < stop);
	return false;
}

bool vcpu_halt_poll(struct vcpu *vcpu, bool allowed, struct halt *h)
{
	vcpu->halt_poll_ns = MIN(vcpu->halt_poll_ns, READ_ONCE(vcpu->vm->halt_poll_ns));
	h->start = h->poll_end = worker_now_ns();
	h->allowed = allowed;
	h->polled = allowed && vcpu->halt_poll_ns;
	return h->polled && poll_until(vcpu, h, h->start + vcpu->halt_poll_ns);
}

static void count_poll(struct vcpu *vcpu, u64 ns, bool success)
{
	stat_inc(vcpu, halt_attempted_poll);
	if (success) {
		stat_inc(vcpu, halt_successful_poll);
		stat_add(vcpu, halt_poll_success_ns, ns);
		stat_histogram(vcpu, halt_poll_success_hist, ns);
	} else {
		stat_add(vcpu, halt_poll_fail_ns, ns);
		stat_histogram(vcpu, halt_poll_fail_hist, ns);
	}
}

/* The next time to poll, after a halt of @ns. */
static u32 adapt(u32 poll_ns, u64 ns, u32 limit)
{
	if (!limit || (poll_ns && ns > limit && ns > poll_ns))
		return 0;
	if (ns <= poll_ns || poll_ns >= limit || ns >= limit)
		return poll_ns;
	return MIN(MAX((u64)poll_ns * POLL_GROWTH, POLL_START_NS), limit);
}

void vcpu_halt_end(struct vcpu *vcpu, const struct halt *h, bool slept)
{
	u64 end = h->poll_end;

	if (slept) {
		end = worker_now_ns();
		stat_add(vcpu, halt_wait_ns, end - h->poll_end);
		stat_histogram(vcpu, halt_wait_hist, end - h->poll_end);
	}
	/* One that came between the poll and the sleep has been in time, too. */
	if (h->polled)
		count_poll(vcpu, h->poll_end - h->start, !slept);
	if (h->allowed)
		vcpu->halt_poll_ns = adapt(vcpu->halt_poll_ns, end - h->start,
					   READ_ONCE(vcpu->vm->halt_poll_ns));
}
