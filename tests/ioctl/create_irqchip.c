/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_IRQCHIP (api.rst 4.24). */
#include "vm_test.h"

static void creates_all_of_it(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	int vm = new_vm_irqchip(), vcpu = new_vcpu(vm, 0);

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	/* The IOAPIC's pins are masked, and there are default routes. */
	assert_true(chip.chip.ioapic.base_address == 0xfec00000);
	for (int i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		assert_true(chip.chip.ioapic.redirtbl[i].fields.mask);
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, &line));
	/* vCPUs have LAPICs. */
	assert_ok(kvm_ioctl(vcpu, KVM_GET_LAPIC, at_page_end(1024)));
	close(vcpu);
	close(vm);
}

static void argument_is_ignored(void **state)
{
	int vm = new_vm();

	assert_ok(kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NO_POINTER));
	close(vm);
}

static void once(void **state)
{
	int vm = new_vm_irqchip();

	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	/* That comes before the vCPUs. */
	close(new_vcpu(vm, 0));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	close(vm);
}

static void not_beside_a_split_one(void **state)
{
	int vm = new_vm_split();

	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	close(new_vcpu(vm, 0));
	assert_errno(EEXIST, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	close(vm);
}

static void before_the_first_vcpu(void **state)
{
	int vm = new_vm();

	close(new_vcpu(vm, 0));
	assert_errno(EINVAL, kvm_ioctl_val(vm, KVM_CREATE_IRQCHIP, 0));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_CREATE_IRQCHIP);
}

IOCTL_TESTS(create_irqchip,
	    cmocka_unit_test(creates_all_of_it),
	    cmocka_unit_test(argument_is_ignored),
	    cmocka_unit_test(once),
	    cmocka_unit_test(not_beside_a_split_one),
	    cmocka_unit_test(before_the_first_vcpu),
	    cmocka_unit_test(wrong_scope))
