/* SPDX-License-Identifier: MIT */
/* KVM_SET_IRQCHIP (api.rst 4.27): _IOR by number, but it is input. */
#include "irqchip_state.h"

static void errors(void **state)
{
	irqchip_errors(KVM_SET_IRQCHIP);
}

static void does_not_write(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, read_only(&chip, sizeof(chip))));
	close(vm);
}

static struct kvm_irqchip pic(uint32_t id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	chip.chip.pic = (struct kvm_pic_state) {
		.last_irr = 1, .irr = 0x10, .imr = 0xb8, .isr = 4, .priority_add = 3,
		.irq_base = 0x30, .read_reg_select = 1, .special_mask = 1,
		.auto_eoi = 1, .init4 = 1, .elcr = 8, .elcr_mask = id ? 0xde : 0xf8,
	};
	return chip;
}

static void what_was_set_is_got(void **state)
{
	struct kvm_irqchip a, b;
	int vm = new_vm_irqchip();

	for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_IOAPIC; id++) {
		if (id < KVM_IRQCHIP_IOAPIC) {
			a = pic(id);
		} else {
			memset(&a, 0, sizeof(a));
			a.chip_id = id;
			a.chip.ioapic.base_address = 0xfec00000;
			a.chip.ioapic.ioregsel = 0x12;
			a.chip.ioapic.id = 3;
			for (int i = 0; i < KVM_IOAPIC_NUM_PINS; i++) {
				a.chip.ioapic.redirtbl[i].fields.mask = 1;
				a.chip.ioapic.redirtbl[i].fields.vector = 0x40 + i;
				a.chip.ioapic.redirtbl[i].fields.dest_id = i;
			}
		}
		assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &a));
		memset(&b, 0, sizeof(b));
		b.chip_id = id;
		assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &b));
		assert_memory_equal(&a, &b, sizeof(a));
	}
	close(vm);
}

/* The chips are three: setting one leaves the others. */
static void others_stay(void **state)
{
	struct kvm_irqchip master = pic(KVM_IRQCHIP_PIC_MASTER);
	struct kvm_irqchip slave = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &master));
	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &slave));
	assert_int_equal(slave.chip.pic.imr, 0);
	assert_int_equal(slave.chip.pic.irq_base, 0);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_SET_IRQCHIP);
}

IOCTL_TESTS(set_irqchip,
	    cmocka_unit_test(errors),
	    cmocka_unit_test(does_not_write),
	    cmocka_unit_test(what_was_set_is_got),
	    cmocka_unit_test(others_stay),
	    cmocka_unit_test(wrong_scope))
