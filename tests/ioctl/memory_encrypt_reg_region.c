/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_REG_REGION (api.rst 4.111). */
#include "encrypt_region.h"

static void is_for_others(void **state)
{
	assert_is_for_others(KVM_MEMORY_ENCRYPT_REG_REGION);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_MEMORY_ENCRYPT_REG_REGION);
}

IOCTL_TESTS(memory_encrypt_reg_region,
	    cmocka_unit_test(is_for_others),
	    cmocka_unit_test(wrong_scope))
