/* SPDX-License-Identifier: MIT */
/* The translator as the interpreter's loop sees it. */
#include <errno.h>
#include <stdlib.h>

#include "api/stats.h"
#include "x86/cpu/translator.h"
#include "x86/jit/arena.h"
#include "x86/jit/engine.h"
#include "x86/jit/lockstep.h"
#include "x86/jit/rescue.h"
#include "x86/jit/shared.h"
#include "x86/jit/sweep.h"
#include "x86/mmu/internal.h"
#include "x86/x86.h"

/* Times a block is interpreted before it is translated. */
#define HOT	24

static u32 hot = HOT;
static size_t code_size = CODE_SIZE;

/* Code of kernels may rely on CPL 0. */
static bool translatable(const struct cpu *c)
{
	return (c->code_size == 8 || (c->flat & FLAT_CODE)) &&
	       c->tlb->class < TLB_FILLED_CLASSES && c->cpl % 3 == 0;
}

bool jit_prepare(struct cpu *c)
{
	struct jit *j = c->jit;

	if (!translatable(c))
		return false;
	if (unlikely(c->jit_skip)) {
		c->jit_skip = false;
		return false;
	}
	if (j->class != code_class(c)) {
		j->class = code_class(c);
		page_key(j);
		jit_changed(j);
	}
	if (j->epoch_due)
		epoch_enter(c);
	return true;
}

static void begin_code(struct cpu *c)
{
	c->rflags &= ~X86_EFLAGS_RF;
	c->jit->rflags = c->rflags;
	c->jit->left = false;
}

void jit_enter(struct cpu *c, const u8 *code, enum step *st)
{
	begin_code(c);
	stat_inc(c->vcpu, anykvm_code_exits);
	*st = c->jit->enter(c, code);
}

/* The code at CS:RIP. */
static const u8 *find(struct cpu *c)
{
	const struct translator_tables *t = c->jit->t;
	u32 i = jump_slot(c->rip);
	const u8 *code;

	code = t->jump_rip[i] == (c->rip ^ t->jump_key) ? t->jump_code[i] :
							  jit_indirect(c, c->rip);
	return code == c->jit->exit ? NULL : code;	/* it is known to have none */
}

const u8 *jit_next(struct cpu *c)
{
	const u8 *code = NULL;

	if (!c->jit->lockstep && is_canonical(c->rip) && jit_prepare(c))
		code = find(c);
	if (code)
		begin_code(c);
	return code;
}

/* -- Behind an instruction that has left KVM_RUN ---------------------------------------- */

/* Is RIP @past bytes from its start, and the code what it was? */
static bool resumes(const struct cpu *c, u8 past)
{
	const struct jit *j = c->jit;

	return j->resume.code && c->rip == j->resume.rip + past &&
	       j->changes == j->resume.changes;
}

static const u8 *take_resume(struct cpu *c)
{
	struct jit *j = c->jit;
	const u8 *code;

	if (likely(!j->resume.code))
		return NULL;
	code = resumes(c, j->resume.in->len) ? j->resume.code : NULL;
	if (code)
		c->insns += j->resume.insns;
	j->resume.code = NULL;
	return code;
}

static bool run(struct cpu *c, enum step *st)
{
	const u8 *code;

	if (!is_canonical(c->rip) || !jit_prepare(c))
		return false;
	code = take_resume(c) ?: find(c);
	if (!code)
		return false;
	jit_enter(c, code, st);
	return true;
}

static const struct insn *waiting(struct cpu *c)
{
	return c->jit->resume.code && jit_prepare(c) && resumes(c, 0) ? c->jit->resume.in : NULL;
}

u32 jit_patience(void)
{
	return MIN(hot, 4);
}

bool jit_has_room(const struct jit *j)
{
	return j->used + TU_MAX_SIZE <= code_size && j->nr_edges + 2 * LOOP_MAX_INSNS <= MAX_EDGES &&
	       j->pool_used + 3 * PAGE_SIZE <= POOL_SIZE;
}

bool jit_count(struct cpu *c, const struct block *b)
{
	struct block *block = (struct block *)b;
	struct code_page *p;
	struct tu *tu;

	if (++block->runs < hot || !translatable(c) || b->cross)
		return false;
	block->runs = 0;
	if (!jit_has_room(c->jit))
		jit_flush(c->jit);
	p = page_make(c, c->rip, b);
	if (!p) {
		block->runs = hot - 1;
		return false;
	}
	if (tu_find(c->jit, p, c->rip, false)) {
		jit_forget_jump(c->jit, c->rip, p->class);
		return false;
	}
	tu = translate(c, b, p, false);
	if (!tu)
		return false;
	tu_add(c->jit, tu);
	block_translated(c, b);
	stat_inc(c->vcpu, anykvm_translations);
	return true;
}

static void tlb_flushed(struct cpu *c, bool global)
{
	struct jit *j = c->jit;

	j->own_epochs++;
	j->changes++;
	if (!(c->cr0 & X86_CR0_PG))
		j->user_seen = false;
	if (global)
		page_forget(j);
	else
		page_forget_local(j);
}

static void page_flushed(struct cpu *c, u64 lin, u64 size)
{
	c->jit->own_epochs++;
	c->jit->changes++;
	page_forget_range(c->jit, lin, size);
}

static void epoch(struct cpu *c)
{
	epoch_begin(c->jit);
}

static void sweep(struct cpu *c)
{
	epoch_sweep(c->jit);
}

/*
 * Whoever writes code between two runs does more than to serve an exit for I/O
 * in between: stops the vCPU, sets its registers, takes a while.
 */
static void begin(struct cpu *c)
{
	bool long_ago = sweep_begin(c->jit);

	epoch_begin(c->jit);
	if (long_ago || c->vcpu->attended)
		epoch_begin_all(c->jit);
}

static void code_changed(struct cpu *c)
{
	page_check_shared(c->jit);
}

static void destroy(struct cpu *c)
{
	sweep_destroy(c->jit);
	lockstep_destroy(c->jit->lockstep);
	c->jit->lockstep = NULL;
	jit_free(c->jit);
	c->jit = NULL;
	c->translator = NULL;
}

static const struct translator_ops ops = {
	.run = run,
	.count = jit_count,
	.tlb_flushed = tlb_flushed,
	.page_flushed = page_flushed,
	.epoch = epoch,
	.sweep = sweep,
	.begin = begin,
	.waiting = waiting,
	.code_changed = code_changed,
	.may_write = page_may_write,
	.written = page_written,
	.rescue = rescue_resume,
	.destroy = destroy,
};

static bool rescue_lockstep(void *arg, void *ucontext)
{
	if (rescue_resume(arg, ucontext))
		return true;
	lockstep_abandon(arg);
	return false;
}

static const struct translator_ops *lockstep_ops(void)
{
	static struct translator_ops both;

	both = ops;
	both.run = lockstep_run;
	both.rescue = rescue_lockstep;
	return &both;
}

static void read_limits(void)
{
	const char *at = getenv("ANYKVM_JIT_HOT"), *size = getenv("ANYKVM_JIT_CACHE");

	if (at)
		hot = MAX(1, atoi(at));
	if (size)
		code_size = MAX(2 * TU_MAX_SIZE, MIN(CODE_SIZE, atol(size) << 10));
}

int jit_create(struct cpu *c)
{
	const char *strict = getenv("ANYKVM_JIT_STRICT");

	read_limits();
	if (!c->tables)
		return -EOPNOTSUPP;
	c->jit = jit_alloc(c);
	if (!c->jit)
		return -errno;
	if (engine_used == ENGINE_LOCKSTEP) {
		c->jit->lockstep = lockstep_create();
		if (!c->jit->lockstep) {
			jit_free(c->jit);
			c->jit = NULL;
			return -ENOMEM;
		}
	}
	c->jit->epoch = jit_vm_epoch(c->vcpu->vm->arch->jit);
	c->jit->strict = strict && *strict == '1';
	c->jit->user_seen = false;
	sweep_create(c);
	c->translator = c->jit->lockstep ? lockstep_ops() : &ops;
	return 0;
}
