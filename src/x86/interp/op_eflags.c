/* SPDX-License-Identifier: MIT */
/* The flags that depend on privilege: CLI, STI, PUSHF, POPF, CLAC, STAC. */
#include "x86/cpu/vm86.h"
#include "x86/interp/exec.h"
#include "x86/interp/ops.h"
#include "x86/interp/system.h"
#include "x86/mmu/access.h"

static bool iopl_permits(const struct cpu *c)
{
	return c->cpl <= cpu_iopl(c);
}

enum step op_cli(struct cpu *c, const struct insn *in)
{
	if (iopl_permits(c))
		c->rflags &= ~X86_EFLAGS_IF;
	else if (vme_active(c) || pvi_active(c))
		c->rflags &= ~X86_EFLAGS_VIF;
	else
		return cpu_raise_gp0(c);
	return STEP_NEXT;
}

enum step op_sti(struct cpu *c, const struct insn *in)
{
	if (iopl_permits(c)) {
		if (!(c->rflags & X86_EFLAGS_IF))
			c->ev.shadow = KVM_X86_SHADOW_INT_STI;
		c->rflags |= X86_EFLAGS_IF;
		return STEP_END;
	}
	if (!(vme_active(c) || pvi_active(c)) || (c->rflags & X86_EFLAGS_VIP))
		return cpu_raise_gp0(c);
	c->rflags |= X86_EFLAGS_VIF;
	return STEP_NEXT;
}

/* -- PUSHF, POPF (SDM vol. 2B) --------------------------------------------------------- */

enum step op_pushf(struct cpu *c, const struct insn *in)
{
	u64 image = cpu_rflags(c) & ~(X86_EFLAGS_VM | X86_EFLAGS_RF);

	if (cpu_vm86(c) && cpu_iopl(c) < 3) {
		if (!vme_active(c) || in->osz != 2)
			return cpu_raise_gp0(c);
		image = vme_flags_image(c);
	}
	return stack_push(c, image, stack_operand_size(c, in));
}

/* The bits this privilege may change; VM, VIF, VIP stay; RF is cleared. */
static u64 popf_mask(const struct cpu *c, u8 size)
{
	u64 mask = X86_EFLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;

	if (size > 2)
		mask |= X86_EFLAGS_AC | X86_EFLAGS_ID;
	if (iopl_permits(c))
		mask |= X86_EFLAGS_IF;
	if (c->cpl == 0)
		mask |= X86_EFLAGS_IOPL;
	return mask;
}

static enum step popf_vme(struct cpu *c, const struct insn *in)
{
	u64 sp = c->gpr[RSP], image;
	enum step st;

	if (!vme_active(c) || in->osz != 2)
		return cpu_raise_gp0(c);
	TRY(stack_pop(c, &image, 2));
	st = vme_set_flags(c, (u16)image);
	if (st != STEP_NEXT)
		c->gpr[RSP] = sp;
	return st == STEP_NEXT ? STEP_END : st;
}

enum step op_popf(struct cpu *c, const struct insn *in)
{
	u8 size = stack_operand_size(c, in);
	u64 image, mask, old;

	if (cpu_vm86(c) && cpu_iopl(c) < 3)
		return popf_vme(c, in);
	TRY(stack_pop(c, &image, size));
	old = cpu_rflags(c);
	mask = popf_mask(c, size);
	cpu_set_rflags(c, (old & ~(mask | X86_EFLAGS_RF)) | (image & mask));
	if ((old ^ image) & mask & X86_EFLAGS_AC)
		cpu_mode_changed(c);
	return STEP_END;
}

/* -- SMAP's own (SDM vol. 2A CLAC, vol. 2B STAC) ----------------------------------------- */

static enum step set_ac(struct cpu *c, u64 ac)
{
	c->rflags = (c->rflags & ~X86_EFLAGS_AC) | ac;
	mmu_class_changed(c);
	return STEP_NEXT;
}

enum step exec_clac(struct cpu *c, const struct insn *in)
{
	return set_ac(c, 0);
}

enum step exec_stac(struct cpu *c, const struct insn *in)
{
	return set_ac(c, X86_EFLAGS_AC);
}
