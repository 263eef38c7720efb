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

enum { SHADOW_STORES = 128, SHADOW_BYTES = 64 };

struct shadow {
	u32 count;
	bool full;		/* a store has found no room */
	struct shadow_store {
		u8 *host;
		u32 n;
		u8 data[SHADOW_BYTES];
	} store[SHADOW_STORES];
};

/* As page_read() and page_write(): @host is NULL where there is no memory. */
enum step shadow_read(const struct shadow *s, const u8 *host, u8 *buf, u32 n);
enum step shadow_write(struct shadow *s, u8 *host, const u8 *buf, u32 n);

/* Is memory as the first @count stores leave it? */
bool shadow_done(const struct shadow *s, u32 count);

#endif
