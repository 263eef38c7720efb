/* SPDX-License-Identifier: MIT */
/*
 * The page walk (SDM vol. 3A chapter 4): 32-bit, PAE and 4-level paging.
 *
 * Tables are read through host pointers, each entry once, and judged from the
 * copy.  Accessed and dirty flags are set by compare-and-swap after all checks
 * have passed; an entry that changed meanwhile starts the walk again, as the
 * other CPU may have unmapped or write-protected the page.
 */
#include "x86/cpu/features.h"
#include "x86/mmu/access.h"
#include "x86/mmu/internal.h"
#include "util/guard.h"

/* Entries of all formats (SDM vol. 3A tables 4-4 to 4-20). */
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_G		BIT_ULL(8)
#define PTE_PKEY_SHIFT	59		/* bits 62:59 */
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	0x000ffffffffff000ull
#define PDE32_ADDR	0xfffff000u

/* Bits @lo to @hi, none if @lo > @hi. */
static inline u64 bits(u32 lo, u32 hi)
{
	return lo > hi ? 0 : (~0ull >> (63 - hi)) & (~0ull << lo);
}

enum { MAX_LEVELS = 4 };

/* The entries a walk went through, from the root to the leaf. */
struct trail {
	u32 count;
	u32 entry_size;
	const struct memslot *slot;	/* of the last table, NULL at first */
	const void *host;		/* of the last entry */
	u64 all, any;			/* AND and OR of the entries */
	u64 entry[MAX_LEVELS];
	gpa_t gpa[MAX_LEVELS];
};

/* Reads the next entry; false if there is no memory or it is not present. */
static bool trail_read(struct cpu *c, struct trail *t, gpa_t gpa)
{
	const void *host;
	u64 e;

	if (!t->slot || !slot_holds(t->slot, gpa >> PAGE_SHIFT))
		t->slot = gpa_slot(c, gpa >> PAGE_SHIFT);
	if (unlikely(!t->slot))	/* KVM: as if not present */
		return false;
	host = t->host = (const void *)memslot_hva(t->slot, gpa);
	e = t->entry_size == 8 ? READ_ONCE(*(const u64 *)host)
			       : READ_ONCE(*(const u32 *)host);
	t->all &= e;
	t->any |= e;
	t->entry[t->count] = e;
	t->gpa[t->count++] = gpa;
	return e & PTE_P;
}

/* Protection keys belong to 4-level paging (SDM vol. 3A 4.6.2). */
static bool pkeys_enabled(const struct cpu *c)
{
	return (c->cr4 & X86_CR4_PKE) && cpu_long_mode(c);
}

/* The page is found: what it allows is what all entries allow. */
static void walk_leaf(const struct cpu *c, u64 lin, const struct trail *t, u64 frame,
		      u64 page_size, struct walk *w)
{
	u64 leaf = t->entry[t->count - 1];

	*w = (struct walk){
		.gpa = (frame & ~(page_size - 1)) | (lin & (page_size - 1)),
		.page_size = page_size,
		.writable = t->all & PTE_W,
		.user = t->all & PTE_U,
		.nx = t->any & PTE_NX,
		.dirty = leaf & PTE_D,
		.global = (leaf & PTE_G) && (c->cr4 & X86_CR4_PGE),
		.pkey = pkeys_enabled(c) ? leaf >> PTE_PKEY_SHIFT & 15 : 0,
	};
}

static bool fail(struct walk *w, u32 error)
{
	w->error = error;
	return false;
}

/* 32-bit paging (SDM vol. 3A 4.3). */
static bool walk_32bit(struct cpu *c, u64 lin, struct trail *t, struct walk *w)
{
	u32 pde, width = MIN(c->maxphyaddr, 40);

	t->entry_size = 4;
	if (!trail_read(c, t, (c->cr3 & PDE32_ADDR) + (lin >> 22 & 0x3ff) * 4))
		return fail(w, 0);
	pde = t->entry[0];
	if ((pde & PTE_PS) && (c->cr4 & X86_CR4_PSE)) {
		/* PSE-36: bits 20:13 are address bits 39:32. */
		if (pde & bits(width > 32 ? width - 19 : 13, 21))
			return fail(w, PF_P | PF_RSVD);
		walk_leaf(c, lin, t, (pde & 0xffc00000u) |
			  (u64)(pde >> 13 & 0xff) << 32, 4ul << 20, w);
		return true;
	}
	if (!trail_read(c, t, (pde & PDE32_ADDR) + (lin >> 12 & 0x3ff) * 4))
		return fail(w, 0);
	walk_leaf(c, lin, t, t->entry[1] & PDE32_ADDR, PAGE_SIZE, w);
	return true;
}

/* Bits that must be 0 in any 8-byte entry. */
static u64 reserved_64bit(const struct cpu *c, bool pae)
{
	/* PAE reserves up to bit 62; 4-level paging ignores bits 62:52. */
	u64 mask = bits(c->maxphyaddr, pae ? 62 : 51);

	return c->efer & EFER_NX ? mask : mask | PTE_NX;
}

/* May an entry at @level (1: page table) map a page of its own? */
static bool large_allowed(const struct cpu *c, u32 level, bool pae)
{
	return level == 2 ||
	       (level == 3 && !pae && cpu_has(c, FEATURE_GBPAGES));
}

/*
 * PAE and 4-level paging (SDM vol. 3A 4.4, 4.5), which differ in where they
 * start: @level is that of the first entry read, in the table at @table.
 */
static bool walk_64bit(struct cpu *c, u64 lin, u32 level, gpa_t table, bool pae,
		       struct trail *t, struct walk *w)
{
	const u64 reserved = reserved_64bit(c, pae);

	t->entry_size = 8;
	for (;; level--) {
		u32 shift = 12 + (level - 1) * 9;
		u64 e, size = 1ull << shift;

		if (!trail_read(c, t, table + (lin >> shift & 0x1ff) * 8))
			return fail(w, 0);
		e = t->entry[t->count - 1];
		if (unlikely(e & reserved))
			return fail(w, PF_P | PF_RSVD);
		if (level == 1 || (e & PTE_PS)) {
			if (level > 1 && (!large_allowed(c, level, pae) ||
					  (e & bits(13, shift - 1))))
				return fail(w, PF_P | PF_RSVD);
			walk_leaf(c, lin, t, e & PTE_ADDR, size, w);
			return true;
		}
		table = e & PTE_ADDR;
	}
}

static bool walk_tables(struct cpu *c, u64 lin, struct trail *t, struct walk *w)
{
	u64 pdpte;

	t->count = 0;
	t->slot = NULL;
	t->all = ~0ull;
	t->any = 0;
	if (!(c->cr0 & X86_CR0_PG)) {
		*w = (struct walk){ .gpa = lin, .writable = true, .user = true,
				    .dirty = true, .page_size = PAGE_SIZE };
		return true;
	}
	if (cpu_long_mode(c))
		return walk_64bit(c, lin, 4, c->cr3 & PTE_ADDR, false, t, w);
	if (!(c->cr4 & X86_CR4_PAE))
		return walk_32bit(c, lin, t, w);
	pdpte = c->pdpte[lin >> 30 & 3];
	if (!(pdpte & PTE_P))
		return fail(w, 0);
	return walk_64bit(c, lin, 2, pdpte & PTE_ADDR, true, t, w);
}

/*
 * Does the page's key forbid it (SDM vol. 3A 4.6.2)?  Keys are for data in
 * user pages, whoever accesses them.
 */
static bool pkey_denies(const struct cpu *c, const struct walk *w, enum access a,
			enum tlb_class class)
{
	u32 rights = c->fpu.pkru >> (2 * w->pkey);

	if (!pkeys_enabled(c) || !w->user || a == ACCESS_EXEC)
		return false;
	if (rights & PKRU_AD)
		return true;
	return a == ACCESS_WRITE && (rights & PKRU_WD) &&
	       (class == TLB_USER || (c->cr0 & X86_CR0_WP));
}

/* Access rights (SDM vol. 3A 4.6.1). */
bool walk_permits(const struct cpu *c, const struct walk *w, enum access a,
		  enum tlb_class class)
{
	if (!(c->cr0 & X86_CR0_PG))
		return true;
	if (unlikely(pkey_denies(c, w, a, class)))
		return false;
	if (class == TLB_USER)
		return w->user && !(a == ACCESS_WRITE && !w->writable) &&
		       !(a == ACCESS_EXEC && w->nx);
	if (a == ACCESS_EXEC)
		return !w->nx && !(w->user && (c->cr4 & X86_CR4_SMEP));
	if (w->user && class == TLB_KERNEL && (c->cr4 & X86_CR4_SMAP))
		return false;
	return a == ACCESS_READ || w->writable || !(c->cr0 & X86_CR0_WP);
}

/* The access's part of the error code (SDM vol. 3A 4.7). */
static u32 error_bits(const struct cpu *c, enum access a, enum tlb_class class)
{
	u32 error = class == TLB_USER ? PF_U : 0;

	if (a == ACCESS_WRITE)
		error |= PF_W;
	if (a == ACCESS_EXEC &&
	    ((c->cr4 & X86_CR4_SMEP) ||
	     ((c->cr4 & X86_CR4_PAE) && (c->efer & EFER_NX))))
		error |= PF_I;
	return error;
}

ATOMIC_MAY_UNWIND static bool entry_swap(void *host, u32 size, u64 old, u64 new)
{
	u32 old32 = (u32)old;

	if (size == 8)
		return __atomic_compare_exchange_n((u64 *)host, &old, new, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n((u32 *)host, &old32, (u32)new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Sets A everywhere and D in the leaf; false if an entry has changed. */
static bool trail_set_ad(struct cpu *c, const struct trail *t, bool write,
			 struct walk *w)
{
	if (likely((t->all & PTE_A) && (!write || w->dirty)))
		return true;
	for (u32 i = 0; i < t->count; i++) {
		bool leaf = i + 1 == t->count;
		u64 set = PTE_A | (leaf && write ? PTE_D : 0);
		void *host;

		if (likely((t->entry[i] & set) == set))
			continue;
		host = gpa_to_host(c, t->gpa[i], true);
		if (!host)	/* KVM: skipped in read-only slots */
			continue;
		if (!entry_swap(host, t->entry_size, t->entry[i], t->entry[i] | set))
			return false;
		w->dirty |= leaf && write;
	}
	return true;
}

static enum step walk(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		      bool set_ad, struct trail *t, struct walk *w)
{
	do {
		if (!walk_tables(c, lin, t, w)) {
			w->error |= error_bits(c, a, class);
			return STEP_FAULT;
		}
		if (!walk_permits(c, w, a, class)) {
			w->error = PF_P | error_bits(c, a, class) |
				   (pkey_denies(c, w, a, class) ? PF_PK : 0);
			return STEP_FAULT;
		}
	} while (set_ad && !trail_set_ad(c, t, a == ACCESS_WRITE, w));
	return STEP_NEXT;
}

enum step mmu_walk(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		   bool set_ad, struct walk *w)
{
	struct trail t;

	return walk(c, lin, a, class, set_ad, &t, w);
}

/* -- Paging-structure caches (SDM vol. 3A 4.10.3) -------------------------------- */

void walk_forget_regions(struct mmu *m)
{
	/* Tags of a generation long ago would count again. */
	if (unlikely(++m->region_gen == BIT(REGION_SHIFT))) {
		memset(m->region, 0, sizeof(m->region));
		m->region_gen = 1;
	}
}

static struct walk_region *region_of(struct mmu *m, u64 lin)
{
	return &m->region[lin >> REGION_SHIFT & (NR_REGIONS - 1)];
}

static u64 region_tag(const struct mmu *m, u64 lin)
{
	return (lin >> REGION_SHIFT << REGION_SHIFT) | m->region_gen;
}

/* After a walk that has set the accessed flags of all tables. */
static void region_enter(struct cpu *c, u64 lin, const struct trail *t,
			 const struct walk *w)
{
	struct walk_region *r = region_of(c->mmu, lin);
	u32 index = lin >> PAGE_SHIFT & 0x1ff;
	u64 all = ~0ull, any = 0;

	if (!t->count)
		return;
	*r = (struct walk_region){ .tag = region_tag(c->mmu, lin), .w = *w };
	if (w->page_size > PAGE_SIZE)
		return;
	for (u32 i = 0; i + 1 < t->count; i++) {
		all &= t->entry[i];
		any |= t->entry[i];
	}
	r->entry_size = t->entry_size;
	r->table = (const u8 *)t->host - index * t->entry_size;
	r->reserved = t->entry_size == 8 ? reserved_64bit(c, !cpu_long_mode(c)) : 0;
	r->w.writable = all & PTE_W;
	r->w.user = all & PTE_U;
	r->w.nx = any & PTE_NX;
}

/* The entry of the table is read anew. */
static bool region_page(const struct cpu *c, const struct walk_region *r, u64 lin,
			struct walk *w)
{
	u32 index = lin >> PAGE_SHIFT & 0x1ff;
	u64 e = r->entry_size == 8 ? READ_ONCE(((const u64 *)r->table)[index]) :
				     READ_ONCE(((const u32 *)r->table)[index]);

	if ((e & (r->reserved | PTE_P | PTE_A)) != (PTE_P | PTE_A))
		return false;
	w->gpa = (e & PTE_ADDR) | (lin & ~PAGE_MASK);
	w->writable &= !!(e & PTE_W);
	w->user &= !!(e & PTE_U);
	w->nx |= !!(e & PTE_NX);
	w->dirty = e & PTE_D;
	w->global = (e & PTE_G) && (c->cr4 & X86_CR4_PGE);
	w->pkey = pkeys_enabled(c) ? e >> PTE_PKEY_SHIFT & 15 : 0;
	return true;
}

/*
 * False if the tables have to be walked: what is cached does not permit a
 * fault (SDM vol. 3A 4.10.4.3), and no flag is set from here.
 */
static bool region_walk(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
			struct walk *w)
{
	const struct walk_region *r = region_of(c->mmu, lin);

	if (r->tag != region_tag(c->mmu, lin))
		return false;
	*w = r->w;
	if (!r->table)
		w->gpa = (w->gpa & ~(w->page_size - 1)) | (lin & (w->page_size - 1));
	else if (!region_page(c, r, lin, w))
		return false;
	return walk_permits(c, w, a, class) && (a != ACCESS_WRITE || w->dirty);
}

enum step walk_access(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		      struct walk *w)
{
	struct trail t;

	if (likely(region_walk(c, lin, a, class, w)))
		return STEP_NEXT;
	TRY(walk(c, lin, a, class, true, &t, w));
	region_enter(c, lin, &t, w);
	return STEP_NEXT;
}

/* The memory behind the tables may have gone: that ends here. */
bool mmu_translate(struct cpu *c, u64 lin, gpa_t *gpa)
{
	struct trail t;
	struct guard g;
	struct walk w;
	bool mapped;

	if (cpu_long_mode(c) ? !is_canonical(lin) : lin >> 32)
		return false;
	if (guard_enter(&g))
		return false;
	mapped = walk_tables(c, lin, &t, &w);
	guard_leave(&g);
	if (mapped)
		*gpa = w.gpa;
	return mapped;
}

/* SDM vol. 3A 4.4.1: reserved are bits 2:1, 8:5 and those above MAXPHYADDR. */
enum step mmu_load_pdptes(struct cpu *c, u64 cr3)
{
	const u64 reserved = bits(1, 2) | bits(5, 8) | bits(c->maxphyaddr, 63);
	u64 pdpte[4];

	if (!gpa_read(c, cr3 & 0xffffffe0u, pdpte, sizeof(pdpte)))
		return cpu_raise_gp0(c);
	for (int i = 0; i < 4; i++)
		if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
			return cpu_raise_gp0(c);
	memcpy(c->pdpte, pdpte, sizeof(pdpte));
	return STEP_NEXT;
}
