/* SPDX-License-Identifier: MIT */
/* KVM_X86_GET_MCE_CAP_SUPPORTED (api.rst 4.104). */
#include "vm_test.h"

#define MCG_CTL_P	(1u << 8)
#define MCG_SER_P	(1u << 24)

/* What of MCG_CAP (SDM vol. 3B 15.3.1.1) KVM_X86_SETUP_MCE takes. */
static void control_and_recovery(void **state)
{
	int sys = kvm_open(O_RDONLY), vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t cap = 0, setup;

	assert_int_equal(kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap), 0);
	assert_int_equal(cap & (MCG_CTL_P | MCG_SER_P), MCG_CTL_P | MCG_SER_P);
	assert_int_equal(cap & 0xff, 0);	/* the count is KVM_CAP_MCE */
	setup = cap | 1;
	assert_ok(kvm_ioctl(vcpu, KVM_X86_SETUP_MCE, &setup));
	close(vcpu);
	close(vm);
	close(sys);
}

static void bad_pointers(void **state)
{
	uint64_t cap = 0;
	int sys = kvm_open(O_RDWR);

	assert_errno(EFAULT, kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, NULL));
	assert_errno(EFAULT, kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, at_page_end(7)));
	assert_errno(EFAULT, kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED,
				       read_only(&cap, sizeof(cap))));
	assert_ok(kvm_ioctl(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, at_page_end(8)));
	close(sys);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(KVM_X86_GET_MCE_CAP_SUPPORTED);
}

IOCTL_TESTS(x86_get_mce_cap_supported,
	    cmocka_unit_test(control_and_recovery),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
