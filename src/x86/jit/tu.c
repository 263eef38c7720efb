/* SPDX-License-Identifier: MIT */
/* Translated blocks by RIP. */
#include "api/stats.h"
#include "x86/jit/internal.h"

static struct tu **bucket(struct jit *j, u64 rip)
{
	return &j->tu[rip * 0x9e3779b97f4a7c15ull >> 47];
}

_Static_assert(NR_TU_BUCKETS == 1 << (64 - 47), "what is left of a product");

struct tu *tu_find(struct jit *j, const struct code_page *p, u64 rip, bool plain)
{
	struct tu *tu = *bucket(j, rip);

	while (tu && (tu->rip != rip || tu->page != p || tu->plain != plain ||
		      tu->copy))
		tu = tu->hash_next;
	return tu;
}

void tu_add(struct jit *j, struct tu *tu)
{
	struct host_page *hp = tu->page->host;
	struct tu **b = bucket(j, tu->rip);

	tu->hash_next = *b;
	*b = tu;
	tu->page_next = hp->tus;
	hp->tus = tu;
	tu->made_before = j->made;
	j->made = tu;
	jit_forget_jump(j, tu->rip, tu->page->class);
}

void tu_retire(struct jit *j, struct tu *tu)
{
	struct tu **p = bucket(j, tu->rip);

	if (tu->retired)
		return;
	tu->retired = true;
	while (*p != tu)
		p = &(*p)->hash_next;
	*p = tu->hash_next;
	jit_unlink_to(j, tu);
	jit_forget_jump(j, tu->rip, tu->page->class);
}

static void tu_kill(struct jit *j, struct tu *tu)
{
	tu_retire(j, tu);
	jit_unlink(j, tu);
	jit_forget_jump(j, tu->rip, tu->page->class);
	page_leave(j, tu->page);
	stat_inc(j->vcpu, anykvm_invalidations);
}

/* Nothing leads to them any more but where the vCPU is now, which it leaves. */
void tu_kill_all(struct jit *j, struct host_page *hp)
{
	for (struct tu *tu = hp->tus; tu; tu = tu->page_next)
		tu_kill(j, tu);
	hp->tus = NULL;
	hp->lines = 0;
	jit_changed(j);
}

static struct block *make_block(struct jit *j, const struct tu *tu, struct block *b)
{
	block_again(j->vcpu->cpu, b, tu_host(tu), tu->code_size, tu_bytes(tu), tu->len);
	return b;
}

const struct block *tu_block(struct jit *j, struct tu *tu)
{
	struct block *b;

	if (likely(tu->block))
		return tu->block;
	b = pool_alloc(j, sizeof(*b) + tu->count * sizeof(struct insn) + tu->len);
	if (b)
		return tu->block = make_block(j, tu, b);
	if (j->block_of != tu)
		make_block(j, tu, (struct block *)j->block);
	j->block_of = tu;
	return (struct block *)j->block;
}

void tu_forget_all(struct jit *j)
{
	for (struct tu *tu = j->made; tu; tu = tu->made_before)
		*bucket(j, tu->rip) = NULL;
	j->made = j->block_of = NULL;
}
