/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_UNREG_REGION (api.rst 4.112): for SEV guests only. */
#include "vm_test.h"

#define REQUEST	KVM_MEMORY_ENCRYPT_UNREG_REGION

static void is_for_others(void **state)
{
	struct kvm_enc_region r = { .addr = 0, .size = PG };
	int vm = new_vm();

	/* By its number it is output, but it is read. */
	assert_errno(EFAULT, kvm_ioctl(vm, REQUEST, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, REQUEST, at_page_end(sizeof(r) - 1)));
	assert_errno(ENOTTY, kvm_ioctl(vm, REQUEST, &r));
	r.size = 0;
	assert_errno(ENOTTY, kvm_ioctl(vm, REQUEST, read_only(&r, sizeof(r))));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(REQUEST);
}

IOCTL_TESTS(memory_encrypt_unreg_region,
	    cmocka_unit_test(is_for_others),
	    cmocka_unit_test(wrong_scope))
