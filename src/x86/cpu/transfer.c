/* SPDX-License-Identifier: MIT */
/* Far JMP and CALL (SDM vol. 3A 5.8; vol. 2A CALL, JMP). */
#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"

/* -- Code segments as targets ------------------------------------------------------ */

enum step target_check_offset(struct cpu *c, const struct target *t, u32 ext)
{
	bool code64 = cpu_long_mode(c) && (t->d.attr & SEG_ATTR_L);

	if (code64 ? !is_canonical(t->off) : t->off > t->d.limit)
		return cpu_raise_error(c, EXC_GP, ext);
	return STEP_NEXT;
}

void target_commit(struct cpu *c, const struct target *t)
{
	seg_from_desc(&c->seg[CS], (t->sel & 0xfffc) | t->cpl, &t->d);
	c->rip = t->off;
}

static enum step target_bad(struct cpu *c, u8 vec, u16 sel, u32 ext)
{
	return cpu_raise_error(c, vec, sel_error(sel, ext));
}

enum step gate_target(struct cpu *c, u16 sel, u64 off, u32 ext, bool gate64,
		      bool jump, struct target *t)
{
	u8 dpl;

	if (sel_is_null(sel))
		return cpu_raise_error(c, EXC_GP, ext);
	TRY(desc_read(c, sel, EXC_GP, ext, &t->d));
	dpl = attr_dpl(t->d.attr);
	if (!attr_is_code(t->d.attr) || dpl > c->cpl)
		return target_bad(c, EXC_GP, sel, ext);
	if (jump && !attr_is_conforming(t->d.attr) && dpl != c->cpl)
		return target_bad(c, EXC_GP, sel, ext);
	if (gate64 && (t->d.attr & (SEG_ATTR_L | SEG_ATTR_DB)) != SEG_ATTR_L)
		return target_bad(c, EXC_GP, sel, ext);
	if (!(t->d.attr & SEG_ATTR_P))
		return target_bad(c, EXC_NP, sel, ext);
	TRY(desc_set_accessed(c, &t->d));
	t->sel = sel;
	t->off = off;
	t->cpl = attr_is_conforming(t->d.attr) ? c->cpl : dpl;
	return STEP_NEXT;
}

/* A code segment named directly: no change of privilege. */
static enum step direct_target(struct cpu *c, u16 sel, u64 off, struct target *t)
{
	u8 dpl = attr_dpl(t->d.attr);

	if (attr_is_conforming(t->d.attr) ? dpl > c->cpl :
	    sel_rpl(sel) > c->cpl || dpl != c->cpl)
		return target_bad(c, EXC_GP, sel, 0);
	if (cpu_long_mode(c) && (t->d.attr & SEG_ATTR_L) && (t->d.attr & SEG_ATTR_DB))
		return target_bad(c, EXC_GP, sel, 0);
	if (!(t->d.attr & SEG_ATTR_P))
		return target_bad(c, EXC_NP, sel, 0);
	TRY(desc_set_accessed(c, &t->d));
	t->sel = sel;
	t->off = off;
	t->cpl = c->cpl;
	return STEP_NEXT;
}

/* -- Call gates (SDM vol. 3A 5.8.3) -------------------------------------------------- */

struct call_gate {
	u16 sel;
	u64 off;
	u8 size;	/* of what is pushed: 2, 4, 8 */
	u8 params;
};

static enum step read_call_gate(struct cpu *c, u16 sel, struct desc *d,
				struct call_gate *g)
{
	u32 upper = 0;

	g->sel = d->lo >> 16;
	g->params = d->hi & 31;
	g->off = d->lo & 0xffff;
	g->size = 2;
	if (d->attr & DESC_386) {
		g->off |= d->hi & 0xffff0000;
		g->size = 4;
	}
	if (cpu_long_mode(c)) {
		TRY(desc_read_upper(c, sel, EXC_GP, 0, d, &upper));
		g->off |= (u64)upper << 32;
		g->size = 8;
		g->params = 0;
	}
	return STEP_NEXT;
}

/* A gate or TSS may be used from @cpl with this selector. */
static enum step system_access(struct cpu *c, u16 sel, const struct desc *d)
{
	u8 dpl = attr_dpl(d->attr);

	if (dpl < c->cpl || dpl < sel_rpl(sel))
		return target_bad(c, EXC_GP, sel, 0);
	return d->attr & SEG_ATTR_P ? STEP_NEXT : target_bad(c, EXC_NP, sel, 0);
}

static enum step call_gate_target(struct cpu *c, u16 sel, struct desc *d, bool jump,
				  struct call_gate *g, struct target *t)
{
	TRY(system_access(c, sel, d));
	TRY(read_call_gate(c, sel, d, g));
	return gate_target(c, g->sel, g->off, 0, cpu_long_mode(c), jump, t);
}

static enum step copy_params(struct cpu *c, struct stack *to, const struct call_gate *g)
{
	u64 params[32];
	struct stack from;

	stack_current(c, &from, 0);
	for (u32 i = 0; i < g->params; i++)
		TRY(stack_take(c, &from, &params[i], g->size));
	for (u32 i = g->params; i-- > 0;)
		TRY(stack_put(c, to, params[i], g->size));
	return STEP_NEXT;
}

/* The stack of the inner level, with the old SS:ESP and the parameters on it. */
static enum step inner_stack(struct cpu *c, u8 cpl, const struct call_gate *g,
			     struct stack *s)
{
	struct segment ss;
	u16 sel;
	u32 esp;
	u64 rsp;

	if (cpu_long_mode(c)) {
		TRY(tss_rsp(c, cpl, 0, 0, &rsp));
		seg_set_null(&ss, cpl, cpl);
		stack_new(s, &ss, rsp, cpl, 0);
		s->width = 8;
	} else {
		TRY(tss_stack(c, cpl, 0, &sel, &esp));
		TRY(seg_check_stack(c, sel, cpl, EXC_TS, 0, &ss));
		stack_new(s, &ss, esp, cpl, sel_error(sel, 0));
	}
	TRY(stack_put(c, s, c->seg[SS].selector, g->size));
	TRY(stack_put(c, s, c->gpr[RSP], g->size));
	return copy_params(c, s, g);
}

static enum step finish_call(struct cpu *c, const struct target *t, struct stack *s,
			     u8 size, u64 rip_next)
{
	TRY(stack_put(c, s, c->seg[CS].selector, size));
	TRY(stack_put(c, s, rip_next, size));
	TRY(target_check_offset(c, t, 0));
	c->seg[SS] = s->ss;
	c->gpr[RSP] = s->sp;
	target_commit(c, t);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step call_through_gate(struct cpu *c, u16 sel, struct desc *d, u64 rip_next)
{
	struct call_gate g;
	struct target t;
	struct stack s;

	TRY(call_gate_target(c, sel, d, false, &g, &t));
	if (t.cpl < c->cpl) {
		TRY(inner_stack(c, t.cpl, &g, &s));
	} else {
		stack_current(c, &s, 0);
		if (cpu_long_mode(c))
			s.width = 8;
	}
	return finish_call(c, &t, &s, g.size, rip_next);
}

static enum step jump_through_gate(struct cpu *c, u16 sel, struct desc *d)
{
	struct call_gate g;
	struct target t;

	TRY(call_gate_target(c, sel, d, true, &g, &t));
	TRY(target_check_offset(c, &t, 0));
	target_commit(c, &t);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

/* -- Tasks and gates ------------------------------------------------------------------ */

static enum step far_task(struct cpu *c, u16 sel, u16 tss, const struct desc *d,
			  bool call, u64 rip_next)
{
	TRY(system_access(c, sel, d));
	return cpu_task_switch(c, tss, call ? TASK_CALL : TASK_JMP, false, 0, rip_next);
}

static enum step far_system(struct cpu *c, u16 sel, struct desc *d, bool call,
			    u64 rip_next)
{
	enum desc_type type = attr_system_type(d->attr);

	if (cpu_long_mode(c) && type != DESC_CALL)
		return target_bad(c, EXC_GP, sel, 0);
	switch (type) {
	case DESC_CALL16:
	case DESC_CALL:
		return call ? call_through_gate(c, sel, d, rip_next) :
			      jump_through_gate(c, sel, d);
	case DESC_TASK_GATE:
		return far_task(c, sel, d->lo >> 16, d, call, rip_next);
	case DESC_TSS16:
	case DESC_TSS:
		return far_task(c, sel, sel, d, call, rip_next);
	default:
		return target_bad(c, EXC_GP, sel, 0);
	}
}

/* -- JMP and CALL --------------------------------------------------------------------- */

static u64 cut_offset(u64 off, u8 osz)
{
	if (osz == 8)
		return off;
	return osz == 4 ? (u32)off : (u16)off;
}

static bool real_addressing(const struct cpu *c)
{
	return !cpu_protected(c) || cpu_vm86(c);
}

/*
 * STEP_NEXT with @t filled if @sel is a code segment.  Anything else is
 * dealt with here, and its outcome, never STEP_NEXT, is that of the transfer.
 */
static enum step far_target(struct cpu *c, u16 sel, u64 off, bool call, u64 rip_next,
			    struct target *t)
{
	if (sel_is_null(sel))
		return cpu_raise_gp0(c);
	TRY(desc_read(c, sel, EXC_GP, 0, &t->d));
	if (attr_is_code(t->d.attr))
		return direct_target(c, sel, off, t);
	if (t->d.attr & SEG_ATTR_S)
		return target_bad(c, EXC_GP, sel, 0);
	return far_system(c, sel, &t->d, call, rip_next);
}

enum step cpu_far_jump(struct cpu *c, u16 sel, u64 off, u8 osz, u64 rip_next)
{
	struct target t;

	off = cut_offset(off, osz);
	if (real_addressing(c)) {
		if (off > c->seg[CS].limit)
			return cpu_raise_gp0(c);
		cpu_load_seg_real(c, CS, sel);
		c->rip = off;
		cpu_mode_changed(c);
		return STEP_JUMP;
	}
	TRY(far_target(c, sel, off, false, rip_next, &t));
	TRY(target_check_offset(c, &t, 0));
	target_commit(c, &t);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step far_call_real(struct cpu *c, u16 sel, u64 off, u8 osz, u64 rip_next)
{
	struct stack s;

	stack_current(c, &s, 0);
	TRY(stack_put(c, &s, c->seg[CS].selector, osz));
	TRY(stack_put(c, &s, rip_next, osz));
	if (off > c->seg[CS].limit)
		return cpu_raise_gp0(c);
	c->gpr[RSP] = s.sp;
	cpu_load_seg_real(c, CS, sel);
	c->rip = off;
	cpu_mode_changed(c);
	return STEP_JUMP;
}

enum step cpu_far_call(struct cpu *c, u16 sel, u64 off, u8 osz, u64 rip_next)
{
	struct target t;
	struct stack s;

	off = cut_offset(off, osz);
	if (real_addressing(c))
		return far_call_real(c, sel, off, osz, rip_next);
	TRY(far_target(c, sel, off, true, rip_next, &t));
	stack_current(c, &s, 0);
	/* AMD's processors push in the mode they go to. */
	if (cpu_amd_like(c))
		stack_for_target(&s, cpu_long_mode(c) && (t.d.attr & SEG_ATTR_L));
	return finish_call(c, &t, &s, osz, rip_next);
}
