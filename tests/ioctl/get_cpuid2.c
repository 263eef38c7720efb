/* SPDX-License-Identifier: MIT */
/* KVM_GET_CPUID2 (api.rst does not describe it). */
#include "xsave_test.h"

#define OSXSAVE		(1u << 27)	/* CPUID.01H:ECX */
#define APIC		(1u << 9)	/* CPUID.01H:EDX */
#define CR4_OSXSAVE	(1ull << 18)
#define APIC_BASE_EN	(1ull << 11)

static struct cpuid_list list_of(int vcpu)
{
	struct cpuid_list l = { .head.nent = MAX_CPUID };

	must(vcpu, KVM_GET_CPUID2, &l);
	return l;
}

static size_t size_of(uint32_t nent)
{
	return sizeof(struct kvm_cpuid2) + nent * sizeof(struct kvm_cpuid_entry2);
}

static struct cpuid_list two_leaves(void)
{
	return (struct cpuid_list){ .head.nent = 2, .e = {
		{ .function = 0x10, .index = 3, .flags = 1, .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
		{ .function = 0x11, .eax = 5, .ebx = 6, .ecx = 7, .edx = 8 },
	} };
}

static void what_was_set(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list in = two_leaves(), out;

	must(m.vcpu, KVM_SET_CPUID2, &in);
	out = list_of(m.vcpu);
	assert_memory_equal(in.e, out.e, 2 * sizeof(in.e[0]));
	assert_int_equal(out.e[2].function, 0);
	machine_free(m);
}

/* Linux 6.1 leaves it alone; newer ones (6.18) store the number of entries. */
static void the_count_in_the_head(void **state)
{
	struct cpuid_list in = two_leaves(), out = { .head.nent = 7 };
	struct machine m = machine_new(NO_CHIPS);

	must(m.vcpu, KVM_SET_CPUID2, &in);
	must(m.vcpu, KVM_GET_CPUID2, &out);
	if (on_kernel() && out.head.nent == 2)
		skip();
	assert_int_equal(out.head.nent, 7);
	machine_free(m);
}

static void nothing_at_first(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_cpuid2 *head = at_page_end(sizeof(*head));

	must(m.vcpu, KVM_GET_CPUID2, head);
	machine_free(m);
}

static void errors_in_order(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list in = two_leaves();
	struct kvm_cpuid2 *c;

	must(m.vcpu, KVM_SET_CPUID2, &in);
	reads_all_of(m.vcpu, KVM_GET_CPUID2, sizeof(struct kvm_cpuid2));
	c = at_page_end(sizeof(*c));
	for (uint32_t nent = 0; nent < 2; nent++) {
		c->nent = nent;
		refused(E2BIG, m.vcpu, KVM_GET_CPUID2, c);
		assert_int_equal(c->nent, nent);	/* the true count is not told */
	}
	c->nent = 2;
	refused(EFAULT, m.vcpu, KVM_GET_CPUID2, c);
	c = at_page_end(size_of(2) - 1);
	c->nent = 2;
	refused(EFAULT, m.vcpu, KVM_GET_CPUID2, c);
	/* Room for more is not touched. */
	c = at_page_end(size_of(2));
	c->nent = ~0u;
	must(m.vcpu, KVM_GET_CPUID2, c);
	machine_free(m);
}

/* -- Bits that follow state (SDM vol. 2A, CPUID) -------------------------------- */

static void osxsave_follows_cr4(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list l;
	struct kvm_sregs s;

	give_supported_cpuid(m.vcpu);
	must(m.vcpu, KVM_GET_SREGS, &s);
	for (int on = 1; on >= 0; on--) {
		s.cr4 = on ? CR4_OSXSAVE : 0;
		must(m.vcpu, KVM_SET_SREGS, &s);
		l = list_of(m.vcpu);
		assert_int_equal(!!(find_leaf(&l, 1, 0)->ecx & OSXSAVE), on);
	}
	machine_free(m);
}

static void apic_follows_apic_base(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct cpuid_list l;
	struct kvm_sregs s;

	give_supported_cpuid(m.vcpu);
	must(m.vcpu, KVM_GET_SREGS, &s);
	for (int on = 1; on >= 0; on--) {
		s.apic_base = 0xfee00100 | (on ? APIC_BASE_EN : 0);
		must(m.vcpu, KVM_SET_SREGS, &s);
		l = list_of(m.vcpu);
		assert_int_equal(!!(find_leaf(&l, 1, 0)->edx & APIC), on);
	}
	machine_free(m);
}

static void xsave_size_follows_xcr0(void **state)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = XF_X87 | XF_SSE | XF_YMM };
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list l;

	if (!(supported_xcr0() & XF_YMM))
		skip();
	give_supported_cpuid(m.vcpu);
	l = list_of(m.vcpu);
	assert_int_equal(find_leaf(&l, 0xd, 0)->ebx, HEADER_END);
	must(m.vcpu, KVM_SET_XCRS, &x);
	l = list_of(m.vcpu);
	assert_int_equal(find_leaf(&l, 0xd, 0)->ebx, component_offset(2) + 256);
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_CPUID2);
}

IOCTL_TESTS(get_cpuid2,
	    cmocka_unit_test(what_was_set),
	    cmocka_unit_test(the_count_in_the_head),
	    cmocka_unit_test(nothing_at_first),
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(osxsave_follows_cr4),
	    cmocka_unit_test(apic_follows_apic_base),
	    cmocka_unit_test(xsave_size_follows_xcr0),
	    cmocka_unit_test(scope))
