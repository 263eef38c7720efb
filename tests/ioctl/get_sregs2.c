/* SPDX-License-Identifier: MIT */
/* KVM_GET_SREGS2 (api.rst 4.131). */
#include "sregs_test.h"

#define RAM	(1ul << 20)

/* The structures agree up to the bitmap, which this one has not. */
static void says_the_same_as_get_sregs(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	struct kvm_sregs2 two;
	struct kvm_sregs one;

	memset(&two, 0xa5, sizeof(two));
	must(m.vcpu, KVM_GET_SREGS, &one);
	must(m.vcpu, KVM_GET_SREGS2, &two);
	assert_memory_equal(&one, &two, offsetof(struct kvm_sregs2, flags));
	assert_int_equal(two.flags, 0);
	machine_free(m);
}

static void pdptrs_only_with_pae_paging(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint8_t *ram = add_ram(m.vm, RAM);
	const uint64_t pdptes[4] = { 0x2001, 0, 0x3001, 0x4000 };
	struct kvm_sregs2 two;
	struct kvm_sregs s;

	needs_guest();	/* PVM has long mode only */
	memcpy(ram + 0x1000, pdptes, sizeof(pdptes));
	must(m.vcpu, KVM_GET_SREGS, &s);
	s.cr4 |= CR4_PAE;
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_SREGS2, &two);
	assert_int_equal(two.flags, 0);
	to_pae(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_SREGS2, &two);
	assert_int_equal(two.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	assert_memory_equal(two.pdptrs, pdptes, sizeof(pdptes));
	to_long_mode(&s, 0x1000);
	must(m.vcpu, KVM_SET_SREGS, &s);
	must(m.vcpu, KVM_GET_SREGS2, &two);
	assert_int_equal(two.flags, 0);
	machine_free(m);
	munmap(ram, RAM);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	writes_all_of(m.vcpu, KVM_GET_SREGS2, sizeof(struct kvm_sregs2));
	machine_free(m);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_GET_SREGS2);
}

IOCTL_TESTS(get_sregs2,
	    cmocka_unit_test(says_the_same_as_get_sregs),
	    cmocka_unit_test(pdptrs_only_with_pae_paging),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(scope))
