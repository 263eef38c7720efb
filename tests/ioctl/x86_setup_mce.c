/* SPDX-License-Identifier: MIT */
/* KVM_X86_SETUP_MCE (api.rst 4.105). */
#include "mce_test.h"

static void one_to_32_banks(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t none;

	assert_errno(EINVAL, setup_mce(m.vcpu, 0));
	assert_errno(EINVAL, setup_mce(m.vcpu, MCG_CTL_P));
	assert_errno(EINVAL, setup_mce(m.vcpu, 33));
	assert_errno(EINVAL, setup_mce(m.vcpu, 255));
	assert_int_equal(msr_must_get(m.vcpu, MCG_CAP), 32);
	for (uint32_t n = 1; n <= 32; n++) {
		assert_ok(setup_mce(m.vcpu, n));
		assert_int_equal(msr_must_get(m.vcpu, MCG_CAP), n);
		assert_int_equal(bank(m.vcpu, n - 1, BANK_CTL), ~0ull);
		if (n < 32)
			assert_int_equal(msr_get(m.vcpu, MC0_CTL + 4 * n, &none), 0);
	}
	machine_free(m);
}

static void only_supported_capabilities(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int sys = kvm_open(O_RDWR);
	uint64_t supported;

	must(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, &supported);
	close(sys);
	for (int bit = 8; bit < 64; bit++) {
		uint64_t cap = 1ull << bit | 10;
		/* The count of extended registers is not checked. */
		bool ok = cap & (supported | 0xff0000) & ~0xffull;

		if (ok)
			assert_ok(setup_mce(m.vcpu, cap));
		else
			assert_errno(EINVAL, setup_mce(m.vcpu, cap));
	}
	assert_ok(setup_mce(m.vcpu, supported | 10));
	machine_free(m);
}

/* IA32_MCG_CTL exists if the capability says so, and all errors are enabled. */
static void everything_is_enabled(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	assert_int_equal(msr_must_get(m.vcpu, MCG_CTL), 0);
	assert_ok(setup_mce(m.vcpu, 2));
	assert_int_equal(msr_set(m.vcpu, MCG_CTL, ~0ull), 0);
	assert_ok(setup_mce(m.vcpu, MCG_CTL_P | 2));
	assert_int_equal(msr_must_get(m.vcpu, MCG_CAP), MCG_CTL_P | 2);
	assert_int_equal(msr_must_get(m.vcpu, MCG_CTL), ~0ull);
	assert_int_equal(bank(m.vcpu, 0, BANK_CTL), ~0ull);
	assert_int_equal(bank(m.vcpu, 1, BANK_CTL), ~0ull);
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), 0);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t *cap;

	reads_all_of(m.vcpu, KVM_X86_SETUP_MCE, sizeof(uint64_t));
	cap = at_page_end(sizeof(*cap));
	*cap = 4;
	must(m.vcpu, KVM_X86_SETUP_MCE, cap);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_X86_SETUP_MCE);
}

IOCTL_TESTS(x86_setup_mce,
	    cmocka_unit_test(one_to_32_banks),
	    cmocka_unit_test(only_supported_capabilities),
	    cmocka_unit_test(everything_is_enabled),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
