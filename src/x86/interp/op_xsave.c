/* SPDX-License-Identifier: MIT */
/* FXSAVE and the XSAVE family (SDM vol. 1 10.5 and 13.7 to 13.12). */
#include <string.h>

#include <Zydis/Zydis.h>

#include "x86/cpu/xsave.h"
#include "x86/cpu/protect.h"
#include "x86/interp/exec.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"

enum { XSAVE_MAX = XSAVE_YMM + 256, PKRU_SIZE = 8, ACCESS_MAX = 64 };

#define VECTORS	((u64)(XFEATURE_SSE | XFEATURE_YMM))

static enum step write_bytes(struct cpu *c, u64 lin, const u8 *image, u32 from,
			     u32 to)
{
	for (u32 n; from < to; from += n) {
		n = MIN(to - from, (u32)ACCESS_MAX);
		TRY(mem_write(c, lin + from, image + from, n));
	}
	return STEP_NEXT;
}

static enum step read_bytes(struct cpu *c, u64 lin, u8 *image, u32 from, u32 to)
{
	for (u32 n; from < to; from += n) {
		n = MIN(to - from, (u32)ACCESS_MAX);
		TRY(mem_read(c, lin + from, image + from, n));
	}
	return STEP_NEXT;
}

static bool wide_pointers(const struct insn *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_FXSAVE64:
	case ZYDIS_MNEMONIC_FXRSTOR64:
	case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEOPT64:
	case ZYDIS_MNEMONIC_XSAVEC64:
	case ZYDIS_MNEMONIC_XSAVES64:
	case ZYDIS_MNEMONIC_XRSTOR64:
	case ZYDIS_MNEMONIC_XRSTORS64:
		return true;
	default:
		return false;
	}
}

/* A pointer of 32 bits with its selector, which Intel's processors store as 0. */
static void put_selector(const struct cpu *c, u8 *pointer, u16 sel)
{
	u32 field = cpu_amd_like(c) ? sel : 0;

	memcpy(pointer + 4, &field, 4);
}

/*
 * Of the pointers (SDM vol. 1 table 10-2) AMD's processors store zeros unless an
 * exception is pending.
 */
static void put_pointers(const struct cpu *c, const struct insn *in, u8 *image)
{
	if (cpu_amd_like(c) && !(image[FXSAVE_FSW] & FSW_ES)) {
		memset(image + FXSAVE_FOP, 0, FXSAVE_MXCSR - FXSAVE_FOP);
	} else if (!wide_pointers(in)) {
		put_selector(c, image + FXSAVE_FIP, c->fpu.fcs);
		put_selector(c, image + FXSAVE_FDP, c->fpu.fds);
	}
}

/* From bit 56 on. */
static void extend_pointer(u8 *pointer)
{
	s64 v;

	memcpy(&v, pointer, 8);
	v = (s64)((u64)v << 7) >> 7;
	memcpy(pointer, &v, 8);
}

/* What fpu_get_x87() makes of the image is that of wide pointers. */
static void load_x87(struct cpu *c, const struct insn *in, u8 *image)
{
	u16 fcs, fds;

	if (wide_pointers(in)) {
		if (cpu_amd_like(c)) {
			extend_pointer(image + FXSAVE_FIP);
			extend_pointer(image + FXSAVE_FDP);
		}
		fpu_get_x87(&c->fpu, image);
		return;
	}
	memcpy(&fcs, image + FXSAVE_FIP + 4, 2);
	memcpy(&fds, image + FXSAVE_FDP + 4, 2);
	memset(image + FXSAVE_FIP + 4, 0, 4);
	memset(image + FXSAVE_FDP + 4, 0, 4);
	fpu_get_x87(&c->fpu, image);
	c->fpu.fcs = fcs;
	c->fpu.fds = fds;
}

/* -- FXSAVE and FXRSTOR -------------------------------------------------------------- */

static enum step fx_linear(struct cpu *c, const struct insn *in, bool write,
			   u64 *lin)
{
	TRY(insn_linear(c, in, 512, write, lin));
	if (cpu_amd_like(c))
		TRY(mem_check_alignment(c, *lin, 4));
	if (*lin & 15)
		return cpu_raise_gp0(c);
	return mem_probe(c, *lin, 512, write);
}

enum step exec_fxsave(struct cpu *c, const struct insn *in)
{
	u8 image[512] = { 0 };
	u64 lin;

	TRY(fx_linear(c, in, true, &lin));
	fpu_put_fxsave(&c->fpu, image);
	put_pointers(c, in, image);
	return write_bytes(c, lin, image, 0, FXSAVE_XMM + 16 * cpu_vec_regs(c));
}

enum step exec_fxrstor(struct cpu *c, const struct insn *in)
{
	u8 image[512];
	u32 mxcsr;
	u64 lin;

	TRY(fx_linear(c, in, false, &lin));
	TRY(read_bytes(c, lin, image, 0, sizeof(image)));
	memcpy(&mxcsr, image + FXSAVE_MXCSR, 4);
	if (mxcsr & ~fpu_mxcsr_mask())
		return cpu_raise_gp0(c);
	c->fpu.mxcsr = mxcsr;
	load_x87(c, in, image);
	fpu_get_sse(&c->fpu, image, cpu_vec_regs(c));
	return STEP_NEXT;
}

/* -- XSAVE ------------------------------------------------------------------------------ */

static u64 requested(const struct cpu *c)
{
	return (u32)c->gpr[RAX] | c->gpr[RDX] << 32;
}

static enum step xsave_linear(struct cpu *c, const struct insn *in, u32 size,
			      bool write, u64 *lin)
{
	TRY(insn_linear(c, in, size, write, lin));
	return *lin & 63 ? cpu_raise_gp0(c) : STEP_NEXT;
}

static u32 pkru_offset(u64 comp)
{
	if (!(comp & XCOMP_COMPACTED))
		return fpu_pkru_offset();
	return comp & XFEATURE_YMM ? XSAVE_PKRU_COMPACT : XSAVE_YMM;
}

/* Of components @mask in the format of @comp, which is XCOMP_BV. */
static u32 xsave_size(u64 mask, u64 comp)
{
	u32 size = mask & XFEATURE_YMM ? XSAVE_MAX : XSAVE_MIN;

	if (mask & XFEATURE_PKRU)
		size = MAX(size, pkru_offset(comp) + PKRU_SIZE);
	return size;
}

/*
 * Writes the components of @save, MXCSR if @mxcsr, and the header, XCOMP_BV
 * only if the format has it: other bytes of the area stay.
 */
static enum step write_area(struct cpu *c, const struct insn *in, u64 lin,
			    u8 *image, u64 save, bool mxcsr, u64 comp)
{
	u32 header = comp & XCOMP_COMPACTED ? 16 : 8;
	u32 regs = cpu_vec_regs(c);

	fpu_put_fxsave(&c->fpu, image);
	fpu_put_ymm(&c->fpu, image + XSAVE_YMM);
	put_pointers(c, in, image);
	if (save & XFEATURE_X87) {
		TRY(write_bytes(c, lin, image, 0, FXSAVE_MXCSR));
		TRY(write_bytes(c, lin, image, FXSAVE_ST, FXSAVE_XMM));
	}
	if (mxcsr)
		TRY(write_bytes(c, lin, image, FXSAVE_MXCSR, FXSAVE_ST));
	if (save & XFEATURE_SSE)
		TRY(write_bytes(c, lin, image, FXSAVE_XMM, FXSAVE_XMM + 16 * regs));
	if (save & XFEATURE_YMM)
		TRY(write_bytes(c, lin, image, XSAVE_YMM, XSAVE_YMM + 16 * regs));
	if (save & XFEATURE_PKRU)
		TRY(mem_write64(c, lin + pkru_offset(comp), c->fpu.pkru));
	memcpy(image + XSAVE_XCOMP_BV, &comp, 8);
	return write_bytes(c, lin, image, XSAVE_XSTATE_BV, XSAVE_XSTATE_BV + header);
}

/* XSAVE and XSAVEOPT: the standard format, bits outside RFBM kept. */
static enum step xsave_standard(struct cpu *c, const struct insn *in, bool optimise)
{
	u64 use = fpu_xinuse(&c->fpu), rfbm, bv, lin;
	u8 image[XSAVE_MAX] = { 0 };
	u32 size;

	rfbm = requested(c) & c->xcr0;
	size = xsave_size(rfbm, 0);
	TRY(xsave_linear(c, in, size, true, &lin));
	TRY(mem_probe(c, lin, size, true));
	TRY(mem_read64(c, lin + XSAVE_XSTATE_BV, &bv));
	bv = (bv & ~rfbm) | (use & rfbm);
	memcpy(image + XSAVE_XSTATE_BV, &bv, 8);
	return write_area(c, in, lin, image, optimise ? rfbm & use : rfbm,
			  rfbm & VECTORS, 0);
}

enum step exec_xsave(struct cpu *c, const struct insn *in)
{
	return xsave_standard(c, in, false);
}

enum step exec_xsaveopt(struct cpu *c, const struct insn *in)
{
	return xsave_standard(c, in, true);
}

/* XSAVEC and XSAVES: compacted, init-optimised. */
static enum step xsave_compacted(struct cpu *c, const struct insn *in,
				 bool supervisor)
{
	u64 rfbm, bv, comp, lin;
	u8 image[XSAVE_MAX] = { 0 };
	u32 size;

	rfbm = requested(c) & (c->xcr0 | (supervisor ? c->xss : 0));
	comp = rfbm | XCOMP_COMPACTED;
	size = xsave_size(rfbm, comp);
	TRY(xsave_linear(c, in, size, true, &lin));
	TRY(mem_probe(c, lin, size, true));
	bv = fpu_xinuse(&c->fpu) & rfbm;
	memcpy(image + XSAVE_XSTATE_BV, &bv, 8);
	return write_area(c, in, lin, image, bv, bv & XFEATURE_SSE, comp);
}

enum step exec_xsavec(struct cpu *c, const struct insn *in)
{
	return xsave_compacted(c, in, false);
}

enum step exec_xsaves(struct cpu *c, const struct insn *in)
{
	return xsave_compacted(c, in, true);
}

/* -- XRSTOR ---------------------------------------------------------------------------- */

struct xrstor {
	u64 rfbm, bv, comp;
	bool compacted;
	u64 pkru;
	u8 image[XSAVE_MAX];
};

static bool zero(const u8 *b, u32 from, u32 to)
{
	while (from < to)
		if (b[from++])
			return false;
	return true;
}

/* SDM vol. 1 13.8: all causes of #GP(0) in the header. */
static bool header_ok(const struct cpu *c, struct xrstor *x, u64 allowed,
		      bool supervisor)
{
	memcpy(&x->bv, x->image + XSAVE_XSTATE_BV, 8);
	memcpy(&x->comp, x->image + XSAVE_XCOMP_BV, 8);
	x->compacted = x->comp & XCOMP_COMPACTED;
	if (!x->compacted)
		return !supervisor && !(x->bv & ~c->xcr0) &&
		       zero(x->image, XSAVE_XCOMP_BV, XSAVE_XCOMP_BV + 16);
	return !(x->comp & ~XCOMP_COMPACTED & ~allowed) &&
	       !(x->bv & ~x->comp) && !(x->bv & XCOMP_COMPACTED) &&
	       zero(x->image, XSAVE_XCOMP_BV + 8, XSAVE_MIN);
}

/* MXCSR to be; false if reserved bits are set (SDM vol. 1 13.8.1, 13.8.2). */
static bool new_mxcsr(const struct cpu *c, const struct xrstor *x, u32 *mxcsr)
{
	*mxcsr = c->fpu.mxcsr;
	if (x->compacted ? x->rfbm & x->bv & XFEATURE_SSE : x->rfbm & VECTORS) {
		memcpy(mxcsr, x->image + FXSAVE_MXCSR, 4);
		return !(*mxcsr & ~fpu_mxcsr_mask());
	}
	if (x->compacted && (x->rfbm & XFEATURE_SSE))
		*mxcsr = MXCSR_INIT;
	return true;
}

static void restore(struct cpu *c, const struct insn *in, struct xrstor *x)
{
	u64 load = x->rfbm & x->bv;
	u32 regs = cpu_vec_regs(c), old_pkru = c->fpu.pkru;

	fpu_init_components(&c->fpu, x->rfbm & ~x->bv, regs);
	if (load & XFEATURE_X87)
		load_x87(c, in, x->image);
	if (load & XFEATURE_SSE)
		fpu_get_sse(&c->fpu, x->image, regs);
	if (load & XFEATURE_YMM)
		fpu_get_ymm(&c->fpu, x->image + XSAVE_YMM, regs);
	if (x->rfbm & XFEATURE_PKRU) {
		c->fpu.pkru = (u32)x->pkru;
		mmu_pkru_changed(c, old_pkru);
	}
}

/* AMD's processors look at all that is asked for, initial or not; not if it is compacted. */
static enum step probe_rest(struct cpu *c, const struct insn *in, const struct xrstor *x,
			    u64 lin)
{
	u32 size = xsave_size(x->rfbm, 0);
	u64 comp;

	memcpy(&comp, x->image + XSAVE_XCOMP_BV, 8);
	if (comp & XCOMP_COMPACTED)
		return STEP_NEXT;
	TRY(xsave_linear(c, in, size, false, &lin));
	return mem_probe(c, lin, size, false);
}

static enum step xrstor(struct cpu *c, const struct insn *in, bool supervisor)
{
	struct xrstor x;
	u64 allowed, lin;
	u32 mxcsr;

	x.pkru = 0;
	allowed = c->xcr0 | (supervisor ? c->xss : 0);
	x.rfbm = requested(c) & allowed;
	TRY(xsave_linear(c, in, XSAVE_MIN, false, &lin));
	TRY(read_bytes(c, lin, x.image, 0, XSAVE_MIN));
	if (cpu_amd_like(c))
		TRY(probe_rest(c, in, &x, lin));
	if (!header_ok(c, &x, allowed, supervisor) || !new_mxcsr(c, &x, &mxcsr))
		return cpu_raise_gp0(c);
	if (x.rfbm & x.bv & XFEATURE_YMM)
		TRY(read_bytes(c, lin, x.image, XSAVE_YMM, XSAVE_MAX));
	if (x.rfbm & x.bv & XFEATURE_PKRU)
		TRY(mem_read64(c, lin + pkru_offset(x.comp), &x.pkru));
	c->fpu.mxcsr = mxcsr;
	restore(c, in, &x);
	return STEP_NEXT;
}

enum step exec_xrstor(struct cpu *c, const struct insn *in)
{
	return xrstor(c, in, false);
}

enum step exec_xrstors(struct cpu *c, const struct insn *in)
{
	return xrstor(c, in, true);
}

/* XGETBV: XCR0, or with ECX = 1 the components in use. */
enum step exec_xgetbv(struct cpu *c, const struct insn *in)
{
	u32 index = (u32)c->gpr[RCX];
	u64 v;

	if (index > 1)
		return cpu_raise_gp0(c);
	v = index ? c->xcr0 & fpu_xinuse(&c->fpu) : c->xcr0;
	c->gpr[RAX] = (u32)v;
	c->gpr[RDX] = v >> 32;
	return STEP_NEXT;
}
