/* SPDX-License-Identifier: MIT */
/* The stack (SDM vol. 1 6.2). */
#include "x86/mmu/access.h"
#include "x86/mmu/internal.h"

u64 stack_get(const struct cpu *c)
{
	switch (c->stack_size) {
	case 2: return (u16)c->gpr[RSP];
	case 4: return (u32)c->gpr[RSP];
	default: return c->gpr[RSP];
	}
}

void stack_set(struct cpu *c, u64 sp)
{
	reg_set(c, GPR_OFF(RSP), c->stack_size, sp);
}

/* A 64-bit stack has no segment checks but the canonical one. */
static enum step stack_linear(struct cpu *c, u64 sp, u8 size, bool write, u64 *lin)
{
	if (c->stack_size != 8)
		return cpu_seg_linear(c, SS, sp, size, write, lin);
	if (unlikely(!is_canonical(sp) || !is_canonical(sp + size - 1)))
		return cpu_raise_error(c, EXC_SS, 0);
	*lin = sp;
	return STEP_NEXT;
}

static enum step push_slow(struct cpu *c, u64 v, u8 size)
{
	u64 lin, sp = c->gpr[RSP] - size;

	if (c->stack_size == 4)
		sp = (u32)sp;
	else if (c->stack_size == 2)
		sp = (u16)sp;
	TRY(stack_linear(c, sp, size, true, &lin));
	TRY(mem_write_size(c, lin, size, v));
	stack_set(c, sp);
	return STEP_NEXT;
}

static enum step pop_slow(struct cpu *c, u64 *v, u8 size)
{
	u64 lin, sp = stack_get(c);

	TRY(stack_linear(c, sp, size, false, &lin));
	TRY(mem_read_size(c, lin, size, v));
	stack_set(c, sp + size);
	return STEP_NEXT;
}

/* What 64-bit code does all the time.  What the TLB has is canonical. */
enum step stack_push(struct cpu *c, u64 v, u8 size)
{
	if (likely(c->stack_size == 8 && size == 8)) {
		u64 sp = c->gpr[RSP] - 8;
		u8 *p = tlb_host_write(c, sp, 8);

		if (likely(p)) {
			memcpy(p, &v, 8);
			c->gpr[RSP] = sp;
			return STEP_NEXT;
		}
	}
	return push_slow(c, v, size);
}

enum step stack_pop(struct cpu *c, u64 *v, u8 size)
{
	if (likely(c->stack_size == 8 && size == 8)) {
		const u8 *p = tlb_host_read(c, c->gpr[RSP], 8);

		if (likely(p)) {
			memcpy(v, p, 8);
			c->gpr[RSP] += 8;
			return STEP_NEXT;
		}
	}
	return pop_slow(c, v, size);
}
