/* SPDX-License-Identifier: MIT */
/* The verifier's part that looks at operands in memory. */
#include "x86/jit/verify.h"

/* [R15 + R10 or R11 + disp], [R15 + disp]: a field of a TLB's entry. */
static bool check_tlb(struct check *k, const ZydisDecodedOperand *o)
{
	bool indexed = o->mem.index != ZYDIS_REGISTER_NONE;
	enum masked m = o->mem.index == ZYDIS_REGISTER_R11 ? k->index_r11 : k->index;

	if (!in_tlb(k, o) || is_written(o) || o->size != 64 ||
	    (indexed && (o->mem.scale != 1 || m != OF_TLB)))
		return wrong(k, "memory beside the TLB");
	if (tlb_field(k, o) == offsetof(struct tlb_entry, tag_write))
		k->next.write = true;
	else if (tlb_field(k, o) == offsetof(struct tlb_entry, tag_read))
		k->next.write = false;
	return true;
}

/* [R15 + R10 * 8 + disp]: an entry of the jump cache. */
static bool check_jumps(struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value - TABLES(k->c);

	if ((at == offsetof(struct translator_tables, jump_rip) ||
	     at == offsetof(struct translator_tables, jump_code)) &&
	    k->index == OF_JUMPS && !is_written(o) && o->size == 64)
		return true;
	return wrong(k, "memory beside the jump cache");
}

static bool check_stack(struct check *k, const ZydisDecodedOperand *o)
{
	if (is_written(o) || o->size != 64)
		return wrong(k, "a store to the stack's page");
	if (stack_field(k, o) == offsetof(struct tlb_stack, tag_write))
		k->next.write = true;
	else if (stack_field(k, o) == offsetof(struct tlb_stack, tag_read))
		k->next.write = false;
	return true;
}

static bool check_recent(struct check *k, const ZydisDecodedOperand *o)
{
	int at = recent_at(k, o);

	if (is_written(o) || o->size != 64)
		return wrong(k, "a store to the page of the last time");
	if (at % sizeof(struct recent) == offsetof(struct recent, tag)) {
		k->recent = at / sizeof(struct recent);
		k->next.write = k->recent >= NR_RECENT;
	}
	return true;
}

static bool check_state(struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS;

	if (o->mem.index == ZYDIS_REGISTER_R10)
		return o->mem.scale == 8 ? check_jumps(k, o) : check_tlb(k, o);
	if (o->mem.index == ZYDIS_REGISTER_R11)
		return check_tlb(k, o);
	if (o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "memory beside the TLB");
	if (in_tlb(k, o))
		return check_tlb(k, o);
	if (stack_field(k, o) >= 0)
		return check_stack(k, o);
	if (recent_at(k, o) >= 0)
		return check_recent(k, o);
	if (o->mem.disp.value == TABLES(k->c) + (s64)offsetof(struct translator_tables, jump_key))
		return !is_written(o) || wrong(k, "a store to the tables");
	if (guess_at(k, o) != NO_GUESS)
		return (!is_written(o) && o->size == 64) || wrong(k, "a store to a guess");
	if (at < 0 || at + o->size / 8 > (s64)sizeof(struct cpu))
		return wrong(k, "memory beside struct cpu");
	return true;
}

static bool check_extent(struct check *k, const ZydisDecodedOperand *o, s64 off,
			 const struct extent *e)
{
	bool bits = k->zi.meta.category == ZYDIS_CATEGORY_BITBYTE &&
		    k->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER && !is_written(&k->ops[1]) &&
		    (!k->index_end || k->index_end > o->size ||
		     !is_reg(&k->ops[1], ZYDIS_REGISTER_R11));

	if (!e->size)
		return wrong(k, "guest memory without a check");
	off -= e->off;
	if (off < 0 || off + o->size / 8 > e->size || bits)
		return wrong(k, "guest memory beyond what was checked");
	if (is_written(o) && !e->write)
		return wrong(k, "a store to what was checked for reading");
	return true;
}

/* [R10 + index * scale + disp]: the addend with the base in it. */
static bool check_summed(struct check *k, const ZydisDecodedOperand *o)
{
	const struct addend *a = &k->by_r10;
	bool indexed = o->mem.index != ZYDIS_REGISTER_NONE;

	for (u32 i = 0; i < a->nr_from; i++)
		if (a->from[i].base == ZYDIS_REGISTER_NONE &&
		    a->from[i].index == (u32)o->mem.index &&
		    (!indexed || a->from[i].scale == o->mem.scale))
			return check_extent(k, o, o->mem.disp.value - a->from[i].disp,
					    &a->extent);
	if (indexed)
		return wrong(k, "an index");
	return check_extent(k, o, o->mem.disp.value, &k->at_r10);
}

/* [base + disp] with the addend of what was compared. */
static bool check_based(struct check *k, const ZydisDecodedOperand *o)
{
	const struct addend *a = &k->by_r10;

	for (u32 i = 0; i < a->nr_from; i++) {
		bool in_rax = o->mem.base == ZYDIS_REGISTER_RAX && k->rax_known &&
			      same_registers(&a->from[i], &k->rax);
		s64 base = in_rax ? k->rax.disp : 0;

		if (in_rax || (a->from[i].base == (u32)o->mem.base && !a->from[i].index))
			return check_extent(k, o, base + o->mem.disp.value - a->from[i].disp,
					    &a->extent);
	}
	return wrong(k, "memory through a guest's register");
}

/* REP MOVS and STOS: string.c */
static bool check_string(struct check *k, const ZydisDecodedOperand *o,
			 const struct extent *e)
{
	u32 sides = k->rsi.size ? 2 : 1;

	if (k->zi.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return wrong(k, "memory through a guest's register");
	if (k->ends != sides)
		return wrong(k, "guest memory beyond what was checked");
	return check_extent(k, o, o->mem.disp.value, e);
}

bool verify_memory(struct check *k, const ZydisDecodedOperand *o)
{
	bool call = k->zi.meta.category == ZYDIS_CATEGORY_CALL ||
		    k->zi.meta.category == ZYDIS_CATEGORY_RET;

	if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return true;		/* LEA */
	if (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS)
		return wrong(k, "memory of the host's thread");
	if (o->mem.base == ZYDIS_REGISTER_R15)
		return check_state(k, o);
	if (o->mem.base == ZYDIS_REGISTER_RSP)
		return (call && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) ||
		       wrong(k, "the host's stack");
	if (o->mem.index == ZYDIS_REGISTER_R10 && o->mem.scale == 1)
		return check_based(k, o);
	if (o->mem.base == ZYDIS_REGISTER_R10)
		return check_summed(k, o);
	if (o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "an index");
	if (o->mem.base == ZYDIS_REGISTER_RSI)
		return check_string(k, o, &k->rsi);
	if (o->mem.base == ZYDIS_REGISTER_RDI)
		return check_string(k, o, &k->rdi);
	if (o->mem.base == ZYDIS_REGISTER_RAX)
		return check_extent(k, o, o->mem.disp.value, &k->at_rax);
	return wrong(k, "memory through a guest's register");
}
