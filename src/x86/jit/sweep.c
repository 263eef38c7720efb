/* SPDX-License-Identifier: MIT */
/*
 * A vCPU that stays in guest compares its code with memory every few
 * milliseconds: what somebody outside has changed is noticed within that time,
 * whatever epoch.c believes.
 *
 * The timer goes on while the vCPU is in guest whenever it fires.  Of in_guest
 * and sweeping each side stores one before it reads the other.
 */
#include "x86/jit/sweep.h"

#define PERIOD_NS	20000000

static void arm(struct jit *j)
{
	worker_timer_arm(&j->sweep, worker_now_ns() + PERIOD_NS);
}

static void on_timer(struct worker_timer *t)
{
	struct jit *j = (struct jit *)((u8 *)t - offsetof(struct jit, sweep));

	__atomic_store_n(&j->sweeping, false, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&j->vcpu->in_guest, __ATOMIC_SEQ_CST) ||
	    __atomic_exchange_n(&j->sweeping, true, __ATOMIC_SEQ_CST))
		return;
	vcpu_request(j->vcpu, REQ_SWEEP);
	arm(j);
}

void sweep_create(struct cpu *c)
{
	c->jit->vcpu = c->vcpu;
	c->jit->sweeping = false;
	worker_timer_init(&c->jit->sweep, on_timer);
}

void sweep_destroy(struct jit *j)
{
	worker_timer_cancel(&j->sweep);
}

bool sweep_begin(struct jit *j)
{
	if (likely(__atomic_load_n(&j->sweeping, __ATOMIC_SEQ_CST)) ||
	    __atomic_exchange_n(&j->sweeping, true, __ATOMIC_SEQ_CST))
		return false;
	arm(j);
	return true;
}
