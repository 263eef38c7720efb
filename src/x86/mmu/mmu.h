/* SPDX-License-Identifier: MIT */
/* Paging (SDM vol. 3A chapter 4) and the slow path of memory accesses. */
#ifndef ANYKVM_X86_MMU_MMU_H
#define ANYKVM_X86_MMU_MMU_H

#include "x86/cpu/state.h"
#include "x86/mmu/tlb.h"

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/* A zeroed vCPU state; the MMU lies behind it.  NULL without memory. */
struct cpu *mmu_cpu_alloc(void);
void mmu_cpu_free(struct cpu *c);

int mmu_create(struct cpu *c);	/* -ENOMEM */
void mmu_destroy(struct cpu *c);

/* -- Flushes ----------------------------------------------------------------- */

void mmu_flush_all(struct cpu *c);		/* global pages too */
void mmu_flush_nonglobal(struct cpu *c);	/* MOV to CR3 */
void mmu_flush_page(struct cpu *c, u64 lin);	/* INVLPG: all classes */
/* The page of @host is not written without notice any more. */
void mmu_write_protect(struct cpu *c, const u8 *host);
void mmu_pkru_changed(struct cpu *c, u32 old);	/* after every write of PKRU */
/* Sets cpu->tlb for the present CPL, AC, AM, DR7 (from cpu_mode_changed). */
void mmu_class_changed(struct cpu *c);

/* -- Translation --------------------------------------------------------------- */

/* Result of a walk. */
struct walk {
	gpa_t gpa;
	u32 error;		/* page-fault error code if it failed */
	bool writable, user, nx, dirty, global;
	u8 pkey;		/* protection key; 0 unless CR4.PKE makes keys count */
	u64 page_size;		/* 4 KiB, 2 MiB, 4 MiB or 1 GiB */
};

/*
 * Walks the page tables for @lin as an access of @class would.  Sets A (and D
 * for a write) only if @set_ad.  STEP_NEXT with @w filled; STEP_FAULT with
 * w->error set but cpu->exc untouched; the caller raises.
 */
enum step mmu_walk(struct cpu *c, u64 lin, enum access a, enum tlb_class class,
		   bool set_ad, struct walk *w);

/* For diagnostics: no side effects, no look at rights.  False if unmapped. */
bool mmu_translate(struct cpu *c, u64 lin, gpa_t *gpa);

/* PAE: loads the four PDPTEs from CR3.  STEP_FAULT (#GP) if reserved bits set. */
enum step mmu_load_pdptes(struct cpu *c, u64 cr3);

/*
 * Host address of the code at linear @lin, for fetching up to the page's end.
 * STEP_FAULT (#PF raised); STEP_EXIT if it is not backed by memory
 * (INTERNAL_ERROR/EMULATION: KVM: fetch from MMIO).
 */
enum step mmu_fetch(struct cpu *c, u64 lin, const u8 **host);

/* -- Guest physical memory, by the vCPU in guest --------------------------------- */

/* The slots this vCPU sees now: address space 1 in SMM. */
const struct memslots *cpu_slots(const struct cpu *c);

/*
 * Host address of @gpa if it is in a memslot (writable if @write; marks the
 * page dirty), else NULL.  Valid until the end of the page, and until the
 * vCPU leaves the guest or acknowledges REQ_SYNC.
 */
void *gpa_to_host(struct cpu *c, gpa_t gpa, bool write);
bool gpa_read(struct cpu *c, gpa_t gpa, void *buf, u32 n);
bool gpa_write(struct cpu *c, gpa_t gpa, const void *buf, u32 n);

/* -- MMIO and its log (mmio.c) ------------------------------------------------- */

/*
 * One access of 1-8 bytes, within a page, to a gpa that is not memory:
 * replayed from the log, done by an in-kernel device, ioeventfd or coalesced
 * zone, or STEP_EXIT with KVM_EXIT_MMIO filled in.
 */
enum step mmio_read(struct cpu *c, gpa_t gpa, void *data, u32 len);
enum step mmio_write(struct cpu *c, gpa_t gpa, const void *data, u32 len);

/* At KVM_RUN: takes the data of the exit that is waiting. */
void mmio_complete(struct cpu *c);

/* The instruction has retired, or was abandoned: forget what it did. */
static inline void mmio_retire(struct cpu *c)
{
	c->mmio.count = c->mmio.cursor = 0;
	c->mmio.waiting = c->mmio.delivery = false;
}

/* At KVM_RUN: completes KVM_EXIT_IO.  STEP_EXIT if it exits again at once. */
enum step pio_complete(struct cpu *c);

#endif
