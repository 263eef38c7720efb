// SPDX-License-Identifier: MIT
/*
 * AAA, AAS, AAM, AAD, DAA, DAS and BOUND (SDM vol. 2A): not in 64-bit mode, so
 * the host cannot execute them for us.
 */
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"

#define AL(c)	(*gpr8(c, GPR_OFF(RAX)))
#define AH(c)	(*gpr8(c, GPR_OFF(RAX) + 1))
#define AX(c)	(*gpr16(c, GPR_OFF(RAX)))

static bool needs_adjust(const struct cpu *c, u8 al)
{
	return (al & 15) > 9 || (c->status & X86_EFLAGS_AF);
}

enum step op_aaa(struct cpu *c, const struct insn *in)
{
	bool adjust = needs_adjust(c, AL(c));

	if (adjust)
		AX(c) += 0x106;
	AL(c) &= 15;
	flags_store_bcd(c, AL(c), adjust, adjust);
	return STEP_NEXT;
}

enum step op_aas(struct cpu *c, const struct insn *in)
{
	bool adjust = needs_adjust(c, AL(c));

	if (adjust)
		AX(c) -= 0x106;
	AL(c) &= 15;
	flags_store_bcd(c, AL(c), adjust, adjust);
	return STEP_NEXT;
}

enum step op_daa(struct cpu *c, const struct insn *in)
{
	u8 al = AL(c);
	bool low = needs_adjust(c, al);
	bool high = al > 0x99 || flags_cf(c);

	al += (low ? 0x06 : 0) + (high ? 0x60 : 0);
	AL(c) = al;
	flags_store_bcd(c, al, low, high);
	return STEP_NEXT;
}

enum step op_das(struct cpu *c, const struct insn *in)
{
	u8 old = AL(c), al = old;
	bool low = needs_adjust(c, al);
	bool high = old > 0x99 || flags_cf(c);
	bool borrow = low && old < 0x06;

	al -= (low ? 0x06 : 0) + (high ? 0x60 : 0);
	AL(c) = al;
	flags_store_bcd(c, al, low, high || borrow);
	return STEP_NEXT;
}

enum step op_aam(struct cpu *c, const struct insn *in)
{
	u8 base = (u8)in->imm, al = AL(c);

	if (!base)
		return cpu_raise(c, EXC_DE);
	AH(c) = al / base;
	AL(c) = al % base;
	flags_store_bcd(c, AL(c), false, false);
	return STEP_NEXT;
}

enum step op_aad(struct cpu *c, const struct insn *in)
{
	u8 al = (u8)(AL(c) + AH(c) * (u8)in->imm);

	AX(c) = al;
	flags_store_bcd(c, al, false, false);
	return STEP_NEXT;
}

enum step op_bound(struct cpu *c, const struct insn *in)
{
	int shift = 64 - 8 * in->osz;
	u64 lin, low, high;
	s64 index;

	TRY(insn_linear(c, in, 2 * in->osz, false, &lin));
	TRY(mem_read_size(c, lin, in->osz, &low));
	TRY(mem_read_size(c, lin + in->osz, in->osz, &high));
	index = (s64)(*gpr64(c, in->reg) << shift) >> shift;
	if (index < (s64)(low << shift) >> shift || index > (s64)(high << shift) >> shift)
		return cpu_raise(c, EXC_BR);
	return STEP_NEXT;
}
