/* SPDX-License-Identifier: MIT */
/* KVM_GET_MSR_INDEX_LIST (api.rst 4.3). */
#include "vm_test.h"
#include "msr_list.h"

static void lists_what_guests_have(void **state)
{
	struct kvm_msr_list *l = msr_list_get(KVM_GET_MSR_INDEX_LIST);

	assert_true(msr_list_has(l, 0x10));		/* TSC */
	assert_true(msr_list_has(l, 0x174));		/* SYSENTER_CS */
	assert_true(msr_list_has(l, 0xc0000081));	/* STAR */
	assert_true(msr_list_has(l, 0x4b564d01));	/* KVM_SYSTEM_TIME_NEW */
	free(l);
}

/* Each vCPU may have another number of banks (KVM_X86_SETUP_MCE). */
static void has_no_machine_check_banks(void **state)
{
	struct kvm_msr_list *l = msr_list_get(KVM_GET_MSR_INDEX_LIST);

	for (uint32_t msr = 0x400; msr < 0x480; msr++)
		assert_false(msr_list_has(l, msr));
	free(l);
}

/* None is there twice. */
static void entries_differ(void **state)
{
	struct kvm_msr_list *l = msr_list_get(KVM_GET_MSR_INDEX_LIST);

	for (uint32_t i = 0; i < l->nmsrs; i++) {
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(l->indices[i], l->indices[k]);
	}
	free(l);
}

static void count_comes_with_e2big(void **state)
{
	msr_list_e2big(KVM_GET_MSR_INDEX_LIST);
}

static void bad_pointers(void **state)
{
	msr_list_bad_pointers(KVM_GET_MSR_INDEX_LIST);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(KVM_GET_MSR_INDEX_LIST);
}

IOCTL_TESTS(get_msr_index_list,
	    cmocka_unit_test(lists_what_guests_have),
	    cmocka_unit_test(has_no_machine_check_banks),
	    cmocka_unit_test(entries_differ),
	    cmocka_unit_test(count_comes_with_e2big),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
