/* SPDX-License-Identifier: MIT */
/*
 * Steal time (Linux Documentation/virt/kvm/x86/msr.rst): time a vCPU could
 * have run but its thread was not given a CPU.  Between steal_time_enter() and
 * steal_time_leave() the thread does not sleep of its own will, so it is what
 * wall time exceeds the thread's CPU time by.
 */
#include <linux/kvm_para.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "util/guard.h"
#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/mmu/mmu.h"

#define NSEC_PER_SEC	1000000000ull
/* Reading a thread's CPU time is a system call: not more often than this. */
#define PERIOD_NS	4000000ull

static u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static bool enabled(const struct cpu *c)
{
	return c->pvclock->steal_time & KVM_MSR_ENABLED;
}

/* The guest's structure, one host pointer: it is 64-byte aligned. */
static struct kvm_steal_time *shared(struct cpu *c)
{
	return gpa_to_host(c, c->pvclock->steal_time & KVM_STEAL_VALID_BITS, true);
}

static void sample(struct pvclock *p)
{
	p->steal_wall_ns = now_ns(CLOCK_MONOTONIC);
	p->steal_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
	p->steal_next_tsc = host_tsc() + host_tsc_hz() / (NSEC_PER_SEC / PERIOD_NS);
}

/* Adds what was stolen since the last sample.  Version is odd meanwhile. */
static void account(struct pvclock *p, struct kvm_steal_time *st)
{
	u64 wall = p->steal_wall_ns, cpu = p->steal_cpu_ns;
	u32 version = READ_ONCE(st->version);
	s64 stolen;

	sample(p);
	stolen = (s64)(p->steal_wall_ns - wall) - (s64)(p->steal_cpu_ns - cpu);
	if (stolen <= 0)
		return;
	p->steal_total += stolen;
	WRITE_ONCE(st->version, version | 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(st->steal, READ_ONCE(st->steal) + stolen);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(st->version, (version | 1) + 1);
}

void steal_time_update(struct cpu *c)
{
	struct pvclock *p = c->pvclock;
	struct kvm_steal_time *st;

	if (!enabled(c))
		return;
	if (!p->steal_running) {
		steal_time_enter(c);
		return;
	}
	if (host_tsc() < p->steal_next_tsc)
		return;
	st = shared(c);
	if (st)
		account(p, st);
}

/*
 * Other vCPUs set FLUSH_TLB instead of sending an IPI while PREEMPTED is set:
 * clearing both and flushing is one act.
 */
static void enter(struct cpu *c)
{
	struct kvm_steal_time *st = shared(c);

	if (!st)
		return;
	if (__atomic_exchange_n(&st->preempted, 0, __ATOMIC_ACQ_REL) & KVM_VCPU_FLUSH_TLB)
		mmu_flush_all(c);
	sample(c->pvclock);
	c->pvclock->steal_running = true;
}

static void leave(struct cpu *c)
{
	struct kvm_steal_time *st = shared(c);

	if (!st)
		return;
	if (c->pvclock->steal_running)
		account(c->pvclock, st);
	c->pvclock->steal_running = false;
	__atomic_store_n(&st->preempted, KVM_VCPU_PREEMPTED, __ATOMIC_RELEASE);
}

/* KVM_RUN calls this outside its own guard: the page may have gone. */
static void guarded(struct cpu *c, void (*fn)(struct cpu *c))
{
	struct guard g;

	if (guard_enter(&g) == 0) {
		fn(c);
		guard_leave(&g);
	}
}

void steal_time_enter(struct cpu *c)
{
	if (enabled(c))
		guarded(c, enter);
}

void steal_time_leave(struct cpu *c)
{
	if (enabled(c))
		guarded(c, leave);
}

enum msr_result steal_write_msr(struct cpu *c, struct msr_access *a)
{
	if (!a->host && !cpuid_pv_allowed(c, FEATURE_KVM_STEAL_TIME))
		return MSR_REFUSED;
	if (a->data & KVM_STEAL_RESERVED_MASK)
		return MSR_REFUSED;
	MSR_VALUE(c, KVM_STEAL_TIME) = a->data;
	c->pvclock->steal_time = a->data;
	c->pvclock->steal_running = false;
	if (enabled(c))
		vcpu_request(c->vcpu, REQ_STEAL);
	return MSR_DONE;
}
