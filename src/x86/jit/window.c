/* SPDX-License-Identifier: MIT */
/*
 * Windows: what several instructions of a block access near one register is
 * looked up in the TLB once, by the first of them.  The others find the addend
 * in cpu->jit_window, lose no flags and cannot fault.
 *
 * Between them nothing polls, and an instruction that may change the TLB ends
 * all windows; so they hold as long as the comparison of one instruction does
 * until its access.  Where the first finds that not all is in one page, or not
 * all may be written, code without windows goes on (COLD_PLAIN).
 */
#include "x86/jit/trans.h"

enum {
	MAX_SPAN	= 512,		/* the larger, the more often it straddles pages */
	FAR		= 1 << 20,
};

/* -- What is ahead -------------------------------------------------------------- */

static u8 gpr_of(ZydisRegister r)
{
	r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
	return ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(r) :
								  NO_GPR;
}

/* The general registers that the instruction writes, hidden operands too. */
static u16 gprs_written(const struct decoded *d)
{
	u16 mask = 0;

	for (int i = 0; i < d->zi.operand_count; i++) {
		const ZydisDecodedOperand *o = &d->ops[i];

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (gpr_of(o->reg.value) != NO_GPR)
			mask |= BIT(gpr_of(o->reg.value));
	}
	return mask;
}

static const ZydisDecodedOperand *memory_of(const struct decoded *d)
{
	for (int i = 0; i < d->zi.operand_count_visible; i++)
		if (d->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    d->ops[i].mem.type == ZYDIS_MEMOP_TYPE_MEM)
			return &d->ops[i];
	return NULL;
}

static void explicit_access(const struct insn *in, const struct decoded *d,
			    struct near *a)
{
	const ZydisDecodedOperand *m = memory_of(d);

	if (!m || !m->size || m->size / 8 > MAX_SPAN || !mem_near(in, a))
		return;
	a->size = m->size / 8;
	a->write = m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
}

static void stack_access(struct outlook *o, s32 disp, bool write)
{
	o->stack = (struct near){
		.base = RSP, .index = NO_GPR, .disp = disp, .size = 8, .write = write,
	};
}

static void adjusts(struct outlook *o, u8 g, s64 by)
{
	if (by != (s32)by)
		return;
	o->adjusted = g;
	o->by = by;
}

/* The same register plus a constant, of 64 bits. */
static void arithmetic(struct outlook *o, const struct insn *in, const struct decoded *d)
{
	const ZydisDecodedOperand *dst = &d->ops[0], *src = &d->ops[1];
	u8 g;

	if (in->osz != 8 || dst->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	g = gpr_of(dst->reg.value);
	if (g == NO_GPR)
		return;
	switch (d->zi.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		if (src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			adjusts(o, g, d->zi.mnemonic == ZYDIS_MNEMONIC_ADD ?
				      src->imm.value.s : -src->imm.value.s);
		break;
	case ZYDIS_MNEMONIC_INC:
		adjusts(o, g, 1);
		break;
	case ZYDIS_MNEMONIC_DEC:
		adjusts(o, g, -1);
		break;
	case ZYDIS_MNEMONIC_LEA:
		if (mem_is_based(in) && in->base / 8 == g)
			adjusts(o, g, in->disp);
		break;
	default:
		break;
	}
}

static void stack_insn(struct outlook *o, const struct insn *in, const struct decoded *d)
{
	bool memory = d->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

	if (in->osz != 8)
		return;
	switch (d->zi.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		stack_access(o, -8, true);
		adjusts(o, RSP, -8);
		break;
	case ZYDIS_MNEMONIC_CALL:
		stack_access(o, -8, true);
		break;
	case ZYDIS_MNEMONIC_POP:
		if (memory || gpr_of(d->ops[0].reg.value) == RSP)
			break;
		stack_access(o, 0, false);
		adjusts(o, RSP, 8);
		break;
	case ZYDIS_MNEMONIC_RET:
		stack_access(o, 0, false);
		break;
	case ZYDIS_MNEMONIC_LEAVE:
		stack_access(o, 0, false);
		o->stack.base = RBP;
		break;
	default:
		break;
	}
}

void window_look(const struct insn *in, const struct decoded *d, struct outlook *o)
{
	*o = (struct outlook){
		.access.base = NO_GPR, .stack.base = NO_GPR, .adjusted = NO_GPR,
		.written = gprs_written(d),
		.branches = d->zi.meta.category == ZYDIS_CATEGORY_COND_BR,
	};
	explicit_access(in, d, &o->access);
	arithmetic(o, in, d);
	stack_insn(o, in, d);
}

/* -- Windows --------------------------------------------------------------------- */

static bool is_far(s64 off)
{
	return off < -FAR || off > FAR;
}

static bool same_registers(const struct window *w, const struct near *a)
{
	return w->base == a->base && w->index == a->index &&
	       (w->index == NO_GPR || w->shift == a->shift);
}

/* The registers of @w get other values: by how much it moves; false if that is not known. */
static bool moves(const struct window *w, const struct outlook *o, s64 *base, s64 *index)
{
	u16 mine = BIT(w->base) | (w->index == NO_GPR ? 0 : BIT(w->index));

	*base = *index = 0;
	if (!(o->written & mine))
		return true;
	if (o->adjusted == NO_GPR || (o->written & mine & ~BIT(o->adjusted)))
		return false;
	if (o->adjusted == w->base)
		*base = o->by;
	if (o->adjusted == w->index)
		*index = (s64)o->by << w->shift;
	return true;
}

/* Takes @a, @off bytes further, into @w if it is near enough. */
static void join(struct window *w, const struct near *a, s32 off, bool branched)
{
	s32 lo = MIN(w->lo, a->disp + off), hi = MAX(w->hi, a->disp + off + a->size);

	if (!same_registers(w, a) || hi - lo > MAX_SPAN)
		return;
	/* What is only read here need not be writable. */
	if (a->write && !w->write && branched && w->base != RSP)
		return;
	w->lo = lo;
	w->hi = hi;
	w->write |= a->write;
	w->uses++;
}

/* What comes after the first access, until the register is another one. */
static void look_ahead(const struct trans *t, struct window *w)
{
	s64 off = 0, base, index;
	bool branched = false;

	for (u32 pos = t->pos; pos < t->count * t->copies; pos++) {
		const struct outlook *o = &t->outlook[pos % t->count];

		join(w, &o->access, off, branched);
		join(w, &o->stack, off, branched);
		branched |= o->branches;
		if (!moves(w, o, &base, &index))
			return;
		off += base + index;
		if (off < -MAX_SPAN || off > MAX_SPAN)
			return;
	}
}

struct window *window_open(struct trans *t, const struct near *a)
{
	struct window *w = &t->window[0], new = {
		.base = a->base, .index = a->index, .shift = a->shift, .write = a->write,
		.lo = a->disp, .hi = a->disp + a->size,
	};

	if (t->tu->plain || (near_has_base(a) && is_far(a->disp)))
		return NULL;
	look_ahead(t, &new);
	if (new.uses < 2)
		return NULL;
	for (u32 i = 1; i < NR_WINDOWS; i++)
		if (t->window[i].uses < w->uses)
			w = &t->window[i];
	*w = new;
	w->uses--;
	return w;
}

struct window *window_find(struct trans *t, const struct near *a)
{
	for (u32 i = 0; i < NR_WINDOWS; i++) {
		struct window *w = &t->window[i];

		if (!same_registers(w, a) || a->disp < w->lo || a->disp + a->size > w->hi ||
		    (a->write && !w->write))
			continue;
		w->uses -= w->uses > 0;
		return w;
	}
	return NULL;
}

void window_close_all(struct trans *t)
{
	memset(t->window, 0, sizeof(t->window));
}

void window_follow(struct trans *t, const struct outlook *o)
{
	for (u32 i = 0; i < NR_WINDOWS; i++) {
		struct window *w = &t->window[i];
		s64 base, index, far;

		if (!moves(w, o, &base, &index)) {
			*w = (struct window){ 0 };
			continue;
		}
		far = w->lo - base - index;
		if (is_far(far) || is_far(w->moved + base)) {
			*w = (struct window){ 0 };
			continue;
		}
		w->lo -= base + index;
		w->hi -= base + index;
		w->moved += base;
	}
}
