/* SPDX-License-Identifier: MIT */
/* What the handlers of system instructions have in common. */
#ifndef ANYKVM_X86_INTERP_SYSTEM_H
#define ANYKVM_X86_INTERP_SYSTEM_H

#include "x86/cpu/cpu.h"
#include "x86/cpu/features.h"
#include "x86/decode/insn.h"

static inline u64 insn_next(const struct cpu *c, const struct insn *in)
{
	u64 next = c->rip + in->len;

	return cpu_code64(c) ? next : (u32)next;
}

static inline enum step need_cpl0(struct cpu *c)
{
	return c->cpl ? cpu_raise_gp0(c) : STEP_NEXT;
}

/* What a segment register or the flags take on the stack. */
static inline u8 stack_operand_size(const struct cpu *c, const struct insn *in)
{
	return cpu_code64(c) && in->osz == 4 ? 8 : in->osz;
}

/* A register of the operand size, or 16 bits of memory: SLDT, LAR, ... */
enum step read_rm16(struct cpu *c, const struct insn *in, u16 *v);
enum step write_rm16(struct cpu *c, const struct insn *in, u64 v);

/* What a far JMP, CALL or LxS has in memory. */
enum step read_far_pointer(struct cpu *c, const struct insn *in, u16 *sel, u64 *off);

#endif
