/* SPDX-License-Identifier: MIT */
/* KVM_REINJECT_CONTROL (api.rst 4.99): _IO by number, but it reads a structure. */
#include "vm_test.h"

static int set(int vm, uint8_t on)
{
	struct kvm_reinject_control c = { .pit_reinject = on };

	return kvm_ioctl(vm, KVM_REINJECT_CONTROL, &c);
}

static void needs_a_pit(void **state)
{
	int vm = new_vm(), chip = new_vm_irqchip(), split = new_vm_split();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_REINJECT_CONTROL, NULL));
	assert_errno(ENXIO, set(vm, 0));
	assert_errno(ENXIO, set(chip, 1));
	assert_errno(ENXIO, set(split, 1));
	close(vm);
	close(chip);
	close(split);
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_reinject_control);
	int vm = new_vm_pit();

	assert_int_equal(size, 32);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_REINJECT_CONTROL, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_REINJECT_CONTROL, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_REINJECT_CONTROL, at_page_end(size - 1)));
	assert_ok(kvm_ioctl(vm, KVM_REINJECT_CONTROL, at_page_end(size)));
	close(vm);
}

static void on_and_off(void **state)
{
	struct kvm_reinject_control c = { .pit_reinject = 1 };
	int vm = new_vm_pit();

	assert_int_equal(set(vm, 0), 0);
	assert_ok(set(vm, 0));
	assert_ok(set(vm, 1));
	assert_ok(set(vm, 255));
	memset(c.reserved, 0xff, sizeof(c.reserved));
	assert_ok(kvm_ioctl(vm, KVM_REINJECT_CONTROL, read_only(&c, sizeof(c))));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_REINJECT_CONTROL);
}

IOCTL_TESTS(reinject_control,
	    cmocka_unit_test(needs_a_pit),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(on_and_off),
	    cmocka_unit_test(wrong_scope))
