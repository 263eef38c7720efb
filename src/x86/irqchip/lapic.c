/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: acceptance and priorities of interrupts, modes and reset
 * (SDM vol. 3A chapter 11).
 *
 * Order that senders and the vCPU rely on: TMR before IRR before irr_pending
 * before ops->interrupt().  lapic_clear_irr() drops irr_pending before it
 * looks at IRR again, so that a bit set meanwhile is never forgotten.
 */
#include "x86/irqchip/lapic.h"

#include <stdlib.h>

#include "util/alloc.h"
#include "x86/irqchip/ioapic.h"
#include "x86/irqchip/pic.h"
#include "x86/x86.h"

/* -- Counts of the bus ----------------------------------------------------------- */

static void bus_count(u32 *counter, u32 before, u32 after, u32 bit)
{
	if (~before & after & bit)
		__atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
	else if (before & ~after & bit)
		__atomic_fetch_sub(counter, 1, __ATOMIC_SEQ_CST);
}

static bool lapic_lint0_is_nmi(const struct lapic *l)
{
	return (lapic_reg(l, LAPIC_LVT_LINT0) & (LVT_MASKED | APIC_MODE)) == APIC_MODE_NMI;
}

u32 lapic_census(const struct lapic *l)
{
	u32 bits = lapic_lint0_is_nmi(l) ? CENSUS_NMI_LINT0 : 0;

	if (!lapic_hw_enabled(l) || lapic_x2apic(l))
		return bits;
	bits |= CENSUS_XAPIC;
	if (l->id <= XAPIC_BROADCAST && lapic_reg(l, LAPIC_ID) >> 24 != l->id)
		bits |= CENSUS_MOVED;
	return bits;
}

void lapic_recount(struct lapic *l, u32 before, u32 after)
{
	struct apic_bus *bus = l->ic->bus;

	if (!bus)
		return;		/* the VM's chips went first */
	bus_count(&bus->nr_xapic, before, after, CENSUS_XAPIC);
	bus_count(&bus->nr_moved, before, after, CENSUS_MOVED);
	bus_count(&bus->nr_nmi_lint0, before, after, CENSUS_NMI_LINT0);
}

/* -- Acceptance -------------------------------------------------------------------- */

int lapic_highest(const struct lapic *l, u32 reg)
{
	for (int i = 7; i >= 0; i--) {
		u32 w = __atomic_load_n(&l->regs[(reg + i * 0x10) / 4], __ATOMIC_SEQ_CST);

		if (w)
			return i * 32 + 31 - __builtin_clz(w);
	}
	return -1;
}

static void lapic_set_irr(struct lapic *l, u8 vector)
{
	__atomic_fetch_or(lapic_bitmap_word(l, LAPIC_IRR, vector), BIT(vector % 32),
			  __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->irr_pending, 1, __ATOMIC_SEQ_CST);
}

static void lapic_clear_irr(struct lapic *l, u8 vector)
{
	__atomic_store_n(&l->irr_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(lapic_bitmap_word(l, LAPIC_IRR, vector), ~BIT(vector % 32),
			   __ATOMIC_SEQ_CST);
	if (lapic_highest(l, LAPIC_IRR) >= 0)
		__atomic_store_n(&l->irr_pending, 1, __ATOMIC_SEQ_CST);
}

static void lapic_set_tmr(struct lapic *l, u8 vector, bool level)
{
	u32 *w = lapic_bitmap_word(l, LAPIC_TMR, vector), bit = BIT(vector % 32);

	if (!!(READ_ONCE(*w) & bit) == level)
		return;
	if (level)
		__atomic_fetch_or(w, bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(w, ~bit, __ATOMIC_SEQ_CST);
}

/* KVM: vectors below 16 are accepted too, no illegal-vector error is recorded. */
static int lapic_accept_fixed(struct lapic *l, u8 vector, bool assert, bool level)
{
	if (level && !assert)
		return 0;
	if (!lapic_sw_enabled(l) || !lapic_hw_enabled(l))
		return 0;
	lapic_set_tmr(l, vector, level);
	lapic_set_irr(l, vector);
	irqchip_ops->interrupt(l->cpu);
	return 1;
}

int lapic_accept(struct lapic *l, u32 mode, u8 vector, bool assert, bool level)
{
	switch (mode) {
	case APIC_MODE_LOWEST:
		__atomic_fetch_add(&l->arb_prio, 1, __ATOMIC_RELAXED);
		return lapic_accept_fixed(l, vector, assert, level);
	case APIC_MODE_FIXED:
		return lapic_accept_fixed(l, vector, assert, level);
	case APIC_MODE_SMI:
		irqchip_ops->smi(l->cpu);
		return 1;
	case APIC_MODE_NMI:
		irqchip_ops->nmi(l->cpu);
		return 1;
	case APIC_MODE_INIT:
		/* A level de-assert only synchronised arbitration IDs. */
		if (level && !assert)
			return 0;
		irqchip_ops->init(l->cpu);
		return 1;
	case APIC_MODE_SIPI:
		irqchip_ops->sipi(l->cpu, vector);
		return 1;
	case APIC_MODE_REMRD:
		irqchip_ops->unhalt(l->cpu);
		return 1;
	default:
		/* ExtINT: taken through the PIC's output, irqchip_get_interrupt(). */
		return 0;
	}
}

int lapic_local_deliver(struct lapic *l, u32 lvt)
{
	u32 v = lapic_reg(l, lvt);

	if (!lapic_hw_enabled(l) || (v & LVT_MASKED))
		return 0;
	return lapic_accept(l, v & APIC_MODE, v & APIC_VECTOR, true, v & APIC_LEVEL);
}

int lapic_post(struct lapic *l, u8 vector)
{
	return lapic_accept(l, APIC_MODE_FIXED, vector, true, false);
}

/* -- Priorities, INTA and EOI ------------------------------------------------------ */

/* SDM vol. 3A 11.8.3.1. */
u32 lapic_ppr(const struct lapic *l)
{
	u32 tpr = lapic_reg(l, LAPIC_TPR) & 0xff;
	u32 isr = l->isr_top >= 0 ? l->isr_top & 0xf0 : 0;

	return (tpr & 0xf0) >= isr ? tpr : isr;
}

static int lapic_pending_vector(const struct lapic *l)
{
	int v;

	if (!lapic_hw_enabled(l))
		return -1;
	v = lapic_highest(l, LAPIC_IRR);
	return v >= 0 && (u32)(v & 0xf0) > (lapic_ppr(l) & 0xf0) ? v : -1;
}

bool lapic_has_interrupt(struct lapic *l)
{
	return __atomic_load_n(&l->irr_pending, __ATOMIC_ACQUIRE) &&
	       lapic_pending_vector(l) >= 0;
}

static bool in_set(const u64 set[4], u8 vector)
{
	return set[vector / 64] & BIT_ULL(vector % 64);
}

static void put_in_set(u64 set[4], u8 vector, bool in)
{
	set[vector / 64] &= ~BIT_ULL(vector % 64);
	set[vector / 64] |= (u64)in << vector % 64;
}

void lapic_set_synic(struct lapic *l, u8 vector, bool sint, bool auto_eoi)
{
	put_in_set(l->synic_vectors, vector, sint);
	put_in_set(l->auto_eoi, vector, auto_eoi);
}

int lapic_take(struct lapic *l)
{
	int v = lapic_pending_vector(l);

	if (v < 0)
		return -1;
	if (unlikely(in_set(l->auto_eoi, v))) {
		lapic_clear_irr(l, v);
		return v;
	}
	*lapic_bitmap_word(l, LAPIC_ISR, v) |= BIT(v % 32);
	l->isr_top = v;
	lapic_clear_irr(l, v);
	return v;
}

void lapic_look_again(struct lapic *l)
{
	if (irqchip_has_interrupt(l->cpu))
		irqchip_ops->interrupt(l->cpu);
}

void lapic_eoi(struct lapic *l)
{
	int v = l->isr_top;

	if (v < 0)
		return;
	*lapic_bitmap_word(l, LAPIC_ISR, v) &= ~BIT(v % 32);
	l->isr_top = lapic_highest(l, LAPIC_ISR);

	if (unlikely(in_set(l->synic_vectors, v)))
		irqchip_ops->synic_eoi(l->cpu, v);
	if (l->ic->mode == IRQCHIP_SPLIT) {
		u64 word = READ_ONCE(l->ic->bus->eoi_vectors[v / 64]);

		if (lapic_bit(l, LAPIC_TMR, v) && (word & BIT_ULL(v % 64)))
			irqchip_ops->eoi_exit(l->cpu, v);
	} else if (l->ic->ioapic) {
		ioapic_eoi(l->ic->ioapic, l, v, lapic_bit(l, LAPIC_TMR, v));
	}
	lapic_look_again(l);
	if (unlikely(l->cpu->vapic_gpa))
		irqchip_ops->tpr_changed(l->cpu);	/* the word shows ISR, too */
}

void lapic_set_tpr(struct lapic *l, u32 tpr)
{
	lapic_reg_set(l, LAPIC_TPR, tpr);
	lapic_look_again(l);
}

u64 lapic_get_cr8(const struct lapic *l)
{
	return (lapic_reg(l, LAPIC_TPR) & 0xf0) >> 4;
}

void lapic_set_cr8(struct lapic *l, u64 cr8)
{
	lapic_set_tpr(l, (cr8 & 0xf) << 4);
}

bool lapic_accepts_extint(const struct lapic *l)
{
	/* With the APIC off, the pin is the processor's INTR (SDM vol. 3A 11.4.3). */
	return !lapic_hw_enabled(l) ||
	       (lapic_reg(l, LAPIC_LVT_LINT0) & (LVT_MASKED | APIC_MODE)) == APIC_MODE_EXTINT;
}

bool lapic_queue_extint(struct lapic *l, u8 vector)
{
	if (READ_ONCE(l->user_extint))
		return false;
	l->user_vector = vector;
	__atomic_store_n(&l->user_extint, 1, __ATOMIC_RELEASE);
	irqchip_ops->interrupt(l->cpu);
	return true;
}

/* -- Mode, reset, life ---------------------------------------------------------------- */

/* Logical x2APIC ID: SDM vol. 3A 11.12.10.2. */
void lapic_set_x2apic_id(struct lapic *l)
{
	lapic_reg_set(l, LAPIC_ID, l->id);
	lapic_reg_set(l, LAPIC_LDR, (l->id >> 4) << 16 | BIT(l->id & 0xf));
}

void lapic_set_base(struct lapic *l, u64 v)
{
	u64 changed = l->base ^ v;
	u32 before = lapic_census(l);

	WRITE_ONCE(l->base, v);
	l->cpu->apic_base = v;
	if ((changed & (APIC_BASE_EN | APIC_BASE_EXTD)) && (v & APIC_BASE_EN)) {
		if (v & APIC_BASE_EXTD)
			lapic_set_x2apic_id(l);
		else
			lapic_reg_set(l, LAPIC_ID, l->id << 24);
	}
	lapic_recount(l, before, lapic_census(l));
	lapic_look_again(l);
}

static void lapic_reset_lvts(struct lapic *l)
{
	bool bsp = l->id == l->vm->arch->boot_cpu_id;

	for (u32 reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += 0x10)
		lapic_reg_set(l, reg, LVT_MASKED);
	/* KVM: firmware that knows no APIC gets its PIC interrupts. */
	if (bsp && !(READ_ONCE(l->vm->arch->disabled_quirks) & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_reg_set(l, LAPIC_LVT_LINT0, APIC_MODE_EXTINT);
}

static void lapic_reset_regs(struct lapic *l)
{
	static const u16 zeroed[] = { LAPIC_TPR, LAPIC_ESR, LAPIC_ICR, LAPIC_ICR2 };

	lapic_reset_lvts(l);
	for (size_t i = 0; i < ARRAY_SIZE(zeroed); i++)
		lapic_reg_set(l, zeroed[i], 0);
	if (!lapic_x2apic(l))
		lapic_reg_set(l, LAPIC_LDR, 0);
	lapic_reg_set(l, LAPIC_DFR, 0xffffffff);
	lapic_reg_set(l, LAPIC_SVR, 0xff);
	for (u32 i = 0; i < 8; i++) {
		lapic_reg_set(l, LAPIC_ISR + i * 0x10, 0);
		lapic_reg_set(l, LAPIC_TMR + i * 0x10, 0);
		__atomic_store_n(&l->regs[(LAPIC_IRR + i * 0x10) / 4], 0, __ATOMIC_SEQ_CST);
	}
	l->isr_top = -1;
}

void lapic_reset(struct lapic *l, bool init)
{
	bool bsp = l->id == l->vm->arch->boot_cpu_id;
	u32 before = lapic_census(l);

	lapic_timer_reset(l);
	if (!init) {
		WRITE_ONCE(l->base, APIC_DEFAULT_ADDR | APIC_BASE_EN |
				    (bsp ? APIC_BASE_BSP : 0));
		l->cpu->apic_base = l->base;
		lapic_reg_set(l, LAPIC_ID, l->id << 24);
		l->user_extint = 0;
	}
	lapic_reset_regs(l);
	l->arb_prio = 0;
	lapic_recount(l, before, lapic_census(l));
}

struct lapic *lapic_create(struct cpu *c, u32 apic_id)
{
	struct lapic *l = alloc_lines(sizeof(*l));
	struct irqchip *ic;

	if (!l)
		return NULL;
	ic = vm_irqchip(c->vcpu->vm);
	l->cpu = c;
	l->vm = c->vcpu->vm;
	l->ic = ic;
	l->id = apic_id;
	l->rtc_vector = -1;
	l->extint = ic->pic ? pic_output(ic->pic) : &l->user_extint;
	pthread_mutex_init(&l->lock, NULL);
	lapic_timer_init(l);
	lapic_reg_set(l, LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_reset(l, false);
	return l;
}

void lapic_destroy(struct lapic *l)
{
	if (!l)
		return;
	lapic_stop(l);
	lapic_recount(l, lapic_census(l), 0);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
