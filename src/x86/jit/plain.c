/* SPDX-License-Identifier: MIT */
/*
 * Code without windows, for where one has not opened: the rest of its block.
 * At first the interpreter does that: a window that misses since the TLB has
 * been flushed will open the next time.
 */
#include "x86/jit/internal.h"

static struct tu *make(struct cpu *c, const struct tu *from, u64 rip)
{
	u64 room[BLOCK_MAX_SIZE / 8 + 1];
	struct block *rest = (struct block *)room;
	u32 skip = rip - from->rip;
	struct tu *tu;

	if (!jit_has_room(c->jit))
		return NULL;
	block_again(c, rest, tu_host(from) + skip, from->code_size,
		    tu_bytes(from) + skip, from->len - skip);
	tu = translate(c, rest, from->page, true);
	if (tu)
		tu_add(c->jit, tu);
	return tu;
}

struct tu *plain_find(struct cpu *c, struct edge *e)
{
	struct tu *from = tu_at(c->jit, e->from), *to = NULL;

	if (!c->jit->lockstep && e->misses + 1u >= jit_patience()) {
		to = tu_find(c->jit, from->page, e->target, true);
		if (!to)
			to = make(c, from, e->target);
	} else {
		e->misses++;
	}
	c->jit_skip = !to;
	return to;
}
