/* SPDX-License-Identifier: MIT */
/*
 * What translated code may be made of.
 *
 * Memory is struct cpu, its TLBs and the translator's tables through R15, the
 * latter two by an index in R10 that was masked; what RAX, or R10 that was
 * copied from it, points to after a check of the TLB, no wider than what was
 * checked, and written only if the write tag was; the return address of CALL
 * and RET.  Jumps stay in the block or go to the glue.  R15 and RSP are not
 * written, and nothing is executed that the kernel of the host would notice.
 */
#include <Zydis/Zydis.h>

#include "x86/jit/debug.h"
#include "x86/mmu/internal.h"

/* A pointer into guest memory. */
struct pointer {
	u32 size;		/* bytes that were checked; 0: no pointer */
	bool write;
};

struct check {
	const struct cpu *c;
	const struct tu *tu;
	ZydisDecoder decoder;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u32 off;		/* of the instruction */
	struct pointer rax, r10, next;	/* next: what RAX is to be */
	struct pointer r11, rsi, rdi;	/* for REP MOVS and STOS */
	struct pointer target;		/* in cpu->jit_target */
	u32 ends;			/* sides whose last element lies in the page */
	u32 index_end;			/* R11 is below: 0: not known */
	enum { NOT_MASKED, OF_TLB, OF_JUMPS } index;	/* R10: masked for this */
	const char *why;
};

static bool wrong(struct check *k, const char *why)
{
	k->why = why;
	return false;
}

static bool is_reg(const ZydisDecodedOperand *o, ZydisRegister r)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						o->reg.value) == r;
}

static bool is_written(const ZydisDecodedOperand *o)
{
	return o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

/* -- Instructions as such ---------------------------------------------------------- */

static bool check_kind(struct check *k)
{
	if (k->zi.mnemonic == ZYDIS_MNEMONIC_INT3 || k->zi.mnemonic == ZYDIS_MNEMONIC_RDTSC)
		return true;	/* int3: room that nobody gets to */
	if (k->zi.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return wrong(k, "a privileged instruction");
	switch (k->zi.meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_RDWRFSGS:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
		return wrong(k, "a system instruction");
	default:
		return true;
	}
}

static bool check_target(struct check *k, const ZydisDecodedOperand *o)
{
	const struct jit *j = k->c->jit;
	s64 to = (s64)k->off + k->zi.length + o->imm.value.s;
	s64 at = (k->tu->entry - j->rw) + to;

	if ((to >= 0 && to < k->tu->size) || (at >= 0 && at < (s64)j->glue_used))
		return true;
	return wrong(k, "a jump out of the block");
}

/* -- Memory ---------------------------------------------------------------------- */

static s64 tlb_begin(const struct check *k)
{
	return (s64)((u8 *)k->c->mmu->tlb - (u8 *)k->c);
}

/* [R15 + R10 + disp]: a field of a TLB's entry; it is remembered for the check. */
static bool check_tlb(struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS - tlb_begin(k);
	u32 field = at % sizeof(struct tlb) % sizeof(struct tlb_entry);

	if (at < 0 || at >= (s64)sizeof(k->c->mmu->tlb) || o->mem.scale != 1 ||
	    k->index != OF_TLB || is_written(o) || o->size != 64)
		return wrong(k, "memory beside the TLB");
	if (field == offsetof(struct tlb_entry, tag_write))
		k->next.write = true;
	else if (field == offsetof(struct tlb_entry, tag_read))
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

static bool check_state(struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS;

	if (o->mem.index == ZYDIS_REGISTER_R10)
		return o->mem.scale == 8 ? check_jumps(k, o) : check_tlb(k, o);
	if (o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "memory beside the TLB");
	if (o->mem.disp.value == TABLES(k->c) + (s64)offsetof(struct translator_tables, jump_key))
		return !is_written(o) || wrong(k, "a store to the tables");
	if (at < 0 || at + o->size / 8 > (s64)sizeof(struct cpu))
		return wrong(k, "memory beside struct cpu");
	return true;
}

static bool check_pointer(struct check *k, const ZydisDecodedOperand *o,
			  const struct pointer *p)
{
	bool bits = k->zi.meta.category == ZYDIS_CATEGORY_BITBYTE &&
		    k->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER && !is_written(&k->ops[1]) &&
		    (!k->index_end || k->index_end > o->size ||
		     !is_reg(&k->ops[1], ZYDIS_REGISTER_R11));

	if (!p->size || o->mem.disp.value || o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "guest memory without a check");
	if (o->size / 8 > p->size || bits)
		return wrong(k, "guest memory beyond what was checked");
	if (is_written(o) && !p->write)
		return wrong(k, "a store to what was checked for reading");
	return true;
}

/* REP MOVS and STOS: string.c */
static bool check_string(struct check *k, const ZydisDecodedOperand *o,
			 const struct pointer *p)
{
	u32 sides = k->rsi.size ? 2 : 1;

	if (k->zi.meta.category != ZYDIS_CATEGORY_STRINGOP)
		return wrong(k, "memory through a guest's register");
	if (k->ends != sides)
		return wrong(k, "guest memory beyond what was checked");
	return check_pointer(k, o, p);
}

static bool check_memory(struct check *k, const ZydisDecodedOperand *o)
{
	bool call = k->zi.meta.category == ZYDIS_CATEGORY_CALL ||
		    k->zi.meta.category == ZYDIS_CATEGORY_RET;

	if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return true;		/* LEA */
	if (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS)
		return wrong(k, "memory of the host's thread");
	switch (o->mem.base) {
	case ZYDIS_REGISTER_R15:
		return check_state(k, o);
	case ZYDIS_REGISTER_RAX:
		return check_pointer(k, o, &k->rax);
	case ZYDIS_REGISTER_R10:
		return check_pointer(k, o, &k->r10);
	case ZYDIS_REGISTER_RSI:
		return check_string(k, o, &k->rsi);
	case ZYDIS_REGISTER_RDI:
		return check_string(k, o, &k->rdi);
	case ZYDIS_REGISTER_RSP:
		return (call && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) ||
		       wrong(k, "the host's stack");
	default:
		return wrong(k, "memory through a guest's register");
	}
}

/* -- Registers ------------------------------------------------------------------- */

static bool check_register(struct check *k, const ZydisDecodedOperand *o)
{
	if (!is_written(o) || o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return true;
	if (is_reg(o, ZYDIS_REGISTER_R15) || is_reg(o, ZYDIS_REGISTER_RSP))
		return wrong(k, "R15 or RSP written");
	if (ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT)
		return wrong(k, "a segment register written");
	return true;
}

/* mem_check(): CMP R11, PAGE_SIZE - size; ADD RAX, [R15 + R10 + addend] */
static bool ends_check(const struct check *k)
{
	const ZydisDecodedOperand *m = &k->ops[1];

	return k->zi.mnemonic == ZYDIS_MNEMONIC_ADD && is_reg(&k->ops[0], ZYDIS_REGISTER_RAX) &&
	       m->type == ZYDIS_OPERAND_TYPE_MEMORY && m->mem.index == ZYDIS_REGISTER_R10 &&
	       (m->mem.disp.value + STATE_BIAS - tlb_begin(k)) % (s64)sizeof(struct tlb) %
	       (s64)sizeof(struct tlb_entry) == offsetof(struct tlb_entry, addend);
}

static bool is_target(const struct check *k, const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_R15 &&
	       o->mem.index == ZYDIS_REGISTER_NONE &&
	       o->mem.disp.value + STATE_BIAS == offsetof(struct cpu, jit_target);
}

/* Where a MOV has its pointer from. */
static struct pointer moved(const struct check *k)
{
	const ZydisDecodedOperand *from = &k->ops[1];

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_MOV || from->size != 64)
		return (struct pointer){ 0 };
	if (is_reg(from, ZYDIS_REGISTER_RAX))
		return k->rax;
	if (is_reg(from, ZYDIS_REGISTER_R11))
		return k->r11;
	return is_target(k, from) ? k->target : (struct pointer){ 0 };
}

/* string.c: CMP R11D, PAGE_SIZE behind a check; R11, RSI and RDI get pointers by MOV. */
static void follow_string(struct check *k)
{
	struct pointer p = moved(k);

	if (k->zi.mnemonic == ZYDIS_MNEMONIC_CMP && k->ops[0].size == 32 &&
	    is_reg(&k->ops[0], ZYDIS_REGISTER_R11) &&
	    k->ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	    k->ops[1].imm.value.u == PAGE_SIZE)
		k->ends++;
	if (is_target(k, &k->ops[0]) && is_written(&k->ops[0]))
		k->target = p;
	for (int i = 0; i < k->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &k->ops[i];

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !is_written(o))
			continue;
		if (is_reg(o, ZYDIS_REGISTER_R11))
			k->r11 = p;
		if (is_reg(o, ZYDIS_REGISTER_RSI))
			k->rsi = p;
		if (is_reg(o, ZYDIS_REGISTER_RDI))
			k->rdi = p;
	}
	if (k->zi.meta.category == ZYDIS_CATEGORY_STRINGOP)
		k->ends = 0;
}

static void follow_pointers(struct check *k)
{
	const struct pointer none = { 0 };
	bool copy = k->zi.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    is_reg(&k->ops[0], ZYDIS_REGISTER_R10) &&
		    is_reg(&k->ops[1], ZYDIS_REGISTER_RAX);

	if (k->zi.mnemonic == ZYDIS_MNEMONIC_CMP && is_reg(&k->ops[0], ZYDIS_REGISTER_R11) &&
	    k->ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		k->next.size = PAGE_SIZE - k->ops[1].imm.value.u;
	if (ends_check(k)) {
		k->rax = k->next;
		k->next = none;
		return;
	}
	for (int i = 0; i < k->zi.operand_count; i++) {
		if (k->ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !is_written(&k->ops[i]))
			continue;
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_RAX))
			k->rax = none;
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_R10))
			k->r10 = copy ? k->rax : none;
	}
}

static void follow_index(struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	for (int i = 0; i < k->zi.operand_count; i++) {
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_R10) && is_written(&k->ops[i]))
			k->index = NOT_MASKED;
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_R11) && is_written(&k->ops[i]))
			k->index_end = 0;
	}
	if (k->zi.mnemonic != ZYDIS_MNEMONIC_AND || k->ops[0].size != 32 ||
	    o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return;
	if (is_reg(&k->ops[0], ZYDIS_REGISTER_R11))
		k->index_end = o->imm.value.u + 1;
	if (!is_reg(&k->ops[0], ZYDIS_REGISTER_R10))
		return;
	if (o->imm.value.u == (TLB_ENTRIES - 1) * sizeof(struct tlb_entry))
		k->index = OF_TLB;
	else if (o->imm.value.u == JUMP_CACHE_SIZE - 1)
		k->index = OF_JUMPS;
}

/* What comes behind a jump or a call does not come from there. */
static void follow_branch(struct check *k)
{
	switch (k->zi.meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
		k->rax = k->r10 = k->next = (struct pointer){ 0 };
		k->index = NOT_MASKED;
		break;
	default:
		break;
	}
}

/* -- All of it ---------------------------------------------------------------------- */

static bool check_operands(struct check *k)
{
	for (int i = 0; i < k->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &k->ops[i];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !check_memory(k, o))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && !check_register(k, o))
			return false;
		if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative &&
		    !check_target(k, o))
			return false;
	}
	return true;
}

static bool check_insn(struct check *k)
{
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&k->decoder, k->tu->entry + k->off,
						 k->tu->size - k->off, &k->zi, k->ops)))
		return wrong(k, "no instruction");
	if (!check_kind(k) || !check_operands(k))
		return false;
	follow_string(k);
	follow_pointers(k);
	follow_index(k);
	follow_branch(k);
	return true;
}

bool jit_verify(const struct cpu *c, const struct tu *tu, const u8 **at, const char **why)
{
	struct check k = { .c = c, .tu = tu };

	ZydisDecoderInit(&k.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (; k.off < tu->size; k.off += k.zi.length) {
		if (!check_insn(&k)) {
			*at = tu->entry + k.off;
			*why = k.why;
			return false;
		}
	}
	return true;
}
