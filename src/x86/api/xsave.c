/* SPDX-License-Identifier: MIT */
/* KVM_GET/SET_XSAVE, XSAVE2, XCRS (api.rst 4.42-4.45, 4.134). */
#include <errno.h>
#include <string.h>

#include "x86/api/api.h"
#include "x86/api/cpuid_table.h"
#include "x86/mmu/mmu.h"

#define XSAVE_LEGACY_SIZE	512u
#define XSAVE_HEADER_SIZE	64u
#define XSTATE_BV_OFFSET	512u

/* -- Components ------------------------------------------------------------------------ */

u64 guest_xcr0(const struct cpu *c)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(c, 0xd, 0);

	if (!e)
		return 0;
	return (e->eax | (u64)e->edx << 32) & fpu_supported_xcr0();
}

bool xcr0_valid(const struct cpu *c, u64 v)
{
	const u64 avx512 = XFEATURE_OPMASK | XFEATURE_ZMM_HI | XFEATURE_ZMM_16;

	if (!(v & XFEATURE_X87) || v & ~(guest_xcr0(c) | XFEATURE_X87))
		return false;
	if (v & XFEATURE_YMM && !(v & XFEATURE_SSE))
		return false;
	return !(v & avx512) || (v & (avx512 | XFEATURE_YMM)) == (avx512 | XFEATURE_YMM);
}

/* SDM vol. 1 13.4.2, 13.4.3: the host's offsets, or packed. */
u32 xsave_size(u64 mask, bool compacted)
{
	u32 size = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;

	for (u32 i = 2; i < 63; i++) {
		struct cpuid_regs r;

		if (!(mask & BIT_ULL(i)))
			continue;
		cpuid_host(0xd, i, &r);
		if (!compacted)
			size = MAX(size, r.ebx + r.eax);
		else
			size = ((r.ecx & BIT(1) ? (size + 63) & ~63u : size)) + r.eax;
	}
	return size;
}

u32 xsave2_size(void)
{
	return MAX(xsave_size(fpu_supported_xcr0(), false), sizeof(struct kvm_xsave));
}

/* -- ioctls ---------------------------------------------------------------------------- */

long vcpu_get_xsave(struct kfile *f, void *arg)
{
	fpu_to_xsave(&kfile_cpu(f)->fpu, arg, sizeof(struct kvm_xsave), ~0ull);
	return 0;
}

long vcpu_set_xsave(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);
	u32 pkru = c->fpu.pkru;
	u64 xstate_bv;

	memcpy(&xstate_bv, (u8 *)arg + XSTATE_BV_OFFSET, sizeof(xstate_bv));
	if (xstate_bv & ~fpu_supported_xcr0())
		return -EINVAL;
	if (fpu_from_xsave(&c->fpu, arg, sizeof(struct kvm_xsave)))
		return -EINVAL;
	mmu_pkru_changed(c, pkru);
	return 0;
}

long vcpu_get_xcrs(struct kfile *f, void *arg)
{
	struct kvm_xcrs *x = arg;

	x->nr_xcrs = 1;
	x->xcrs[0].value = kfile_cpu(f)->xcr0;
	return 0;
}

long vcpu_set_xcrs(struct kfile *f, void *arg)
{
	const struct kvm_xcrs *x = arg;
	struct cpu *c = kfile_cpu(f);

	if (x->nr_xcrs > KVM_MAX_XCRS || x->flags)
		return -EINVAL;
	for (u32 i = 0; i < x->nr_xcrs; i++) {
		if (x->xcrs[i].xcr)
			continue;
		if (!xcr0_valid(c, x->xcrs[i].value))
			return -EINVAL;
		c->xcr0 = x->xcrs[i].value;
		break;
	}
	vcpu_state_changed(c);
	return 0;
}
