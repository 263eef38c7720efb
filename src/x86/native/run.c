/* SPDX-License-Identifier: MIT */
/*
 * Handlers of MMX, SSE, AVX and general-register data instructions: checks,
 * memory operand to and from a staging buffer, thunk between.
 */
#include "x86/native/thunk.h"

#include <string.h>

#include "x86/mmu/access.h"
#include "x86/native/check.h"

/* -- MXCSR and SIMD floating-point exceptions (SDM vol. 1 11.5) ---------------- */

#define MXCSR_FLAGS	0x003fu
#define MXCSR_MASKS	0x1f80u
#define MXCSR_UM	0x0800u
#define MXCSR_FZ	0x8000u
#define MXCSR_MM	0x20000u	/* AMD: misaligned SSE allowed */
#define MXCSR_PRE	0x0007u		/* IE, DE, ZE: found before computing */

static inline u32 host_mxcsr(void)
{
	u32 v;

	asm volatile("stmxcsr %0" : "=m"(v) : : "memory");
	return v;
}

static inline void set_host_mxcsr(u32 v)
{
	asm volatile("ldmxcsr %0" : : "m"(v) : "memory");
}

static inline void call_thunk(struct cpu *c, const struct insn *in, void *mem)
{
	const struct native_operands *o = native_operands(in);
	u8 *b = (u8 *)c;

	((thunk_fn)in->aux)(b + o->reg, mem ? mem : b + o->rm, b + o->is4,
			    b + o->vvvv, c);
}

/* Bytes of the register operand at offset @off of struct cpu. */
static u32 operand_size(u16 off)
{
	if (off >= VEC_OFF(0))
		return 64;
	return off >= MMX_OFF(0) ? 16 : 8;
}

/* #XM, or #UD if the system did not say it handles it (CR4.OSXMMEXCPT). */
static enum step raise_simd(struct cpu *c, u32 raised)
{
	u32 unmasked = raised & ~(c->fpu.mxcsr >> 7);

	/* An exception found before computing hides those of the result. */
	if (unmasked & MXCSR_PRE)
		raised &= MXCSR_PRE;
	c->fpu.mxcsr |= raised;
	return cpu_raise(c, c->cr4 & X86_CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

/*
 * The guest has an exception unmasked: run with all masked on copies, and
 * commit only if none of those was raised.  With underflow unmasked a tiny
 * exact result raises too, which FZ makes visible.
 */
static enum step run_unmasked(struct cpu *c, const struct insn *in, void *mem)
{
	const struct native_operands *o = native_operands(in);
	u16 dest = in->sub & NATIVE_DEST_RM ? o->rm : o->reg;
	u32 guest = c->fpu.mxcsr, host = host_mxcsr(), raised, n;
	u32 run = (guest & ~MXCSR_FLAGS) | MXCSR_MASKS;
	u64 status = c->status;
	u8 saved[64];

	n = operand_size(dest);
	memcpy(saved, (u8 *)c + dest, n);
	set_host_mxcsr(guest & MXCSR_UM ? run : run | MXCSR_FZ);
	call_thunk(c, in, mem);
	raised = host_mxcsr() & MXCSR_FLAGS;
	set_host_mxcsr(host);
	if (raised & ~(guest >> 7)) {
		memcpy((u8 *)c + dest, saved, n);
		c->status = status;
		return raise_simd(c, raised);
	}
	c->fpu.mxcsr |= raised;
	return STEP_NEXT;
}

/*
 * All masked, the usual case: the host's sticky flags then follow the guest's,
 * so that MXCSR is rarely loaded.  The ABI lets a call change the flags; the
 * control bits are put back.
 */
static inline enum step run_simd(struct cpu *c, const struct insn *in, void *mem)
{
	u32 guest = c->fpu.mxcsr, host;

	if (unlikely((guest & MXCSR_MASKS) != MXCSR_MASKS))
		return run_unmasked(c, in, mem);
	host = host_mxcsr();
	if (host != guest)
		set_host_mxcsr(guest);
	call_thunk(c, in, mem);
	c->fpu.mxcsr = host_mxcsr();
	if (unlikely((host ^ guest) & ~MXCSR_FLAGS))
		set_host_mxcsr(host);
	return STEP_NEXT;
}

static inline enum step run(struct cpu *c, const struct insn *in, void *mem,
			    bool fp)
{
	if (in->sub & NATIVE_MMX)
		mmx_enter(&c->fpu);
	if (fp)
		return run_simd(c, in, mem);
	call_thunk(c, in, mem);
	return STEP_NEXT;
}

/* -- Memory operand --------------------------------------------------------------- */

static enum step misaligned(struct cpu *c, const struct insn *in)
{
	if ((c->fpu.mxcsr & MXCSR_MM) && (in->sub & NATIVE_ALIGNED) &&
	    in->src_size == 16)
		return STEP_NEXT;
	return cpu_raise_gp0(c);
}

static inline enum step check_align(struct cpu *c, const struct insn *in, u64 lin)
{
	if ((in->sub & NATIVE_ALIGNED) && unlikely(lin & (in->src_size - 1)))
		return misaligned(c, in);
	return STEP_NEXT;
}

/*
 * A source in guest memory is read by the thunk itself: should the memory be
 * gone, the guard unwinds before anything has changed.  What MXCSR.MM lets
 * pass misaligned must go through the staging buffer.
 */
static inline u8 *direct(struct cpu *c, const struct insn *in, u64 lin)
{
	if ((in->sub & NATIVE_ALIGNED) && unlikely(lin & (in->src_size - 1)))
		return NULL;
	return tlb_host_read(c, lin, in->src_size);
}

/* Constant sizes, so that the copies become moves. */
static inline enum step stage_out(struct cpu *c, u64 lin, const void *buf, u32 n)
{
	switch (n) {
	case 4: return mem_write(c, lin, buf, 4);
	case 8: return mem_write(c, lin, buf, 8);
	case 16: return mem_write(c, lin, buf, 16);
	case 32: return mem_write(c, lin, buf, 32);
	default: return mem_write(c, lin, buf, n);
	}
}

/* -- The handlers ------------------------------------------------------------------ */

static inline __attribute__((always_inline))
enum step native_run(struct cpu *c, const struct insn *in,
		     enum native_check check, enum native_mem mem, bool fp)
{
	_Alignas(64) u8 stage[64];
	u64 lin;

	TRY(native_check(c, check));
	if (mem == MEM_NONE)
		return run(c, in, NULL, fp);
	TRY(insn_linear(c, in, in->src_size, mem == MEM_STORE, &lin));
	TRY(check_align(c, in, lin));
	if (mem == MEM_LOAD) {
		u8 *src = direct(c, in, lin);

		if (likely(src))
			return run(c, in, src, fp);
		TRY(mem_read(c, lin, stage, in->src_size));
		return run(c, in, stage, fp);
	}
	/* Stores change no register but MXCSR or the x87 tags. */
	if (fp || (in->sub & NATIVE_MMX))
		TRY(mem_probe(c, lin, in->src_size, true));
	TRY(run(c, in, stage, fp));
	return stage_out(c, lin, stage, in->src_size);
}

#define DEFINE_NATIVE(check, mem, fp)						\
static enum step op_native_##check##_##mem##_##fp(struct cpu *c,			\
						  const struct insn *in)	\
{										\
	return native_run(c, in, CHECK_##check, MEM_##mem, fp);			\
}
#define DEFINE_CHECK(check)		\
	DEFINE_NATIVE(check, NONE, 0)	\
	DEFINE_NATIVE(check, LOAD, 0)	\
	DEFINE_NATIVE(check, STORE, 0)
#define DEFINE_CHECK_FP(check)		\
	DEFINE_CHECK(check)		\
	DEFINE_NATIVE(check, NONE, 1)	\
	DEFINE_NATIVE(check, LOAD, 1)	\
	DEFINE_NATIVE(check, STORE, 1)

DEFINE_CHECK(NONE)
DEFINE_CHECK(BMI)
DEFINE_CHECK(MMX)
DEFINE_CHECK_FP(SSE)
DEFINE_CHECK_FP(AVX)
DEFINE_CHECK_FP(MMX_SSE)

#define ROW(check, fp)							\
	{ op_native_##check##_NONE_##fp, op_native_##check##_LOAD_##fp,	\
	  op_native_##check##_STORE_##fp }

op_fn native_handler(enum native_check check, enum native_mem mem, bool fp)
{
	static const op_fn table[NR_CHECKS][2][NR_MEMS] = {
		[CHECK_NONE] = { ROW(NONE, 0) },
		[CHECK_BMI] = { ROW(BMI, 0) },
		[CHECK_SSE] = { ROW(SSE, 0), ROW(SSE, 1) },
		[CHECK_AVX] = { ROW(AVX, 0), ROW(AVX, 1) },
		[CHECK_MMX] = { ROW(MMX, 0) },
		[CHECK_MMX_SSE] = { ROW(MMX_SSE, 0), ROW(MMX_SSE, 1) },
	};

	return table[check][fp][mem];
}
