/* SPDX-License-Identifier: MIT */
/* KVM_SET_XCRS (api.rst 4.45); legal values of XCR0: SDM vol. 1 13.3. */
#include "xsave_test.h"

static struct kvm_xcrs xcr0(uint64_t v)
{
	return (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs[0].value = v };
}

static uint64_t get(int vcpu)
{
	struct kvm_xcrs x;

	must(vcpu, KVM_GET_XCRS, &x);
	return x.xcrs[0].value;
}

static void malformed_is_einval_and_changes_nothing(void **state)
{
	const struct kvm_xcrs malformed[] = {
		{ .nr_xcrs = KVM_MAX_XCRS + 1, .xcrs[0].value = 1 },
		{ .nr_xcrs = ~0u, .xcrs[0].value = 1 },
		{ .nr_xcrs = 1, .flags = 1, .xcrs[0].value = 1 },
		{ .nr_xcrs = 0, .flags = 0x80000000 },
		xcr0(0),
		xcr0(XF_SSE),
		xcr0(XF_X87 | XF_YMM),
		xcr0(XF_X87 | 1ull << 3),	/* BNDREGS without BNDCSR */
		xcr0(XF_X87 | 1ull << 62),
		xcr0(XF_X87 | 1ull << 63),
		xcr0(~0ull),
	};
	struct machine m = machine_new(NO_CHIPS);

	give_supported_cpuid(m.vcpu);
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct kvm_xcrs x = malformed[i];

		refused(EINVAL, m.vcpu, KVM_SET_XCRS, &x);
		assert_int_equal(get(m.vcpu), 1);
	}
	machine_free(m);
}

static void legal_values_are_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t supported = supported_xcr0();
	const uint64_t values[] = { XF_X87, XF_X87 | XF_SSE, XF_X87 | XF_SSE | XF_YMM };

	give_supported_cpuid(m.vcpu);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct kvm_xcrs x = xcr0(values[i]);

		if (values[i] & ~supported)
			continue;
		must(m.vcpu, KVM_SET_XCRS, &x);
		assert_int_equal(get(m.vcpu), values[i]);
	}
	machine_free(m);
}

/* What the guest's CPUID does not have it may not enable. */
static void cpuid_limits_it(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_xcrs x = xcr0(XF_X87 | XF_SSE);

	refused(EINVAL, m.vcpu, KVM_SET_XCRS, &x);
	x = xcr0(XF_X87);
	must(m.vcpu, KVM_SET_XCRS, &x);
	machine_free(m);
}

static void other_registers_are_ignored(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_xcrs x = {
		.nr_xcrs = 2, .xcrs = { { .xcr = 5, .value = ~0ull }, { .xcr = 1, .value = 0 } },
	};

	must(m.vcpu, KVM_SET_XCRS, &x);
	assert_int_equal(get(m.vcpu), 1);
	machine_free(m);
}

static void none_and_the_most(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_xcrs x = { .nr_xcrs = 0 };

	must(m.vcpu, KVM_SET_XCRS, &x);
	x.nr_xcrs = KVM_MAX_XCRS;
	for (int i = 0; i < KVM_MAX_XCRS; i++)
		x.xcrs[i] = (struct kvm_xcr){ .xcr = KVM_MAX_XCRS - 1 - i, .value = 1 };
	must(m.vcpu, KVM_SET_XCRS, &x);
	machine_free(m);
}

/* The first entry for XCR0 decides. */
static void the_second_xcr0_is_not_looked_at(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_xcrs x = { .nr_xcrs = 2, .xcrs = { { .value = 1 }, { .value = 0 } } };

	must(m.vcpu, KVM_SET_XCRS, &x);
	x.xcrs[0].value = 0;
	x.xcrs[1].value = 1;
	refused(EINVAL, m.vcpu, KVM_SET_XCRS, &x);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	reads_all_of(m.vcpu, KVM_SET_XCRS, sizeof(struct kvm_xcrs));
	must(m.vcpu, KVM_SET_XCRS, at_page_end(sizeof(struct kvm_xcrs)));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_XCRS);
}

IOCTL_TESTS(set_xcrs,
	    cmocka_unit_test(malformed_is_einval_and_changes_nothing),
	    cmocka_unit_test(legal_values_are_kept),
	    cmocka_unit_test(cpuid_limits_it),
	    cmocka_unit_test(other_registers_are_ignored),
	    cmocka_unit_test(none_and_the_most),
	    cmocka_unit_test(the_second_xcr0_is_not_looked_at),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
