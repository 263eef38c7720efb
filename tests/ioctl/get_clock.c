/* SPDX-License-Identifier: MIT */
/* KVM_GET_CLOCK (api.rst 4.29). */
#include "vm_test.h"

#define STABLE	KVM_CLOCK_TSC_STABLE
#define SAMPLE	(KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

static struct kvm_clock_data get(int vm)
{
	struct kvm_clock_data d;

	memset(&d, 0xff, sizeof(d));
	assert_int_equal(kvm_ioctl(vm, KVM_GET_CLOCK, &d), 0);
	return d;
}

/* Nanoseconds since the VM's creation. */
static void runs(void **state)
{
	uint64_t before = now_ns();
	int vm = new_vm();
	struct kvm_clock_data a = get(vm), b;

	usleep(2000);
	b = get(vm);
	assert_in_range(b.clock - a.clock, 2000000, now_ns() - before);
	assert_true(b.clock <= now_ns() - before);
	close(vm);
}

static void says_what_is_valid(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_clock_data d = get(vm);
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	assert_int_equal(d.flags & ~(STABLE | SAMPLE), 0);
	if (d.flags & KVM_CLOCK_REALTIME)
		assert_in_range(ts.tv_sec - d.realtime / 1000000000, 0, 20);
	else
		assert_true(d.realtime == 0);
	if (d.flags & KVM_CLOCK_HOST_TSC)
		assert_true(d.host_tsc && d.host_tsc < __builtin_ia32_rdtsc());
	assert_int_equal(check_extension(vm, KVM_CAP_ADJUST_CLOCK), STABLE | SAMPLE);
	close(vcpu);
	close(vm);
}

static void what_is_reserved_is_zero(void **state)
{
	int vm = new_vm();
	struct kvm_clock_data d = get(vm);

	assert_int_equal(d.pad0, 0);
	for (size_t i = 0; i < ARRAY_LEN(d.pad); i++)
		assert_int_equal(d.pad[i], 0);
	close(vm);
}

static void bad_pointers(void **state)
{
	struct kvm_clock_data d = { 0 };
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_CLOCK, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_CLOCK, NO_POINTER));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_CLOCK, at_page_end(sizeof(d) - 1)));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_CLOCK, read_only(&d, sizeof(d))));
	assert_ok(kvm_ioctl(vm, KVM_GET_CLOCK, at_page_end(sizeof(d))));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_GET_CLOCK);
}

IOCTL_TESTS(get_clock,
	    cmocka_unit_test(runs),
	    cmocka_unit_test(says_what_is_valid),
	    cmocka_unit_test(what_is_reserved_is_zero),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
