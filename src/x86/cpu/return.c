/* SPDX-License-Identifier: MIT */
/* Far RET and IRET (SDM vol. 3A 5.8.6, 6.12.1; vol. 2A IRET; vol. 2B RET). */
#include "x86/cpu/protect.h"
#include "x86/cpu/vm86.h"
#include "x86/mmu/access.h"

static enum step bad_cs(struct cpu *c, u8 vec, u16 sel)
{
	return cpu_raise_error(c, vec, sel_error(sel, 0));
}

/* The code segment returned to; its RPL is the new CPL. */
static enum step return_target(struct cpu *c, u16 sel, u64 off, struct target *t)
{
	u8 rpl = sel_rpl(sel), dpl;
	const u32 both = SEG_ATTR_L | SEG_ATTR_DB;

	if (sel_is_null(sel))
		return cpu_raise_gp0(c);
	TRY(desc_read(c, sel, EXC_GP, 0, &t->d));
	dpl = attr_dpl(t->d.attr);
	if (!attr_is_code(t->d.attr) || rpl < c->cpl)
		return bad_cs(c, EXC_GP, sel);
	if (attr_is_conforming(t->d.attr) ? dpl > rpl : dpl != rpl)
		return bad_cs(c, EXC_GP, sel);
	if (cpu_long_mode(c) && (t->d.attr & both) == both)
		return bad_cs(c, EXC_GP, sel);
	if (!(t->d.attr & SEG_ATTR_P))
		return bad_cs(c, EXC_NP, sel);
	TRY(desc_set_accessed(c, &t->d));
	t->sel = sel;
	t->off = off;
	t->cpl = rpl;
	return STEP_NEXT;
}

static bool target_is_64(const struct cpu *c, const struct target *t)
{
	return cpu_long_mode(c) && (t->d.attr & SEG_ATTR_L);
}

/* SS:SP returned to.  Null is fine in 64-bit mode below CPL 3. */
static enum step return_stack(struct cpu *c, const struct target *t, u16 sel, u64 sp,
			      struct stack *s)
{
	bool to64 = target_is_64(c, t);
	struct segment ss;

	if (sel_is_null(sel) && to64 && t->cpl < 3 && sel_rpl(sel) == t->cpl)
		seg_set_null(&ss, sel, t->cpl);
	else
		TRY(seg_check_stack(c, sel, t->cpl, EXC_GP, 0, &ss));
	stack_new(s, &ss, sp, t->cpl, 0);
	if (to64)
		s->width = 8;
	else if (s->width == 4)
		s->sp = (u32)sp;
	else	/* a 16-bit stack leaves the upper bits as they were */
		s->sp = (c->gpr[RSP] & ~0xffffull) | (u16)sp;
	return STEP_NEXT;
}

/* Everything has been checked: load it. */
static void return_commit(struct cpu *c, const struct target *t, const struct stack *s)
{
	bool outer = t->cpl > c->cpl;

	c->seg[SS] = s->ss;
	c->gpr[RSP] = s->sp;
	target_commit(c, t);
	cpu_mode_changed(c);
	if (outer)
		seg_drop_privileged(c);
}

/* -- RET ----------------------------------------------------------------------------- */

static enum step far_return_real(struct cpu *c, struct stack *s, u64 off, u16 sel)
{
	if (off > c->seg[CS].limit)
		return cpu_raise_gp0(c);
	c->gpr[RSP] = s->sp;
	cpu_load_seg_real(c, CS, sel);
	c->rip = off;
	cpu_mode_changed(c);
	return STEP_JUMP;
}

/* AMD's processors look at a stack of another level before the code segment. */
static bool stack_comes_first(const struct cpu *c, u16 cs)
{
	return cpu_amd_like(c) && sel_rpl(cs) != c->cpl;
}

/* To the same level; AMD's processors drop the parameters in the mode they go to. */
static enum step return_near_level(struct cpu *c, const struct target *t, struct stack *s,
				   u16 pop_bytes)
{
	if (cpu_amd_like(c))
		stack_for_target(s, target_is_64(c, t));
	stack_add(s, pop_bytes);
	TRY(target_check_offset(c, t, 0));
	return_commit(c, t, s);
	return STEP_JUMP;
}

enum step cpu_far_return(struct cpu *c, u16 pop_bytes, u8 osz)
{
	enum { OFF, SEL, NR };
	struct stack s, outer;
	struct target t;
	u64 w[NR], to[NR];	/* CS:IP, SS:SP */
	bool early;

	stack_current(c, &s, 0);
	TRY(stack_take_frame(c, &s, w, NR, osz));
	if (!cpu_protected(c) || cpu_vm86(c)) {
		stack_add(&s, pop_bytes);
		return far_return_real(c, &s, w[OFF], (u16)w[SEL]);
	}
	outer = s;
	stack_add(&outer, pop_bytes);
	early = stack_comes_first(c, (u16)w[SEL]);
	if (early)
		TRY(stack_take_frame(c, &outer, to, NR, osz));
	TRY(return_target(c, (u16)w[SEL], w[OFF], &t));
	if (t.cpl == c->cpl)
		return return_near_level(c, &t, &s, pop_bytes);
	if (!early)
		TRY(stack_take_frame(c, &outer, to, NR, osz));
	TRY(return_stack(c, &t, (u16)to[SEL], to[OFF], &outer));
	stack_add(&outer, pop_bytes);
	TRY(target_check_offset(c, &t, 0));
	return_commit(c, &t, &outer);
	return STEP_JUMP;
}

/* -- IRET ------------------------------------------------------------------------------- */

/* RFLAGS of the frame as far as this CPL may change them. */
static void iret_flags(struct cpu *c, u64 image, u8 osz)
{
	u64 old = cpu_rflags(c), mask = X86_EFLAGS_STATUS | X86_EFLAGS_TF |
					X86_EFLAGS_DF | X86_EFLAGS_NT;

	if (osz > 2)
		mask |= X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID;
	if (c->cpl <= cpu_iopl(c))
		mask |= X86_EFLAGS_IF;
	if (c->cpl == 0) {
		mask |= X86_EFLAGS_IOPL;
		if (osz > 2 && cpu_protected(c))
			mask |= X86_EFLAGS_VIF | X86_EFLAGS_VIP;
	}
	cpu_set_rflags(c, (old & ~mask) | (image & mask));
}

/* Real mode, and virtual-8086 mode at IOPL 3. */
enum { FRAME_OFF, FRAME_CS, FRAME_FLAGS, FRAME_WORDS };

static enum step iret_real(struct cpu *c, u8 osz)
{
	u64 w[FRAME_WORDS];
	struct stack s;

	stack_current(c, &s, 0);
	TRY(stack_take_frame(c, &s, w, FRAME_WORDS, osz));
	TRY(far_return_real(c, &s, w[FRAME_OFF], (u16)w[FRAME_CS]) == STEP_JUMP ? STEP_NEXT :
										 STEP_FAULT);
	iret_flags(c, w[FRAME_FLAGS], osz);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step iret_to_vm86(struct cpu *c, struct stack *s, u64 off, u16 cs, u64 flags)
{
	static const u8 order[] = { SS, ES, DS, FS, GS };
	u64 sp, sel[ARRAY_SIZE(order)];

	TRY(stack_take(c, s, &sp, 4));
	for (u32 i = 0; i < ARRAY_SIZE(order); i++)
		TRY(stack_take(c, s, &sel[i], 4));
	if (off > 0xffff)
		return cpu_raise_gp0(c);

	cpu_set_rflags(c, flags & X86_EFLAGS_ALL);
	for (u32 i = 0; i < ARRAY_SIZE(order); i++)
		seg_set_vm86(&c->seg[order[i]], (u16)sel[i]);
	seg_set_vm86(&c->seg[CS], cs);
	c->gpr[RSP] = sp;
	c->rip = off;
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step iret_task(struct cpu *c, u64 rip_next)
{
	u16 link;
	const struct segment *tr = &c->seg[TR];

	if (cpu_long_mode(c))
		return cpu_raise_gp0(c);
	TRY(mem_sys_read(c, (u32)tr->base, &link, sizeof(link)));
	return cpu_task_switch(c, link, TASK_IRET, false, 0, rip_next);
}

static enum step iret_protected(struct cpu *c, u8 osz)
{
	u64 w[FRAME_WORDS], to_stack[2];	/* SP, SS */
	struct stack s, to;
	struct target t;
	bool early;
	u16 cs;

	stack_current(c, &s, 0);
	TRY(stack_take_frame(c, &s, w, FRAME_WORDS, osz));
	cs = (u16)w[FRAME_CS];
	if (!cpu_long_mode(c) && osz == 4 && (w[FRAME_FLAGS] & X86_EFLAGS_VM) && c->cpl == 0)
		return iret_to_vm86(c, &s, w[FRAME_OFF], cs, w[FRAME_FLAGS]);

	to = s;
	early = cpu_code64(c) || stack_comes_first(c, cs);
	if (early)
		TRY(stack_take_frame(c, &s, to_stack, 2, osz));
	TRY(return_target(c, cs, w[FRAME_OFF], &t));
	if (cpu_amd_like(c))
		TRY(target_check_offset(c, &t, 0));
	if (cpu_code64(c) || t.cpl > c->cpl) {
		if (!early)
			TRY(stack_take_frame(c, &s, to_stack, 2, osz));
		TRY(return_stack(c, &t, (u16)to_stack[1], to_stack[0], &to));
	}
	TRY(target_check_offset(c, &t, 0));
	iret_flags(c, w[FRAME_FLAGS], osz);
	return_commit(c, &t, &to);
	return STEP_JUMP;
}

static enum step iret_any(struct cpu *c, u8 osz, u64 rip_next)
{
	if (!cpu_protected(c))
		return iret_real(c, osz);
	if (cpu_vm86(c))
		return cpu_iopl(c) == 3 ? iret_real(c, osz) : vme_iret(c, osz);
	if (c->rflags & X86_EFLAGS_NT)
		return iret_task(c, rip_next);
	return iret_protected(c, osz);
}

/* One NMI at most has been latched while they were masked (SDM vol. 3A 6.7.1). */
static void unmask_nmi(struct cpu *c)
{
	u8 two = 2;

	if (!c->ev.nmi_masked)
		return;
	__atomic_compare_exchange_n(&c->ev.nmi_pending, &two, 1, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	WRITE_ONCE(c->ev.nmi_masked, false);
}

enum step cpu_iret(struct cpu *c, u8 osz, u64 rip_next)
{
	enum step st = iret_any(c, osz, rip_next);

	/* SDM vol. 3A 6.7.1: even if it faults; APM vol. 2 8.2.3: at its completion. */
	if (st == STEP_JUMP || (st == STEP_FAULT && !cpu_amd_like(c)))
		unmask_nmi(c);
	return st;
}
