/* SPDX-License-Identifier: MIT */
/* KVM_GET_EMULATED_CPUID (api.rst 4.88). */
#include "vm_test.h"
#include "cpuid_list.h"

#define REQUEST	KVM_GET_EMULATED_CPUID

static void has_movbe(void **state)
{
	struct kvm_cpuid2 *c = cpuid_get(REQUEST);

	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function == 1)
			assert_int_equal(c->entries[i].ecx, 1 << 22);
		else
			assert_true(c->entries[i].function == 0 || c->entries[i].function == 7);
	}
	free(c);
}

/* KVM wants room for one more when it looks for further ranges. */
static void count(void **state)
{
	cpuid_count(REQUEST, 1);
}

/* The entries are read for their padding; any mistake there is EINVAL. */
static void bad_pointers(void **state)
{
	cpuid_bad_pointers(REQUEST, 1, EINVAL);
}

static void padding_must_be_zero(void **state)
{
	struct kvm_cpuid2 *c = cpuid_alloc(CPUID_MAX + 1);
	int sys = kvm_open(O_RDWR);

	for (uint32_t i = 0; i < 3; i++) {
		memset(c->entries, 0, CPUID_MAX * sizeof(c->entries[0]));
		c->nent = CPUID_MAX;
		c->entries[CPUID_MAX - 1].padding[i] = 1;
		assert_errno(EINVAL, kvm_ioctl(sys, REQUEST, c));
	}
	/* Before it is found that they do not fit; behind the last, no matter. */
	c->entries[0].padding[0] = 1;
	c->nent = 1;
	assert_errno(EINVAL, kvm_ioctl(sys, REQUEST, c));
	c->nent = 0;
	assert_errno(E2BIG, kvm_ioctl(sys, REQUEST, c));
	c->entries[0].padding[0] = 0;
	c->nent = 8;
	assert_ok(kvm_ioctl(sys, REQUEST, c));
	memset(c->entries, 0, CPUID_MAX * sizeof(c->entries[0]));
	c->nent = CPUID_MAX + 1;
	c->entries[CPUID_MAX].padding[0] = 1;
	assert_ok(kvm_ioctl(sys, REQUEST, c));
	close(sys);
	free(c);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(REQUEST);
}

IOCTL_TESTS(get_emulated_cpuid,
	    cmocka_unit_test(has_movbe),
	    cmocka_unit_test(count),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(padding_must_be_zero),
	    cmocka_unit_test(wrong_scope))
