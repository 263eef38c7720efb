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

static inline enum step need_feature(struct cpu *c, enum feature f)
{
	return cpu_has(c, f) ? STEP_NEXT : cpu_raise_ud(c);
}

/* Instructions that real and virtual-8086 mode do not have. */
static inline enum step need_protected(struct cpu *c)
{
	return cpu_protected(c) && !cpu_vm86(c) ? STEP_NEXT : cpu_raise_ud(c);
}

/* UMIP: SGDT, SIDT, SLDT, SMSW, STR are privileged (SDM vol. 3A 2.5). */
static inline enum step need_umip(struct cpu *c)
{
	return (c->cr4 & X86_CR4_UMIP) && c->cpl ? cpu_raise_gp0(c) : STEP_NEXT;
}

/* A register of the operand size, or 16 bits of memory: SLDT, LAR, ... */
enum step read_rm16(struct cpu *c, const struct insn *in, u16 *v);
/* What a far JMP, CALL or LxS has in memory. */
enum step read_far_pointer(struct cpu *c, const struct insn *in, u16 *sel, u64 *off);
enum step write_rm16(struct cpu *c, const struct insn *in, u64 v);

#endif
