/* SPDX-License-Identifier: MIT */
/*
 * Stores that are held back: what a vCPU does meanwhile changes no memory.
 * While mmu->shadow is set, with cpu->tlb at TLB_CHECKED, stores of instructions
 * are listed here and loads see them.  What is not memory is a STEP_EXIT.
 */
#ifndef ANYKVM_X86_MMU_SHADOW_H
#define ANYKVM_X86_MMU_SHADOW_H

#include "x86/cpu/step.h"
#include "util/types.h"

enum { SHADOW_STORES = 128, SHADOW_LOADS = 128, SHADOW_BYTES = 64 };

struct shadow_piece {
	u8 *host;
	u32 n;
	u8 data[SHADOW_BYTES];
};

struct shadow {
	u32 count, loads;
	bool full;		/* a store or a load has found no room */
	struct shadow_piece store[SHADOW_STORES];
	struct shadow_piece load[SHADOW_LOADS];	/* what was in memory */
};

/* As page_read() and page_write(): @host is NULL where there is no memory. */
enum step shadow_read(struct shadow *s, const u8 *host, u8 *buf, u32 n);
enum step shadow_write(struct shadow *s, u8 *host, const u8 *buf, u32 n);

/* Is memory as the first @count stores leave it? */
bool shadow_done(const struct shadow *s, u32 count);

/* Has somebody else changed what was loaded, and what is not in the list of stores? */
bool shadow_disturbed(const struct shadow *s);

#endif
