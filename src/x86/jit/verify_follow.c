/* SPDX-License-Identifier: MIT */
/* What each instruction makes of the verifier's knowledge: addresses, pointers, indices. */
#include "x86/jit/verify.h"

/* -- Addresses and pointers ------------------------------------------------------- */

static bool in_entry(const struct check *k, const ZydisDecodedOperand *m, u32 field)
{
	return m->type == ZYDIS_OPERAND_TYPE_MEMORY && m->mem.base == ZYDIS_REGISTER_R15 &&
	       in_tlb(k, m) && tlb_field(k, m) == field;
}

static bool is_mov(const struct check *k, ZydisRegister r)
{
	return k->zi.mnemonic == ZYDIS_MNEMONIC_MOV && is_reg(&k->ops[0], r) &&
	       k->ops[0].size == 64;
}

static void addend_known(struct check *k)
{
	struct addend *a = &k->by_r10;

	a->nr_from = 0;
	a->from[a->nr_from++] = k->looked;
	if (k->looked.base == ZYDIS_REGISTER_RAX && k->rax_known &&
	    k->rax.base != ZYDIS_REGISTER_NONE)
		a->from[a->nr_from++] = k->rax;
	a->extent = k->next;
	k->next.size = 0;
}

/* The stack's addend, of what has just been compared or of a window. */
static void take_stack(struct check *k)
{
	if (k->next.size) {
		addend_known(k);
		k->kept[KEPT_STACK] = k->by_r10;
	} else {
		k->by_r10 = k->kept[KEPT_STACK];
	}
}

/* The number in cpu->jit_window, or -1. */
static int window_at(const struct check *k, const ZydisDecodedOperand *m)
{
	s64 at = m->mem.disp.value + STATE_BIAS - (s64)offsetof(struct cpu, jit_window);

	if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || m->mem.base != ZYDIS_REGISTER_R15 ||
	    m->mem.index != ZYDIS_REGISTER_NONE || at < 0 ||
	    at >= (s64)sizeof(k->c->jit_window) || at % 8 || m->size != 64)
		return -1;
	return at / 8;
}

/* One that has been confirmed, or is going to be. */
static void take_guess(struct check *k, u32 n)
{
	if (k->next.size)
		k->guess = n;
	else
		k->by_r10 = k->kept[n % NR_GUESSES_KEPT];
}

/* CMP R10, [entry.addend] confirms it. */
static void guess_confirmed(struct check *k)
{
	addend_known(k);
	k->kept[k->guess % NR_GUESSES_KEPT] = k->by_r10;
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
		if (a->from[i].base == base || a->from[i].index == base)
			a->from[i] = a->from[--a->nr_from];
}

static void move_base(struct addend *a, u32 base, s64 by)
{
	for (u32 i = 0; i < a->nr_from; i++) {
		if (a->from[i].base == base)
			a->from[i].disp -= by;
		if (a->from[i].index == base)
			a->from[i].disp -= by * a->from[i].scale;
	}
}

/* ADD R10, base: what is left of @a is to be added yet. */
static bool adds_base(const struct check *k, struct addend *a)
{
	const ZydisDecodedOperand *o = &k->ops[1];
	u32 base = home_of(o) >= 0 ? AT_HOME + home_of(o) : 0;

	if (k->zi.mnemonic != ZYDIS_MNEMONIC_ADD || !is_reg(&k->ops[0], ZYDIS_REGISTER_R10) ||
	    k->ops[0].size != 64)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		base = o->reg.value;
	*a = k->by_r10;
	for (u32 i = a->nr_from; i-- > 0;) {
		if (a->from[i].base == base)
			a->from[i].base = ZYDIS_REGISTER_NONE;
		else
			a->from[i] = a->from[--a->nr_from];
	}
	return base && a->nr_from;
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
	if (is_reg(&k->ops[0], k->offset) && k->ops[0].size == 64 &&
	    o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		k->next.size = PAGE_SIZE - o->imm.value.u;
	} else if (is_reg(&k->ops[0], ZYDIS_REGISTER_RAX) && k->rax_known &&
		   k->rax.base == ZYDIS_REGISTER_NONE && !k->rax.index &&
		   !(k->rax.disp & ~PAGE_MASK) &&
		   o->type == ZYDIS_OPERAND_TYPE_MEMORY && in_tlb(k, o)) {
		k->next.size = PAGE_SIZE;
		k->looked = (struct linear){ .base = ZYDIS_REGISTER_RAX };
	}
}

static void forget_register(struct check *k, ZydisRegister r)
{
	const struct extent none = { 0 };
	s64 by;

	if (r == ZYDIS_REGISTER_NONE)
		return;		/* flags */
	if (adjusts(k, r, &by)) {
		for (u32 i = 0; i < NR_KEPT; i++)
			move_base(&k->kept[i], r, by);
	} else {
		for (u32 i = 0; i < NR_KEPT; i++)
			forget_base(&k->kept[i], r);
	}
	if (k->rax.base == (u32)r || k->rax.index == (u32)r)
		k->rax_known = false;
	if (k->offset == r)
		k->offset = ZYDIS_REGISTER_NONE;
	forget_base(&k->by_r10, r);
	if (r == ZYDIS_REGISTER_RAX) {
		k->at_rax = none;
		k->rax_known = false;
	} else if (r == ZYDIS_REGISTER_R10) {
		k->at_r10 = none;
		k->by_r10.nr_from = 0;
		k->guess = NO_GUESS;
	}
}

/* What a store or an addition to memory leaves unknown: a guest's register. */
static void forget_home(struct check *k, u32 g)
{
	for (u32 i = 0; i < NR_KEPT; i++)
		forget_base(&k->kept[i], AT_HOME + g);
	forget_base(&k->by_r10, AT_HOME + g);
	if (k->rax.base == AT_HOME + g)
		k->rax_known = false;
}

/* LEA R10, [RAX + R10] */
static bool is_lea_sum(const struct check *k)
{
	const ZydisDecodedOperand *m = &k->ops[1];

	return k->zi.mnemonic == ZYDIS_MNEMONIC_LEA && m->mem.base == ZYDIS_REGISTER_RAX &&
	       m->mem.index == ZYDIS_REGISTER_R10 && m->mem.scale == 1 && !m->mem.disp.value;
}

/* ADD RAX, R10 */
static bool is_add_sum(const struct check *k)
{
	return k->zi.mnemonic == ZYDIS_MNEMONIC_ADD && is_reg(&k->ops[1], ZYDIS_REGISTER_R10);
}

/* @r becomes the address and the addend.  @sum: what it points to. */
static bool adds_addend(const struct check *k, ZydisRegister r, struct extent *sum)
{
	const struct addend *a = &k->by_r10;

	if (!is_reg(&k->ops[0], r) || k->ops[0].size != 64 ||
	    !(r == ZYDIS_REGISTER_RAX ? is_add_sum(k) : is_lea_sum(k)))
		return false;
	for (u32 i = 0; i < a->nr_from; i++) {
		*sum = a->extent;
		if (a->from[i].base == ZYDIS_REGISTER_RAX)
			return true;
		if (!k->rax_known || !same_registers(&a->from[i], &k->rax))
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
	    o->mem.index != ZYDIS_REGISTER_RAX && o->mem.base != ZYDIS_REGISTER_RAX) {
		k->rax = (struct linear){ o->mem.base, o->mem.index, o->mem.scale,
					  o->mem.disp.value };
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_LEA && k->ops[0].size == 64 &&
		   o->mem.index != ZYDIS_REGISTER_RAX && before->base >= AT_HOME &&
		   !before->index) {
		k->rax = *before;
		k->rax.index = o->mem.index;
		k->rax.scale = o->mem.scale;
		k->rax.disp += o->mem.disp.value;
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_MOV && k->ops[0].size == 64 &&
		   home_of(o) >= 0) {
		k->rax = (struct linear){ .base = AT_HOME + home_of(o) };
		k->rax_known = true;
	} else if (k->zi.mnemonic == ZYDIS_MNEMONIC_MOV &&
		   o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && k->ops[0].size >= 32) {
		k->rax = (struct linear){
			.disp = k->ops[0].size == 32 ? (s64)(u32)o->imm.value.u :
						       o->imm.value.s,
		};
		k->rax_known = true;
	}
}

/* -- Flags made again --------------------------------------------------------------- */

static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
	if (a->type != b->type || a->size != b->size)
		return false;
	if (a->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return home_of(a) >= 0 && home_of(a) == home_of(b);
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

/* -- All of it ---------------------------------------------------------------------- */

/* What is looked up: RORX of it for the entry's index; else MOV or LEA of R11. */
static void follow_looked(struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];
	bool lea = k->zi.mnemonic == ZYDIS_MNEMONIC_LEA && k->ops[0].size == 64 &&
		   is_reg(&k->ops[0], ZYDIS_REGISTER_R11);

	if (k->zi.mnemonic == ZYDIS_MNEMONIC_RORX) {
		k->looked = (struct linear){ .base = o->reg.value };
	} else if (lea && o->mem.base == ZYDIS_REGISTER_R11) {
		k->looked.index = o->mem.index;
		k->looked.scale = o->mem.scale;
		k->looked.disp += o->mem.disp.value;
	} else if (lea) {
		k->looked = (struct linear){ o->mem.base, o->mem.index, o->mem.scale,
					     o->mem.disp.value };
	} else if (is_mov(k, ZYDIS_REGISTER_R11) && o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		k->looked = (struct linear){ .base = o->reg.value };
	} else if (is_mov(k, ZYDIS_REGISTER_R11) && home_of(o) >= 0) {
		k->looked = (struct linear){ .base = AT_HOME + home_of(o) };
	}
}

/* XOR of R10 or R11 with a tag makes it the offset in the page. */
static bool makes_offset(const struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	return k->zi.mnemonic == ZYDIS_MNEMONIC_XOR && k->ops[0].size == 64 &&
	       (is_reg(&k->ops[0], ZYDIS_REGISTER_R10) ||
		is_reg(&k->ops[0], ZYDIS_REGISTER_R11)) &&
	       (in_entry(k, o, offsetof(struct tlb_entry, tag_read)) ||
		in_entry(k, o, offsetof(struct tlb_entry, tag_write)) ||
		stack_field(k, o) == offsetof(struct tlb_stack, tag_read) ||
		stack_field(k, o) == offsetof(struct tlb_stack, tag_write) ||
		(recent_at(k, o) >= 0 &&
		 recent_at(k, o) % sizeof(struct recent) == offsetof(struct recent, tag)));
}

static void forget_written(struct check *k)
{
	for (int i = 0; i < k->zi.operand_count; i++)
		if (k->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER && is_written(&k->ops[i]))
			forget_register(k, ZydisRegisterGetLargestEnclosing(
					ZYDIS_MACHINE_MODE_LONG_64, k->ops[i].reg.value));
	if (is_written(&k->ops[0]) && home_of(&k->ops[0]) >= 0)
		forget_home(k, home_of(&k->ops[0]));
}

/* MOV R10 from where an addend is; false if it is from elsewhere. */
static bool follow_addend(struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	if (k->zi.mnemonic == ZYDIS_MNEMONIC_CMP && is_reg(&k->ops[0], ZYDIS_REGISTER_R10) &&
	    k->guess != NO_GUESS && in_entry(k, o, offsetof(struct tlb_entry, addend)))
		guess_confirmed(k);
	else if (!is_mov(k, ZYDIS_REGISTER_R10))
		return false;
	else if (in_entry(k, o, offsetof(struct tlb_entry, addend)))
		addend_known(k);
	else if (stack_field(k, o) == offsetof(struct tlb_stack, addend))
		take_stack(k);
	else if (guess_at(k, o) != NO_GUESS)
		take_guess(k, guess_at(k, o));
	else if (recent_at(k, o) == (int)(k->recent * sizeof(struct recent) +
					  offsetof(struct recent, addend)))
		addend_known(k);
	else if (window_at(k, o) >= 0)
		k->by_r10 = k->kept[KEPT_WINDOW + window_at(k, o)];
	else
		return false;
	return true;
}

static void follow_pointers(struct check *k)
{
	struct linear rax = k->rax_known ? k->rax : (struct linear){ 0 };
	struct extent sum, to_rax, copied = k->at_rax;
	bool copy = is_mov(k, ZYDIS_REGISTER_R10) && is_reg(&k->ops[1], ZYDIS_REGISTER_RAX);
	bool adds = adds_addend(k, ZYDIS_REGISTER_R10, &sum);
	bool sums = adds_addend(k, ZYDIS_REGISTER_RAX, &to_rax);
	struct addend summed;
	bool sums_base = adds_base(k, &summed);

	follow_compare(k);
	follow_looked(k);
	forget_written(k);
	if (makes_offset(k))
		k->offset = k->ops[0].reg.value;
	if (follow_addend(k))
		return;
	if (sums)
		k->at_rax = to_rax;
	else if (adds)
		k->at_r10 = sum;
	else if (copy)
		k->at_r10 = copied;
	else if (sums_base)
		k->by_r10 = summed;
	else
		follow_rax(k, &rax);
	if (is_written(&k->ops[0]) && window_at(k, &k->ops[0]) >= 0)
		k->kept[KEPT_WINDOW + window_at(k, &k->ops[0])] =
			k->zi.mnemonic == ZYDIS_MNEMONIC_MOV &&
			is_reg(&k->ops[1], ZYDIS_REGISTER_R10) ? k->by_r10 :
								 (struct addend){ 0 };
}

#define ENTRY_MASK	((TLB_ENTRIES - 1) * sizeof(struct tlb_entry))

static void follow_index(struct check *k)
{
	const ZydisDecodedOperand *o = &k->ops[1];

	for (int i = 0; i < k->zi.operand_count; i++) {
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_R10) && is_written(&k->ops[i]))
			k->index = NOT_MASKED;
		if (is_reg(&k->ops[i], ZYDIS_REGISTER_R11) && is_written(&k->ops[i]))
			k->index_end = k->index_r11 = 0;
	}
	if (k->zi.mnemonic != ZYDIS_MNEMONIC_AND || k->ops[0].size != 32 ||
	    o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return;
	if (is_reg(&k->ops[0], ZYDIS_REGISTER_R11)) {
		k->index_end = o->imm.value.u + 1;
		k->index_r11 = o->imm.value.u == ENTRY_MASK ? OF_TLB : NOT_MASKED;
	}
	if (!is_reg(&k->ops[0], ZYDIS_REGISTER_R10))
		return;
	if (o->imm.value.u == ENTRY_MASK)
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
		memset(k->kept, 0, sizeof(k->kept));
		k->rax_known = false;
		k->index = k->index_r11 = NOT_MASKED;
		break;
	default:
		break;
	}
}

void verify_follow(struct check *k)
{
	verify_string(k);
	if (!is_undone(k))
		follow_pointers(k);
	follow_index(k);
	follow_branch(k);
}
