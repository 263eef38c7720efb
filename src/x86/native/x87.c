/* SPDX-License-Identifier: MIT */
/*
 * x87 instructions: the guest's state goes into the host's FPU and back by
 * FXRSTOR and FXSAVE around each.  They run on a copy of the image, which is
 * committed when nothing can fault any more.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/mmu/access.h"
#include "x86/native/check.h"

/* The FXSAVE64 image (SDM vol. 1 table 10-3). */
struct x87_image {
	_Alignas(64) u16 fcw;
	u16 fsw;
	u8 ftw, reserved;
	u16 fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[8][16];
	u8 rest[352];
};
_Static_assert(sizeof(struct x87_image) == 512, "FXSAVE area");
enum { X87_BYTES = 160 };	/* up to and with the registers */

#define FSW_ES		0x0080u
#define FSW_TOP_SHIFT	11
#define FCW_INIT	0x037fu

void x87_set_top(struct fpu *f, u32 top)
{
	struct x87_image *i = (struct x87_image *)f->fxsave;
	u32 turn = top - (i->fsw >> FSW_TOP_SHIFT);
	u8 st[8][16];

	/* ST(n) is physical register TOP + n. */
	memcpy(st, i->st, sizeof(st));
	for (u32 n = 0; n < 8; n++)
		memcpy(i->st[n], st[(n + turn) & 7], 16);
	i->fsw = (i->fsw & ~(7u << FSW_TOP_SHIFT)) | top << FSW_TOP_SHIFT;
	f->xinuse |= XFEATURE_X87;
}

void mmx_enter_slow(struct fpu *f)
{
	x87_set_top(f, 0);
	f->fxsave[4] = 0xff;
}

/*
 * Back to an empty stack and the host's control word, as the ABI has it at
 * function boundaries.  FNINIT is slow: only when EMMS could raise what the
 * guest left pending, or the host's control word unmasks something.
 */
static void x87_leave(const struct x87_image *i, u16 host_fcw)
{
	if (unlikely((i->fsw & FSW_ES) || host_fcw != FCW_INIT)) {
		asm volatile("fninit; fldcw %0" : : "m"(host_fcw));
		return;
	}
	asm volatile("emms");
	if (i->fcw != FCW_INIT)
		asm volatile("fldcw %0" : : "m"(host_fcw));
}

/* Runs @in on @i, a copy of the guest's image. */
static void x87_execute(struct cpu *c, const struct insn *in,
			struct x87_image *i, void *mem)
{
	u16 host_fcw;

	memcpy(i, c->fpu.fxsave, X87_BYTES);
	/* FXRSTOR loads MXCSR too: let it load what is there. */
	asm volatile("stmxcsr %0; fnstcw %1" : "=m"(i->mxcsr), "=m"(host_fcw));
	((thunk_fn)in->aux)(i, mem, NULL, NULL, c);
	x87_leave(i, host_fcw);
}

static void x87_commit(struct cpu *c, const struct insn *in, struct x87_image *i)
{
	const struct x87_image *old = (struct x87_image *)c->fpu.fxsave;

	i->fip = c->rip;
	i->fop = (u16)in->imm;
	i->fdp = in->flags & INSN_MEM ? insn_offset(c, in) : old->fdp;
	if (in->sub & NATIVE_CONTROL) {
		i->fip = old->fip;
		i->fop = old->fop;
		i->fdp = old->fdp;
	} else {
		c->fpu.fcs = c->seg[CS].selector;
		if (in->flags & INSN_MEM)
			c->fpu.fds = c->seg[in->seg].selector;
	}
	memcpy(c->fpu.fxsave, i, X87_BYTES);
	c->fpu.xinuse |= XFEATURE_X87;
}

static enum step op_x87_reg(struct cpu *c, const struct insn *in)
{
	struct x87_image i;

	TRY(native_check(c, CHECK_X87));
	x87_execute(c, in, &i, NULL);
	x87_commit(c, in, &i);
	return STEP_NEXT;
}

static enum step op_x87_load(struct cpu *c, const struct insn *in)
{
	_Alignas(16) u8 stage[16];
	struct x87_image i;
	u64 lin;

	TRY(native_check(c, CHECK_X87));
	TRY(insn_linear(c, in, in->src_size, false, &lin));
	TRY(mem_read(c, lin, stage, in->src_size));
	x87_execute(c, in, &i, stage);
	x87_commit(c, in, &i);
	return STEP_NEXT;
}

/*
 * An unmasked exception may keep a store from being made, which only a second
 * run over another background tells.
 */
static bool x87_stored(struct cpu *c, const struct insn *in,
		       struct x87_image *i, const u8 *stage)
{
	_Alignas(16) u8 again[16];

	if (!(i->fsw & FSW_ES))
		return true;
	memset(again, 0xff, sizeof(again));
	x87_execute(c, in, i, again);
	return !memcmp(stage, again, in->src_size);
}

static enum step op_x87_store(struct cpu *c, const struct insn *in)
{
	_Alignas(16) u8 stage[16] = { 0 };
	struct x87_image i;
	u64 lin;

	TRY(native_check(c, CHECK_X87));
	TRY(insn_linear(c, in, in->src_size, true, &lin));
	x87_execute(c, in, &i, stage);
	/* A page fault comes before a numeric exception (SDM vol. 3A 6.9). */
	if (x87_stored(c, in, &i, stage))
		TRY(mem_write(c, lin, stage, in->src_size));
	else
		TRY(mem_probe(c, lin, in->src_size, true));
	x87_commit(c, in, &i);
	return STEP_NEXT;
}

op_fn x87_handler(enum native_mem mem)
{
	static const op_fn table[NR_MEMS] = {
		op_x87_reg, op_x87_load, op_x87_store,
	};

	return table[mem];
}
