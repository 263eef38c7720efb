/* SPDX-License-Identifier: MIT */
/* KVM_GET_TSC_KHZ (api.rst 4.56), of a vCPU, and of a VM for later vCPUs. */
#include "vm_test.h"

static void hosts_rate(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	uint64_t tsc = __builtin_ia32_rdtsc(), ns = now_ns();
	int khz = kvm_ioctl_val(vcpu, KVM_GET_TSC_KHZ, 0);
	double measured;

	usleep(20000);
	measured = (__builtin_ia32_rdtsc() - tsc) * 1e6 / (now_ns() - ns);
	assert_true(khz > measured * 0.97 && khz < measured * 1.03);
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
