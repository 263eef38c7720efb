/* SPDX-License-Identifier: MIT */
/* Layout of FXSAVE and XSAVE areas (SDM vol. 1 10.5.1, 13.4) and their parts. */
#ifndef ANYKVM_X86_CPU_XSAVE_H
#define ANYKVM_X86_CPU_XSAVE_H

#include "x86/cpu/state.h"

enum {
	FXSAVE_FCW		= 0,
	FXSAVE_FSW		= 2,
	FXSAVE_FTW		= 4,
	FXSAVE_FOP		= 6,
	FXSAVE_FIP		= 8,
	FXSAVE_FDP		= 16,
	FXSAVE_MXCSR		= 24,
	FXSAVE_MXCSR_MASK	= 28,
	FXSAVE_ST		= 32,
	FXSAVE_XMM		= 160,
	XSAVE_XSTATE_BV		= 512,
	XSAVE_XCOMP_BV		= 520,
	XSAVE_MIN		= 576,	/* legacy region and header */
	XSAVE_YMM		= 576,	/* its offset in both formats, 256 bytes */
	XSAVE_PKRU_COMPACT	= 832,	/* behind YMM; without it, XSAVE_YMM */
};

#define MXCSR_INIT		0x1f80u
#define FCW_INIT		0x037fu
#define FCW_WRITABLE		0x1f3fu
#define FCW_FIXED		0x0040u
#define FCW_MASKS		0x003fu
#define FSW_FLAGS		0x003fu	/* IE DE ZE OE UE PE */
#define FSW_ES			0x0080u
#define FSW_B			0x8000u
#define XCOMP_COMPACTED		BIT_ULL(63)

u32 fpu_mxcsr_mask(void);
/* In the standard format: the host's, or if it has none right behind YMM. */
u32 fpu_pkru_offset(void);
/* XINUSE, as exact as it can be told. */
u64 fpu_xinuse(const struct fpu *f);
/*
 * Components of @mask to their initial state, of vectors the first @regs
 * registers (8 outside 64-bit code).  MXCSR is left alone.
 */
void fpu_init_components(struct fpu *f, u64 mask, u32 regs);
void fpu_init_x87(struct fpu *f);
void fpu_update_es(struct fpu *f);

/* Whole legacy region but its reserved bytes; x87 without MXCSR; YMM_Hi128. */
void fpu_put_fxsave(const struct fpu *f, u8 *image);
void fpu_put_x87(const struct fpu *f, u8 *image);
void fpu_put_sse(const struct fpu *f, u8 *image);
void fpu_put_mxcsr(const struct fpu *f, u8 *image);
void fpu_put_ymm(const struct fpu *f, u8 *area);
void fpu_get_x87(struct fpu *f, const u8 *image);
void fpu_get_sse(struct fpu *f, const u8 *image, u32 regs);
void fpu_get_ymm(struct fpu *f, const u8 *area, u32 regs);

/* XMM8-15 and their upper halves exist in 64-bit code only. */
static inline u32 cpu_vec_regs(const struct cpu *c)
{
	return cpu_code64(c) ? 16 : 8;
}

#endif
