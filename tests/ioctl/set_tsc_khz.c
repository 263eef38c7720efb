/* SPDX-License-Identifier: MIT */
/* KVM_SET_TSC_KHZ (api.rst 4.55) of a vCPU, and of a VM for vCPUs to come. */
#include "vcpu_test.h"

static int get(int fd)
{
	return kvm_ioctl_val(fd, KVM_GET_TSC_KHZ, 0);
}

static int set(int fd, unsigned long khz)
{
	return kvm_ioctl_val(fd, KVM_SET_TSC_KHZ, khz);
}

static void zero_is_the_hosts(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	int host = get(m.vcpu);

	assert_ok(set(m.vcpu, 0));
	assert_int_equal(get(m.vcpu), host);
	assert_ok(set(m.vcpu, 1ul << 32));	/* 32 bits of it count */
	assert_int_equal(get(m.vcpu), host);
	machine_free(m);
}

static void other_rates_with_the_capability(void **state)
{
	static const int rates[] = { 1000000, 1234567, 5000000 };
	struct machine m = machine_new(NO_CHIPS);
	int host = get(m.vcpu);

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		if (check_extension(m.vm, KVM_CAP_TSC_CONTROL) || rates[i] >= host) {
			assert_ok(set(m.vcpu, rates[i]));
			assert_int_equal(get(m.vcpu), rates[i]);
		} else {
			assert_errno(EINVAL, set(m.vcpu, rates[i]));
		}
	}
	machine_free(m);
}

static void too_fast_is_einval(void **state)
{
	static const unsigned long rates[] = { 0x7fffffff, 0x80000000, 0xffffffff };
	struct machine m = machine_new(NO_CHIPS);
	int host = get(m.vcpu);

	if (!check_extension(m.vm, KVM_CAP_TSC_CONTROL))
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		assert_errno(EINVAL, set(m.vcpu, rates[i]));
		assert_int_equal(get(m.vcpu), host);
		assert_errno(EINVAL, set(m.vm, rates[i]));
	}
	machine_free(m);
}

static void a_vms_is_that_of_later_vcpus(void **state)
{
	int vm = new_vm(), first, second, host = get(vm);

	if (!check_extension(vm, KVM_CAP_VM_TSC_CONTROL))
		skip();
	assert_ok(set(vm, 1500000));
	first = new_vcpu(vm, 0);
	assert_int_equal(get(first), 1500000);
	if (set(vm, 0) < 0) {	/* since 6.16 too late */
		assert_true(on_kernel());
		assert_int_equal(errno, EINVAL);
	} else {
		second = new_vcpu(vm, 1);
		assert_int_equal(get(second), host);
		close(second);
	}
	assert_int_equal(get(first), 1500000);
	close(first);
	close(vm);
}

/* The guest's TSC really runs like that. */
static void the_tsc_runs_at_that_rate(void **state)
{
	struct machine m = machine_new(NO_CHIPS);
	uint64_t tsc, ns;

	if (!check_extension(m.vm, KVM_CAP_TSC_CONTROL))
		skip();
	assert_ok(set(m.vcpu, 1000000));
	tsc = msr_must_get(m.vcpu, 0x10);
	ns = now_ns();
	usleep(20000);
	tsc = msr_must_get(m.vcpu, 0x10) - tsc;
	ns = now_ns() - ns;
	assert_in_range(tsc, ns - ns / 10, ns + ns / 10);
	machine_free(m);
}

static void not_on_the_system(void **state)
{
	assert_not_on_system(KVM_SET_TSC_KHZ);
}

IOCTL_TESTS(set_tsc_khz,
	    cmocka_unit_test(zero_is_the_hosts),
	    cmocka_unit_test(other_rates_with_the_capability),
	    cmocka_unit_test(too_fast_is_einval),
	    cmocka_unit_test(a_vms_is_that_of_later_vcpus),
	    cmocka_unit_test(the_tsc_runs_at_that_rate),
	    cmocka_unit_test(not_on_the_system))
