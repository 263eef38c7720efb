/* SPDX-License-Identifier: MIT */
/* Which fault it is that check.h has found, in the order of SDM vol. 3A 6.9. */
#include "x86/native/check.h"

static enum step check_x87(struct cpu *c, bool mmx)
{
	if (mmx && (c->cr0 & X86_CR0_EM))
		return cpu_raise_ud(c);
	if (c->cr0 & (X86_CR0_EM | X86_CR0_TS))
		return cpu_raise(c, EXC_NM);
	/*
	 * CR0.NE = 0 would assert FERR#, which boards wire to IRQ 13.  There
	 * is no such wire here: #MF in both cases.
	 */
	return x87_pending(&c->fpu) ? cpu_raise(c, EXC_MF) : STEP_NEXT;
}

static enum step check_sse(struct cpu *c)
{
	if ((c->cr0 & X86_CR0_EM) || !(c->cr4 & X86_CR4_OSFXSR))
		return cpu_raise_ud(c);
	return c->cr0 & X86_CR0_TS ? cpu_raise(c, EXC_NM) : STEP_NEXT;
}

enum step native_check_slow(struct cpu *c, enum native_check check)
{
	switch (check) {
	case CHECK_SSE:
		return check_sse(c);
	case CHECK_AVX:
		if (c->cr0 & X86_CR0_TS && vex_allowed(c) &&
		    (c->cr4 & X86_CR4_OSXSAVE))
			return cpu_raise(c, EXC_NM);
		return cpu_raise_ud(c);
	case CHECK_MMX_SSE:
		TRY(check_sse(c));
		return check_x87(c, true);
	case CHECK_MMX:
		return check_x87(c, true);
	case CHECK_X87:
		return check_x87(c, false);
	default:
		return cpu_raise_ud(c);
	}
}
