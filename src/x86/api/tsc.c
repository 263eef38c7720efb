/* SPDX-License-Identifier: MIT */
/*
 * The guest's TSC: the host's, scaled by tsc_ratio, plus tsc_offset; so RDTSC
 * needs no clock but the host's own.
 */
#include <cpuid.h>
#include <errno.h>
#include <limits.h>
#include <time.h>
#include <x86intrin.h>

#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/hyperv/hyperv.h"

#define NSEC_PER_SEC	1000000000ull
#define TSC_RATIO_MAX	0xffffffffffull
/* Within this a wish is met by the host's own rate (KVM: tsc_tolerance_ppm). */
#define TOLERANCE_PPM	250

static u64 tsc_hz;
static bool tsc_stable;

/* -- Host ---------------------------------------------------------------------------------- */

u64 host_tsc(void)
{
	return __rdtsc();
}

u64 host_tsc_hz(void)
{
	return tsc_hz;
}

u32 host_tsc_khz(void)
{
	return tsc_hz / 1000;
}

bool host_tsc_stable(void)
{
	return tsc_stable;
}

static u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

struct sample { u64 tsc, ns; };

/* The tightest of a few readings: an interruption between the two is not in it. */
static struct sample take_sample(void)
{
	struct sample best = { 0 };
	u64 best_gap = ~0ull;

	for (u32 i = 0; i < 64; i++) {
		u64 before = __rdtsc();
		u64 ns = now_ns(CLOCK_MONOTONIC_RAW);
		u64 gap = __rdtsc() - before;

		if (gap < best_gap) {
			best_gap = gap;
			best = (struct sample){ before + gap / 2, ns };
		}
	}
	return best;
}

/* A part in a million or so: CLOCK_MONOTONIC_RAW itself follows the TSC. */
static u64 measure_hz(void)
{
	const u64 period_ns = 10000000;
	struct sample a = take_sample(), b;

	while (now_ns(CLOCK_MONOTONIC_RAW) - a.ns < period_ns)
		_mm_pause();
	b = take_sample();
	return (u128)(b.tsc - a.tsc) * NSEC_PER_SEC / (b.ns - a.ns);
}

/* SDM vol. 3B 18.7.3: crystal frequency and ratio, where the host tells. */
static u64 cpuid_hz(void)
{
	struct cpuid_regs max, r;

	cpuid_host(0, 0, &max);
	if (max.eax < 0x15)
		return 0;
	cpuid_host(0x15, 0, &r);
	return r.eax && r.ebx && r.ecx ? (u64)r.ecx * r.ebx / r.eax : 0;
}

void clock_init(void)
{
	tsc_hz = cpuid_hz();
	if (!tsc_hz)
		tsc_hz = measure_hz();
	tsc_stable = host_has(FEATURE_CONSTANT_TSC);
}

/* -- Guest ---------------------------------------------------------------------------------- */

static u64 scaled(const struct cpu *c, u64 tsc)
{
	if (likely(c->tsc_ratio == TSC_RATIO_ONE))
		return tsc;
	return (u128)tsc * c->tsc_ratio >> 32;
}

u64 cpu_read_tsc(const struct cpu *c)
{
	return scaled(c, __rdtsc()) + c->tsc_offset;
}

u64 tsc_realtime(const struct cpu *c, struct timespec *now)
{
	u64 best_gap = ~0ull, best = 0;

	for (u32 i = 0; i < 4; i++) {
		u64 before = __rdtsc(), gap;
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		gap = __rdtsc() - before;
		if (gap < best_gap) {
			best_gap = gap;
			best = before + gap / 2;
			*now = ts;
		}
	}
	return scaled(c, best) + c->tsc_offset;
}

u64 tsc_guest_hz(const struct cpu *c)
{
	return c->tsc_ratio == TSC_RATIO_ONE ? tsc_hz : (u64)((u128)tsc_hz * c->tsc_ratio >> 32);
}

u64 cpu_tsc_to_ns(const struct cpu *c, u64 tsc)
{
	u64 now = now_ns(CLOCK_MONOTONIC);
	u64 guest = cpu_read_tsc(c);
	u128 wait;

	if (tsc <= guest)
		return now;
	wait = (u128)(tsc - guest) * NSEC_PER_SEC / tsc_guest_hz(c);
	return wait > (u64)LLONG_MAX - now ? (u64)LLONG_MAX : now + (u64)wait;
}

/* The TSC has jumped: what was computed from it is computed again. */
static void tsc_changed(struct cpu *c)
{
	if (c->lapic)
		lapic_tsc_changed(c->lapic);
	if (c->vcpu->idx == 0)
		hv_tsc_page_stale(c->vcpu->vm);
	clock_request(c);
}

void tsc_set_offset(struct cpu *c, u64 offset)
{
	c->tsc_offset = offset;
	tsc_changed(c);
}

void tsc_shift(struct cpu *c, u64 delta)
{
	tsc_set_offset(c, c->tsc_offset + delta);
}

void tsc_write_guest(struct cpu *c, u64 tsc)
{
	u64 delta = tsc - cpu_read_tsc(c);

	c->tsc_adjust += delta;
	tsc_shift(c, delta);
}

/* -- Synchronisation (KVM: kvm_synchronize_tsc) ------------------------------------------------ */

/*
 * A VMM restoring vCPUs writes their TSCs one after the other.  Writes less
 * than a second from what the last one would have become mean the same TSC.
 */
static bool means_same_tsc(const struct arch_vm *vm, const struct cpu *c, u64 tsc, u64 ns)
{
	u64 hz = (u64)c->tsc_khz * 1000;
	u64 expected;

	if (c->tsc_khz != vm->last_tsc_khz)
		return false;
	if (!tsc)
		return true;
	expected = vm->last_tsc_write +
		   (u64)((u128)(ns - vm->last_tsc_ns) * hz / NSEC_PER_SEC);
	return tsc < expected + hz && tsc + hz > expected;
}

void tsc_write_host(struct cpu *c, u64 tsc)
{
	struct arch_vm *vm = cpu_arch_vm(c);
	u64 ns, offset;

	pthread_mutex_lock(&vm->clock_lock);
	ns = now_ns(CLOCK_MONOTONIC_RAW);
	if (means_same_tsc(vm, c, tsc, ns))
		offset = vm->last_tsc_offset;
	else
		offset = tsc - scaled(c, __rdtsc());
	vm->last_tsc_ns = ns;
	vm->last_tsc_write = tsc;
	vm->last_tsc_khz = c->tsc_khz;
	vm->last_tsc_offset = offset;
	pthread_mutex_unlock(&vm->clock_lock);
	tsc_set_offset(c, offset);
}

static void set_rate(struct cpu *c, u32 khz)
{
	u32 host = host_tsc_khz();
	u64 slack = (u64)host * TOLERANCE_PPM / 1000000;

	c->tsc_khz = khz;
	if (khz >= host - slack && khz <= host + slack)
		c->tsc_ratio = TSC_RATIO_ONE;
	else
		c->tsc_ratio = (u64)khz * 1000 * ((u128)1 << 32) / tsc_hz;
}

/* The ratio has 8 bits before the point, as SVM's (APM vol. 2 15.30.5). */
static u32 max_khz(void)
{
	u64 max = (u128)host_tsc_khz() * TSC_RATIO_MAX >> 32;

	return MIN(max, INT_MAX);
}

int tsc_set_khz(struct cpu *c, u32 khz)
{
	if (khz >= max_khz())
		return -EINVAL;
	set_rate(c, khz ? khz : host_tsc_khz());
	tsc_changed(c);
	return 0;
}

/* A new vCPU's TSC starts at 0, or where its elder's is. */
void tsc_create(struct cpu *c)
{
	set_rate(c, READ_ONCE(cpu_arch_vm(c)->default_tsc_khz));
	tsc_write_host(c, 0);
}

/* -- ioctls ------------------------------------------------------------------------------------- */

long vcpu_set_tsc_khz(struct kfile *f, void *arg)
{
	return tsc_set_khz(kfile_cpu(f), (u32)(uintptr_t)arg);
}

long vcpu_get_tsc_khz(struct kfile *f, void *arg)
{
	return kfile_cpu(f)->tsc_khz;
}

long vm_set_tsc_khz(struct kfile *f, void *arg)
{
	u32 khz = (u32)(uintptr_t)arg;

	if (khz >= max_khz())
		return -EINVAL;
	WRITE_ONCE(f->vm->arch->default_tsc_khz, khz ? khz : host_tsc_khz());
	return 0;
}

long vm_get_tsc_khz(struct kfile *f, void *arg)
{
	return READ_ONCE(f->vm->arch->default_tsc_khz);
}
