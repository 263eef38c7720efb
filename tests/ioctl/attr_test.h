/* SPDX-License-Identifier: MIT */
/* KVM_{SET,GET,HAS}_DEVICE_ATTR (api.rst 4.80, 4.81) on what is no device. */
#ifndef ANYKVM_TESTS_IOCTL_ATTR_TEST_H
#define ANYKVM_TESTS_IOCTL_ATTR_TEST_H

#include "vcpu_test.h"

#define MSR_TSC	0x10

static inline int attr(int fd, unsigned long request, uint32_t group, uint64_t number,
		       const void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = number, .addr = (uintptr_t)value };

	return kvm_ioctl(fd, request, &a);
}

static inline int tsc_offset(int vcpu, unsigned long request, uint64_t *value)
{
	return attr(vcpu, request, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, value);
}

/* Unknown groups and numbers are found before the address behind them. */
static inline void only_known_attributes(int fd, unsigned long request)
{
	assert_errno(ENXIO, attr(fd, request, 1, 0, NULL));
	assert_errno(ENXIO, attr(fd, request, ~0u, 0, NULL));
	assert_errno(ENXIO, attr(fd, request, 0, 1, NULL));
	assert_errno(ENXIO, attr(fd, request, 0, ~0ull, NULL));
	assert_errno(ENXIO, attr(fd, request, 1, 1, NULL));
}

#endif
