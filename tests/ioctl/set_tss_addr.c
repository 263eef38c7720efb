/* SPDX-License-Identifier: MIT */
/* KVM_SET_TSS_ADDR (api.rst 4.36): three pages below 4 GiB, used on Intel hosts. */
#include "vm_test.h"

static void below_4g(void **state)
{
	int vm = new_vm();

	assert_int_equal(kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0), 0);
	assert_ok(kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	assert_ok(kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0xffffd000));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0xffffd001));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 1ul << 32));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, ~0ul));
	close(vm);
}

/* Any number of times, with vCPUs or without. */
static void any_time(void **state)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	close(new_vcpu(vm, 0));
	assert_ok(kvm_ioctl_val(vm, KVM_SET_TSS_ADDR, 0xfeffd000));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_TSS_ADDR);
}

IOCTL_TESTS(set_tss_addr,
	    cmocka_unit_test(below_4g),
	    cmocka_unit_test(any_time),
	    cmocka_unit_test(wrong_scope))
