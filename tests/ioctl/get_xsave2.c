/* SPDX-License-Identifier: MIT */
/* KVM_GET_XSAVE2 (api.rst 4.134). */
#include "xsave_test.h"

static void the_size_is_at_least_the_old_ones(void **state)
{
	int vm = new_vm();

	assert_true(xsave2_size(vm) >= sizeof(struct kvm_xsave));
	close(vm);
}

static void says_the_same_as_get_xsave(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	const size_t size = xsave2_size(m.vm);
	uint8_t *in = calloc(1, size), *two = calloc(1, size), one[4096];

	fill_image(in, size);
	must(m.vcpu, KVM_SET_XSAVE, in);
	must(m.vcpu, KVM_GET_XSAVE, one);
	must(m.vcpu, KVM_GET_XSAVE2, two);
	assert_memory_equal(one, two, sizeof(one));
	free(in);
	free(two);
	machine_free(m);
}

static void writes_as_much_as_the_capability_says(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_XSAVE2, xsave2_size(m.vm));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_XSAVE2);
}

IOCTL_TESTS(get_xsave2,
	    cmocka_unit_test(the_size_is_at_least_the_old_ones),
	    cmocka_unit_test(says_the_same_as_get_xsave),
	    cmocka_unit_test(writes_as_much_as_the_capability_says),
	    cmocka_unit_test(scope))
