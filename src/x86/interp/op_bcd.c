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

/*
 * Processors take the flags that the manual leaves undefined from the 8-bit
 * addition or subtraction that makes the adjustment.
 */
static u8 add_adjust(struct cpu *c, u8 al, u8 by)
{
	u32 ax;

	asm("addb %[by], %[al]" ASM_FLAGS_OUT : [al] "+q"(al), "=a"(ax) : [by] "q"(by) : "cc");
	flags_store(c, ax);
	return al;
}

static u8 sub_adjust(struct cpu *c, u8 al, u8 by)
{
	u32 ax;

	asm("subb %[by], %[al]" ASM_FLAGS_OUT : [al] "+q"(al), "=a"(ax) : [by] "q"(by) : "cc");
	flags_store(c, ax);
	return al;
}

static void assign_carries(struct cpu *c, bool af, bool cf)
{
	flags_assign(c, X86_EFLAGS_AF, af);
	flags_assign(c, X86_EFLAGS_CF, cf);
}

/* AAA and AAS: a 16-bit operation on AX, of which AL keeps a digit. */
#define DEFINE_ASCII_ADJUST(handler, text)					\
enum step handler(struct cpu *c, const struct insn *in)				\
{										\
	bool adjust = needs_adjust(c, AL(c));					\
	u16 v = AX(c), by = adjust ? 0x106 : 0;					\
	u32 ax;									\
										\
	asm(text " %[by], %[v]" ASM_FLAGS_OUT					\
	    : [v] "+r"(v), "=a"(ax) : [by] "r"(by) : "cc");			\
	flags_store(c, ax);							\
	assign_carries(c, adjust, adjust);					\
	AX(c) = v & 0xff0f;							\
	return STEP_NEXT;							\
}
DEFINE_ASCII_ADJUST(op_aaa, "addw")
DEFINE_ASCII_ADJUST(op_aas, "subw")

enum step op_daa(struct cpu *c, const struct insn *in)
{
	u8 al = AL(c);
	bool low = needs_adjust(c, al);
	bool high = al > 0x99 || flags_cf(c);

	AL(c) = add_adjust(c, al, (low ? 0x06 : 0) + (high ? 0x60 : 0));
	assign_carries(c, low, high);
	return STEP_NEXT;
}

enum step op_das(struct cpu *c, const struct insn *in)
{
	u8 al = AL(c);
	bool low = needs_adjust(c, al);
	bool high = al > 0x99 || flags_cf(c);

	AL(c) = sub_adjust(c, al, (low ? 0x06 : 0) + (high ? 0x60 : 0));
	assign_carries(c, low, high || (low && al < 0x06));
	return STEP_NEXT;
}

enum step op_aam(struct cpu *c, const struct insn *in)
{
	u8 base = (u8)in->imm, al = AL(c);

	if (!base)
		return cpu_raise(c, EXC_DE);
	AH(c) = al / base;
	AL(c) = add_adjust(c, al % base, 0);
	return STEP_NEXT;
}

enum step op_aad(struct cpu *c, const struct insn *in)
{
	AX(c) = add_adjust(c, AL(c), (u8)(AH(c) * (u8)in->imm));
	return STEP_NEXT;
}

enum step op_bound(struct cpu *c, const struct insn *in)
{
	int shift = 64 - 8 * in->osz;
	u64 lin, low, high;
	s64 index;

	/* Two operands, each with a limit check of its own. */
	TRY(insn_linear(c, in, in->osz, false, &lin));
	TRY(mem_read_size(c, lin, in->osz, &low));
	TRY(insn_linear_at(c, in, in->osz, in->osz, false, &lin));
	TRY(mem_read_size(c, lin, in->osz, &high));
	index = (s64)(*gpr64(c, in->reg) << shift) >> shift;
	if (index < (s64)(low << shift) >> shift || index > (s64)(high << shift) >> shift)
		return cpu_raise(c, EXC_BR);
	return STEP_NEXT;
}
