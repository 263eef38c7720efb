/* SPDX-License-Identifier: MIT */
/*
 * What translated code may be made of.
 *
 * Memory is struct cpu, its TLBs and the translator's tables through R15, the
 * latter two by an index in R10 that was masked; what was compared with the
 * TLB's tag, with the addend in R10 for an index or in RAX or R10 with it
 * added, no wider than what was compared, and written only if it was the write
 * tag; the return address of CALL
 * and RET.  Jumps stay in the block or go to the glue.  R15 and RSP are not
 * written, and nothing is executed that the kernel of the host would notice.
 */
#include <Zydis/Zydis.h>

#include "x86/jit/debug.h"
#include "x86/mmu/internal.h"

/*
 * A linear address: base + disp.  The base is a register, none for a constant, or
 * AT_HOME plus the number of a guest's register in struct cpu.
 */
struct linear {
	u32 base;
	s64 disp;
};

enum { AT_HOME = ZYDIS_REGISTER_MAX_VALUE + 1 };

/* What may be accessed. */
struct extent {
	u32 size;		/* bytes; 0: nothing */
	bool write;
	s64 off;		/* where they begin */
};

/* A host address minus a linear one, which is of one of @from. */
struct addend {
	struct extent extent;
	struct linear from[2];
	u32 nr_from;
};

struct check {
	const struct cpu *c;
	const struct tu *tu;
	ZydisDecoder decoder;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u32 off;		/* of the instruction */
	struct linear rax;	/* its value */
	bool rax_known;
	u32 looked;		/* the address that R10 is the index of */
	struct extent next;	/* what is being compared */
	struct extent at_rax, at_r10;	/* which are host addresses */
	struct addend by_r10, window[NR_WINDOWS];
	struct extent r11, rsi, rdi;	/* for REP MOVS and STOS */
	struct extent target;		/* in cpu->jit_target */
	bool undoes;			/* what the instruction before did */
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

static u32 tlb_field(const struct check *k, const ZydisDecodedOperand *o)
{
	return (u32)(o->mem.disp.value + STATE_BIAS - tlb_begin(k)) % sizeof(struct tlb) %
	       sizeof(struct tlb_entry);
}

static bool in_tlb(const struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS - tlb_begin(k);

	return at >= 0 && at < (s64)sizeof(k->c->mmu->tlb);
}

/* [R15 + R10 + disp], [R15 + disp]: a field of a TLB's entry. */
static bool check_tlb(struct check *k, const ZydisDecodedOperand *o)
{
	bool indexed = o->mem.index != ZYDIS_REGISTER_NONE;

	if (!in_tlb(k, o) || is_written(o) || o->size != 64 ||
	    (indexed && (o->mem.scale != 1 || k->index != OF_TLB)))
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

static bool check_state(struct check *k, const ZydisDecodedOperand *o)
{
	s64 at = o->mem.disp.value + STATE_BIAS;

	if (o->mem.index == ZYDIS_REGISTER_R10)
		return o->mem.scale == 8 ? check_jumps(k, o) : check_tlb(k, o);
	if (o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "memory beside the TLB");
	if (in_tlb(k, o))
		return check_tlb(k, o);
	if (o->mem.disp.value == TABLES(k->c) + (s64)offsetof(struct translator_tables, jump_key))
		return !is_written(o) || wrong(k, "a store to the tables");
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

/* [base + disp] with the addend of what was compared. */
static bool check_based(struct check *k, const ZydisDecodedOperand *o)
{
	const struct addend *a = &k->by_r10;

	for (u32 i = 0; i < a->nr_from; i++) {
		bool in_rax = o->mem.base == ZYDIS_REGISTER_RAX && k->rax_known &&
			      a->from[i].base == k->rax.base;
		s64 base = in_rax ? k->rax.disp : 0;

		if (in_rax || a->from[i].base == (u32)o->mem.base)
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

static bool check_memory(struct check *k, const ZydisDecodedOperand *o)
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
	if (o->mem.index != ZYDIS_REGISTER_NONE)
		return wrong(k, "an index");
	if (o->mem.base == ZYDIS_REGISTER_RSI)
		return check_string(k, o, &k->rsi);
	if (o->mem.base == ZYDIS_REGISTER_RDI)
		return check_string(k, o, &k->rdi);
	if (o->mem.base == ZYDIS_REGISTER_RAX)
		return check_extent(k, o, o->mem.disp.value, &k->at_rax);
	if (o->mem.base == ZYDIS_REGISTER_R10)
		return check_extent(k, o, o->mem.disp.value, &k->at_r10);
	return wrong(k, "memory through a guest's register");
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

/* The addend that belongs to the tag that was compared is loaded, or added. */
static bool takes_addend(const struct check *k, ZydisMnemonic by, ZydisRegister r)
{
	const ZydisDecodedOperand *m = &k->ops[1];

	return k->zi.mnemonic == by && is_reg(&k->ops[0], r) &&
	       m->type == ZYDIS_OPERAND_TYPE_MEMORY && m->mem.base == ZYDIS_REGISTER_R15 &&
	       in_tlb(k, m) && tlb_field(k, m) == offsetof(struct tlb_entry, addend);
}

static void addend_loaded(struct check *k)
{
	struct addend *a = &k->by_r10;

	a->nr_from = 0;
	a->from[a->nr_from++] = (struct linear){ .base = k->looked };
	if (k->looked == ZYDIS_REGISTER_RAX && k->rax_known &&
	    k->rax.base != ZYDIS_REGISTER_NONE)
		a->from[a->nr_from++] = k->rax;
	a->extent = k->next;
	k->next.size = 0;
}

/* The entry of cpu->jit_window that a MOV from or to memory is of, or NULL. */
static struct addend *window_of(struct check *k, const ZydisDecodedOperand *m)
{
	s64 at = m->mem.disp.value + STATE_BIAS - (s64)offsetof(struct cpu, jit_window);

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_MOV || m->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    m->mem.base != ZYDIS_REGISTER_R15 || m->mem.index != ZYDIS_REGISTER_NONE ||
	    at < 0 || at >= (s64)sizeof(k->c->jit_window) || at % 8 || m->size != 64)
		return NULL;
	return &k->window[at / 8];
}

/* The guest's register that is in memory there, or -1. */
static int home_of(const ZydisDecodedOperand *m)
{
	s64 at = m->mem.disp.value + STATE_BIAS;

	if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || m->mem.base != ZYDIS_REGISTER_R15 ||
	    m->mem.index != ZYDIS_REGISTER_NONE || at < 0 || at >= NR_GPRS * 8)
		return -1;
	return at / 8;
}

static void forget_base(struct addend *a, u32 base)
{
	for (u32 i = a->nr_from; i-- > 0;)
		if (a->from[i].base == base)
			a->from[i] = a->from[--a->nr_from];
}

static void move_base(struct addend *a, u32 base, s64 by)
{
	for (u32 i = 0; i < a->nr_from; i++)
		if (a->from[i].base == base)
			a->from[i].disp -= by;
}

/* By how much the instruction changes a register; false if not so. */
static bool adjusts(const struct check *k, u32 base, s64 *by)
{
	const ZydisDecodedOperand *dst = &k->ops[0], *src = &k->ops[1];

	if (dst->type != ZYDIS_OPERAND_TYPE_REGISTER || dst->size != 64 ||
	    (u32)dst->reg.value != base)
		return false;
	switch (k->zi.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		*by = k->zi.mnemonic == ZYDIS_MNEMONIC_ADD ? src->imm.value.s :
							     -src->imm.value.s;
		return src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	case ZYDIS_MNEMONIC_INC:
		*by = 1;
		return true;
	case ZYDIS_MNEMONIC_DEC:
		*by = -1;
		return true;
	case ZYDIS_MNEMONIC_LEA:
		*by = src->mem.disp.value;
		return (u32)src->mem.base == base && src->mem.index == ZYDIS_REGISTER_NONE;
	default:
		return false;
	}
}

/* The end of a comparison, of what size. */
static void follow_compare(struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_CMP)
		return;
	if (is_reg(&k->ops[0], ZYDIS_REGISTER_R11) && o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		k->next.size = PAGE_SIZE - o->imm.value.u;
	} else if (is_reg(&k->ops[0], ZYDIS_REGISTER_RAX) && k->rax_known &&
		   k->rax.base == ZYDIS_REGISTER_NONE && !(k->rax.disp & ~PAGE_MASK) &&
		   o->type == ZYDIS_OPERAND_TYPE_MEMORY && in_tlb(k, o)) {
		k->next.size = PAGE_SIZE;
		k->looked = ZYDIS_REGISTER_RAX;
	}
}

static void forget_register(struct check *k, ZydisRegister r)
{
	const struct extent none = { 0 };

	s64 by;

	if (adjusts(k, r, &by)) {
		for (u32 i = 0; i < NR_WINDOWS; i++)
			move_base(&k->window[i], r, by);
	} else {
		for (u32 i = 0; i < NR_WINDOWS; i++)
			forget_base(&k->window[i], r);
	}
	if (k->rax.base == (u32)r)
		k->rax_known = false;
	forget_base(&k->by_r10, r);
	if (r == ZYDIS_REGISTER_RAX) {
		k->at_rax = none;
		k->rax_known = false;
	} else if (r == ZYDIS_REGISTER_R10) {
		k->at_r10 = none;
		k->by_r10.nr_from = 0;
	}
}

/* What a store or an addition to memory leaves unknown: a guest's register. */
static void forget_home(struct check *k, u32 g)
{
	for (u32 i = 0; i < NR_WINDOWS; i++)
		forget_base(&k->window[i], AT_HOME + g);
	forget_base(&k->by_r10, AT_HOME + g);
	if (k->rax.base == AT_HOME + g)
		k->rax_known = false;
}

/* LEA R10, [RAX + R10]: the address and the addend.  @sum: what it points to. */
static bool adds_addend(const struct check *k, struct extent *sum)
{
	const ZydisDecodedOperand *m = &k->ops[1];
	const struct addend *a = &k->by_r10;

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_LEA || !is_reg(&k->ops[0], ZYDIS_REGISTER_R10) ||
	    m->mem.base != ZYDIS_REGISTER_RAX || m->mem.index != ZYDIS_REGISTER_R10 ||
	    m->mem.scale != 1 || m->mem.disp.value)
		return false;
	for (u32 i = 0; i < a->nr_from; i++) {
		*sum = a->extent;
		if (a->from[i].base == ZYDIS_REGISTER_RAX)
			return true;
		if (!k->rax_known || a->from[i].base != k->rax.base)
			continue;
		sum->off = a->from[i].disp - k->rax.disp;
		return true;
	}
	return false;
}

/* RAX becomes an address. */
static void follow_rax(struct check *k, const struct linear *before)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	if (!is_reg(&k->ops[0], ZYDIS_REGISTER_RAX))
		return;
	if (k->zi.mnemonic == ZYDIS_MNEMONIC_LEA && k->ops[0].size == 64 &&
	    o->mem.index == ZYDIS_REGISTER_NONE && o->mem.base != ZYDIS_REGISTER_RAX) {
		k->rax = (struct linear){ o->mem.base, o->mem.disp.value };
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_LEA && k->ops[0].size == 64 &&
		   o->mem.index == ZYDIS_REGISTER_NONE && before->base >= AT_HOME) {
		k->rax = *before;
		k->rax.disp += o->mem.disp.value;
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_MOV && k->ops[0].size == 64 &&
		   home_of(o) >= 0) {
		k->rax = (struct linear){ AT_HOME + home_of(o), 0 };
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_MOV &&
		   o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && k->ops[0].size >= 32) {
		k->rax = (struct linear){ ZYDIS_REGISTER_NONE,
					  k->ops[0].size == 32 ? (s64)(u32)o->imm.value.u :
								 o->imm.value.s };
		k->rax_known = true;
	}
}

static bool is_target(const struct check *k, const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_R15 &&
	       o->mem.index == ZYDIS_REGISTER_NONE &&
	       o->mem.disp.value + STATE_BIAS == offsetof(struct cpu, jit_target);
}

/* Where a MOV has its pointer from. */
static struct extent moved(const struct check *k)
{
	const ZydisDecodedOperand *from = &k->ops[1];

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_MOV || from->size != 64)
		return (struct extent){ 0 };
	if (is_reg(from, ZYDIS_REGISTER_RAX))
		return k->at_rax;
	if (is_reg(from, ZYDIS_REGISTER_R11))
		return k->r11;
	return is_target(k, from) ? k->target : (struct extent){ 0 };
}

/* string.c: CMP R11D, PAGE_SIZE behind a check; R11, RSI and RDI get pointers by MOV. */
static void follow_string(struct check *k)
{
	struct extent p = moved(k);

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

static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
	if (a->type != b->type || a->size != b->size)
		return false;
	return a->type == ZYDIS_OPERAND_TYPE_REGISTER ? a->reg.value == b->reg.value :
	       a->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && a->imm.value.u == b->imm.value.u;
}

/* Flags made again: SUB before the same ADD, or the reverse, which leave the register. */
static bool is_undone(struct check *k)
{
	ZydisMnemonic m = k->zi.mnemonic, inverse;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	u32 next = k->off + k->zi.length;

	if (k->undoes) {
		k->undoes = false;
		return true;
	}
	if (m != ZYDIS_MNEMONIC_ADD && m != ZYDIS_MNEMONIC_SUB)
		return false;
	inverse = m == ZYDIS_MNEMONIC_ADD ? ZYDIS_MNEMONIC_SUB : ZYDIS_MNEMONIC_ADD;
	k->undoes = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&k->decoder, k->tu->entry + next,
							k->tu->size - next, &zi, ops)) &&
		    zi.mnemonic == inverse && same_operand(&k->ops[0], &ops[0]) &&
		    same_operand(&k->ops[1], &ops[1]);
	return k->undoes;
}

static void sum_made(struct check *k)
{
	k->at_rax = k->next;
	k->next.size = 0;
}

static void follow_pointers(struct check *k)
{
	struct linear rax = k->rax_known ? k->rax : (struct linear){ 0 };
	struct addend *w = window_of(k, &k->ops[1]);
	bool loads = takes_addend(k, ZYDIS_MNEMONIC_MOV, ZYDIS_REGISTER_R10);
	bool sums = takes_addend(k, ZYDIS_MNEMONIC_ADD, ZYDIS_REGISTER_RAX) &&
		    k->looked == ZYDIS_REGISTER_RAX;
	bool copy = k->zi.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    is_reg(&k->ops[0], ZYDIS_REGISTER_R10) &&
		    is_reg(&k->ops[1], ZYDIS_REGISTER_RAX);
	struct extent sum, copied = k->at_rax;
	bool adds = adds_addend(k, &sum);

	follow_compare(k);
	if (k->zi.mnemonic == ZYDIS_MNEMONIC_RORX && is_reg(&k->ops[0], ZYDIS_REGISTER_R10))
		k->looked = k->ops[1].reg.value;
	for (int i = 0; i < k->zi.operand_count; i++)
		if (k->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && is_written(&k->ops[i]))
			forget_register(k, ZydisRegisterGetLargestEnclosing(
					ZYDIS_MACHINE_MODE_LONG_64, k->ops[i].reg.value));
	if (is_written(&k->ops[0]) && home_of(&k->ops[0]) >= 0)
		forget_home(k, home_of(&k->ops[0]));
	if (loads)
		addend_loaded(k);
	else if (sums)
		sum_made(k);
	else if (adds)
		k->at_r10 = sum;
	else if (copy)
		k->at_r10 = copied;
	else if (w && is_reg(&k->ops[0], ZYDIS_REGISTER_R10))
		k->by_r10 = *w;
	else
		follow_rax(k, &rax);
	w = window_of(k, &k->ops[0]);
	if (w)
		*w = is_reg(&k->ops[1], ZYDIS_REGISTER_R10) ? k->by_r10 : (struct addend){ 0 };
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
		k->at_rax = k->at_r10 = k->next = (struct extent){ 0 };
		k->by_r10.nr_from = 0;
		memset(k->window, 0, sizeof(k->window));
		k->rax_known = false;
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
	if (!is_undone(k))
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
