/* SPDX-License-Identifier: MIT */
/* KVM_SET_MEMORY_ALIAS (api.rst 4.9): removed, its number is free. */
#include "vm_test.h"

#define KVM_SET_MEMORY_ALIAS_OF_OLD _IOW(KVMIO, 0x43, struct kvm_memory_alias_of_old)

struct kvm_memory_alias_of_old {
	uint32_t slot, flags;
	uint64_t guest_phys_addr, memory_size, target_phys_addr;
};

static void is_gone(void **state)
{
	struct kvm_memory_alias_of_old a = { .memory_size = PG };
	int vm = new_vm();

	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_SET_MEMORY_ALIAS_OF_OLD, &a));
	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_SET_MEMORY_ALIAS_OF_OLD, NO_POINTER));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_MEMORY_ALIAS_OF_OLD);
}

IOCTL_TESTS(set_memory_alias,
	    cmocka_unit_test(is_gone),
	    cmocka_unit_test(wrong_scope))
