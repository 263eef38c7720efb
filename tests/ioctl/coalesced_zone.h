/* SPDX-License-Identifier: MIT */
/* What registering and unregistering a coalesced zone have in common (api.rst 4.116). */
#ifndef ANYKVM_TESTS_IOCTL_COALESCED_ZONE_H
#define ANYKVM_TESTS_IOCTL_COALESCED_ZONE_H

#include "vm_test.h"

static inline int zone(int vm, unsigned long request, uint64_t addr, uint32_t size,
		       uint32_t pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return kvm_ioctl(vm, request, &z);
}

static inline void zone_errors(unsigned long request)
{
	const size_t size = sizeof(struct kvm_coalesced_mmio_zone);
	int vm = new_vm();

	assert_int_equal(size, 16);
	assert_errno(EFAULT, kvm_ioctl(vm, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, request, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, request, at_page_end(size - 1)));
	assert_errno(EINVAL, zone(vm, request, 0, 16, 2));
	assert_errno(EINVAL, zone(vm, request, 0, 16, ~0u));
	assert_ok(kvm_ioctl(vm, request, at_page_end(size)));
	close(vm);
}

#endif
