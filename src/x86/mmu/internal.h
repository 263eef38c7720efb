/* SPDX-License-Identifier: MIT */
/* What the files of x86/mmu/ share. */
#ifndef ANYKVM_X86_MMU_INTERNAL_H
#define ANYKVM_X86_MMU_INTERNAL_H

#include "api/memslot.h"
#include "x86/cpu/cpu.h"
#include "x86/mmu/mmu.h"

/*
 * What a walk has found for 2 MiB of linear addresses (SDM vol. 3A 4.10.3): the
 * table of its pages, or the large page it is in.
 */
struct walk_region {
	u64 tag;		/* region_tag() */
	const void *table;	/* host address of the region's first entry; NULL: large */
	u64 reserved;		/* bits that must be 0 in the entries */
	u32 entry_size;
	struct walk w;		/* of the large page; else what the tables above allow */
};

enum { REGION_SHIFT = 21, NR_REGIONS = 512 };

struct mmu {
	struct tlb tlb[NR_TLB_CLASSES];
	struct tlb_stack stack[NR_TLB_CLASSES];
	struct walk_region region[NR_REGIONS];
	u32 region_gen;		/* of valid regions, below BIT(REGION_SHIFT); never 0 */
	u32 last_slot;		/* index where gpa_slot() looks first */
	/*
	 * Regions filled from large pages, by hash: INVLPG anywhere in such a
	 * page must drop all of it, whereas entries are 4 KiB each.
	 */
	u64 large_4m[16], large_1g;
	u16 pkeys;		/* protection keys of user pages entered */
	/*
	 * The last page that was found not to be memory, for mmio_tag() of the
	 * access; 0: none.  An instruction with MMIO is executed twice, and
	 * devices are accessed again and again.
	 */
	u64 mmio_tag;
	gpa_t mmio_gpa;
	/* Control bits the entries depend on; a change flushes them. */
	u64 mode;
	struct shadow *shadow;	/* stores are held back in it: shadow.h */
};

static inline u64 mmio_tag(u64 lin, enum access a, enum tlb_class class)
{
	return (lin & PAGE_MASK) | BIT(11) | a << 2 | class;
}

/* The class of explicit accesses now, whether they are checked or not. */
enum tlb_class mmu_class(const struct cpu *c);

/* Do explicit accesses need looking at one by one (TLB_CHECKED)? */
static inline bool mmu_checked(const struct cpu *c)
{
	return c->tlb->class == TLB_CHECKED;
}

static inline bool slot_holds(const struct memslot *s, gfn_t gfn)
{
	return gfn - s->base_gfn < s->npages;
}

/*
 * memslot_mark_dirty() of this vCPU.  A ring that is full now has little room
 * for more: the block ends after this instruction.
 */
static inline void mmu_mark_dirty(struct cpu *c, const struct memslot *s, gfn_t gfn)
{
	memslot_mark_dirty(c->vcpu->vm, c->vcpu, s, gfn);
	if (unlikely(READ_ONCE(c->requests) & REQ_DIRTY_RING))
		c->stop_block = true;
}

/* The slot that holds @gfn, or NULL; remembers the last one. */
const struct memslot *gpa_slot(struct cpu *c, gfn_t gfn);

/* Where an access to one page goes: @host is NULL for MMIO at @gpa. */
struct page {
	u8 *host;
	gpa_t gpa;
};

/* Translates through the TLB of @class, fills it; #PF is raised. */
enum step mmu_page(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		   struct page *p);

/* The same for the current class; non-canonical: #GP(0) or #SS(0). */
enum step access_page(struct cpu *c, u64 lin, enum access a, struct page *p);

/* As mmu_walk() with its flags set, but uses and enters regions. */
enum step walk_access(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		      struct walk *w);

/* Forgets all regions: with every flush (SDM vol. 3A 4.10.4.1). */
void walk_forget_regions(struct mmu *m);

/* Enters a translation of the page of @lin into the TLB of @class. */
void tlb_fill(struct cpu *c, enum tlb_class class, u64 lin, enum access a,
	      const struct walk *w, const struct memslot *s);

/*
 * Fills the TLB in use for a load or store at @lin, if nothing is to be noticed:
 * no fault, MMIO, page to be logged or translated code.
 */
bool mmu_fill(struct cpu *c, u64 lin, enum access a);

/* May @class do @a to the page of @w?  Page-fault error bits, 0 if so. */
bool walk_permits(const struct cpu *c, const struct walk *w, enum access a,
		  enum tlb_class class);

#endif
