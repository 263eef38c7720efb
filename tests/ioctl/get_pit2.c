/* SPDX-License-Identifier: MIT */
/* KVM_GET_PIT2 (api.rst 4.72). */
#include "vm_test.h"

/* Whether there is one, before the pointer. */
static void needs_a_pit(void **state)
{
	struct kvm_pit_state2 s;
	int vm = new_vm_irqchip();

	assert_errno(ENXIO, kvm_ioctl(vm, KVM_GET_PIT2, &s));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_GET_PIT2, NULL));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_GET_PIT2, NO_POINTER));
	close(vm);
}

static void bad_pointers(void **state)
{
	struct kvm_pit_state2 s = { 0 };
	int vm = new_vm_pit();

	assert_int_equal(sizeof(s), 112);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT2, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT2, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT2, at_page_end(sizeof(s) - 1)));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT2, read_only(&s, sizeof(s))));
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, at_page_end(sizeof(s))));
	close(vm);
}

/* Counters that nobody has programmed; the gate of the speaker's is low. */
static void reset_state(void **state)
{
	struct kvm_pit_state2 s;
	int vm = new_vm_pit();

	memset(&s, 0xff, sizeof(s));
	assert_int_equal(kvm_ioctl(vm, KVM_GET_PIT2, &s), 0);
	assert_int_equal(s.flags, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(s.channels[i].count, 0x10000);
		assert_int_equal(s.channels[i].mode, 0xff);
		assert_int_equal(s.channels[i].gate, i != 2);
	}
	for (size_t i = 0; i < ARRAY_LEN(s.reserved); i++)
		assert_int_equal(s.reserved[i], 0);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_GET_PIT2);
}

IOCTL_TESTS(get_pit2,
	    cmocka_unit_test(needs_a_pit),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(reset_state),
	    cmocka_unit_test(wrong_scope))
