/* SPDX-License-Identifier: MIT */
/* KVM_GET_REGS (api.rst 4.11). */
#include "vcpu_test.h"

static void values_after_creation(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	/* RDX names the processor: family 6 as long as there is no CPUID. */
	struct kvm_regs want = { .rip = 0xfff0, .rflags = 2, .rdx = 0x600 };
	struct kvm_regs r;

	memset(&r, 0xa5, sizeof(r));
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_memory_equal(&r, &want, sizeof(r));
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_REGS, sizeof(struct kvm_regs));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_REGS);
}

IOCTL_TESTS(get_regs,
	    cmocka_unit_test(values_after_creation),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
