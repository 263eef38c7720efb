/* SPDX-License-Identifier: MIT */
/* KVM_SET_SREGS2 (api.rst 4.132). */
#include "sregs_test.h"

static void pae2(struct kvm_sregs2 *s)
{
	s->cr0 |= CR0_PE | CR0_PG;
	s->cr4 |= CR4_PAE;
	s->cr3 = 0x1000;
}

static void unknown_flags_come_first(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs2 s;

	must(m.vcpu, KVM_GET_SREGS2, &s);
	for (int bit = 1; bit < 64; bit += 31) {
		s.flags = 1ull << bit;
		refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	}
	s.flags = 0;
	must(m.vcpu, KVM_SET_SREGS2, &s);
	machine_free(m);
}

static void pdptrs_without_pae_paging(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs2 plain, s;

	must(m.vcpu, KVM_GET_SREGS2, &plain);
	s = plain;
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s.cr4 |= CR4_PAE;		/* not paging */
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s.cr0 |= CR0_PE | CR0_PG;
	s.cr4 &= ~CR4_PAE;		/* two levels */
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s.cr4 |= CR4_PAE;
	s.efer |= EFER_LME | EFER_LMA;	/* four levels */
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	machine_free(m);
}

/* No memory is read for them: there is none here. */
static void pdptrs_are_kept(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	const uint64_t pdptes[4] = { 0x1001, 0x2001, 0x3001, 0x4001 };
	struct kvm_sregs2 s;

	needs_guest();	/* PVM has long mode only */
	must(m.vcpu, KVM_GET_SREGS2, &s);
	pae2(&s);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	memcpy(s.pdptrs, pdptes, sizeof(pdptes));
	must(m.vcpu, KVM_SET_SREGS2, &s);
	memset(&s, 0, sizeof(s));
	must(m.vcpu, KVM_GET_SREGS2, &s);
	assert_int_equal(s.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	assert_memory_equal(s.pdptrs, pdptes, sizeof(pdptes));
	machine_free(m);
}

/* As KVM_SET_SREGS, whose checks are tested there. */
static void invalid_state_is_einval(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs2 before, s, after;

	must(m.vcpu, KVM_GET_SREGS2, &before);
	s = before;
	s.cr0 |= 1ull << 32;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s = before;
	s.cr4 |= 1ull << 63;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s = before;
	s.apic_base |= 1;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	s = before;
	s.efer |= EFER_LMA;
	refused(EINVAL, m.vcpu, KVM_SET_SREGS2, &s);
	must(m.vcpu, KVM_GET_SREGS2, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	machine_free(m);
}

static void the_injected_interrupt_is_left(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_vcpu_events e = { .interrupt = { .injected = 1, .nr = 0x33 } };
	struct kvm_sregs2 s;

	must(m.vcpu, KVM_SET_VCPU_EVENTS, &e);
	must(m.vcpu, KVM_GET_SREGS2, &s);
	s.cr2 = 0x1234;
	must(m.vcpu, KVM_SET_SREGS2, &s);
	must(m.vcpu, KVM_GET_VCPU_EVENTS, &e);
	assert_int_equal(e.interrupt.injected, 1);
	must(m.vcpu, KVM_GET_SREGS2, &s);
	assert_int_equal(s.cr2, 0x1234);
	machine_free(m);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_sregs2 *s;

	reads_all_of(m.vcpu, KVM_SET_SREGS2, sizeof(struct kvm_sregs2));
	s = at_page_end(sizeof(*s));
	must(m.vcpu, KVM_GET_SREGS2, s);
	must(m.vcpu, KVM_SET_SREGS2, s);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_SREGS2);
}

IOCTL_TESTS(set_sregs2,
	    cmocka_unit_test(unknown_flags_come_first),
	    cmocka_unit_test(pdptrs_without_pae_paging),
	    cmocka_unit_test(pdptrs_are_kept),
	    cmocka_unit_test(invalid_state_is_einval),
	    cmocka_unit_test(the_injected_interrupt_is_left),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
