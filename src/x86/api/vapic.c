/* SPDX-License-Identifier: MIT */
#include "x86/api/vapic.h"

#include <errno.h>

#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/irqchip/lapic.h"
#include "x86/mmu/mmu.h"

/* The word, from its low byte up: TPR, vector in service, 0, vector requested. */
#define VAPIC_TPR		0xffu
#define VAPIC_ISR_SHIFT		8
#define VAPIC_ISR_CLASS		0xf0u
#define VAPIC_IRR_SHIFT		24

/* -- The word in guest memory --------------------------------------------------- */

void vapic_load(struct cpu *c)
{
	u32 word, tpr;

	if (!c->lapic || !gpa_read(c, c->vapic_gpa, &word, sizeof(word)))
		return;
	tpr = word & VAPIC_TPR;
	if (tpr != lapic_reg(c->lapic, LAPIC_TPR))
		lapic_set_tpr(c->lapic, tpr);
}

static u32 vapic_word(const struct lapic *l)
{
	int isr = lapic_highest(l, LAPIC_ISR), irr = lapic_highest(l, LAPIC_IRR);

	return (lapic_reg(l, LAPIC_TPR) & VAPIC_TPR) |
	       (MAX(isr, 0) & VAPIC_ISR_CLASS) << VAPIC_ISR_SHIFT |
	       (u32)MAX(irr, 0) << VAPIC_IRR_SHIFT;
}

void vapic_store(struct cpu *c)
{
	struct lapic *l = c->lapic;
	u32 old, word;

	if (!l || !lapic_hw_enabled(l) || !lapic_sw_enabled(l))
		return;
	word = vapic_word(l);
	/* The page becomes dirty only when it changes. */
	if (!gpa_read(c, c->vapic_gpa, &old, sizeof(old)) || old != word)
		gpa_write(c, c->vapic_gpa, &word, sizeof(word));
}

long vcpu_set_vapic_addr(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);
	struct kvm_vapic_addr va;

	if (!c->lapic)
		return -EINVAL;
	if (copy_from_user(&va, arg, sizeof(va)))
		return -EFAULT;
	if (va.vapic_addr && !vcpu_gpa_is_writable(c, va.vapic_addr, sizeof(u32)))
		return -EINVAL;
	c->vapic_gpa = va.vapic_addr;
	vcpu_events_changed(c);
	return 0;
}

/* -- TPR access reporting --------------------------------------------------------- */

void vapic_report(struct cpu *c, bool is_write)
{
	struct tpr_report *r = &c->tpr_report;

	/* An ioctl that reads or writes the x2APIC's MSR is not the guest. */
	if (likely(!r->enabled) || !c->vcpu->in_guest)
		return;
	r->due = true;
	r->is_write = is_write;
	r->rip = c->rip;
	c->stop_block = true;
	vcpu_events_changed(c);
}

bool vapic_report_exit(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;

	if (likely(!c->tpr_report.due))
		return false;
	c->tpr_report.due = false;
	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	run->tpr_access.rip = c->tpr_report.rip;
	run->tpr_access.is_write = c->tpr_report.is_write;
	return true;
}

long vcpu_tpr_access_reporting(struct kfile *f, void *arg)
{
	const struct kvm_tpr_access_ctl *ctl = arg;

	if (ctl->flags)
		return -EINVAL;
	kfile_cpu(f)->tpr_report.enabled = ctl->enabled;
	return 0;
}
