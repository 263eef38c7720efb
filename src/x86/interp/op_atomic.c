// SPDX-License-Identifier: MIT
/* XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B (SDM vol. 2). */
#include "util/guard.h"
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"

/* -- XCHG: a memory operand is always locked ---------------------------------------- */

#define DEFINE_XCHG(bits, unused)						\
ATOMIC_MAY_UNWIND static u##bits xchg##bits(u8 *p, u##bits v)			\
{										\
	return __atomic_exchange_n((u##bits *)p, v, __ATOMIC_SEQ_CST);		\
}										\
HANDLER(xchg_rr##bits)								\
{										\
	u##bits a = *gpr##bits(c, in->rm), b = *gpr##bits(c, in->reg);		\
										\
	REG_WRITE_##bits(c, in->rm, b);						\
	REG_WRITE_##bits(c, in->reg, a);					\
	return STEP_NEXT;							\
}										\
HANDLER(xchg_mr##bits)								\
{										\
	u##bits v = *gpr##bits(c, in->reg);					\
	enum step step;								\
	struct rmw m;								\
	u64 lin;								\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (likely(p)) {							\
		v = xchg##bits(p, v);						\
		REG_WRITE_##bits(c, in->reg, v);				\
		return STEP_NEXT;						\
	}									\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		step = rmw_commit(c, &m, v, true);				\
	} while (step == STEP_AGAIN);						\
	TRY(step);								\
	REG_WRITE_##bits(c, in->reg, (u##bits)m.old);				\
	return STEP_NEXT;							\
}
FOR_SIZES(DEFINE_XCHG, _)

const struct op_family family_xchg = { .fn = {
	[FORM_RR] = ALL_SIZES(xchg_rr),
	[FORM_MR] = ALL_SIZES(xchg_mr),
	[FORM_RM] = ALL_SIZES(xchg_mr),
	[FORM_LMR] = ALL_SIZES(xchg_mr),
} };

/* -- XADD ------------------------------------------------------------------------------ */

#define ASM_XADD(bits, lock, ax, dst_constraint, d, s)				\
	asm volatile(lock "xadd" SUFFIX_##bits " %[from], %[dest]" ASM_FLAGS_OUT	\
		     : [dest] dst_constraint(d), [from] "+r"(s), "=&a"(ax) : : "cc", "memory")

#define DEFINE_XADD(bits, unused)						\
HANDLER(xadd_rr##bits)								\
{										\
	u##bits dst = *gpr##bits(c, in->rm), src = *gpr##bits(c, in->reg);	\
	u32 ax;									\
										\
	ASM_XADD(bits, "", ax, "+r", dst, src);					\
	/* The sum last: it wins when both are one register. */			\
	REG_WRITE_##bits(c, in->reg, src);					\
	REG_WRITE_##bits(c, in->rm, dst);					\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(xadd_mr##bits)								\
{										\
	u##bits src = *gpr##bits(c, in->reg), dst, sum = src;			\
	bool locked = in->flags & INSN_LOCK;					\
	enum step step;								\
	struct rmw m;								\
	u64 lin;								\
	u32 ax;									\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (likely(p)) {							\
		ASM_XADD(bits, "lock\n\t", ax, "+m", *(mem_u##bits *)p, src);	\
	} else {								\
		do {								\
			TRY(rmw_begin(c, lin, bits / 8, &m));			\
			dst = (u##bits)m.old;					\
			src = sum;						\
			ASM_XADD(bits, "", ax, "+r", dst, src);			\
			step = rmw_commit(c, &m, dst, locked);			\
		} while (step == STEP_AGAIN);					\
		TRY(step);							\
	}									\
	REG_WRITE_##bits(c, in->reg, src);					\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}
FOR_SIZES(DEFINE_XADD, _)

const struct op_family family_xadd = { .fn = {
	[FORM_RR] = ALL_SIZES(xadd_rr),
	[FORM_MR] = ALL_SIZES(xadd_mr),
	[FORM_LMR] = ALL_SIZES(xadd_mr),
} };

/* -- CMPXCHG ---------------------------------------------------------------------------- */

/* Whole registers pass through, so that the host decides what is extended. */
#define ASM_CMPXCHG(bits, lock, mod, ax, dst_constraint, d, s, acc)		\
	asm volatile("mov %[acc_reg], %%rax\n\t"					\
		     lock "cmpxchg" SUFFIX_##bits " %" mod "[from], %" mod "[dest]\n\t" \
		     "mov %%rax, %[acc_reg]" ASM_FLAGS_OUT				\
		     : [dest] dst_constraint(d), [acc_reg] "+&r"(acc), "=&a"(ax)		\
		     : [from] "r"(s) : "cc", "memory")

#define DEFINE_CMPXCHG(bits, mod)						\
HANDLER(cmpxchg_rr##bits)							\
{										\
	u64 dst, acc = c->gpr[RAX];						\
	u64 src = *gpr##bits(c, in->reg);					\
	u##bits cut;								\
	u32 ax;									\
										\
	dst = bits >= 32 ? *gpr64(c, in->rm) : *gpr##bits(c, in->rm);		\
	ASM_CMPXCHG(bits, "", mod, ax, "+&r", dst, src, acc);			\
	c->gpr[RAX] = acc;							\
	cut = (u##bits)dst;							\
	if (bits == 32)								\
		*gpr64(c, in->rm) = dst;					\
	else									\
		*gpr##bits(c, in->rm) = cut;					\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}										\
HANDLER(cmpxchg_mr##bits)							\
{										\
	u64 src = *gpr##bits(c, in->reg), acc = c->gpr[RAX];			\
	bool locked = in->flags & INSN_LOCK;					\
	enum step step;								\
	u##bits dst;								\
	struct rmw m;								\
	u64 lin;								\
	u32 ax;									\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (likely(p)) {							\
		ASM_CMPXCHG(bits, "lock\n\t", "", ax, "+m", *(mem_u##bits *)p, (u##bits)src, acc); \
	} else {								\
		do {								\
			TRY(rmw_begin(c, lin, bits / 8, &m));			\
			dst = (u##bits)m.old;					\
			acc = c->gpr[RAX];					\
			ASM_CMPXCHG(bits, "", "", ax, "+&r", dst, (u##bits)src, acc); \
			step = rmw_commit(c, &m, dst, locked);			\
		} while (step == STEP_AGAIN);					\
		TRY(step);							\
	}									\
	c->gpr[RAX] = acc;							\
	flags_store(c, ax);							\
	return STEP_NEXT;							\
}
DEFINE_CMPXCHG(8, "b")
DEFINE_CMPXCHG(16, "w")
DEFINE_CMPXCHG(32, "k")
DEFINE_CMPXCHG(64, "q")

const struct op_family family_cmpxchg = { .fn = {
	[FORM_RR] = ALL_SIZES(cmpxchg_rr),
	[FORM_MR] = ALL_SIZES(cmpxchg_mr),
	[FORM_LMR] = ALL_SIZES(cmpxchg_mr),
} };

/* -- CMPXCHG8B, CMPXCHG16B ------------------------------------------------------------- */

static void assign_zf(struct cpu *c, bool equal)
{
	flags_assign(c, X86_EFLAGS_ZF, equal);
}

enum step op_cmpxchg8b(struct cpu *c, const struct insn *in)
{
	u64 expected = c->gpr[RDX] << 32 | (u32)c->gpr[RAX];
	u64 desired = c->gpr[RCX] << 32 | (u32)c->gpr[RBX];
	enum step step;
	struct rmw m;
	u64 lin;

	TRY(insn_linear(c, in, 8, true, &lin));
	do {
		TRY(rmw_begin(c, lin, 8, &m));
		step = rmw_commit(c, &m, m.old == expected ? desired : m.old,
				  in->flags & INSN_LOCK);
	} while (step == STEP_AGAIN);
	TRY(step);
	assign_zf(c, m.old == expected);
	if (m.old != expected) {
		c->gpr[RAX] = (u32)m.old;
		c->gpr[RDX] = m.old >> 32;
	}
	return STEP_NEXT;
}

/* Returns whether it was exchanged; *@old is what was there. */
static bool host_cmpxchg16b(u128 *p, u128 *old, u128 desired)
{
	u64 lo = (u64)*old, hi = (u64)(*old >> 64);
	bool equal;

	asm volatile("lock cmpxchg16b %[m]\n\tsete %[z]"
		     : [m] "+m"(*p), "+a"(lo), "+d"(hi), [z] "=q"(equal)
		     : "b"((u64)desired), "c"((u64)(desired >> 64))
		     : "cc", "memory");
	*old = (u128)hi << 64 | lo;
	return equal;
}

enum step op_cmpxchg16b(struct cpu *c, const struct insn *in)
{
	u128 expected = (u128)c->gpr[RDX] << 64 | c->gpr[RAX];
	u128 desired = (u128)c->gpr[RCX] << 64 | c->gpr[RBX];
	u128 old = expected;
	bool equal;
	u64 lin;
	u8 *p;

	TRY(insn_linear(c, in, 16, true, &lin));
	if (lin & 15)
		return cpu_raise_gp0(c);
	p = tlb_host_write(c, lin, 16);
	if (unlikely(!p))
		TRY(mem_host(c, lin, true, &p));
	if (likely(p)) {
		equal = host_cmpxchg16b((u128 *)p, &old, desired);
	} else {	/* MMIO: not atomic against others */
		TRY(mem_read_slow(c, lin, &old, 16));
		equal = old == expected;
		TRY(mem_write_slow(c, lin, equal ? &desired : &old, 16));
	}
	assign_zf(c, equal);
	if (!equal) {
		c->gpr[RAX] = (u64)old;
		c->gpr[RDX] = (u64)(old >> 64);
	}
	return STEP_NEXT;
}
