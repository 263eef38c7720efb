/* SPDX-License-Identifier: MIT */
/*
 * Code without windows, for where one has not opened: the rest of its block.
 * At first the interpreter does that: a window that misses since the TLB has
 * been flushed will open the next time.
 */
#include "x86/jit/internal.h"

/* The part of @b from @first on. */
static struct block *block_rest(struct jit *j, const struct block *b, u32 first)
{
	u32 count = b->count - first, skip = first ? b->insn[first - 1].end : 0;
	size_t size = sizeof(*b) + count * sizeof(struct insn);
	struct block *rest = pool_alloc(j, size + b->len - skip);

	if (!rest)
		return NULL;
	*rest = (struct block){
		.host = b->host + skip, .code_size = b->code_size, .count = count,
		.len = b->len - skip, .bytes_off = size,
	};
	memcpy(rest->insn, &b->insn[first], count * sizeof(struct insn));
	for (u32 i = 0; i < count; i++)
		rest->insn[i].end -= skip;
	memcpy((u8 *)rest + size, (const u8 *)b + b->bytes_off + skip, rest->len);
	return rest;
}

static struct tu *make(struct cpu *c, const struct tu *from, u64 rip)
{
	const struct block *b = from->block;
	struct block *rest;
	struct tu *tu;
	u32 i = 0;

	if (!jit_has_room(c->jit))
		return NULL;
	while (from->rip + b->insn[i].end - b->insn[i].len != rip)
		i++;
	rest = block_rest(c->jit, b, i);
	tu = rest ? translate(c, rest, from->page, true) : NULL;
	if (tu)
		tu_add(c->jit, tu);
	return tu;
}

struct tu *plain_find(struct cpu *c, struct edge *e)
{
	struct tu *to = NULL;

	if (!c->jit->lockstep && ++e->misses >= jit_patience()) {
		to = tu_find(c->jit, e->from->page, e->target, true);
		if (!to)
			to = make(c, e->from, e->target);
	}
	c->jit_skip = !to;
	return to;
}
