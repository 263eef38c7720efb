/* SPDX-License-Identifier: MIT */
/* KVM_GET_TSC_KHZ (api.rst 4.56), of a vCPU, and of a VM for later vCPUs. */
#include "vm_test.h"

/* Whatever comes between two readings makes the bounds wider. */
static void hosts_rate(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	int khz = kvm_ioctl_val(vcpu, KVM_GET_TSC_KHZ, 0);
	uint64_t ns[4], tsc;

	ns[0] = now_ns();
	tsc = __builtin_ia32_rdtsc();
	ns[1] = now_ns();
	usleep(20000);
	ns[2] = now_ns();
	tsc = __builtin_ia32_rdtsc() - tsc;
	ns[3] = now_ns();
	assert_true(khz > tsc * 0.97e6 / (ns[3] - ns[0]));
	assert_true(khz < tsc * 1.03e6 / (ns[2] - ns[1]));
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_TSC_KHZ, 0), khz);
	close(vcpu);
	close(vm);
}

/* Callers leave it out. */
static void argument_is_ignored(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	int khz = kvm_ioctl_val(vcpu, KVM_GET_TSC_KHZ, 0);

	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_TSC_KHZ, NO_POINTER), khz);
	assert_int_equal(kvm_ioctl_val(vm, KVM_GET_TSC_KHZ, ~0ul), khz);
	close(vcpu);
	close(vm);
}

static void not_on_the_system(void **state)
{
	assert_not_on_system(KVM_GET_TSC_KHZ);
}

IOCTL_TESTS(get_tsc_khz,
	    cmocka_unit_test(hosts_rate),
	    cmocka_unit_test(argument_is_ignored),
	    cmocka_unit_test(not_on_the_system))
