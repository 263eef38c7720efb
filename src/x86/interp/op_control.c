/* SPDX-License-Identifier: MIT */
/* MOV to and from control and debug registers, CLTS, LMSW, SMSW. */
#include "x86/interp/exec.h"
#include "x86/interp/ops.h"
#include "x86/interp/system.h"

/* The operand is a whole register, whatever the prefixes say. */
static u8 whole(const struct cpu *c)
{
	return cpu_code64(c) ? 8 : 4;
}

enum step exec_mov_to_cr(struct cpu *c, const struct insn *in)
{
	enum step st = cpu_write_cr(c, in->sub, reg_get(c, in->rm, whole(c)));

	return st == STEP_NEXT ? STEP_END : st;
}

enum step exec_mov_from_cr(struct cpu *c, const struct insn *in)
{
	reg_set(c, in->rm, whole(c), cpu_read_cr(c, in->sub));
	return STEP_NEXT;
}

enum step exec_mov_to_dr(struct cpu *c, const struct insn *in)
{
	TRY(cpu_write_dr(c, in->sub, reg_get(c, in->rm, whole(c))));
	return STEP_END;
}

enum step exec_mov_from_dr(struct cpu *c, const struct insn *in)
{
	u64 v;

	TRY(cpu_read_dr(c, in->sub, &v));
	reg_set(c, in->rm, whole(c), v);
	return STEP_NEXT;
}

enum step exec_clts(struct cpu *c, const struct insn *in)
{
	c->cr0 &= ~X86_CR0_TS;
	return STEP_END;
}

/* PE can be set, not cleared (SDM vol. 2A, LMSW). */
enum step exec_lmsw(struct cpu *c, const struct insn *in)
{
	const u64 msw = X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;
	u16 v;

	TRY(read_rm16(c, in, &v));
	TRY(cpu_write_cr(c, 0, (c->cr0 & ~(msw & ~X86_CR0_PE)) | (v & msw)));
	return STEP_END;
}

enum step exec_smsw(struct cpu *c, const struct insn *in)
{
	return write_rm16(c, in, c->cr0);
}
