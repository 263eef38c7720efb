/* SPDX-License-Identifier: MIT */
/* KVM_GET_XCRS (api.rst 4.44). */
#include "vcpu_test.h"

static void xcr0_alone(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	const struct kvm_xcrs want = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct kvm_xcrs x;

	memset(&x, 0xa5, sizeof(x));
	must(m.vcpu, KVM_GET_XCRS, &x);
	assert_memory_equal(&x, &want, offsetof(struct kvm_xcrs, xcrs[1]));
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_XCRS, sizeof(struct kvm_xcrs));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_XCRS);
}

IOCTL_TESTS(get_xcrs,
	    cmocka_unit_test(xcr0_alone),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
