/* SPDX-License-Identifier: MIT */
/* What must be enabled before an instruction may touch the state (SDM vol. 3A 13). */
#ifndef ANYKVM_X86_NATIVE_CHECK_H
#define ANYKVM_X86_NATIVE_CHECK_H

#include "x86/cpu/cpu.h"
#include "x86/native/thunk.h"

static inline bool sse_enabled(const struct cpu *c)
{
	return !(c->cr0 & (X86_CR0_EM | X86_CR0_TS)) &&
	       (c->cr4 & X86_CR4_OSFXSR);
}

static inline bool vex_allowed(const struct cpu *c)
{
	return cpu_protected(c) && !cpu_vm86(c);
}

static inline bool avx_enabled(const struct cpu *c)
{
	const u64 need = XFEATURE_SSE | XFEATURE_YMM;

	return !(c->cr0 & X86_CR0_TS) && (c->cr4 & X86_CR4_OSXSAVE) &&
	       (c->xcr0 & need) == need && vex_allowed(c);
}

/* Exception summary of the x87 status word: an unmasked one waits. */
static inline bool x87_pending(const struct fpu *f)
{
	return f->fxsave[2] & 0x80;
}

static inline bool x87_enabled(const struct cpu *c)
{
	return !(c->cr0 & (X86_CR0_EM | X86_CR0_TS)) && !x87_pending(&c->fpu);
}

static inline enum step native_check(struct cpu *c, enum native_check check)
{
	bool ok = true;

	switch (check) {
	case CHECK_NONE:
		return STEP_NEXT;
	case CHECK_BMI:
		ok = vex_allowed(c);
		break;
	case CHECK_SSE:
		ok = sse_enabled(c);
		break;
	case CHECK_AVX:
		ok = avx_enabled(c);
		break;
	case CHECK_MMX:
	case CHECK_X87:
		ok = x87_enabled(c);
		break;
	case CHECK_MMX_SSE:
		ok = x87_enabled(c) && sse_enabled(c);
		break;
	case NR_CHECKS:
		break;
	}
	return likely(ok) ? STEP_NEXT : native_check_slow(c, check);
}

/* Changes TOP; the physical registers stay where they are. */
void x87_set_top(struct fpu *f, u32 top);

/* Turns the x87 registers into MMX ones: TOP = 0, all valid (x87.c). */
void mmx_enter_slow(struct fpu *f);

static inline void mmx_enter(struct fpu *f)
{
	if ((f->fxsave[3] & 0x38) || f->fxsave[4] != 0xff)
		mmx_enter_slow(f);
}

#endif
