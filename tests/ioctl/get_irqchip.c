/* SPDX-License-Identifier: MIT */
/* KVM_GET_IRQCHIP (api.rst 4.26). */
#include "irqchip_state.h"

static void errors(void **state)
{
	irqchip_errors(KVM_GET_IRQCHIP);
}

static void nothing_can_be_stored(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	int vm = new_vm_irqchip();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_GET_IRQCHIP, read_only(&chip, sizeof(chip))));
	close(vm);
}

/* ELCR bits that can be set: not those of timer, keyboard, cascade, RTC, FPU. */
static void reset_state(void **state)
{
	struct kvm_irqchip chip;
	int vm = new_vm_irqchip();

	for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_PIC_SLAVE; id++) {
		memset(&chip, 0xff, sizeof(chip));
		chip.chip_id = id;
		assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
		assert_int_equal(chip.chip_id, id);
		assert_int_equal(chip.chip.pic.irr, 0);
		assert_int_equal(chip.chip.pic.isr, 0);
		assert_int_equal(chip.chip.pic.elcr, 0);
		assert_int_equal(chip.chip.pic.elcr_mask, id ? 0xde : 0xf8);
	}
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	assert_true(chip.chip.ioapic.base_address == 0xfec00000);
	assert_int_equal(chip.chip.ioapic.irr, 0);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_GET_IRQCHIP);
}

IOCTL_TESTS(get_irqchip,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(nothing_can_be_stored),
	    cmocka_unit_test(reset_state),
	    cmocka_unit_test(wrong_scope))
