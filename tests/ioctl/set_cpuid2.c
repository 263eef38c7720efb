/* SPDX-License-Identifier: MIT */
/* KVM_SET_CPUID2 (api.rst names it with KVM_SET_CPUID, 4.20). */
#include "run/guest.h"
#include "vcpu_test.h"

static size_t size_of(uint32_t nent)
{
	return sizeof(struct kvm_cpuid2) + nent * sizeof(struct kvm_cpuid_entry2);
}

static void errors_in_order(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_cpuid2 *c;

	reads_all_of(m.vcpu, KVM_SET_CPUID2, sizeof(struct kvm_cpuid2));
	/* The count before the array, which is not there. */
	c = at_page_end(sizeof(*c));
	c->nent = MAX_CPUID + 1;
	refused(E2BIG, m.vcpu, KVM_SET_CPUID2, c);
	c->nent = ~0u;
	refused(E2BIG, m.vcpu, KVM_SET_CPUID2, c);
	c->nent = MAX_CPUID;
	refused(EFAULT, m.vcpu, KVM_SET_CPUID2, c);
	c->nent = 0;
	must(m.vcpu, KVM_SET_CPUID2, c);
	/* An invalid entry is not found if a later one is not there. */
	c = at_page_end(size_of(3) - 1);
	c->nent = 3;
	c->entries[0].function = 0x80000008;
	c->entries[0].eax = 1 << 8;
	refused(EFAULT, m.vcpu, KVM_SET_CPUID2, c);
	c->nent = 2;
	refused(EINVAL, m.vcpu, KVM_SET_CPUID2, c);
	c = at_page_end(size_of(MAX_CPUID));
	c->nent = MAX_CPUID;
	must(m.vcpu, KVM_SET_CPUID2, c);
	machine_free(m);
}

/* 48 bits, 57 bits, or nothing said. */
static void linear_width(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list l = { .head.nent = 1, .e[0].function = 0x80000008 };

	for (uint32_t width = 0; width < 256; width++) {
		l.e[0].eax = width << 8 | 40;
		if (width == 0 || width == 48 || width == 57)
			must(m.vcpu, KVM_SET_CPUID2, &l);
		else
			refused(EINVAL, m.vcpu, KVM_SET_CPUID2, &l);
	}
	machine_free(m);
}

static void a_refused_list_leaves_the_old_one(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list good = { .head.nent = 1, .e[0] = { .function = 0x1234, .eax = 5 } };
	struct cpuid_list bad = { .head.nent = 1, .e[0] = { .function = 0x80000008, .eax = 256 } };
	struct cpuid_list out = { .head.nent = 1 };

	must(m.vcpu, KVM_SET_CPUID2, &good);
	refused(EINVAL, m.vcpu, KVM_SET_CPUID2, &bad);
	must(m.vcpu, KVM_GET_CPUID2, &out);
	assert_int_equal(out.e[0].function, 0x1234);
	assert_int_equal(out.e[0].eax, 5);
	machine_free(m);
}

/* What a VMM makes of it is its own affair. */
static void nothing_else_is_checked(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list l = { .head.nent = 3, .e = {
		{ .function = 1, .eax = ~0u, .ebx = ~0u, .ecx = 0, .edx = 0 },
		{ .function = 1, .flags = ~0u, .padding = { 1, 2, 3 } },
		{ .function = ~0u, .index = ~0u, .flags = 1 },
	} };

	must(m.vcpu, KVM_SET_CPUID2, &l);
	machine_free(m);
}

/* RDX at reset is CPUID.01H:EAX. */
static void names_the_processor_at_reset(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct cpuid_list l = { .head.nent = 1, .e[0] = { .function = 1, .eax = 0x800f12 } };
	struct kvm_mp_state s;
	struct kvm_regs r;

	must(m.vcpu, KVM_SET_CPUID2, &l);
	send_ipi(m.vm, m.vcpu, 0, MSI_INIT);
	must(m.vcpu, KVM_GET_MP_STATE, &s);
	must(m.vcpu, KVM_GET_REGS, &r);
	assert_int_equal(r.rdx, 0x800f12);
	machine_free(m);
}

/* MAXPHYADDR is 36 bits if leaf 80000008H is not there (SDM vol. 3A 4.1.4). */
static void limits_physical_addresses(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct cpuid_list l = { .head.nent = 2, .e = {
		{ .function = 0x80000000, .eax = 0x80000008 },
		{ .function = 0x80000008, .eax = 48 << 8 | 40 },
	} };

	must(m.vcpu, KVM_SET_CPUID2, &l);
	assert_int_equal(msr_set(m.vcpu, 0x201, 1ull << 39 | 0x800), 1);
	assert_int_equal(msr_set(m.vcpu, 0x201, 1ull << 40 | 0x800), 0);
	l.head.nent = 1;
	must(m.vcpu, KVM_SET_CPUID2, &l);
	assert_int_equal(msr_set(m.vcpu, 0x201, 1ull << 35 | 0x800), 1);
	assert_int_equal(msr_set(m.vcpu, 0x201, 1ull << 36 | 0x800), 0);
	machine_free(m);
}

/* The guest has seen it: only the same again, byte for byte. */
static void after_the_first_run(void **state)
{
	struct cpuid_list l, other;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0xf4;	/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	supported_cpuid(&l);
	must(g.vcpu[0], KVM_SET_CPUID2, &l);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	must(g.vcpu[0], KVM_SET_CPUID2, &l);
	other = l;
	other.e[1].edx ^= 1;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID2, &other);
	other = l;
	other.e[1].flags ^= 1;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID2, &other);
	other = l;
	other.head.nent--;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID2, &other);
	other.head.nent = 0;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID2, &other);
	other.head.nent = MAX_CPUID + 1;
	refused(E2BIG, g.vcpu[0], KVM_SET_CPUID2, &other);
	must(g.vcpu[0], KVM_SET_CPUID2, &l);
	guest_destroy(&g);
}

/* What KVM_GET_CPUID2 has returned, with the bits that follow state, too. */
static void its_own_list_is_the_same(void **state)
{
	struct cpuid_list l;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0xf4;	/* hlt */
	guest_long(&g, 0, GUEST_CODE);
	give_supported_cpuid(g.vcpu[0]);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	supported_cpuid(&l);		/* Linux 6.1 needs the count to be known */
	must(g.vcpu[0], KVM_GET_CPUID2, &l);
	must(g.vcpu[0], KVM_SET_CPUID2, &l);
	guest_destroy(&g);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_CPUID2);
}

IOCTL_TESTS(set_cpuid2,
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(linear_width),
	    cmocka_unit_test(a_refused_list_leaves_the_old_one),
	    cmocka_unit_test(nothing_else_is_checked),
	    cmocka_unit_test(names_the_processor_at_reset),
	    cmocka_unit_test(limits_physical_addresses),
	    cmocka_unit_test(after_the_first_run),
	    cmocka_unit_test(its_own_list_is_the_same),
	    cmocka_unit_test(scope))
