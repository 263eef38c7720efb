/* SPDX-License-Identifier: MIT */
#include "x86/cpu/pmu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "x86/cpu/branch.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/features.h"
#include "x86/irqchip/lapic.h"
#include "x86/x86.h"

/* KVM: bits that read as 0 whatever is written. */
#define SEL_RESERVED	0xfffffff000280000ull
#define COUNTER_MASK	(BIT_ULL(48) - 1)

/* AMD PPR for family 17h and 19h, "Core Performance Monitor Counters". */
enum {
	EVENT_CYCLES		= 0x76,
	EVENT_INSTRUCTIONS	= 0xc0,
	EVENT_BRANCHES		= 0xc2,
	EVENT_TAKEN_BRANCHES	= 0xc4,
};

enum quantity { NOTHING, INSTRUCTIONS, BRANCHES, TAKEN_BRANCHES, NR_QUANTITIES };

struct pmu {
	u64 select[PMU_COUNTERS];
	u64 count[PMU_COUNTERS];
	u8 counts[PMU_COUNTERS];	/* enum quantity */
	bool user;			/* the block under way is not at CPL 0 */
	const struct insn *next;	/* first not counted yet; NULL: no block */
};

int pmu_create(struct cpu *c)
{
	c->pmu = calloc(1, sizeof(*c->pmu));
	return c->pmu ? 0 : -ENOMEM;
}

void pmu_destroy(struct cpu *c)
{
	free(c->pmu);
	c->pmu = NULL;
}

void pmu_reset(struct cpu *c)
{
	if (!c->pmu)
		return;
	memset(c->pmu, 0, sizeof(*c->pmu));
	c->pmu_active = false;
}

u32 pmu_nr_counters(const struct cpu *c)
{
	if (c->vcpu->vm->arch->no_pmu)
		return 0;
	return cpu_has(c, FEATURE_PERFCTR_CORE) ? PMU_COUNTERS : PMU_COUNTERS_K7;
}

/* -- Counting ------------------------------------------------------------------------ */

/* 48 bits; the wrap may raise an interrupt (AMD64 APM vol. 2 13.2.1). */
static void count(struct cpu *c, u32 i, u64 n)
{
	struct pmu *p = c->pmu;
	u64 sum = p->count[i] + n;

	p->count[i] = sum & COUNTER_MASK;
	if (sum > COUNTER_MASK && p->select[i] & PMU_SEL_INT && c->lapic)
		lapic_local_deliver(c->lapic, LAPIC_LVT_PMC);
}

static void count_all(struct cpu *c, const u64 *by)
{
	struct pmu *p = c->pmu;
	u64 mode = p->user ? PMU_SEL_USR : PMU_SEL_OS;

	for (u32 i = 0; i < PMU_COUNTERS; i++)
		if (p->counts[i] && p->select[i] & mode)
			count(c, i, by[p->counts[i]]);
}

/* The instructions from p->next up to @end; the last one branched if @taken. */
static void retire(struct cpu *c, const struct insn *end, bool taken)
{
	struct pmu *p = c->pmu;
	u64 by[NR_QUANTITIES] = { 0 };

	by[INSTRUCTIONS] = end - p->next;
	for (; p->next != end; p->next++)
		by[BRANCHES] += insn_is_branch(p->next);
	by[TAKEN_BRANCHES] = taken && by[INSTRUCTIONS] && insn_is_branch(end - 1);
	count_all(c, by);
}

/* All that precedes the instruction under way. */
static void catch_up(struct cpu *c)
{
	if (c->pmu->next)
		retire(c, c->insn, false);
}

void pmu_block_begin(struct cpu *c, const struct block *b)
{
	c->pmu->next = b->insn;
	c->pmu->user = c->cpl != 0;
}

void pmu_block_end(struct cpu *c, const struct block *b, u64 start, enum step st)
{
	const struct insn *last = c->insn;
	bool done;

	if (!c->pmu->next)
		return;		/* they began to count in this block */
	if (st == STEP_NEXT)	/* unless it is to be continued */
		done = c->rip == start + last->end;
	else
		done = st == STEP_JUMP || st == STEP_END || st == STEP_EXIT_DONE;
	retire(c, last + done, st == STEP_JUMP);
	c->pmu->next = NULL;
}

void pmu_insn_completed(struct cpu *c)
{
	const u64 by[NR_QUANTITIES] = { [INSTRUCTIONS] = 1 };

	c->pmu->user = c->cpl != 0;
	count_all(c, by);
}

void pmu_block_abandoned(struct cpu *c)
{
	c->pmu->next = NULL;
}

/* -- Registers -------------------------------------------------------------------------- */

static enum quantity quantity_of(u64 select)
{
	/* Comparisons of the events of one cycle mean nothing here. */
	if (select & (PMU_SEL_EDGE | PMU_SEL_INV | PMU_SEL_CNT_MASK))
		return NOTHING;
	switch (select & (PMU_SEL_EVENT | PMU_SEL_UNIT_MASK)) {
	case EVENT_CYCLES:	/* one an instruction */
	case EVENT_INSTRUCTIONS:
		return INSTRUCTIONS;
	case EVENT_BRANCHES:
		return BRANCHES;
	case EVENT_TAKEN_BRANCHES:
		return TAKEN_BRANCHES;
	default:
		return NOTHING;
	}
}

void pmu_reprogram(struct cpu *c)
{
	struct pmu *p = c->pmu;
	bool active = false;

	catch_up(c);
	for (u32 i = 0; i < PMU_COUNTERS; i++) {
		bool on = p->select[i] & PMU_SEL_EN && i < pmu_nr_counters(c) &&
			  pmu_filter_allows(c, p->select[i]);

		p->counts[i] = on ? quantity_of(p->select[i]) : NOTHING;
		active |= p->counts[i] != NOTHING;
	}
	if (active == c->pmu_active)
		return;
	c->pmu_active = active;
	if (!active)
		p->next = NULL;
	vcpu_request(c->vcpu, REQ_EVENT);	/* to another loop */
}

u64 pmu_read(struct cpu *c, u32 i)
{
	catch_up(c);
	return c->pmu->count[i];
}

void pmu_write(struct cpu *c, u32 i, u64 v)
{
	catch_up(c);
	c->pmu->count[i] = v & COUNTER_MASK;
}

u64 pmu_read_select(const struct cpu *c, u32 i)
{
	return c->pmu->select[i];
}

void pmu_write_select(struct cpu *c, u32 i, u64 v)
{
	v &= ~SEL_RESERVED;
	if (v == c->pmu->select[i])
		return;
	catch_up(c);
	c->pmu->select[i] = v;
	pmu_reprogram(c);
}
