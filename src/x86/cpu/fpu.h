/* SPDX-License-Identifier: MIT */
/*
 * The guest's x87, vector and extended state (SDM vol. 1 chapter 13), kept so
 * that a native thunk can load one vector register with one move.
 */
#ifndef ANYKVM_X86_CPU_FPU_H
#define ANYKVM_X86_CPU_FPU_H

#include "util/types.h"

struct fpu {
	/*
	 * x87 and MMX in the FXSAVE64 image (SDM vol. 1 table 10-2).  Its XMM
	 * area and its MXCSR field are not used: @vec and @mxcsr are the truth.
	 */
	_Alignas(64) u8 fxsave[512];
	_Alignas(64) u8 vec[32][64];	/* ZMM0-31; YMM, XMM are their low parts */
	u64 k[8];			/* opmask registers */
	u32 mxcsr;
	u32 pkru;
	u16 fcs, fds;			/* beside FIP and FDP; AMD's processors have them */
	/*
	 * XINUSE (SDM vol. 1 13.6): components not in initial state.  May have
	 * a bit set for a component that is in its initial state, not clear
	 * for one that is not.
	 */
	u64 xinuse;
};

/* Components, XCR0 bits. */
enum {
	XFEATURE_X87	= BIT(0),
	XFEATURE_SSE	= BIT(1),
	XFEATURE_YMM	= BIT(2),
	XFEATURE_OPMASK	= BIT(5),
	XFEATURE_ZMM_HI	= BIT(6),
	XFEATURE_ZMM_16	= BIT(7),
	XFEATURE_PKRU	= BIT(9),
};

/* A key's bits in PKRU (SDM vol. 3A 4.6.2). */
enum { PKRU_AD = BIT(0), PKRU_WD = BIT(1) };

/* XCR0 bits offered to guests: the host's, limited to what we execute. */
u64 fpu_supported_xcr0(void);

/* Power-on state (SDM vol. 3A table 10-1, FINIT column for FCW). */
void fpu_reset(struct fpu *f);

/*
 * To and from the standard (non-compacted) XSAVE image with the host's
 * CPUID.0DH offsets, as KVM_GET_XSAVE has it.  @size bytes are available.
 * Writes components of @mask; bits of XSTATE_BV follow xinuse.
 */
void fpu_to_xsave(const struct fpu *f, void *image, size_t size, u64 mask);

/* -EINVAL if the header or MXCSR is malformed (KVM_SET_XSAVE). */
int fpu_from_xsave(struct fpu *f, const void *image, size_t size);

#endif
