/* SPDX-License-Identifier: MIT */
/* Initial state and XSAVE images of the x87 and vector state (SDM vol. 1 13). */
#include "x86/cpu/fpu.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "x86/cpu/xsave.h"

void fpu_init_x87(struct fpu *f)
{
	f->fcs = f->fds = 0;
	memset(f->fxsave, 0, sizeof(f->fxsave));
	memcpy(f->fxsave + FXSAVE_FCW, &(u16){ FCW_INIT }, 2);
}

struct component {
	u32 offset, size;
};

/* CPUID is slow in a virtual machine, so it is asked once. */
static u64 supported_xcr0;
static struct component ymm;	/* in the standard format */
static u32 pkru_offset = XSAVE_PKRU_COMPACT;

static u64 host_xcr0(void)
{
	u32 a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return XFEATURE_X87 | XFEATURE_SSE;
	asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (u64)d << 32 | a;
}

__attribute__((constructor))
static void ask_host(void)
{
	u32 a, b, c, d;

	supported_xcr0 = host_xcr0() & (XFEATURE_X87 | XFEATURE_SSE | XFEATURE_YMM);
	if (__get_cpuid_count(0xd, 2, &a, &b, &c, &d))
		ymm = (struct component){ .offset = b, .size = a };
	/* Where VMMs look for PKRU.  Whether the host's kernel uses it is all one. */
	if (__get_cpuid_count(0xd, 9, &a, &b, &c, &d) && a && b >= XSAVE_MIN &&
	    b + 8 <= PAGE_SIZE) {
		pkru_offset = b;
		supported_xcr0 |= XFEATURE_PKRU;
	}
}

u32 fpu_pkru_offset(void)
{
	return pkru_offset;
}

u64 fpu_supported_xcr0(void)
{
	return supported_xcr0;
}

/*
 * Bits of MXCSR that exist (SDM vol. 1 11.6.6): the mask that the host's
 * FXSAVE reports, or the default if it reports none.
 */
u32 fpu_mxcsr_mask(void)
{
	_Alignas(16) u8 image[512] = { 0 };
	static u32 cached;
	u32 mask = READ_ONCE(cached);

	if (mask)
		return mask;
	asm volatile("fxsave64 %0" : "+m"(image));
	memcpy(&mask, image + FXSAVE_MXCSR_MASK, 4);
	if (!mask)
		mask = 0xffbf;
	WRITE_ONCE(cached, mask);
	return mask;
}

void fpu_reset(struct fpu *f)
{
	memset(f, 0, sizeof(*f));
	fpu_init_x87(f);
	f->mxcsr = MXCSR_INIT;
}

/* -- Components ------------------------------------------------------------------ */

void fpu_init_components(struct fpu *f, u64 mask, u32 regs)
{
	if (mask & XFEATURE_X87)
		fpu_init_x87(f);
	if (mask & XFEATURE_SSE)
		for (u32 n = 0; n < regs; n++)
			memset(f->vec[n], 0, 16);
	if (mask & XFEATURE_YMM)
		for (u32 n = 0; n < regs; n++)
			memset(f->vec[n] + 16, 0, 16);
	f->xinuse &= ~(regs == 16 ? mask : mask & XFEATURE_X87);
}

/* XINUSE, exact for vectors: a cleared register file is in initial state. */
u64 fpu_xinuse(const struct fpu *f)
{
	u64 sse = f->mxcsr ^ MXCSR_INIT, ymm = 0, v[4], use = f->xinuse;

	for (u32 n = 0; n < 16; n++) {
		memcpy(v, f->vec[n], sizeof(v));
		sse |= v[0] | v[1];
		ymm |= v[2] | v[3];
	}
	use &= ~(u64)(XFEATURE_SSE | XFEATURE_YMM);
	return use | (sse ? XFEATURE_SSE : 0) | (ymm ? XFEATURE_YMM : 0) |
	       (f->pkru ? XFEATURE_PKRU : 0);
}

/* -- Images ------------------------------------------------------------------------ */

void fpu_put_sse(const struct fpu *f, u8 *image)
{
	for (u32 n = 0; n < 16; n++)
		memcpy(image + FXSAVE_XMM + 16 * n, f->vec[n], 16);
}

void fpu_put_mxcsr(const struct fpu *f, u8 *image)
{
	u32 mask = fpu_mxcsr_mask();

	memcpy(image + FXSAVE_MXCSR, &f->mxcsr, 4);
	memcpy(image + FXSAVE_MXCSR_MASK, &mask, 4);
}

void fpu_put_x87(const struct fpu *f, u8 *image)
{
	memcpy(image, f->fxsave, FXSAVE_MXCSR);
	memcpy(image + FXSAVE_ST, f->fxsave + FXSAVE_ST, 128);
}

void fpu_put_fxsave(const struct fpu *f, u8 *image)
{
	fpu_put_x87(f, image);
	fpu_put_mxcsr(f, image);
	fpu_put_sse(f, image);
}

void fpu_put_ymm(const struct fpu *f, u8 *area)
{
	for (u32 n = 0; n < 16; n++)
		memcpy(area + 16 * n, f->vec[n] + 16, 16);
}

/* ES and B follow the flags and their masks (SDM vol. 1 8.1.3.3). */
void fpu_update_es(struct fpu *f)
{
	u16 fcw, fsw;

	memcpy(&fcw, f->fxsave + FXSAVE_FCW, 2);
	memcpy(&fsw, f->fxsave + FXSAVE_FSW, 2);
	fsw &= ~(FSW_ES | FSW_B);
	if (fsw & ~fcw & FSW_FLAGS)
		fsw |= FSW_ES | FSW_B;
	fcw = (fcw & FCW_WRITABLE) | FCW_FIXED;
	memcpy(f->fxsave + FXSAVE_FCW, &fcw, 2);
	memcpy(f->fxsave + FXSAVE_FSW, &fsw, 2);
}

void fpu_get_x87(struct fpu *f, const u8 *image)
{
	memcpy(f->fxsave, image, FXSAVE_MXCSR);
	f->fcs = f->fds = 0;
	f->fxsave[FXSAVE_FTW + 1] = 0;
	f->fxsave[FXSAVE_FOP + 1] &= 7;
	memcpy(f->fxsave + FXSAVE_ST, image + FXSAVE_ST, 128);
	/* The upper 48 bits of a slot are reserved (SDM vol. 1 table 10-2). */
	for (u32 n = 0; n < 8; n++)
		memset(f->fxsave + FXSAVE_ST + 16 * n + 10, 0, 6);
	fpu_update_es(f);
	f->xinuse |= XFEATURE_X87;
}

void fpu_get_sse(struct fpu *f, const u8 *image, u32 regs)
{
	for (u32 n = 0; n < regs; n++)
		memcpy(f->vec[n], image + FXSAVE_XMM + 16 * n, 16);
	f->xinuse |= XFEATURE_SSE;
}

void fpu_get_ymm(struct fpu *f, const u8 *area, u32 regs)
{
	for (u32 n = 0; n < regs; n++)
		memcpy(f->vec[n] + 16, area + 16 * n, 16);
	f->xinuse |= XFEATURE_YMM;
}

void fpu_to_xsave(const struct fpu *f, void *image, size_t size, u64 mask)
{
	u64 bv = fpu_xinuse(f) & mask & fpu_supported_xcr0();
	u8 *b = image;

	if (size < XSAVE_MIN)
		return;
	memset(image, 0, size);
	/*
	 * Userspace looks at the legacy region whatever XSTATE_BV says, so it
	 * always holds the registers' values.
	 */
	fpu_put_fxsave(f, b);
	if ((bv & XFEATURE_YMM) && ymm.size && ymm.offset + 256 <= size)
		fpu_put_ymm(f, b + ymm.offset);
	else
		bv &= ~(u64)XFEATURE_YMM;
	if ((mask & fpu_supported_xcr0() & XFEATURE_PKRU) && pkru_offset + 8 <= size) {
		/* Even if it is 0, as KVM_SET_XSAVE keeps what is not there. */
		memcpy(b + pkru_offset, &f->pkru, 4);
		bv |= XFEATURE_PKRU;
	}
	memcpy(b + XSAVE_XSTATE_BV, &bv, 8);
}

/* SDM vol. 1 13.8.1: what XRSTOR of the standard form refuses. */
static bool header_ok(const u8 *image, u64 bv, u32 mxcsr)
{
	if ((bv & ~fpu_supported_xcr0()) || (mxcsr & ~fpu_mxcsr_mask()))
		return false;
	for (u32 n = XSAVE_XCOMP_BV; n < XSAVE_MIN; n++)
		if (image[n])
			return false;
	return true;
}

int fpu_from_xsave(struct fpu *f, const void *image, size_t size)
{
	const u8 *b = image;
	u32 mxcsr;
	u64 bv;

	if (size < XSAVE_MIN)
		return -EINVAL;
	memcpy(&bv, b + XSAVE_XSTATE_BV, 8);
	memcpy(&mxcsr, b + FXSAVE_MXCSR, 4);
	if (!header_ok(b, bv, mxcsr))
		return -EINVAL;
	if ((bv & XFEATURE_YMM) && (!ymm.size || ymm.offset + 256 > size))
		return -EINVAL;
	if ((bv & XFEATURE_PKRU) && pkru_offset + 8 > size)
		return -EINVAL;
	fpu_init_components(f, fpu_supported_xcr0(), 16);
	/* MXCSR belongs to both vector components (SDM vol. 1 13.5.2). */
	f->mxcsr = bv & (XFEATURE_SSE | XFEATURE_YMM) ? mxcsr : MXCSR_INIT;
	if (bv & XFEATURE_X87)
		fpu_get_x87(f, b);
	if (bv & XFEATURE_SSE)
		fpu_get_sse(f, b, 16);
	if (bv & XFEATURE_YMM)
		fpu_get_ymm(f, b + ymm.offset, 16);
	if (bv & XFEATURE_PKRU)		/* KVM: else it stays */
		memcpy(&f->pkru, b + pkru_offset, 4);
	return 0;
}
