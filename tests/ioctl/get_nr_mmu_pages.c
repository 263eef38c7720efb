/* SPDX-License-Identifier: MIT */
/* KVM_GET_NR_MMU_PAGES: in no section of api.rst, and gone from newer kernels. */
#include "vm_test.h"

/* ENOTTY in 6.18; 6.1 has it. */
static void needs_an_old_kernel(int vm)
{
	errno = 0;
	if (on_kernel() && kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0) < 0) {
		assert_int_equal(errno, ENOTTY);
		close(vm);
		skip();
	}
}

static void what_was_set(void **state)
{
	int vm = new_vm();

	needs_an_old_kernel(vm);
	assert_ok(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 64));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 64);
	assert_ok(kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 12345));
	/* A failure changes nothing. */
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_NR_MMU_PAGES, 63));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 12345);
	/* Callers may leave the argument out. */
	assert_int_equal(kvm_ioctl(vm, KVM_GET_NR_MMU_PAGES, NO_POINTER), 12345);
	close(vm);
}

/* Until it is set, a fiftieth of the memory in slots, but 64 at least. */
static void follows_memory(void **state)
{
	int vm = new_vm();

	needs_an_old_kernel(vm);
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 0);
	assert_ok(set_region(vm, 0, 0, 0, 16 * PG, NULL));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 64);
	assert_ok(set_region(vm, 1, 0, 1 << 30, 9984 * PG, NULL));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 200);
	assert_ok(set_region(vm, 1, 0, 0, 0, NULL));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_NR_MMU_PAGES, 0), 64);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_GET_NR_MMU_PAGES);
}

IOCTL_TESTS(get_nr_mmu_pages,
	    cmocka_unit_test(what_was_set),
	    cmocka_unit_test(follows_memory),
	    cmocka_unit_test(wrong_scope))
