/* SPDX-License-Identifier: MIT */
#include "x86/jit/lockstep.h"

#include <sched.h>
#include <stdlib.h>

#include "api/stats.h"
#include "x86/cpu/xsave.h"
#include "x86/jit/debug.h"
#include "x86/mmu/internal.h"
#include "x86/mmu/shadow.h"
#include "x86/x86.h"

#define DOUBTS	3	/* differences in a row */

/* What there is between two instructions. */
struct snap {
	u64 gpr[NR_GPRS];
	u64 rip, status;
	u32 stores;		/* until here */
};

/* What the interpreter's turn must not change. */
struct saved {
	struct snap regs;
	u64 rflags, pending_db;
	struct exception exc;
	struct tlb *tlb;
	bool stop_block;
	const struct insn *insn;
};

struct lockstep {
	struct shadow shadow;
	struct saved saved;
	struct tu *tu;
	/* snap[i] is before the instruction @first + i. */
	struct snap snap[LOOP_MAX_INSNS + 1];
	u32 first, last;	/* last: index of the last snap */
	const struct insn *stop;	/* what the interpreter did not do */
	bool active;		/* there is something to compare with */
	bool bad;
	struct fpu fpu, fpu_before, fpu_after;	/* before: the instruction */
};

struct lockstep *lockstep_create(void)
{
	return aligned_alloc(64, (sizeof(struct lockstep) + 63) & ~63ul);
}

void lockstep_destroy(struct lockstep *ls)
{
	free(ls);
}

/* -- The interpreter's turn --------------------------------------------------------- */

static void take_snap(const struct cpu *c, struct snap *s, u32 stores)
{
	memcpy(s->gpr, c->gpr, sizeof(s->gpr));
	s->rip = cpu_code64(c) ? c->rip : (u32)c->rip;
	s->status = c->status;
	s->stores = stores;
}

static void save(struct cpu *c, struct lockstep *ls)
{
	struct saved *s = &ls->saved;

	take_snap(c, &s->regs, 0);
	s->rflags = c->rflags;
	s->pending_db = c->pending_db;
	s->exc = c->exc;
	s->tlb = c->tlb;
	s->stop_block = c->stop_block;
	s->insn = c->insn;
	if (ls->tu->vectors)
		ls->fpu = c->fpu;
	ls->shadow.count = ls->shadow.loads = 0;
	ls->shadow.full = false;
	c->tlb = &c->mmu->tlb[TLB_CHECKED];
	c->mmu->shadow = &ls->shadow;
}

static void put_back(struct cpu *c, struct lockstep *ls)
{
	const struct saved *s = &ls->saved;

	c->mmu->shadow = NULL;
	memcpy(c->gpr, s->regs.gpr, sizeof(c->gpr));
	c->rip = s->regs.rip;
	c->status = s->regs.status;
	c->rflags = s->rflags;
	c->pending_db = s->pending_db;
	c->exc = s->exc;
	c->tlb = s->tlb;
	c->stop_block = s->stop_block;
	c->insn = s->insn;
	if (ls->tu->vectors) {
		ls->fpu_after = c->fpu;
		c->fpu = ls->fpu;
	}
}

/* False if @in has not been done: translated code has to come to its punt. */
static bool interpret_one(struct cpu *c, struct lockstep *ls, const struct insn *in,
			  enum step *st)
{
	if (ls->tu->punted & BIT_ULL(in - tu_block(c->jit, ls->tu)->insn))
		return false;
	if (ls->tu->vectors)
		ls->fpu_before = c->fpu;
	c->insn = in;
	*st = in->op(c, in);
	if (*st == STEP_JUMP)
		return true;
	if (*st != STEP_NEXT && *st != STEP_END) {
		/* #XM leaves its flags, and MMX registers. */
		if (ls->tu->vectors)
			c->fpu = ls->fpu_before;
		return false;
	}
	c->rip += in->len;
	return true;
}

/* The loop begins anew, of which the code has @left copies more. */
static bool again(const struct cpu *c, const struct lockstep *ls, enum step st, u32 left)
{
	return st == STEP_JUMP && left && c->rip == ls->tu->rip;
}

/*
 * From instruction @first to the end of the block, or what is done only once.
 * Which copy of a loop it is in is not known: translated code may leave earlier.
 */
static void interpret(struct cpu *c, struct lockstep *ls, u32 first)
{
	const struct block *b = tu_block(c->jit, ls->tu);
	u32 i = 0, at = first, left = ls->tu->copies - 1;
	enum step st = STEP_NEXT;

	save(c, ls);
	ls->first = first;
	ls->stop = NULL;
	c->rip = ls->tu->rip + b->insn[first].end - b->insn[first].len;
	c->stop_block = false;
	c->code = b->host;
	take_snap(c, &ls->snap[0], 0);
	while (at < b->count && st == STEP_NEXT && !c->stop_block) {
		if (!interpret_one(c, ls, &b->insn[at], &st)) {
			ls->stop = &b->insn[at];
			break;
		}
		take_snap(c, &ls->snap[++i], ls->shadow.count);
		at++;
		if (again(c, ls, st, left)) {
			st = STEP_NEXT;
			at = 0;
			left--;
		}
	}
	ls->last = i;
	put_back(c, ls);
	ls->active = true;
}

/* -- Comparison ------------------------------------------------------------------------ */

static bool same(const struct cpu *c, const struct lockstep *ls, const struct snap *s)
{
	return s->rip == (cpu_code64(c) ? c->rip : (u32)c->rip) && !memcmp(s->gpr, c->gpr, sizeof(s->gpr)) &&
	       !((s->status ^ c->status) & X86_EFLAGS_STATUS) &&
	       shadow_done(&ls->shadow, s->stores);
}

/* What FXSAVE leaves of its image to MXCSR, and reserved, is nobody's. */
static bool same_x87(const u8 *a, const u8 *b)
{
	bool same = !memcmp(a, b, FXSAVE_MXCSR);

	for (u32 at = FXSAVE_ST; at < FXSAVE_ST + 8 * 16; at += 16)
		same &= !memcmp(a + at, b + at, 10);
	return same;
}

static bool same_vectors(const struct cpu *c, const struct lockstep *ls)
{
	const struct fpu *a = &ls->fpu_after, *b = &c->fpu;

	return !ls->tu->vectors ||
	       (same_x87(a->fxsave, b->fxsave) && !memcmp(a->vec, b->vec, sizeof(a->vec)) &&
		!memcmp(a->k, b->k, sizeof(a->k)) && a->mxcsr == b->mxcsr);
}

static void print_state(FILE *f, const char *who, const u64 *gpr, u64 rip, u64 status)
{
	static const char *const names[NR_GPRS] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};

	fprintf(f, "%s: rip %016lx status flags %04lx\n", who, (unsigned long)rip,
		(unsigned long)(status & X86_EFLAGS_STATUS));
	for (u32 g = 0; g < NR_GPRS; g++)
		fprintf(f, "  %-3s %016lx%s", names[g], (unsigned long)gpr[g],
			g % 4 == 3 ? "\n" : "");
}

static void print_stores(FILE *f, const struct shadow *s, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		const struct shadow_piece *t = &s->store[i];

		fprintf(f, "  store of %u at %p: ", t->n, (void *)t->host);
		for (u32 k = t->n; k-- > 0;)
			fprintf(f, "%02x", t->data[k]);
		fprintf(f, ", in memory ");
		for (u32 k = t->n; k-- > 0;)
			fprintf(f, "%02x", t->host[k]);
		fprintf(f, "\n");
	}
}

static void print_difference(const struct cpu *c, const struct lockstep *ls)
{
	const struct snap *s = &ls->snap[ls->last];
	FILE *f = jit_dump_file();

	fprintf(f, "anykvm: the engines differ on vCPU %u, from instruction %u of %016lx on\n",
		c->vcpu->id, ls->first, (unsigned long)ls->tu->rip);
	print_state(f, "before", ls->saved.regs.gpr, ls->snap[0].rip, ls->saved.regs.status);
	print_state(f, "interpreted", s->gpr, s->rip, s->status);
	print_state(f, "translated", c->gpr, c->rip, c->status);
	if (!same_vectors(c, ls))
		fprintf(f, "  x87 or vector state differs\n");
	print_stores(f, &ls->shadow, s->stores);
	jit_dump_guest(f, ls->tu);
	jit_dump_host(f, c->jit, ls->tu);
	fflush(f);
}

static void report(struct cpu *c, struct lockstep *ls)
{
	struct kvm_run *run = c->vcpu->run;

	print_difference(c, ls);
	ls->bad = true;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 1;
	run->internal.data[0] = ls->tu->rip;
}

/*
 * Others may have changed what both have loaded.  That is seen unless the block
 * stores there, too; then it is a difference if it comes again and again.
 */
static bool is_race(struct lockstep *ls)
{
	if (!ls->shadow.loads)
		return false;
	return shadow_disturbed(&ls->shadow) || ++ls->tu->doubts < DOUBTS;
}

/*
 * Translated code may have left earlier, between two instructions.  What it did
 * beyond where the lists were full is not known.
 */
static bool compare(struct cpu *c, struct lockstep *ls)
{
	ls->active = false;
	stat_inc(c->vcpu, anykvm_lockstep_checks);
	if (same(c, ls, &ls->snap[ls->last]) && same_vectors(c, ls)) {
		ls->tu->doubts = 0;
		return true;
	}
	for (u32 i = ls->last; i-- > 0;)
		if (same(c, ls, &ls->snap[i]))
			return true;
	if (ls->shadow.full || is_race(ls))
		return true;
	report(c, ls);
	return false;
}

bool lockstep_before(struct cpu *c, const struct insn *in)
{
	struct lockstep *ls = c->jit->lockstep;

	/* Others are slow accesses that the interpreter has done, too. */
	return !ls->active || in != ls->stop || compare(c, ls);
}

void lockstep_after(struct cpu *c, const struct insn *in)
{
	struct lockstep *ls = c->jit->lockstep;
	u32 next = in - tu_block(c->jit, ls->tu)->insn + 1;

	if (!ls->active && next < ls->tu->count)
		interpret(c, ls, next);
}

/* -- One vCPU at a time ---------------------------------------------------------------- */

/* Nobody sleeps on it: who waits goes on looking at its requests. */
static bool turn_begin(struct cpu *c)
{
	u32 *turn = jit_vm_turn(c->vcpu->vm->arch->jit), nobody = 0;

	return __atomic_compare_exchange_n(turn, &nobody, c->vcpu->id + 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void turn_end(struct cpu *c)
{
	u32 mine = c->vcpu->id + 1;

	__atomic_compare_exchange_n(jit_vm_turn(c->vcpu->vm->arch->jit), &mine, 0, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

void lockstep_abandon(struct cpu *c)
{
	struct lockstep *ls = c->jit->lockstep;

	if (c->mmu->shadow)
		put_back(c, ls);
	ls->active = false;
	turn_end(c);
}

/* -- Blocks -------------------------------------------------------------------------------- */

static bool run_both(struct cpu *c, enum step *st)
{
	struct lockstep *ls = c->jit->lockstep;
	struct tu *tu = jit_prepare(c) ? jit_find(c, c->rip) : NULL;

	if (!tu)
		return false;
	ls->tu = tu;
	ls->bad = false;
	interpret(c, ls, 0);
	jit_enter(c, exec_of(c->jit, tu->entry), st);
	if (ls->active)
		compare(c, ls);
	if (ls->bad)
		*st = STEP_EXIT;
	return true;
}

bool lockstep_run(struct cpu *c, enum step *st)
{
	const struct block *b;

	*st = STEP_JUMP;
	if (!turn_begin(c)) {
		sched_yield();
		return true;
	}
	if (!run_both(c, st)) {
		*st = block_get(c, &b);
		if (*st == STEP_NEXT)
			*st = jit_count(c, b) ? STEP_JUMP : cpu_run_block(c, b);
	}
	turn_end(c);
	return true;
}
