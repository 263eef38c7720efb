// SPDX-License-Identifier: MIT
/* PUSH, POP, PUSHA, POPA, ENTER, LEAVE (SDM vol. 2). */
#include "x86/cpu/protect.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"
#include "x86/interp/stack.h"

/* -- PUSH ------------------------------------------------------------------------------ */

HANDLER(push_r64)
{
	return stack_push64(c, *gpr64(c, in->rm));
}

HANDLER(push_i64)
{
	return stack_push64(c, in->imm);
}

HANDLER(push_m64)
{
	u64 lin, v;

	TRY(insn_linear(c, in, 8, false, &lin));
	TRY(mem_read64(c, lin, &v));
	return stack_push64(c, v);
}

HANDLER(push_r)
{
	return stack_push(c, reg_get(c, in->rm, in->osz), in->osz);
}

HANDLER(push_i)
{
	return stack_push(c, in->imm, in->osz);
}

HANDLER(push_m)
{
	u64 lin, v;

	TRY(insn_linear(c, in, in->osz, false, &lin));
	TRY(mem_read_size(c, lin, in->osz, &v));
	return stack_push(c, v, in->osz);
}

const struct op_family family_push = { .fn = {
	[FORM_R] = { NULL, push_r, push_r, push_r64 },
	[FORM_I] = { NULL, push_i, push_i, push_i64 },
	[FORM_M] = { NULL, push_m, push_m, push_m64 },
} };

/* -- POP --------------------------------------------------------------------------------- */

/* POP RSP: the value popped wins over the increment. */
HANDLER(pop_r64)
{
	u64 v;

	TRY(stack_peek64(c, &v));
	c->gpr[RSP] += 8;
	*gpr64(c, in->rm) = v;
	return STEP_NEXT;
}

HANDLER(pop_r)
{
	u64 v;

	TRY(stack_pop(c, &v, in->osz));
	reg_set(c, in->rm, in->osz, v);
	return STEP_NEXT;
}

/* The address is computed with RSP incremented (SDM vol. 2B, POP). */
HANDLER(pop_m)
{
	u64 rsp = c->gpr[RSP];
	enum step step;
	u64 lin, v;

	TRY(stack_pop(c, &v, in->osz));
	step = insn_linear(c, in, in->osz, true, &lin);
	if (step == STEP_NEXT)
		step = mem_write_size(c, lin, in->osz, v);
	if (step != STEP_NEXT)
		c->gpr[RSP] = rsp;
	return step;
}

const struct op_family family_pop = { .fn = {
	[FORM_R] = { NULL, pop_r, pop_r, pop_r64 },
	[FORM_M] = { NULL, pop_m, pop_m, pop_m },
} };

/* -- PUSHA, POPA -------------------------------------------------------------------------- */

enum step op_pusha(struct cpu *c, const struct insn *in)
{
	u64 rsp = c->gpr[RSP];
	int i;

	for (i = RAX; i <= RDI; i++) {
		u64 v = i == RSP ? rsp : c->gpr[i];
		enum step step = stack_push(c, v, in->osz);

		if (step != STEP_NEXT) {
			c->gpr[RSP] = rsp;
			return step;
		}
	}
	return STEP_NEXT;
}

/* Those from @first on; the image of SP is skipped. */
static void popa_commit(struct cpu *c, const u64 *v, int first, u8 size)
{
	for (int i = first; i <= RDI; i++)
		if (i != RSP)
			reg_set(c, GPR_OFF(i), size, v[i]);
}

enum step op_popa(struct cpu *c, const struct insn *in)
{
	u64 rsp = c->gpr[RSP];
	u64 v[8];
	int i;

	for (i = RDI; i >= RAX; i--) {
		enum step step = stack_pop(c, &v[i], in->osz);

		if (step != STEP_NEXT) {
			c->gpr[RSP] = rsp;
			if (cpu_amd_like(c))	/* what has been popped stays */
				popa_commit(c, v, i + 1, in->osz);
			return step;
		}
	}
	popa_commit(c, v, RAX, in->osz);
	return STEP_NEXT;
}

/* -- ENTER, LEAVE --------------------------------------------------------------------------- */

/* RBP as a stack offset. */
static u64 frame_get(const struct cpu *c)
{
	return cut_to(c->gpr[RBP], c->stack_size);
}

/* Copies the frame pointers of the enclosing levels. */
static enum step enter_display(struct cpu *c, u8 level, u8 size, u64 frame)
{
	u64 link = frame_get(c), lin, v;

	while (--level) {
		link = cut_to(link - size, c->stack_size);
		TRY(cpu_seg_linear(c, SS, link, size, false, &lin));
		TRY(mem_read_size(c, lin, size, &v));
		TRY(stack_push(c, v, size));
	}
	return stack_push(c, frame, size);
}

static enum step enter_body(struct cpu *c, const struct insn *in, u64 *frame)
{
	u16 bytes = (u16)in->imm;
	u8 level = in->sub & 31;
	u64 lin;

	TRY(stack_push(c, reg_get(c, GPR_OFF(RBP), in->osz), in->osz));
	*frame = c->gpr[RSP];	/* all of it, whatever the stack's size */
	if (level)
		TRY(enter_display(c, level, in->osz, *frame));
	stack_set(c, stack_get(c) - bytes);
	/* The new top of stack must be writable (SDM vol. 2A, ENTER). */
	TRY(cpu_seg_linear(c, SS, stack_get(c), in->osz, true, &lin));
	return mem_probe(c, lin, in->osz, true);
}

/* imm is the frame size, sub the nesting level. */
enum step op_enter(struct cpu *c, const struct insn *in)
{
	u64 rsp = c->gpr[RSP], frame;
	enum step step = enter_body(c, in, &frame);

	if (step != STEP_NEXT) {
		c->gpr[RSP] = rsp;
		return step;
	}
	reg_set(c, GPR_OFF(RBP), in->osz, frame);
	return STEP_NEXT;
}

enum step op_leave(struct cpu *c, const struct insn *in)
{
	u64 rsp = c->gpr[RSP], v;
	enum step step;

	stack_set(c, frame_get(c));
	step = in->osz == 8 ? stack_peek64(c, &v) : stack_peek(c, &v, in->osz);
	if (step != STEP_NEXT) {
		c->gpr[RSP] = rsp;
		return step;
	}
	stack_drop(c, in->osz);
	reg_set(c, GPR_OFF(RBP), in->osz, v);
	return STEP_NEXT;
}
