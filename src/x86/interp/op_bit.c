// SPDX-License-Identifier: MIT
/* BT, BTS, BTR, BTC, BSF, BSR, TZCNT, LZCNT, POPCNT (SDM vol. 2). */
#include "x86/interp/flags.h"
#include "x86/interp/operand.h"

/*
 * Linear address of the unit that holds bit @index of the bit string at the
 * memory operand: a register index is signed and unlimited (SDM vol. 2A, BT).
 */
static enum step bit_linear(struct cpu *c, const struct insn *in, s64 index,
			    u32 size, bool write, u64 *lin)
{
	s64 delta = (index >> (3 + __builtin_ctz(size))) * size;
	u64 off;

	if (likely(in->flags & INSN_EA64)) {
		*lin = insn_offset(c, in) + (u64)delta;
		return STEP_NEXT;
	}
	off = cut_to(insn_offset(c, in) + (u64)delta, in->asz);
	return cpu_seg_linear(c, in->seg, off, size, write, lin);
}

#define ASM_BIT(bits, text, ax, d, s)						\
	asm(ASM_FLAGS_IN text SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT		\
	    : [dest] "+r"(d), "+&a"(ax) : [from] "r"(s) : "cc")

/* In memory, with the index already cut to the unit. */
#define ASM_BIT_LOCKED(bits, text, ax, d, s)					\
	asm volatile(ASM_FLAGS_IN "lock\n\t" text SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT \
		     : [dest] "+m"(d), "+&a"(ax) : [from] "r"(s) : "cc", "memory")

#define DEFINE_BIT_REG(bits, name, text)					\
static inline enum step name##_reg##bits(struct cpu *c, const struct insn *in,	\
					 u##bits index)				\
{										\
	u##bits v = *gpr##bits(c, in->rm);					\
	u32 ax = flags_image(c);						\
										\
	ASM_BIT(bits, text, ax, v, index);					\
	REG_WRITE_##bits(c, in->rm, v);						\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(name##_rr##bits) { return name##_reg##bits(c, in, *gpr##bits(c, in->reg)); } \
HANDLER(name##_ri##bits) { return name##_reg##bits(c, in, (u##bits)in->imm); }

#define DEFINE_BIT_MEM(bits, name, text)					\
static enum step name##_slow##bits(struct cpu *c, u64 lin, u##bits index, bool locked) \
{										\
	struct rmw m;								\
	enum step step;								\
	u##bits v;								\
	u32 ax;									\
										\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		v = (u##bits)m.old;						\
		ax = flags_image(c);						\
		ASM_BIT(bits, text, ax, v, index);				\
		step = rmw_commit(c, &m, v, locked);				\
	} while (step == STEP_AGAIN);						\
	TRY(step);								\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
static inline enum step name##_mem##bits(struct cpu *c, const struct insn *in,	\
					 s64 index)				\
{										\
	u##bits bit = (u##bits)index & (bits - 1);				\
	u32 ax = flags_image(c);						\
	u64 lin;								\
	mem_u##bits *p;								\
										\
	TRY(bit_linear(c, in, index, bits / 8, true, &lin));			\
	p = (mem_u##bits *)tlb_host_write(c, lin, bits / 8);			\
	if (unlikely(!p))							\
		return name##_slow##bits(c, lin, bit, in->flags & INSN_LOCK);	\
	if (in->flags & INSN_LOCK) {						\
		ASM_BIT_LOCKED(bits, text, ax, *p, bit);			\
	} else {								\
		u##bits v = *p;							\
										\
		ASM_BIT(bits, text, ax, v, bit);				\
		*p = v;								\
	}									\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(name##_mr##bits) { return name##_mem##bits(c, in, (s##bits)*gpr##bits(c, in->reg)); } \
HANDLER(name##_mi##bits) { return name##_mem##bits(c, in, in->imm & (bits - 1)); }

#define DEFINE_BIT(name, text)							\
	FOR_SIZES_16_UP(DEFINE_BIT_REG, name, text)				\
	FOR_SIZES_16_UP(DEFINE_BIT_MEM, name, text)				\
const struct op_family family_##name = { .fn = {				\
	[FORM_RR] = SIZES_16_UP(name##_rr),					\
	[FORM_RI] = SIZES_16_UP(name##_ri),					\
	[FORM_MR] = SIZES_16_UP(name##_mr),					\
	[FORM_MI] = SIZES_16_UP(name##_mi),					\
	[FORM_LMR] = SIZES_16_UP(name##_mr),					\
	[FORM_LMI] = SIZES_16_UP(name##_mi),					\
} };

DEFINE_BIT(bts, "bts")
DEFINE_BIT(btr, "btr")
DEFINE_BIT(btc, "btc")

/* -- BT only reads ---------------------------------------------------------------- */

#define DEFINE_BT(bits, unused)							\
static inline void bt_value##bits(struct cpu *c, u##bits v, u##bits index)	\
{										\
	u32 ax = flags_image(c);						\
										\
	ASM_BIT(bits, "bt", ax, v, index);					\
	flags_store(c, ax);							\
}										\
HANDLER(bt_rr##bits)								\
{										\
	bt_value##bits(c, *gpr##bits(c, in->rm), *gpr##bits(c, in->reg));	\
	return STEP_NEXT;							\
}										\
HANDLER(bt_ri##bits)								\
{										\
	bt_value##bits(c, *gpr##bits(c, in->rm), (u##bits)in->imm);		\
	return STEP_NEXT;							\
}										\
static inline enum step bt_mem##bits(struct cpu *c, const struct insn *in, s64 index) \
{										\
	u##bits v;								\
	u64 lin;								\
										\
	TRY(bit_linear(c, in, index, bits / 8, false, &lin));			\
	TRY(mem_read##bits(c, lin, &v));					\
	bt_value##bits(c, v, (u##bits)index);					\
	return STEP_NEXT;							\
}										\
HANDLER(bt_mr##bits) { return bt_mem##bits(c, in, (s##bits)*gpr##bits(c, in->reg)); } \
HANDLER(bt_mi##bits) { return bt_mem##bits(c, in, in->imm & (bits - 1)); }
FOR_SIZES_16_UP(DEFINE_BT, _)

const struct op_family family_bt = { .fn = {
	[FORM_RR] = SIZES_16_UP(bt_rr),
	[FORM_RI] = SIZES_16_UP(bt_ri),
	[FORM_MR] = SIZES_16_UP(bt_mr),
	[FORM_MI] = SIZES_16_UP(bt_mi),
} };

/* -- Scans and counts --------------------------------------------------------------- */

/*
 * BSF and BSR of 0 leave the destination alone, all 64 bits of it: the
 * whole register goes through the host's instruction.
 */
#define DEFINE_SCAN_SIZE(bits, name, text, reg_mod)				\
static inline void name##_value##bits(struct cpu *c, u8 reg, u##bits src)	\
{										\
	u64 dst = *gpr64(c, reg);						\
	u32 ax = flags_image(c);						\
										\
	asm(ASM_FLAGS_IN text SUFFIX_##bits " %" reg_mod "[from], %" reg_mod "[dest]"	\
	    ASM_FLAGS_OUT : [dest] "+r"(dst), "+&a"(ax) : [from] "r"(src) : "cc");	\
	*gpr64(c, reg) = dst;							\
	flags_store(c, ax);							\
}										\
HANDLER(name##_rr##bits)							\
{										\
	name##_value##bits(c, in->rm, *gpr##bits(c, in->reg));			\
	return STEP_NEXT;							\
}										\
static inline void name##_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	name##_value##bits(c, in->reg, v);					\
}										\
DEFINE_LOAD(bits, name##_rm, name##_load##bits)

#define DEFINE_SCAN(name, text)							\
	DEFINE_SCAN_SIZE(16, name, text, "w")					\
	DEFINE_SCAN_SIZE(32, name, text, "k")					\
	DEFINE_SCAN_SIZE(64, name, text, "q")					\
const struct op_family family_##name = { .fn = {				\
	[FORM_RR] = SIZES_16_UP(name##_rr),					\
	[FORM_RM] = SIZES_16_UP(name##_rm),					\
} };

DEFINE_SCAN(bsf, "bsf")
DEFINE_SCAN(bsr, "bsr")
DEFINE_SCAN(tzcnt, "tzcnt")
DEFINE_SCAN(lzcnt, "lzcnt")
DEFINE_SCAN(popcnt, "popcnt")
