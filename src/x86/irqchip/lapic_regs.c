/* SPDX-License-Identifier: MIT */
/*
 * The LAPIC's registers, as the guest reaches them: through the APIC page
 * (SDM vol. 3A 11.4.1) or x2APIC MSRs (11.12.1).
 */
#include "x86/irqchip/lapic.h"

#include <string.h>

#include "x86/cpu/features.h"
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
	{ LAPIC_LVT_TIMER,	LVT_COMMON },	/* and the mode */
	{ LAPIC_LVT_THERMAL,	LVT_MODE },
	{ LAPIC_LVT_PMC,	LVT_MODE },
	{ LAPIC_LVT_LINT0,	LVT_LINT },
	{ LAPIC_LVT_LINT1,	LVT_LINT },
	{ LAPIC_LVT_ERROR,	LVT_COMMON },
};

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
	case LAPIC_TPR:
		irqchip_ops->tpr_access(l->cpu, false);
		irqchip_ops->tpr_refresh(l->cpu);
		*v = lapic_reg(l, LAPIC_TPR);
		break;
	case LAPIC_PPR:
		irqchip_ops->tpr_refresh(l->cpu);
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
	if (reg == LAPIC_LVT_TIMER) {
		lapic_timer_write_lvt(l, v & (lvts[i].mask | l->timer.mode_mask));
		return true;
	}
	v &= lvts[i].mask;
	if (reg == LAPIC_LVT_LINT0) {
		lapic_reg_set(l, reg, v);
		lapic_recount(l, before, lapic_census(l));
		if (l->ic->mode == IRQCHIP_SPLIT)
			irqchip_ops->interrupt(l->cpu);	/* the VMM may inject now */
		else
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
static void lapic_set_svr(struct lapic *l, u32 v)
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
	irqchip_ops->tpr_access(l->cpu, true);
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

bool lapic_read_any_mode(struct lapic *l, u32 msr, u64 *v)
{
	u32 reg = (msr - 0x800) << 4, lo;

	*v = 0;
	if (!lapic_reg_read(l, reg, &lo))
		return false;
	*v = lo;
	if (reg == LAPIC_ICR)
		*v |= (u64)lapic_reg(l, LAPIC_ICR2) << 32;
	return true;
}

bool lapic_write_any_mode(struct lapic *l, u32 msr, u64 v)
{
	u32 reg = (msr - 0x800) << 4;

	if (reg == LAPIC_ICR)
		lapic_reg_set(l, LAPIC_ICR2, v >> 32);
	else if (v >> 32)
		return false;
	return lapic_reg_write(l, reg, v);
}

static bool lapic_has_x2apic_msr(const struct lapic *l, u32 msr)
{
	return l && lapic_hw_enabled(l) && lapic_x2apic(l) && msr >= 0x800 && msr <= 0x8ff;
}

bool lapic_read_x2apic(struct lapic *l, u32 msr, u64 *v)
{
	*v = 0;
	return lapic_has_x2apic_msr(l, msr) && lapic_read_any_mode(l, msr, v);
}

bool lapic_write_x2apic(struct lapic *l, u32 msr, u64 v)
{
	return lapic_has_x2apic_msr(l, msr) && lapic_write_any_mode(l, msr, v);
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
	return !(READ_ONCE(l->vm->arch->disabled_quirks) & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
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
