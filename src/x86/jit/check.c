/* SPDX-License-Identifier: MIT */
/*
 * Comparisons of addresses with the software TLB, and the addends of their pages.
 *
 * Programs access a page again and again: each of their accesses remembers the one
 * it had last (recent.c).  Kernels flush too often for that, but what they access
 * has the same addend nearly everywhere: an access goes by that of the last time,
 * which the TLB's entry only confirms (guess.c).  Loads wait for their address, and
 * so it does not wait for an entry.  The stack's page has a place in struct mmu.
 */
#include "x86/jit/trans.h"
#include "x86/mmu/internal.h"

/* From R_STATE to the first entry of the TLB in use. */
static s32 tlb_offset(const struct trans *t)
{
	return (s32)((u8 *)t->c->tlb->entry - (u8 *)t->c) - STATE_BIAS;
}

/* Of the entry that @index leads to. */
#define ENTRY(t, index, f)						\
	RM_SIB(R_STATE, index, 0, tlb_offset(t) + offsetof(struct tlb_entry, f))

#define STACK(t, f)							\
	RM_MEM(R_STATE, (s32)((u8 *)&(t)->c->mmu->stack[(t)->c->tlb->class].f - \
			      (u8 *)(t)->c) - STATE_BIAS)

/*
 * On this condition the TLB has not the page of register @lin: it is filled, and
 * what begins at @check is executed again.
 */
static struct cold *miss_if(struct trans *t, enum cc cc, const u8 *check, u8 lin,
			    bool write)
{
	struct cold *cold = cold_if(t, COLD_PUNT, cc);

	cold->check = check;
	cold->fill = t->j->fill[write];
	cold->lin = lin;
	return cold;
}

/* The same of a window that begins with @a. */
static struct cold *closed_if(struct trans *t, enum cc cc, const u8 *check,
			      const struct near *a)
{
	struct cold *cold = miss_if(t, cc, check, NO_GPR, a->write);

	cold->kind = COLD_PLAIN;
	cold->offset = R_C;
	cold->access = *a;
	return cold;
}

/* A: @offset, xored with a tag, is not that of @size bytes in the page. */
static void put_compare(struct trans *t, u8 offset, u32 size)
{
	put_op(&t->k, true, 0x81, 7, RM_REG(offset));		/* cmp offset, imm32 */
	put32(&t->k, PAGE_SIZE - size);
}

/* The same of @size bytes at @lin; @index leads to their entry. */
static void compare_entry(struct trans *t, u8 index, u8 offset, u8 lin, u32 size,
			  bool write)
{
	struct code *k = &t->k;

	_Static_assert(sizeof(struct tlb_entry) == 1 << 5, "index of the TLB");
	put_vex(k, &(struct vex){ .map = 3, .pp = 3, .opcode = 0xf0, .w = true }, index,
		RM_REG(lin));					/* rorx index, lin, 7 */
	put8(k, PAGE_SHIFT - 5);
	put_op(k, false, 0x81, 4, RM_REG(index));		/* and index, imm32 */
	put32(k, (TLB_ENTRIES - 1) << 5);
	mov_rr(k, offset, lin);
	put_op(k, true, 0x33, offset,
	       write ? ENTRY(t, index, tag_write) : ENTRY(t, index, tag_read));
	put_compare(t, offset, size);
}

/* -- The page of the last time --------------------------------------------------------- */

/* R_C is the address of @size bytes: R_B = the addend. */
static struct cold *put_recent(struct trans *t, u32 n, const u8 *check, u32 size, bool write)
{
	s32 at = TABLES(t->c) + (s32)offsetof(struct translator_tables, recent[n]);
	struct cold *cold;

	put_op(&t->k, true, 0x33, R_C, RM_MEM(R_STATE, at));	/* xor r11, tag */
	put_compare(t, R_C, size);
	cold = miss_if(t, CC_A, check, NO_GPR, write);
	cold->fill = t->j->fill_recent[write];
	cold->recent = n;
	mov_load(&t->k, R_B, RM_MEM(R_STATE, at + (s32)offsetof(struct recent, addend)));
	return cold;
}

/* R_C = the address of @a with @disp instead */
static void put_address(struct trans *t, const struct near *a, s32 disp)
{
	u8 base = gpr_use(t, a->base, R_C);

	if (a->index != NO_GPR)
		lea(&t->k, R_C, RM_SIB(base, pinned[a->index], a->shift, disp));
	else if (disp)
		lea(&t->k, R_C, RM_MEM(base, disp));
	else if (base != R_C)
		mov_rr(&t->k, R_C, base);
}

static bool recent_near(struct trans *t, const struct near *a)
{
	u32 n = a->index == NO_GPR ? recent_take(t->c, t->tu, t->rip, a->write) : 0;
	const u8 *check = t->k.p;

	if (!n)
		return false;
	put_address(t, a, a->disp);
	put_recent(t, n, check, a->size, a->write)->access = *a;
	return true;
}

static bool recent_linear(struct trans *t, u8 lin, u32 size, bool write)
{
	u32 n = recent_take(t->c, t->tu, t->rip, write);
	const u8 *check = t->k.p;

	if (!n)
		return false;
	mov_rr(&t->k, R_C, lin);
	put_recent(t, n, check, size, write)->lin = lin;
	return true;
}

/* R_B stays with @w. */
static void keep_addend(struct trans *t, struct window *w, const struct near *a)
{
	if (near_has_base(a))
		put_op(&t->k, true, 0x03, R_B, gpr_operand(a->base));
	w->addend = CPU_FIELD(jit_window);
	w->addend.disp += (w - t->window) * sizeof(u64);
	mov_store(&t->k, w->addend, R_B);
}

static bool recent_window(struct trans *t, struct window *w, const struct near *a)
{
	u32 n = recent_take(t->c, t->tu, t->rip, w->write);
	const u8 *check = t->k.p;
	struct cold *cold;

	if (!n)
		return false;
	put_address(t, a, w->lo);
	cold = put_recent(t, n, check, w->hi - w->lo, w->write);
	cold->kind = COLD_PLAIN;
	cold->offset = R_C;
	cold->access = *a;
	keep_addend(t, w, a);
	return true;
}

/* -- The TLB's entry ---------------------------------------------------------------------- */

void check_linear(struct trans *t, u8 lin, u32 size, bool write)
{
	const u8 *check = t->k.p;

	if (recent_linear(t, lin, size, write))
		return;
	compare_entry(t, R_B, R_C, lin, size, write);
	miss_if(t, CC_A, check, lin, write);
	mov_load(&t->k, R_B, ENTRY(t, R_B, addend));
}

void check_constant(struct trans *t, u64 lin, bool write)
{
	s32 entry = tlb_offset(t) +
		    (lin >> PAGE_SHIFT & (TLB_ENTRIES - 1)) * sizeof(struct tlb_entry);
	s32 tag = entry + (write ? offsetof(struct tlb_entry, tag_write) :
				   offsetof(struct tlb_entry, tag_read));
	const u8 *check = t->k.p;

	mov_imm(&t->k, R_A, lin & PAGE_MASK);
	put_op(&t->k, true, 0x3b, R_A, RM_MEM(R_STATE, tag));
	miss_if(t, CC_NE, check, R_A, write);
	mov_load(&t->k, R_B, RM_MEM(R_STATE, entry + offsetof(struct tlb_entry, addend)));
}

/* -- The addend of the last time ------------------------------------------------------ */

/* R_B = the addend of the entry that R_C leads to.  guess.c knows this code. */
static struct rm put_guess(struct trans *t, bool window)
{
	u32 n = t->j->next_guess++ % NR_GUESSES;
	struct rm guess = RM_MEM(R_STATE, TABLES(t->c) +
				 (s32)offsetof(struct translator_tables, guess[n]));
	struct cold *cold;

	mov_load(&t->k, R_B, guess);
	put_op(&t->k, true, 0x3b, R_B, ENTRY(t, R_C, addend));
	cold = cold_add(t, COLD_GUESS, jcc_later(&t->k, CC_NE));
	cold->guess = n;
	cold->window = window;
	cold->resume = t->k.p;
	return guess;
}

void check_read(struct trans *t, u8 lin, u32 size)
{
	const u8 *check = t->k.p;

	if (recent_linear(t, lin, size, false))
		return;
	compare_entry(t, R_C, R_B, lin, size, false);
	miss_if(t, CC_A, check, lin, false);
	put_guess(t, false);
}

/* -- The stack -------------------------------------------------------------------------- */

static bool on_stack(const struct near *a)
{
	return a->base == RSP && a->index == NO_GPR;
}

/* A: [R_GUEST_RSP + @disp] is not @size bytes in the stack's page. */
static void compare_stack(struct trans *t, s32 disp, u32 size, bool write)
{
	if (disp)
		lea(&t->k, R_C, RM_MEM(R_GUEST_RSP, disp));
	else
		mov_rr(&t->k, R_C, R_GUEST_RSP);
	put_op(&t->k, true, 0x33, R_C, write ? STACK(t, tag_write) : STACK(t, tag_read));
	put_compare(t, R_C, size);
}

static void check_stack(struct trans *t, const struct near *a)
{
	const u8 *check = t->k.p;
	struct cold *cold;

	compare_stack(t, a->disp, a->size, a->write);
	cold = miss_if(t, CC_A, check, NO_GPR, a->write);
	cold->access = *a;
	cold->fill = t->j->fill_stack[t->c->tlb->class][a->write];
	mov_load(&t->k, R_B, STACK(t, addend));
	window_close_stack(t, NULL);
}

bool check_near(struct trans *t, const struct near *a)
{
	if (!on_stack(a) || t->tu->plain)
		return recent_near(t, a);
	check_stack(t, a);
	return true;
}

/* -- Windows ----------------------------------------------------------------------------- */

static void stack_window(struct trans *t, struct window *w, const struct near *a)
{
	const u8 *check = t->k.p;

	compare_stack(t, w->lo, w->hi - w->lo, w->write);
	closed_if(t, CC_A, check, a)->fill = t->j->fill_stack[t->c->tlb->class][a->write];
	w->addend = STACK(t, addend);
	mov_load(&t->k, R_B, w->addend);
	window_close_stack(t, w);
}

void check_window(struct trans *t, struct window *w, const struct near *a)
{
	const u8 *check = t->k.p;

	if (on_stack(a)) {
		stack_window(t, w, a);
		return;
	}
	if (recent_window(t, w, a))
		return;
	compare_entry(t, R_C, R_B, linear_of(t, a, w->lo), w->hi - w->lo, w->write);
	closed_if(t, CC_A, check, a)->offset = R_B;
	w->addend = put_guess(t, !near_has_base(a));
	if (near_has_base(a))
		keep_addend(t, w, a);
}
