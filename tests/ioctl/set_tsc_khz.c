/* SPDX-License-Identifier: MIT */
/* KVM_SET_TSC_KHZ (api.rst 4.55), of a VM for later vCPUs, and of a vCPU. */
#include "vm_test.h"

static int set(int fd, unsigned long khz)
{
	return kvm_ioctl_val(fd, KVM_SET_TSC_KHZ, khz);
}

static int get(int fd)
{
	return kvm_ioctl_val(fd, KVM_GET_TSC_KHZ, 0);
}

/* Rates other than the host's: kvm_pvm has none. */
static void needs_scaling(void)
{
	int sys = kvm_open(O_RDWR), has = check_extension(sys, KVM_CAP_TSC_CONTROL);

	close(sys);
	if (!has)
		skip();
}

static void zero_is_the_hosts(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), host = get(vcpu);

	assert_true(host > 0);
	assert_ok(set(vcpu, 0));
	assert_int_equal(get(vcpu), host);
	assert_ok(set(vcpu, host));
	assert_int_equal(get(vcpu), host);
	close(vcpu);
	close(vm);
}

static void of_a_vcpu(void **state)
{
	int vm = new_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 1), host = get(a);

	needs_scaling();
	assert_int_equal(set(a, host / 2), 0);
	assert_int_equal(get(a), host / 2);
	assert_int_equal(get(b), host);
	assert_ok(set(a, host * 2));
	assert_int_equal(get(a), host * 2);
	close(a);
	close(b);
	close(vm);
}

/* From the largest on, which is that of a signed int at most. */
static void too_fast(void **state)
{
	int vm = new_vm(), vcpu;

	needs_scaling();
	vcpu = new_vcpu(vm, 0);
	assert_errno(EINVAL, set(vcpu, 0x7fffffff));
	assert_errno(EINVAL, set(vcpu, 0xffffffff));
	close(vcpu);
	close(vm);
	vm = new_vm();
	assert_errno(EINVAL, set(vm, 0x7fffffff));
	assert_errno(EINVAL, set(vm, 0xffffffff));
	close(vm);
}

static void of_a_vm(void **state)
{
	int vm = new_vm(), host = get(vm), vcpu;

	if (!check_extension(vm, KVM_CAP_VM_TSC_CONTROL))
		skip();
	assert_int_equal(set(vm, host / 2), 0);
	assert_int_equal(get(vm), host / 2);
	vcpu = new_vcpu(vm, 0);
	assert_int_equal(get(vcpu), host / 2);
	close(vcpu);
	close(vm);
	vm = new_vm();
	assert_ok(set(vm, host / 2));
	assert_ok(set(vm, 0));
	assert_int_equal(get(vm), host);
	close(vm);
}

/* Linux 6.1 sets the default of those to come; 6.18 refuses. */
static void with_a_vcpu(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), host = get(vm), ret = set(vm, host);

	if (on_kernel() && ret < 0)
		assert_int_equal(errno, EINVAL);
	else
		assert_int_equal(ret, 0);
	close(vcpu);
	close(vm);
}

/* The argument is 32 bits. */
static void upper_half_is_ignored(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), host = get(vcpu);

	assert_ok(set(vcpu, 1ul << 32));
	assert_int_equal(get(vcpu), host);
	close(vcpu);
	close(vm);
}

/* The guest's TSC really runs like that. */
static void the_tsc_follows(void **state)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = {
		.head.nmsrs = 1, .e.index = 0x10,
	};
	int vm = new_vm(), vcpu;
	uint64_t tsc, ns[4];

	needs_scaling();
	vcpu = new_vcpu(vm, 0);
	assert_ok(set(vcpu, 1000000));	/* a tick is a nanosecond */
	ns[0] = now_ns();
	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_MSRS, &m), 1);
	tsc = m.e.data;
	ns[1] = now_ns();
	usleep(20000);
	ns[2] = now_ns();
	assert_int_equal(kvm_ioctl(vcpu, KVM_GET_MSRS, &m), 1);
	tsc = m.e.data - tsc;
	ns[3] = now_ns();
	assert_in_range(tsc, (ns[2] - ns[1]) * 9 / 10, (ns[3] - ns[0]) * 11 / 10);
	close(vcpu);
	close(vm);
}

static void not_on_the_system(void **state)
{
	assert_not_on_system(KVM_SET_TSC_KHZ);
}

IOCTL_TESTS(set_tsc_khz,
	    cmocka_unit_test(zero_is_the_hosts),
	    cmocka_unit_test(of_a_vcpu),
	    cmocka_unit_test(too_fast),
	    cmocka_unit_test(of_a_vm),
	    cmocka_unit_test(with_a_vcpu),
	    cmocka_unit_test(upper_half_is_ignored),
	    cmocka_unit_test(the_tsc_follows),
	    cmocka_unit_test(not_on_the_system))
