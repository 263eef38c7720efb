/* SPDX-License-Identifier: MIT */
/* KVM_SET_LAPIC (api.rst 4.58). */
#include "lapic_test.h"

static void needs_a_lapic_before_a_pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_lapic_state *l;

	refused(EINVAL, m.vcpu, KVM_SET_LAPIC, NULL);
	refused(EINVAL, m.vcpu, KVM_SET_LAPIC, NO_POINTER);
	machine_free(m);
	m = machine_new(FULL_CHIPS);
	reads_all_of(m.vcpu, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state));
	l = at_page_end(sizeof(*l));
	must(m.vcpu, KVM_GET_LAPIC, l);
	must(m.vcpu, KVM_SET_LAPIC, l);
	machine_free(m);
}

static void registers_are_kept(void **state)
{
	static const struct { uint32_t offset, value; } values[] = {
		{ TPR, 0x40 }, { LDR, 0x02000000 }, { DFR, 0xffffffff }, { SVR, 0x1ff },
		{ IRR, 0 }, { IRR + 0x30, 1 << 7 }, { ICR, 0x4030 }, { ICR2, 0x07000000 },
		{ LVT_TIMER, 0x10031 }, { LVT_LINT0, 0x10000 }, { LVT_LINT1, 0x400 },
		{ LVT_ERROR, 0xfe }, { TDCR, 0xb },
	};
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		put_reg(&l, values[i].offset, values[i].value);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		assert_int_equal(reg(&l, values[i].offset), values[i].value);
	machine_free(m);
}

/* Constants and what follows from other registers. */
static void version_and_ppr_are_the_lapics(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);
	uint32_t version = reg(&l, VERSION);

	put_reg(&l, VERSION, 0x12345678);
	put_reg(&l, PPR, 0x99);
	put_reg(&l, TPR, 0x25);
	put_reg(&l, SVR, 0x1ff);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, VERSION), version);
	assert_int_equal(reg(&l, PPR), 0x25);
	put_reg(&l, ISR + 0x20, 1 << 5);	/* vector 45H in service */
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	if (!on_kernel())	/* computed with the vectors of before until it runs */
		assert_int_equal(reg(&l, PPR), 0x40);
	machine_free(m);
}

static void cr8_is_the_tpr(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);
	struct kvm_sregs s;

	put_reg(&l, TPR, 0xa7);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	must(m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.cr8, 0xa);
	machine_free(m);
}

/* The counter goes on from the current count, not from the initial one. */
static void the_timer_goes_on(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);
	uint32_t before;

	put_reg(&l, SVR, 0x1ff);
	put_reg(&l, LVT_TIMER, 0x30);		/* one-shot */
	put_reg(&l, TDCR, 0xb);			/* a tick is a nanosecond */
	put_reg(&l, TMICT, 0xffffffff);
	put_reg(&l, TMCCT, 0xc0000000);		/* three seconds left */
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	before = reg(&l, TMCCT);
	assert_in_range(before, 0x60000000, 0xc0000000);
	assert_int_equal(reg(&l, TMICT), 0xffffffff);
	usleep(2000);
	l = lapic_of(m.vcpu);
	assert_in_range(before - reg(&l, TMCCT), 2000000, before - 1);
	machine_free(m);
}

static void no_initial_count_no_timer(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);

	put_reg(&l, TDCR, 0xb);
	put_reg(&l, TMICT, 0xffffffff);
	put_reg(&l, TMCCT, 0xffffffff);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	put_reg(&l, TMICT, 0);
	put_reg(&l, TMCCT, 0x1000000);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, TMCCT), 0);
	machine_free(m);
}

/* -- TSC-deadline mode (SDM vol. 3A 11.5.4.1) ------------------------------------ */

#define TSC_DEADLINE	0x6e0u
#define FAR_AWAY	(1ull << 60)
#define DEADLINE_MODE	(LVT_MASKED | 2u << 17 | 0x30)

static void give_deadline(int vcpu, bool has)
{
	struct cpuid_list l;

	supported_cpuid(&l);
	find_leaf(&l, 1, 0)->ecx &= ~(1u << 24);
	find_leaf(&l, 1, 0)->ecx |= (uint32_t)has << 24;
	must(vcpu, KVM_SET_CPUID2, &l);
}

static void set_timer(int vcpu, uint32_t lvt, uint32_t tmict)
{
	struct kvm_lapic_state l = lapic_of(vcpu);

	put_reg(&l, SVR, SVR_ENABLED | 0xff);
	put_reg(&l, LVT_TIMER, lvt);
	put_reg(&l, TMICT, tmict);
	must(vcpu, KVM_SET_LAPIC, &l);
}

/* The register shows what was set, but there is no such mode. */
static void deadline_mode_is_cpuids(void **state)
{
	for (int has = 0; has <= 1; has++) {
		struct machine m = machine_new(FULL_CHIPS);
		struct kvm_lapic_state l;

		give_deadline(m.vcpu, has);
		set_timer(m.vcpu, DEADLINE_MODE, 0);
		l = lapic_of(m.vcpu);
		assert_int_equal(reg(&l, LVT_TIMER), DEADLINE_MODE);
		assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, FAR_AWAY), 1);
		assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), has ? FAR_AWAY : 0);
		machine_free(m);
	}
}

/* No register holds it. */
static void the_deadline_is_kept(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);

	give_deadline(m.vcpu, true);
	set_timer(m.vcpu, DEADLINE_MODE, 0);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, FAR_AWAY), 1);
	set_timer(m.vcpu, DEADLINE_MODE + 1, 0);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), FAR_AWAY);
	machine_free(m);
}

static void a_new_mode_disarms(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l;

	give_deadline(m.vcpu, true);
	set_timer(m.vcpu, DEADLINE_MODE, 0x10000000);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, TMICT), 0);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, FAR_AWAY), 1);
	set_timer(m.vcpu, LVT_MASKED | 0x30, 0x10000000);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, TMICT), 0);
	set_timer(m.vcpu, LVT_MASKED | 0x30, 0x10000000);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, TMICT), 0x10000000);
	set_timer(m.vcpu, DEADLINE_MODE, 0);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), 0);
	machine_free(m);
}

/* It could not come to be without the APIC, either. */
static void no_deadline_without_the_apic(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs s;

	give_deadline(m.vcpu, true);
	set_timer(m.vcpu, DEADLINE_MODE, 0);
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.apic_base &= ~(1ull << 11);
	must(m.vcpu, KVM_SET_SREGS, &s);
	assert_int_equal(msr_set(m.vcpu, TSC_DEADLINE, FAR_AWAY), 1);
	assert_int_equal(msr_must_get(m.vcpu, TSC_DEADLINE), 0);
	machine_free(m);
}

/* In xAPIC mode the guest may write it, so it is state. */
static void the_xapic_id_is_kept(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_lapic_state l = lapic_of(m.vcpu);

	put_reg(&l, ID, 0x2a000000);
	must(m.vcpu, KVM_SET_LAPIC, &l);
	l = lapic_of(m.vcpu);
	assert_int_equal(reg(&l, ID), 0x2a000000);
	machine_free(m);
}

static void the_x2apic_id_is_the_vcpus(void **state)
{
	for (int wide = 0; wide <= 1; wide++) {
		struct machine m = x2apic_machine(wide);
		struct kvm_lapic_state l = lapic_of(m.vcpu);
		const uint32_t right = wide ? 5 : 5 << 24, wrong = wide ? 5 << 24 : 6 << 24;

		must(m.vcpu, KVM_SET_LAPIC, &l);
		put_reg(&l, ID, wrong);
		put_reg(&l, TPR, 0x30);
		if (wide) {
			refused(EINVAL, m.vcpu, KVM_SET_LAPIC, &l);
			l = lapic_of(m.vcpu);
			assert_int_equal(reg(&l, TPR), 0);
		} else {
			put_reg(&l, ID, right);
			must(m.vcpu, KVM_SET_LAPIC, &l);
		}
		put_reg(&l, ID, right);
		put_reg(&l, LDR, 0x12345678);	/* follows from the ID */
		must(m.vcpu, KVM_SET_LAPIC, &l);
		l = lapic_of(m.vcpu);
		assert_int_equal(reg(&l, ID), right);
		assert_int_equal(reg(&l, LDR), 1 << 5);
		machine_free(m);
	}
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_LAPIC);
}

IOCTL_TESTS(set_lapic,
	    cmocka_unit_test(needs_a_lapic_before_a_pointer),
	    cmocka_unit_test(registers_are_kept),
	    cmocka_unit_test(version_and_ppr_are_the_lapics),
	    cmocka_unit_test(cr8_is_the_tpr),
	    cmocka_unit_test(the_timer_goes_on),
	    cmocka_unit_test(no_initial_count_no_timer),
	    cmocka_unit_test(deadline_mode_is_cpuids),
	    cmocka_unit_test(the_deadline_is_kept),
	    cmocka_unit_test(a_new_mode_disarms),
	    cmocka_unit_test(no_deadline_without_the_apic),
	    cmocka_unit_test(the_xapic_id_is_kept),
	    cmocka_unit_test(the_x2apic_id_is_the_vcpus),
	    cmocka_unit_test(scope))
