/* SPDX-License-Identifier: MIT */
/* KVM_GET_LAPIC and KVM_SET_LAPIC (api.rst 4.57, 4.58). */
#include "x86/irqchip/lapic.h"

#include <errno.h>
#include <string.h>

#include "x86/cpu/state.h"

_Static_assert(sizeof(struct kvm_lapic_state) == LAPIC_REGS_SIZE, "KVM_GET_LAPIC's layout");

static void state_put(u32 *regs, u32 reg, u32 v)
{
	regs[reg / 4] = v;
}

void lapic_get_state(struct lapic *l, struct kvm_lapic_state *s)
{
	u32 regs[LAPIC_REGS_SIZE / 4];

	for (u32 i = 0; i < ARRAY_SIZE(regs); i++)
		regs[i] = READ_ONCE(l->regs[i]);
	state_put(regs, LAPIC_VERSION, lapic_version(l));
	state_put(regs, LAPIC_PPR, lapic_ppr(l));
	state_put(regs, LAPIC_TMCCT, lapic_timer_tmcct(l));
	/* Without KVM_X2APIC_API_USE_32BIT_IDS, the ID looks as in xAPIC mode. */
	if (lapic_x2apic(l) && !l->ic->x2apic_32bit_ids)
		state_put(regs, LAPIC_ID, l->id << 24);
	memcpy(s->regs, regs, sizeof(regs));
}

/* Registers that senders set bits in are replaced word by word. */
static void lapic_load_regs(struct lapic *l, const u32 *regs)
{
	u32 before = lapic_census(l);

	for (u32 i = 0; i < LAPIC_REGS_SIZE / 4; i++)
		__atomic_store_n(&l->regs[i], regs[i], __ATOMIC_SEQ_CST);
	if (lapic_x2apic(l))
		lapic_set_x2apic_id(l);
	lapic_recount(l, before, lapic_census(l));
}

int lapic_set_state(struct lapic *l, const struct kvm_lapic_state *s)
{
	u32 regs[LAPIC_REGS_SIZE / 4];

	memcpy(regs, s->regs, sizeof(regs));
	if (lapic_x2apic(l) && l->ic->x2apic_32bit_ids && regs[LAPIC_ID / 4] != l->id)
		return -EINVAL;
	/* A worker that expires now must find no timer, whatever LVTT says. */
	lapic_timer_suspend(l);
	lapic_load_regs(l, regs);
	l->isr_top = lapic_highest(l, LAPIC_ISR);
	__atomic_store_n(&l->irr_pending, 1, __ATOMIC_SEQ_CST);
	l->arb_prio = 0;
	lapic_timer_restore(l);
	irqchip_ops->interrupt(l->cpu);
	return 0;
}
