/* SPDX-License-Identifier: MIT */
/*
 * The software TLB of one vCPU: from linear page to host address.
 *
 * Direct-mapped.  An entry has a tag per kind of access, so that permission
 * and presence are one comparison, and one addend: host = linear + addend.
 * A page that may not be written without notice (read-only slot, logged and
 * clean, D bit clear) has no write tag.
 *
 * There is a TLB per access class; cpu->tlb points to the current one.
 * TLB_CHECKED is never filled: every access takes the slow path, which does
 * what is too rare for the fast one (#AC, data breakpoints).
 */
#ifndef ANYKVM_X86_MMU_TLB_H
#define ANYKVM_X86_MMU_TLB_H

#include "util/types.h"

enum tlb_class {
	TLB_USER,		/* CPL 3 */
	TLB_KERNEL,		/* CPL 0-2; SMAP enforced if CR4.SMAP */
	TLB_KERNEL_AC,		/* the same with EFLAGS.AC set: SMAP suspended */
	TLB_FILLED_CLASSES,
	TLB_CHECKED = TLB_FILLED_CLASSES,
	NR_TLB_CLASSES
};

enum { TLB_ENTRIES = 16384 };

struct tlb_entry {
	u64 tag_read;		/* linear page address, or tlb_no_tag() */
	u64 tag_write;
	u64 tag_exec;
	u64 addend;
};

/*
 * The tag that no address matches in entry @index: a page whose own index is
 * another one.  Zero nearly everywhere, so that a TLB starts as zeroed memory.
 */
static inline u64 tlb_no_tag(u32 index)
{
	return index ? 0 : PAGE_SIZE;
}

/* Entries that may be valid, each once. */
struct tlb_log {
	u32 count;
	u16 index[TLB_ENTRIES];
	u64 map[TLB_ENTRIES / 64];	/* the same, by index */
};

struct tlb {
	struct tlb_entry entry[TLB_ENTRIES];
	enum tlb_class class;
	u64 global_map[TLB_ENTRIES / 64];	/* entries of global pages */
	u64 writable_map[TLB_ENTRIES / 64];	/* by their tables: R/W is set */
	struct tlb_log global, local;
};

/*
 * What translated code has for the page of the stack: a copy of its entry, if
 * that can be read, dropped whenever the entry changes.  The addend stays, for an
 * instruction under way.  TLB_NO_PAGE is no canonical address, nor is its sum
 * with any addend: an access that matches faults.
 */
struct tlb_stack {
	u64 tag_read, tag_write, addend;
};

#define TLB_NO_PAGE	(1ull << 62)

static inline struct tlb_entry *tlb_entry(struct tlb *t, u64 lin)
{
	return &t->entry[lin >> PAGE_SHIFT & (TLB_ENTRIES - 1)];
}

static inline bool tlb_bit(const u64 *map, u32 index)
{
	return map[index / 64] >> (index % 64) & 1;
}

#endif
