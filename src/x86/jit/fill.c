/* SPDX-License-Identifier: MIT */
/*
 * Pieces of glue that translated code calls when it does not have the page of an
 * access: they make the TLB, or its copies, have it.
 */
#include "x86/jit/internal.h"
#include "x86/mmu/internal.h"

static void put_fill_rsp(struct code *k, struct jit *j, u8 r)
{
	mov_imm(k, R_B, (u64)&j->fill_rsp);
	mov_store(k, RM_MEM(R_B, 0), r);
}

/*
 * After the function: EAX is what it returned, RBX the address.  A fault in it
 * is as if it had returned 0: rescue.c.
 */
static const u8 *make_filled(struct code *k, struct jit *j)
{
	const u8 *entry = code_exec(k);

	put_op(k, false, 0x8b, R_C, RM_REG(RAX));
	mov_imm(k, RAX, 0);
	put_fill_rsp(k, j, RAX);
	vec_move_live(k, false);
	mov_rr(k, RAX, RBX);
	glue_reload(k);
	put_op(k, false, 0x85, R_C, RM_REG(R_C));		/* test r11d, r11d */
	put8(k, 0xc3);
	return entry;
}

/*
 * Called with RAX = a linear address that the TLB has not.  Returns with NE if it
 * has it now.  Only R10, R11 and flags are lost, but all are in struct cpu, too.
 */
static const u8 *make_fill(struct code *k, struct jit *j, const void *fn, const u8 *filled)
{
	const u8 *entry = code_exec(k);

	glue_spill(k);
	vec_move_live(k, true);
	put_fill_rsp(k, j, RSP);
	mov_rr(k, RBX, RAX);
	mov_rr(k, RSI, RAX);
	glue_call(k, fn);
	jmp_to(k, filled);
	return entry;
}

#define ENTRY(c, class, f)						\
	RM_SIB(R_STATE, R_B, 0, (s32)((u8 *)&(c)->mmu->tlb[class].entry[0].f - \
				      (u8 *)(c)) - STATE_BIAS)
#define STACK(c, class, f)						\
	RM_MEM(R_STATE, (s32)((u8 *)&(c)->mmu->stack[class].f - (u8 *)(c)) - STATE_BIAS)

/* R10: where the entry of RAX is; R11 = the page. */
static void put_entry(struct code *k)
{
	put_op(k, false, 0x8b, R_B, RM_REG(RAX));
	put_op(k, false, 0xc1, 5, RM_REG(R_B));			/* shr r10d, imm8 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(R_B));			/* and r10d, imm32 */
	put32(k, (TLB_ENTRIES - 1) * sizeof(struct tlb_entry));
	mov_rr(k, R_C, RAX);
	put_op(k, true, 0x81, 4, RM_REG(R_C));			/* and r11, imm32 */
	put32(k, (u32)PAGE_MASK);
}

/* As make_fill(), for the stack's page: copies the entry there is, if it is news. */
static const u8 *make_fill_stack(struct code *k, const struct jit *j, const struct cpu *c,
				 u32 class, bool write)
{
	const u8 *entry = code_exec(k), *fill = j->fill[write];
	u8 *writable;

	put_entry(k);
	put_op(k, true, 0x3b, R_C, write ? ENTRY(c, class, tag_write) :
					   ENTRY(c, class, tag_read));
	jcc_to(k, CC_NE, fill);
	put_op(k, true, 0x3b, R_C, write ? STACK(c, class, tag_write) :
					   STACK(c, class, tag_read));
	jcc_to(k, CC_E, fill);
	mov_store(k, STACK(c, class, tag_read), R_C);
	put_op(k, true, 0x3b, R_C, ENTRY(c, class, tag_write));
	writable = jcc_later(k, CC_E);
	mov_imm(k, R_C, TLB_NO_PAGE);
	patch_here(k, writable);
	mov_store(k, STACK(c, class, tag_write), R_C);
	mov_load(k, R_C, ENTRY(c, class, addend));
	mov_store(k, STACK(c, class, addend), R_C);
	put_op(k, true, 0x85, RSP, RM_REG(RSP));		/* test rsp, rsp */
	put8(k, 0xc3);
	return entry;
}

/* R10 = what @fn(cpu, @arg) says; only R11 and flags are lost. */
static void put_ask(struct code *k, const void *fn, struct rm arg)
{
	glue_spill(k);
	mov_load(k, RSI, arg);
	vec_move_live(k, true);
	mov_rr(k, RBX, RAX);
	glue_call(k, fn);
	mov_rr(k, R_C, RAX);
	vec_move_live(k, false);
	mov_rr(k, RAX, RBX);
	glue_reload(k);
	mov_rr(k, R_B, R_C);
}

/*
 * Called with R10 = a guess that was wrong, R11 = where the entry is in the TLB.
 * R10 = the addend, the next guess.
 */
static const u8 *make_guess(struct code *k, const struct cpu *c, const void *fn)
{
	const u8 *entry = code_exec(k);
	s32 t = TABLES(c);
	u8 *often;

	push(k, RAX);
	mov_load(k, RAX, CPU_FIELD(tlb));
	mov_load(k, R_C, RM_SIB(RAX, R_C, 0, offsetof(struct tlb, entry[0].addend)));
	pop(k, RAX);
	mov_store(k, RM_SIB(R_STATE, R_B, 3, t + offsetof(struct translator_tables, guess)),
		  R_C);
	put_op(k, false, 0x83, 5,				/* sub [], 1 */
	       RM_SIB(R_STATE, R_B, 2, t + offsetof(struct translator_tables, guess_left)));
	put8(k, 1);
	often = jcc_later(k, CC_B);
	mov_rr(k, R_B, R_C);
	put8(k, 0xc3);
	patch_here(k, often);
	put_ask(k, fn, RM_MEM(RSP, 0));
	put8(k, 0xc3);
	return entry;
}

#define RECENT(c, f)							\
	RM_SIB(R_STATE, R_B, 0, TABLES(c) +				\
	       (s32)offsetof(struct translator_tables, recent[0].f))
#define USE(c, f)							\
	RM_SIB(R_STATE, R_B, 0, TABLES(c) +				\
	       (s32)offsetof(struct translator_tables, recent_use[0].f))

/* The place R10 may have a page from now on.  RBX is lost. */
static void put_log(struct code *k, const struct cpu *c)
{
	s32 t = TABLES(c);
	u8 *known;

	put_op(k, false, 0x83, 7, USE(c, logged));		/* cmp [], 0 */
	put8(k, 0);
	known = jcc_later(k, CC_NE);
	put_op(k, false, 0x83, 0, USE(c, logged));		/* add [], 1 */
	put8(k, 1);
	put_op(k, false, 0x8b, RBX,
	       RM_MEM(R_STATE, t + offsetof(struct translator_tables, recent_count)));
	put_op(k, false, 0x89, R_B,
	       RM_SIB(R_STATE, RBX, 2, t + offsetof(struct translator_tables, recent_log)));
	put_op(k, false, 0x83, 0,				/* add [], 1 */
	       RM_MEM(R_STATE, t + offsetof(struct translator_tables, recent_count)));
	put8(k, 1);
	patch_here(k, known);
}

/* RBX: where the entry of page R11 is; is lost.  Carry: that was the last miss. */
static void put_take(struct code *k, const struct cpu *c)
{
	u8 *next, *counted;

	mov_load(k, RBX, RM_SIB(R_STATE, RBX, 0,
				(s32)((u8 *)&c->mmu->tlb[TLB_USER].entry[0].addend -
				      (u8 *)c) - STATE_BIAS));
	mov_store(k, RECENT(c, addend), RBX);
	put_log(k, c);
	mov_rr(k, RBX, R_C);
	put_op(k, true, 0x2b, RBX, RECENT(c, tag));		/* sub */
	mov_store(k, RECENT(c, tag), R_C);
	lea(k, RBX, RM_MEM(RBX, PAGE_SIZE));
	put_op(k, true, 0xf7, 0, RM_REG(RBX));			/* test rbx, imm32 */
	put32(k, (u32)~(2 * PAGE_SIZE));
	next = jcc_later(k, CC_E);
	put_op(k, false, 0x83, 5, USE(c, left));		/* sub [], imm8 */
	put8(k, RECENT_FAR);
	counted = jmp_later(k);
	patch_here(k, next);
	put_op(k, false, 0x83, 5, USE(c, left));
	put8(k, RECENT_NEAR);
	patch_here(k, counted);
}

/* As make_fill(), for recent[]: R10 is the offset there.  Copies the entry there is. */
static const u8 *make_fill_recent(struct code *k, const struct jit *j, const struct cpu *c,
				  bool write)
{
	const u8 *entry = code_exec(k), *fill = j->fill[write];
	u32 tag = write ? offsetof(struct tlb, entry[0].tag_write) :
			  offsetof(struct tlb, entry[0].tag_read);
	u8 *miss, *often;

	mov_rr(k, R_C, RAX);
	put_op(k, true, 0x81, 4, RM_REG(R_C));			/* and r11, imm32 */
	put32(k, (u32)PAGE_MASK);
	put_op(k, true, 0x3b, R_C, RECENT(c, tag));
	jcc_to(k, CC_E, fill);
	push(k, RBX);
	put_op(k, false, 0x8b, RBX, RM_REG(RAX));
	put_op(k, false, 0xc1, 5, RM_REG(RBX));			/* shr ebx, imm8 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(RBX));			/* and ebx, imm32 */
	put32(k, (TLB_ENTRIES - 1) * sizeof(struct tlb_entry));
	put_op(k, true, 0x3b, R_C,
	       RM_SIB(R_STATE, RBX, 0, (s32)((u8 *)&c->mmu->tlb[TLB_USER] - (u8 *)c) -
				       STATE_BIAS + (s32)tag));
	miss = jcc_later(k, CC_NE);
	put_take(k, c);
	pop(k, RBX);
	often = jcc_later(k, CC_B);
	put_op(k, true, 0x85, RSP, RM_REG(RSP));		/* test rsp, rsp */
	put8(k, 0xc3);
	patch_here(k, often);
	put_ask(k, jit_recent_failed, RM_REG(R_B));
	put_op(k, true, 0x85, RSP, RM_REG(RSP));
	put8(k, 0xc3);
	patch_here(k, miss);
	pop(k, RBX);
	jmp_to(k, fill);
	return entry;
}

void fill_make(struct jit *j, struct code *k, const struct cpu *c)
{
	j->unfilled = make_filled(k, j);
	j->fill[0] = make_fill(k, j, jit_fill_read, j->unfilled);
	j->fill[1] = make_fill(k, j, jit_fill_write, j->unfilled);
	for (u32 i = 0; i < NR_TLB_CLASSES * 2; i++)
		j->fill_stack[i / 2][i % 2] = make_fill_stack(k, j, c, i / 2, i % 2);
	for (u32 i = 0; i < 2; i++)
		j->fill_recent[i] = make_fill_recent(k, j, c, i);
	j->guess[0] = make_guess(k, c, jit_guess_failed);
	j->guess[1] = make_guess(k, c, jit_window_failed);
}
