// SPDX-License-Identifier: MIT
/* ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST (SDM vol. 2). */
#include "x86/interp/flags.h"
#include "x86/interp/operand.h"

#define ASM_BINARY(bits, text, pre, ax, constraint, to, from)			\
	asm volatile(pre text SUFFIX_##bits " %[src], %[dst]" ASM_FLAGS_OUT	\
		     : [dst] constraint(to), "=a"(ax)				\
		     : [src] "r"((u##bits)(from)), [st] "m"(*(u16 *)&c->status)	\
		     : "cc", "memory")

/* -- To a register ------------------------------------------------------------- */

#define DEFINE_TO_REG(bits, name, text, pre)					\
static inline void name##_reg##bits(struct cpu *c, u8 reg, u##bits from)	\
{										\
	u##bits v = *gpr##bits(c, reg);						\
	u32 ax;									\
										\
	ASM_BINARY(bits, text, pre, ax, "+r", v, from);				\
	REG_WRITE_##bits(c, reg, v);						\
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
static inline void name##_load##bits(struct cpu *c, const struct insn *in, u##bits from) \
{										\
	name##_reg##bits(c, in->reg, from);					\
}										\
DEFINE_LOAD(bits, name##_rm, name##_load##bits)

/* -- To memory ------------------------------------------------------------------- */

/* The source is an expression of c and in. */
#define DEFINE_TO_MEM_FORM(bits, form, text, pre, lock, locked, source)		\
static inline void form##_update##bits(struct cpu *c, const struct insn *in, mem_u##bits *p) \
{										\
	u32 ax;									\
										\
	ASM_BINARY(bits, text, pre lock, ax, "+m", *p, source);			\
	flags_store(c, ax);							\
}										\
static inline u##bits form##_value##bits(struct cpu *c, const struct insn *in,	\
					 u##bits v, u32 *ax)			\
{										\
	ASM_BINARY(bits, text, pre, *ax, "+r", v, source);			\
	return v;								\
}										\
DEFINE_UPDATE(bits, form, form##_update##bits, form##_value##bits, locked)

#define DEFINE_TO_MEM(bits, name, text, pre)					\
	DEFINE_TO_MEM_FORM(bits, name##_mr, text, pre, "", false,		\
			   *gpr##bits(c, in->reg))				\
	DEFINE_TO_MEM_FORM(bits, name##_mi, text, pre, "", false, in->imm)	\
	DEFINE_TO_MEM_FORM(bits, name##_lmr, text, pre, "lock\n\t", true,	\
			   *gpr##bits(c, in->reg))				\
	DEFINE_TO_MEM_FORM(bits, name##_lmi, text, pre, "lock\n\t", true, in->imm)

#define DEFINE_ALU(name, text, pre)						\
	FOR_SIZES(DEFINE_TO_REG, name, text, pre)				\
	FOR_SIZES(DEFINE_TO_MEM, name, text, pre)				\
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

#define DEFINE_COMPARE_SIZE(bits, name, text)					\
static inline void name##_values##bits(struct cpu *c, u##bits a, u##bits b)	\
{										\
	u32 ax;									\
										\
	asm(text SUFFIX_##bits " %[src], %[dst]" ASM_FLAGS_OUT : "=a"(ax)	\
	    : [dst] "r"(a), [src] "r"(b) : "cc");				\
	flags_store(c, ax);							\
}										\
HANDLER(name##_rr##bits)							\
{										\
	name##_values##bits(c, *gpr##bits(c, in->rm), *gpr##bits(c, in->reg));	\
	return STEP_NEXT;							\
}										\
HANDLER(name##_ri##bits)							\
{										\
	name##_values##bits(c, *gpr##bits(c, in->rm), (u##bits)in->imm);	\
	return STEP_NEXT;							\
}										\
static inline void name##_rm_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	name##_values##bits(c, *gpr##bits(c, in->reg), v);			\
}										\
static inline void name##_mr_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	name##_values##bits(c, v, *gpr##bits(c, in->reg));			\
}										\
static inline void name##_mi_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	name##_values##bits(c, v, (u##bits)in->imm);				\
}										\
DEFINE_LOAD(bits, name##_rm, name##_rm_load##bits)				\
DEFINE_LOAD(bits, name##_mr, name##_mr_load##bits)				\
DEFINE_LOAD(bits, name##_mi, name##_mi_load##bits)

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
