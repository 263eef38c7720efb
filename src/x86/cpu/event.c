/* SPDX-License-Identifier: MIT */
#include "x86/cpu/event.h"

#include "api/arch.h"
#include "api/dirty_ring.h"
#include "api/stats.h"
#include "watch/watch.h"
#include "x86/api/clock.h"
#include "x86/api/msr.h"
#include "x86/api/run_state.h"
#include "x86/api/vapic.h"
#include "x86/cpu/pmu.h"
#include "x86/cpu/translator.h"
#include "x86/decode/block.h"
#include "x86/hyperv/hyperv.h"
#include "x86/irqchip/irqchip.h"
#include "x86/mmu/mmu.h"
#include "x86/x86.h"
#include "x86/xen/xen.h"

/* -- Debugging from userspace --------------------------------------------------- */

void event_debug_exit(struct cpu *c, u8 vector, u64 dr6)
{
	struct kvm_run *run = c->vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = cpu_linear_rip(c);
	run->debug.arch.dr6 = dr6 | DR6_RESET;
	run->debug.arch.dr7 = c->guest_debug & KVM_GUESTDBG_USE_HW_BP ?
			      c->debug_dr7 : c->dr7;
}

static bool debugger_takes(const struct cpu *c, u8 vector)
{
	u32 d = c->guest_debug;

	if (!(d & KVM_GUESTDBG_ENABLE))
		return false;
	if (vector == EXC_BP)
		return d & KVM_GUESTDBG_USE_SW_BP;
	return vector == EXC_DB &&
	       (d & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP));
}

bool event_exception(struct cpu *c)
{
	if (unlikely(debugger_takes(c, c->exc.vector))) {
		event_debug_exit(c, c->exc.vector,
				 c->exc.has_payload ? c->exc.payload : 0);
		return true;
	}
	cpu_queue_exception(c);
	return false;
}

/* KVM: what is at userspace already goes before what a debugger would see. */
void event_exception_at_exit(struct cpu *c)
{
	if (!debugger_takes(c, c->exc.vector))
		cpu_queue_exception(c);
}

/* -- Delivery --------------------------------------------------------------------- */

static enum event_result shutdown_exit(struct cpu *c)
{
	c->ev.triple_fault = false;
	c->vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	/* KVM: SVM puts the vCPU through INIT before it exits. */
	cpu_reset(c, true);
	return EVENT_EXIT;
}

/* What became of a delivery: on a fault, the fault is queued in its place. */
static enum event_result delivered(struct cpu *c, enum step st)
{
	c->mmio.delivery = st == STEP_EXIT;
	if (st == STEP_EXIT || st == STEP_EXIT_DONE)
		return EVENT_EXIT;
	if (c->mmio.count)
		mmio_retire(c);
	if (st == STEP_FAULT && event_exception(c))
		return EVENT_EXIT;
	return EVENT_RUN;
}

static enum event_result deliver_exception(struct cpu *c)
{
	enum step st;

	c->ev.exc_pending = false;
	c->ev.exc_injected = true;
	if (c->ev.exc.vector == EXC_PF)
		stat_inc(c->vcpu, pf_guest);
	if (watched())
		watch_event(c->vcpu, WATCH_EXCEPTION, c->ev.exc.vector);
	st = cpu_deliver(c, &c->ev.exc);
	if (st == STEP_JUMP || st == STEP_NEXT)
		c->ev.exc_injected = false;
	return delivered(c, st);
}

/*
 * Its frame waits for MMIO.  A fault instead is all that comes of an interrupt
 * or NMI (SDM vol. 3A 6.15, interrupt 8): who sent it has been told it was taken.
 */
static bool is_under_way(enum step st)
{
	return st == STEP_EXIT || st == STEP_EXIT_DONE;
}

static enum event_result deliver_irq(struct cpu *c)
{
	enum step st;

	TRANSLATOR(c, epoch);
	if (watched())
		watch_event(c->vcpu, WATCH_INTERRUPT, c->ev.irq_vector);
	st = cpu_deliver_interrupt(c, c->ev.irq_vector);

	stat_inc(c->vcpu, irq_injections);
	c->ev.irq_injected = is_under_way(st);
	return delivered(c, st);
}

static enum event_result deliver_nmi(struct cpu *c)
{
	enum step st;

	TRANSLATOR(c, epoch);
	WRITE_ONCE(c->ev.nmi_masked, true);
	stat_inc(c->vcpu, nmi_injections);
	if (watched())
		watch_event(c->vcpu, WATCH_NMI, EXC_NMI);
	st = cpu_deliver_interrupt(c, EXC_NMI);
	WRITE_ONCE(c->ev.nmi_injected, is_under_way(st));
	return delivered(c, st);
}

static bool exception_left(const struct events *ev)
{
	return ev->exc_pending || ev->exc_injected || ev->triple_fault;
}

enum step event_deliver_fault(struct cpu *c)
{
	if (event_exception(c))
		return STEP_EXIT;
	if (!c->ev.exc_pending)
		return STEP_END;
	if (deliver_exception(c) == EVENT_EXIT)
		return STEP_EXIT;
	return exception_left(&c->ev) ? STEP_END : STEP_JUMP;
}

/* -- Interrupts -------------------------------------------------------------------- */

static bool irqs_open(const struct cpu *c)
{
	return (c->rflags & X86_EFLAGS_IF) && !c->ev.shadow &&
	       !(c->guest_debug & KVM_GUESTDBG_ENABLE &&
		 c->guest_debug & KVM_GUESTDBG_BLOCKIRQ);
}

static bool take_nmi(struct cpu *c)
{
	if (!READ_ONCE(c->ev.nmi_pending) || c->ev.nmi_masked || c->ev.shadow)
		return false;
	__atomic_fetch_sub(&c->ev.nmi_pending, 1, __ATOMIC_ACQ_REL);
	WRITE_ONCE(c->ev.nmi_injected, true);
	return true;
}

static bool take_interrupt(struct cpu *c)
{
	int vector;

	if (!irqs_open(c))
		return false;
	/* KVM: Xen's upcall comes as from a PIC, whatever LVT0 and TPR say. */
	vector = xen_upcall(c);
	if (vector < 0 && irqchip_has_interrupt(c))
		vector = irqchip_get_interrupt(c);
	if (vector < 0)
		return false;
	c->ev.irq_injected = true;
	c->ev.irq_vector = vector;
	return true;
}

/* TPR in guest memory, and Xen's flag there, change without notice. */
static bool irq_waits(struct cpu *c)
{
	return READ_ONCE(c->vcpu->run->request_interrupt_window) || vapic_active(c) ||
	       xen_upcall_enabled(c) || irqchip_has_interrupt(c);
}

/* A PIC in userspace waits to inject, and can. */
static bool window_due(struct cpu *c)
{
	return unlikely(READ_ONCE(c->vcpu->run->request_interrupt_window)) &&
	       !arch_irqchip_full(c->vcpu->vm) && run_ready_for_interrupt(c);
}

static bool window_exit(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;

	if (!window_due(c))
		return false;
	stat_inc(c->vcpu, request_irq_exits);
	run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return true;
}

/* Several if one instruction has ended several: the highest was first. */
static bool eoi_exit(struct cpu *c)
{
	struct kvm_run *run = c->vcpu->run;
	int i = 3, bit;

	if (likely(!c->eoi_due))
		return false;
	while (i > 0 && !c->eoi_vectors[i])
		i--;
	bit = 63 - __builtin_clzll(c->eoi_vectors[i]);
	c->eoi_vectors[i] &= ~BIT_ULL(bit);
	c->eoi_due = c->eoi_vectors[0] | c->eoi_vectors[1] | c->eoi_vectors[2] |
		     c->eoi_vectors[3];
	run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	run->eoi.vector = i * 64 + bit;
	return true;
}

/*
 * What has begun comes first, then by SDM vol. 3A table 6-2.  @opened: nobody
 * asked, so what is taken now has waited for the guest to let it in.
 */
static enum event_result deliver_due(struct cpu *c, bool opened, bool *again)
{
	*again = true;
	if (vapic_report_exit(c))
		return EVENT_EXIT;
	if (c->ev.triple_fault)
		return shutdown_exit(c);
	if (c->ev.exc_pending || c->ev.exc_injected)
		return deliver_exception(c);
	if (c->ev.nmi_injected)
		return deliver_nmi(c);
	if (c->ev.irq_injected)
		return deliver_irq(c);
	if (eoi_exit(c) || hv_exit(c))
		return EVENT_EXIT;
	if (READ_ONCE(c->ev.smi_pending) && !c->smm && !c->ev.shadow) {
		__atomic_store_n(&c->ev.smi_pending, false, __ATOMIC_RELEASE);
		if (watched())
			watch_event(c->vcpu, WATCH_SMI, 0);
		return delivered(c, cpu_enter_smm(c));
	}
	if (take_nmi(c)) {
		stat_add(c->vcpu, nmi_window_exits, opened);
		return EVENT_RUN;
	}
	if (take_interrupt(c)) {
		stat_add(c->vcpu, irq_window_exits, opened);
		return EVENT_RUN;
	}
	if (window_exit(c))
		return EVENT_EXIT;
	*again = false;
	return EVENT_RUN;
}

/* -- Sleeping ------------------------------------------------------------------------ */

bool event_mp_halted(const struct cpu *c)
{
	return c->mp_state == KVM_MP_STATE_HALTED ||
	       c->mp_state == KVM_MP_STATE_AP_RESET_HOLD;
}

bool event_wakes(struct cpu *c)
{
	struct events *ev = &c->ev;

	return ev->pv_unhalted || ev->exc_pending || ev->exc_injected || ev->irq_injected ||
	       ev->nmi_injected || ev->triple_fault ||
	       (READ_ONCE(ev->nmi_pending) && !ev->nmi_masked) ||
	       (READ_ONCE(ev->smi_pending) && !c->smm) ||
	       (irqs_open(c) && (irqchip_has_interrupt(c) || xen_upcall(c) >= 0));
}

static bool block(struct cpu *c)
{
	bool slept = vcpu_block(c->vcpu);

	stat_add(c->vcpu, halt_wakeup, slept && event_wakes(c));
	return slept;
}

static bool block_preempted(struct cpu *c)
{
	bool slept;

	steal_time_leave(c);
	slept = block(c);
	steal_time_enter(c);
	return slept;
}

/* MSR_KVM_POLL_CONTROL: a guest that polls by itself wants no other to. */
static void block_halted(struct cpu *c)
{
	bool allowed = MSR_VALUE(c, KVM_POLL_CONTROL) & 1, slept = false;
	struct halt h;

	if (!vcpu_halt_poll(c->vcpu, allowed, &h))
		slept = block_preempted(c);
	vcpu_halt_end(c->vcpu, &h, slept);
}

/* As real processors do, for as long as KVM_RUN is under way. */
static bool sleep_if_halted(struct cpu *c)
{
	if (likely(!c->halted))
		return false;
	if (event_wakes(c) || window_due(c)) {
		c->halted = false;
		c->ev.pv_unhalted = false;
		return false;
	}
	block(c);
	return true;
}

/* Not runnable: sleeps once.  The requests that woke it are processed next. */
static bool sleep_if_idle(struct cpu *c)
{
	if (likely(c->mp_state == KVM_MP_STATE_RUNNABLE))
		return sleep_if_halted(c);
	if (event_mp_halted(c) && event_wakes(c)) {
		c->mp_state = KVM_MP_STATE_RUNNABLE;
		c->ev.pv_unhalted = false;
		xen_poll_end(c);
		return false;
	}
	if (c->mp_state == KVM_MP_STATE_HALTED)
		block_halted(c);
	else
		block_preempted(c);
	return true;
}

bool event_ring_full_exit(struct cpu *c)
{
	if (likely(!dirty_ring_full(c->vcpu)))
		return false;
	c->vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return true;
}

/* -- Requests -------------------------------------------------------------------------- */

/* What writes guest memory comes last: it may unwind. */
static void requests_process(struct cpu *c, u32 req)
{
	stat_inc(c->vcpu, exits);
	stat_add(c->vcpu, req_event, !!(req & REQ_EVENT));
	stat_add(c->vcpu, irq_exits, !!(req & (REQ_SIGNAL | REQ_SYNC)));
	if (req & REQ_PAUSE) {
		vcpu_leave_guest(c->vcpu);
		if (vcpu_enter_guest(c->vcpu))
			mmu_flush_all(c);
	}
	if (req & REQ_SYNC) {
		mmu_flush_all(c);
		vcpu_ack_sync(c->vcpu);
	}
	if (req & REQ_TLB_FLUSH)
		mmu_flush_all(c);
	if (req & REQ_CODE)
		TRANSLATOR(c, code_changed);
	if (req & REQ_SWEEP)
		TRANSLATOR(c, sweep);
	if (req & REQ_TICK)
		watch_tick(c->vcpu);
	if (req & REQ_UNHALT)
		c->ev.pv_unhalted = true;
	if (req & REQ_PMU)
		pmu_reprogram(c);
	if (req & REQ_CLOCK) {
		clock_update(c);
		hv_tsc_page_update(c);
	}
	if (req & REQ_STIMER)
		hv_stimers_process(c);
	xen_process(c);
	steal_time_update(c);
	if (unlikely(READ_ONCE(c->ev.latched)))
		event_accept_init(c);
}

static bool one_by_one(const struct cpu *c)
{
	return c->ev.shadow || (c->rflags & X86_EFLAGS_TF) ||
	       READ_ONCE(c->ev.nmi_pending) || c->pending_db || cpu_debug_active(c) ||
	       (c->debugctl & DEBUGCTL_LBR);
}

bool event_quiet(const struct cpu *c)
{
	return !READ_ONCE(c->requests) && !one_by_one(c) && !c->pmu_active &&
	       !(c->irq_waits && c->rflags & X86_EFLAGS_IF) &&
	       c->mp_state == KVM_MP_STATE_RUNNABLE && !c->halted;
}

static enum event_result process(struct cpu *c)
{
	bool again, opened = true;
	enum event_result r;

	do {
		/* An instruction waits for its MMIO: nothing may come between. */
		bool held = c->mmio.count && !c->mmio.delivery;
		u32 req = vcpu_take_requests(c->vcpu, ~0u);

		if (req)
			requests_process(c, req);
		if (req & REQ_SIGNAL) {
			xen_poll_interrupt(c);
			c->vcpu->run->exit_reason = KVM_EXIT_INTR;
			return EVENT_EINTR;
		}
		if (held)
			return EVENT_RUN_ONE;
		if (unlikely(c->mp_state == KVM_MP_STATE_HALTED) && !event_wakes(c) &&
		    window_exit(c))
			return EVENT_EXIT;
		if (sleep_if_idle(c)) {
			again = true;
			continue;
		}
		if (event_ring_full_exit(c))
			return EVENT_EXIT;
		r = deliver_due(c, opened && !req, &again);
		opened = false;
		if (r != EVENT_RUN)
			return r;
	} while (again);

	c->irq_waits = irq_waits(c);
	c->plain_entry = !vapic_active(c) && !xen_enabled(c->vcpu->vm) && !c->vcpu->dirty_ring;
	return one_by_one(c) ? EVENT_RUN_ONE : EVENT_RUN;
}

enum event_result event_process(struct cpu *c)
{
	enum event_result r;

	if (!vapic_active(c))
		return process(c);
	vapic_load(c);
	r = process(c);
	vapic_store(c);
	return r;
}
