/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_OP (api.rst 4.110): for guests in encrypted memory only. */
#include "vm_test.h"

/* Without SEV the command is not read. */
static void is_not_there(void **state)
{
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_INIT };
	int vm = new_vm();

	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd));
	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, NULL));
	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, NO_POINTER));
	close(vm);
}

/* Since TDX came (6.16) it exists on vCPUs, and is refused there as on VMs. */
static void wrong_scope(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_not_on_system(KVM_MEMORY_ENCRYPT_OP);
	errno = 0;
	assert_int_equal(kvm_ioctl(vcpu, KVM_MEMORY_ENCRYPT_OP, NO_POINTER), -1);
	assert_true(errno == EINVAL || (on_kernel() && errno == ENOTTY));
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(memory_encrypt_op,
	    cmocka_unit_test(is_not_there),
	    cmocka_unit_test(wrong_scope))
