/* SPDX-License-Identifier: MIT */
/* KVM_GET_TSC_KHZ (api.rst 4.56), of a vCPU and of a VM. */
#include <x86intrin.h>

#include "vcpu_test.h"

/* The host's rate, to a part in a hundred. */
static int measured_khz(void)
{
	uint64_t ns = now_ns(), tsc = __rdtsc();

	usleep(20000);
	tsc = __rdtsc() - tsc;
	return tsc * 1000000 / (now_ns() - ns);
}

static void the_hosts_after_creation(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int khz = kvm_ioctl_val(m.vcpu, KVM_GET_TSC_KHZ, 0), real = measured_khz();

	assert_in_range(khz, real - real / 50, real + real / 50);
	assert_int_equal(kvm_ioctl_val(m.vm, KVM_GET_TSC_KHZ, 0), khz);
	machine_free(m);
}

/* VMMs leave it out. */
static void the_argument_is_ignored(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int khz = kvm_ioctl_val(m.vcpu, KVM_GET_TSC_KHZ, 0);

	assert_int_equal(kvm_ioctl(m.vcpu, KVM_GET_TSC_KHZ, NO_POINTER), khz);
	assert_int_equal(kvm_ioctl_val(m.vm, KVM_GET_TSC_KHZ, ~0ul), khz);
	machine_free(m);
}

static void not_on_the_system(void **state)
{
	assert_not_on_system(KVM_GET_TSC_KHZ);
}

IOCTL_TESTS(get_tsc_khz,
	    cmocka_unit_test(the_hosts_after_creation),
	    cmocka_unit_test(the_argument_is_ignored),
	    cmocka_unit_test(not_on_the_system))
