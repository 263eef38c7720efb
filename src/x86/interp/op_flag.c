// SPDX-License-Identifier: MIT
/* CLC, STC, CMC, CLD, STD, LAHF, SAHF, SALC, SETcc (SDM vol. 2). */
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"

/* SF ZF AF PF CF: what LAHF and SAHF move. */
#define FLAGS_LOW	(X86_EFLAGS_STATUS & 0xff)

enum step op_clc(struct cpu *c, const struct insn *in)
{
	c->status &= ~X86_EFLAGS_CF;
	return STEP_NEXT;
}

enum step op_stc(struct cpu *c, const struct insn *in)
{
	c->status |= X86_EFLAGS_CF;
	return STEP_NEXT;
}

enum step op_cmc(struct cpu *c, const struct insn *in)
{
	c->status ^= X86_EFLAGS_CF;
	return STEP_NEXT;
}

enum step op_cld(struct cpu *c, const struct insn *in)
{
	c->rflags &= ~X86_EFLAGS_DF;
	return STEP_NEXT;
}

enum step op_std(struct cpu *c, const struct insn *in)
{
	c->rflags |= X86_EFLAGS_DF;
	return STEP_NEXT;
}

enum step op_lahf(struct cpu *c, const struct insn *in)
{
	*gpr8(c, GPR_OFF(RAX) + 1) = (u8)((c->status & FLAGS_LOW) | X86_EFLAGS_FIXED);
	return STEP_NEXT;
}

enum step op_sahf(struct cpu *c, const struct insn *in)
{
	u8 ah = *gpr8(c, GPR_OFF(RAX) + 1);

	c->status = (c->status & ~FLAGS_LOW) | (ah & FLAGS_LOW);
	return STEP_NEXT;
}

enum step op_salc(struct cpu *c, const struct insn *in)
{
	*gpr8(c, GPR_OFF(RAX)) = flags_cf(c) ? 0xff : 0;
	return STEP_NEXT;
}

/* -- SETcc ------------------------------------------------------------------------ */

#define DEFINE_SETCC(name, cc)							\
HANDLER(set##name##_r)								\
{										\
	*gpr8(c, in->rm) = flags_condition(c->status, cc);			\
	return STEP_NEXT;							\
}										\
HANDLER(set##name##_m)								\
{										\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, 1, true, &lin));					\
	return mem_write8(c, lin, flags_condition(c->status, cc));		\
}										\
const struct op_family family_set##name = { .fn = {				\
	[FORM_R] = { set##name##_r },						\
	[FORM_M] = { set##name##_m },						\
} };

#define CONDITION(mnemonic, name, cc) DEFINE_SETCC(name, cc)
#include "x86/interp/conditions.def"
