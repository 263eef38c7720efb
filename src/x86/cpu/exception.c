/* SPDX-License-Identifier: MIT */
/* Raising exceptions, and delivery through IDT and IVT (SDM vol. 3A chapter 6). */
#include "x86/cpu/branch.h"
#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"

/* -- Raising ------------------------------------------------------------------ */

enum step cpu_raise(struct cpu *c, u8 vector)
{
	c->exc = (struct exception){ .vector = vector };
	return STEP_FAULT;
}

enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error)
{
	c->exc = (struct exception){
		.vector = vector, .has_error = true, .error = error,
	};
	return STEP_FAULT;
}

enum step cpu_raise_pf(struct cpu *c, u64 cr2, u32 error)
{
	c->exc = (struct exception){
		.vector = EXC_PF, .has_error = true, .error = error,
		.has_payload = true, .payload = cr2,
	};
	return STEP_FAULT;
}

enum step cpu_raise_db(struct cpu *c, u64 dr6_bits)
{
	c->exc = (struct exception){
		.vector = EXC_DB, .has_payload = true, .payload = dr6_bits,
	};
	return STEP_FAULT;
}

/* -- Nested exceptions (SDM vol. 3A table 6-5) ----------------------------------- */

enum exc_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT };

static enum exc_class exc_class(u8 vector)
{
	switch (vector) {
	case EXC_DE: case EXC_TS: case EXC_NP: case EXC_SS: case EXC_GP:
		return CLASS_CONTRIBUTORY;
	case EXC_PF:
		return CLASS_PAGE_FAULT;
	default:
		return CLASS_BENIGN;
	}
}

void cpu_queue_exception(struct cpu *c)
{
	struct events *ev = &c->ev;
	enum exc_class first = exc_class(ev->exc.vector), second = exc_class(c->exc.vector);
	bool nested = ev->exc_injected && !ev->exc.soft;

	ev->exc_injected = false;
	ev->exc_pending = true;
	if (nested && ev->exc.vector == EXC_DF) {
		ev->exc_pending = false;
		ev->triple_fault = true;
	} else if (nested && second != CLASS_BENIGN && first != CLASS_BENIGN &&
		   !(first == CLASS_CONTRIBUTORY && second == CLASS_PAGE_FAULT)) {
		ev->exc = (struct exception){ .vector = EXC_DF, .has_error = true };
	} else {
		/* Serially: the first one happens again when its RIP is reached. */
		ev->exc = c->exc;
	}
}

/* -- Delivery ---------------------------------------------------------------------- */

struct delivery {
	u8 vector;
	bool check_dpl;		/* INT n, INT3, INTO */
	bool has_error;
	u32 error;
	u32 ext;		/* EXT bit of errors met on the way */
	u64 rip;		/* to return to */
	u64 rflags;		/* to be pushed */
};

struct gate {
	enum desc_type type;
	u16 sel;
	u8 ist;
	u64 off;
};

static u32 idt_error(const struct delivery *d)
{
	return d->vector * 8 | ERR_IDT | d->ext;
}

static enum step raise_idt(struct cpu *c, u8 exc, const struct delivery *d)
{
	return cpu_raise_error(c, exc, idt_error(d));
}

static bool gate_type_valid(const struct cpu *c, enum desc_type type)
{
	switch (type) {
	case DESC_INT: case DESC_TRAP:
		return true;
	case DESC_INT16: case DESC_TRAP16: case DESC_TASK_GATE:
		return !cpu_long_mode(c);
	default:
		return false;
	}
}

static enum step read_gate(struct cpu *c, const struct delivery *d, struct gate *g)
{
	bool lm = cpu_long_mode(c);
	u32 size = lm ? 16 : 8, raw[4] = { 0 }, attr;
	u64 lin = c->idtr.base + d->vector * size;

	if (d->vector * size + size - 1 > c->idtr.limit)
		return raise_idt(c, EXC_GP, d);
	TRY(mem_sys_read(c, lm ? lin : (u32)lin, raw, size));

	attr = raw[1] >> 8 & 0xff;
	g->type = attr_system_type(attr);
	g->sel = raw[0] >> 16;
	g->ist = lm ? raw[1] & 7 : 0;
	g->off = (raw[0] & 0xffff) | (raw[1] & 0xffff0000) | (u64)raw[2] << 32;
	if (!(g->type & DESC_386))
		g->off &= 0xffff;
	if (!gate_type_valid(c, g->type) || (d->check_dpl && c->cpl > attr_dpl(attr)))
		return raise_idt(c, EXC_GP, d);
	return attr & SEG_ATTR_P ? STEP_NEXT : raise_idt(c, EXC_NP, d);
}

static void enter_handler(struct cpu *c, const struct target *t, enum desc_type type)
{
	u64 clear = X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_VM;

	if (type == DESC_INT || type == DESC_INT16)
		clear |= X86_EFLAGS_IF;
	c->rflags &= ~clear;
	target_commit(c, t);
}

/* The 64-bit frame (SDM vol. 3A 6.14). */
static enum step deliver_long(struct cpu *c, const struct delivery *d)
{
	u64 frame[6], rsp = c->gpr[RSP];
	struct target t;
	struct gate g;
	u32 skip = d->has_error ? 0 : 1, bytes = (6 - skip) * 8;

	TRY(read_gate(c, d, &g));
	TRY(gate_target(c, g.sel, g.off, d->ext, true, false, &t));
	if (t.cpl < c->cpl || g.ist)
		TRY(tss_rsp(c, t.cpl, g.ist, d->ext, &rsp));
	TRY(target_check_offset(c, &t, d->ext));

	frame[0] = d->error;
	frame[1] = d->rip;
	frame[2] = c->seg[CS].selector;
	frame[3] = d->rflags;
	frame[4] = c->gpr[RSP];
	frame[5] = c->seg[SS].selector;
	rsp = (rsp & ~15ull) - bytes;
	if (!is_canonical(rsp) || !is_canonical(rsp + bytes - 1))
		return cpu_raise_error(c, EXC_SS, d->ext);
	TRY(frame_write(c, t.cpl, rsp, frame + skip, bytes));

	if (t.cpl < c->cpl)
		seg_set_null(&c->seg[SS], t.cpl, t.cpl);
	c->gpr[RSP] = rsp;
	enter_handler(c, &t, g.type);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step push_vm86_segments(struct cpu *c, struct stack *s, u8 size)
{
	static const u8 order[] = { GS, FS, DS, ES };

	for (u32 i = 0; i < ARRAY_SIZE(order); i++)
		TRY(stack_put(c, s, c->seg[order[i]].selector, size));
	return STEP_NEXT;
}

/* The handler's stack: the current one, or the TSS's with the old on it. */
static enum step handler_stack(struct cpu *c, const struct delivery *d, u8 cpl,
			       u8 size, struct stack *s)
{
	struct segment ss;
	u16 sel;
	u32 esp;

	if (cpl == c->cpl) {
		stack_current(c, s, d->ext);
		return STEP_NEXT;
	}
	TRY(tss_stack(c, cpl, d->ext, &sel, &esp));
	TRY(seg_check_stack(c, sel, cpl, EXC_TS, d->ext, &ss));
	stack_new(s, &ss, esp, cpl, sel_error(sel, d->ext));
	if (cpu_vm86(c))
		TRY(push_vm86_segments(c, s, size));
	TRY(stack_put(c, s, c->seg[SS].selector, size));
	return stack_put(c, s, c->gpr[RSP], size);
}

static enum step deliver_task(struct cpu *c, const struct delivery *d, u16 tss)
{
	const struct task_switch ts = {
		.selector = tss, .why = TASK_GATE, .has_error = d->has_error,
		.error = d->error, .ext = d->ext, .rip_next = d->rip,
		.eflags = (u32)d->rflags,
	};

	return task_switch(c, &ts);
}

static enum step deliver_protected(struct cpu *c, const struct delivery *d)
{
	bool vm86 = cpu_vm86(c);
	struct target t;
	struct stack s;
	struct gate g;
	u8 size;

	TRY(read_gate(c, d, &g));
	if (g.type == DESC_TASK_GATE)
		return deliver_task(c, d, g.sel);
	TRY(gate_target(c, g.sel, g.off, d->ext, false, false, &t));
	if (vm86 && t.cpl != 0)
		return cpu_raise_error(c, EXC_GP, sel_error(g.sel, d->ext));

	size = g.type & DESC_386 ? 4 : 2;
	TRY(handler_stack(c, d, t.cpl, size, &s));
	TRY(stack_put(c, &s, d->rflags, size));
	TRY(stack_put(c, &s, c->seg[CS].selector, size));
	TRY(stack_put(c, &s, d->rip, size));
	if (d->has_error)
		TRY(stack_put(c, &s, d->error, size));
	TRY(target_check_offset(c, &t, d->ext));

	if (vm86) {
		seg_set_null(&c->seg[ES], 0, 0);
		seg_set_null(&c->seg[DS], 0, 0);
		seg_set_null(&c->seg[FS], 0, 0);
		seg_set_null(&c->seg[GS], 0, 0);
	}
	c->seg[SS] = s.ss;
	c->gpr[RSP] = s.sp;
	enter_handler(c, &t, g.type);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

/* Through the IVT (SDM vol. 3B 20.1.4): no error code. */
static enum step deliver_real(struct cpu *c, const struct delivery *d)
{
	u32 lin = (u32)c->idtr.base + d->vector * 4u;
	struct stack s;
	u16 entry[2];

	if (d->vector * 4u + 3 > c->idtr.limit)
		return raise_idt(c, EXC_GP, d);
	TRY(mem_sys_read(c, lin, entry, sizeof(entry)));
	stack_current(c, &s, 0);
	TRY(stack_put(c, &s, d->rflags, 2));
	TRY(stack_put(c, &s, c->seg[CS].selector, 2));
	TRY(stack_put(c, &s, d->rip, 2));
	if (entry[0] > c->seg[CS].limit)
		return cpu_raise_error(c, EXC_GP, d->ext);

	c->gpr[RSP] = s.sp;
	cpu_load_seg_real(c, CS, entry[1]);
	c->rip = entry[0];
	c->rflags &= ~(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC | X86_EFLAGS_RF);
	cpu_mode_changed(c);
	return STEP_JUMP;
}

static enum step deliver_by_mode(struct cpu *c, const struct delivery *d)
{
	if (!cpu_protected(c))
		return deliver_real(c, d);
	return cpu_long_mode(c) ? deliver_long(c, d) : deliver_protected(c, d);
}

/* The handler of #DB finds what was recorded before it (AMD64 APM vol. 2 13.1.3). */
static void leave_branch_record(struct cpu *c, const struct delivery *d, u64 from)
{
	if (d->vector == EXC_DB)
		c->debugctl &= ~(DEBUGCTL_LBR | DEBUGCTL_BTF);
	else
		branch_record_event(c, from);
}

static enum step deliver(struct cpu *c, const struct delivery *d)
{
	const u64 from = c->rip;
	enum step st = deliver_by_mode(c, d);

	if (st == STEP_JUMP && unlikely(c->debugctl))
		leave_branch_record(c, d, from);
	return st;
}

/* -- What is delivered ----------------------------------------------------------------- */

/* CR2 and DR6 take their values when delivery begins. */
static void apply_payload(struct cpu *c, const struct exception *e)
{
	if (!e->has_payload)
		return;
	if (e->vector == EXC_PF) {
		c->cr2 = e->payload;
	} else if (e->vector == EXC_DB) {
		/* RTM is active low, in the payload active high (KVM). */
		c->dr6 &= ~0xfull;
		c->dr6 |= (e->payload & ~DR6_RTM) | (DR6_RESET & ~DR6_RTM);
		c->dr6 = e->payload & DR6_RTM ? c->dr6 & ~DR6_RTM : c->dr6 | DR6_RTM;
	}
}

/*
 * Faults restart with RF set (SDM vol. 3B 17.3.1.1), but for instruction
 * breakpoints; traps and aborts do not.
 */
static bool sets_rf(const struct exception *e)
{
	switch (e->vector) {
	case EXC_DB:
		return e->has_payload && e->payload & DR6_BD;
	case EXC_NMI: case EXC_BP: case EXC_OF: case EXC_DF: case EXC_MC:
		return false;
	default:
		return !e->soft;
	}
}

/* An INT3 or INTO from userspace is one byte long, and returned past. */
enum step cpu_deliver(struct cpu *c, const struct exception *e)
{
	const struct delivery d = {
		.vector = e->vector, .check_dpl = false,
		.has_error = e->has_error && cpu_protected(c), .error = e->error,
		.ext = e->soft ? 0 : ERR_EXT, .rip = c->rip + e->soft,
		.rflags = cpu_rflags(c) | (sets_rf(e) ? X86_EFLAGS_RF : 0),
	};
	bool debug = e->vector == EXC_DB;
	enum step st;

	apply_payload(c, e);
	st = deliver(c, &d);
	if (debug && st == STEP_JUMP) {
		c->dr7 &= ~DR7_GD;
		mmu_class_changed(c);
	}
	return st;
}

enum step cpu_deliver_interrupt(struct cpu *c, u8 vector)
{
	const struct delivery d = {
		.vector = vector, .ext = ERR_EXT, .rip = c->rip,
		.rflags = cpu_rflags(c),
	};

	return deliver(c, &d);
}

enum step cpu_soft_int(struct cpu *c, u8 vector, u64 rip_next)
{
	const struct delivery d = {
		.vector = vector, .check_dpl = true, .rip = rip_next,
		.rflags = cpu_rflags(c) & ~X86_EFLAGS_RF,
	};

	return deliver(c, &d);
}

enum step cpu_icebp(struct cpu *c, u64 rip_next)
{
	const struct delivery d = {
		.vector = EXC_DB, .ext = ERR_EXT, .rip = rip_next,
		.rflags = cpu_rflags(c) & ~X86_EFLAGS_RF,
	};
	enum step st = deliver(c, &d);

	/* Data breakpoints that MOV SS has put off come with the same #DB. */
	if (st == STEP_JUMP) {
		c->dr6 |= c->pending_db;
		c->pending_db = 0;
	}
	return st;
}
