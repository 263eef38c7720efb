/* SPDX-License-Identifier: MIT */
/* KVM_GET_PIT: what KVM_GET_PIT2 (api.rst 4.72) took the place of. */
#include "vm_test.h"

/* Unlike its successor it reads the structure first. */
static void errors(void **state)
{
	struct kvm_pit_state s = { 0 };
	int without = new_vm_irqchip(), vm = new_vm_pit();

	assert_int_equal(sizeof(s), 72);
	assert_errno(EFAULT, kvm_ioctl(without, KVM_GET_PIT, NULL));
	assert_errno(EFAULT, kvm_ioctl(without, KVM_GET_PIT, at_page_end(sizeof(s) - 1)));
	assert_errno(ENXIO, kvm_ioctl(without, KVM_GET_PIT, &s));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT, at_page_end(sizeof(s) - 1)));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_PIT, read_only(&s, sizeof(s))));
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT, at_page_end(sizeof(s))));
	close(without);
	close(vm);
}

static void same_channels(void **state)
{
	struct kvm_pit_state s;
	struct kvm_pit_state2 s2;
	int vm = new_vm_pit();

	memset(&s, 0xff, sizeof(s));
	assert_int_equal(kvm_ioctl(vm, KVM_GET_PIT, &s), 0);
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, &s2));
	assert_memory_equal(s.channels, s2.channels, sizeof(s.channels));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_GET_PIT);
}

IOCTL_TESTS(get_pit,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(same_channels),
	    cmocka_unit_test(wrong_scope))
