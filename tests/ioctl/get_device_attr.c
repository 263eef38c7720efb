/* SPDX-License-Identifier: MIT */
/* KVM_GET_DEVICE_ATTR (api.rst 4.80), on /dev/kvm, a vCPU and a device. */
#include "device_attr.h"

#define REQUEST	KVM_GET_DEVICE_ATTR

static void errors(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	device_attr_errors(sys, REQUEST);
	device_attr_errors(vcpu, REQUEST);
	close(vcpu);
	close(vm);
	close(sys);
}

static void bad_values(int fd, uint64_t attr)
{
	uint64_t value = 0;

	assert_errno(EFAULT, device_attr(fd, REQUEST, 0, attr, NULL));
	assert_errno(EFAULT, device_attr(fd, REQUEST, 0, attr, NO_POINTER));
	assert_errno(EFAULT, device_attr(fd, REQUEST, 0, attr, at_page_end(7)));
	assert_errno(EFAULT, device_attr(fd, REQUEST, 0, attr, read_only(&value, 8)));
	assert_int_equal(device_attr(fd, REQUEST, 0, attr, at_page_end(8)), 0);
}

static void bad_pointers(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	bad_values(sys, KVM_X86_XCOMP_GUEST_SUPP);
	bad_values(vcpu, KVM_VCPU_TSC_OFFSET);
	close(vcpu);
	close(vm);
	close(sys);
}

/* XCR0 of a guest: x87 is always there, no bit without its forerunner. */
static void extended_state(void **state)
{
	uint64_t xcr0 = 0;
	int sys = kvm_open(O_RDONLY);

	assert_ok(device_attr(sys, REQUEST, 0, KVM_X86_XCOMP_GUEST_SUPP, &xcr0));
	assert_true(xcr0 & 1);
	if (xcr0 & 4)
		assert_true(xcr0 & 2);
	close(sys);
}

static void tsc_offset(void **state)
{
	uint64_t offset = 0, set = 0x123456789;
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	if (on_pvm())
		skip();		/* its guests have the host's TSC */
	assert_ok(device_attr(vcpu, KVM_SET_DEVICE_ATTR, 0, KVM_VCPU_TSC_OFFSET, &set));
	assert_ok(device_attr(vcpu, REQUEST, 0, KVM_VCPU_TSC_OFFSET, &offset));
	assert_true(offset == set);
	close(vcpu);
	close(vm);
}

/* The VFIO device has no attribute to read: EPERM is before EFAULT. */
static void vfio(void **state)
{
	int vm = new_vm(), device;

	needs_vfio();
	device = new_vfio(vm);
	assert_errno(EPERM, kvm_ioctl(device, REQUEST, NO_POINTER));
	assert_errno(EPERM, device_attr(device, REQUEST, 99, 0, NULL));
	assert_errno(EPERM, device_attr(device, REQUEST, KVM_DEV_VFIO_GROUP,
					KVM_DEV_VFIO_GROUP_ADD, NULL));
	close(device);
	close(vm);
}

static void not_on_a_vm(void **state)
{
	assert_not_on_vm(REQUEST);
}

IOCTL_TESTS(get_device_attr,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(extended_state),
	    cmocka_unit_test(tsc_offset),
	    cmocka_unit_test(vfio),
	    cmocka_unit_test(not_on_a_vm))
