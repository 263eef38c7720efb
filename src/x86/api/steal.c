/* SPDX-License-Identifier: MIT */
/*
 * Steal time (Linux Documentation/virt/kvm/x86/msr.rst): time a vCPU could
 * have run but its thread was not given a CPU, in KVM_RUN or on the way there.
 * As in KVM it is what the host's scheduler has counted: the run_delay of
 * /proc/PID/schedstat.
 */
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/stats.h"
#include "util/guard.h"
#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/mmu/mmu.h"
#include "x86/xen/xen.h"

/* How often a guest is told, whether it runs on or leaves and soon comes back... */
#define UPDATES_PER_SEC	250
/* ...sooner than any other thread would have had the CPU for. */
#define SOON_PER_SEC	50000

/* KVM: a Xen guest is told by runstate instead. */
static bool xen_guest(const struct cpu *c)
{
	return unlikely(xen_enabled(c->vcpu->vm));
}

static bool enabled(const struct cpu *c)
{
	return c->pvclock->steal_time & KVM_MSR_ENABLED && !xen_guest(c);
}

/* The guest's structure, one host pointer: it is 64-byte aligned. */
static struct kvm_steal_time *shared(struct cpu *c)
{
	return gpa_to_host(c, c->pvclock->steal_time & KVM_STEAL_VALID_BITS, true);
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size);
	close(fd);
	return n;
}

/*
 * run_delay of this thread; 0 if the host does not tell.  KVM_RUN is no
 * cancellation point, unlike these.
 */
static u64 read_run_delay(void)
{
	unsigned long long delay = 0;
	char text[96];
	int cancel;
	ssize_t n;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	n = read_file("/proc/thread-self/schedstat", text, sizeof(text) - 1);
	pthread_setcancelstate(cancel, NULL);
	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%*u %llu", &delay) == 1 ? delay : 0;
}

/* A thread that has not left its CPU has not waited for one, either. */
static u64 switches(void)
{
	struct rusage use;

	getrusage(RUSAGE_THREAD, &use);
	return use.ru_nvcsw + use.ru_nivcsw;
}

u64 steal_time_stolen(struct pvclock *p)
{
	bool same = p->steal_running && pthread_equal(p->steal_thread, pthread_self());
	u64 now = switches(), before = p->steal_run_delay;

	p->steal_next_tsc = host_tsc() + host_tsc_hz() / UPDATES_PER_SEC;
	if (same && now == p->steal_switches)
		return 0;
	p->steal_running = true;
	p->steal_thread = pthread_self();
	p->steal_switches = now;
	p->steal_run_delay = read_run_delay();
	return same && p->steal_run_delay > before ? p->steal_run_delay - before : 0;
}

/* It costs system calls.  What is not told now is told the next time. */
static bool is_due(const struct pvclock *p)
{
	return !p->steal_running || host_tsc() >= p->steal_next_tsc;
}

static bool was_away(const struct pvclock *p)
{
	return host_tsc() - p->steal_left_tsc > host_tsc_hz() / SOON_PER_SEC;
}

/* Version is odd meanwhile. */
static void account(struct pvclock *p, struct kvm_steal_time *st)
{
	u32 version = READ_ONCE(st->version) | 1;
	u64 stolen = is_due(p) || was_away(p) ? steal_time_stolen(p) : 0;

	WRITE_ONCE(st->version, version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(st->steal, READ_ONCE(st->steal) + stolen);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(st->version, version + 1);
}

ATOMIC_MAY_UNWIND static u8 take_preempted(struct kvm_steal_time *st)
{
	return __atomic_exchange_n(&st->preempted, 0, __ATOMIC_ACQ_REL);
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
	if (take_preempted(st) & KVM_VCPU_FLUSH_TLB)
		mmu_flush_all(c);
	account(c->pvclock, st);
}

ATOMIC_MAY_UNWIND static void leave(struct cpu *c)
{
	struct kvm_steal_time *st = shared(c);

	if (!st)
		return;
	stat_inc(c->vcpu, preemption_reported);
	c->pvclock->steal_left_tsc = host_tsc();
	__atomic_store_n(&st->preempted, KVM_VCPU_PREEMPTED, __ATOMIC_RELEASE);
}

/* The page may have gone: KVM_RUN goes on without it, as in KVM. */
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
	if (xen_guest(c))
		guarded(c, xen_runstate_run);
	else if (enabled(c))
		guarded(c, enter);
}

void steal_time_update(struct cpu *c)
{
	if (is_due(c->pvclock))
		steal_time_enter(c);
}

void steal_time_leave(struct cpu *c)
{
	if (enabled(c))
		guarded(c, leave);
}

enum msr_result steal_write_msr(struct cpu *c, struct msr_access *a)
{
	if (!cpuid_pv_allowed(c, FEATURE_KVM_STEAL_TIME))
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
