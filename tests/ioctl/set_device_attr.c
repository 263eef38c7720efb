/* SPDX-License-Identifier: MIT */
/* KVM_SET_DEVICE_ATTR (api.rst 4.80) of a vCPU. */
#include "attr_test.h"

static void the_offset_is_kept(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 1ull << 40, 1ull << 63, ~0ull };
	struct machine m = machine_new(NO_CHIPS);

	needs_guest();	/* PVM's TSC is the host's */
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		uint64_t in = offsets[i], out;

		assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, &in), 0);
		assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &out), 0);
		assert_true(in == out);
	}
	machine_free(m);
}

static void it_moves_the_tsc(void **state)
{
	const uint64_t jump = 1ull << 50;
	struct machine m = machine_new(NO_CHIPS);
	uint64_t offset, before, after;

	needs_guest();
	assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &offset), 0);
	before = msr_must_get(m.vcpu, MSR_TSC);
	offset += jump;
	assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, &offset), 0);
	after = msr_must_get(m.vcpu, MSR_TSC);
	assert_in_range(after - before, jump, jump + (1ull << 40));
	machine_free(m);
}

static void unknown_before_unmapped(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	only_known_attributes(m.vcpu, KVM_SET_DEVICE_ATTR);
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, NULL));
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, at_page_end(7)));
	assert_int_equal(tsc_offset(m.vcpu, KVM_SET_DEVICE_ATTR, at_page_end(8)), 0);
	reads_all_of(m.vcpu, KVM_SET_DEVICE_ATTR, sizeof(struct kvm_device_attr));
	machine_free(m);
}

/* /dev/kvm's are constant: the request does not exist there. */
static void scope(void **state)
{
	only_for_vcpus(KVM_SET_DEVICE_ATTR);
}

IOCTL_TESTS(set_device_attr,
	    cmocka_unit_test(the_offset_is_kept),
	    cmocka_unit_test(it_moves_the_tsc),
	    cmocka_unit_test(unknown_before_unmapped),
	    cmocka_unit_test(scope))
