/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: its registers, through the APIC page or x2APIC MSRs, and
 * the acceptance of interrupts (SDM vol. 3A chapter 11).
 *
 * Order that senders and the vCPU rely on: TMR before IRR before irr_pending
 * before ops->interrupt().  lapic_clear_irr() drops irr_pending before it
 * looks at IRR again, so that a bit set meanwhile is never forgotten.
 */
#include "x86/irqchip/lapic.h"

#include <stdlib.h>
#include <string.h>

#include "x86/cpu/features.h"
#include "x86/irqchip/ioapic.h"
#include "x86/irqchip/pic.h"
#include "x86/x86.h"

#define LAPIC_VERSION_ID	0x14u
#define LAPIC_NR_LVT		6u
#define LVT_COMMON		(LVT_MASKED | APIC_BUSY | APIC_VECTOR)
#define LVT_MODE		(LVT_COMMON | APIC_MODE)
#define LVT_LINT		(LVT_MODE | APIC_POLARITY | APIC_REMOTE_IRR | APIC_LEVEL)
#define APIC_PAGE_SIZE		0x1000u

static const struct {
	u16 reg;
	u32 mask;	/* writable bits */
} lvts[LAPIC_NR_LVT] = {
	{ LAPIC_LVT_TIMER,	LVT_COMMON | LVT_TIMER_MODE },
	{ LAPIC_LVT_THERMAL,	LVT_MODE },
	{ LAPIC_LVT_PMC,	LVT_MODE },
	{ LAPIC_LVT_LINT0,	LVT_LINT },
	{ LAPIC_LVT_LINT1,	LVT_LINT },
	{ LAPIC_LVT_ERROR,	LVT_COMMON },
};

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
		/* KVM: the PV unhalt of KVM_HC_KICK_CPU; the caller has woken it. */
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

void lapic_post(struct lapic *l, u8 vector)
{
	lapic_accept(l, APIC_MODE_FIXED, vector, true, false);
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

int lapic_take(struct lapic *l)
{
	int v = lapic_pending_vector(l);

	if (v < 0)
		return -1;
	*lapic_bitmap_word(l, LAPIC_ISR, v) |= BIT(v % 32);
	l->isr_top = v;
	lapic_clear_irr(l, v);
	return v;
}

static void lapic_look_again(struct lapic *l)
{
	if (irqchip_has_interrupt(l->cpu))
		irqchip_ops->interrupt(l->cpu);
}

static void lapic_eoi(struct lapic *l)
{
	int v = l->isr_top;

	if (v < 0)
		return;
	*lapic_bitmap_word(l, LAPIC_ISR, v) &= ~BIT(v % 32);
	l->isr_top = lapic_highest(l, LAPIC_ISR);

	if (l->ic->mode == IRQCHIP_SPLIT) {
		u64 word = READ_ONCE(l->ic->bus->eoi_vectors[v / 64]);

		if (lapic_bit(l, LAPIC_TMR, v) && (word & BIT_ULL(v % 64)))
			irqchip_ops->eoi_exit(l->cpu, v);
	} else if (l->ic->ioapic) {
		ioapic_eoi(l->ic->ioapic, v, lapic_bit(l, LAPIC_TMR, v));
	}
	lapic_look_again(l);
}

static void lapic_set_tpr(struct lapic *l, u32 tpr)
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

/* -- Registers ---------------------------------------------------------------------- */

u32 lapic_version(const struct lapic *l)
{
	const struct cpu_features *f = l->cpu->features;
	u32 v = LAPIC_VERSION_ID | (LAPIC_NR_LVT - 1) << 16;

	/* KVM: its own IOAPIC (version 11h) has no EOI register. */
	if (l->ic->mode == IRQCHIP_SPLIT && f && f->has[FEATURE_X2APIC])
		v |= VERSION_DIRECTED_EOI;
	return v;
}

static bool lapic_reg_readable(const struct lapic *l, u32 reg)
{
	switch (reg) {
	case LAPIC_ID: case LAPIC_VERSION: case LAPIC_TPR: case LAPIC_PPR:
	case LAPIC_LDR: case LAPIC_SVR:
	case LAPIC_ISR ... LAPIC_ESR:
	case LAPIC_ICR:
	case LAPIC_LVT_TIMER ... LAPIC_TMCCT:
	case LAPIC_TDCR:
		return true;
	case LAPIC_APR: case LAPIC_DFR: case LAPIC_ICR2:
		return !lapic_x2apic(l);
	default:
		return false;
	}
}

bool lapic_reg_read(struct lapic *l, u32 reg, u32 *v)
{
	*v = 0;
	if (!lapic_reg_readable(l, reg))
		return false;
	switch (reg) {
	case LAPIC_VERSION:
		*v = lapic_version(l);
		break;
	case LAPIC_APR:
		break;
	case LAPIC_PPR:
		*v = lapic_ppr(l);
		break;
	case LAPIC_TMCCT:
		*v = lapic_timer_tmcct(l);
		break;
	default:
		*v = lapic_reg(l, reg);
	}
	return true;
}

static bool lapic_write_id(struct lapic *l, u32 v)
{
	u32 before = lapic_census(l);

	if (lapic_x2apic(l))
		return false;
	lapic_reg_set(l, LAPIC_ID, v & 0xff000000);
	lapic_recount(l, before, lapic_census(l));
	return true;
}

static bool lapic_write_lvt(struct lapic *l, u32 reg, u32 v)
{
	u32 i = (reg - LAPIC_LVT_TIMER) / 0x10, before = lapic_census(l);

	if (!lapic_sw_enabled(l))
		v |= LVT_MASKED;
	v &= lvts[i].mask;
	if (reg == LAPIC_LVT_TIMER) {
		lapic_timer_write_lvt(l, v);
	} else if (reg == LAPIC_LVT_LINT0) {
		lapic_reg_set(l, reg, v);
		lapic_recount(l, before, lapic_census(l));
		lapic_look_again(l);
	} else {
		lapic_reg_set(l, reg, v);
	}
	return true;
}

static void lapic_mask_lvts(struct lapic *l)
{
	u32 before = lapic_census(l);

	for (u32 i = 0; i < LAPIC_NR_LVT; i++)
		if (lvts[i].reg != LAPIC_LVT_TIMER)
			lapic_reg_set(l, lvts[i].reg, lapic_reg(l, lvts[i].reg) | LVT_MASKED);
	lapic_recount(l, before, lapic_census(l));
	lapic_timer_write_lvt(l, lapic_reg(l, LAPIC_LVT_TIMER) | LVT_MASKED);
}

/* SDM vol. 3A 11.9, and 11.4.7.2 for the software-disabled state. */
void lapic_set_svr(struct lapic *l, u32 v)
{
	u32 mask = APIC_VECTOR | SVR_ENABLE | SVR_FOCUS;

	if (lapic_version(l) & VERSION_DIRECTED_EOI)
		mask |= SVR_DIRECTED_EOI;
	lapic_reg_set(l, LAPIC_SVR, v & mask);
	if (!(v & SVR_ENABLE))
		lapic_mask_lvts(l);
}

static bool lapic_write_icr(struct lapic *l, u32 v)
{
	v &= ~APIC_BUSY;
	lapic_send_ipi(l, v, lapic_reg(l, LAPIC_ICR2));
	lapic_reg_set(l, LAPIC_ICR, v);
	return true;
}

static bool lapic_write_self_ipi(struct lapic *l, u32 v)
{
	if (!lapic_x2apic(l) || (v & ~APIC_VECTOR))
		return false;
	lapic_send_ipi(l, APIC_SHORTHAND_SELF | v, 0);
	return true;
}

/* LDR, DFR and the high half of ICR are there in xAPIC mode alone. */
static bool lapic_write_xapic(struct lapic *l, u32 reg, u32 v)
{
	if (lapic_x2apic(l))
		return false;
	lapic_reg_set(l, reg, reg == LAPIC_DFR ? v | 0x0fffffff : v & 0xff000000);
	return true;
}

static bool lapic_write_tpr(struct lapic *l, u32 v)
{
	lapic_set_tpr(l, v & 0xff);
	irqchip_ops->tpr_changed(l->cpu);
	return true;
}

static bool lapic_write_timer(struct lapic *l, u32 reg, u32 v)
{
	if (reg == LAPIC_TMICT)
		lapic_timer_write_tmict(l, v);
	else
		lapic_timer_write_tdcr(l, v);
	return true;
}

bool lapic_reg_write(struct lapic *l, u32 reg, u32 v)
{
	switch (reg) {
	case LAPIC_ID:
		return lapic_write_id(l, v);
	case LAPIC_TPR:
		return lapic_write_tpr(l, v);
	case LAPIC_EOI:
		lapic_eoi(l);
		return true;
	case LAPIC_LDR: case LAPIC_DFR: case LAPIC_ICR2:
		return lapic_write_xapic(l, reg, v);
	case LAPIC_SVR:
		lapic_set_svr(l, v);
		return true;
	case LAPIC_ESR:
		/* KVM records no errors: the register stays 0. */
		return !lapic_x2apic(l) || v == 0;
	case LAPIC_ICR:
		return lapic_write_icr(l, v);
	case LAPIC_LVT_TIMER: case LAPIC_LVT_THERMAL: case LAPIC_LVT_PMC:
	case LAPIC_LVT_LINT0: case LAPIC_LVT_LINT1: case LAPIC_LVT_ERROR:
		return lapic_write_lvt(l, reg, v);
	case LAPIC_TMICT: case LAPIC_TDCR:
		return lapic_write_timer(l, reg, v);
	case LAPIC_SELF_IPI:
		return lapic_write_self_ipi(l, v);
	default:
		return false;
	}
}

/* -- x2APIC MSRs (SDM vol. 3A 11.12.1) --------------------------------------------- */

bool lapic_read_x2apic(struct lapic *l, u32 msr, u64 *v)
{
	u32 reg = (msr - 0x800) << 4, lo;

	*v = 0;
	if (!l || !lapic_hw_enabled(l) || !lapic_x2apic(l) || msr < 0x800 || msr > 0x8ff ||
	    !lapic_reg_read(l, reg, &lo))
		return false;
	*v = lo;
	if (reg == LAPIC_ICR)
		*v |= (u64)lapic_reg(l, LAPIC_ICR2) << 32;
	return true;
}

bool lapic_write_x2apic(struct lapic *l, u32 msr, u64 v)
{
	u32 reg = (msr - 0x800) << 4;

	if (!l || !lapic_hw_enabled(l) || !lapic_x2apic(l) || msr < 0x800 || msr > 0x8ff)
		return false;
	if (reg == LAPIC_ICR)
		lapic_reg_set(l, LAPIC_ICR2, v >> 32);
	else if (v >> 32)
		return false;
	return lapic_reg_write(l, reg, v);
}

/* -- The APIC page ------------------------------------------------------------------- */

static bool lapic_in_page(const struct lapic *l, gpa_t gpa)
{
	return gpa - (l->base & APIC_BASE_ADDR) < APIC_PAGE_SIZE;
}

/* The page is there, but nothing behind it: KVM answers unless told not to. */
static bool lapic_page_is_hole(const struct lapic *l)
{
	return !lapic_hw_enabled(l) || lapic_x2apic(l);
}

static bool lapic_quirk_mmio_hole(const struct lapic *l)
{
	return !(l->vm->arch->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

bool lapic_mmio_read(struct lapic *l, gpa_t gpa, u32 len, void *data)
{
	u32 off = (gpa - (l->base & APIC_BASE_ADDR)) & 0xfff, at = off & 0xf, v;

	if (!lapic_in_page(l, gpa))
		return false;
	if (lapic_page_is_hole(l)) {
		if (lapic_quirk_mmio_hole(l))
			memset(data, 0xff, len);
		return lapic_quirk_mmio_hole(l);
	}
	memset(data, 0, len);
	if (at + len <= sizeof(v) && lapic_reg_read(l, off & 0xff0, &v))
		memcpy(data, (u8 *)&v + at, len);
	return true;
}

bool lapic_mmio_write(struct lapic *l, gpa_t gpa, u32 len, const void *data)
{
	u32 off = (gpa - (l->base & APIC_BASE_ADDR)) & 0xfff, v;

	if (!lapic_in_page(l, gpa))
		return false;
	if (lapic_page_is_hole(l))
		return lapic_quirk_mmio_hole(l);
	/* SDM vol. 3A 11.4.1: aligned 32-bit stores; KVM drops the others. */
	if (len != sizeof(v) || (off & 0xf))
		return true;
	memcpy(&v, data, sizeof(v));
	lapic_reg_write(l, off, v);
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

	for (u32 i = 0; i < LAPIC_NR_LVT; i++)
		lapic_reg_set(l, lvts[i].reg, LVT_MASKED);
	/* KVM: firmware that knows no APIC gets its PIC interrupts. */
	if (bsp && !(l->vm->arch->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
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
	struct lapic *l = calloc(1, sizeof(*l));
	struct irqchip *ic;

	if (!l)
		return NULL;
	ic = vm_irqchip(c->vcpu->vm);
	l->cpu = c;
	l->vm = c->vcpu->vm;
	l->ic = ic;
	l->id = apic_id;
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
