/* SPDX-License-Identifier: MIT */
/* Attributes of /dev/kvm and of vCPUs (api.rst 4.79 to 4.81). */
#ifndef ANYKVM_TESTS_IOCTL_DEVICE_ATTR_H
#define ANYKVM_TESTS_IOCTL_DEVICE_ATTR_H

#include "vm_test.h"

static inline int device_attr(int fd, unsigned long request, uint32_t group,
			      uint64_t attr, void *addr)
{
	struct kvm_device_attr a = {
		.group = group, .attr = attr, .addr = (uintptr_t)addr,
	};

	return kvm_ioctl(fd, request, &a);
}

/* The structure, the group, the attribute, the pointer inside: in this order. */
static inline void device_attr_errors(int fd, unsigned long request)
{
	const size_t size = sizeof(struct kvm_device_attr);

	assert_int_equal(size, 24);
	assert_errno(EFAULT, kvm_ioctl(fd, request, NULL));
	assert_errno(EFAULT, kvm_ioctl(fd, request, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(fd, request, at_page_end(size - 1)));
	assert_errno(ENXIO, device_attr(fd, request, 99, 0, NO_POINTER));
	assert_errno(ENXIO, device_attr(fd, request, ~0u, 99, NO_POINTER));
	assert_errno(ENXIO, device_attr(fd, request, 0, 99, NO_POINTER));
	assert_errno(ENXIO, device_attr(fd, request, 0, 1ull << 32, NO_POINTER));
}

#endif
