/* SPDX-License-Identifier: MIT */
/* KVM_KVMCLOCK_CTRL (api.rst 4.70). */
#include "run/guest.h"
#include "vcpu_test.h"

enum { SYSTEM_TIME = 0x12, SYSTEM_TIME_NEW = 0x4b564d01, PAGE = 0x3000 };

#define GUEST_STOPPED	2	/* pvclock flag, at offset 29 of the page */
#define FLAGS_OFFSET	29

static int ctrl(int vcpu)
{
	return kvm_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NO_POINTER);	/* not looked at */
}

static void a_guest_without_kvmclock_is_einval(void **state)
{
	static const uint32_t msrs[] = { SYSTEM_TIME, SYSTEM_TIME_NEW };
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, 1 << 20);

	assert_errno(EINVAL, ctrl(m.vcpu));
	for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
		assert_int_equal(msr_set(m.vcpu, msrs[i], PAGE), 1);	/* not enabled */
		assert_errno(EINVAL, ctrl(m.vcpu));
		assert_int_equal(msr_set(m.vcpu, msrs[i], PAGE | 1), 1);
		assert_ok(ctrl(m.vcpu));
		assert_ok(ctrl(m.vcpu));
		assert_int_equal(msr_set(m.vcpu, msrs[i], 0), 1);
		assert_errno(EINVAL, ctrl(m.vcpu));
	}
	machine_free(m);
	munmap(ram, 1 << 20);
}

/* The next update of the page tells the guest, which takes the flag away. */
static void the_guest_learns_that_it_was_stopped(void **state)
{
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0xf4;	/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	assert_int_equal(msr_set(g.vcpu[0], SYSTEM_TIME_NEW, GUEST_DATA | 1), 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(g.mem[GUEST_DATA + FLAGS_OFFSET] & GUEST_STOPPED, 0);
	assert_ok(ctrl(g.vcpu[0]));
	guest_long(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(g.mem[GUEST_DATA + FLAGS_OFFSET] & GUEST_STOPPED, GUEST_STOPPED);
	guest_destroy(&g);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_KVMCLOCK_CTRL);
}

IOCTL_TESTS(kvmclock_ctrl,
	    cmocka_unit_test(a_guest_without_kvmclock_is_einval),
	    cmocka_unit_test(the_guest_learns_that_it_was_stopped),
	    cmocka_unit_test(scope))
