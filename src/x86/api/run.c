/* SPDX-License-Identifier: MIT */
/* The x86 part of KVM_RUN. */
#include <errno.h>

#include "api/arch.h"
#include "api/stats.h"
#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/api/clock.h"
#include "x86/api/run_state.h"
#include "x86/api/vapic.h"
#include "x86/cpu/event.h"
#include "x86/hyperv/hyperv.h"
#include "x86/cpu/pmu.h"
#include "x86/cpu/translator.h"
#include "x86/mmu/mmu.h"
#include "x86/x86.h"

/* Waits for INIT; @left collects the requests that concern a guest that runs. */
static int block_until_init(struct cpu *c, u32 *left)
{
	for (;;) {
		u32 req = vcpu_take_requests(c->vcpu, ~0u);

		*left |= req & ~(REQ_SIGNAL | REQ_UNHALT);
		if (req & REQ_SIGNAL) {
			c->vcpu->run->exit_reason = KVM_EXIT_INTR;
			return -EINTR;
		}
		if (req & REQ_UNHALT)
			c->ev.pv_unhalted = true;
		/* In SMM they stay latched (event_accept_init()). */
		if ((READ_ONCE(c->ev.latched) && !c->smm) || event_wakes(c))
			return -EAGAIN;
		vcpu_block(c->vcpu);
	}
}

/* An AP that has had no INIT waits, and is woken with EAGAIN. */
static int wait_for_init(struct cpu *c)
{
	u32 left = 0;
	int r = block_until_init(c, &left);

	if (r == -EAGAIN)
		event_accept_init(c);
	__atomic_fetch_or(&c->requests, left, __ATOMIC_RELEASE);
	return r;
}

/* The instruction of the last exit goes on.  True if it exits again at once. */
static bool finish_io(struct cpu *c)
{
	/* INS has its data: only the stores to a device are left. */
	if (c->mmio.count && !c->pio.waiting)
		return cpu_finish_insn(c);
	switch (pio_complete(c)) {
	case STEP_EXIT:
		return true;
	case STEP_FAULT:
		return event_exception(c);
	default:
		return false;
	}
}

/*
 * What userspace has done meanwhile: the I/O of the last exit is completed
 * before immediate_exit counts.  True if it exits again at once.
 */
static bool complete_io(struct cpu *c)
{
	mmio_complete(c);
	user_reply_complete(c);
	hv_run_enter(c);
	return user_reply_pending(c) ? cpu_finish_insn(c) : finish_io(c);
}

/*
 * The VMM has only served the exit for I/O, and neither asks for anything nor
 * uses what each entry looks at or writes: events were looked at before the
 * instruction that exits, and what has become due since has posted a request.
 */
static bool only_served(const struct cpu *c, bool immediate_exit)
{
	const struct kvm_run *run = c->vcpu->run;

	return !c->vcpu->attended && c->plain_entry && !immediate_exit &&
	       !READ_ONCE(run->kvm_dirty_regs) && !READ_ONCE(run->kvm_valid_regs) &&
	       !READ_ONCE(run->request_interrupt_window) &&
	       (c->lapic || READ_ONCE(run->cr8) == c->cr8);
}

static int run_attended(struct cpu *c, bool immediate_exit)
{
	/* The registers were set meanwhile, or else the VMM may have set the word. */
	if (vapic_active(c) && READ_ONCE(c->requests) & REQ_EVENT)
		vapic_store(c);
	if (complete_io(c))
		return 0;
	if (immediate_exit)
		return -EINTR;
	/* KVM: a signal is not looked at before the guest has run. */
	if (c->mp_state == KVM_MP_STATE_RUNNABLE && event_ring_full_exit(c))
		return 0;
	return cpu_loop(c, false);
}

/* No other exit waits for an answer. */
static int run_served(struct cpu *c)
{
	mmio_complete(c);
	if (finish_io(c))
		return 0;
	return cpu_loop(c, !c->ev.exc_pending);
}

static int run_in_guest(struct cpu *c, bool immediate_exit, bool served)
{
	struct guard g;
	int r;

	if (guard_enter(&g) != 0) {
		pmu_block_abandoned(c);
		return -EFAULT;		/* the memory behind a slot has gone */
	}
	if (c->translator) {
		g.rescue_arg = c;
		g.rescue = c->translator->rescue;
	}
	TRANSLATOR(c, begin);
	c->vcpu->attended = false;
	r = served ? run_served(c) : run_attended(c, immediate_exit);
	if (vapic_active(c))
		vapic_load(c);
	guard_leave(&g);
	if (!r)
		stat_inc(c->vcpu, exits);
	return r;
}

static int run_entered(struct cpu *c, bool immediate_exit, bool served)
{
	int r;

	if (vcpu_enter_guest(c->vcpu))
		mmu_flush_all(c);
	if (c->pvclock->steal_time || !served)
		steal_time_enter(c);
	r = run_in_guest(c, immediate_exit, served);
	if (c->pvclock->steal_time)
		steal_time_leave(c);
	vcpu_leave_guest(c->vcpu);
	c->halted = false;	/* KVM: RIP is past the HLT, where it goes on */
	return r;
}

static int run_checked(struct cpu *c, bool immediate_exit)
{
	struct kvm_run *run = c->vcpu->run;
	int r = sync_regs_load(c);

	if (r)
		return r;
	if (!c->lapic) {
		u64 cr8 = READ_ONCE(run->cr8);

		if (cr8 > 15)
			return -EINVAL;
		c->cr8 = cr8;
	}
	if (c->pio.waiting || c->mmio.waiting || !immediate_exit)
		c->has_run = true;
	return run_entered(c, immediate_exit, false);
}

static bool is_io_exit(const struct vcpu *vcpu)
{
	u32 reason = vcpu->run->exit_reason;

	return reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO;
}

int arch_vcpu_run(struct vcpu *vcpu, bool immediate_exit)
{
	struct cpu *c = vcpu->cpu;
	int r;

	vcpu->run->flags = 0;
	if (likely(only_served(c, immediate_exit)))
		r = run_entered(c, false, true);
	else if (c->mp_state == KVM_MP_STATE_UNINITIALIZED)
		r = immediate_exit ? -EINTR : wait_for_init(c);
	else
		r = run_checked(c, immediate_exit);
	vcpu->attended |= r || !is_io_exit(vcpu);
	run_fill(c);
	sync_regs_store(c);
	return r;
}

u64 arch_vcpu_pc(const struct vcpu *vcpu)
{
	return cpu_linear_rip(vcpu->cpu);
}

u64 arch_vcpu_insns(const struct vcpu *vcpu)
{
	return vcpu->cpu->insns;
}

u64 arch_vcpu_syscall_entry(const struct vcpu *vcpu)
{
	return vcpu->cpu->lstar;
}

void arch_vcpu_interrupted(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_INTR;
}
