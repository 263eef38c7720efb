/* SPDX-License-Identifier: MIT */
/*
 * Filling and flushing the software TLB.
 *
 * Each TLB logs which entries it filled, those of global pages apart, so that
 * a flush costs what was used since the last one.  Large pages are entered
 * 4 KiB at a time.
 */
#include "x86/mmu/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "api/stats.h"
#include "util/spare.h"
#include "x86/cpu/translator.h"

/* -- Classes ------------------------------------------------------------------ */

enum tlb_class mmu_class(const struct cpu *c)
{
	if (c->cpl == 3)
		return TLB_USER;
	if ((c->rflags & X86_EFLAGS_AC) && (c->cr4 & X86_CR4_SMAP))
		return TLB_KERNEL_AC;
	return TLB_KERNEL;
}

/* Is a data breakpoint enabled (SDM vol. 3B 17.2.4)? */
static bool data_breakpoints(const struct cpu *c)
{
	u64 dr7 = c->guest_debug & KVM_GUESTDBG_USE_HW_BP ? c->debug_dr7 : c->dr7;

	if (likely(!(dr7 & 0xff)))
		return false;
	for (int i = 0; i < 4; i++)
		if ((dr7 >> (i * 2) & 3) && (dr7 >> (16 + i * 4) & 1))
			return true;
	return false;
}

static bool alignment_checked(const struct cpu *c)
{
	return c->cpl == 3 && (c->rflags & X86_EFLAGS_AC) && (c->cr0 & X86_CR0_AM);
}

/* What translations depend on, besides the tables. */
static u64 mmu_mode(const struct cpu *c)
{
	const u64 cr4 = X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP |
			X86_CR4_SMAP | X86_CR4_PKE;

	return (c->cr0 & (X86_CR0_PG | X86_CR0_WP)) | (c->cr4 & cr4) |
	       (c->efer & (EFER_NX | EFER_LMA)) << 32 |
	       (u64)c->smm << 48 | (u64)c->maxphyaddr << 56;
}

void mmu_class_changed(struct cpu *c)
{
	u64 mode = mmu_mode(c);

	if (!c->mmu)	/* a reset before mmu_create() */
		return;
	if (unlikely(mode != c->mmu->mode)) {
		c->mmu->mode = mode;
		mmu_flush_all(c);
	}
	c->tlb = &c->mmu->tlb[data_breakpoints(c) || alignment_checked(c) ?
			      TLB_CHECKED : mmu_class(c)];
}

/* -- Entries -------------------------------------------------------------------- */

static void tlb_drop(struct tlb *t, u32 i)
{
	struct tlb_entry *e = &t->entry[i];

	e->tag_read = e->tag_write = e->tag_exec = tlb_no_tag(i);
}

static void stack_drop(struct tlb_stack *s)
{
	s->tag_read = s->tag_write = TLB_NO_PAGE;
}

static void stack_drop_all(struct mmu *m)
{
	for (int i = 0; i < NR_TLB_CLASSES; i++)
		stack_drop(&m->stack[i]);
}

static void map_set(u64 *map, u32 i, bool value)
{
	map[i / 64] = (map[i / 64] & ~BIT_ULL(i % 64)) | (u64)value << (i % 64);
}

static void log_add(struct tlb_log *l, u32 i)
{
	if (tlb_bit(l->map, i))
		return;
	map_set(l->map, i, true);
	l->index[l->count++] = (u16)i;
}

/* Drops the logged entries whose global bit is @global. */
static void log_flush(struct tlb *t, struct tlb_log *l, bool global)
{
	for (u32 k = 0; k < l->count; k++) {
		u32 i = l->index[k];

		map_set(l->map, i, false);
		if (tlb_bit(t->global_map, i) == global)
			tlb_drop(t, i);
	}
	l->count = 0;
}

static u64 *large_word(struct mmu *m, u64 lin, u64 *bit)
{
	u64 hash = (lin >> 22) * 0x9e3779b97f4a7c15ull >> 54;

	*bit = BIT_ULL(hash % 64);
	return &m->large_4m[hash / 64];
}

static u64 large_1g_bit(u64 lin)
{
	return BIT_ULL((lin >> 30) * 0x9e3779b97f4a7c15ull >> 58);
}

static void note_large(struct mmu *m, u64 lin, u64 page_size)
{
	u64 bit;

	if (page_size > 4ul << 20)
		m->large_1g |= large_1g_bit(lin);
	else
		*large_word(m, lin, &bit) |= bit;
}

/* The size of the largest page around @lin that may be here in pieces. */
static u64 largest_page(struct mmu *m, u64 lin)
{
	u64 bit;

	if (m->large_1g & large_1g_bit(lin))
		return 1ul << 30;
	return *large_word(m, lin, &bit) & bit ? 4ul << 20 : PAGE_SIZE;
}

/* A page that must not be written unnoticed gets no write tag. */
static bool may_tag_write(struct cpu *c, enum tlb_class class,
			  const struct walk *w, const struct memslot *s, gfn_t gfn)
{
	return w->dirty && walk_permits(c, w, ACCESS_WRITE, class) &&
	       !(s->flags & KVM_MEM_READONLY) && !memslot_wants_dirty(s, gfn) &&
	       (!c->translator ||
		c->translator->may_write(c, (const u8 *)memslot_hva(s, w->gpa)));
}

void tlb_fill(struct cpu *c, enum tlb_class class, u64 lin, enum access a,
	      const struct walk *w, const struct memslot *s)
{
	struct tlb *t = &c->mmu->tlb[class];
	u64 page = lin & PAGE_MASK;
	u32 i = lin >> PAGE_SHIFT & (TLB_ENTRIES - 1);
	struct tlb_entry *e = &t->entry[i];
	u64 addend = memslot_hva(s, w->gpa & PAGE_MASK) - page;

	map_set(t->global_map, i, w->global);
	log_add(w->global ? &t->global : &t->local, i);
	if (((c->mmu->stack[class].tag_read ^ page) >> PAGE_SHIFT & (TLB_ENTRIES - 1)) == 0)
		stack_drop(&c->mmu->stack[class]);
	if (e->addend != addend ||
	    (e->tag_read != page && e->tag_exec != page)) {
		tlb_drop(t, i);
		e->addend = addend;
	}
	if (a == ACCESS_EXEC) {
		e->tag_exec = page;
	} else {
		e->tag_read = page;
		if (may_tag_write(c, class, w, s, w->gpa >> PAGE_SHIFT))
			e->tag_write = page;
	}
	map_set(t->writable_map, i, w->writable);
	if (w->user)
		c->mmu->pkeys |= (u16)BIT(w->pkey);
	if (w->page_size > PAGE_SIZE)
		note_large(c->mmu, lin, w->page_size);
}

bool mmu_fill(struct cpu *c, u64 lin, enum access a)
{
	const struct tlb_entry *e = tlb_entry(c->tlb, lin);
	const u64 *tag = a == ACCESS_READ ? &e->tag_read : &e->tag_write;
	u64 page = lin & PAGE_MASK;
	const struct memslot *s;
	struct walk w;

	if (c->mmu->mmio_tag == mmio_tag(lin, a, c->tlb->class))
		return false;
	/* There already: the access goes on into the next page. */
	if (*tag == page || unlikely(!is_canonical(lin) || c->mmu->shadow))
		return false;
	stat_inc(c->vcpu, anykvm_tlb_misses);
	if (walk_access(c, lin, a, c->tlb->class, &w) != STEP_NEXT)
		return false;
	s = gpa_slot(c, w.gpa >> PAGE_SHIFT);
	if (unlikely(!s))
		return false;
	tlb_fill(c, c->tlb->class, lin, a, &w, s);
	return *tag == page;
}

/* -- Flushes ---------------------------------------------------------------------- */

static void flush_local(struct cpu *c)
{
	stat_inc(c->vcpu, tlb_flush);
	walk_forget_regions(c->mmu);
	c->mmu->mmio_tag = 0;
	stack_drop_all(c->mmu);
	for (int i = 0; i < TLB_FILLED_CLASSES; i++)
		log_flush(&c->mmu->tlb[i], &c->mmu->tlb[i].local, false);
}

void mmu_flush_nonglobal(struct cpu *c)
{
	TRANSLATOR(c, tlb_flushed, false);
	flush_local(c);
}

void mmu_flush_all(struct cpu *c)
{
	struct mmu *m = c->mmu;

	TRANSLATOR(c, tlb_flushed, true);
	flush_local(c);
	for (int i = 0; i < TLB_FILLED_CLASSES; i++)
		log_flush(&m->tlb[i], &m->tlb[i].global, true);
	memset(m->large_4m, 0, sizeof(m->large_4m));
	m->large_1g = 0;
	m->pkeys = 0;
}

/* What happens to entry @i, which may be valid. */
typedef void tlb_visit(struct tlb *t, u32 i, u64 arg, u64 size);

static void log_visit(struct tlb *t, const struct tlb_log *l, tlb_visit *visit,
		      u64 arg, u64 size)
{
	for (u32 k = 0; k < l->count; k++)
		visit(t, l->index[k], arg, size);
}

static void drop_if_in(struct tlb *t, u32 i, u64 lin, u64 size)
{
	const struct tlb_entry *e = &t->entry[i];

	if ((e->tag_read ^ lin) < size || (e->tag_exec ^ lin) < size)
		tlb_drop(t, i);
}

/* Drops what is in the page of @size around @lin, a power of two. */
static void tlb_drop_page(struct tlb *t, u64 lin, u64 size)
{
	u32 first = (lin & -size) >> PAGE_SHIFT & (TLB_ENTRIES - 1);
	u64 n = size >> PAGE_SHIFT;

	if (n > t->global.count + t->local.count) {
		log_visit(t, &t->global, drop_if_in, lin, size);
		log_visit(t, &t->local, drop_if_in, lin, size);
		return;
	}
	for (u32 i = first; i < first + MIN(n, TLB_ENTRIES); i++)
		drop_if_in(t, i, lin, size);
}

void mmu_flush_page(struct cpu *c, u64 lin)
{
	u64 size = largest_page(c->mmu, lin);

	c->mmu->mmio_tag = 0;
	walk_forget_regions(c->mmu);
	stack_drop_all(c->mmu);
	TRANSLATOR(c, page_flushed, lin, size);
	for (int k = 0; k < TLB_FILLED_CLASSES; k++)
		tlb_drop_page(&c->mmu->tlb[k], lin, size);
}

static void write_protect(struct tlb *t, u32 i, u64 host, u64 size)
{
	struct tlb_entry *e = &t->entry[i];

	if (e->tag_write != tlb_no_tag(i) && e->tag_write + e->addend - host < size)
		e->tag_write = tlb_no_tag(i);
}

void mmu_write_protect(struct cpu *c, const u8 *host)
{
	stack_drop_all(c->mmu);
	for (int k = 0; k < TLB_FILLED_CLASSES; k++) {
		struct tlb *t = &c->mmu->tlb[k];

		log_visit(t, &t->global, write_protect, (u64)host & PAGE_MASK, PAGE_SIZE);
		log_visit(t, &t->local, write_protect, (u64)host & PAGE_MASK, PAGE_SIZE);
	}
}

/*
 * Tags hold what PKRU allowed when they were filled.  Programs change the
 * rights of keys that few pages have, kernels write the same value again and
 * again: no more is dropped than has to be.
 */
void mmu_pkru_changed(struct cpu *c, u32 old)
{
	u32 changed = c->fpu.pkru ^ old;

	if (likely(!changed) || !(c->cr4 & X86_CR4_PKE))
		return;
	for (u32 key = 0; key < 16; key++) {
		if ((changed >> (2 * key) & 3) && (c->mmu->pkeys & BIT(key))) {
			mmu_flush_all(c);
			return;
		}
	}
	TRANSLATOR(c, tlb_flushed, true);
}

/* -- Life ------------------------------------------------------------------------- */

/*
 * A vCPU's state, its TLBs and the translator's tables: translated code
 * reaches them all from one register.
 */
struct area {
	struct cpu cpu;
	struct mmu mmu;
	struct translator_tables tables;
};

static struct spares spares;

static void mmu_init(struct mmu *m)
{
	m->region_gen = 1;
	stack_drop_all(m);
	for (int i = 0; i < NR_TLB_CLASSES; i++) {
		struct tlb_entry *e = &m->tlb[i].entry[0];

		m->tlb[i].class = i;
		e->tag_read = e->tag_write = e->tag_exec = tlb_no_tag(0);
	}
}

/* It has pointers to what is on the heap, which is no leak for that. */
static void note_pointers(const struct cpu *c)
{
#ifdef __SANITIZE_ADDRESS__
	extern void __lsan_register_root_region(const void *p, size_t size);

	__lsan_register_root_region(c, sizeof(*c));
#endif
}

static void forget_pointers(const struct cpu *c)
{
#ifdef __SANITIZE_ADDRESS__
	extern void __lsan_unregister_root_region(const void *p, size_t size);

	__lsan_unregister_root_region(c, sizeof(*c));
#endif
}

/* Anonymous memory: what is never filled is never there. */
static struct area *area_map(void)
{
	struct area *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (a == MAP_FAILED)
		return NULL;
	mmu_init(&a->mmu);
	note_pointers(&a->cpu);
	return a;
}

static void area_unmap(struct area *a)
{
	forget_pointers(&a->cpu);
	munmap(a, sizeof(*a));
}

static struct area *area_of(struct cpu *c)
{
	return (struct area *)c;
}

struct cpu *mmu_cpu_alloc(void)
{
	struct area *a = spare_take(&spares) ?: area_map();

	if (!a)
		return NULL;
	a->cpu.mmu = &a->mmu;
	a->cpu.tables = &a->tables;
	return &a->cpu;
}

void mmu_cpu_free(struct cpu *c)
{
	memset(c, 0, sizeof(*c));
	if (!spare_keep(&spares, area_of(c)))
		area_unmap(area_of(c));
}

int mmu_create(struct cpu *c)
{
	struct area *a;

	if (!c->mmu) {
		a = spare_take(&spares) ?: area_map();
		if (!a)
			return -ENOMEM;
		c->mmu = &a->mmu;
	}
	mmu_class_changed(c);
	return 0;
}

void mmu_destroy(struct cpu *c)
{
	mmu_flush_all(c);
	if (c->mmu != &area_of(c)->mmu)
		area_unmap((void *)((u8 *)c->mmu - offsetof(struct area, mmu)));
	c->mmu = NULL;
	c->tlb = NULL;
}
