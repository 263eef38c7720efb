/* SPDX-License-Identifier: MIT */
/* KVM_SET_PIT2 (api.rst 4.73). */
#include "vm_test.h"

#define RATE_GENERATOR	2

static struct kvm_pit_state2 get(int vm)
{
	struct kvm_pit_state2 s;

	assert_ok(kvm_ioctl(vm, KVM_GET_PIT2, &s));
	return s;
}

static void needs_a_pit(void **state)
{
	struct kvm_pit_state2 s = { 0 };
	int vm = new_vm_irqchip();

	assert_errno(ENXIO, kvm_ioctl(vm, KVM_SET_PIT2, &s));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT2, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT2, NO_POINTER));
	close(vm);
}

static void bad_pointers(void **state)
{
	struct kvm_pit_state2 s;
	int vm = new_vm_pit();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT2, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_PIT2, at_page_end(sizeof(s) - 1)));
	s = get(vm);
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT2, read_only(&s, sizeof(s))));
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT2, at_page_end(sizeof(s))));
	close(vm);
}

static void what_was_set_is_got(void **state)
{
	struct kvm_pit_state2 a, b;
	int vm = new_vm_pit();

	a = get(vm);
	for (int i = 0; i < 3; i++) {
		a.channels[i].count = 0x1000 + i;
		a.channels[i].mode = RATE_GENERATOR;
		a.channels[i].rw_mode = a.channels[i].read_state = 3;
		a.channels[i].write_state = 3;
		a.channels[i].latched_count = 0x4321;
		a.channels[i].count_latched = 3;
		a.channels[i].status = 0xb4;
		a.channels[i].status_latched = 1;
	}
	assert_int_equal(kvm_ioctl(vm, KVM_SET_PIT2, &a), 0);
	b = get(vm);
	/* The count begins anew. */
	for (int i = 0; i < 3; i++)
		a.channels[i].count_load_time = b.channels[i].count_load_time;
	assert_memory_equal(&a, &b, sizeof(a));
	close(vm);
}

/* What is reserved, and flags that are not known, do not come back. */
static void reserved_is_ignored(void **state)
{
	struct kvm_pit_state2 a, b;
	int vm = new_vm_pit();

	a = get(vm);
	a.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	memset(a.reserved, 0xff, sizeof(a.reserved));
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT2, &a));
	b = get(vm);
	assert_int_equal(b.flags & KVM_PIT_FLAGS_HPET_LEGACY, KVM_PIT_FLAGS_HPET_LEGACY);
	assert_int_equal(b.reserved[0], 0);
	a.flags = 0;
	assert_ok(kvm_ioctl(vm, KVM_SET_PIT2, &a));
	assert_int_equal(get(vm).flags, 0);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_PIT2);
}

IOCTL_TESTS(set_pit2,
	    cmocka_unit_test(needs_a_pit),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(what_was_set_is_got),
	    cmocka_unit_test(reserved_is_ignored),
	    cmocka_unit_test(wrong_scope))
