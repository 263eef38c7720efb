/* SPDX-License-Identifier: MIT */
/* KVM_MEMORY_ENCRYPT_REG_REGION and UNREG_REGION are for SEV guests only. */
#ifndef ANYKVM_TESTS_IOCTL_ENCRYPT_REGION_H
#define ANYKVM_TESTS_IOCTL_ENCRYPT_REGION_H

#include "vm_test.h"

static inline void assert_is_for_others(unsigned long request)
{
	struct kvm_enc_region r = { .addr = 0, .size = PG };
	int vm = new_vm();

	/* By its number it is output, but it is read. */
	assert_errno(EFAULT, kvm_ioctl(vm, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, request, at_page_end(sizeof(r) - 1)));
	assert_errno(ENOTTY, kvm_ioctl(vm, request, &r));
	r.size = 0;
	assert_errno(ENOTTY, kvm_ioctl(vm, request, read_only(&r, sizeof(r))));
	close(vm);
}

#endif
