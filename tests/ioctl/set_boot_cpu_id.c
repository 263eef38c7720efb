/* SPDX-License-Identifier: MIT */
/* KVM_SET_BOOT_CPU_ID (api.rst 4.41). */
#include "vm_test.h"

#define APIC_BASE_BSP	(1ull << 8)

static bool is_boot_cpu(int vcpu)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(vcpu, KVM_GET_SREGS, &s));
	return s.apic_base & APIC_BASE_BSP;
}

static void default_is_0(void **state)
{
	int vm = new_vm(), b = new_vcpu(vm, 1), a = new_vcpu(vm, 0);

	assert_true(is_boot_cpu(a));
	assert_false(is_boot_cpu(b));
	close(a);
	close(b);
	close(vm);
}

static void makes_another_the_first(void **state)
{
	struct kvm_mp_state mp;
	int vm = new_vm_irqchip(), a, b;

	assert_int_equal(kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 7), 0);
	assert_ok(kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 1));
	a = new_vcpu(vm, 0);
	b = new_vcpu(vm, 1);
	assert_false(is_boot_cpu(a));
	assert_true(is_boot_cpu(b));
	assert_ok(kvm_ioctl(a, KVM_GET_MP_STATE, &mp));
	assert_int_equal(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	assert_ok(kvm_ioctl(b, KVM_GET_MP_STATE, &mp));
	assert_int_equal(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	close(a);
	close(b);
	close(vm);
}

static void before_the_first_vcpu(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 0));
	assert_errno(EBUSY, kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 1));
	assert_errno(EBUSY, kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 0));
	close(vm);
}

/* Linux 6.1 takes 32 bits of anything; 6.18 refuses what can be no id. */
static void no_range_in_old_kernels(void **state)
{
	int vm = new_vm();
	int ret = kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 4097);

	if (on_kernel() && ret < 0) {
		assert_int_equal(errno, EINVAL);
		assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 1ul << 32));
	} else {
		assert_int_equal(ret, 0);
		assert_ok(kvm_ioctl_val(vm, KVM_SET_BOOT_CPU_ID, 1ul << 32));
	}
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_BOOT_CPU_ID);
}

IOCTL_TESTS(set_boot_cpu_id,
	    cmocka_unit_test(default_is_0),
	    cmocka_unit_test(makes_another_the_first),
	    cmocka_unit_test(before_the_first_vcpu),
	    cmocka_unit_test(no_range_in_old_kernels),
	    cmocka_unit_test(wrong_scope))
