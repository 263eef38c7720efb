/* SPDX-License-Identifier: MIT */
/* KVM_HAS_DEVICE_ATTR (api.rst 4.81) of a vCPU and of /dev/kvm. */
#include "attr_test.h"

static void of_a_vcpu(void **state)
{
	struct machine m = machine_new(NO_CHIPS);

	/* The address is not looked at. */
	assert_int_equal(tsc_offset(m.vcpu, KVM_HAS_DEVICE_ATTR, NULL), 0);
	only_known_attributes(m.vcpu, KVM_HAS_DEVICE_ATTR);
	machine_free(m);
}

static void of_the_system(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_int_equal(attr(sys, KVM_HAS_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, NULL), 0);
	assert_errno(ENXIO, attr(sys, KVM_HAS_DEVICE_ATTR, 0, 1000, NULL));
	assert_errno(ENXIO, attr(sys, KVM_HAS_DEVICE_ATTR, 1000, 0, NULL));
	close(sys);
}

static void pointer(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int sys = kvm_open(O_RDWR);

	reads_all_of(m.vcpu, KVM_HAS_DEVICE_ATTR, sizeof(struct kvm_device_attr));
	must(m.vcpu, KVM_HAS_DEVICE_ATTR, at_page_end(sizeof(struct kvm_device_attr)));
	reads_all_of(sys, KVM_HAS_DEVICE_ATTR, sizeof(struct kvm_device_attr));
	must(sys, KVM_HAS_DEVICE_ATTR, at_page_end(sizeof(struct kvm_device_attr)));
	close(sys);
	machine_free(m);
}

static void not_of_a_vm(void **state)
{
	assert_not_on_vm(KVM_HAS_DEVICE_ATTR);
}

IOCTL_TESTS(has_device_attr,
	    cmocka_unit_test(of_a_vcpu),
	    cmocka_unit_test(of_the_system),
	    cmocka_unit_test(pointer),
	    cmocka_unit_test(not_of_a_vm))
