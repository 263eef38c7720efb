/* SPDX-License-Identifier: MIT */
/* KVM_GET_FPU (api.rst 4.22); initial state: SDM vol. 3A table 9-1. */
#include "vcpu_test.h"

static void state_after_creation(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_fpu want = { .fcw = 0x37f }, fpu;

	memset(&fpu, 0xa5, sizeof(fpu));
	must(m.vcpu, KVM_GET_FPU, &fpu);
	/* MXCSR is 1F80H, but this request does not tell. */
	assert_memory_equal(&fpu, &want, sizeof(fpu));
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_FPU, sizeof(struct kvm_fpu));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_FPU);
}

IOCTL_TESTS(get_fpu,
	    cmocka_unit_test(state_after_creation),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
