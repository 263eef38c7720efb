// SPDX-License-Identifier: MIT
/*
 * Near JMP, CALL, RET, Jcc, LOOP, JCXZ (SDM vol. 2).
 *
 * Relative displacements count from the start of the branch: the decoder has
 * added its length.
 */
#include "x86/cpu/protect.h"
#include "x86/interp/family.h"
#include "x86/interp/flags.h"
#include "x86/interp/ops.h"
#include "x86/interp/special.h"
#include "x86/interp/stack.h"

/* Cuts *@target to the operand size and checks it, in any mode. */
static enum step check_target(struct cpu *c, u64 *target, u8 osz)
{
	*target = cut_to(*target, osz);
	if (cpu_code64(c))
		return is_canonical(*target) ? STEP_NEXT : cpu_raise_gp0(c);
	return *target > c->seg[CS].limit ? cpu_raise_gp0(c) : STEP_NEXT;
}

static inline enum step jump64(struct cpu *c, u64 target)
{
	if (unlikely(!is_canonical(target)))
		return cpu_raise_gp0(c);
	c->rip = target;
	return STEP_JUMP;
}

static enum step jump(struct cpu *c, u64 target, u8 osz)
{
	TRY(check_target(c, &target, osz));
	c->rip = target;
	return STEP_JUMP;
}

/* On AMD's processors the stack has its say before the target. */
static __attribute__((noinline)) enum step bad_call(struct cpu *c, const struct insn *in,
						    enum step bad)
{
	const struct exception e = c->exc;
	u64 sp = stack_get(c) - in->osz, lin;

	if (!cpu_amd_like(c))
		return bad;
	if (c->stack_size != 8)
		sp = c->stack_size == 4 ? (u32)sp : (u16)sp;
	TRY(cpu_seg_linear(c, SS, sp, in->osz, true, &lin));
	TRY(mem_probe(c, lin, in->osz, true));
	c->exc = e;
	return bad;
}

static inline enum step call64(struct cpu *c, const struct insn *in, u64 target)
{
	if (unlikely(!is_canonical(target)))
		return bad_call(c, in, cpu_raise_gp0(c));
	TRY(stack_push64(c, c->rip + in->len));
	c->rip = target;
	return STEP_JUMP;
}

static enum step call(struct cpu *c, const struct insn *in, u64 target)
{
	enum step st = check_target(c, &target, in->osz);

	if (unlikely(st != STEP_NEXT))
		return bad_call(c, in, st);
	TRY(stack_push(c, c->rip + in->len, in->osz));
	c->rip = target;
	return STEP_JUMP;
}

static enum step target_mem(struct cpu *c, const struct insn *in, u64 *target)
{
	u64 lin;

	TRY(insn_linear(c, in, in->osz, false, &lin));
	return mem_read_size(c, lin, in->osz, target);
}

/* -- JMP ----------------------------------------------------------------------------- */

HANDLER(jmp_i64)
{
	return jump64(c, c->rip + in->imm);
}

HANDLER(jmp_i)
{
	return jump(c, c->rip + in->imm, in->osz);
}

HANDLER(jmp_r64)
{
	return jump64(c, *gpr64(c, in->rm));
}

HANDLER(jmp_r)
{
	return jump(c, *gpr64(c, in->rm), in->osz);
}

HANDLER(jmp_m64)
{
	u64 lin, target;

	TRY(insn_linear(c, in, 8, false, &lin));
	TRY(mem_read64(c, lin, &target));
	return jump64(c, target);
}

HANDLER(jmp_m)
{
	u64 target;

	TRY(target_mem(c, in, &target));
	return jump(c, target, in->osz);
}

const struct op_family family_jmp = { .fn = {
	[FORM_I] = { NULL, jmp_i, jmp_i, jmp_i64 },
	[FORM_R] = { NULL, jmp_r, jmp_r, jmp_r64 },
	[FORM_M] = { NULL, jmp_m, jmp_m, jmp_m64 },
} };

/* -- CALL ------------------------------------------------------------------------------ */

HANDLER(call_i64)
{
	return call64(c, in, c->rip + in->imm);
}

HANDLER(call_i)
{
	return call(c, in, c->rip + in->imm);
}

HANDLER(call_r64)
{
	return call64(c, in, *gpr64(c, in->rm));
}

HANDLER(call_r)
{
	return call(c, in, *gpr64(c, in->rm));
}

HANDLER(call_m64)
{
	u64 lin, target;

	TRY(insn_linear(c, in, 8, false, &lin));
	TRY(mem_read64(c, lin, &target));
	return call64(c, in, target);
}

HANDLER(call_m)
{
	u64 target;

	TRY(target_mem(c, in, &target));
	return call(c, in, target);
}

const struct op_family family_call = { .fn = {
	[FORM_I] = { NULL, call_i, call_i, call_i64 },
	[FORM_R] = { NULL, call_r, call_r, call_r64 },
	[FORM_M] = { NULL, call_m, call_m, call_m64 },
} };

/* -- RET: imm is the number of bytes to drop after the return address --------------------- */

HANDLER(ret64)
{
	u64 target;

	TRY(stack_peek64(c, &target));
	if (unlikely(!is_canonical(target)))
		return cpu_raise_gp0(c);
	c->gpr[RSP] += 8 + in->imm;
	c->rip = target;
	return STEP_JUMP;
}

HANDLER(ret)
{
	u64 target;

	TRY(stack_peek(c, &target, in->osz));
	TRY(check_target(c, &target, in->osz));
	stack_drop(c, in->osz + (u16)in->imm);
	c->rip = target;
	return STEP_JUMP;
}

const struct op_family family_ret = { .fn = {
	[FORM_NONE] = { NULL, ret, ret, ret64 },
	[FORM_I] = { NULL, ret, ret, ret64 },
} };

/* -- Conditional --------------------------------------------------------------------------- */

#define DEFINE_JCC(name, cc)							\
HANDLER(j##name##_i64)								\
{										\
	if (!flags_condition(c->status, cc))					\
		return STEP_NEXT;						\
	return jump64(c, c->rip + in->imm);					\
}										\
HANDLER(j##name##_i)								\
{										\
	if (!flags_condition(c->status, cc))					\
		return STEP_NEXT;						\
	return jump(c, c->rip + in->imm, in->osz);				\
}										\
const struct op_family family_j##name = { .fn = {				\
	[FORM_I] = { NULL, j##name##_i, j##name##_i, j##name##_i64 },		\
} };
#define CONDITION(mnemonic, name, cc) DEFINE_JCC(name, cc)
#include "x86/interp/conditions.def"

/* JCXZ, JECXZ, JRCXZ: by address size. */
enum step op_jcxz(struct cpu *c, const struct insn *in)
{
	if (reg_get(c, GPR_OFF(RCX), in->asz))
		return STEP_NEXT;
	return jump(c, c->rip + in->imm, in->osz);
}

/* The counter changes even if the branch is not taken, not if it faults. */
static enum step loop_while(struct cpu *c, const struct insn *in, bool condition)
{
	u64 count = cut_to(c->gpr[RCX] - 1, in->asz);
	u64 target = c->rip + in->imm;

	if (!count || !condition) {
		reg_set(c, GPR_OFF(RCX), in->asz, count);
		return STEP_NEXT;
	}
	TRY(check_target(c, &target, in->osz));
	reg_set(c, GPR_OFF(RCX), in->asz, count);
	c->rip = target;
	return STEP_JUMP;
}

enum step op_loop(struct cpu *c, const struct insn *in)
{
	return loop_while(c, in, true);
}

enum step op_loope(struct cpu *c, const struct insn *in)
{
	return loop_while(c, in, c->status & X86_EFLAGS_ZF);
}

enum step op_loopne(struct cpu *c, const struct insn *in)
{
	return loop_while(c, in, !(c->status & X86_EFLAGS_ZF));
}
