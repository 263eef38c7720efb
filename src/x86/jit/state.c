/* SPDX-License-Identifier: MIT */
/* What reads the state of the machine or waits: time, fences, PAUSE, selectors. */
#include "x86/cpu/features.h"
#include "x86/jit/debug.h"
#include "x86/jit/trans.h"

/* RDTSC is for CPL 0 if CR4.TSD; a scaled TSC is the interpreter's. */
static void check_tsc(struct trans *t)
{
	struct code *k = &t->k;

	test_imm(k, CPU_FIELD(cr4), X86_CR4_TSD);
	punt_if(t, CC_NE);
	mov_imm(k, R_B, TSC_RATIO_ONE);
	put_op(k, true, 0x3b, R_B, CPU_FIELD(tsc_ratio));	/* cmp r10, [] */
	punt_if(t, CC_NE);
}

static void put_lfence(struct code *k)
{
	put8(k, 0x0f); put8(k, 0xae); put8(k, 0xe8);
}

static bool insn_rdtsc(struct trans *t, bool with_aux)
{
	struct code *k = &t->k;

	/* Executed in both engines, it would give two times. */
	if ((jit_debug & JIT_LOCKSTEP) || (with_aux && !cpu_has(t->c, FEATURE_RDTSCP)))
		return false;
	flags_save(t);
	check_tsc(t);
	if (with_aux) {
		put_lfence(k);
		put_op(k, false, 0x8b, RCX, CPU_FIELD(tsc_aux));
	}
	put8(k, 0x0f); put8(k, 0x31);				/* rdtsc */
	put_op(k, true, 0xc1, 4, RM_REG(RDX));			/* shl rdx, 32 */
	put8(k, 32);
	put_op(k, true, 0x09, RDX, RM_REG(RAX));		/* or rax, rdx */
	put_op(k, true, 0x03, RAX, CPU_FIELD(tsc_offset));
	put_op(k, false, 0x8b, R_GUEST_RAX, RM_REG(RAX));
	mov_rr(k, RDX, RAX);
	put_op(k, true, 0xc1, 5, RM_REG(RDX));			/* shr rdx, 32 */
	put8(k, 32);
	flags_clobbered(t);
	return true;
}

/* Now and then the interpreter gives the CPU away. */
static bool insn_pause(struct trans *t)
{
	struct code *k = &t->k;

	flags_save(t);
	put_op(k, false, 0x8b, R_B, CPU_FIELD(pauses));
	put_op(k, false, 0xff, 0, RM_REG(R_B));			/* inc */
	test_imm(k, RM_REG(R_B), PAUSE_SPINS - 1);
	punt_if(t, CC_E);
	put_op(k, false, 0x89, R_B, CPU_FIELD(pauses));
	put8(k, 0xf3); put8(k, 0x90);
	flags_clobbered(t);
	return true;
}

/* LFENCE, SFENCE: what is written by others need not be executed behind them. */
static bool insn_fence(struct trans *t, u8 modrm)
{
	put8(&t->k, 0x0f); put8(&t->k, 0xae); put8(&t->k, modrm);
	return true;
}

/* MOV from a segment register. */
static bool insn_selector(struct trans *t)
{
	const ZydisDecodedOperand *o = t->ops;
	struct rm m = CPU_FIELD(seg[0].selector);

	if (t->zi.opcode != 0x8c || t->zi.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
	    o->type != ZYDIS_OPERAND_TYPE_REGISTER || t->in->osz < 4)
		return false;
	m.disp += t->in->sub * sizeof(struct segment);
	gpr_make(t, operand_gpr(o), R_A, false, 0x0fb7, m);
	return true;
}

bool insn_state(struct trans *t)
{
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_RDTSC:
		return insn_rdtsc(t, false);
	case ZYDIS_MNEMONIC_RDTSCP:
		return insn_rdtsc(t, true);
	case ZYDIS_MNEMONIC_PAUSE:
		return insn_pause(t);
	case ZYDIS_MNEMONIC_LFENCE:
		return insn_fence(t, 0xe8);
	case ZYDIS_MNEMONIC_SFENCE:
		return insn_fence(t, 0xf8);
	case ZYDIS_MNEMONIC_MOV:
		return insn_selector(t);
	default:
		return false;
	}
}
