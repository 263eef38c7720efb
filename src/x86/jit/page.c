/* SPDX-License-Identifier: MIT */
/*
 * Which translated code is current: pages by linear address, and what memory
 * was when their code was made.  Jumps into a page that has been entered cost
 * one comparison with translator_tables.page_id; epoch.c says for how long.
 */
#include "x86/jit/shared.h"
#include "x86/mmu/internal.h"
#include "x86/x86.h"

#define BAN_TSC		(1ull << 24)	/* some milliseconds */
#define BAN_AFTER	4		/* losses in a row */
#define BAN_LONGEST	8		/* doublings */
#define LIVED_TSC	(1ull << 30)	/* what lives longer is in no row */

static struct jit_vm *vm_of(const struct cpu *c)
{
	return c->vcpu->vm->arch->jit;
}

static u32 host_hash(const u8 *host)
{
	return ((u64)host >> PAGE_SHIFT) % NR_BUCKETS;
}

static struct host_page *host_find(struct jit *j, const u8 *host)
{
	struct host_page *hp = j->hosts[host_hash(host)];

	while (hp && hp->host != host)
		hp = hp->hash_next;
	return hp;
}

static struct host_page *host_make(struct jit *j, const u8 *host)
{
	struct host_page **b = &j->hosts[host_hash(host)], *hp;

	hp = pool_alloc(j, sizeof(*hp));
	if (!hp)
		return NULL;
	memset(hp, 0, sizeof(*hp));
	hp->host = host;
	hp->hash_next = *b;
	*b = hp;
	return hp;
}

/* -- Lookups ---------------------------------------------------------------------- */

bool page_is_unchanged(const struct jit *j, const struct host_page *hp)
{
	for (u64 lines = hp->lines; lines; lines &= lines - 1) {
		u32 i = __builtin_ctzll(lines);

		if (memcmp(hp->host + i * LINE, j->pool + hp->line[i], LINE))
			return false;
	}
	return true;
}

bool page_is_current(struct jit *j, struct host_page *hp)
{
	u64 epoch = epoch_now(j);

	if (__atomic_load_n(&hp->shared->gen, __ATOMIC_ACQUIRE) != hp->shared_gen)
		return false;
	if (hp->epoch != epoch && !page_is_unchanged(j, hp))
		return false;
	hp->epoch = epoch;
	return true;
}

static u32 page_hash(u64 lin, u32 class, const u8 *host)
{
	return (lin >> PAGE_SHIFT ^ class << 12 ^ (u64)host >> 15) % NR_BUCKETS;
}

static struct code_page *page_find(struct jit *j, u64 lin, u32 class, const u8 *host)
{
	struct code_page *p = j->pages[page_hash(lin, class, host)];

	while (p && (p->lin != lin || p->class != class || p->host->host != host))
		p = p->hash_next;
	return p;
}

/* The host's page of @lin, if code may be fetched from it. */
static const u8 *fetch_page(struct cpu *c, u64 lin)
{
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);
	struct page p;

	if (likely(e->tag_exec == lin))
		return (const u8 *)(lin + e->addend);
	if (!is_canonical(lin) ||
	    mmu_page(c, lin, ACCESS_EXEC, c->tlb->class, &p) != STEP_NEXT)
		return NULL;
	return p.host;
}

static u32 kind_of(const struct cpu *c, u64 lin, const struct host_page *hp)
{
	struct jit *j = c->jit;
	u32 i = lin >> PAGE_SHIFT & (TLB_ENTRIES - 1);
	u32 kind = tlb_bit(c->tlb->global_map, i) ? 0 : PAGE_LOCAL;

	j->user_seen |= c->tlb->class == TLB_USER;
	if (!j->user_seen || j->strict || hp->suspect || tlb_bit(c->tlb->writable_map, i))
		kind |= PAGE_VOLATILE;
	return kind;
}

struct code_page *page_enter(struct cpu *c, u64 rip)
{
	struct jit *j = c->jit;
	u64 lin = rip & PAGE_MASK;
	u32 i = page_slot(lin, code_class(c));
	struct code_page *p = j->page_at[i];
	const u8 *host;

	if (j->t->page_id[i] && p->lin == lin && p->class == code_class(c))
		return p;
	host = fetch_page(c, lin);
	p = host ? page_find(j, lin, code_class(c), host) : NULL;
	if (!p || !p->host->tus)
		return NULL;
	if (!page_is_current(j, p->host)) {
		tu_kill_all(j, p->host);
		return NULL;
	}
	page_remember(j, p, kind_of(c, lin, p->host));
	return p;
}

/* -- Making ------------------------------------------------------------------------ */

static bool ready(struct cpu *c, struct host_page *hp)
{
	if (hp->banned_until && __builtin_ia32_rdtsc() < hp->banned_until)
		return false;
	if (!hp->shared)
		hp->shared = shared_find(vm_of(c), hp->host);
	if (hp->shared && __atomic_load_n(&hp->shared->state, __ATOMIC_ACQUIRE) == SHARED_CODE)
		return true;
	hp->shared = shared_register(c, hp->host);
	/* It takes a while, in which anything may have changed: the next time. */
	return false;
}

/* What line @i is now. */
static bool take_line(struct jit *j, struct host_page *hp, u32 i)
{
	u8 *to = hp->line[i] ? j->pool + hp->line[i] : pool_alloc(j, LINE);

	if (!to)
		return false;
	memcpy(to, hp->host + i * LINE, LINE);
	hp->line[i] = to - j->pool;
	hp->lines |= BIT_ULL(i);
	return true;
}

/* Does line @i have the bytes of @b, as far as they are in it? */
static bool line_has(const struct jit *j, const struct host_page *hp, u32 i,
		     const struct block *b)
{
	u32 off = b->host - hp->host, from = MAX(off, i * LINE);
	u32 to = MIN(off + b->len, (i + 1) * LINE);
	const u8 *bytes = (const u8 *)b + b->bytes_off;

	return !memcmp(j->pool + hp->line[i] + from % LINE, bytes + from - off, to - from);
}

/* The lines of @b are in the snapshot, which is current, and are what @b is made of. */
static bool take_snapshot(struct jit *j, struct host_page *hp, const struct block *b)
{
	u32 off = b->host - hp->host;
	u64 epoch = epoch_now(j);

	if (hp->lines && !page_is_current(j, hp))
		return false;
	for (u32 i = off / LINE; i <= (off + b->len - 1) / LINE; i++)
		if ((!(hp->lines & BIT_ULL(i)) && !take_line(j, hp, i)) ||
		    !line_has(j, hp, i, b))
			return false;
	hp->epoch = epoch;
	return true;
}

static struct code_page *page_new(struct jit *j, u64 lin, u32 class, struct host_page *hp)
{
	struct code_page **b = &j->pages[page_hash(lin, class, hp->host)];
	struct code_page *p = pool_alloc(j, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct code_page){
		.lin = lin, .class = class, .id = ++j->next_id, .host = hp,
		.hash_next = *b,
	};
	*b = p;
	return p;
}

struct code_page *page_make(struct cpu *c, u64 rip, const struct block *b)
{
	const u8 *host = (const u8 *)((u64)b->host & PAGE_MASK);
	struct jit *j = c->jit;
	struct host_page *hp = host_find(j, host) ?: host_make(j, host);
	struct code_page *p;
	u32 gen;

	if (!hp || !ready(c, hp))
		return NULL;
	gen = __atomic_load_n(&hp->shared->gen, __ATOMIC_ACQUIRE);
	if (hp->shared_gen != gen) {
		tu_kill_all(j, hp);
		hp->shared_gen = gen;
	}
	if (!take_snapshot(j, hp, b)) {
		tu_kill_all(j, hp);
		return NULL;
	}
	p = page_find(j, rip & PAGE_MASK, code_class(c), host);
	return p ?: page_new(j, rip & PAGE_MASK, code_class(c), hp);
}

/* -- Stores -------------------------------------------------------------------------- */

bool page_may_write(struct cpu *c, const u8 *host)
{
	struct shared_page *s = shared_find(vm_of(c), host);

	return !s || __atomic_load_n(&s->state, __ATOMIC_SEQ_CST) == SHARED_DATA;
}

/*
 * A page that is written again and again is better interpreted for a while.
 * But frames of memory are used for this and that in the course of time.
 */
static void lose(struct jit *j, struct host_page *hp)
{
	u64 now = __builtin_ia32_rdtsc();

	tu_kill_all(j, hp);
	if (now > hp->banned_until && now - MAX(hp->banned_until, hp->lost) > LIVED_TSC)
		hp->losses = 0;
	hp->lost = now;
	if (++hp->losses >= BAN_AFTER)
		hp->banned_until = now + (BAN_TSC << MIN(hp->losses - BAN_AFTER, BAN_LONGEST));
}

void page_written(struct cpu *c, const u8 *host)
{
	struct shared_page *s = shared_find(vm_of(c), host);
	struct host_page *hp;

	if (!s || !shared_written(c, s))
		return;
	hp = host_find(c->jit, (const u8 *)((u64)host & PAGE_MASK));
	if (hp && hp->shared)
		lose(c->jit, hp);
}

void page_check_shared(struct jit *j)
{
	for (u32 i = 0; i < NR_BUCKETS; i++)
		for (struct host_page *hp = j->hosts[i]; hp; hp = hp->hash_next)
			if (hp->tus && hp->shared->gen != hp->shared_gen)
				lose(j, hp);
}
