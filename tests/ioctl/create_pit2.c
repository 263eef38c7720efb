/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_PIT2 (api.rst 4.71). */
#include "vm_test.h"

static int create(int vm, uint32_t flags)
{
	struct kvm_pit_config c = { .flags = flags };

	return kvm_ioctl(vm, KVM_CREATE_PIT2, &c);
}

static void once(void **state)
{
	int vm = new_vm_irqchip();

	assert_int_equal(create(vm, 0), 0);
	assert_errno(EEXIST, create(vm, 0));
	assert_errno(EEXIST, create(vm, KVM_PIT_SPEAKER_DUMMY));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_PIT, 0));
	close(vm);
}

/* Unlike the irqchip, it may come late. */
static void after_vcpus(void **state)
{
	int vm = new_vm_irqchip();

	close(new_vcpu(vm, 0));
	assert_ok(create(vm, KVM_PIT_SPEAKER_DUMMY));
	close(vm);
}

/*
 * "Only valid after enabling in-kernel irqchip support": Linux 6.1 made a timer
 * that interrupts nobody, 6.18 says so.
 */
static void needs_a_pic(void **state)
{
	int vm = new_vm();

	if (on_kernel() && !create(vm, 0)) {
		close(vm);
		skip();
	}
	assert_errno(ENOENT, create(vm, 0));
	close(vm);
	vm = new_vm_split();
	assert_errno(ENOENT, create(vm, 0));
	close(vm);
}

static void other_flags_are_ignored(void **state)
{
	int vm = new_vm_irqchip();

	assert_ok(create(vm, ~0u));
	close(vm);
}

static void bad_pointers(void **state)
{
	const size_t size = sizeof(struct kvm_pit_config);
	int vm = new_vm(), done = new_vm_pit();

	assert_int_equal(size, 64);
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_PIT2, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_CREATE_PIT2, at_page_end(size - 1)));
	assert_errno(EFAULT, kvm_ioctl(done, KVM_CREATE_PIT2, NO_POINTER));
	close(vm);
	close(done);
	vm = new_vm_irqchip();
	assert_ok(kvm_ioctl(vm, KVM_CREATE_PIT2, at_page_end(size)));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_PIT2);
}

IOCTL_TESTS(create_pit2,
	    cmocka_unit_test(once),
	    cmocka_unit_test(after_vcpus),
	    cmocka_unit_test(needs_a_pic),
	    cmocka_unit_test(other_flags_are_ignored),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(wrong_scope))
