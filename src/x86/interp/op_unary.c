// SPDX-License-Identifier: MIT
/* INC, DEC, NEG, NOT (SDM vol. 2). */
#include "x86/interp/flags.h"
#include "x86/interp/operand.h"

#define ASM_UNARY(bits, text, pre, ax, constraint, to)				\
	asm volatile(pre text SUFFIX_##bits " %[dst]" ASM_FLAGS_OUT		\
		     : [dst] constraint(to), "=a"(ax)				\
		     : [st] "m"(*(u16 *)&c->status) : "cc", "memory")

#define DEFINE_UNARY_MEM(bits, form, text, pre, lock, locked)			\
static inline void form##_update##bits(struct cpu *c, const struct insn *in, mem_u##bits *p) \
{										\
	u32 ax;									\
										\
	ASM_UNARY(bits, text, pre lock, ax, "+m", *p);				\
	flags_store(c, ax);							\
}										\
static inline u##bits form##_value##bits(struct cpu *c, const struct insn *in,	\
					 u##bits v, u32 *ax)			\
{										\
	ASM_UNARY(bits, text, pre, *ax, "+r", v);				\
	return v;								\
}										\
DEFINE_UPDATE(bits, form, form##_update##bits, form##_value##bits, locked)

#define DEFINE_UNARY_SIZE(bits, name, text, pre)				\
HANDLER(name##_r##bits)								\
{										\
	u##bits v = *gpr##bits(c, in->rm);					\
	u32 ax;									\
										\
	ASM_UNARY(bits, text, pre, ax, "+r", v);				\
	REG_WRITE_##bits(c, in->rm, v);						\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
DEFINE_UNARY_MEM(bits, name##_m, text, pre, "", false)				\
DEFINE_UNARY_MEM(bits, name##_lm, text, pre, "lock\n\t", true)

#define DEFINE_UNARY(name, text, pre)						\
	FOR_SIZES(DEFINE_UNARY_SIZE, name, text, pre)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_R] = ALL_SIZES(name##_r),						\
	[FORM_M] = ALL_SIZES(name##_m),						\
	[FORM_LM] = ALL_SIZES(name##_lm),					\
} };

/* INC and DEC keep CF. */
DEFINE_UNARY(inc, "inc", ASM_CARRY_IN)
DEFINE_UNARY(dec, "dec", ASM_CARRY_IN)
DEFINE_UNARY(neg, "neg", "")

/* -- NOT has no flags ------------------------------------------------------------ */

#define DEFINE_NOT_MEM(bits, form, atomic, locked)				\
SLOW_HANDLER(form##_slow##bits)							\
{										\
	enum step step;								\
	struct rmw m;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		step = rmw_commit(c, &m, (u##bits)~m.old, locked);		\
	} while (step == STEP_AGAIN);						\
	return step;								\
}										\
HANDLER(form##bits)								\
{										\
	mem_u##bits *p = (mem_u##bits *)operand_write(c, in, bits / 8);			\
										\
	if (unlikely(!p))							\
		return form##_slow##bits(c, in);				\
	atomic;									\
	return STEP_NEXT;							\
}

#define DEFINE_NOT(bits, unused)						\
HANDLER(not_r##bits)								\
{										\
	REG_WRITE_##bits(c, in->rm, (u##bits)~*gpr##bits(c, in->rm));		\
	return STEP_NEXT;							\
}										\
DEFINE_NOT_MEM(bits, not_m, *p = ~*p, false)					\
DEFINE_NOT_MEM(bits, not_lm,							\
	       __atomic_xor_fetch(p, (u##bits)~0ull, __ATOMIC_SEQ_CST), true)
FOR_SIZES(DEFINE_NOT, _)

const struct op_family family_not = { .fn = {
	[FORM_R] = ALL_SIZES(not_r),
	[FORM_M] = ALL_SIZES(not_m),
	[FORM_LM] = ALL_SIZES(not_lm),
} };
