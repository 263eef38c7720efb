/* SPDX-License-Identifier: MIT */
/*
 * Performance counters as AMD has them: four of K7, six with PERFCTR_CORE
 * (AMD64 APM vol. 2 13.2).  They count what an interpreter can tell: retired
 * instructions and branches, and cycles, one an instruction: the host's would
 * count the interpreter and whatever else the host does.  Other events stay at 0.
 *
 * While none counts, cpu->pmu_active is false and the loop does nothing for
 * them.  Otherwise each block is counted when it has ended; an instruction
 * that looks at a counter has what precedes it in its block counted first.
 */
#ifndef ANYKVM_X86_CPU_PMU_H
#define ANYKVM_X86_CPU_PMU_H

#include "x86/cpu/state.h"
#include "x86/decode/block.h"

enum { PMU_COUNTERS = 6, PMU_COUNTERS_K7 = 4 };

/* PERF_CTL (AMD64 APM vol. 2 13.2.1). */
#define PMU_SEL_EVENT		0xf000000ffull
#define PMU_SEL_UNIT_MASK	0xff00ull
#define PMU_SEL_USR		BIT_ULL(16)
#define PMU_SEL_OS		BIT_ULL(17)
#define PMU_SEL_EDGE		BIT_ULL(18)
#define PMU_SEL_INT		BIT_ULL(20)
#define PMU_SEL_EN		BIT_ULL(22)
#define PMU_SEL_INV		BIT_ULL(23)
#define PMU_SEL_CNT_MASK	0xff000000ull

int pmu_create(struct cpu *c);		/* -ENOMEM */
void pmu_destroy(struct cpu *c);
void pmu_reset(struct cpu *c);

/* Counters this vCPU has: 0 if the VM has none. */
u32 pmu_nr_counters(const struct cpu *c);

/* @i is below pmu_nr_counters(). */
u64 pmu_read(struct cpu *c, u32 i);
void pmu_write(struct cpu *c, u32 i, u64 v);
u64 pmu_read_select(const struct cpu *c, u32 i);
void pmu_write_select(struct cpu *c, u32 i, u64 v);

/* What is counted may have changed: the VM's filter. */
void pmu_reprogram(struct cpu *c);

/* -- For the loop, while cpu->pmu_active ------------------------------------------ */

void pmu_block_begin(struct cpu *c, const struct block *b);
/* @st is what the block's last instruction, cpu->insn, returned. */
void pmu_block_end(struct cpu *c, const struct block *b, u64 start, enum step st);
/* An instruction was completed outside its block: IN and OUT at userspace. */
void pmu_insn_completed(struct cpu *c);
/* The block will not end: KVM_RUN has unwound. */
void pmu_block_abandoned(struct cpu *c);

/* x86/api/pmu.c: does the VM's filter let the event be counted? */
bool pmu_filter_allows(struct cpu *c, u64 select);

#endif
