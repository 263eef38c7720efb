/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_DEVICE (api.rst 4.79): none is offered, as without CONFIG_KVM_VFIO. */
#include "vm_test.h"

#define UNKNOWN_TYPE	0x7777

static int create(int vm, uint32_t type, uint32_t flags)
{
	struct kvm_create_device d = { .type = type, .flags = flags };
	int ret = kvm_ioctl(vm, KVM_CREATE_DEVICE, &d);

	if (ret < 0)
		assert_int_equal(d.type, type);
	return ret;
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_create_device);
	struct kvm_create_device d = { .type = UNKNOWN_TYPE };
	int vm = new_vm();

	assert_int_equal(size, 12);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, at_page_end(size - 1)));
	assert_errno(ENODEV, kvm_ioctl(vm, KVM_CREATE_DEVICE, read_only(&d, size)));
	close(vm);
}

static void unknown_types(void **state)
{
	int vm = new_vm();

	assert_errno(ENODEV, create(vm, 0, 0));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, 0));
	assert_errno(ENODEV, create(vm, ~0u, 0));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, KVM_CREATE_DEVICE_TEST));
	assert_errno(ENODEV, create(vm, UNKNOWN_TYPE, ~0u));
	/* Of other architectures. */
	assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_XICS, 0));
	assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_ARM_VGIC_V3, 0));
	close(vm);
}

/* Passing devices of the host through needs a kernel. */
static void vfio(void **state)
{
	int vm = new_vm();

	if (!on_kernel()) {
		assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_VFIO, KVM_CREATE_DEVICE_TEST));
		assert_errno(ENODEV, create(vm, KVM_DEV_TYPE_VFIO, 0));
	}
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_DEVICE);
}

IOCTL_TESTS(create_device,
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(unknown_types),
	    cmocka_unit_test(vfio),
	    cmocka_unit_test(wrong_scope))
