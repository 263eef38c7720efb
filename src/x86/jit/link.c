/* SPDX-License-Identifier: MIT */
/* What translated code calls through the glue. */
#include <Zydis/Zydis.h>

#include "api/stats.h"
#include "x86/cpu/event.h"
#include "x86/jit/debug.h"
#include "x86/jit/internal.h"
#include "x86/jit/lockstep.h"
#include "x86/mmu/internal.h"

/* -- Instructions without a translation, and slow paths ------------------------------ */

/* Has the instruction done what this block must not go on after? */
static bool must_leave(struct cpu *c)
{
	struct jit *j = c->jit;

	return c->stop_block || j->left || c->mmio.count || code_class(c) != j->class ||
	       READ_ONCE(c->requests) ||
	       ((c->rflags ^ j->rflags) & event_watched_flags(c));
}

static enum punt_reason reason(const struct cpu *c, bool slow)
{
	if (!slow)
		return PUNT_NONE;
	return c->mmio.count ? PUNT_MMIO : PUNT_SLOW;
}

/* An instruction is done, and another than the one behind it may be next. */
static u64 go_elsewhere(struct cpu *c)
{
	const u8 *code = NULL;

	if (unlikely(!cpu_code64(c)))
		c->rip = (u32)c->rip;
	if (!c->mmio.count && event_quiet(c)) {
		c->insn = NULL;
		c->stop_block = false;
		if (!cpu_code64(c))
			c->rip = (u32)c->rip;
		code = jit_next(c);
	}
	return code ? (u64)code : STEP_JUMP;
}

static u64 fault(struct cpu *c)
{
	enum step st;

	if (c->mmio.count || c->guest_debug)
		return STEP_FAULT;
	c->insn = NULL;
	c->stop_block = false;
	st = event_deliver_fault(c);
	return st == STEP_JUMP ? go_elsewhere(c) : st;
}

/* The instruction that @punt names; CS:RIP is there. */
static const struct insn *insn_of(struct cpu *c, u32 punt)
{
	struct tu *tu = tu_at(c->jit, punt >> PUNT_TU_SHIFT & ~15u);
	const struct insn *in = &tu_block(c->jit, tu)->insn[punt >> PUNT_INSN_SHIFT &
							    (BLOCK_MAX_INSNS - 1)];

	c->rip = tu->rip + in->end - in->len;
	return in;
}

/* @in goes on after an exit. */
static u64 leave_inside(struct cpu *c, const struct insn *in, const u8 *behind)
{
	struct jit *j = c->jit;

	if (!j->lockstep)
		j->resume = (struct resume){
			.code = behind, .in = in, .rip = c->rip, .changes = j->changes,
		};
	return STEP_EXIT;
}

static u64 interpret(struct cpu *c, u32 punt, const u8 *behind)
{
	const struct insn *in = insn_of(c, punt);
	bool slow = punt & PUNT_SLOW_BIT;
	enum step st;

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
		return go_elsewhere(c);
	}
	switch (st) {
	case STEP_JUMP:
		return go_elsewhere(c);
	case STEP_END:
		c->rip += in->len;
		return event_quiet(c) ? go_elsewhere(c) : STEP_END;
	case STEP_FAULT:
		return fault(c);
	case STEP_EXIT:
		return leave_inside(c, in, behind);
	case STEP_EXIT_DONE:
		c->rip += in->len;
		return st;
	case STEP_AGAIN:
		c->rflags |= X86_EFLAGS_RF;
		return STEP_JUMP;
	case STEP_EXIT_AGAIN:
		c->rflags |= X86_EFLAGS_RF;
		return st;
	default:
		return st;
	}
}

/* They have been counted, and come again in blocks of their own, or by a resume. */
static u32 insns_behind(struct cpu *c, u32 punt)
{
	return tu_at(c->jit, punt >> PUNT_TU_SHIFT & ~15u)->count - 1 -
	       (punt >> PUNT_INSN_SHIFT & (BLOCK_MAX_INSNS - 1));
}

u64 jit_punt(struct cpu *c, u32 punt, const u8 *behind)
{
	u32 rest;
	u64 ret;

	if (likely(!stats_count_insns))
		return interpret(c, punt, behind);
	rest = insns_behind(c, punt);
	ret = interpret(c, punt, behind);
	if (ret)
		c->insns -= rest;
	c->jit->resume.insns = rest;
	return ret;
}

u32 jit_fill_read(struct cpu *c, u64 lin)
{
	return mmu_fill(c, lin, ACCESS_READ);
}

u32 jit_fill_write(struct cpu *c, u64 lin)
{
	return mmu_fill(c, lin, ACCESS_WRITE);
}

/* -- Jumps ------------------------------------------------------------------------------- */

static void remember_jump(struct jit *j, u64 rip, const u8 *code)
{
	u32 i = jump_slot(rip);

	j->t->jump_rip[i] = rip ^ j->t->jump_key;
	j->t->jump_code[i] = code;
}

/* The jump cache's answer for what has no code: leave, at the RIP in RAX. */
static bool is_cold(const struct jit *j, u64 rip)
{
	u32 i = jump_slot(rip);

	return j->t->jump_rip[i] == (rip ^ j->t->jump_key) && j->t->jump_code[i] == j->exit;
}

/* So is what is fetched without a fault, but has no code. */
static void remember_cold(struct cpu *c, u64 rip)
{
	if (tlb_entry(c->tlb, rip)->tag_exec == (rip & PAGE_MASK))
		remember_jump(c->jit, rip, c->jit->exit);
}

void jit_forget_jump(struct jit *j, u64 rip, u32 class)
{
	u32 i = jump_slot(rip);

	if (j->t->jump_rip[i] == (rip ^ page_key_of(j, class)))
		j->t->jump_rip[i] = 0;
}

struct tu *jit_find(struct cpu *c, u64 rip)
{
	struct code_page *p = page_enter(c, rip);

	return p ? tu_find(c->jit, p, rip, false) : NULL;
}

/*
 * Of jumps: NULL as well if translated code must not go on.  @was: where it has
 * gone, or NULL; that is so if the page is.
 */
static struct tu *find_target(struct cpu *c, u64 rip, struct tu *was)
{
	struct jit *j = c->jit;
	struct code_page *p;
	struct tu *to = NULL;

	j->left = false;
	if (j->lockstep || is_cold(j, rip))
		return NULL;
	p = page_enter(c, rip);
	if (j->left)
		return NULL;
	if (p)
		to = was && was->page == p ? was : tu_find(j, p, rip, false);
	if (!to)
		remember_cold(c, rip);
	return to;
}

static u8 *site_of(const struct jit *j, const struct edge *e)
{
	return j->rw + e->site;
}

static u8 *stub_of(const struct jit *j, const struct edge *e)
{
	return site_of(j, e) + e->stub;
}

void put_follow(struct code *k, const struct jit *j, u32 n)
{
	mov_imm(k, R_B, n);
	jmp_to(k, j->follow);
}

static void link_drop(struct jit *j, struct edge *e)
{
	if (!e->to)
		return;
	if (e->to_prev)
		j->edges[e->to_prev].to_next = e->to_next;
	else
		tu_at(j, e->to)->in = e->to_next;
	if (e->to_next)
		j->edges[e->to_next].to_prev = e->to_prev;
	e->to = 0;
}

static void link_add(struct jit *j, struct edge *e, struct tu *to)
{
	u32 n = e - j->edges;

	link_drop(j, e);
	e->to = tu_off(j, to);
	e->to_prev = 0;
	e->to_next = to->in;
	if (to->in)
		j->edges[to->in].to_prev = n;
	to->in = n;
}

/* What parks the flags is in the stub, and is left out if @to does without. */
static void link_within(struct jit *j, struct edge *e, const struct tu *to)
{
	if (!e->late || to->fresh) {
		put_jmp_at(site_of(j, e), to->entry);
		return;
	}
	put_jmp_at(stub_of(j, e) + e->late, to->entry);
	put_jmp_at(site_of(j, e), stub_of(j, e));
}

static void link_undo(struct jit *j, struct edge *e)
{
	struct code k = { .p = stub_of(j, e) + e->late, .exec_delta = j->exec_delta };

	put_follow(&k, j, e - j->edges);
	put_jmp_at(site_of(j, e), stub_of(j, e));
}

void jit_unlink_to(struct jit *j, struct tu *tu)
{
	while (tu->in) {
		struct edge *e = &j->edges[tu->in];

		link_undo(j, e);
		link_drop(j, e);
	}
}

void jit_unlink(struct jit *j, struct tu *tu)
{
	jit_unlink_to(j, tu);
	for (u32 i = 0; i < tu->nr_out; i++)
		link_drop(j, &j->edges[tu->out + i]);
}

/*
 * Into another page: cmp dword [page_id slot], id; jne stub; jmp @to.  The
 * page may lead elsewhere by then, or its code may be stale.
 */
static void link_across(struct cpu *c, struct edge *e, const struct tu *to)
{
	u32 slot = page_slot(e->target, to->page->class);
	s32 off = offsetof(struct translator_tables, page_id) + slot * sizeof(u32);
	struct code k = { .p = site_of(c->jit, e), .exec_delta = c->jit->exec_delta };

	put_op(&k, false, 0x81, 7, RM_MEM(R_STATE, TABLES(c) + off));
	put32(&k, to->page->id);
	patch_rel32(jcc_later(&k, CC_NE), stub_of(c->jit, e));
	patch_rel32(jmp_later(&k), to->entry);
}

/* A linear page that has become another since leads there for once. */
static void link_edge(struct cpu *c, struct edge *e, struct tu *to)
{
	const struct tu *from = tu_at(c->jit, e->from);

	if (from->page == to->page)
		link_within(c->jit, e, to);
	else if (!edge_is_near(from, e->target))
		link_across(c, e, to);
	else
		return;		/* mapped anew meanwhile: there is no room */
	link_add(c->jit, e, to);
}

const u8 *jit_follow(struct cpu *c, u32 edge)
{
	struct edge *e = &c->jit->edges[edge];
	struct tu *to = e->to ? tu_at(c->jit, e->to) : NULL;

	c->rip = e->target;
	to = e->plain ? plain_find(c, e) : find_target(c, e->target, to);
	if (!to)
		return NULL;
	to = copy_find(c, e, to);
	if (e->to != tu_off(c->jit, to))
		link_edge(c, e, to);
	return exec_of(c->jit, to->entry);
}

/* RET or JMP has found what is no address: it is the interpreter's to fault. */
static void undo_branch(struct cpu *c)
{
	struct tu *tu = tu_at(c->jit, c->jit_ret);
	const struct insn *in = &tu_block(c->jit, tu)->insn[tu->count - 1];

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
	if (c->jit->lockstep || READ_ONCE(c->requests))
		return NULL;
	stat_inc(c->vcpu, anykvm_jump_misses);
	to = find_target(c, target, NULL);
	if (!to)
		return NULL;
	code = exec_of(c->jit, to->entry);
	remember_jump(c->jit, target, code);
	return code;
}
