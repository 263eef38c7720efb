/* SPDX-License-Identifier: MIT */
/*
 * The LAPIC's timer (SDM vol. 3A 11.5.4): one-shot, periodic, TSC-deadline.
 *
 * The vCPU arms a worker timer; it expires on the worker thread, which sets
 * IRR.  Both sides change the target under l->lock, and an expiry counts only
 * if the target has really passed, so that one which raced with re-arming is
 * neither lost nor early.
 */
#include "x86/irqchip/lapic.h"

#include "x86/cpu/state.h"

/* A deadline further away than weeks is never: no overflow in ns. */
#define TSC_DELTA_MAX	BIT_ULL(53)

static u32 timer_mode(const struct lapic *l)
{
	return READ_ONCE(l->timer.mode);
}

/* The fourth mode is reserved: KVM's timer stands still in it. */
static bool timer_counts(const struct lapic *l)
{
	return timer_mode(l) == LVT_TIMER_ONESHOT || timer_mode(l) == LVT_TIMER_PERIODIC;
}

/* TDCR bits 3, 1 and 0: 000 divides by 2, ... 110 by 128, 111 by 1. */
static u32 timer_divider(const struct lapic *l)
{
	u32 tdcr = lapic_reg(l, LAPIC_TDCR);
	u32 code = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1u << ((code + 1) & 7);
}

static u64 timer_ticks_to_ns(const struct lapic *l, u32 ticks)
{
	return (u64)ticks * APIC_BUS_CYCLE_NS * timer_divider(l);
}

static u64 timer_limit_period(const struct lapic *l, u64 ns)
{
	if (ns && timer_mode(l) == LVT_TIMER_PERIODIC && ns < TIMER_MIN_PERIOD_NS)
		return TIMER_MIN_PERIOD_NS;
	return ns;
}

/* Caller holds l->lock.  0 disarms. */
static void timer_arm_locked(struct lapic *l, u64 target_ns)
{
	if (l->timer.stopped)
		target_ns = 0;
	if (!target_ns && !l->timer.target_ns)
		return;
	l->timer.target_ns = target_ns;
	worker_timer_arm(&l->timer.wt, target_ns);
}

/*
 * True if the target has passed, once per expiry; then the next is armed.
 * Periods that were missed altogether are one expiry, as IRR is one bit.
 */
static bool timer_expire_locked(struct lapic *l)
{
	u64 now = worker_now_ns(), target = l->timer.target_ns;

	if (!target)
		return false;
	if (now < target) {
		worker_timer_arm(&l->timer.wt, target);
		return false;
	}
	if (timer_mode(l) == LVT_TIMER_PERIODIC && l->timer.period_ns) {
		u64 period = l->timer.period_ns;

		timer_arm_locked(l, target + ((now - target) / period + 1) * period);
	} else {
		l->timer.tsc_deadline = 0;
		timer_arm_locked(l, 0);
	}
	return true;
}

static void timer_fn(struct worker_timer *wt)
{
	struct lapic *l = container_of(wt, struct lapic, timer.wt);
	bool expired;

	pthread_mutex_lock(&l->lock);
	expired = timer_expire_locked(l);
	pthread_mutex_unlock(&l->lock);
	if (expired)
		lapic_local_deliver(l, LAPIC_LVT_TIMER);
}

/*
 * Caller holds l->lock, and delivers the interrupt after dropping it if this
 * returns true: the deadline had passed already.
 */
static bool timer_start_locked(struct lapic *l, u64 target_ns)
{
	if (!target_ns || worker_now_ns() < target_ns) {
		timer_arm_locked(l, target_ns);
		return false;
	}
	l->timer.target_ns = target_ns;
	return timer_expire_locked(l);
}

static void timer_unlock(struct lapic *l, bool expired)
{
	pthread_mutex_unlock(&l->lock);
	if (expired)
		lapic_local_deliver(l, LAPIC_LVT_TIMER);
}

static void timer_clear_locked(struct lapic *l)
{
	l->timer.period_ns = 0;
	l->timer.tsc_deadline = 0;
	timer_arm_locked(l, 0);
}

/* -- Registers ------------------------------------------------------------------- */

/*
 * Entering or leaving TSC-deadline mode disarms (SDM vol. 3A 11.5.4.1).
 * KVM: so it does when KVM_SET_LAPIC is what changes the mode.
 */
static void timer_update_mode_locked(struct lapic *l)
{
	bool was = timer_mode(l) == LVT_TIMER_TSCDEADLINE;

	WRITE_ONCE(l->timer.mode, lapic_reg(l, LAPIC_LVT_TIMER) & l->timer.mode_mask);
	if (was != (timer_mode(l) == LVT_TIMER_TSCDEADLINE)) {
		lapic_reg_set(l, LAPIC_TMICT, 0);
		timer_clear_locked(l);
	}
	l->timer.period_ns = timer_limit_period(l, l->timer.period_ns);
}

void lapic_timer_write_lvt(struct lapic *l, u32 v)
{
	pthread_mutex_lock(&l->lock);
	lapic_reg_set(l, LAPIC_LVT_TIMER, v);
	timer_update_mode_locked(l);
	pthread_mutex_unlock(&l->lock);
}

/* KVM: what LVTT holds already goes on, whatever CPUID says from now on. */
void lapic_cpuid_changed(struct lapic *l, bool tsc_deadline)
{
	l->timer.mode_mask = tsc_deadline ? LVT_TIMER_MODE : LVT_TIMER_PERIODIC;
}

void lapic_timer_write_tmict(struct lapic *l, u32 v)
{
	bool expired = false;

	if (timer_mode(l) == LVT_TIMER_TSCDEADLINE)
		return;
	pthread_mutex_lock(&l->lock);
	lapic_reg_set(l, LAPIC_TMICT, v);
	l->timer.period_ns = timer_limit_period(l, timer_ticks_to_ns(l, v));
	if (l->timer.period_ns && timer_counts(l))
		expired = timer_start_locked(l, worker_now_ns() + l->timer.period_ns);
	else
		timer_arm_locked(l, 0);
	timer_unlock(l, expired);
}

/* What is left of the count is counted at the new speed. */
void lapic_timer_write_tdcr(struct lapic *l, u32 v)
{
	u32 old = timer_divider(l);
	u64 now = worker_now_ns(), left;
	bool expired = false;

	pthread_mutex_lock(&l->lock);
	lapic_reg_set(l, LAPIC_TDCR, v & 0xb);
	if (l->timer.period_ns && timer_divider(l) != old) {
		l->timer.period_ns = timer_limit_period(l,
				timer_ticks_to_ns(l, lapic_reg(l, LAPIC_TMICT)));
		if (l->timer.target_ns) {
			left = l->timer.target_ns > now ? l->timer.target_ns - now : 0;
			left = (u128)left * timer_divider(l) / old;
			expired = timer_start_locked(l, now + left);
		}
	}
	timer_unlock(l, expired);
}

u32 lapic_timer_tmcct(struct lapic *l)
{
	u64 now, target, period, left;

	if (timer_mode(l) == LVT_TIMER_TSCDEADLINE)
		return 0;
	pthread_mutex_lock(&l->lock);
	target = l->timer.target_ns;
	period = l->timer.period_ns;
	pthread_mutex_unlock(&l->lock);
	now = worker_now_ns();
	if (!period || !target)
		return 0;
	if (target > now)
		left = target - now;
	else if (timer_mode(l) == LVT_TIMER_PERIODIC)
		left = period - (now - target) % period;
	else
		left = 0;
	return left / (APIC_BUS_CYCLE_NS * timer_divider(l));
}

/* -- TSC deadline ---------------------------------------------------------------- */

static bool timer_start_deadline_locked(struct lapic *l)
{
	u64 deadline = l->timer.tsc_deadline, now, ns;

	if (!deadline) {
		timer_arm_locked(l, 0);
		return false;
	}
	now = irqchip_ops->tsc(l->cpu);
	if (now >= deadline)
		ns = worker_now_ns();
	else
		ns = irqchip_ops->tsc_to_ns(l->cpu, now + MIN(deadline - now, TSC_DELTA_MAX));
	return timer_start_locked(l, ns ? ns : 1);
}

/* Elsewhere the MSR reads as 0 and is ignored (SDM vol. 3A 11.5.4.1). */
static bool timer_has_deadline(const struct lapic *l)
{
	return l && lapic_hw_enabled(l) && timer_mode(l) == LVT_TIMER_TSCDEADLINE;
}

u64 lapic_get_tsc_deadline(struct lapic *l)
{
	u64 v = 0;

	if (!timer_has_deadline(l))
		return 0;
	pthread_mutex_lock(&l->lock);
	v = l->timer.tsc_deadline;
	pthread_mutex_unlock(&l->lock);
	return v;
}

void lapic_set_tsc_deadline(struct lapic *l, u64 v)
{
	bool expired;

	if (!timer_has_deadline(l))
		return;
	pthread_mutex_lock(&l->lock);
	l->timer.tsc_deadline = v;
	expired = timer_start_deadline_locked(l);
	timer_unlock(l, expired);
}

void lapic_tsc_changed(struct lapic *l)
{
	bool expired = false;

	if (!l || timer_mode(l) != LVT_TIMER_TSCDEADLINE)
		return;
	pthread_mutex_lock(&l->lock);
	if (l->timer.target_ns)
		expired = timer_start_deadline_locked(l);
	timer_unlock(l, expired);
}

/* -- Restore, reset, life ---------------------------------------------------------- */

void lapic_timer_suspend(struct lapic *l)
{
	pthread_mutex_lock(&l->lock);
	timer_arm_locked(l, 0);
	pthread_mutex_unlock(&l->lock);
}

/*
 * KVM: a count that had run out is due at once for one-shot, so that a timer
 * which expired around the save is not lost; a periodic one starts afresh.
 */
static bool timer_resume_count_locked(struct lapic *l, u32 tmcct)
{
	u64 left;

	l->timer.tsc_deadline = 0;
	l->timer.period_ns = timer_limit_period(l,
			timer_ticks_to_ns(l, lapic_reg(l, LAPIC_TMICT)));
	if (!l->timer.period_ns)
		return false;
	left = MIN(timer_ticks_to_ns(l, tmcct), l->timer.period_ns);
	if (!left && timer_mode(l) == LVT_TIMER_PERIODIC)
		left = l->timer.period_ns;
	return timer_start_locked(l, worker_now_ns() + left);
}

/* No register holds the deadline: it stays if the mode does. */
void lapic_timer_restore(struct lapic *l)
{
	u32 tmcct = lapic_reg(l, LAPIC_TMCCT);
	bool expired = false;

	pthread_mutex_lock(&l->lock);
	lapic_reg_set(l, LAPIC_TMCCT, 0);
	timer_update_mode_locked(l);
	if (timer_counts(l))
		expired = timer_resume_count_locked(l, tmcct);
	else if (timer_mode(l) == LVT_TIMER_TSCDEADLINE)
		expired = timer_start_deadline_locked(l);
	timer_unlock(l, expired);
}

void lapic_timer_reset(struct lapic *l)
{
	pthread_mutex_lock(&l->lock);
	lapic_reg_set(l, LAPIC_TMICT, 0);
	lapic_reg_set(l, LAPIC_TDCR, 0);
	lapic_reg_set(l, LAPIC_LVT_TIMER, LVT_MASKED);
	WRITE_ONCE(l->timer.mode, LVT_TIMER_ONESHOT);
	timer_clear_locked(l);
	pthread_mutex_unlock(&l->lock);
}

void lapic_timer_init(struct lapic *l)
{
	worker_timer_init(&l->timer.wt, timer_fn);
}

void lapic_stop(struct lapic *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->timer.stopped = true;
	timer_arm_locked(l, 0);
	pthread_mutex_unlock(&l->lock);
	worker_timer_cancel(&l->timer.wt);
}
