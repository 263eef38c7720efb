/* SPDX-License-Identifier: MIT */
#define SEMANTICS "clocks.def"
#include "semantics.h"

GUEST_BLOB(clock_out);

#define MSR_TSC		0x10
#define MSR_SYSTEM_TIME	0x4b564d01

static void set_msr(int vcpu, u32 index, u64 value)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } m = {
		{ .nmsrs = 1 }, { .index = index, .data = value },
	};

	assert_int_equal(kvm_ioctl(vcpu, KVM_SET_MSRS, &m), 1);
}

/* -- 54, 55 ------------------------------------------------------------------------ */

static u64 tsc_offset(int vcpu)
{
	u64 offset;
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset,
	};

	assert_ok(kvm_ioctl(vcpu, KVM_GET_DEVICE_ATTR, &a));
	return offset;
}

static void offsets_are_shared(void)
{
	int vm = new_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 1);

	assert_true(tsc_offset(a) == tsc_offset(b));
	set_msr(a, MSR_TSC, 1ull << 50);
	set_msr(b, MSR_TSC, (1ull << 50) + 1000);
	assert_true(tsc_offset(a) == tsc_offset(b));
	/* Far from it: of its own.  (kvm_pvm has one offset for all.) */
	set_msr(b, MSR_TSC, 1ull << 40);
	if (runs_guests())
		assert_true(tsc_offset(a) != tsc_offset(b));
	close(a);
	close(b);
	close(vm);
}

static volatile u32 *clock_page(struct guest *g, u32 i)
{
	return (volatile u32 *)(g->mem + 0x50000 + i * PG);
}

static void clocks_on(struct guest *g, u32 nr)
{
	guest_create(g, 0, nr);
	guest_load(g, GUEST_CODE, clock_out);
	for (u32 i = 0; i < nr; i++) {
		guest_long(g, i, GUEST_CODE);
		set_msr(g->vcpu[i], MSR_SYSTEM_TIME, (0x50000 + i * PG) | 1);
		assert_int_equal(guest_run(g, i), KVM_EXIT_IO);
	}
}

static void pages_are_rewritten(void)
{
	struct kvm_clock_data data = { .clock = 1ull << 40 };
	struct guest g;

	clocks_on(&g, 2);
	assert_ok(kvm_ioctl(g.vm, KVM_SET_CLOCK, &data));
	for (u32 i = 0; i < 2; i++) {
		u32 version = *clock_page(&g, i);
		u64 system_time;

		assert_int_equal(version & 1, 0);
		assert_int_equal(guest_run(&g, i), KVM_EXIT_IO);
		assert_true(*clock_page(&g, i) != version);
		assert_int_equal(*clock_page(&g, i) & 1, 0);
		memcpy(&system_time, (u8 *)clock_page(&g, i) + 16, sizeof(system_time));
		assert_true(system_time >= 1ull << 40);
	}
	guest_destroy(&g);
}

static void tscs_begin_in_step_and_stay_there(void **state)
{
	offsets_are_shared();
	if (runs_guests())
		pages_are_rewritten();
}

static void kvmclock_ctrl_tells_of_a_pause(void **state)
{
	enum { FLAGS = 29, GUEST_STOPPED = 2 };
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct guest g;

	assert_errno(EINVAL, kvm_ioctl_val(vcpu, KVM_KVMCLOCK_CTRL, 0));
	close(vcpu);
	close(vm);
	if (!runs_guests())
		return;
	clocks_on(&g, 1);
	assert_int_equal(((u8 *)clock_page(&g, 0))[FLAGS] & GUEST_STOPPED, 0);
	assert_ok(kvm_ioctl_val(g.vcpu[0], KVM_KVMCLOCK_CTRL, 0));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(((u8 *)clock_page(&g, 0))[FLAGS] & GUEST_STOPPED, GUEST_STOPPED);
	guest_destroy(&g);
}
