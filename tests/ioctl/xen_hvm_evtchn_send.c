/* SPDX-License-Identifier: MIT */
/* KVM_XEN_HVM_EVTCHN_SEND (api.rst 4.135); the guest's side: tests/run/xen_events.c. */
#include "xen_test.h"

enum { SHARED = 2, INFO = 0x1000, PENDING = SHARED * PG + 2048 };

static void prepare(void)
{
	needs();
	assert_ok(xen_set_long_mode(vm, true));
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_ok(xen_set_address(vcpu, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, INFO));
}

static void bad_arguments(void **state)
{
	prepare();
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_XEN_HVM_EVTCHN_SEND, NO_POINTER));
	assert_errno(EINVAL, xen_send(vm, 0, 3, XEN_2LEVEL));
	assert_errno(EINVAL, xen_send(vm, 4096, 3, XEN_2LEVEL));
	assert_errno(EINVAL, xen_send(vm, 1, 3, 0));
	assert_errno(EINVAL, xen_send(vm, 1, 0, XEN_2LEVEL));	/* no such vCPU */
	assert_ok(xen_set_long_mode(vm, false));
	assert_errno(EINVAL, xen_send(vm, 1024, 3, XEN_2LEVEL));
	assert_ok(xen_send(vm, 1023, 3, XEN_2LEVEL));
	assert_errno(EINVAL, xen_send(vcpu, 1, 3, XEN_2LEVEL));
}

static void both_structures_are_needed(void **state)
{
	needs();
	assert_ok(xen_set_shared_info(vm, SHARED));
	assert_errno(EINVAL, xen_send(vm, 1, 3, XEN_2LEVEL));
	assert_ok(xen_set_address(vcpu, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, INFO));
	assert_ok(xen_send(vm, 1, 3, XEN_2LEVEL));
	assert_ok(xen_set_shared_info(vm, XEN_NONE));
	assert_errno(EINVAL, xen_send(vm, 1, 3, XEN_2LEVEL));
}

/* The address is still known, but nothing is there. */
static void shared_info_without_memory(void **state)
{
	void *page = guest_ram(PG);

	prepare();
	assert_ok(set_region(vm, 1, 0, 0x100000, PG, page));
	assert_ok(xen_set_shared_info(vm, 0x100));
	assert_ok(xen_send(vm, 1, 3, XEN_2LEVEL));
	assert_ok(set_region(vm, 1, 0, 0x100000, 0, page));
	assert_errno(EFAULT, xen_send(vm, 2, 3, XEN_2LEVEL));
	assert_ok(set_region(vm, 1, 0, 0x100000, PG, page));
	assert_ok(xen_send(vm, 2, 3, XEN_2LEVEL));
	munmap(page, PG);
	assert_errno(EFAULT, xen_send(vm, 3, 3, XEN_2LEVEL));
}

static void sent_masked_or_pending_it_is_a_success(void **state)
{
	prepare();
	ram[SHARED * PG + 2560] = 1 << 2;
	assert_ok(xen_send(vm, 2, 3, XEN_2LEVEL));
	assert_int_equal(ram[PENDING], 1 << 2);
	assert_int_equal(ram[INFO], 0);
	assert_ok(xen_send(vm, 4, 3, XEN_2LEVEL));
	assert_int_equal(ram[PENDING], 1 << 4 | 1 << 2);
	assert_int_equal(ram[INFO], 1);
	assert_int_equal(ram[INFO + 8], 1);
	ram[INFO] = 0;
	assert_ok(xen_send(vm, 4, 3, XEN_2LEVEL));
	assert_int_equal(ram[INFO], 0);
}

/* Only the first bit of a selector raises the flag again. */
static void the_selector_is_that_of_the_word(void **state)
{
	prepare();
	assert_ok(xen_send(vm, 64 * 9 + 1, 3, XEN_2LEVEL));
	assert_int_equal(ram[INFO + 9], 1 << 1);
	ram[INFO] = 0;
	assert_ok(xen_send(vm, 64 * 9 + 2, 3, XEN_2LEVEL));
	assert_int_equal(ram[INFO], 0);
	assert_ok(xen_send(vm, 64 * 10, 3, XEN_2LEVEL));
	assert_int_equal(ram[INFO], 1);
	assert_int_equal(ram[INFO + 9], 3 << 1);
}

IOCTL_TESTS(xen_hvm_evtchn_send,
	    with_vcpu(bad_arguments),
	    with_vcpu(both_structures_are_needed),
	    with_vcpu(shared_info_without_memory),
	    with_vcpu(sent_masked_or_pending_it_is_a_success),
	    with_vcpu(the_selector_is_that_of_the_word))
