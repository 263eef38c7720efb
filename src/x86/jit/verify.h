/* SPDX-License-Identifier: MIT */
/* What the verifier knows at an instruction of translated code: verify.c. */
#ifndef ANYKVM_X86_JIT_VERIFY_H
#define ANYKVM_X86_JIT_VERIFY_H

#include <Zydis/Zydis.h>

#include "x86/jit/debug.h"
#include "x86/mmu/internal.h"

/*
 * A linear address: base + index * scale + disp.  The base is a register, none, or
 * AT_HOME plus the number of a guest's register in struct cpu.
 */
struct linear {
	u32 base, index, scale;
	s64 disp;
};

enum { AT_HOME = ZYDIS_REGISTER_MAX_VALUE + 1 };

/* What may be accessed. */
struct extent {
	u32 size;		/* bytes; 0: nothing */
	bool write;
	s64 off;		/* where they begin */
};

/* A host address minus a linear one, which is one of @from. */
struct addend {
	struct extent extent;
	struct linear from[2];
	u32 nr_from;
};

/* Guesses of one block are neighbours; then the stack's, and cpu->jit_window. */
enum { NR_GUESSES_KEPT = 64, KEPT_STACK = NR_GUESSES_KEPT, KEPT_WINDOW,
       NR_KEPT = KEPT_WINDOW + NR_WINDOWS };
enum { NO_GUESS = NR_GUESSES };

struct check {
	const struct cpu *c;
	const struct tu *tu;
	ZydisDecoder decoder;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u32 off;		/* of the instruction */
	struct linear rax;	/* its value */
	bool rax_known;
	struct linear looked;	/* the address that is compared */
	ZydisRegister offset;	/* has its offset in the page, if it is there */
	struct extent next;	/* what is being compared */
	struct extent at_rax, at_r10;	/* which are host addresses */
	struct addend by_r10;
	struct addend kept[NR_KEPT];	/* those that windows use again */
	u32 guess;		/* that R10 has, or NO_GUESS */
	int recent;		/* whose tag is compared */
	struct extent r11, rsi, rdi;	/* for REP MOVS and STOS */
	struct extent target;		/* in cpu->jit_target */
	bool undoes;			/* what the instruction before did */
	u32 ends;			/* sides whose last element lies in the page */
	u32 index_end;			/* R11 is below: 0: not known */
	enum masked { NOT_MASKED, OF_TLB, OF_JUMPS } index, index_r11;	/* R10 and R11 are */
	const char *why;
};

static inline bool wrong(struct check *k, const char *why)
{
	k->why = why;
	return false;
}

static inline bool is_reg(const ZydisDecodedOperand *o, ZydisRegister r)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						o->reg.value) == r;
}

static inline bool is_written(const ZydisDecodedOperand *o)
{
	return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

static inline s64 tlb_begin(const struct check *k)
{
	return (s64)((u8 *)k->c->mmu->tlb - (u8 *)k->c);
}

static inline u32 tlb_field(const struct check *k, const ZydisDecodedOperand *o)
{
	return (u32)(o->mem.disp.value + STATE_BIAS - tlb_begin(k)) % sizeof(struct tlb) %
	       sizeof(struct tlb_entry);
}

static inline bool same_registers(const struct linear *a, const struct linear *b)
{
	return a->base == b->base && a->index == b->index &&
	       (!a->index || a->scale == b->scale);
}

static inline bool in_tlb(const struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS - tlb_begin(k);

	return at >= 0 && at < (s64)sizeof(k->c->mmu->tlb);
}

/* The field of a stack's page that [R15 + disp] is, or -1. */
static inline int stack_field(const struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS - (s64)((u8 *)k->c->mmu->stack - (u8 *)k->c);

	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.base != ZYDIS_REGISTER_R15 ||
	    o->mem.index != ZYDIS_REGISTER_NONE || at < 0 ||
	    at >= (s64)sizeof(k->c->mmu->stack) || at % 8)
		return -1;
	return at % sizeof(k->c->mmu->stack[0]);
}

/* The guess that [R15 + disp] is, or NO_GUESS. */
static inline u32 guess_at(const struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value - TABLES(k->c) -
		 (s64)offsetof(struct translator_tables, guess);

	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.base != ZYDIS_REGISTER_R15 ||
	    o->mem.index != ZYDIS_REGISTER_NONE || at < 0 || at >= 8 * NR_GUESSES || at % 8)
		return NO_GUESS;
	return at / 8;
}

/* The offset in recent[] that [R15 + disp] is, or -1. */
static inline int recent_at(const struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value - TABLES(k->c) -
		 (s64)offsetof(struct translator_tables, recent);

	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.base != ZYDIS_REGISTER_R15 ||
	    o->mem.index != ZYDIS_REGISTER_NONE || at < 0 ||
	    at >= (s64)sizeof(k->c->tables->recent) || at % 8)
		return -1;
	return at;
}

/* -- verify_memory.c ------------------------------------------------------------- */

bool verify_memory(struct check *k, const ZydisDecodedOperand *o);

/* -- verify_follow.c ------------------------------------------------------------- */

/* The instruction is executed. */
void verify_follow(struct check *k);

/* -- verify_string.c ------------------------------------------------------------- */

void verify_string(struct check *k);

#endif
