/* SPDX-License-Identifier: MIT */
/* What MOVS to CMPS share with INS and OUTS (SDM vol. 1 7.3.9). */
#ifndef ANYKVM_X86_INTERP_STRING_H
#define ANYKVM_X86_INTERP_STRING_H

#include "x86/mmu/access.h"

static inline bool string_repeats(const struct insn *in)
{
	return in->flags & (INSN_REP | INSN_REPNE);
}

static inline u64 string_count(struct cpu *c, u8 asz)
{
	return reg_get(c, GPR_OFF(RCX), asz);
}

/* Moves the index register @off by @n elements in the direction of DF. */
static inline void string_advance(struct cpu *c, u8 off, u8 asz, u32 size, u64 n)
{
	u64 bytes = n * size;

	if (c->rflags & X86_EFLAGS_DF)
		bytes = -bytes;
	reg_set(c, off, asz, *gpr64(c, off) + bytes);
}

/*
 * @n iterations are done for good: counts them in rCX, and what they did to
 * MMIO will not be asked for again.
 */
static inline void string_commit(struct cpu *c, u8 asz, u64 n)
{
	reg_set(c, GPR_OFF(RCX), asz, c->gpr[RCX] - n);
	mmio_retire(c);
}

#endif
