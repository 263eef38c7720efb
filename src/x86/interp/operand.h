/* SPDX-License-Identifier: MIT */
/*
 * Memory operands of the common handlers.  The fast path is a TLB hit in
 * 64-bit code with no segment base, and needs no stack frame; everything else
 * is a handler of its own that starts the instruction over.
 */
#ifndef ANYKVM_X86_INTERP_OPERAND_H
#define ANYKVM_X86_INTERP_OPERAND_H

#include "x86/interp/family.h"
#include "x86/mmu/access.h"

static inline u64 operand_address(struct cpu *c, const struct insn *in)
{
	return *gpr64(c, in->base) + (*gpr64(c, in->index) << in->shift) +
	       (u64)(s64)in->disp;
}

/* The host address of the operand, NULL if the fast path does not apply. */
static inline const u8 *operand_read(struct cpu *c, const struct insn *in, u32 n)
{
	if (unlikely(!(in->flags & INSN_EA64)))
		return NULL;
	return tlb_host_read(c, operand_address(c, in), n);
}

static inline u8 *operand_write(struct cpu *c, const struct insn *in, u32 n)
{
	if (unlikely(!(in->flags & INSN_EA64)))
		return NULL;
	return tlb_host_write(c, operand_address(c, in), n);
}

#define SLOW_HANDLER(name) \
	__attribute__((noinline)) HANDLER(name)

/* @handler##bits: apply(c, in, value of the operand). */
#define DEFINE_LOAD(bits, handler, apply)					\
SLOW_HANDLER(handler##_slow##bits)						\
{										\
	u##bits v;								\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, false, &lin));				\
	TRY(mem_read##bits(c, lin, &v));					\
	apply(c, in, v);							\
	return STEP_NEXT;							\
}										\
HANDLER(handler##bits)								\
{										\
	const u8 *p = operand_read(c, in, bits / 8);				\
										\
	if (unlikely(!p))							\
		return handler##_slow##bits(c, in);				\
	apply(c, in, *(const mem_u##bits *)p);					\
	return STEP_NEXT;							\
}

/* @handler##bits: the operand becomes @value, an expression of c and in. */
#define DEFINE_STORE(bits, handler, value)					\
SLOW_HANDLER(handler##_slow##bits)						\
{										\
	u64 lin;								\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	return mem_write##bits(c, lin, (u##bits)(value));			\
}										\
HANDLER(handler##bits)								\
{										\
	u8 *p = operand_write(c, in, bits / 8);					\
										\
	if (unlikely(!p))							\
		return handler##_slow##bits(c, in);				\
	*(mem_u##bits *)p = (u##bits)(value);					\
	return STEP_NEXT;							\
}

/*
 * @handler##bits reads, modifies and writes: update(c, in, (mem_u##bits *)host)
 * on the fast path, else as rmw_begin() and rmw_commit() do it, with
 * value = compute(c, in, old, &flags).
 */
#define DEFINE_UPDATE(bits, handler, update, compute, locked)			\
SLOW_HANDLER(handler##_slow##bits)						\
{										\
	enum step step;								\
	struct rmw m;								\
	u##bits v;								\
	u64 lin;								\
	u32 flags;								\
	u8 *p;									\
										\
	TRY(insn_linear(c, in, bits / 8, true, &lin));				\
	p = tlb_host_write(c, lin, bits / 8);					\
	if (p) {								\
		update(c, in, (mem_u##bits *)p);					\
		return STEP_NEXT;						\
	}									\
	do {									\
		TRY(rmw_begin(c, lin, bits / 8, &m));				\
		v = compute(c, in, (u##bits)m.old, &flags);			\
		step = rmw_commit(c, &m, v, locked);				\
	} while (step == STEP_AGAIN);						\
	TRY(step);								\
	flags_store(c, flags);							\
	return STEP_NEXT;							\
}										\
HANDLER(handler##bits)								\
{										\
	u8 *p = operand_write(c, in, bits / 8);					\
										\
	if (unlikely(!p))							\
		return handler##_slow##bits(c, in);				\
	update(c, in, (mem_u##bits *)p);						\
	return STEP_NEXT;							\
}

#endif
