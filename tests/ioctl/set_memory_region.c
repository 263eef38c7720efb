/* SPDX-License-Identifier: MIT */
/* KVM_SET_MEMORY_REGION (api.rst 4.6): removed, its number is free. */
#include "vm_test.h"

#define KVM_SET_MEMORY_REGION_OF_OLD _IOW(KVMIO, 0x40, struct kvm_memory_region_of_old)

struct kvm_memory_region_of_old {
	uint32_t slot, flags;
	uint64_t guest_phys_addr, memory_size;
};

static void is_gone(void **state)
{
	struct kvm_memory_region_of_old r = { .memory_size = PG };
	int vm = new_vm();

	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_SET_MEMORY_REGION_OF_OLD, &r));
	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_SET_MEMORY_REGION_OF_OLD, NO_POINTER));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_MEMORY_REGION_OF_OLD);
}

IOCTL_TESTS(set_memory_region,
	    cmocka_unit_test(is_gone),
	    cmocka_unit_test(wrong_scope))
