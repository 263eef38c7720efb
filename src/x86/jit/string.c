/* SPDX-License-Identifier: MIT */
/*
 * MOVS and STOS that stay in a page on each side: the host's own, on host
 * addresses.  The order of bytes is the processor's then, however they overlap.
 */
#include "x86/jit/trans.h"

/* One side: the guest's index register, and what it needs in between. */
static void check_side(struct trans *t, u8 index, bool write)
{
	mov_word(t, R_A, RM_REG(index));
	mem_check(t, t->in->osz, write);
}

/* To the interpreter if RCX elements from @index on do not end in its page. */
static void check_end(struct trans *t, u8 index)
{
	struct code *k = &t->k;

	put_op(k, false, 0x8b, R_C, RM_REG(index));		/* mov r11d, index */
	put_op(k, false, 0x81, 4, RM_REG(R_C));			/* and r11d, imm32 */
	put32(k, PAGE_SIZE - 1);
	lea(k, R_C, RM_SIB(R_C, RCX, __builtin_ctz(t->in->osz), 0));
	put_op(k, false, 0x81, 7, RM_REG(R_C));			/* cmp r11d, imm32 */
	put32(k, PAGE_SIZE);
	punt_if(t, CC_A);
}

/* DF is 0 in the host. */
static void check_direction(struct trans *t)
{
	test_imm(&t->k, CPU_FIELD(rflags), X86_EFLAGS_DF);
	punt_if(t, CC_NE);
}

/* More elements than a page has would confuse check_end(). */
static void check_count(struct trans *t)
{
	put_op(&t->k, t->wide, 0x81, 7, RM_REG(RCX));		/* cmp rcx, imm32 */
	put32(&t->k, PAGE_SIZE / t->in->osz);
	punt_if(t, CC_A);
}

/* RDI becomes the address in RAX; R10: what it has more now. */
static void enter_dest(struct code *k)
{
	mov_rr(k, R_B, R_A);
	put_op(k, true, 0x2b, R_B, RM_REG(RDI));		/* sub r10, rdi */
	mov_rr(k, RDI, R_A);
}

/* RSI becomes cpu->jit_target; RAX: what it has more now. */
static void enter_source(struct code *k)
{
	mov_load(k, R_C, CPU_FIELD(jit_target));
	mov_rr(k, R_A, R_C);
	put_op(k, true, 0x2b, R_A, RM_REG(RSI));		/* sub rax, rsi */
	mov_rr(k, RSI, R_C);
}

void string_leave(struct trans *t, bool source)
{
	put_op(&t->k, t->wide, 0x2b, RDI, RM_REG(R_B));		/* sub rdi, r10 */
	if (source)
		put_op(&t->k, t->wide, 0x2b, RSI, RM_REG(R_A));	/* sub rsi, rax */
}

static void put_repeated(struct trans *t, u8 opcode)
{
	put8(&t->k, 0xf3);
	if (t->in->osz == 2)
		put8(&t->k, 0x66);
	if (t->in->osz == 8)
		put8(&t->k, 0x48);
	put8(&t->k, opcode | (t->in->osz > 1));
}

/* If their memory has gone, RSI and RDI are the guest's again before the punt. */
static void add_undo(struct trans *t, bool source)
{
	struct cold *cold = cold_add(t, COLD_STRING, NULL);

	cold->in = t->in;
	cold->target = t->rip;
	cold->source = source;
	cold->before = t->flags;
	cold->recipe = t->recipe;
}

/* 32-bit code has no upper halves; what is one element behind 4 GiB is at 0. */
static void cut_registers(struct trans *t, bool source)
{
	if (t->wide)
		return;
	mov_word(t, RCX, RM_REG(RCX));
	mov_word(t, RDI, RM_REG(RDI));
	if (source)
		mov_word(t, RSI, RM_REG(RSI));
}

static void repeat(struct trans *t, bool source)
{
	struct code *k = &t->k;
	u8 *none;

	put_op(k, t->wide, 0x85, RCX, RM_REG(RCX));		/* test rcx, rcx */
	none = jcc_later(k, CC_E);
	check_direction(t);
	check_count(t);
	cut_registers(t, source);
	if (source) {
		check_side(t, RSI, false);
		check_end(t, RSI);
		mov_store(k, CPU_FIELD(jit_target), R_A);
	}
	check_side(t, RDI, true);
	check_end(t, RDI);
	enter_dest(k);
	if (source)
		enter_source(k);
	else
		mov_rr(k, RAX, R_GUEST_RAX);
	put_repeated(t, source ? 0xa4 : 0xaa);
	string_leave(t, source);
	patch_here(k, none);
	add_undo(t, source);
}

bool insn_string(struct trans *t)
{
	const struct insn *in = t->in;
	bool source;

	if (t->zi.meta.category != ZYDIS_CATEGORY_STRINGOP || in->asz != word_size(t) ||
	    !(in->flags & (INSN_REP | INSN_REPNE)))
		return false;
	switch (t->zi.mnemonic) {
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		source = true;
		break;
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		source = false;
		break;
	default:
		return false;
	}
	if (source && (ea_has_base(t) || (!t->wide && in->seg == CS)))
		return false;
	flags_save(t);
	repeat(t, source);
	flags_clobbered(t);
	return true;
}
