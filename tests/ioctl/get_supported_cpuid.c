/* SPDX-License-Identifier: MIT */
/* KVM_GET_SUPPORTED_CPUID (api.rst 4.46). */
#include "vm_test.h"
#include "cpuid_list.h"

#define REQUEST	KVM_GET_SUPPORTED_CPUID

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *c, uint32_t function)
{
	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function == function)
			return &c->entries[i];
	}
	return NULL;
}

static void lists_the_leaves(void **state)
{
	struct kvm_cpuid2 *c = cpuid_get(REQUEST);

	assert_true(find(c, 0)->eax >= 1);
	assert_non_null(find(c, 1));
	assert_true(find(c, 0x40000000)->eax >= 0x40000001);
	assert_memory_equal(&find(c, 0x40000000)->ebx, "KVMKVMKVM\0\0\0", 12);
	assert_true(find(c, 0x80000000)->eax >= 0x80000008);
	for (uint32_t i = 0; i < c->nent; i++)
		assert_true(!c->entries[i].padding[0] && !c->entries[i].padding[2]);
	free(c);
}

/* Leaves with subleaves carry the flag that says so (SDM vol. 2A, CPUID). */
static void subleaves_are_significant(void **state)
{
	struct kvm_cpuid2 *c = cpuid_get(REQUEST);

	assert_int_equal(find(c, 0xd)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	assert_int_equal(find(c, 7)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	assert_int_equal(find(c, 1)->flags, 0);
	free(c);
}

static void count(void **state)
{
	cpuid_count(REQUEST, 0);
}

static void bad_pointers(void **state)
{
	cpuid_bad_pointers(REQUEST, 0, EFAULT);
}

/* What is in the entries before is of no interest. */
static void padding_is_ignored(void **state)
{
	struct kvm_cpuid2 *c = cpuid_alloc(CPUID_MAX);
	int sys = kvm_open(O_RDWR);

	memset(c->entries, 0xff, CPUID_MAX * sizeof(c->entries[0]));
	assert_ok(kvm_ioctl(sys, REQUEST, c));
	close(sys);
	free(c);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(REQUEST);
}

IOCTL_TESTS(get_supported_cpuid,
	    cmocka_unit_test(lists_the_leaves),
	    cmocka_unit_test(subleaves_are_significant),
	    cmocka_unit_test(count),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(padding_is_ignored),
	    cmocka_unit_test(wrong_scope))
