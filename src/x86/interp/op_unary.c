// SPDX-License-Identifier: MIT
/* INC, DEC, NEG, NOT (SDM vol. 2). */
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/mmu/access.h"

/* Flags go in as well: INC and DEC keep CF, NOT keeps all. */
#define ASM_UNARY(bits, text, lock, ax, dst_constraint, d)			\
	asm volatile(ASM_FLAGS_IN lock text SUFFIX_##bits " %[dest]" ASM_FLAGS_OUT	\
		     : [dest] dst_constraint(d), "+&a"(ax) : : "cc", "memory")

#define DEFINE_UNARY_SIZE(bits, name, text)					\
HANDLER(name##_r##bits)								\
{										\
	u##bits dst = *gpr##bits(c, in->rm);					\
	u32 ax = flags_image(c);						\
										\
	ASM_UNARY(bits, text, "", ax, "+r", dst);				\
	REG_WRITE_##bits(c, in->rm, dst);					\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
static enum step name##_slow##bits(struct cpu *c, u64 lin, bool locked)		\
{										\
	struct rmw m;								\
	enum step step;								\
	u##bits dst;								\
	u32 ax;									\
										\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		dst = (u##bits)m.old;						\
		ax = flags_image(c);						\
		ASM_UNARY(bits, text, "", ax, "+r", dst);			\
		step = rmw_commit(c, &m, dst, locked);				\
	} while (step == STEP_AGAIN);						\
	TRY(step);								\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
DEFINE_UNARY_MEM(bits, name##_m, name, text, "", false)				\
DEFINE_UNARY_MEM(bits, name##_lm, name, text, "lock\n\t", true)

#define DEFINE_UNARY_MEM(bits, handler, name, text, lock, locked)		\
HANDLER(handler##bits)								\
{										\
	u32 ax = flags_image(c);						\
	u64 lin;								\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (unlikely(!p))							\
		return name##_slow##bits(c, lin, locked);			\
	ASM_UNARY(bits, text, lock, ax, "+m", *(u##bits *)p);			\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}

#define DEFINE_UNARY(name, text)						\
	FOR_SIZES(DEFINE_UNARY_SIZE, name, text)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_R] = ALL_SIZES(name##_r),						\
	[FORM_M] = ALL_SIZES(name##_m),						\
	[FORM_LM] = ALL_SIZES(name##_lm),					\
} };

DEFINE_UNARY(inc, "inc")
DEFINE_UNARY(dec, "dec")
DEFINE_UNARY(neg, "neg")
DEFINE_UNARY(not, "not")
