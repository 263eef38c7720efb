/* SPDX-License-Identifier: MIT */
/* Translated blocks by RIP. */
#include "api/stats.h"
#include "x86/jit/internal.h"

static struct tu **bucket(struct jit *j, u64 rip)
{
	return &j->tu[(rip ^ rip >> 14) % NR_BUCKETS];
}

struct tu *tu_find(struct jit *j, const struct code_page *p, u64 rip, bool plain)
{
	struct tu *tu = *bucket(j, rip);

	while (tu && (tu->rip != rip || tu->page != p || tu->dead || tu->plain != plain))
		tu = tu->hash_next;
	return tu;
}

/* Jumps that still lead to a dead predecessor are sent on to @tu. */
static void succeed(struct jit *j, struct tu *tu)
{
	struct tu *old;

	for (old = *bucket(j, tu->rip); old; old = old->hash_next)
		if (old->dead && old->rip == tu->rip && old->page == tu->page &&
		    old->plain == tu->plain)
			put_jmp_at(old->entry, tu->entry);
}

void tu_add(struct jit *j, struct tu *tu)
{
	struct host_page *hp = tu->page->host;
	struct tu **b = bucket(j, tu->rip);

	succeed(j, tu);
	tu->hash_next = *b;
	*b = tu;
	tu->page_next = hp->tus;
	hp->tus = tu;
}

void tu_kill_all(struct jit *j, struct host_page *hp)
{
	for (struct tu *tu = hp->tus; tu; tu = tu->page_next) {
		tu->dead = true;
		stat_inc(j->vcpu, anykvm_invalidations);
		put_jmp_at(tu->entry, tu->dead_exit);
	}
	hp->tus = NULL;
	hp->lines = 0;
	page_forget(j);
	j->left = true;
}
