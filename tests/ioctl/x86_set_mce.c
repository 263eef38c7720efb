/* SPDX-License-Identifier: MIT */
/* KVM_X86_SET_MCE (api.rst 4.106). */
#include "mce_test.h"

#define CR4_MCE	(1ull << 6)
#define EXC_MC	18

static int set_mce(int vcpu, uint8_t n, uint64_t status, uint64_t mcg_status)
{
	struct kvm_x86_mce m = {
		.status = status, .addr = 0xabc000, .misc = 0x8c, .mcg_status = mcg_status, .bank = n,
	};

	return kvm_ioctl(vcpu, KVM_X86_SET_MCE, &m);
}

/* Ten banks, machine checks enabled, events that tell. */
static struct machine checked_machine(uint64_t cr4)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs s;

	assert_ok(enable_cap(m.vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 0, 1));
	assert_ok(enable_cap(m.vm, KVM_CAP_EXCEPTION_PAYLOAD, 0, 1));
	assert_ok(setup_mce(m.vcpu, MCG_CTL_P | 10));
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.cr4 = cr4;
	must(m.vcpu, KVM_SET_SREGS, &s);
	return m;
}

static struct kvm_vcpu_events events(int vcpu)
{
	struct kvm_vcpu_events e;

	must(vcpu, KVM_GET_VCPU_EVENTS, &e);
	return e;
}

static void nothing_happened(int vcpu)
{
	struct kvm_vcpu_events e = events(vcpu);

	assert_int_equal(e.exception.pending | e.exception.injected, 0);
	assert_int_equal(e.triple_fault.pending, 0);
}

static void the_bank_must_exist_and_the_status_be_valid(void **state)
{
	struct machine m = checked_machine(CR4_MCE);

	assert_errno(EINVAL, set_mce(m.vcpu, 10, MCI_VAL, 0));
	assert_errno(EINVAL, set_mce(m.vcpu, 255, MCI_VAL, 0));
	assert_errno(EINVAL, set_mce(m.vcpu, 0, 0, 0));
	assert_errno(EINVAL, set_mce(m.vcpu, 0, ~MCI_VAL, 0));
	assert_ok(set_mce(m.vcpu, 9, MCI_VAL, 0));
	machine_free(m);
}

static void a_corrected_error_is_only_recorded(void **state)
{
	struct machine m = checked_machine(0);

	assert_ok(set_mce(m.vcpu, 3, MCI_VAL | 0x17, MCG_MCIP));
	assert_int_equal(bank(m.vcpu, 3, BANK_STATUS), MCI_VAL | 0x17);
	assert_int_equal(bank(m.vcpu, 3, BANK_ADDR), 0xabc000);
	assert_int_equal(bank(m.vcpu, 3, BANK_MISC), 0x8c);
	assert_int_equal(msr_must_get(m.vcpu, MCG_STATUS), 0);
	nothing_happened(m.vcpu);
	assert_ok(set_mce(m.vcpu, 3, MCI_VAL | 0x18, 0));
	assert_int_equal(bank(m.vcpu, 3, BANK_STATUS), MCI_VAL | MCI_OVER | 0x18);
	machine_free(m);
}

static void an_uncorrected_error_raises_mc(void **state)
{
	struct machine m = checked_machine(CR4_MCE);

	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | MCI_S | 0x30, MCG_MCIP | MCG_RIPV));
	assert_int_equal(events(m.vcpu).exception.pending, 1);
	assert_int_equal(events(m.vcpu).exception.nr, EXC_MC);
	assert_int_equal(events(m.vcpu).exception.has_error_code, 0);
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), MCI_VAL | MCI_UC | MCI_S | 0x30);
	assert_int_equal(bank(m.vcpu, 1, BANK_ADDR), 0xabc000);
	assert_int_equal(msr_must_get(m.vcpu, MCG_STATUS), MCG_MCIP | MCG_RIPV);
	/* A corrected one behind it only shows that there was another. */
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | 0x99, 0));
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), MCI_VAL | MCI_OVER | MCI_UC | MCI_S | 0x30);
	machine_free(m);
}

/* SDM vol. 3B 15.3.1.2, 15.10.4.1 */
static void a_second_one_or_no_handler_shuts_down(void **state)
{
	struct machine m = checked_machine(0);

	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | MCI_PCC, MCG_MCIP));
	assert_int_equal(events(m.vcpu).triple_fault.pending, 1);
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), 0);
	machine_free(m);

	m = checked_machine(CR4_MCE);
	assert_int_equal(msr_set(m.vcpu, MCG_STATUS, MCG_MCIP), 1);
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | MCI_PCC, MCG_MCIP));
	assert_int_equal(events(m.vcpu).triple_fault.pending, 1);
	assert_int_equal(events(m.vcpu).exception.pending, 0);
	machine_free(m);
}

static void uncorrected_errors_can_be_turned_off(void **state)
{
	struct machine m = checked_machine(CR4_MCE);

	assert_int_equal(msr_set(m.vcpu, MCG_CTL, 0), 1);
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | MCI_PCC, MCG_MCIP));
	nothing_happened(m.vcpu);
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), 0);
	assert_int_equal(msr_set(m.vcpu, MCG_CTL, ~0ull), 1);
	assert_int_equal(msr_set(m.vcpu, MC0_CTL + 4, 0), 1);
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | MCI_PCC, MCG_MCIP));
	nothing_happened(m.vcpu);
	assert_ok(set_mce(m.vcpu, 2, MCI_VAL | MCI_UC | MCI_PCC, MCG_MCIP));
	assert_int_equal(events(m.vcpu).exception.nr, EXC_MC);
	machine_free(m);
}

/*
 * Uncorrected, but nothing was consumed and nobody need act (SDM vol. 3B
 * 15.6.3, UCNA): like a corrected error, and not to be turned off.
 */
static void no_action_is_required(void **state)
{
	struct machine m = checked_machine(0);

	assert_int_equal(msr_set(m.vcpu, MCG_CTL, 0), 1);
	assert_int_equal(msr_set(m.vcpu, MCG_STATUS, MCG_MCIP), 1);
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | 0x90, 0));
	assert_int_equal(msr_must_get(m.vcpu, MCG_STATUS), 0);
	nothing_happened(m.vcpu);
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), MCI_VAL | MCI_UC | 0x90);
	assert_int_equal(bank(m.vcpu, 1, BANK_ADDR), 0xabc000);
	assert_ok(set_mce(m.vcpu, 1, MCI_VAL | MCI_UC | 0x91, 0));
	assert_int_equal(bank(m.vcpu, 1, BANK_STATUS), MCI_VAL | MCI_UC | 0x91);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = checked_machine(0);
	struct kvm_x86_mce *arg;

	reads_all_of(m.vcpu, KVM_X86_SET_MCE, sizeof(struct kvm_x86_mce));
	arg = at_page_end(sizeof(*arg));
	arg->status = MCI_VAL;
	must(m.vcpu, KVM_X86_SET_MCE, arg);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_X86_SET_MCE);
}

IOCTL_TESTS(x86_set_mce,
	    cmocka_unit_test(the_bank_must_exist_and_the_status_be_valid),
	    cmocka_unit_test(a_corrected_error_is_only_recorded),
	    cmocka_unit_test(an_uncorrected_error_raises_mc),
	    cmocka_unit_test(a_second_one_or_no_handler_shuts_down),
	    cmocka_unit_test(uncorrected_errors_can_be_turned_off),
	    cmocka_unit_test(no_action_is_required),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
