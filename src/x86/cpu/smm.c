/* SPDX-License-Identifier: MIT */
/*
 * System management mode: SMI and RSM (SDM vol. 3C chapter 32), with the
 * state-save area of AMD64 if the guest has long mode, as KVM has it.
 * SMRAM is memory of address space 1, which cpu_slots() gives once cpu->smm.
 */
#include "x86/cpu/smm.h"

#include <string.h>

#include "x86/cpu/features.h"
#include "x86/cpu/protect.h"
#include "x86/mmu/mmu.h"
#include "x86/x86.h"

enum {
	SMM_SAVE_OFFSET	= 0xfe00,
	SMM_ENTRY	= 0x8000,
	ATTR_SMM	= SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_G | SEG_ATTR_TYPE_W |
			  SEG_ATTR_TYPE_A,
};

/* -- The save area ---------------------------------------------------------------- */

static struct smm_segment save_segment(const struct segment *s)
{
	return (struct smm_segment){
		.selector = s->selector, .limit = s->limit, .base = s->base,
		.attr = (s->attr & SEG_ATTR_UNUSABLE ? s->attr & ~SEG_ATTR_P : s->attr) & 0xf0ff,
	};
}

static struct segment restore_segment(const struct smm_segment *s)
{
	return (struct segment){
		.selector = s->selector, .limit = s->limit, .base = s->base,
		.attr = (s->attr & 0xf0ff) | (s->attr & SEG_ATTR_P ? 0 : SEG_ATTR_UNUSABLE),
	};
}

static void save_state(const struct cpu *c, struct smm_save *a)
{
	struct smm_segment *seg = &a->es;

	memset(a, 0, sizeof(*a));
	for (u32 i = ES; i <= GS; i++)
		seg[i] = save_segment(&c->seg[i]);
	a->ldtr = save_segment(&c->seg[LDTR]);
	a->tr = save_segment(&c->seg[TR]);
	a->gdtr = (struct smm_segment){ .limit = c->gdtr.limit, .base = c->gdtr.base };
	a->idtr = (struct smm_segment){ .limit = c->idtr.limit, .base = c->idtr.base };
	a->efer = c->efer;
	a->revision = SMM_REVISION;
	a->smbase = c->smbase;
	a->cr4 = c->cr4;
	a->cr3 = c->cr3;
	a->cr0 = c->cr0;
	a->dr7 = c->dr7;
	a->dr6 = c->dr6;
	a->rflags = cpu_rflags(c);
	a->rip = c->rip;
	for (u32 i = 0; i < NR_GPRS; i++)
		a->gpr[NR_GPRS - 1 - i] = c->gpr[i];
}

/* RSM shuts down rather than load what MOV CR would refuse (32.14.3). */
static bool state_valid(const struct cpu *c, const struct smm_save *a)
{
	bool pg = a->cr0 & X86_CR0_PG, lma = a->efer & EFER_LMA;

	if (a->cr0 >> 32 || (pg && !(a->cr0 & X86_CR0_PE)))
		return false;
	if ((a->cr0 & X86_CR0_NW) && !(a->cr0 & X86_CR0_CD))
		return false;
	if (a->cr4 & ~cpu_cr4_allowed(c))
		return false;
	if (lma != (pg && (a->efer & EFER_LME)) || (lma && !(a->cr4 & X86_CR4_PAE)))
		return false;
	return !(a->dr6 >> 32) && !(a->dr7 >> 32);
}

static void restore_state(struct cpu *c, const struct smm_save *a)
{
	const struct smm_segment *seg = &a->es;

	for (u32 i = ES; i <= GS; i++)
		c->seg[i] = restore_segment(&seg[i]);
	c->seg[LDTR] = restore_segment(&a->ldtr);
	c->seg[TR] = restore_segment(&a->tr);
	c->gdtr = (struct dtable){ .limit = (u16)a->gdtr.limit, .base = a->gdtr.base };
	c->idtr = (struct dtable){ .limit = (u16)a->idtr.limit, .base = a->idtr.base };
	c->efer = a->efer;
	c->smbase = a->smbase;
	c->cr4 = a->cr4;
	c->cr3 = a->cr3;
	c->cr0 = a->cr0 | X86_CR0_ET;
	c->dr7 = a->dr7 | DR7_RESET;
	c->dr6 = a->dr6;
	cpu_set_rflags(c, a->rflags & X86_EFLAGS_ALL);
	c->rip = a->rip;
	for (u32 i = 0; i < NR_GPRS; i++)
		c->gpr[i] = a->gpr[NR_GPRS - 1 - i];
}

/* -- SMRAM ----------------------------------------------------------------------- */

/* KVM: where there is no memory, the state is lost without notice. */
static void write_area(struct cpu *c, const struct smm_save *a)
{
	const gpa_t at = (u32)c->smbase + SMM_SAVE_OFFSET;
	struct smm_save32 a32;

	if (cpu_has(c, FEATURE_LM)) {
		gpa_write(c, at, a, sizeof(*a));
	} else {
		smm_save_to_32(a, &a32);
		gpa_write(c, at, &a32, sizeof(a32));
	}
}

static bool read_area(struct cpu *c, struct smm_save *a)
{
	const gpa_t at = (u32)c->smbase + SMM_SAVE_OFFSET;
	struct smm_save32 a32;

	if (cpu_has(c, FEATURE_LM))
		return gpa_read(c, at, a, sizeof(*a));
	if (!gpa_read(c, at, &a32, sizeof(a32)))
		return false;
	smm_save_from_32(&a32, c->efer, a);
	return true;
}

/* -- SMI ---------------------------------------------------------------------------- */

static void smm_registers(struct cpu *c)
{
	cpu_set_rflags(c, X86_EFLAGS_FIXED);
	c->rip = SMM_ENTRY;
	c->cr0 &= ~(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
	c->cr4 = 0;
	if (cpu_has(c, FEATURE_LM))
		c->efer = 0;
	c->dr7 = DR7_RESET;
	c->idtr = (struct dtable){ 0 };
	for (u32 i = ES; i <= GS; i++)
		seg_set_flat(&c->seg[i], 0, ATTR_SMM);
	c->seg[CS].selector = (u16)(c->smbase >> 4);
	c->seg[CS].base = (u32)c->smbase;
}

enum step cpu_enter_smm(struct cpu *c)
{
	struct smm_save area;

	save_state(c, &area);
	c->smm = true;
	write_area(c, &area);
	c->ev.smm_inside_nmi = c->ev.nmi_masked;
	WRITE_ONCE(c->ev.nmi_masked, true);
	c->ev.shadow = 0;
	smm_registers(c);
	mmu_flush_all(c);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

/* -- RSM ------------------------------------------------------------------------------ */

static enum step rsm_shutdown(struct cpu *c)
{
	c->ev.triple_fault = true;
	vcpu_request(c->vcpu, REQ_EVENT);
	return STEP_JUMP;
}

enum step cpu_rsm(struct cpu *c)
{
	struct smm_save area;

	if (!read_area(c, &area) || !state_valid(c, &area))
		return rsm_shutdown(c);
	c->smm = false;
	WRITE_ONCE(c->ev.nmi_masked, c->ev.smm_inside_nmi);
	c->ev.smm_inside_nmi = false;
	restore_state(c, &area);
	mmu_flush_all(c);
	cpu_mode_changed(c);
	if ((c->cr0 & X86_CR0_PG) && (c->cr4 & X86_CR4_PAE) && !cpu_long_mode(c) &&
	    mmu_load_pdptes(c, c->cr3) != STEP_NEXT)
		return rsm_shutdown(c);
	/* SMI, NMI and INIT have waited for this. */
	vcpu_request(c->vcpu, REQ_EVENT);
	return STEP_JUMP;
}
