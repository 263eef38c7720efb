/* SPDX-License-Identifier: MIT */
/* KVM_GET_API_VERSION (api.rst 4.1). */
#include "ioctl_test.h"

static void is_twelve(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), 12);
	close(sys);
}

static void read_only_descriptor_will_do(void **state)
{
	int sys = kvm_open(O_RDONLY);

	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	close(sys);
}

static void argument_must_be_zero(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_GET_API_VERSION, 1));
	close(sys);
}

static void only_on_the_system_descriptor(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);

	assert_errno(ENOTTY, kvm_ioctl_val(vm, KVM_GET_API_VERSION, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vcpu, KVM_GET_API_VERSION, 0));
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(get_api_version,
	    cmocka_unit_test(is_twelve),
	    cmocka_unit_test(read_only_descriptor_will_do),
	    cmocka_unit_test(argument_must_be_zero),
	    cmocka_unit_test(only_on_the_system_descriptor))
