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

enum { TLB_ENTRIES = 1024 };
#define TLB_INVALID	(~0ull)

struct tlb_entry {
	u64 tag_read;		/* linear page address, or TLB_INVALID */
	u64 tag_write;
	u64 tag_exec;
	u64 addend;
};

struct tlb {
	struct tlb_entry entry[TLB_ENTRIES];
	enum tlb_class class;
	u32 nr_filled;			/* fill log, so that a flush is cheap */
	u16 filled[TLB_ENTRIES];
};

static inline struct tlb_entry *tlb_entry(struct tlb *t, u64 lin)
{
	return &t->entry[lin >> PAGE_SHIFT & (TLB_ENTRIES - 1)];
}

#endif
