/* SPDX-License-Identifier: MIT */
/*
 * The guest's status flags.  They stay in the host's as long as no check of
 * the TLB comes between; before one they are parked in memory, unless there is
 * a recipe to make them again.
 */
#include "x86/jit/trans.h"

static void put_recipe(struct trans *t, const struct recipe *r)
{
	memcpy(t->k.p, r->code, r->len);
	t->k.p += r->len;
}

static void put_park(struct trans *t)
{
	struct code *k = &t->k;

	put8(k, 0x9f);						/* lahf */
	put8(k, 0x0f); put8(k, 0x90); put8(k, 0xc0);		/* seto al */
	put8(k, 0x66);
	put_op(k, false, 0x89, RAX, CPU_FIELD(jit_flags));	/* mov [], ax */
}

void flags_park(struct trans *t)
{
	if (t->flags == FLAGS_RECIPE)
		put_recipe(t, &t->recipe);
	else if (t->flags != FLAGS_HOST)
		return;
	put_park(t);
	t->flags = FLAGS_BOTH;
}

void flags_save(struct trans *t)
{
	if (t->flags == FLAGS_HOST && !t->recipe.len)
		flags_park(t);
}

void flags_clobbered(struct trans *t)
{
	if (t->flags == FLAGS_HOST)
		t->flags = FLAGS_RECIPE;
	else if (t->flags == FLAGS_BOTH)
		t->flags = FLAGS_PARKED;
}

void flags_load(struct trans *t)
{
	struct code *k = &t->k;

	if (t->flags == FLAGS_RECIPE) {
		put_recipe(t, &t->recipe);
		t->flags = FLAGS_HOST;
	} else if (t->flags == FLAGS_PARKED) {
		put_op(k, false, 0x0fb7, RAX, CPU_FIELD(jit_flags));	/* movzx eax, [] */
		put8(k, 0x04); put8(k, 0x7f);			/* add al, 0x7f: OF */
		put8(k, 0x9e);					/* sahf */
		t->flags = FLAGS_BOTH;
	}
}

void flags_merge(struct trans *t)
{
	if (!insn_ends_flags(t))
		flags_load(t);
}

void flags_set(struct trans *t)
{
	t->flags = FLAGS_HOST;
	t->recipe.len = 0;
}

void flags_set_by(struct trans *t, const struct recipe *r)
{
	t->flags = FLAGS_HOST;
	t->recipe = *r;
}

void flags_forget(struct trans *t)
{
	t->flags = FLAGS_PARKED;
	t->recipe.len = 0;
}

void flags_keep(struct trans *t, u16 gprs)
{
	if (!t->recipe.len || !(t->recipe.gprs & gprs))
		return;
	if (t->flags == FLAGS_RECIPE)
		flags_park(t);
	t->recipe.len = 0;
}
