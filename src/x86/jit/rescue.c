/* SPDX-License-Identifier: MIT */
/*
 * The memory behind a slot has gone, and translated code has touched it.  The
 * guest's registers are those of the interrupted context; all that an
 * instruction changes it changes after its access.
 */
#include <ucontext.h>

#include "x86/cpu/xsave.h"
#include "x86/jit/rescue.h"

/* Where the context has each register, in encoding order. */
static const u8 greg[NR_GPRS] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static bool holds(const struct jit *j, const struct tu *tu, const u8 *pc)
{
	const u8 *entry = exec_of(j, tu->entry);

	return pc >= entry && pc < entry + tu->at[tu->count];
}

/* All are looked through, the dead ones too: this is rare. */
static const struct tu *tu_at(const struct jit *j, const u8 *pc)
{
	for (u32 i = 0; i < NR_BUCKETS; i++)
		for (const struct tu *tu = j->tu[i]; tu; tu = tu->hash_next)
			if (holds(j, tu, pc))
				return tu;
	return NULL;
}

static u64 rip_at(const struct jit *j, const struct tu *tu, const u8 *pc)
{
	u32 off = pc - exec_of(j, tu->entry), i = 0;

	while (tu->at[i + 1] <= off)
		i++;
	return tu->rip + tu->block->insn[i].end - tu->block->insn[i].len;
}

/* The XSAVE image of a signal frame says so in the reserved bytes of FXSAVE's. */
static u64 components(const u8 *image)
{
	const struct _fpx_sw_bytes *sw = (const void *)(image + FXSAVE_SW);
	u64 bv;

	if (sw->magic1 != FP_XSTATE_MAGIC1)
		return XFEATURE_SSE;
	memcpy(&bv, image + XSAVE_XSTATE_BV, sizeof(bv));
	return bv;
}

static void rescue_vectors(struct cpu *c, const u8 *image)
{
	u64 bv = components(image);

	memcpy(&c->fpu.mxcsr, image + FXSAVE_MXCSR, sizeof(c->fpu.mxcsr));
	fpu_init_components(&c->fpu, (XFEATURE_SSE | XFEATURE_YMM) & ~bv, 16);
	if (bv & XFEATURE_SSE)
		fpu_get_sse(&c->fpu, image, 16);
	if (bv & XFEATURE_YMM)
		fpu_get_ymm(&c->fpu, image + XSAVE_YMM, 16);
	asm volatile("ldmxcsr %0" : : "m"(c->jit_mxcsr));
}

static void rescue_x87(struct cpu *c, const u8 *image)
{
	fpu_get_x87(&c->fpu, image);
	memcpy(c->fpu.fxsave + FXSAVE_FOP, &c->jit_x87.fop, 2);
	memcpy(c->fpu.fxsave + FXSAVE_FIP, &c->jit_x87.fip, 8);
	memcpy(c->fpu.fxsave + FXSAVE_FDP, &c->jit_x87.fdp, 8);
	asm volatile("fldcw %0" : : "m"(c->jit_x87.fcw));
}

void rescue_registers(void *arg, void *ucontext)
{
	const mcontext_t *m = &((ucontext_t *)ucontext)->uc_mcontext;
	const greg_t *regs = m->gregs;
	const u8 *pc = (const u8 *)regs[REG_RIP];
	struct cpu *c = arg;
	const struct tu *tu = tu_at(c->jit, pc);

	if (!tu)
		return;
	for (u8 g = 0; g < NR_GPRS; g++)
		if (pinned[g] != NOT_PINNED)
			c->gpr[g] = regs[greg[pinned[g]]];
	c->rip = rip_at(c->jit, tu, pc);
	c->status = (c->jit_flags >> 8 & 0xff) | (c->jit_flags & 1) << 11;
	if (c->jit_vec & (VEC_SSE | VEC_AVX))
		rescue_vectors(c, (const u8 *)m->fpregs);
	if (c->jit_vec & VEC_X87)
		rescue_x87(c, (const u8 *)m->fpregs);
	c->jit_vec = 0;
}
