/* SPDX-License-Identifier: MIT */
/*
 * Near branches.
 *
 * A CALL of the guest is one of the host too, so that the processor predicts
 * where RET goes.  Nothing is believed: RET brings the return address that it
 * read from the guest's stack in RAX, and where it arrives that is compared.
 */
#include "x86/jit/trans.h"
#include "x86/mmu/internal.h"


void check_canonical(struct trans *t)
{
	struct code *k = &t->k;

	mov_rr(k, R_B, RAX);
	put_op(k, true, 0xc1, 7, RM_REG(R_B));			/* sar r10, 47 */
	put8(k, 47);
	put_op(k, true, 0x83, 0, RM_REG(R_B));			/* add r10, 1 */
	put8(k, 1);
	put_op(k, true, 0x83, 7, RM_REG(R_B));			/* cmp r10, 1 */
	put8(k, 1);
	punt_if(t, CC_A);
}

/* RAX: the RIP to go on at if there is a request. */
static void poll_indirect(struct trans *t)
{
	put_op(&t->k, true, 0x3b, RSP, CPU_FIELD(jit_limit));
	jcc_to(&t->k, CC_B, t->j->exit);
}

/* RAX = the target in a register or memory. */
static bool load_target(struct trans *t, bool check)
{
	const ZydisDecodedOperand *o = &t->ops[0];
	u8 src;

	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		flags_park(t);
		src = gpr_use(t, operand_gpr(o), R_B);
		mov_word(t, RAX, RM_REG(src));
	} else {
		if (!ea_possible(t))
			return false;
		flags_park(t);
		mov_word(t, RAX, mem_operand(t, word_size(t), false, false));
	}
	if (check && t->wide)
		check_canonical(t);
	flags_clobbered(t);
	return true;
}

/* -- CALL and RET ---------------------------------------------------------------- */

/* Stores the return address on the guest's stack. */
static void push_return(struct trans *t, u64 ra)
{
	u8 size = word_size(t);
	struct rm m = mem_at(t, RSP, -size, size, true);

	if (size == 4 || (s64)ra == (s32)ra) {
		put_op(&t->k, size == 8, 0xc7, 0, m);		/* mov [], imm32 */
		put32(&t->k, (u32)ra);
	} else {
		mov_imm(&t->k, R_C, ra);
		mov_store(&t->k, m, R_C);
	}
	lea_word(t, R_GUEST_RSP, RM_MEM(R_GUEST_RSP, -size));
}

/*
 * Where RET comes back to.  The code is still current: what makes it stale
 * leaves translated code, and with it the host's stack.
 */
static void return_site(struct trans *t, u64 ra)
{
	if ((s64)ra == (s32)ra) {
		put8(&t->k, 0x48); put8(&t->k, 0x3d);		/* cmp rax, imm32 */
		put32(&t->k, (u32)ra);
	} else {
		mov_imm(&t->k, R_C, ra);
		put_op(&t->k, true, 0x3b, RAX, RM_REG(R_C));
	}
	jcc_to(&t->k, CC_NE, t->j->returned);
	flags_clobbered(t);
	edge_emit(t, ra);
	t->ended = true;
}

static bool insn_call_direct(struct trans *t, u64 target)
{
	u64 ra = cut_rip(t, t->rip + t->in->len);
	struct code *k = &t->k;
	struct cold *cold;

	if (!is_canonical(target) || !is_canonical(ra))
		return false;
	flags_park(t);
	push_return(t, ra);
	poll_emit(t, target);
	put8(k, 0xe8);
	put32(k, 0);
	cold = cold_add(t, COLD_TAKEN, k->p - 4);
	cold->target = target;
	cold->flags = FLAGS_PARKED;
	return_site(t, ra);
	return true;
}

static bool insn_call_indirect(struct trans *t)
{
	u64 ra = cut_rip(t, t->rip + t->in->len);
	struct code *k = &t->k;

	if (!is_canonical(ra) || !load_target(t, true))
		return false;
	mov_store(k, CPU_FIELD(jit_target), RAX);
	push_return(t, ra);
	mov_load(k, RAX, CPU_FIELD(jit_target));
	poll_indirect(t);
	call_to(k, t->j->indirect);
	return_site(t, ra);
	return true;
}

/*
 * A return address that is not canonical is no call's: whoever looks for its
 * code finds in R10 which RET was the mistake (jit_indirect).
 */
static bool insn_ret(struct trans *t)
{
	u8 size = word_size(t);

	flags_park(t);
	mov_word(t, RAX, mem_at(t, RSP, 0, size, false));
	mov_imm(&t->k, R_B, tu_off(t->j, t->tu));
	lea_word(t, R_GUEST_RSP, RM_MEM(R_GUEST_RSP, size + (s32)t->in->imm));
	put8(&t->k, 0xc3);
	t->ended = true;
	return true;
}

/* -- JMP and Jcc -------------------------------------------------------------------- */

static bool insn_jmp_direct(struct trans *t, u64 target)
{
	if (!is_canonical(target))
		return false;
	flags_park(t);
	if (target <= t->rip)
		poll_emit(t, target);
	edge_emit(t, target)->jump = !((target ^ t->rip) & PAGE_MASK);
	t->tu->tail = TAIL_JUMP;
	t->ended = true;
	return true;
}

static bool insn_jmp_indirect(struct trans *t)
{
	u8 *event;

	if (!load_target(t, false))
		return false;
	/* A request: jit_indirect() leaves, if the target is an address at all. */
	put_op(&t->k, true, 0x3b, RSP, CPU_FIELD(jit_limit));
	event = jcc_later(&t->k, CC_B);
	put_jump(&t->k, t->c);
	patch_here(&t->k, event);
	mov_imm(&t->k, R_B, tu_off(t->j, t->tu));
	jmp_to(&t->k, t->j->returned);
	t->tu->tail = TAIL_INDIRECT;
	t->ended = true;
	return true;
}

static bool insn_jcc(struct trans *t, u64 target)
{
	struct cold *cold;

	if (!is_canonical(target))
		return false;
	if (t->copies > 1 && t->pos % t->count == t->count - 1)
		return loop_branch(t);
	flags_load(t);
	cold = cold_add(t, COLD_TAKEN, jcc_later(&t->k, t->zi.opcode & 15));
	cold->target = target;
	cold->flags = t->flags;
	cold->in = t->in;
	return true;
}

bool insn_branch(struct trans *t)
{
	bool direct = t->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	u64 target = cut_rip(t, t->rip + t->in->imm);

	if (t->in->osz != word_size(t) || t->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return false;
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		return direct ? insn_jmp_direct(t, target) : insn_jmp_indirect(t);
	case ZYDIS_MNEMONIC_CALL:
		return direct ? insn_call_direct(t, target) : insn_call_indirect(t);
	case ZYDIS_MNEMONIC_RET:
		return t->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR && insn_ret(t);
#define CONDITION(mnemonic, name, cc) case ZYDIS_MNEMONIC_J##mnemonic:
#include "x86/interp/conditions.def"
		return insn_jcc(t, target);
	default:
		return false;
	}
}
