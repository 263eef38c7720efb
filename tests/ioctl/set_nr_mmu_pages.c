/* SPDX-License-Identifier: MIT */
/* KVM_SET_NR_MMU_PAGES: a limit of shadow pages, in no section of api.rst. */
#include "vm_test.h"

#define MIN_PAGES	64

static void at_least_64(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, MIN_PAGES - 1));
	assert_int_equal(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, MIN_PAGES), 0);
	assert_ok(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 1 << 20));
	close(vm);
}

static void any_time(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_ok(set_region(vm, 0, 0, 0, 16 * PG, guest_ram(16 * PG)));
	assert_ok(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 1000));
	assert_ok(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 100));
	close(vcpu);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_NR_MMU_PAGES);
}

IOCTL_TESTS(set_nr_mmu_pages,
	    cmocka_unit_test(at_least_64),
	    cmocka_unit_test(any_time),
	    cmocka_unit_test(wrong_scope))
