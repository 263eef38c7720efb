/* SPDX-License-Identifier: MIT */
/* KVM_GET_MSR_FEATURE_INDEX_LIST (api.rst 4.3). */
#include "vm_test.h"
#include "msr_list.h"

/* Every one of them can be read with KVM_GET_MSRS on the same descriptor. */
static void all_can_be_read(void **state)
{
	struct kvm_msr_list *l = msr_list_get(KVM_GET_MSR_FEATURE_INDEX_LIST);
	int sys = kvm_open(O_RDWR);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1 };

	for (uint32_t i = 0; i < l->nmsrs; i++) {
		m.e.index = l->indices[i];
		assert_int_equal(kvm_ioctl(sys, KVM_GET_MSRS, &m), 1);
	}
	assert_true(l->nmsrs > 0);
	close(sys);
	free(l);
}

static void count_comes_with_e2big(void **state)
{
	msr_list_e2big(KVM_GET_MSR_FEATURE_INDEX_LIST);
}

static void bad_pointers(void **state)
{
	msr_list_bad_pointers(KVM_GET_MSR_FEATURE_INDEX_LIST);
}

static void wrong_scope(void **state)
{
	assert_only_on_system(KVM_GET_MSR_FEATURE_INDEX_LIST);
}

IOCTL_TESTS(get_msr_feature_index_list,
	    cmocka_unit_test(all_can_be_read),
	    cmocka_unit_test(count_comes_with_e2big),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
