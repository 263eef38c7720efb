/* SPDX-License-Identifier: MIT */
/* Control and debug registers, EFER, XCR0 (SDM vol. 3A 2.5, 9.8, 17.2). */
#include "x86/api/api.h"
#include "x86/api/vapic.h"
#include "x86/cpu/protect.h"
#include "x86/irqchip/irqchip.h"
#include "x86/mmu/mmu.h"

#define CR0_EXISTING	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)
#define CR3_NOFLUSH	BIT_ULL(63)
#define CR3_PCID	0xfffull

static bool pae_paging(const struct cpu *c)	/* not long mode's */
{
	return (c->cr0 & X86_CR0_PG) && (c->cr4 & X86_CR4_PAE) && !cpu_long_mode(c);
}

/* -- CR0 ------------------------------------------------------------------------ */

static bool cr0_valid(const struct cpu *c, u64 v)
{
	if (v >> 32)
		return false;
	if ((v & X86_CR0_PG) && !(v & X86_CR0_PE))
		return false;
	if ((v & X86_CR0_NW) && !(v & X86_CR0_CD))
		return false;
	/* Paging goes off from compatibility mode, without PCIDs (2.5). */
	if ((c->cr0 & ~v & X86_CR0_PG) && (cpu_code64(c) || (c->cr4 & X86_CR4_PCIDE)))
		return false;
	return true;
}

/* Paging goes on with LME set (SDM vol. 3A 9.8.5). */
static bool long_mode_valid(const struct cpu *c)
{
	return (c->cr4 & X86_CR4_PAE) && !(c->seg[CS].attr & SEG_ATTR_L) &&
	       (c->seg[TR].attr & (SEG_ATTR_UNUSABLE | DESC_386));
}

static enum step write_cr0(struct cpu *c, u64 v)
{
	const u64 paging = X86_CR0_PG | X86_CR0_WP | X86_CR0_PE;
	const u64 reloads = X86_CR0_PG | X86_CR0_CD | X86_CR0_NW;
	u64 changed, on;

	if (!cr0_valid(c, v))
		return cpu_raise_gp0(c);
	v = (v & CR0_EXISTING) | X86_CR0_ET;
	changed = c->cr0 ^ v;
	on = changed & v;
	if ((on & X86_CR0_PG) && (c->efer & EFER_LME)) {
		if (!long_mode_valid(c))
			return cpu_raise_gp0(c);
		c->efer |= EFER_LMA;
	} else if ((changed & reloads) && (v & X86_CR0_PG) &&
		   (c->cr4 & X86_CR4_PAE) && !cpu_long_mode(c)) {
		TRY(mmu_load_pdptes(c, c->cr3));
	}
	if (changed & ~v & X86_CR0_PG)
		c->efer &= ~EFER_LMA;
	c->cr0 = v;
	if (changed & paging)
		mmu_flush_all(c);
	cpu_mode_changed(c);
	return STEP_NEXT;
}

/* -- CR3, CR4, CR8 ----------------------------------------------------------------- */

static enum step write_cr3(struct cpu *c, u64 v)
{
	if (cpu_long_mode(c)) {
		if (c->cr4 & X86_CR4_PCIDE)
			v &= ~CR3_NOFLUSH;
		if (v >> (c->maxphyaddr ? c->maxphyaddr : 52))
			return cpu_raise_gp0(c);
	} else if (pae_paging(c)) {
		TRY(mmu_load_pdptes(c, (u32)v));
	}
	c->cr3 = v;
	/* The TLB has no PCID tags: NOFLUSH is a hint that is not taken. */
	mmu_flush_nonglobal(c);
	return STEP_NEXT;
}

static const struct {
	u64 bit;
	enum feature feature;
} cr4_features[] = {
	{ X86_CR4_UMIP,			FEATURE_UMIP },
	{ X86_CR4_LA57,			FEATURE_LA57 },
	{ X86_CR4_FSGSBASE,		FEATURE_FSGSBASE },
	{ X86_CR4_PCIDE,		FEATURE_PCID },
	{ X86_CR4_OSXSAVE,		FEATURE_XSAVE },
	{ X86_CR4_SMEP,			FEATURE_SMEP },
	{ X86_CR4_SMAP,			FEATURE_SMAP },
	{ X86_CR4_PKE,			FEATURE_PKU },
};

/*
 * KVM: the bits of the first Pentiums are writable whatever CPUID says, later
 * ones only if we have the feature and the guest does; all that we have before
 * the VMM has said what the guest has.
 */
u64 cpu_cr4_allowed(const struct cpu *c)
{
	u64 allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		      X86_CR4_PAE | X86_CR4_PGE | X86_CR4_MCE | X86_CR4_PCE |
		      X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	for (u32 i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (host_has(cr4_features[i].feature) &&
		    (!c->cpuid || cpu_has(c, cr4_features[i].feature)))
			allowed |= cr4_features[i].bit;
	return allowed;
}

static bool cr4_valid(const struct cpu *c, u64 v)
{
	u64 on = v & ~c->cr4;

	if (v & ~cpu_cr4_allowed(c))
		return false;
	if (cpu_long_mode(c) && (!(v & X86_CR4_PAE) || ((v ^ c->cr4) & X86_CR4_LA57)))
		return false;
	return !(on & X86_CR4_PCIDE) || (cpu_long_mode(c) && !(c->cr3 & CR3_PCID));
}

static enum step write_cr4(struct cpu *c, u64 v)
{
	const u64 paging = X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP |
			   X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_PCIDE | X86_CR4_LA57;
	const u64 reloads = X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP;
	u64 changed = c->cr4 ^ v;

	if (!cr4_valid(c, v))
		return cpu_raise_gp0(c);
	if ((changed & reloads) && (v & X86_CR4_PAE) && (c->cr0 & X86_CR0_PG) &&
	    !cpu_long_mode(c))
		TRY(mmu_load_pdptes(c, c->cr3));
	c->cr4 = v;
	if (changed & paging)
		mmu_flush_all(c);
	cpu_mode_changed(c);
	return STEP_NEXT;
}

static enum step write_cr8(struct cpu *c, u64 v)
{
	u64 old = c->cr8;

	if (v > 15)
		return cpu_raise_gp0(c);
	c->cr8 = v;
	if (c->lapic) {
		lapic_set_cr8(c->lapic, v);
		if (vapic_active(c))
			vapic_store(c);
		return STEP_NEXT;
	}
	if (v >= old)
		return STEP_NEXT;
	/* Lower: the LAPIC in userspace may have an interrupt now. */
	c->vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return STEP_EXIT_DONE;
}

static u64 read_cr8(struct cpu *c)
{
	if (!c->lapic)
		return c->cr8;
	if (vapic_active(c))
		vapic_load(c);
	return lapic_get_cr8(c->lapic);
}

enum step cpu_write_cr(struct cpu *c, u32 n, u64 v)
{
	switch (n) {
	case 0: return write_cr0(c, v);
	case 2: c->cr2 = v; return STEP_NEXT;
	case 3: return write_cr3(c, v);
	case 4: return write_cr4(c, v);
	case 8: return write_cr8(c, v);
	default: return cpu_raise_ud(c);
	}
}

u64 cpu_read_cr(struct cpu *c, u32 n)
{
	switch (n) {
	case 0: return c->cr0;
	case 2: return c->cr2;
	case 3: return c->cr3;
	case 4: return c->cr4;
	case 8: return read_cr8(c);
	default: return 0;
	}
}

/* -- EFER and XCR0 ------------------------------------------------------------------ */

static u64 efer_allowed(const struct cpu *c)
{
	u64 allowed = 0;

	if (cpu_has(c, FEATURE_SYSCALL))
		allowed |= EFER_SCE;
	if (cpu_has(c, FEATURE_LM))
		allowed |= EFER_LME | EFER_LMA;
	if (cpu_has(c, FEATURE_NX))
		allowed |= EFER_NX;
	if (cpu_has(c, FEATURE_FXSR_OPT))
		allowed |= EFER_FFXSR;
	return allowed;
}

bool cpu_efer_valid(const struct cpu *c, u64 v)
{
	if (v & ~efer_allowed(c))
		return false;
	return !((c->efer ^ v) & EFER_LME) || !(c->cr0 & X86_CR0_PG);
}

/* LMA follows CR0.PG and LME; a guest that writes it changes nothing. */
enum step cpu_write_efer(struct cpu *c, u64 v)
{
	u64 changed;

	if (!cpu_efer_valid(c, v))
		return cpu_raise_gp0(c);
	v = (v & ~EFER_LMA) | (c->efer & EFER_LMA);
	changed = c->efer ^ v;
	c->efer = v;
	if (changed & EFER_NX)
		mmu_flush_all(c);
	cpu_mode_changed(c);
	return STEP_NEXT;
}

enum step cpu_write_xcr(struct cpu *c, u32 n, u64 v)
{
	const u64 avx512 = XFEATURE_OPMASK | XFEATURE_ZMM_HI | XFEATURE_ZMM_16;

	/* SDM vol. 1 13.3: x87 always, AVX with SSE, AVX-512 whole and with AVX. */
	if (n != 0 || !(v & XFEATURE_X87) || (v & ~(guest_xcr0(c) | XFEATURE_X87)))
		return cpu_raise_gp0(c);
	if ((v & XFEATURE_YMM) && !(v & XFEATURE_SSE))
		return cpu_raise_gp0(c);
	if ((v & avx512) && ((v & avx512) != avx512 || !(v & XFEATURE_YMM)))
		return cpu_raise_gp0(c);
	c->xcr0 = v;
	return STEP_NEXT;
}

/* -- Debug registers (SDM vol. 3B 17.2) ------------------------------------------------ */

#define DR6_WRITABLE	0xe00full
#define DR7_WRITABLE	0xffff2bffull

/* DR4 and DR5 are DR6 and DR7, or invalid; GD guards them all. */
static enum step dr_access(struct cpu *c, u32 *n)
{
	if (*n > 7 || ((*n == 4 || *n == 5) && (c->cr4 & X86_CR4_DE)))
		return cpu_raise_ud(c);
	if (*n == 4 || *n == 5)
		*n += 2;
	if (cpu_effective_dr7(c) & DR7_GD)
		return cpu_raise_db(c, DR6_BD);
	return STEP_NEXT;
}

enum step cpu_write_dr(struct cpu *c, u32 n, u64 v)
{
	TRY(dr_access(c, &n));
	if (n < 4) {
		c->dr[n] = v;
		return STEP_NEXT;
	}
	if (v >> 32)
		return cpu_raise_gp0(c);
	if (n == 6) {
		c->dr6 = (v & DR6_WRITABLE) | DR6_RESET;
	} else {
		c->dr7 = (v & DR7_WRITABLE) | DR7_RESET;
		mmu_class_changed(c);
	}
	return STEP_NEXT;
}

enum step cpu_read_dr(struct cpu *c, u32 n, u64 *v)
{
	TRY(dr_access(c, &n));
	if (n < 4)
		*v = c->dr[n];
	else
		*v = n == 6 ? c->dr6 : c->dr7;
	return STEP_NEXT;
}
