/* SPDX-License-Identifier: MIT */
/* KVM_SET_IDENTITY_MAP_ADDR (api.rst 4.40): a page for Intel hosts. */
#include "vm_test.h"

static int set(int vm, uint64_t addr)
{
	return kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr);
}

static void any_address(void **state)
{
	int vm = new_vm();

	assert_int_equal(set(vm, 0xfeffc000), 0);
	assert_ok(set(vm, 0));		/* the default again */
	assert_ok(set(vm, ~0ull));
	close(vm);
}

static void before_the_first_vcpu(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 0));
	assert_errno(EINVAL, set(vm, 0xfeffc000));
	/* The address is not even read. */
	assert_errno(EINVAL, kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, NO_POINTER));
	close(vm);
}

static void bad_pointers(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, at_page_end(7)));
	assert_ok(kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, at_page_end(8)));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_IDENTITY_MAP_ADDR);
}

IOCTL_TESTS(set_identity_map_addr,
	    cmocka_unit_test(any_address),
	    cmocka_unit_test(before_the_first_vcpu),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
