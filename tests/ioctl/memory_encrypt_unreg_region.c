/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_UNREG_REGION (api.rst 4.112). */
#include "encrypt_region.h"

static void is_for_others(void **state)
{
	assert_is_for_others(KVM_MEMORY_ENCRYPT_UNREG_REGION);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_MEMORY_ENCRYPT_UNREG_REGION);
}

IOCTL_TESTS(memory_encrypt_unreg_region,
	    cmocka_unit_test(is_for_others),
	    cmocka_unit_test(wrong_scope))
