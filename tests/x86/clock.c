/* SPDX-License-Identifier: MIT */
/* TSC, kvmclock and steal time. */
#include "harness.h"

#include <linux/kvm_para.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#include "x86/api/clock.h"

#define SECOND	1000000000ll

static struct kfile *vcpu(void **state)
{
	return ((struct machine *)*state)->vcpu_file[0];
}

static s64 difference(u64 a, u64 b)
{
	return llabs((s64)(a - b));
}

/* -- Arithmetic ------------------------------------------------------------------------ */

static void scale_turns_ticks_into_nanoseconds(void **state)
{
	static const u64 rates[] = {
		1000, 999999, 1000000, 32768000, 1000000000, 1000000001, 2596134000, 4294967296,
		10000000000,
	};

	for (u32 i = 0; i < ARRAY_SIZE(rates); i++) {
		u32 mul;
		s8 shift;

		clock_scale(rates[i], &mul, &shift);
		for (u64 s = 1; s < 100000; s *= 10) {
			u64 ns = clock_scale_delta(rates[i] * s, mul, shift);

			/* A part in 2^29 and a tick of rounding. */
			assert_true(difference(ns, s * SECOND) <=
				    (s64)(s * SECOND >> 29) + 2 + SECOND / (s64)rates[i]);
		}
	}
}

static void host_rate_agrees_with_the_clock(void **state)
{
	struct timespec a, b;
	u64 t0, t1, ns;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	t0 = host_tsc();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &b);
		t1 = host_tsc();
		ns = (b.tv_sec - a.tv_sec) * SECOND + b.tv_nsec - a.tv_nsec;
	} while (ns < 20000000);
	assert_true(difference((u128)(t1 - t0) * SECOND / ns, host_tsc_hz()) <
		    (s64)(host_tsc_hz() / 1000));
}

/* -- TSC ---------------------------------------------------------------------------------- */

static void tscs_start_together(void **state)
{
	struct machine *m = *state;
	struct kfile *second = machine_add_vcpu(m);

	assert_true(machine_cpu(m)->tsc_offset == second->vcpu->cpu->tsc_offset);
	assert_true(cpu_read_tsc(machine_cpu(m)) < host_tsc_hz());
}

static bool set_tsc(struct kfile *f, u64 v)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = {
		.head.nmsrs = 1, .e = { .index = 0x10, .data = v } };

	return call(f, KVM_SET_MSRS, &m);
}

static void host_writes_close_together_are_one(void **state)
{
	struct machine *m = *state;
	struct kfile *second = machine_add_vcpu(m);
	struct cpu *a = machine_cpu(m), *b = second->vcpu->cpu;
	u64 base = 1ull << 50;

	set_tsc(vcpu(state), base);
	set_tsc(second, base + host_tsc_hz() / 10);
	assert_true(a->tsc_offset == b->tsc_offset);
	set_tsc(second, base * 2);
	assert_false(a->tsc_offset == b->tsc_offset);
}

/* KVM's tsc_msrs_test in short. */
static void tsc_adjust_follows_guest_writes_only(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u64 before = c->tsc_offset;

	c->features->has[FEATURE_TSC_ADJUST] = true;
	set_tsc(vcpu(state), 1ull << 52);
	assert_true(c->tsc_adjust == 0);
	before = c->tsc_offset;
	assert_int_equal(cpu_wrmsr(c, 0x3b, 1000), STEP_NEXT);
	assert_true(c->tsc_offset == before + 1000);
	assert_int_equal(cpu_wrmsr(c, 0x10, 1ull << 51), STEP_NEXT);
	assert_true(c->tsc_adjust == c->tsc_offset - before);
	assert_true(difference(cpu_read_tsc(c), 1ull << 51) < (s64)host_tsc_hz());
}

static void rate_can_be_scaled(void **state)
{
	struct cpu *c = machine_cpu(*state);
	u32 khz = host_tsc_khz() / 3;
	u64 t0, t1, h0, h1;

	assert_int_equal(call(vcpu(state), KVM_GET_TSC_KHZ, BAD_POINTER), host_tsc_khz());
	assert_int_equal(call(vcpu(state), KVM_SET_TSC_KHZ, (void *)(uintptr_t)0x80000000), -EINVAL);
	assert_int_equal(call(vcpu(state), KVM_SET_TSC_KHZ, (void *)(uintptr_t)khz), 0);
	assert_int_equal(call(vcpu(state), KVM_GET_TSC_KHZ, NULL), khz);
	h0 = host_tsc();
	t0 = cpu_read_tsc(c);
	while (host_tsc() - h0 < 3000000)
		;
	h1 = host_tsc();
	t1 = cpu_read_tsc(c);
	assert_true(difference(t1 - t0, (h1 - h0) / 3) < 100000);
	assert_int_equal(call(vcpu(state), KVM_SET_TSC_KHZ, 0), 0);
	assert_true(c->tsc_ratio == 1ull << 32);
}

static void deadline_in_nanoseconds(void **state)
{
	struct cpu *c = machine_cpu(*state);
	struct timespec now;
	u64 ns = cpu_tsc_to_ns(c, cpu_read_tsc(c) + host_tsc_hz() * 2);

	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(difference(ns, now.tv_sec * SECOND + now.tv_nsec + 2 * SECOND) < SECOND / 100);
	assert_true((s64)cpu_tsc_to_ns(c, ~0ull) > 0);
	assert_true(cpu_tsc_to_ns(c, 0) <= ns);
}

static void offset_attribute(void **state)
{
	u64 v = 12345;
	struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
				     .addr = (uintptr_t)&v };

	assert_int_equal(call(vcpu(state), KVM_HAS_DEVICE_ATTR, &a), 0);
	assert_int_equal(call(vcpu(state), KVM_SET_DEVICE_ATTR, &a), 0);
	v = 0;
	assert_int_equal(call(vcpu(state), KVM_GET_DEVICE_ATTR, &a), 0);
	assert_int_equal(v, 12345);
	a.addr = 8;
	assert_int_equal(call(vcpu(state), KVM_SET_DEVICE_ATTR, &a), -EFAULT);
	a.attr = 1;
	assert_int_equal(call(vcpu(state), KVM_SET_DEVICE_ATTR, &a), -ENXIO);
}

/* -- kvmclock -------------------------------------------------------------------------------- */

static u64 guest_clock(struct machine *m, const struct pvclock_vcpu_time_info *p)
{
	return p->system_time + clock_scale_delta(cpu_read_tsc(machine_cpu(m)) - p->tsc_timestamp,
						  p->tsc_to_system_mul, p->tsc_shift);
}

static void page_agrees_with_get_clock(void **state)
{
	struct machine *m = *state;
	const volatile struct pvclock_vcpu_time_info *p = (void *)(m->ram + 0x1040);
	struct cpu *c = machine_cpu(m);
	struct kvm_clock_data d;

	assert_int_equal(cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME_NEW, 0x1041), STEP_NEXT);
	assert_true(p->version && !(p->version & 1));
	for (int scaled = 0; scaled < 2; scaled++) {
		assert_int_equal(call(m->vm_file, KVM_GET_CLOCK, &d), 0);
		assert_true(difference(guest_clock(m, (void *)p), d.clock) < SECOND / 1000);
		call(vcpu(state), KVM_SET_TSC_KHZ, (void *)(uintptr_t)(host_tsc_khz() / 2));
		clock_update(c);
	}
}

static void set_clock_moves_the_page(void **state)
{
	struct machine *m = *state;
	struct pvclock_vcpu_time_info *p = (void *)(m->ram + 0x1000);
	struct cpu *c = machine_cpu(m);
	struct kvm_clock_data d = { .clock = 1000 * SECOND };
	u32 version;

	cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME, 0x1001);
	version = p->version;
	c->requests = 0;
	assert_int_equal(call(m->vm_file, KVM_SET_CLOCK, &d), 0);
	assert_true(c->requests & REQ_CLOCK);
	clock_update(c);
	assert_int_equal(p->version, version + 2);
	assert_true(difference(guest_clock(m, p), 1000 * SECOND) < SECOND / 10);
	d.flags = 1;
	assert_int_equal(call(m->vm_file, KVM_SET_CLOCK, &d), -EINVAL);
}

static void set_clock_adds_time_passed(void **state)
{
	struct machine *m = *state;
	struct kvm_clock_data d;

	call(m->vm_file, KVM_GET_CLOCK, &d);
	if (!(d.flags & KVM_CLOCK_REALTIME))
		skip();
	d.clock = 500 * SECOND;
	d.realtime -= 7 * SECOND;
	d.flags = KVM_CLOCK_REALTIME;
	assert_int_equal(call(m->vm_file, KVM_SET_CLOCK, &d), 0);
	call(m->vm_file, KVM_GET_CLOCK, &d);
	assert_true(difference(d.clock, 507 * SECOND) < SECOND / 10);
}

static void kvmclock_ctrl_marks_the_next_update(void **state)
{
	struct machine *m = *state;
	struct pvclock_vcpu_time_info *p = (void *)(m->ram + 0x1000);
	struct cpu *c = machine_cpu(m);

	assert_int_equal(call(vcpu(state), KVM_KVMCLOCK_CTRL, NULL), -EINVAL);
	cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME, 0x1001);
	assert_int_equal(call(vcpu(state), KVM_KVMCLOCK_CTRL, NULL), 0);
	clock_update(c);
	assert_true(p->flags & PVCLOCK_GUEST_STOPPED);
	clock_update(c);
	assert_true(p->flags & PVCLOCK_GUEST_STOPPED);	/* until the guest clears it */
	p->flags &= ~PVCLOCK_GUEST_STOPPED;
	clock_update(c);
	assert_false(p->flags & PVCLOCK_GUEST_STOPPED);
}

static void pages_outside_memory_are_harmless(void **state)
{
	struct cpu *c = machine_cpu(*state);

	assert_int_equal(cpu_wrmsr(c, MSR_KVM_SYSTEM_TIME, 0xffffffffff001), STEP_NEXT);
	clock_update(c);
	assert_int_equal(cpu_wrmsr(c, MSR_KVM_WALL_CLOCK, 0xffffffffff000), STEP_NEXT);
	assert_int_equal(cpu_wrmsr(c, MSR_KVM_STEAL_TIME, 0xffffffffff001), STEP_NEXT);
	steal_time_enter(c);
	steal_time_leave(c);
}

static void wall_clock_is_the_boot_time(void **state)
{
	struct machine *m = *state;
	struct pvclock_wall_clock *w = (void *)(m->ram + 0x2000);

	assert_int_equal(cpu_wrmsr(machine_cpu(m), MSR_KVM_WALL_CLOCK_NEW, 0x2000), STEP_NEXT);
	assert_false(w->version & 1);
	assert_true(difference(w->sec, time(NULL)) <= 2);
	assert_true(w->nsec < SECOND);
}

/* -- Steal time --------------------------------------------------------------------------------- */

static void steal_time_marks_preemption(void **state)
{
	struct machine *m = *state;
	struct kvm_steal_time *st = (void *)(m->ram + 0x3000);
	struct cpu *c = machine_cpu(m);

	assert_int_equal(cpu_wrmsr(c, MSR_KVM_STEAL_TIME, 0x3003), STEP_FAULT);
	assert_int_equal(cpu_wrmsr(c, MSR_KVM_STEAL_TIME, 0x3001), STEP_NEXT);
	steal_time_enter(c);
	assert_int_equal(st->preempted, 0);
	steal_time_leave(c);
	assert_int_equal(st->preempted, KVM_VCPU_PREEMPTED);
	assert_false(st->version & 1);
}

static u64 run_delay(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "re");
	unsigned long long delay = 0;

	if (!f)
		skip();
	assert_int_equal(fscanf(f, "%*u %llu", &delay), 1);
	fclose(f);
	return delay;
}

static void *use_cpu(void *stop)
{
	while (!READ_ONCE(*(bool *)stop))
		_mm_pause();
	return NULL;
}

/* Waits until another thread on this CPU has kept it from us for 20 ms. */
static void be_robbed(void)
{
	cpu_set_t old, one;
	pthread_t thief;
	bool stop = false;
	u64 start = run_delay();

	assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(pthread_create(&thief, NULL, use_cpu, &stop), 0);
	while (run_delay() - start < 20000000)
		sched_yield();
	WRITE_ONCE(stop, true);
	pthread_join(thief, NULL);
	sched_setaffinity(0, sizeof(old), &old);
}

/* KVM: stolen is what the scheduler made the thread wait, wherever it was. */
static void waiting_for_a_cpu_counts_as_stolen(void **state)
{
	struct machine *m = *state;
	struct kvm_steal_time *st = (void *)(m->ram + 0x3000);
	struct cpu *c = machine_cpu(m);
	u64 before = run_delay();

	cpu_wrmsr(c, MSR_KVM_STEAL_TIME, 0x3001);
	steal_time_enter(c);
	assert_int_equal(st->steal, 0);
	steal_time_leave(c);
	be_robbed();
	steal_time_enter(c);
	assert_true(st->steal >= 20000000 && st->steal <= run_delay() - before);
	assert_false(st->version & 1);
}

static void sleeping_does_not_count_as_stolen(void **state)
{
	struct machine *m = *state;
	struct kvm_steal_time *st = (void *)(m->ram + 0x3000);
	struct cpu *c = machine_cpu(m);
	u64 before = run_delay();

	cpu_wrmsr(c, MSR_KVM_STEAL_TIME, 0x3001);
	steal_time_enter(c);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	steal_time_enter(c);
	assert_true(st->steal <= run_delay() - before);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, machine_up, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scale_turns_ticks_into_nanoseconds),
		TEST(host_rate_agrees_with_the_clock),
		TEST(tscs_start_together),
		TEST(host_writes_close_together_are_one),
		TEST(tsc_adjust_follows_guest_writes_only),
		TEST(rate_can_be_scaled),
		TEST(deadline_in_nanoseconds),
		TEST(offset_attribute),
		TEST(page_agrees_with_get_clock),
		TEST(set_clock_moves_the_page),
		TEST(set_clock_adds_time_passed),
		TEST(kvmclock_ctrl_marks_the_next_update),
		TEST(pages_outside_memory_are_harmless),
		TEST(wall_clock_is_the_boot_time),
		TEST(steal_time_marks_preemption),
		TEST(waiting_for_a_cpu_counts_as_stolen),
		TEST(sleeping_does_not_count_as_stolen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
