/* SPDX-License-Identifier: MIT */
/* KVM_IRQ_LINE_STATUS: KVM_IRQ_LINE (api.rst 4.25) that tells what became of it. */
#include "vm_test.h"

static int line(int vm, uint32_t irq, uint32_t level)
{
	struct kvm_irq_level l = { .irq = irq, .level = level };

	assert_int_equal(kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, &l), 0);
	assert_int_equal(l.level, level);
	return l.status;
}

static void needs_an_irqchip(void **state)
{
	struct kvm_irq_level l = { .irq = 4, .level = 1 };
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, NO_POINTER));
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, &l));
	assert_int_equal(l.irq, 4);
	assert_errno(ENXIO, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, read_only(&l, sizeof(l))));
	close(vm);
}

static void bad_pointers(void **state)
{
	struct kvm_irq_level l = { .irq = 4, .level = 1 };
	int vm = new_vm_irqchip();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, at_page_end(7)));
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, at_page_end(8)));
	/* The line has been raised by then. */
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE_STATUS, read_only(&l, sizeof(l))));
	line(vm, 4, 0);
	assert_int_equal(line(vm, 4, 1), 0);
	close(vm);
}

/* Routes of a new irqchip: the PIC takes 0 to 15, masked or not. */
static void status(void **state)
{
	int vm = new_vm_irqchip(), vcpu = new_vcpu(vm, 0);

	assert_true(line(vm, 4, 1) > 0);
	line(vm, 4, 0);
	assert_int_equal(line(vm, 4, 1), 0);	/* a second edge: already pending */
	assert_true(line(vm, 5, 1) > 0);
	assert_int_equal(line(vm, 24, 1), -1);	/* nobody there */
	assert_int_equal(line(vm, ~0u, 1), -1);
	close(vcpu);
	close(vm);
}

/* The mask of a PIC is that of its command words (8259A). */
static void masked(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	chip.chip.pic.imr = 1 << 4;
	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	/* Masked in the PIC, and the IOAPIC's pin is masked from the beginning. */
	assert_true(line(vm, 4, 1) <= 0);
	close(vm);
}

/* Who is not there takes nothing, and is not waited for (remote IRR). */
static void ioapic_to_nobody(void **state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int vm = new_vm_irqchip(), vcpu = new_vcpu(vm, 0);

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[20].bits = 0x51 | 1 << 15 | 9ull << 56;
	assert_ok(kvm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	assert_int_equal(line(vm, 20, 1), 0);
	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	assert_false(chip.chip.ioapic.redirtbl[20].fields.remote_irr);
	close(vcpu);
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_IRQ_LINE_STATUS);
}

IOCTL_TESTS(irq_line_status,
	    cmocka_unit_test(needs_an_irqchip),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(status),
	    cmocka_unit_test(masked),
	    cmocka_unit_test(ioapic_to_nobody),
	    cmocka_unit_test(wrong_scope))
