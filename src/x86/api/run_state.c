/* SPDX-License-Identifier: MIT */
/* What KVM_RUN reads from and writes to kvm_run besides the exit itself. */
#include "x86/api/run_state.h"

#include <errno.h>
#include <string.h>

#include "api/arch.h"
#include "x86/api/api.h"
#include "x86/irqchip/lapic.h"

/* There is room for one vector; split mode's must come through LINT0. */
static bool has_room(struct cpu *c)
{
	return !c->lapic || (lapic_accepts_extint(c->lapic) && !irqchip_has_extint(c));
}

bool run_ready_for_interrupt(struct cpu *c)
{
	const struct events *ev = &c->ev;

	return cpu_rflags(c) & X86_EFLAGS_IF && !ev->shadow && !ev->exc_pending &&
	       !ev->exc_injected && !ev->irq_injected && !ev->nmi_injected &&
	       !ev->triple_fault && has_room(c);
}

void run_fill(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;

	run->if_flag = !!(cpu_rflags(c) & X86_EFLAGS_IF);
	run->cr8 = c->lapic ? lapic_get_cr8(c->lapic) : c->cr8;
	run->apic_base = c->apic_base;
	run->flags = c->smm ? KVM_RUN_X86_SMM : 0;
	run->ready_for_interrupt_injection =
		arch_irqchip_full(c->vcpu->vm) || run_ready_for_interrupt(c);
}

static void loaded(struct kvm_run *run, u64 field)
{
	WRITE_ONCE(run->kvm_dirty_regs, READ_ONCE(run->kvm_dirty_regs) & ~field);
}

/* Copied first: userspace may write kvm_run while we read (api.rst, sync_regs). */
int sync_regs_load(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	struct kvm_sync_regs in;

	if (likely(!dirty && !READ_ONCE(run->kvm_valid_regs)))
		return 0;
	if ((dirty | READ_ONCE(run->kvm_valid_regs)) & ~KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	c->vcpu->attended |= !!dirty;
	memcpy(&in, &run->s.regs, sizeof(in));
	if (dirty & KVM_SYNC_X86_REGS) {
		regs_set(c, &in.regs);
		loaded(run, KVM_SYNC_X86_REGS);
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		if (sregs_set(c, &in.sregs))
			return -EINVAL;
		loaded(run, KVM_SYNC_X86_SREGS);
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		if (events_set(c, &in.events))
			return -EINVAL;
		loaded(run, KVM_SYNC_X86_EVENTS);
	}
	return 0;
}

void sync_regs_store(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	if (likely(!valid))
		return;
	if (valid & KVM_SYNC_X86_REGS)
		regs_get(c, &run->s.regs.regs);
	if (valid & KVM_SYNC_X86_SREGS)
		sregs_get(c, &run->s.regs.sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		events_get(c, &run->s.regs.events);
}
