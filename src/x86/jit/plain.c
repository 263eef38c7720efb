/* SPDX-License-Identifier: MIT */
/*
 * Code without windows, for where one has not opened: the rest of its block.
 * At first the interpreter does that: a window that misses since the TLB has
 * been flushed will open the next time.
 */
#include "x86/jit/internal.h"

struct tu *plain_find(struct cpu *c, struct edge *e)
{
	struct tu *from = tu_at(c->jit, e->from), *to = NULL;

	if (!c->jit->lockstep && e->misses + 1u >= jit_patience()) {
		to = tu_find(c->jit, from->page, e->target, true);
		if (!to)
			to = tu_again(c, from, e->target, true);
	} else {
		e->misses++;
	}
	c->jit_skip = !to;
	return to;
}
