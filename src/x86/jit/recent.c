/* SPDX-License-Identifier: MIT */
/*
 * The page that an access had last.
 *
 * It is compared before the TLB is asked, which takes half of the instructions,
 * and the access does not wait for them.  A block with an access that changes its
 * page too often is translated again, and that access then asks the TLB.
 */
#include "x86/jit/internal.h"

enum {
	BUDGET	= 512,		/* of misses, between two looks at the clock */
	APART	= 600,		/* cycles for each: what costs 50 then matters little */
};

void recent_forget(struct cpu *c)
{
	struct translator_tables *t = c->tables;

	for (u32 i = 0; i < t->recent_count; i++) {
		u32 n = t->recent_log[i] / sizeof(struct recent);

		t->recent[n].tag = TLB_NO_PAGE;
		t->recent_use[n].logged = 0;
	}
	t->recent_count = 0;
}

/* Whether the access at @rip does not stay in a page: a bit, shared with others. */
static u64 *roams_word(struct jit *j, u64 rip, u64 *bit)
{
	u64 hash = rip * 0x9e3779b97f4a7c15ull >> 49;

	*bit = BIT_ULL(hash % 64);
	return &j->roams[hash / 64];
}

_Static_assert(sizeof(((struct jit *)0)->roams) * 8 == 1 << (64 - 49), "what is left");

u32 recent_take(struct cpu *c, const struct tu *tu, u64 rip, bool write)
{
	struct jit *j = c->jit;
	u64 bit;
	u32 n;

	if (c->tlb->class != TLB_USER || (*roams_word(j, rip, &bit) & bit))
		return 0;
	n = 1 + j->next_recent++ % (NR_RECENT - 1) + write * NR_RECENT;
	c->tables->recent[n].tag = TLB_NO_PAGE;
	j->recent_site[n] = (struct recent_site){ .rip = rip, .tu = tu_off(j, tu) };
	return n;
}

void recent_flush(struct jit *j)
{
	memset(j->recent_site, 0, sizeof(j->recent_site));
	memset(j->roams, 0, sizeof(j->roams));
}

/* Another access may have the place, too: then that one pays for it. */
static void give_up(struct jit *j, const struct recent_site *s)
{
	u64 bit, *word = roams_word(j, s->rip, &bit);

	if (!s->tu)
		return;
	*word |= bit;
	tu_retire(j, tu_at(j, s->tu));
}

void jit_recent_failed(struct cpu *c, u64 offset)
{
	u32 n = offset / sizeof(struct recent);
	struct recent_use *use = &c->tables->recent_use[n];
	u64 now = __builtin_ia32_rdtsc();

	if (now - use->since < BUDGET * APART)
		give_up(c->jit, &c->jit->recent_site[n]);
	use->since = now;
	use->left = BUDGET;
}
