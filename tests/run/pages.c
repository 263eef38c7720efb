/* SPDX-License-Identifier: MIT */
/*
 * Pages that engine and guest share (Linux Documentation/virt/kvm/x86/msr.rst).
 * Memory behind the slot that has gone is no error of KVM_RUN's: the page is
 * passed over until it is there again.
 */
#include <sys/mman.h>

#include "guest.h"
#include "lib/signals.h"

#define MSR_SYSTEM_TIME	0x4b564d01
#define MSR_STEAL_TIME	0x4b564d03
#define PAGE		GUEST_DATA
#define VERSION(g)	(*(volatile u32 *)((g)->mem + PAGE))

static void set_msr(struct guest *g, u32 index, u64 value)
{
	union {
		struct kvm_msrs m;
		u8 space[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} x = { .m.nmsrs = 1 };

	x.m.entries[0].index = index;
	x.m.entries[0].data = value;
	assert_int_equal(kvm_ioctl(g->vcpu[0], KVM_SET_MSRS, &x), 1);
}

/* One OUT after the other. */
static void prepare(struct guest *g)
{
	static const u8 code[] = { 0xe6, 0x80, 0xeb, 0xfc };

	guest_create(g, GUEST_IRQCHIP, 1);
	memcpy(g->mem + GUEST_CODE, code, sizeof(code));
	guest_long(g, 0, GUEST_CODE);
	own_faults();
}

static void page_is(struct guest *g, int protection)
{
	assert_ok(mprotect(g->mem + PAGE, PG, protection));
}

static void rewrite_clock(struct guest *g)
{
	struct kvm_clock_data d = { .clock = 1ull << 40 };

	assert_ok(kvm_ioctl(g->vm, KVM_SET_CLOCK, &d));
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
}

static void kvmclock_goes_and_comes(void **state)
{
	struct guest g;
	u32 version;

	prepare(&g);
	set_msr(&g, MSR_SYSTEM_TIME, PAGE | 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	version = VERSION(&g);
	assert_int_not_equal(version, 0);
	page_is(&g, PROT_NONE);
	rewrite_clock(&g);
	page_is(&g, PROT_READ);
	rewrite_clock(&g);
	assert_int_equal(VERSION(&g), version);
	page_is(&g, PROT_READ | PROT_WRITE);
	rewrite_clock(&g);
	assert_int_not_equal(VERSION(&g), version);
	assert_int_equal(VERSION(&g) % 2, 0);
	guest_destroy(&g);
}

/* Its time is added now and then, in guest. */
static void steal_time_goes(void **state)
{
	struct guest g;

	prepare(&g);
	set_msr(&g, MSR_STEAL_TIME, PAGE | 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	page_is(&g, PROT_NONE);
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	}
	page_is(&g, PROT_READ | PROT_WRITE);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvmclock_goes_and_comes),
		cmocka_unit_test(steal_time_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
