/* SPDX-License-Identifier: MIT */
/* KVM_HAS_DEVICE_ATTR (api.rst 4.81), on /dev/kvm, a vCPU and a device. */
#include "device_attr.h"

#define REQUEST	KVM_HAS_DEVICE_ATTR

static void errors(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	device_attr_errors(sys, REQUEST);
	device_attr_errors(vcpu, REQUEST);
	close(vcpu);
	close(vm);
	close(sys);
}

/* The value's address is not looked at. */
static void those_there_are(void **state)
{
	int sys = kvm_open(O_RDONLY), vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_int_equal(device_attr(sys, REQUEST, 0, KVM_X86_XCOMP_GUEST_SUPP, NO_POINTER), 0);
	assert_int_equal(device_attr(vcpu, REQUEST, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET,
				     NO_POINTER), 0);
	assert_int_equal(check_extension(sys, KVM_CAP_SYS_ATTRIBUTES), 1);
	assert_int_equal(check_extension(sys, KVM_CAP_VCPU_ATTRIBUTES), 1);
	close(vcpu);
	close(vm);
	close(sys);
}

static void vfio(void **state)
{
	int vm = new_vm(), device;

	needs_vfio();
	device = new_vfio(vm);
	vfio_attr_errors(device, REQUEST);
	assert_int_equal(device_attr(device, REQUEST, KVM_DEV_VFIO_GROUP,
				     KVM_DEV_VFIO_GROUP_ADD, NO_POINTER), 0);
	assert_int_equal(device_attr(device, REQUEST, KVM_DEV_VFIO_GROUP,
				     KVM_DEV_VFIO_GROUP_DEL, NO_POINTER), 0);
	close(device);
	close(vm);
}

static void not_on_a_vm(void **state)
{
	assert_not_on_vm(REQUEST);
}

IOCTL_TESTS(has_device_attr,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(those_there_are),
	    cmocka_unit_test(vfio),
	    cmocka_unit_test(not_on_a_vm))
