/* SPDX-License-Identifier: MIT */
/*
 * Copies of blocks: the code behind a JMP that is short and ends with an indirect
 * jump, as an interpreter's dispatch does, is translated anew for each JMP to it.
 * The processor then predicts each indirect jump by itself.
 */
#include "x86/jit/internal.h"

enum { COPY_MAX_INSNS = 10 };

struct tu *tu_again(struct cpu *c, const struct tu *from, u64 rip, bool plain)
{
	u64 room[BLOCK_MAX_SIZE / 8 + 1];
	struct block *rest = (struct block *)room;
	u32 skip = rip - from->rip;
	struct tu *tu;

	if (!jit_has_room(c->jit))
		return NULL;
	block_again(c, rest, tu_host(from) + skip, from->code_size,
		    tu_bytes(from) + skip, from->len - skip);
	tu = translate(c, rest, from->page, plain);
	if (tu)
		tu_add(c->jit, tu);
	return tu;
}

/* Where the JMP that ends @tu leads, as far as it is known. */
static const struct tu *jump_of(const struct jit *j, const struct tu *tu)
{
	for (u32 i = 0; i < tu->nr_out; i++) {
		const struct edge *e = &j->edges[tu->out + i];

		if (e->jump && e->to)
			return tu_at(j, e->to);
	}
	return NULL;
}

/* By way of one more JMP, too. */
static bool is_worth(const struct jit *j, const struct tu *to)
{
	if (to && to->tail == TAIL_JUMP && to->count <= COPY_MAX_INSNS)
		to = jump_of(j, to);
	return to && to->tail == TAIL_INDIRECT && to->count <= COPY_MAX_INSNS;
}

struct tu *copy_find(struct cpu *c, const struct edge *e, struct tu *to)
{
	struct tu *copy;

	if (!e->jump || to->copy || !is_worth(c->jit, to))
		return to;
	copy = tu_again(c, to, to->rip, false);
	if (!copy)
		return to;
	copy->copy = true;
	return copy;
}
