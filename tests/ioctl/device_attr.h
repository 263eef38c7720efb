/* SPDX-License-Identifier: MIT */
/* Attributes of /dev/kvm, of vCPUs and of the VFIO device (api.rst 4.79 to 4.81). */
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

/* The descriptor of @vm's VFIO device; -1 and errno. */
static inline int vfio_create(int vm)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO };

	return kvm_ioctl(vm, KVM_CREATE_DEVICE, &d) ? -1 : (int)d.fd;
}

/* The kernel may have been built without VFIO. */
static inline void needs_vfio(void)
{
	struct kvm_create_device d = { .type = KVM_DEV_TYPE_VFIO,
				       .flags = KVM_CREATE_DEVICE_TEST };
	int vm = new_vm(), ret = kvm_ioctl(vm, KVM_CREATE_DEVICE, &d);

	close(vm);
	if (on_kernel() && ret)
		skip();
}

static inline int new_vfio(int vm)
{
	int device = vfio_create(vm);

	assert_true(device >= 0);
	return device;
}

/* What begins with the structure and the group. */
static inline void vfio_attr_errors(int device, unsigned long request)
{
	device_attr_errors(device, request);
	assert_errno(ENXIO, device_attr(device, request, 2, KVM_DEV_VFIO_GROUP_ADD, NULL));
	assert_errno(ENXIO, device_attr(device, request, KVM_DEV_VFIO_GROUP, 0, NULL));
	assert_errno(ENXIO, device_attr(device, request, KVM_DEV_VFIO_GROUP,
					KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, NULL));
	assert_errno(ENXIO, device_attr(device, request, KVM_DEV_VFIO_GROUP,
					1ull << 32 | KVM_DEV_VFIO_GROUP_ADD, NULL));
}

#endif
