/* SPDX-License-Identifier: MIT */
/* KVM_SET_CPUID (api.rst 4.20), the older of the two. */
#include "run/guest.h"
#include "vcpu_test.h"

struct old_list {
	struct kvm_cpuid head;
	struct kvm_cpuid_entry e[4];
};

static size_t size_of(uint32_t nent)
{
	return sizeof(struct kvm_cpuid) + nent * sizeof(struct kvm_cpuid_entry);
}

static void errors_in_order(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct kvm_cpuid *c;

	reads_all_of(m.vcpu, KVM_SET_CPUID, sizeof(struct kvm_cpuid));
	/* The count before the array, which is not there. */
	c = at_page_end(sizeof(*c));
	c->nent = MAX_CPUID + 1;
	refused(E2BIG, m.vcpu, KVM_SET_CPUID, c);
	c->nent = ~0u;
	refused(E2BIG, m.vcpu, KVM_SET_CPUID, c);
	c->nent = MAX_CPUID;
	refused(EFAULT, m.vcpu, KVM_SET_CPUID, c);
	c->nent = 0;
	must(m.vcpu, KVM_SET_CPUID, c);
	c = at_page_end(size_of(3) - 1);
	c->nent = 3;
	refused(EFAULT, m.vcpu, KVM_SET_CPUID, c);
	c = at_page_end(size_of(MAX_CPUID));
	c->nent = MAX_CPUID;
	must(m.vcpu, KVM_SET_CPUID, c);
	machine_free(m);
}

/* There is no index here, and none is significant. */
static void entries_have_no_index(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct old_list in = {
		.head.nent = 3, .e = {
			{ .function = 0, .eax = 7, .ebx = 0x11, .ecx = 0x22, .edx = 0x33 },
			{ .function = 0x12345678, .eax = 1, .padding = ~0u },
			{ .function = 0x80000008, .eax = 0x3028 },
		},
	};
	struct cpuid_list out;

	must(m.vcpu, KVM_SET_CPUID, &in);
	memset(&out, 0xa5, sizeof(out));
	out.head.nent = MAX_CPUID;
	must(m.vcpu, KVM_GET_CPUID2, &out);
	for (uint32_t i = 0; i < in.head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &out.e[i];

		assert_int_equal(e->function, in.e[i].function);
		assert_int_equal(e->index, 0);
		assert_int_equal(e->flags, 0);
		assert_int_equal(e->eax, in.e[i].eax);
		assert_int_equal(e->ebx, in.e[i].ebx);
		assert_int_equal(e->ecx, in.e[i].ecx);
		assert_int_equal(e->edx, in.e[i].edx);
		assert_int_equal(e->padding[0] | e->padding[1] | e->padding[2], 0);
	}
	machine_free(m);
}

static void the_linear_width_is_checked(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	struct old_list in = { .head.nent = 1, .e[0] = { .function = 0x80000008 } };

	in.e[0].eax = 40 << 8;
	refused(EINVAL, m.vcpu, KVM_SET_CPUID, &in);
	in.e[0].eax = 48 << 8;
	must(m.vcpu, KVM_SET_CPUID, &in);
	machine_free(m);
}

/* As of KVM_SET_CPUID2: afterwards only the same again. */
static void after_the_first_run(void **state)
{
	struct old_list in = { .head.nent = 1, .e[0] = { .function = 0, .eax = 1 } };
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	g.mem[GUEST_CODE] = 0xf4;	/* hlt */
	must(g.vcpu[0], KVM_SET_CPUID, &in);
	guest_prot32(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	must(g.vcpu[0], KVM_SET_CPUID, &in);
	in.e[0].eax = 2;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID, &in);
	in.head.nent = 0;
	refused(EINVAL, g.vcpu[0], KVM_SET_CPUID, &in);
	in.head.nent = MAX_CPUID + 1;
	refused(E2BIG, g.vcpu[0], KVM_SET_CPUID, &in);
	guest_destroy(&g);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_SET_CPUID);
}

IOCTL_TESTS(set_cpuid,
	    cmocka_unit_test(errors_in_order),
	    cmocka_unit_test(entries_have_no_index),
	    cmocka_unit_test(the_linear_width_is_checked),
	    cmocka_unit_test(after_the_first_run),
	    cmocka_unit_test(scope))
