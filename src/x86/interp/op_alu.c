// SPDX-License-Identifier: MIT
/* ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST (SDM vol. 2). */
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/mmu/access.h"

#define ASM_BINARY(bits, text, pre, ax, dst_constraint, d, s)			\
	asm(pre text SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT			\
	    : [dest] dst_constraint(d), "=a"(ax)					\
	    : [from] "r"((u##bits)(s)), [st] "m"(*(u16 *)&c->status) : "cc")

#define ASM_LOCKED(bits, text, pre, ax, d, s)					\
	asm volatile(pre "lock\n\t" text SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT \
	    : [dest] "+m"(d), "=a"(ax)						\
	    : [from] "r"((u##bits)(s)), [st] "m"(*(u16 *)&c->status) : "cc", "memory")

/* The destination is MMIO, crosses a page, or is not in the TLB. */
#define DEFINE_SLOW(bits, name, text, pre)					\
static enum step name##_slow##bits(struct cpu *c, u64 lin, u##bits src, bool locked) \
{										\
	struct rmw m;								\
	enum step step;								\
	u##bits dst;								\
	u32 ax;									\
										\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		dst = (u##bits)m.old;						\
		ASM_BINARY(bits, text, pre, ax, "+r", dst, src);		\
		step = rmw_commit(c, &m, dst, locked);				\
	} while (step == STEP_AGAIN);						\
	TRY(step);								\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}

#define DEFINE_TO_REG(bits, name, text, pre)					\
static inline void name##_reg##bits(struct cpu *c, u8 reg, u##bits src)		\
{										\
	u##bits dst = *gpr##bits(c, reg);					\
	u32 ax;									\
										\
	ASM_BINARY(bits, text, pre, ax, "+r", dst, src);			\
	REG_WRITE_##bits(c, reg, dst);						\
	flags_store(c, ax);							\
}										\
HANDLER(name##_rr##bits)							\
{										\
	name##_reg##bits(c, in->rm, *gpr##bits(c, in->reg));			\
	return STEP_NEXT;							\
}										\
HANDLER(name##_ri##bits)							\
{										\
	name##_reg##bits(c, in->rm, (u##bits)in->imm);				\
	return STEP_NEXT;							\
}										\
HANDLER(name##_rm##bits)							\
{										\
	u##bits src;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, false, &lin));				\
	TRY(mem_read##bits(c, lin, &src));					\
	name##_reg##bits(c, in->reg, src);					\
	return STEP_NEXT;							\
}

#define DEFINE_TO_MEM(bits, name, text, pre)					\
static inline enum step name##_mem##bits(struct cpu *c, const struct insn *in,	\
					 u##bits src)				\
{										\
	u64 lin;								\
	u8 *p;									\
	u32 ax;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (unlikely(!p))							\
		return name##_slow##bits(c, lin, src, false);			\
	ASM_BINARY(bits, text, pre, ax, "+m", *(u##bits *)p, src);		\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(name##_mr##bits)							\
{										\
	return name##_mem##bits(c, in, *gpr##bits(c, in->reg));			\
}										\
HANDLER(name##_mi##bits)							\
{										\
	return name##_mem##bits(c, in, (u##bits)in->imm);			\
}

#define DEFINE_TO_LOCKED(bits, name, text, pre)					\
static inline enum step name##_lock##bits(struct cpu *c, const struct insn *in, \
					  u##bits src)				\
{										\
	u64 lin;								\
	u8 *p;									\
	u32 ax;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (unlikely(!p))							\
		return name##_slow##bits(c, lin, src, true);			\
	ASM_LOCKED(bits, text, pre, ax, *(u##bits *)p, src);			\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(name##_lmr##bits)							\
{										\
	return name##_lock##bits(c, in, *gpr##bits(c, in->reg));		\
}										\
HANDLER(name##_lmi##bits)							\
{										\
	return name##_lock##bits(c, in, (u##bits)in->imm);			\
}

#define DEFINE_ALU(name, text, pre)						\
	FOR_SIZES(DEFINE_SLOW, name, text, pre)					\
	FOR_SIZES(DEFINE_TO_REG, name, text, pre)				\
	FOR_SIZES(DEFINE_TO_MEM, name, text, pre)				\
	FOR_SIZES(DEFINE_TO_LOCKED, name, text, pre)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_RR] = ALL_SIZES(name##_rr),					\
	[FORM_RM] = ALL_SIZES(name##_rm),					\
	[FORM_RI] = ALL_SIZES(name##_ri),					\
	[FORM_MR] = ALL_SIZES(name##_mr),					\
	[FORM_MI] = ALL_SIZES(name##_mi),					\
	[FORM_LMR] = ALL_SIZES(name##_lmr),					\
	[FORM_LMI] = ALL_SIZES(name##_lmi),					\
} };

DEFINE_ALU(add, "add", "")
DEFINE_ALU(or, "or", "")
DEFINE_ALU(adc, "adc", ASM_CARRY_IN)
DEFINE_ALU(sbb, "sbb", ASM_CARRY_IN)
DEFINE_ALU(and, "and", "")
DEFINE_ALU(sub, "sub", "")
DEFINE_ALU(xor, "xor", "")

/* -- CMP and TEST: the same without a result --------------------------------- */

#define ASM_COMPARE(bits, text, d, s)						\
	do {									\
		u32 ax;								\
										\
		asm(text SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT : "=a"(ax)	\
		    : [dest] "r"((u##bits)(d)), [from] "r"((u##bits)(s)) : "cc");	\
		flags_store(c, ax);						\
	} while (0)

#define DEFINE_COMPARE_SIZE(bits, name, text)					\
HANDLER(name##_rr##bits)							\
{										\
	ASM_COMPARE(bits, text, *gpr##bits(c, in->rm), *gpr##bits(c, in->reg));	\
	return STEP_NEXT;							\
}										\
HANDLER(name##_ri##bits)							\
{										\
	ASM_COMPARE(bits, text, *gpr##bits(c, in->rm), in->imm);		\
	return STEP_NEXT;							\
}										\
HANDLER(name##_rm##bits)							\
{										\
	u##bits v;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, false, &lin));				\
	TRY(mem_read##bits(c, lin, &v));					\
	ASM_COMPARE(bits, text, *gpr##bits(c, in->reg), v);			\
	return STEP_NEXT;							\
}										\
HANDLER(name##_mr##bits)							\
{										\
	u##bits v;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, false, &lin));				\
	TRY(mem_read##bits(c, lin, &v));					\
	ASM_COMPARE(bits, text, v, *gpr##bits(c, in->reg));			\
	return STEP_NEXT;							\
}										\
HANDLER(name##_mi##bits)							\
{										\
	u##bits v;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, false, &lin));				\
	TRY(mem_read##bits(c, lin, &v));					\
	ASM_COMPARE(bits, text, v, in->imm);					\
	return STEP_NEXT;							\
}

#define DEFINE_COMPARE(name, text)						\
	FOR_SIZES(DEFINE_COMPARE_SIZE, name, text)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_RR] = ALL_SIZES(name##_rr),					\
	[FORM_RM] = ALL_SIZES(name##_rm),					\
	[FORM_RI] = ALL_SIZES(name##_ri),					\
	[FORM_MR] = ALL_SIZES(name##_mr),					\
	[FORM_MI] = ALL_SIZES(name##_mi),					\
} };

DEFINE_COMPARE(cmp, "cmp")
DEFINE_COMPARE(test, "test")
