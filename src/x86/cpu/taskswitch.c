/* SPDX-License-Identifier: MIT */
/*
 * Hardware task switches (SDM vol. 3A chapter 7; the order of steps is 7.3).
 * Faults before the new state is loaded belong to the old task, later ones to
 * the new: a bad segment leaves the new task running at its first instruction.
 */
#include <string.h>

#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"
#include "x86/mmu/mmu.h"

struct tss32 {
	u32 link;
	u32 stacks[6];
	u32 cr3, eip, eflags;
	u32 gpr[8];
	u32 seg[6];		/* ES CS SS DS FS GS: u16 each, padded */
	u32 ldt;
	u16 trap, io_map;
};
struct tss16 {
	u16 link;
	u16 stacks[6];
	u16 ip, flags;
	u16 gpr[8];
	u16 seg[4];		/* ES CS SS DS */
	u16 ldt;
};
_Static_assert(sizeof(struct tss32) == 104, "SDM vol. 3A figure 7-2");
_Static_assert(sizeof(struct tss16) == 44, "SDM vol. 3A figure 7-10");

/* What a task keeps, of either format. */
struct task {
	u32 cr3, eip, eflags;
	u32 gpr[8];
	u16 seg[6];
	u16 ldt;
	bool trap;
};

/* The dynamic part is one run of bytes in each format: EIP to the segments. */
enum {
	TSS32_DYN = offsetof(struct tss32, eip),
	TSS32_DYN_SIZE = offsetof(struct tss32, ldt) - TSS32_DYN,
	TSS16_DYN = offsetof(struct tss16, ip),
	TSS16_DYN_SIZE = offsetof(struct tss16, ldt) - TSS16_DYN,
};

/* mem_sys_*() takes up to 64 bytes at a time. */
static enum step sys_copy_in(struct cpu *c, u32 lin, void *buf, u32 n)
{
	for (u32 i = 0; i < n; i += 64)
		TRY(mem_sys_read(c, (u32)(lin + i), (u8 *)buf + i, MIN(64, n - i)));
	return STEP_NEXT;
}

static enum step sys_copy_out(struct cpu *c, u32 lin, const void *buf, u32 n)
{
	for (u32 i = 0; i < n; i += 64)
		TRY(mem_sys_write(c, (u32)(lin + i), (const u8 *)buf + i, MIN(64, n - i)));
	return STEP_NEXT;
}

static enum step task_read(struct cpu *c, const struct desc *d, struct task *t)
{
	struct tss32 w;
	struct tss16 n;

	memset(t, 0, sizeof(*t));
	if (d->attr & DESC_386) {
		TRY(sys_copy_in(c, d->base, &w, sizeof(w)));
		t->cr3 = w.cr3;
		t->eip = w.eip;
		t->eflags = w.eflags;
		memcpy(t->gpr, w.gpr, sizeof(t->gpr));
		for (u32 i = 0; i < 6; i++)
			t->seg[i] = (u16)w.seg[i];
		t->ldt = (u16)w.ldt;
		t->trap = w.trap & 1;
		return STEP_NEXT;
	}
	TRY(sys_copy_in(c, d->base, &n, sizeof(n)));
	t->eip = n.ip;
	t->eflags = n.flags;
	for (u32 i = 0; i < 8; i++)	/* KVM: with zeroes above */
		t->gpr[i] = n.gpr[i];
	memcpy(t->seg, n.seg, sizeof(n.seg));
	t->ldt = n.ldt;
	return STEP_NEXT;
}

static enum step task_save(struct cpu *c, u32 eip, u32 eflags)
{
	u32 base = c->seg[TR].base;

	if (c->seg[TR].attr & DESC_386) {
		struct tss32 w = { .eip = eip, .eflags = eflags };

		for (u32 i = 0; i < 8; i++)
			w.gpr[i] = c->gpr[i];
		for (u32 i = 0; i < 6; i++)
			w.seg[i] = c->seg[i].selector;
		return sys_copy_out(c, base + TSS32_DYN, (u8 *)&w + TSS32_DYN, TSS32_DYN_SIZE);
	} else {
		struct tss16 n = { .ip = eip, .flags = eflags };

		for (u32 i = 0; i < 8; i++)
			n.gpr[i] = c->gpr[i];
		for (u32 i = 0; i < 4; i++)
			n.seg[i] = c->seg[i].selector;
		return sys_copy_out(c, base + TSS16_DYN, (u8 *)&n + TSS16_DYN, TSS16_DYN_SIZE);
	}
}

/* -- The incoming TSS descriptor ----------------------------------------------------- */

static enum step task_check(struct cpu *c, const struct task_switch *ts, struct desc *d)
{
	u8 vec = ts->why == TASK_IRET ? EXC_TS : EXC_GP;
	u32 error = sel_error(ts->selector, ts->ext), min;
	enum desc_type type;

	if (sel_is_null(ts->selector) || sel_is_local(ts->selector))
		return cpu_raise_error(c, vec, error);
	TRY(desc_read(c, ts->selector, vec, ts->ext, d));
	type = attr_system_type(d->attr) & ~DESC_386;
	if (type != (ts->why == TASK_IRET ? DESC_TSS16_BUSY : DESC_TSS16))
		return cpu_raise_error(c, vec, error);
	if (!(d->attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_NP, error);
	min = d->attr & DESC_386 ? sizeof(struct tss32) : sizeof(struct tss16);
	if (d->limit < min - 1)
		return cpu_raise_error(c, EXC_TS, error);
	return STEP_NEXT;
}

/* The old task's memory: its state, busy bits, the link back. */
static enum step task_leave(struct cpu *c, const struct task_switch *ts, struct desc *d)
{
	bool returns = ts->why == TASK_IRET, nests = ts->why == TASK_CALL || ts->why == TASK_GATE;
	u32 eflags = ts->why == TASK_GATE ? ts->eflags : (u32)cpu_rflags(c);
	u16 old = c->seg[TR].selector;

	if (returns)
		eflags &= ~X86_EFLAGS_NT;
	/* Both TSSs must be writable before either changes. */
	TRY(task_save(c, ts->rip_next, eflags));
	if (nests)
		TRY(mem_sys_write(c, (u32)d->base, &old, sizeof(old)));
	if (!returns)
		TRY(desc_set_type(c, d, DESC_BUSY));
	return nests || sel_is_null(old) ? STEP_NEXT : desc_clear_busy(c, old);
}

/* -- The new task's state ---------------------------------------------------------------- */

static void task_load_registers(struct cpu *c, const struct task_switch *ts,
				const struct desc *d, const struct task *t)
{
	u64 eflags = t->eflags & X86_EFLAGS_ALL;

	if (ts->why == TASK_CALL || ts->why == TASK_GATE)
		eflags |= X86_EFLAGS_NT;
	if (!(d->attr & DESC_386))
		eflags &= 0xffff;
	seg_from_desc(&c->seg[TR], ts->selector, d);
	c->seg[TR].attr |= DESC_BUSY;
	c->cr0 |= X86_CR0_TS;
	c->dr7 &= ~0x155ull;	/* local breakpoints, LE */
	c->rip = t->eip;
	for (u32 i = 0; i < 8; i++)
		c->gpr[i] = t->gpr[i];
	cpu_set_rflags(c, eflags);
}

/* Selectors first, unusable: they are what a fault finds. */
static void task_load_selectors(struct cpu *c, const struct task *t)
{
	bool vm = c->rflags & X86_EFLAGS_VM;
	u8 cpl = sel_rpl(t->seg[CS]);

	for (u32 i = 0; i < 6; i++) {
		if (vm)
			seg_set_vm86(&c->seg[i], t->seg[i]);
		else
			seg_set_null(&c->seg[i], t->seg[i], i == SS ? cpl : 0);
	}
	seg_set_null(&c->seg[LDTR], t->ldt, 0);
	cpu_mode_changed(c);
}

static enum step task_load_ldt(struct cpu *c, u16 sel)
{
	struct desc d;

	if (sel_is_null(sel))
		return STEP_NEXT;
	if (sel_is_local(sel))
		return cpu_raise_error(c, EXC_TS, sel_error(sel, 0));
	TRY(desc_read(c, sel, EXC_TS, 0, &d));
	if (attr_system_type(d.attr) != DESC_LDT || !(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_TS, sel_error(sel, 0));
	seg_from_desc(&c->seg[LDTR], sel, &d);
	return STEP_NEXT;
}

static enum step task_load_cs(struct cpu *c, u16 sel)
{
	u8 rpl = sel_rpl(sel);
	struct desc d;

	if (sel_is_null(sel))
		return cpu_raise_error(c, EXC_TS, 0);
	TRY(desc_read(c, sel, EXC_TS, 0, &d));
	if (!attr_is_code(d.attr) || (attr_is_conforming(d.attr) ?
	    attr_dpl(d.attr) > rpl : attr_dpl(d.attr) != rpl))
		return cpu_raise_error(c, EXC_TS, sel_error(sel, 0));
	if (!(d.attr & SEG_ATTR_P))
		return cpu_raise_error(c, EXC_NP, sel_error(sel, 0));
	TRY(desc_set_accessed(c, &d));
	seg_from_desc(&c->seg[CS], sel, &d);
	return STEP_NEXT;
}

static enum step task_load_segment(struct cpu *c, const struct task *t, enum seg seg)
{
	u8 cpl = sel_rpl(t->seg[CS]);
	struct segment s;

	if (seg == LDTR)
		return task_load_ldt(c, t->ldt);
	if (seg == CS)
		return task_load_cs(c, t->seg[CS]);
	if (seg == SS)
		TRY(seg_check_stack(c, t->seg[SS], cpl, EXC_TS, 0, &s));
	else
		TRY(seg_check_data(c, t->seg[seg], cpl, EXC_TS, 0, &s));
	c->seg[seg] = s;
	return STEP_NEXT;
}

/*
 * The first that cannot be loaded is the exception; the others are loaded
 * nevertheless (SDM vol. 3A 7.3, step 13), SS for its handler above all.
 */
static enum step task_load_segments(struct cpu *c, const struct task *t)
{
	static const u8 order[] = { LDTR, CS, SS, ES, DS, FS, GS };
	u32 n = cpu_vm86(c) ? 1 : ARRAY_SIZE(order);
	struct exception first = { 0 };
	bool faulted = false;

	for (u32 i = 0; i < n; i++) {
		enum step st = task_load_segment(c, t, order[i]);

		if (st == STEP_NEXT)
			continue;
		if (st != STEP_FAULT)
			return st;
		if (!faulted)
			first = c->exc;
		faulted = true;
	}
	if (!faulted)
		return STEP_NEXT;
	c->exc = first;
	return STEP_FAULT;
}

static enum step task_push_error(struct cpu *c, const struct task_switch *ts, u8 size)
{
	struct stack s;

	stack_current(c, &s, 0);
	TRY(stack_put(c, &s, ts->error, size));
	c->gpr[RSP] = s.sp;
	return STEP_NEXT;
}

static enum step task_enter(struct cpu *c, const struct task_switch *ts,
			    const struct desc *d, const struct task *t)
{
	bool wide = d->attr & DESC_386;

	if (wide && (c->cr0 & X86_CR0_PG)) {
		if (c->cr4 & X86_CR4_PAE)
			TRY(mmu_load_pdptes(c, t->cr3));
		c->cr3 = t->cr3;
		mmu_flush_nonglobal(c);
	}
	task_load_registers(c, ts, d, t);
	task_load_selectors(c, t);
	TRY(task_load_segments(c, t));
	cpu_mode_changed(c);
	if (ts->has_error)
		TRY(task_push_error(c, ts, wide ? 4 : 2));
	if (!seg_within_limit(&c->seg[CS], (u32)c->rip, 1))
		return cpu_raise_gp0(c);
	return t->trap ? cpu_raise_db(c, DR6_BT) : STEP_NEXT;
}

enum step task_switch(struct cpu *c, const struct task_switch *ts)
{
	struct desc d;
	struct task t;
	enum step st;

	TRY(task_check(c, ts, &d));
	TRY(task_read(c, &d, &t));
	TRY(task_leave(c, ts, &d));
	st = task_enter(c, ts, &d, &t);
	if (st == STEP_NEXT)
		return STEP_JUMP;
	cpu_mode_changed(c);
	return st;
}

enum step cpu_task_switch(struct cpu *c, u16 selector, enum task_reason why,
			  bool has_error, u32 error, u64 rip_next)
{
	const struct task_switch ts = {
		.selector = selector, .why = why, .has_error = has_error,
		.error = error, .rip_next = rip_next,
	};

	return task_switch(c, &ts);
}
