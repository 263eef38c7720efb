/* SPDX-License-Identifier: MIT */
/* KVM_GET_DEBUGREGS (api.rst 4.33); reset values: SDM vol. 3A table 9-1. */
#include "vcpu_test.h"

static void values_after_creation(void **state)
{
	const struct kvm_debugregs want = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_debugregs d;

	memset(&d, 0xa5, sizeof(d));
	must(m.vcpu, KVM_GET_DEBUGREGS, &d);
	assert_memory_equal(&d, &want, sizeof(d));
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_DEBUGREGS);
}

IOCTL_TESTS(get_debugregs,
	    cmocka_unit_test(values_after_creation),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
