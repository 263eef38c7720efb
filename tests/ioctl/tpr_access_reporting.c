/* SPDX-License-Identifier: MIT */
/* KVM_TPR_ACCESS_REPORTING (KVM_CAP_VAPIC).  What it does: run/vapic.c. */
#include "ioctl_test.h"

static int vm, vcpu;

static int up(void **state)
{
	vm = new_vm();
	assert_ok(kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	vcpu = new_vcpu(vm, 0);
	return 0;
}

static int down(void **state)
{
	close(vcpu);
	close(vm);
	return 0;
}

static void is_offered(void **state)
{
	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_VAPIC), 1);
}

static void unreadable_argument(void **state)
{
	own_faults();
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, NO_POINTER));
}

static void flags_are_refused(void **state)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = 1 };

	for (uint32_t bit = 1; bit; bit <<= 1) {
		ctl.flags = bit;
		assert_errno(EINVAL, kvm_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, &ctl));
	}
}

/* The argument is written back, which must be possible. */
static void read_only_argument(void **state)
{
	struct kvm_tpr_access_ctl *ctl = guest_ram(PG);

	own_faults();
	assert_ok(mprotect(ctl, PG, PROT_READ));
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, ctl));
	munmap(ctl, PG);
}

static void on_and_off(void **state)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = 1, .reserved = { 7 } };

	assert_ok(kvm_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, &ctl));
	assert_int_equal(ctl.enabled, 1);
	assert_int_equal(ctl.reserved[0], 7);
	ctl.enabled = 0;
	assert_ok(kvm_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, &ctl));
}

/* There is nothing to report then, but KVM does not mind. */
static void without_lapic(void **state)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = 1 };
	int plain = new_vm(), cpu = new_vcpu(plain, 0);

	assert_ok(kvm_ioctl(cpu, KVM_TPR_ACCESS_REPORTING, &ctl));
	close(cpu);
	close(plain);
}

static void only_on_a_vcpu(void **state)
{
	struct kvm_tpr_access_ctl ctl = { 0 };

	assert_errno(ENOTTY, kvm_ioctl(vm, KVM_TPR_ACCESS_REPORTING, &ctl));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

IOCTL_TESTS(tpr_access_reporting,
	    TEST(is_offered),
	    TEST(unreadable_argument),
	    TEST(flags_are_refused),
	    TEST(read_only_argument),
	    TEST(on_and_off),
	    TEST(without_lapic),
	    TEST(only_on_a_vcpu))
