/* SPDX-License-Identifier: MIT */
/* KVM_GET_DEVICE_ATTR (api.rst 4.80) of a vCPU and of /dev/kvm. */
#include <x86intrin.h>

#include "attr_test.h"

/* Without scaling the guest's TSC is the host's plus this. */
static void tsc_offset_of_a_vcpu(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t offset, before, guest, after;

	assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &offset), 0);
	before = __rdtsc();
	guest = msr_must_get(m.vcpu, MSR_TSC);
	after = __rdtsc();
	assert_true(guest - offset >= before && guest - offset <= after);
	machine_free(m);
}

static void vcpus_are_in_step(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int other = new_vcpu(m.vm, 1);
	uint64_t one, two;

	assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, &one), 0);
	assert_int_equal(tsc_offset(other, KVM_GET_DEVICE_ATTR, &two), 0);
	assert_true(one == two);
	close(other);
	machine_free(m);
}

static void xcr0_of_the_system(void **state)
{
	int sys = kvm_open(O_RDWR);
	uint64_t xcr0 = 0;

	assert_int_equal(attr(sys, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, &xcr0), 0);
	assert_int_equal(xcr0 & 3, 3);
	assert_errno(ENXIO, attr(sys, KVM_GET_DEVICE_ATTR, 0, 1000, NULL));
	assert_errno(ENXIO, attr(sys, KVM_GET_DEVICE_ATTR, 1000, 0, NULL));
	assert_errno(EFAULT, attr(sys, KVM_GET_DEVICE_ATTR, 0, 0, NULL));
	assert_errno(EFAULT, attr(sys, KVM_GET_DEVICE_ATTR, 0, 0, at_page_end(7)));
	assert_int_equal(attr(sys, KVM_GET_DEVICE_ATTR, 0, 0, at_page_end(8)), 0);
	close(sys);
}

static void unknown_before_unmapped(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t value = 0;

	only_known_attributes(m.vcpu, KVM_GET_DEVICE_ATTR);
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, NULL));
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, at_page_end(7)));
	assert_errno(EFAULT, tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, read_only(&value, 8)));
	assert_int_equal(tsc_offset(m.vcpu, KVM_GET_DEVICE_ATTR, at_page_end(8)), 0);
	reads_all_of(m.vcpu, KVM_GET_DEVICE_ATTR, sizeof(struct kvm_device_attr));
	machine_free(m);
}

static void not_of_a_vm(void **state)
{
	assert_not_on_vm(KVM_GET_DEVICE_ATTR);
}

IOCTL_TESTS(get_device_attr,
	    cmocka_unit_test(tsc_offset_of_a_vcpu),
	    cmocka_unit_test(vcpus_are_in_step),
	    cmocka_unit_test(xcr0_of_the_system),
	    cmocka_unit_test(unknown_before_unmapped),
	    cmocka_unit_test(not_of_a_vm))
