/* SPDX-License-Identifier: MIT */
/*
 * Port I/O: permission, dispatch to devices, and exits to userspace.
 *
 * An exit leaves RIP on the instruction; the next KVM_RUN takes the data of an
 * IN and moves on, unless userspace has moved RIP meanwhile, which cancels the
 * instruction.  REP INS asks for many elements at once, REP OUTS hands out one
 * per exit with rCX already counted down, as KVM does.
 */
#include <string.h>

#include "api/coalesced.h"
#include "api/eventfd.h"
#include "api/stats.h"
#include "x86/cpu/translator.h"
#include "x86/interp/ops.h"
#include "x86/interp/string.h"
#include "x86/x86.h"

enum { PIO_DATA_MAX = 1024 };	/* KVM: size of the batch of a REP INS */
enum { PORT_7E = 0x7e };

/* 32-bit TSS (SDM vol. 3A 7.2.1); the 64-bit one has the field there too. */
enum {
	TSS_TYPE_32_AVAILABLE	= 9,
	TSS_TYPE_32_BUSY	= 11,
	TSS_IO_MAP_BASE		= 102,
	TSS_MIN_LIMIT		= 103,
};

/* -- Permission ------------------------------------------------------------------- */

static bool tss_has_io_map(const struct segment *tr)
{
	u32 type = tr->attr & SEG_ATTR_TYPE;

	return !(tr->attr & SEG_ATTR_UNUSABLE) && (tr->attr & SEG_ATTR_P) &&
	       (type == TSS_TYPE_32_AVAILABLE || type == TSS_TYPE_32_BUSY) &&
	       tr->limit >= TSS_MIN_LIMIT;
}

/* Two bytes are always read, both within the limit (SDM vol. 1 19.5.2). */
static enum step check_io_map(struct cpu *c, u16 port, u8 size)
{
	const struct segment *tr = &c->seg[TR];
	u16 base, map;
	u32 at;

	if (!tss_has_io_map(tr))
		return cpu_raise_gp0(c);
	TRY(mem_sys_read(c, tr->base + TSS_IO_MAP_BASE, &base, sizeof(base)));
	at = base + port / 8;
	if (at + 1 > tr->limit)
		return cpu_raise_gp0(c);
	TRY(mem_sys_read(c, tr->base + at, &map, sizeof(map)));
	if (map >> (port % 8) & (BIT(size) - 1))
		return cpu_raise_gp0(c);
	return STEP_NEXT;
}

enum step cpu_check_io(struct cpu *c, u16 port, u8 size)
{
	if (!cpu_protected(c))
		return STEP_NEXT;
	if (!cpu_vm86(c) && c->cpl <= cpu_iopl(c))
		return STEP_NEXT;
	return check_io_map(c, port, size);
}

/* -- Breakpoints ------------------------------------------------------------------- */

static void note_io_breakpoints(struct cpu *c, u16 port, u8 size)
{
	if (unlikely(cpu_debug_active(c)))
		c->pending_db |= cpu_io_breakpoints(c, port, size);
}

/* REP INS: is there something to be told after each element? */
static bool traps_each(const struct cpu *c, u16 port, u8 size)
{
	return (c->rflags & X86_EFLAGS_TF) || (c->guest_debug & KVM_GUESTDBG_SINGLESTEP) ||
	       cpu_io_breakpoints(c, port, size);
}

/* -- Exits -------------------------------------------------------------------------- */

static u64 linear_rip(const struct cpu *c)
{
	return c->code_size == 8 ? c->rip : (u32)(c->rip + c->seg[CS].base);
}

static enum step pio_exit(struct cpu *c, u16 port, u8 size, u32 count, bool in)
{
	struct kvm_run *run = c->vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = PAGE_SIZE;
	return STEP_EXIT;
}

/* The same, to be completed by pio_complete(). */
static enum step pio_exit_waiting(struct cpu *c, u16 port, u8 size, u32 count, bool in)
{
	c->pio = (struct pio){
		.waiting = true, .in = in, .size = size, .count = count,
		.port = port, .linear_rip = linear_rip(c),
		.insn_len = c->insn->len,
	};
	return pio_exit(c, port, size, count, in);
}

static bool counted(struct cpu *c, bool in_kernel)
{
	stat_inc(c->vcpu, io_exits);
	stat_add(c->vcpu, exits, in_kernel);
	return in_kernel;
}

/* True if no exit is needed. */
static bool in_in_kernel(struct cpu *c, u16 port, u8 size, u32 *val)
{
	return counted(c, irqchip_pio_read(c, port, size, val));
}

enum step cpu_in(struct cpu *c, u16 port, u8 size, u64 *val)
{
	u32 v = 0;

	if (!in_in_kernel(c, port, size, &v))
		return pio_exit_waiting(c, port, size, 1, true);
	*val = v;
	return STEP_NEXT;
}

static bool out_in_kernel(struct cpu *c, u16 port, u8 size, u32 val)
{
	struct vm *vm = c->vcpu->vm;

	if (irqchip_pio_write(c, port, size, val))
		return counted(c, true);
	if (!ioeventfd_write(vm, true, port, size, val) &&
	    !coalesced_write(vm, true, port, &val, size))
		return counted(c, false);
	TRANSLATOR(c, epoch);	/* a doorbell: the device may write code */
	return counted(c, true);
}

/* KVM: some VMMs expect RIP to have moved on at an exit for this port. */
static bool advances_before_exit(const struct cpu *c, u16 port)
{
	return port == PORT_7E &&
	       !(READ_ONCE(c->vcpu->vm->arch->disabled_quirks) & KVM_X86_QUIRK_OUT_7E_INC_RIP);
}

static u32 cut_to_size(u64 val, u8 size)
{
	return size == 4 ? (u32)val : (u32)val & (BIT(size * 8) - 1);
}

static void put_data(void *to, u32 v, u8 size)
{
	switch (size) {
	case 1:
		memcpy(to, &v, 1);
		break;
	case 2:
		memcpy(to, &v, 2);
		break;
	default:
		memcpy(to, &v, 4);
	}
}

enum step cpu_out(struct cpu *c, u16 port, u8 size, u64 val)
{
	u32 v = cut_to_size(val, size);

	if (out_in_kernel(c, port, size, v))
		return STEP_NEXT;
	put_data(c->vcpu->pio_data, v, size);
	if (!advances_before_exit(c, port))
		return pio_exit_waiting(c, port, size, 1, false);
	pio_exit(c, port, size, 1, false);
	note_io_breakpoints(c, port, size);
	return STEP_EXIT_DONE;
}

/* -- Completion ----------------------------------------------------------------------- */

/* The instruction is over: what the loop does after STEP_NEXT, but here. */
static enum step pio_finish(struct cpu *c)
{
	u64 rip = c->rip + c->pio.insn_len;

	c->pio.waiting = false;
	c->rip = c->code_size == 8 ? rip : c->code_size == 4 ? (u32)rip : (u16)rip;
	c->rflags &= ~X86_EFLAGS_RF;
	c->ev.shadow = 0;
	if (likely(!cpu_debug_active(c) && !c->pending_db && !c->pmu_active))
		return STEP_JUMP;
	note_io_breakpoints(c, c->pio.port, c->pio.size);
	return cpu_insn_completed(c);
}

static enum step ins_store(struct cpu *c, u8 asz, u8 size, u64 v)
{
	u64 lin;

	TRY(cpu_seg_linear(c, ES, reg_get(c, GPR_OFF(RDI), asz), size, true, &lin));
	return mem_write_size(c, lin, size, v);
}

/* Stores what userspace has provided, as far as rCX now goes. */
static enum step ins_complete(struct cpu *c)
{
	struct pio *p = &c->pio;
	enum step step;

	while (p->done < p->count && (!p->rep || string_count(c, p->asz))) {
		u64 v = 0;

		memcpy(&v, c->vcpu->pio_data + p->done * p->size, p->size);
		step = ins_store(c, p->asz, p->size, v);
		if (step != STEP_NEXT) {
			p->waiting = step == STEP_EXIT;
			if (step == STEP_FAULT)
				mmio_retire(c);
			return step;
		}
		mmio_retire(c);
		string_advance(c, GPR_OFF(RDI), p->asz, p->size, 1);
		if (p->rep)
			string_commit(c, p->asz, 1);
		p->done++;
	}
	if (!p->rep || !string_count(c, p->asz))
		return pio_finish(c);
	p->waiting = false;
	c->ev.shadow = 0;
	note_io_breakpoints(c, p->port, p->size);
	return cpu_iteration_completed(c);
}

enum step pio_complete(struct cpu *c)
{
	struct pio *p = &c->pio;
	u64 v = 0;

	if (likely(!p->waiting))
		return STEP_NEXT;
	if (linear_rip(c) != p->linear_rip) {
		p->waiting = false;
		mmio_retire(c);
		return STEP_NEXT;
	}
	c->insn = NULL;
	if (p->string)
		return ins_complete(c);
	if (p->in) {
		memcpy(&v, c->vcpu->pio_data, p->size);
		reg_set(c, GPR_OFF(RAX), p->size, v);
	}
	return pio_finish(c);
}

/* -- IN and OUT ------------------------------------------------------------------------- */

static u16 insn_port(struct cpu *c, const struct insn *in)
{
	return in->rm == GPR_OFF(RDX) ? (u16)c->gpr[RDX] : (u8)in->imm;
}

enum step op_in(struct cpu *c, const struct insn *in)
{
	u16 port = insn_port(c, in);
	u64 v = 0;

	TRY(cpu_check_io(c, port, in->src_size));
	TRY(cpu_in(c, port, in->src_size, &v));
	note_io_breakpoints(c, port, in->src_size);
	reg_set(c, GPR_OFF(RAX), in->src_size, v);
	return STEP_NEXT;
}

enum step op_out(struct cpu *c, const struct insn *in)
{
	u16 port = insn_port(c, in);

	TRY(cpu_check_io(c, port, in->src_size));
	TRY(cpu_out(c, port, in->src_size, c->gpr[RAX]));
	note_io_breakpoints(c, port, in->src_size);
	return STEP_NEXT;
}

/* -- INS and OUTS ------------------------------------------------------------------------- */

/* One element is done; repeated ones let the loop look at events. */
static enum step string_io_next(struct cpu *c, const struct insn *in)
{
	if (!string_repeats(in))
		return STEP_NEXT;
	string_commit(c, in->asz, 1);
	return string_count(c, in->asz) ? STEP_AGAIN : STEP_NEXT;
}

static u32 bytes_to_page_end(u64 addr, bool down)
{
	return down ? addr & ~PAGE_MASK : PAGE_SIZE - (addr & ~PAGE_MASK);
}

/*
 * KVM: as many elements as fit the batch, but not more than the page has bytes.
 * What a page fault keeps from being stored the device would not give again.
 */
static u32 ins_batch(struct cpu *c, const struct insn *in, u8 size, u64 lin)
{
	const bool down = c->rflags & X86_EFLAGS_DF;
	u32 bytes = bytes_to_page_end(c->gpr[RDI], down);
	u32 room = bytes_to_page_end(lin, down);
	u64 count = string_count(c, in->asz);
	gpa_t gpa;

	if (!string_repeats(in) || traps_each(c, (u16)c->gpr[RDX], size))
		return 1;
	count = MIN(count, MIN(bytes, (u32)PIO_DATA_MAX / size));
	if (count * size > room && !mmu_translate(c, down ? lin - room - 1 : lin + room, &gpa))
		count = room / size;
	return count ? (u32)count : 1;
}

enum step op_ins(struct cpu *c, const struct insn *in)
{
	u8 size = MIN(in->osz, 4);
	u16 port = (u16)c->gpr[RDX];
	u64 lin;
	u32 v = 0;

	TRY(cpu_check_io(c, port, size));
	if (string_repeats(in) && !string_count(c, in->asz))
		return STEP_NEXT;
	/* A destination that faults does so before the device is asked. */
	TRY(cpu_seg_linear(c, ES, reg_get(c, GPR_OFF(RDI), in->asz), size, true, &lin));
	TRY(mem_probe(c, lin, size, true));
	if (!in_in_kernel(c, port, size, &v)) {
		pio_exit_waiting(c, port, size, ins_batch(c, in, size, lin), true);
		c->pio.string = true;
		c->pio.asz = in->asz;
		c->pio.rep = string_repeats(in);
		return STEP_EXIT;
	}
	TRY(mem_write_size(c, lin, size, v));
	note_io_breakpoints(c, port, size);
	string_advance(c, GPR_OFF(RDI), in->asz, size, 1);
	return string_io_next(c, in);
}

enum step op_outs(struct cpu *c, const struct insn *in)
{
	u8 size = MIN(in->osz, 4);
	u16 port = (u16)c->gpr[RDX];
	u64 v, lin;

	TRY(cpu_check_io(c, port, size));
	if (string_repeats(in) && !string_count(c, in->asz))
		return STEP_NEXT;
	TRY(cpu_seg_linear(c, in->seg, reg_get(c, GPR_OFF(RSI), in->asz), size, false, &lin));
	TRY(mem_read_size(c, lin, size, &v));
	note_io_breakpoints(c, port, size);
	string_advance(c, GPR_OFF(RSI), in->asz, size, 1);
	if (out_in_kernel(c, port, size, (u32)v))
		return string_io_next(c, in);

	/* KVM: after the last one too, RIP stays: it ends when rCX is found 0. */
	memcpy(c->vcpu->pio_data, &v, size);
	pio_exit(c, port, size, 1, false);
	if (!string_repeats(in))
		return STEP_EXIT_DONE;
	string_commit(c, in->asz, 1);
	return string_count(c, in->asz) ? STEP_EXIT_AGAIN : STEP_EXIT;
}
