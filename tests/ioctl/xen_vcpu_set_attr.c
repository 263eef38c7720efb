/* SPDX-License-Identifier: MIT */
/* KVM_XEN_VCPU_SET_ATTR (api.rst 4.128). */
#include "xen_test.h"

enum {
	INFO	= KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
	TIME	= KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO,
	RUNSTATE = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR,
	CURRENT	= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT,
	DATA	= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA,
	ADJUST	= KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST,
};

static int set(struct kvm_xen_vcpu_attr a)
{
	return kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, &a);
}

static void errors_of_the_call(void **state)
{
	needs();
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_XEN_VCPU_SET_ATTR, NO_POINTER));
	assert_errno(ENOENT, set((struct kvm_xen_vcpu_attr){ .type = 0xffff }));
	assert_errno(ENOTTY, xen_set_address(vm, INFO, 0));
}

/* A structure in one page, then memory under it. */
static void addresses_must_be_in_writable_memory(void **state)
{
	void *gone = guest_ram(PG);

	needs();
	assert_ok(set_region(vm, 1, KVM_MEM_READONLY, 0x100000, PG, gone));
	assert_ok(set_region(vm, 2, 0, 0x200000, PG, gone));
	munmap(gone, PG);
	for (uint16_t type = INFO; type <= RUNSTATE; type++) {
		assert_errno(EFAULT, xen_set_address(vcpu, type, 16 * PG));
		assert_errno(EFAULT, xen_set_address(vcpu, type, 0x100000));
		assert_errno(EFAULT, xen_set_address(vcpu, type, 0x200000));
		assert_ok(xen_set_address(vcpu, type, 0));
		assert_ok(xen_set_address(vcpu, type, 0x1003));	/* at any address */
		assert_ok(xen_set_address(vcpu, type, XEN_NONE));
		assert_ok(xen_set_address(vcpu, type, XEN_NONE));
	}
}

static void vcpu_info_and_time_do_not_cross_pages(void **state)
{
	needs();
	if (on_kernel())
		skip();		/* Linux 6.9 wants alignment, and looks no further */
	assert_ok(xen_set_address(vcpu, INFO, PG - 64));
	assert_errno(EINVAL, xen_set_address(vcpu, INFO, PG - 63));
	assert_errno(EINVAL, xen_set_address(vcpu, INFO, 100 * PG - 1));
	assert_ok(xen_set_address(vcpu, TIME, PG - 32));
	assert_errno(EINVAL, xen_set_address(vcpu, TIME, PG - 31));
}

static void runstate_may_cross_a_page(void **state)
{
	needs();
	assert_ok(xen_set_address(vcpu, RUNSTATE, PG - 1));
	/* 44 bytes in 32-bit guests, 48 in others: the second page is not there. */
	assert_ok(xen_set_address(vcpu, RUNSTATE, 16 * PG - 44));
	assert_errno(EFAULT, xen_set_address(vcpu, RUNSTATE, 16 * PG - 43));
	assert_ok(xen_set_long_mode(vm, true));
	assert_ok(xen_set_address(vcpu, RUNSTATE, 16 * PG - 48));
	assert_errno(EFAULT, xen_set_address(vcpu, RUNSTATE, 16 * PG - 44));
}

static void states_are_running_to_offline(void **state)
{
	const uint64_t bad[] = { 4, 5, 1ull << 32, ~0ull };

	needs();
	for (uint64_t s = XEN_RUNNING; s <= XEN_OFFLINE; s++)
		assert_ok(set((struct kvm_xen_vcpu_attr){ .type = CURRENT,
							  .u.runstate.state = s }));
	for (int i = 0; i < 4; i++) {
		assert_errno(EINVAL, set((struct kvm_xen_vcpu_attr){
			.type = CURRENT, .u.runstate.state = bad[i] }));
		assert_errno(EINVAL, set((struct kvm_xen_vcpu_attr){
			.type = DATA, .u.runstate.state = bad[i] }));
	}
}

static void times_add_up_and_are_not_in_the_future(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = DATA, .u.runstate = { .state = XEN_BLOCKED, .state_entry_time = 100,
			.time_running = 10, .time_runnable = 20, .time_blocked = 30,
			.time_offline = 40 },
	};

	needs();
	assert_ok(set(a));
	a.u.runstate.time_offline++;
	assert_errno(EINVAL, set(a));
	a.u.runstate.time_offline = 3600000000000;
	a.u.runstate.state_entry_time = 3600000000060;
	assert_errno(EINVAL, set(a));
}

static void adjustments_are_added(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = DATA, .u.runstate = { .state = XEN_BLOCKED, .state_entry_time = 100,
			.time_blocked = 100 },
	};

	needs();
	assert_ok(set(a));
	a.type = ADJUST;
	a.u.runstate.state = ~0ull;
	a.u.runstate.state_entry_time = 5;
	a.u.runstate.time_running = 15;
	a.u.runstate.time_blocked = -10;
	assert_ok(set(a));
	a.type = DATA;
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	assert_int_equal(a.u.runstate.state, XEN_BLOCKED);
	assert_int_equal(a.u.runstate.state_entry_time, 105);
	assert_int_equal(a.u.runstate.time_running, 15);
	assert_int_equal(a.u.runstate.time_blocked, 90);
}

static void bad_adjustments(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = ADJUST, .u.runstate.state = 4 };

	needs();
	assert_errno(EINVAL, set(a));
	a.u.runstate.state = 0xffffffff;
	assert_errno(EINVAL, set(a));
	a.u.runstate.state = ~0ull;
	assert_ok(set(a));
	a.u.runstate.time_running = 1;
	assert_errno(EINVAL, set(a));
	a.u.runstate.time_running = a.u.runstate.state_entry_time = 3600000000000;
	assert_errno(EINVAL, set(a));
}

/* The state is entered now, and the time before belongs to the old one. */
static void an_adjustment_may_set_the_state(void **state)
{
	struct kvm_xen_vcpu_attr a = {
		.type = DATA, .u.runstate = { .state = XEN_BLOCKED, .state_entry_time = 1,
			.time_blocked = 1 },
	};

	needs();
	assert_ok(set(a));
	memset(&a.u, 0, sizeof(a.u));
	a.type = ADJUST;
	a.u.runstate.state = XEN_OFFLINE;
	assert_ok(set(a));
	a.type = DATA;
	assert_ok(kvm_ioctl(vcpu, KVM_XEN_VCPU_GET_ATTR, &a));
	assert_int_equal(a.u.runstate.state, XEN_OFFLINE);
	assert_true(a.u.runstate.state_entry_time > 1);
	assert_int_equal(a.u.runstate.time_blocked, a.u.runstate.state_entry_time);
}

static void ids_are_below_1024(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID };

	needs();
	a.u.vcpu_id = 1023;
	assert_ok(set(a));
	a.u.vcpu_id = 1024;
	if (on_kernel())	/* the kernel's own limit may be another */
		a.u.vcpu_id = 1 << 20;
	assert_errno(EINVAL, set(a));
}

static void timers_have_two_level_ports(void **state)
{
	uint64_t soon = kvmclock_ns(vm) + 100000000000;

	needs();
	assert_errno(EINVAL, xen_set_timer(vcpu, 13, 0, 0));
	assert_ok(xen_set_timer(vcpu, 13, XEN_2LEVEL, soon));
	assert_int_equal(xen_timer_expires(vcpu), soon);
	/* A refused one changes nothing. */
	assert_errno(EINVAL, xen_set_timer(vcpu, 13, 1, 0));
	assert_int_equal(xen_timer_expires(vcpu), soon);
	/* Without a port there is no timer, and the priority does not matter. */
	assert_ok(xen_set_timer(vcpu, 0, 7, soon));
	assert_int_equal(xen_timer_expires(vcpu), 0);
}

static void vectors_below_16_are_not_interrupts(void **state)
{
	struct kvm_xen_vcpu_attr a = { .type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR };

	needs();
	assert_ok(set(a));
	for (a.u.vector = 1; a.u.vector < 16; a.u.vector++)
		assert_errno(EINVAL, set(a));
	assert_ok(set(a));
	a.u.vector = 255;
	assert_ok(set(a));
}

IOCTL_TESTS(xen_vcpu_set_attr,
	    with_vcpu(errors_of_the_call),
	    with_vcpu(addresses_must_be_in_writable_memory),
	    with_vcpu(vcpu_info_and_time_do_not_cross_pages),
	    with_vcpu(runstate_may_cross_a_page),
	    with_vcpu(states_are_running_to_offline),
	    with_vcpu(times_add_up_and_are_not_in_the_future),
	    with_vcpu(adjustments_are_added),
	    with_vcpu(bad_adjustments),
	    with_vcpu(an_adjustment_may_set_the_state),
	    with_vcpu(ids_are_below_1024),
	    with_vcpu(timers_have_two_level_ports),
	    with_vcpu(vectors_below_16_are_not_interrupts))
