/* SPDX-License-Identifier: MIT */
/* KVM_IRQ_LINE (api.rst 4.25). */
#include "vm_test.h"

static int line(int vm, uint32_t irq, uint32_t level)
{
	struct kvm_irq_level l = { .irq = irq, .level = level };

	return kvm_ioctl(vm, KVM_IRQ_LINE, &l);
}

static uint32_t pic_irr(int vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	assert_ok(kvm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	return chip.chip.pic.irr;
}

static void needs_an_irqchip(void **state)
{
	int vm = new_vm();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE, NO_POINTER));
	assert_errno(ENXIO, line(vm, 4, 1));
	assert_errno(ENXIO, line(vm, ~0u, 1));
	close(vm);
}

static void bad_pointers(void **state)
{
	int vm = new_vm_irqchip();

	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE, NULL));
	assert_errno(EFAULT, kvm_ioctl(vm, KVM_IRQ_LINE, at_page_end(7)));
	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, at_page_end(8)));
	close(vm);
}

static void raises_and_lowers(void **state)
{
	int vm = new_vm_irqchip();

	/* An edge is latched in the PIC; its level is not. */
	assert_ok(line(vm, 4, 1));
	assert_int_equal(pic_irr(vm), 1 << 4);
	assert_ok(line(vm, 4, 1));
	assert_ok(line(vm, 4, 0));
	assert_ok(line(vm, 4, 0));
	assert_ok(line(vm, 5, 0x80000000));	/* anything but 0 */
	assert_true(pic_irr(vm) & 1 << 5);
	close(vm);
}

/* A GSI without a route goes nowhere, which is no error. */
static void unrouted(void **state)
{
	int vm = new_vm_irqchip();

	assert_ok(line(vm, 24, 1));
	assert_ok(line(vm, 4095, 1));
	assert_ok(line(vm, 4096, 1));
	assert_ok(line(vm, ~0u, 1));
	close(vm);
	vm = new_vm_split();
	assert_ok(line(vm, 4, 1));
	close(vm);
}

static void does_not_write(void **state)
{
	struct kvm_irq_level l = { .irq = 4, .level = 1 };
	int vm = new_vm_irqchip();

	assert_ok(kvm_ioctl(vm, KVM_IRQ_LINE, read_only(&l, sizeof(l))));
	close(vm);
}

static void wrong_scope(void **state)
{
	assert_only_on_vm(KVM_IRQ_LINE);
}

IOCTL_TESTS(irq_line,
	    cmocka_unit_test(needs_an_irqchip),
	    cmocka_unit_test(bad_pointers),
	    cmocka_unit_test(raises_and_lowers),
	    cmocka_unit_test(unrouted),
	    cmocka_unit_test(does_not_write),
	    cmocka_unit_test(wrong_scope))
