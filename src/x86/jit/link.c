/* SPDX-License-Identifier: MIT */
/* What translated code calls through the glue. */
#include <Zydis/Zydis.h>

#include "api/stats.h"
#include "x86/jit/debug.h"
#include "x86/jit/internal.h"
#include "x86/jit/lockstep.h"
#include "x86/mmu/internal.h"

/* -- Instructions without a translation, and slow paths ------------------------------ */

/* Has the instruction done what translated code must not go on after? */
static bool must_leave(struct cpu *c)
{
	const u64 watched = X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_VM;
	struct jit *j = c->jit;

	return c->stop_block || j->left || c->mmio.count || code_class(c) != j->class ||
	       READ_ONCE(c->requests) ||
	       ((c->rflags ^ j->rflags) & watched);
}

static enum punt_reason reason(const struct cpu *c, bool slow)
{
	if (!slow)
		return PUNT_NONE;
	return c->mmio.count ? PUNT_MMIO : PUNT_SLOW;
}

u32 jit_punt(struct cpu *c, const struct insn *in)
{
	bool slow = (u64)in & PUNT_SLOW_BIT;
	enum step st;

	in = (const struct insn *)((u64)in & ~(u64)PUNT_SLOW_BIT);
	if (slow)
		stat_inc(c->vcpu, anykvm_slow_accesses);
	else
		stat_inc(c->vcpu, anykvm_punts);
	if (unlikely(jit_debug & JIT_LOCKSTEP) && !lockstep_before(c, in))
		return STEP_EXIT;
	c->insn = in;
	st = in->op(c, in);
	if (unlikely(jit_debug & JIT_DUMP_PUNTS))
		jit_debug_punt(in, reason(c, slow));
	if (likely(st == STEP_NEXT)) {
		if (likely(!must_leave(c))) {
			if (unlikely(jit_debug & JIT_LOCKSTEP))
				lockstep_after(c, in);
			return 0;
		}
		c->rip += in->len;
		return STEP_JUMP;
	}
	if (st == STEP_END || st == STEP_EXIT_DONE) {
		c->rip += in->len;
	} else if (st == STEP_AGAIN || st == STEP_EXIT_AGAIN) {
		c->rflags |= X86_EFLAGS_RF;
		st = st == STEP_AGAIN ? STEP_JUMP : st;
	}
	return st;
}

/* -- Jumps ------------------------------------------------------------------------------- */

static void remember_jump(struct jit *j, u64 rip, const u8 *code)
{
	j->t->jump_rip[rip % JUMP_CACHE_SIZE] = rip ^ j->t->jump_key;
	j->t->jump_code[rip % JUMP_CACHE_SIZE] = code;
}

struct tu *jit_find(struct cpu *c, u64 rip)
{
	struct code_page *p = page_enter(c, rip);

	return p ? tu_find(c->jit, p, rip) : NULL;
}

/*
 * Into another page: cmp dword [page_id slot], id; jne stub; jmp @to.  The
 * page may lead elsewhere by then, or its code may be stale.
 */
static void link_across(struct cpu *c, struct edge *e, const struct tu *to)
{
	u32 slot = e->target >> PAGE_SHIFT & (CODE_TLB_SIZE - 1);
	s32 off = offsetof(struct translator_tables, page_id) + slot * sizeof(u32);
	struct code k = { .p = e->site, .exec_delta = c->jit->exec_delta };

	put_op(&k, false, 0x81, 7, RM_MEM(R_STATE, TABLES(c) + off));
	put32(&k, to->page->id);
	patch_rel32(jcc_later(&k, CC_NE), e->stub);
	patch_rel32(jmp_later(&k), to->entry);
}

const u8 *jit_follow(struct cpu *c, u32 edge)
{
	struct edge *e = &c->jit->edges[edge];
	struct tu *to;

	c->rip = e->target;
	c->jit->left = false;
	if (c->jit->lockstep)
		return NULL;
	to = jit_find(c, e->target);
	if (!to || c->jit->left)
		return NULL;
	if (e->from->page == to->page)
		put_jmp_at(e->site, to->entry);
	else
		link_across(c, e, to);
	return exec_of(c->jit, to->entry);
}

/* RET or JMP has found what is no address: it is the interpreter's to fault. */
static void undo_branch(struct cpu *c)
{
	const struct tu *tu = (const struct tu *)(c->jit->pool + c->jit_ret);
	const struct insn *in = &tu->block->insn[tu->block->count - 1];

	c->rip = tu->rip + in->end - in->len;
	if (in->mnemonic == ZYDIS_MNEMONIC_RET)
		c->gpr[RSP] -= 8 + in->imm;
	c->jit_skip = true;
}

const u8 *jit_indirect(struct cpu *c, u64 target)
{
	const u8 *code;
	struct tu *to;

	if (unlikely(!is_canonical(target))) {
		undo_branch(c);
		return NULL;
	}
	c->jit->left = false;
	if (c->jit->lockstep || READ_ONCE(c->requests))
		return NULL;
	stat_inc(c->vcpu, anykvm_jump_misses);
	to = jit_find(c, target);
	if (!to || c->jit->left)
		return NULL;
	code = exec_of(c->jit, to->entry);
	remember_jump(c->jit, target, code);
	return code;
}
