/* SPDX-License-Identifier: MIT */
/* Interrupt controllers and eventfds. */
#include <errno.h>

#include "watch/check/check.h"

/* What the local APIC of the kernel serves, and what its PIC or IOAPIC does. */
static const struct {
	u32 cmd;
	enum chip chip;
	const char *section;
} chip_calls[] = {
	{ (u32)KVM_IRQ_LINE, CHIP_SPLIT, "4.25" },
	{ (u32)KVM_IRQ_LINE_STATUS, CHIP_SPLIT, "4.25" },
	{ (u32)KVM_GET_IRQCHIP, CHIP_FULL, "4.26" },
	{ (u32)KVM_SET_IRQCHIP, CHIP_FULL, "4.27" },
	{ (u32)KVM_SET_GSI_ROUTING, CHIP_SPLIT, "4.52" },
	{ (u32)KVM_GET_LAPIC, CHIP_SPLIT, "4.57" },
	{ (u32)KVM_SET_LAPIC, CHIP_SPLIT, "4.58" },
	{ (u32)KVM_SIGNAL_MSI, CHIP_SPLIT, "4.71" },
	{ (u32)KVM_CREATE_PIT2, CHIP_FULL, "4.71" },
	{ (u32)KVM_IRQFD, CHIP_SPLIT, "4.75" },
};

/* A PIT without a PIC is refused by kernels later than ours. */
static void judge_chip(struct check_call *c)
{
	if (c->ret >= 0 && c->cmd != (u32)KVM_CREATE_PIT2)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(chip_calls); i++)
		if (chip_calls[i].cmd == c->cmd && chip_calls[i].chip > c->vm->chip)
			check_found(c, RULE_IRQCHIP_MISSING, chip_calls[i].section,
				    "%s needs %s in the kernel, which the VM has not", c->what,
				    chip_calls[i].chip == CHIP_FULL ? "PIC and IOAPIC" :
				    "the local APIC");
}

static void judge_irqfd(struct check_call *c)
{
	const struct kvm_irqfd *fd = check_arg(c, struct kvm_irqfd);

	if (fd && c->ret == -EBUSY)
		check_found(c, RULE_IRQFD_TWICE, NULL, "%d", (int)fd->fd);
}

static void judge_ioeventfd(struct check_call *c)
{
	const struct kvm_ioeventfd *fd = check_arg(c, struct kvm_ioeventfd);

	if (fd && c->ret == -EEXIST)
		check_found(c, RULE_IOEVENTFD_TWICE, NULL, "%s 0x%llx, length %u",
			    fd->flags & KVM_IOEVENTFD_FLAG_PIO ? "port" : "address",
			    fd->addr, fd->len);
}

void judge_interrupts(struct check_call *c)
{
	if (!c->vm || c->nr_found)
		return;
	judge_chip(c);
	if (c->cmd == (u32)KVM_IRQFD && c->file->scope == SCOPE_VM)
		judge_irqfd(c);
	else if (c->cmd == (u32)KVM_IOEVENTFD && c->file->scope == SCOPE_VM)
		judge_ioeventfd(c);
	else if (c->cmd == (u32)KVM_INTERRUPT && c->vcpu && c->ret == -ENXIO)
		check_found(c, RULE_INTERRUPT_PIC, NULL, "%s", "");
}
