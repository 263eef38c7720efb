/* SPDX-License-Identifier: MIT */
/*
 * The status flags, between cpu->status and the host's own.
 *
 * Handlers execute the guest's operation with the same host instruction, so
 * that every flag, the undefined ones included, is what this CPU makes of it.
 * LAHF and SETO fetch the result: measured, they cost a third of PUSHF and POP.
 */
#ifndef ANYKVM_X86_INTERP_FLAGS_H
#define ANYKVM_X86_INTERP_FLAGS_H

#include "x86/cpu/state.h"

/* Operand-size suffix of a host instruction. */
#define SUFFIX_8	"b"
#define SUFFIX_16	"w"
#define SUFFIX_32	"l"
#define SUFFIX_64	"q"

/* Leaves the flags in AX for flags_store(): OF comes from bit 3 of AL. */
#define ASM_FLAGS_OUT	"\n\tlahf\n\tseto %%al\n\tshlb $3, %%al\n\trolw $8, %%ax"

/* Loads the flags from AX = flags_image(): AL overflows if it holds OF. */
#define ASM_FLAGS_IN	"rolw $8, %%ax\n\tandb $8, %%al\n\taddb $0x78, %%al\n\tsahf\n\t"

/* CF alone; operand [st] is cpu->status in memory. */
#define ASM_CARRY_IN	"btw $0, %[st]\n\t"

#define FLAGS_OF_SHIFT	11

static inline void flags_store(struct cpu *c, u32 eax)
{
	c->status = (u16)eax;
}

static inline u32 flags_image(const struct cpu *c)
{
	return (u32)c->status;
}

static inline bool flags_cf(const struct cpu *c)
{
	return c->status & X86_EFLAGS_CF;
}

static inline void flags_assign(struct cpu *c, u64 mask, bool set)
{
	c->status = set ? c->status | mask : c->status & ~mask;
}

/* Condition codes, in encoding order (SDM vol. 1 appendix B.1). */
static inline bool flags_condition(u64 st, u8 cc)
{
	bool less = (st >> 7 ^ st >> FLAGS_OF_SHIFT) & 1;
	bool v;

	switch (cc >> 1) {
	case 0: v = st & X86_EFLAGS_OF; break;
	case 1: v = st & X86_EFLAGS_CF; break;
	case 2: v = st & X86_EFLAGS_ZF; break;
	case 3: v = st & (X86_EFLAGS_CF | X86_EFLAGS_ZF); break;
	case 4: v = st & X86_EFLAGS_SF; break;
	case 5: v = st & X86_EFLAGS_PF; break;
	case 6: v = less; break;
	default: v = less || (st & X86_EFLAGS_ZF); break;
	}
	return v != (cc & 1);
}

#endif
