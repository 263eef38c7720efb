/* SPDX-License-Identifier: MIT */
/* KVM_ENABLE_CAP on the VM, and requests for what is not offered. */
#include "kvm_api.h"

static int enable(int vm, uint32_t cap, uint32_t flags, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	return kvm_ioctl(vm, KVM_ENABLE_CAP, &c);
}

static void rejects(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_ENABLE_CAP, NULL));
	assert_errno(EINVAL, enable(vm, 99999, 0, 0));
	assert_errno(EINVAL, enable(vm, KVM_CAP_USER_MEMORY, 0, 0));
	assert_errno(EINVAL, enable(vm, KVM_CAP_IRQCHIP, 1, 0));
	close(vm);
}

static void manual_dirty_log(void **state)
{
	const uint32_t cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
	int vm = new_vm();

	assert_errno(EINVAL, enable(vm, cap, 1, 0));
	assert_errno(EINVAL, enable(vm, cap, 0, 2));	/* not without bit 0 */
	assert_errno(EINVAL, enable(vm, cap, 0, 4));
	assert_ok(enable(vm, cap, 0, 3));
	assert_ok(enable(vm, cap, 0, 0));
	close(vm);
}

static void halt_poll(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable(vm, KVM_CAP_HALT_POLL, 1, 0));
	assert_errno(EINVAL, enable(vm, KVM_CAP_HALT_POLL, 0, 1ull << 32));
	assert_ok(enable(vm, KVM_CAP_HALT_POLL, 0, 1000));
	close(vm);
}

static void max_vcpu_id(void **state)
{
	int vm = new_vm();

	assert_errno(EINVAL, enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 4097));
	assert_ok(enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 8));
	assert_ok(enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 8));
	assert_errno(EINVAL, enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 9));
	close(vm);
}

static void not_offered(void **state)
{
	struct kvm_create_device dev = { .type = 0x7777 };
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_DEVICE, NULL));
	assert_errno(ENODEV, kvm_ioctl(vm, KVM_CREATE_DEVICE, &dev));
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rejects),
		cmocka_unit_test(manual_dirty_log),
		cmocka_unit_test(halt_poll),
		cmocka_unit_test(max_vcpu_id),
		cmocka_unit_test(not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
