/* SPDX-License-Identifier: MIT */
/*
 * Channel 0's interrupts: a pulse on GSI 0 for each tick.
 *
 * With reinjection (KVM_REINJECT_CONTROL, on by default) no tick is lost while
 * the guest is late: ticks are counted, a pulse is sent only when the guest
 * has ended the last one, and each such end sends the next at once until none
 * is pending.  Without, ticks that come too early coalesce in the chips.
 */
#include "x86/irqchip/pit_internal.h"

#include "api/arch.h"
#include "api/routing.h"
#include "x86/irqchip/lapic.h"
#include "x86/x86.h"

#define PIT_GSI			0u
#define NSEC_PER_SEC		1000000000ull
/* KVM: the shortest period of a periodic timer. */
#define PIT_MIN_PERIOD_NS	200000u

/* Linux used the PIT through LINT0 as an NMI watchdog. */
static void pit_kick_watchdog(struct vm *vm)
{
	struct vcpu *v;
	u32 i;

	if (!__atomic_load_n(&vm_irqchip(vm)->bus->nr_nmi_lint0, __ATOMIC_SEQ_CST))
		return;
	vm_for_each_vcpu(vm, i, v)
		if (v->cpu->lapic)
			lapic_local_deliver(v->cpu->lapic, LAPIC_LVT_LINT0);
}

static void pit_pulse(struct pit *p)
{
	routing_set_irq(p->vm, PIT_GSI, IRQ_SOURCE_PIT, 1);
	routing_set_irq(p->vm, PIT_GSI, IRQ_SOURCE_PIT, 0);
	pit_kick_watchdog(p->vm);
}

/* Drops the lock; sends a pulse if the last one was acknowledged. */
static void pit_unlock_and_pulse(struct pit *p)
{
	bool pulse = !p->stopped && (!p->reinject || p->acked);

	p->acked = false;
	pthread_mutex_unlock(&p->lock);
	if (pulse)
		pit_pulse(p);
}

static void pit_arm_locked(struct pit *p, u64 target_ns)
{
	if (p->stopped)
		target_ns = 0;
	p->target_ns = target_ns;
	worker_timer_arm(&p->tick, target_ns);
}

static void pit_tick_fn(struct worker_timer *wt)
{
	struct pit *p = container_of(wt, struct pit, tick);
	u64 now = worker_now_ns(), ticks = 1;

	pthread_mutex_lock(&p->lock);
	if (!p->target_ns || now < p->target_ns) {
		/* Stopped or moved while this expiry was on its way. */
		pit_arm_locked(p, p->target_ns);
		pthread_mutex_unlock(&p->lock);
		return;
	}
	if (p->period_ns)
		ticks += (now - p->target_ns) / p->period_ns;
	if (p->reinject)
		p->pending += ticks;
	pit_arm_locked(p, p->period_ns ? p->target_ns + ticks * p->period_ns : 0);
	pit_unlock_and_pulse(p);
}

static void pit_again_fn(struct worker_timer *wt)
{
	struct pit *p = container_of(wt, struct pit, again);

	pthread_mutex_lock(&p->lock);
	pit_unlock_and_pulse(p);
}

static void pit_reset_reinject_locked(struct pit *p)
{
	p->pending = 0;
	p->acked = true;
}

void pit_tick_start_locked(struct pit *p)
{
	u64 ns = (u64)p->channel[0].count * NSEC_PER_SEC / PIT_HZ;

	/* The HPET has taken over GSI 0: channel 0 counts, but is not heard. */
	if ((p->flags & KVM_PIT_FLAGS_HPET_LEGACY) || p->stopped) {
		p->period_ns = 0;
		pit_arm_locked(p, 0);
		return;
	}
	switch (p->channel[0].mode) {
	case 0: case 1: case 4:
		p->period_ns = 0;
		break;
	case 2: case 3:
		if (ns < PIT_MIN_PERIOD_NS)
			ns = PIT_MIN_PERIOD_NS;
		p->period_ns = ns;
		break;
	default:
		p->period_ns = 0;
		pit_arm_locked(p, 0);
		return;
	}
	pit_reset_reinject_locked(p);
	pit_arm_locked(p, worker_now_ns() + ns);
}

/* -- Acknowledgement ------------------------------------------------------------------ */

static bool pit_drives(const struct pit *p, u32 chip, u32 pin)
{
	return p && (__atomic_load_n(&p->pins[chip], __ATOMIC_ACQUIRE) & BIT(pin));
}

void pit_ack_pin(struct irqchip *ic, u32 chip, u32 pin)
{
	struct pit *p = irqchip_pit(ic);

	if (!pit_drives(p, chip, pin))
		return;
	pthread_mutex_lock(&p->lock);
	if (p->reinject) {
		p->acked = true;
		if (p->pending && --p->pending && !p->stopped)
			worker_timer_arm(&p->again, 1);
	}
	pthread_mutex_unlock(&p->lock);
}

/* What was pending while nobody could hear it is forgotten. */
void pit_pin_unmasked(struct irqchip *ic, u32 chip, u32 pin)
{
	struct pit *p = irqchip_pit(ic);

	if (!pit_drives(p, chip, pin))
		return;
	pthread_mutex_lock(&p->lock);
	pit_reset_reinject_locked(p);
	pthread_mutex_unlock(&p->lock);
}

void pit_set_reinject(struct pit *p, bool on)
{
	pthread_mutex_lock(&p->lock);
	if (on && !p->reinject)
		pit_reset_reinject_locked(p);
	p->reinject = on;
	pthread_mutex_unlock(&p->lock);
}

static void pit_note_route(const struct kvm_irq_routing_entry *e, void *ctx)
{
	u32 *pins = ctx;

	if (e->gsi == PIT_GSI && e->type == KVM_IRQ_ROUTING_IRQCHIP &&
	    e->u.irqchip.irqchip < KVM_NR_IRQCHIPS && e->u.irqchip.pin < 32)
		pins[e->u.irqchip.irqchip] |= BIT(e->u.irqchip.pin);
}

void pit_routes_changed(struct pit *p)
{
	u32 pins[KVM_NR_IRQCHIPS] = { 0 };

	routing_for_each(p->vm, pit_note_route, pins);
	for (u32 i = 0; i < ARRAY_SIZE(pins); i++)
		__atomic_store_n(&p->pins[i], pins[i], __ATOMIC_RELEASE);
}

/* -- Life -------------------------------------------------------------------------------- */

void pit_tick_init(struct pit *p)
{
	worker_timer_init(&p->tick, pit_tick_fn);
	worker_timer_init(&p->again, pit_again_fn);
	p->reinject = true;
	pit_reset_reinject_locked(p);
	pit_routes_changed(p);
}

void pit_stop(struct pit *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopped = true;
	pit_arm_locked(p, 0);
	pthread_mutex_unlock(&p->lock);
	worker_timer_cancel(&p->tick);
	worker_timer_cancel(&p->again);
}
