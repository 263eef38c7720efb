/* SPDX-License-Identifier: MIT */
#include "x86/jit/trans.h"

void flags_park(struct trans *t)
{
	struct code *k = &t->k;

	if (t->flags != FLAGS_HOST)
		return;
	put8(k, 0x9f);						/* lahf */
	put8(k, 0x0f); put8(k, 0x90); put8(k, 0xc0);		/* seto al */
	put8(k, 0x66);
	put_op(k, false, 0x89, RAX, CPU_FIELD(jit_flags));	/* mov [], ax */
	t->flags = FLAGS_BOTH;
}

void flags_load(struct trans *t)
{
	struct code *k = &t->k;

	if (t->flags != FLAGS_PARKED)
		return;
	put_op(k, false, 0x0fb7, RAX, CPU_FIELD(jit_flags));	/* movzx eax, [] */
	put8(k, 0x04); put8(k, 0x7f);				/* add al, 0x7f: OF */
	put8(k, 0x9e);						/* sahf */
	t->flags = FLAGS_BOTH;
}
