/* SPDX-License-Identifier: MIT */
/* Stack accesses of handlers: the 64-bit stack inline, the others by access.c. */
#ifndef ANYKVM_X86_INTERP_STACK_H
#define ANYKVM_X86_INTERP_STACK_H

#include "x86/mmu/access.h"

/* PUSH in 64-bit code, where SS has no base and no limit. */
static inline enum step stack_push64(struct cpu *c, u64 v)
{
	u64 sp = c->gpr[RSP] - 8;
	u8 *p = tlb_host_write(c, sp, 8);

	if (unlikely(!p))
		return stack_push(c, v, 8);
	memcpy(p, &v, 8);
	c->gpr[RSP] = sp;
	return STEP_NEXT;
}

/* Reads what POP would give, without moving RSP. */
static inline enum step stack_peek(struct cpu *c, u64 *v, u8 size)
{
	u64 rsp = c->gpr[RSP];
	enum step step = stack_pop(c, v, size);

	c->gpr[RSP] = rsp;
	return step;
}

static inline enum step stack_peek64(struct cpu *c, u64 *v)
{
	const u8 *p = tlb_host_read(c, c->gpr[RSP], 8);

	if (unlikely(!p))
		return stack_peek(c, v, 8);
	memcpy(v, p, 8);
	return STEP_NEXT;
}

static inline void stack_drop(struct cpu *c, u32 bytes)
{
	if (likely(c->stack_size == 8))
		c->gpr[RSP] += bytes;
	else
		stack_set(c, stack_get(c) + bytes);
}

#endif
