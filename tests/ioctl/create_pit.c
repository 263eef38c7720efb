/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_PIT: what KVM_CREATE_PIT2 (api.rst 4.71) took the place of. */
#include "vm_test.h"

/* No argument; the speaker's port is the timer's, too. */
static void once(void **state)
{
	struct kvm_pit_config c = { 0 };
	struct kvm_pit_state2 s;
	int vm = new_vm_irqchip();

	assert_int_equal(kvm_ioctl(vm, KVM_CREATE_PIT, NO_POINTER), 0);
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, &s));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_PIT, 0));
	assert_errno(EEXIST, kvm_ioctl(vm, KVM_CREATE_PIT2, &c));
	close(vm);
}

/* See create_pit2.c. */
static void needs_a_pic(void **state)
{
	int vm = new_vm();

	if (on_kernel() && !kvm_ioctl_val(vm, KVM_CREATE_PIT, 0)) {
		close(vm);
		skip();
	}
	assert_errno(ENOENT, kvm_ioctl_val(vm, KVM_CREATE_PIT, 0));
	close(vm);
	vm = new_vm_split();
	assert_errno(ENOENT, kvm_ioctl_val(vm, KVM_CREATE_PIT, 0));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_PIT);
}

IOCTL_TESTS(create_pit,
	    cmocka_unit_test(once),
	    cmocka_unit_test(needs_a_pic),
	    cmocka_unit_test(wrong_scope))
