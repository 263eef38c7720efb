// SPDX-License-Identifier: MIT
#include "fakes.h"

#include <stdlib.h>
#include <string.h>

#include "x86/mmu/access.h"
#include "x86/native/native.h"

struct machine machine;

/* Handlers of other parts stand in ops.def: a harmless one for each. */
enum step fake_handler(struct cpu *c, const struct insn *in)
{
	return STEP_END;
}

#define FAKE(handler) asm(".weak " #handler "\n.set " #handler ", fake_handler");
#define OP(mnemonic, handler, flags) FAKE(handler)
#include "x86/interp/ops.def"
#define SPECIAL(handler) FAKE(handler)
#include "x86/interp/ops_special.def"

bool native_prepare(struct native *n, const ZydisDecodedInstruction *zi,
		    const ZydisDecodedOperand *ops, const u8 *bytes, struct insn *in)
{
	return false;
}

/* -- The machine ------------------------------------------------------------------- */

struct cpu *machine_create(u8 code_size)
{
	struct cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~63ul);

	memset(c, 0, sizeof(*c));
	c->tlb = calloc(1, sizeof(*c->tlb));
	machine = (struct machine){ .cpu = c };
	machine_set_mode(code_size);
	machine_map(0, 0, false);
	return c;
}

void machine_destroy(void)
{
	free(machine.cpu->tlb);
	free(machine.cpu);
	machine.cpu = NULL;
}

void machine_set_mode(u8 code_size)
{
	struct cpu *c = machine.cpu;
	int i;

	c->code_size = c->stack_size = code_size;
	for (i = 0; i < NR_SEGS; i++) {
		c->seg[i].base = 0;
		c->seg[i].attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_TYPE_W | SEG_ATTR_TYPE_A;
		c->seg[i].limit = code_size == 2 ? 0xffff : 0xffffffff;
	}
	cpu_set_rflags(c, 0);
}

void machine_map(u64 lo, u64 hi, bool fill)
{
	struct tlb *t = machine.cpu->tlb;
	u64 lin;
	u32 i;

	machine.lo = lo;
	machine.hi = hi;
	for (i = 0; i < TLB_ENTRIES; i++) {
		u64 none = tlb_no_tag(i);

		t->entry[i] = (struct tlb_entry){ none, none, none, 0 };
	}
	for (lin = lo & PAGE_MASK; fill && lin < hi; lin += PAGE_SIZE)
		*tlb_entry(t, lin) = (struct tlb_entry){ lin, lin, lin, 0 };
}

enum step machine_exec(const struct insn *in)
{
	struct cpu *c = machine.cpu;
	enum step step = in->op(c, in);

	if (step == STEP_NEXT || step == STEP_END)
		c->rip += in->len;
	return step;
}

enum step machine_step(const u8 *bytes, u32 len)
{
	struct cpu *c = machine.cpu;
	struct insn in;

	switch (decode_insn(NULL, bytes, len, c->code_size, &in)) {
	case DECODE_OK:
		return machine_exec(&in);
	case DECODE_INVALID:
		return cpu_raise_ud(c);
	default:
		return cpu_raise_gp0(c);
	}
}

/* -- cpu.h ----------------------------------------------------------------------------- */

enum step cpu_raise(struct cpu *c, u8 vector)
{
	c->exc = (struct exception){ .vector = vector };
	return STEP_FAULT;
}

enum step cpu_raise_error(struct cpu *c, u8 vector, u32 error)
{
	c->exc = (struct exception){ .vector = vector, .has_error = true, .error = error };
	return STEP_FAULT;
}

enum step cpu_emulation_failure(struct cpu *c, u64 exit_code, u64 info1, u64 info2)
{
	return STEP_EXIT;
}

enum step cpu_seg_linear(struct cpu *c, enum seg seg, u64 off, u32 size,
			 bool write, u64 *lin)
{
	u64 base = c->seg[seg].base;

	if (c->code_size == 8) {
		*lin = seg == FS || seg == GS ? base + off : off;
		return STEP_NEXT;
	}
	if (off + size - 1 > c->seg[seg].limit)
		return cpu_raise_error(c, seg == SS ? EXC_SS : EXC_GP, 0);
	*lin = (u32)(base + off);
	return STEP_NEXT;
}

/* -- access.h --------------------------------------------------------------------------- */

static enum step check(struct cpu *c, u64 lin, u32 n)
{
	if (lin < machine.lo || lin + n > machine.hi)
		return cpu_raise(c, EXC_PF);
	return STEP_NEXT;
}

enum step mem_read_slow(struct cpu *c, u64 lin, void *buf, u32 n)
{
	TRY(check(c, lin, n));
	memcpy(buf, (const void *)lin, n);
	return STEP_NEXT;
}

enum step mem_write_slow(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	TRY(check(c, lin, n));
	memcpy((void *)lin, buf, n);
	return STEP_NEXT;
}

enum step mem_probe(struct cpu *c, u64 lin, u32 n, bool write)
{
	return check(c, lin, n);
}

enum step mem_host(struct cpu *c, u64 lin, bool write, u8 **host)
{
	TRY(check(c, lin, 1));
	*host = machine.rmw_no_host ? NULL : (u8 *)lin;
	return STEP_NEXT;
}

enum step mem_read_size(struct cpu *c, u64 lin, u32 size, u64 *v)
{
	*v = 0;
	return mem_read_slow(c, lin, v, size);
}

enum step mem_write_size(struct cpu *c, u64 lin, u32 size, u64 v)
{
	return mem_write_slow(c, lin, &v, size);
}

enum step rmw_begin(struct cpu *c, u64 lin, u32 size, struct rmw *m)
{
	*m = (struct rmw){ .lin = lin, .size = size };
	TRY(check(c, lin, size));
	if (!machine.rmw_no_host)
		m->host = (u8 *)lin;
	memcpy(&m->old, (void *)lin, size);
	return STEP_NEXT;
}

enum step rmw_commit(struct cpu *c, struct rmw *m, u64 value, bool locked)
{
	if (locked && machine.rmw_races) {
		machine.rmw_races--;
		return STEP_AGAIN;
	}
	memcpy((void *)m->lin, &value, m->size);
	return STEP_NEXT;
}

u64 stack_get(const struct cpu *c)
{
	u64 sp = c->gpr[RSP];

	return c->stack_size == 8 ? sp : c->stack_size == 4 ? (u32)sp : (u16)sp;
}

void stack_set(struct cpu *c, u64 sp)
{
	reg_set(c, GPR_OFF(RSP), c->stack_size, sp);
}

static u64 stack_cut(const struct cpu *c, u64 sp)
{
	return c->stack_size == 8 ? sp : c->stack_size == 4 ? (u32)sp : (u16)sp;
}

enum step stack_push(struct cpu *c, u64 v, u8 size)
{
	u64 sp = stack_cut(c, stack_get(c) - size), lin;

	TRY(cpu_seg_linear(c, SS, sp, size, true, &lin));
	TRY(mem_write_slow(c, lin, &v, size));
	stack_set(c, sp);
	return STEP_NEXT;
}

enum step stack_pop(struct cpu *c, u64 *v, u8 size)
{
	u64 lin;

	*v = 0;
	TRY(cpu_seg_linear(c, SS, stack_get(c), size, false, &lin));
	TRY(mem_read_slow(c, lin, v, size));
	stack_set(c, stack_get(c) + size);
	return STEP_NEXT;
}
