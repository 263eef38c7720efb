/* SPDX-License-Identifier: MIT */
#include <sys/eventfd.h>

#include "misuse.h"

MISUSE(IRQCHIP_MISSING)
{
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	struct vmm v;

	vmm_start(&v, bad ? 0 : VMM_IRQCHIP);
	assert_int_equal(kvm_ioctl(v.vm, KVM_IRQ_LINE, &line), bad ? -1 : 0);
}

MISUSE(INTERRUPT_PIC)
{
	struct kvm_interrupt interrupt = { .irq = 0x20 };
	struct vmm v;

	vmm_start(&v, bad ? VMM_IRQCHIP : 0);
	assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_INTERRUPT, &interrupt), bad ? -1 : 0);
}

MISUSE(IRQFD_TWICE)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 5 };
	struct vmm v;

	vmm_start(&v, VMM_IRQCHIP);
	assert_ok(kvm_ioctl(v.vm, KVM_IRQFD, &irqfd));
	irqfd.gsi = 6;
	if (!bad)
		irqfd.fd = eventfd(0, 0);
	assert_int_equal(kvm_ioctl(v.vm, KVM_IRQFD, &irqfd), bad ? -1 : 0);
}

MISUSE(IOEVENTFD_TWICE)
{
	struct kvm_ioeventfd ioeventfd = { .fd = eventfd(0, 0), .addr = 0xd0000000, .len = 4 };
	struct vmm v;

	vmm_start(&v, 0);
	assert_ok(kvm_ioctl(v.vm, KVM_IOEVENTFD, &ioeventfd));
	if (!bad)
		ioeventfd.addr += 4;
	assert_int_equal(kvm_ioctl(v.vm, KVM_IOEVENTFD, &ioeventfd), bad ? -1 : 0);
}
