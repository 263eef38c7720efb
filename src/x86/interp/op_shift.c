// SPDX-License-Identifier: MIT
/*
 * SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD (SDM vol. 2).
 *
 * The guest's flags are loaded before the shift, so that a count of 0 and the
 * rotates leave alone what they must.
 */
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/mmu/access.h"

#define DEFINE_SHIFT_SIZE(bits, name, text)					\
static inline u##bits name##_value##bits(struct cpu *c, u##bits dst, u8 count)	\
{										\
	u32 ax = flags_image(c);						\
										\
	asm(ASM_FLAGS_IN text SUFFIX_##bits " %%cl, %[dest]" ASM_FLAGS_OUT		\
	    : [dest] "+r"(dst), "+&a"(ax) : "c"(count) : "cc");			\
	flags_store(c, ax);							\
	return dst;								\
}										\
static enum step name##_mem##bits(struct cpu *c, const struct insn *in, u8 count) \
{										\
	u64 status = c->status;							\
	struct rmw m;								\
	u##bits dst;								\
	u64 lin;								\
	enum step step;								\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (likely(p)) {							\
		memcpy(&dst, p, sizeof(dst));					\
		dst = name##_value##bits(c, dst, count);			\
		memcpy(p, &dst, sizeof(dst));					\
		return STEP_NEXT;						\
	}									\
	TRY(rmw_begin(c, lin, bits / 8, &m));					\
	dst = name##_value##bits(c, (u##bits)m.old, count);			\
	step = rmw_commit(c, &m, dst, false);					\
	if (step != STEP_NEXT)							\
		c->status = status;						\
	return step;								\
}										\
HANDLER(name##_ri##bits)							\
{										\
	u##bits dst = name##_value##bits(c, *gpr##bits(c, in->rm), (u8)in->imm); \
										\
	REG_WRITE_##bits(c, in->rm, dst);					\
	return STEP_NEXT;							\
}										\
HANDLER(name##_rc##bits)							\
{										\
	u##bits dst = name##_value##bits(c, *gpr##bits(c, in->rm),		\
					 (u8)c->gpr[RCX]);			\
										\
	REG_WRITE_##bits(c, in->rm, dst);					\
	return STEP_NEXT;							\
}										\
HANDLER(name##_mi##bits)							\
{										\
	return name##_mem##bits(c, in, (u8)in->imm);				\
}										\
HANDLER(name##_mc##bits)							\
{										\
	return name##_mem##bits(c, in, (u8)c->gpr[RCX]);			\
}

#define DEFINE_SHIFT(name, text)						\
	FOR_SIZES(DEFINE_SHIFT_SIZE, name, text)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_RI] = ALL_SIZES(name##_ri),					\
	[FORM_RC] = ALL_SIZES(name##_rc),					\
	[FORM_MI] = ALL_SIZES(name##_mi),					\
	[FORM_MC] = ALL_SIZES(name##_mc),					\
} };

DEFINE_SHIFT(shl, "shl")
DEFINE_SHIFT(shr, "shr")
DEFINE_SHIFT(sar, "sar")
DEFINE_SHIFT(rol, "rol")
DEFINE_SHIFT(ror, "ror")
DEFINE_SHIFT(rcl, "rcl")
DEFINE_SHIFT(rcr, "rcr")

/* -- Double shifts ------------------------------------------------------------ */

#define DEFINE_DOUBLE_SIZE(bits, name, text)					\
static inline u##bits name##_value##bits(struct cpu *c, u##bits dst,		\
					 u##bits src, u8 count)			\
{										\
	u32 ax = flags_image(c);						\
										\
	asm(ASM_FLAGS_IN text SUFFIX_##bits " %%cl, %[from], %[dest]" ASM_FLAGS_OUT	\
	    : [dest] "+r"(dst), "+&a"(ax) : [from] "r"(src), "c"(count) : "cc");	\
	flags_store(c, ax);							\
	return dst;								\
}										\
static enum step name##_mem##bits(struct cpu *c, const struct insn *in, u8 count) \
{										\
	u64 status = c->status;							\
	struct rmw m;								\
	enum step step;								\
	u##bits dst;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	TRY(rmw_begin(c, lin, bits / 8, &m));					\
	dst = name##_value##bits(c, (u##bits)m.old, *gpr##bits(c, in->reg), count); \
	step = rmw_commit(c, &m, dst, false);					\
	if (step != STEP_NEXT)							\
		c->status = status;						\
	return step;								\
}										\
static inline enum step name##_reg##bits(struct cpu *c, const struct insn *in,	\
					 u8 count)				\
{										\
	u##bits dst = name##_value##bits(c, *gpr##bits(c, in->rm),		\
					 *gpr##bits(c, in->reg), count);	\
										\
	REG_WRITE_##bits(c, in->rm, dst);					\
	return STEP_NEXT;							\
}										\
HANDLER(name##_rri##bits)	{ return name##_reg##bits(c, in, (u8)in->imm); }	\
HANDLER(name##_rrc##bits)	{ return name##_reg##bits(c, in, (u8)c->gpr[RCX]); } \
HANDLER(name##_mri##bits)	{ return name##_mem##bits(c, in, (u8)in->imm); }	\
HANDLER(name##_mrc##bits)	{ return name##_mem##bits(c, in, (u8)c->gpr[RCX]); }

#define DEFINE_DOUBLE(name, text)						\
	FOR_SIZES_16_UP(DEFINE_DOUBLE_SIZE, name, text)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_RRI] = SIZES_16_UP(name##_rri),					\
	[FORM_RRC] = SIZES_16_UP(name##_rrc),					\
	[FORM_MRI] = SIZES_16_UP(name##_mri),					\
	[FORM_MRC] = SIZES_16_UP(name##_mrc),					\
} };

DEFINE_DOUBLE(shld, "shld")
DEFINE_DOUBLE(shrd, "shrd")
