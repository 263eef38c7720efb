/* SPDX-License-Identifier: MIT */
/* KVM_SET_PIT: what KVM_SET_PIT2 (api.rst 4.73) took the place of. */
#include "vm_test.h"

static void errors(void **state)
{
	struct kvm_pit_state s = { 0 };
	int without = new_vm_irqchip(), vm = new_vm_pit();

	assert_errno(EFAULT, kvm_ioctl(without, KVM_SET_PIT, NULL));
	assert_errno(ENXIO, kvm_ioctl(without, KVM_SET_PIT, &s));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT, at_page_end(sizeof(s) - 1)));
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT, &s));
	/* By its number it is output, but it is input. */
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT, read_only(&s, sizeof(s))));
	close(without);
	close(vm);
}

static void what_was_set_is_got(void **state)
{
	struct kvm_pit_state a, b;
	int vm = new_vm_pit();

	assert_ok(kvm_ioctl(vm, KVM_GET_PIT, &a));
	a.channels[1].count = 0x1234;
	a.channels[1].mode = 2;
	a.channels[1].rw_mode = a.channels[1].read_state = a.channels[1].write_state = 3;
	assert_int_equal(kvm_ioctl(vm, KVM_SET_PIT, &a), 0);
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT, &b));
	for (int i = 0; i < 3; i++)
		a.channels[i].count_load_time = b.channels[i].count_load_time;
	assert_memory_equal(&a, &b, sizeof(a));
	close(vm);
}

/* It knows no flags. */
static void flags_stay(void **state)
{
	struct kvm_pit_state2 s2;
	struct kvm_pit_state s;
	int vm = new_vm_pit();

	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, &s2));
	s2.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT2, &s2));
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT, &s));
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT, &s));
	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, &s2));
	assert_int_equal(s2.flags, KVM_PIT_FLAGS_HPET_LEGACY);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_PIT);
}

IOCTL_TESTS(set_pit,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(what_was_set_is_got),
	    cmocka_unit_test(flags_stay),
	    cmocka_unit_test(wrong_scope))
