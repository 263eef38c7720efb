// SPDX-License-Identifier: MIT
/*
 * MUL, IMUL, DIV, IDIV (SDM vol. 2).  Quotients that do not fit are found
 * before the host's instruction would raise its own #DE.
 */
#include "x86/interp/flags.h"
#include "x86/interp/operand.h"
#include "x86/interp/ops.h"

typedef __int128 s128;

/* The r/m operand, zero-extended. */
static enum step read_rm(struct cpu *c, const struct insn *in, u64 *v)
{
	u64 lin;

	if (!(in->flags & INSN_MEM)) {
		*v = reg_get(c, in->rm, in->osz);
		return STEP_NEXT;
	}
	TRY(insn_linear(c, in, in->osz, false, &lin));
	return mem_read_size(c, lin, in->osz, v);
}

/* The accumulator pair: AX, DX:AX, EDX:EAX or RDX:RAX. */
struct pair { u64 lo, hi; };

static struct pair pair_get(struct cpu *c, u8 size)
{
	if (size == 1)
		return (struct pair){ *gpr16(c, GPR_OFF(RAX)), 0 };
	return (struct pair){ reg_get(c, GPR_OFF(RAX), size),
			      reg_get(c, GPR_OFF(RDX), size) };
}

static void pair_set(struct cpu *c, u8 size, struct pair p)
{
	if (size == 1) {
		*gpr16(c, GPR_OFF(RAX)) = (u16)p.lo;
		return;
	}
	reg_set(c, GPR_OFF(RAX), size, p.lo);
	reg_set(c, GPR_OFF(RDX), size, p.hi);
}

/*
 * One-operand instruction of the host.  The flags come in EAX, and leave
 * before the result in RAX is moved away from LAHF.
 */
#define ASM_PAIR(text, suffix, src, p, ax)					\
	asm(ASM_FLAGS_IN "mov %[lo], %%rax\n\t" text suffix " %[from]\n\t"		\
	    "mov %%rax, %[lo]" ASM_FLAGS_OUT					\
	    : [lo] "+&r"((p).lo), "+&d"((p).hi), "+&a"(ax) : [from] "r"(src) : "cc")

#define DEFINE_PAIR_OP(name, text)						\
static void name(struct cpu *c, u8 size, u64 src)				\
{										\
	struct pair p = pair_get(c, size);					\
	u32 ax = flags_image(c);						\
										\
	switch (size) {								\
	case 1: ASM_PAIR(text, "b", (u8)src, p, ax); break;			\
	case 2: ASM_PAIR(text, "w", (u16)src, p, ax); break;			\
	case 4: ASM_PAIR(text, "l", (u32)src, p, ax); break;			\
	default: ASM_PAIR(text, "q", src, p, ax); break;			\
	}									\
	pair_set(c, size, p);							\
	flags_store(c, ax);							\
}
DEFINE_PAIR_OP(host_mul, "mul")
DEFINE_PAIR_OP(host_imul, "imul")
DEFINE_PAIR_OP(host_div, "div")
DEFINE_PAIR_OP(host_idiv, "idiv")

enum step op_mul(struct cpu *c, const struct insn *in)
{
	u64 src;

	TRY(read_rm(c, in, &src));
	host_mul(c, in->osz, src);
	return STEP_NEXT;
}

enum step op_imul1(struct cpu *c, const struct insn *in)
{
	u64 src;

	TRY(read_rm(c, in, &src));
	host_imul(c, in->osz, src);
	return STEP_NEXT;
}

enum step op_div(struct cpu *c, const struct insn *in)
{
	struct pair p = pair_get(c, in->osz);
	u64 src;

	TRY(read_rm(c, in, &src));
	if (in->osz == 1)
		p.hi = p.lo >> 8;
	if (p.hi >= src)	/* src == 0 included */
		return cpu_raise(c, EXC_DE);
	host_div(c, in->osz, src);
	return STEP_NEXT;
}

static s64 sign_extend(u64 v, u8 size)
{
	int shift = 64 - 8 * size;

	return (s64)(v << shift) >> shift;
}

/* Does |n| / |d| fit in @size bytes with its sign?  By the high half first. */
static bool idiv_fits(s128 n, s64 d, u8 size)
{
	u128 un = n < 0 ? -(u128)n : (u128)n;
	u64 ud = d < 0 ? -(u64)d : (u64)d;
	u64 limit = 1ull << (8 * size - 1);
	u64 quotient;

	if (!ud || (u64)(un >> 64) >= ud)
		return false;
	quotient = (u64)(un / ud);
	return quotient < limit || (quotient == limit && (n < 0) != (d < 0));
}

enum step op_idiv(struct cpu *c, const struct insn *in)
{
	struct pair p = pair_get(c, in->osz);
	u8 size = in->osz;
	s128 n;
	u64 src;

	TRY(read_rm(c, in, &src));
	if (size == 1)
		n = (s16)p.lo;
	else
		n = (s128)((u128)(s128)sign_extend(p.hi, size) << (8 * size) | p.lo);
	if (!idiv_fits(n, sign_extend(src, size), size))
		return cpu_raise(c, EXC_DE);
	host_idiv(c, size, src);
	return STEP_NEXT;
}

/* -- IMUL with two and three operands ------------------------------------------------ */

#define DEFINE_IMUL(bits, unused)						\
static inline void imul_reg##bits(struct cpu *c, u8 reg, u##bits a, u##bits b)	\
{										\
	u32 ax = flags_image(c);						\
										\
	asm(ASM_FLAGS_IN "imul" SUFFIX_##bits " %[from], %[acc_reg]" ASM_FLAGS_OUT	\
	    : [acc_reg] "+r"(a), "+&a"(ax) : [from] "r"(b) : "cc");			\
	REG_WRITE_##bits(c, reg, a);						\
	flags_store(c, ax);							\
}										\
HANDLER(imul_rr##bits)								\
{										\
	imul_reg##bits(c, in->rm, *gpr##bits(c, in->rm), *gpr##bits(c, in->reg)); \
	return STEP_NEXT;							\
}										\
HANDLER(imul_rri##bits)								\
{										\
	imul_reg##bits(c, in->rm, *gpr##bits(c, in->reg), (u##bits)in->imm);	\
	return STEP_NEXT;							\
}										\
static inline void imul_load##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	imul_reg##bits(c, in->reg, *gpr##bits(c, in->reg), v);			\
}										\
static inline void imul_load_imm##bits(struct cpu *c, const struct insn *in, u##bits v) \
{										\
	imul_reg##bits(c, in->reg, v, (u##bits)in->imm);			\
}										\
DEFINE_LOAD(bits, imul_rm, imul_load##bits)					\
DEFINE_LOAD(bits, imul_rmi, imul_load_imm##bits)
FOR_SIZES_16_UP(DEFINE_IMUL, _)

#define ONE_OPERAND	{ op_imul1, op_imul1, op_imul1, op_imul1 }

const struct op_family family_imul = { .fn = {
	[FORM_R] = ONE_OPERAND,
	[FORM_M] = ONE_OPERAND,
	[FORM_RR] = SIZES_16_UP(imul_rr),
	[FORM_RM] = SIZES_16_UP(imul_rm),
	[FORM_RRI] = SIZES_16_UP(imul_rri),
	[FORM_RMI] = SIZES_16_UP(imul_rmi),
} };
