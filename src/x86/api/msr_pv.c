/* SPDX-License-Identifier: MIT */
/*
 * The MSRs of paravirtual asynchronous page faults and end of interrupt.
 *
 * Both are permissions that the guest gives and the host may use.  The engine
 * never does: guest memory is not paged behind a guest's back, and an EOI is
 * no exit that would have to be avoided (docs/quirks.md, pv-unused).
 */
#include <linux/kvm_para.h>

#include "x86/api/cpuid_table.h"
#include "x86/api/msr_handlers.h"

enum {
	ASYNC_PF_FLAGS		= 0x3f,
	ASYNC_PF_ON		= KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT,
	ASYNC_PF_RESERVED	= 0x30,
	PV_EOI_MISALIGNED	= 0x2,	/* bit 0 enables; the GPA is 4-aligned */
};

static enum msr_result pv_read(struct cpu *c, struct msr_access *a, enum feature f)
{
	if (!cpuid_pv_allowed(c, f))
		return MSR_REFUSED;
	return msr_read_value(c, a);
}

static enum msr_result pv_write(struct cpu *c, struct msr_access *a, enum feature f,
				u64 reserved)
{
	if (!cpuid_pv_allowed(c, f) || (a->data & reserved))
		return MSR_REFUSED;
	*msr_storage(c, a) = a->data;
	return MSR_DONE;
}

MSR_READ(async_pf)
{
	return pv_read(c, a, FEATURE_KVM_ASYNC_PF);
}

MSR_WRITE(async_pf_en)
{
	/* It would be delivered through the LAPIC (KVM: refused without one). */
	u64 gpa = a->data & ~(u64)ASYNC_PF_FLAGS;

	if (a->data & KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT &&
	    !cpuid_pv_allowed(c, FEATURE_KVM_ASYNC_PF_VMEXIT))
		return MSR_REFUSED;
	if (a->data & KVM_ASYNC_PF_DELIVERY_AS_INT &&
	    !cpuid_pv_allowed(c, FEATURE_KVM_ASYNC_PF_INT))
		return MSR_REFUSED;
	if (pv_write(c, a, FEATURE_KVM_ASYNC_PF, c->lapic ? ASYNC_PF_RESERVED : ~0ull) != MSR_DONE)
		return MSR_REFUSED;
	/* KVM: it has been stored by then. */
	if ((a->data & ASYNC_PF_ON) == ASYNC_PF_ON && !vcpu_gpa_is_writable(c, gpa, sizeof(u64)))
		return MSR_REFUSED;
	return MSR_DONE;
}

MSR_READ(async_pf_int)
{
	return pv_read(c, a, FEATURE_KVM_ASYNC_PF_INT);
}

MSR_WRITE(async_pf_int)
{
	if (!c->lapic)
		return MSR_REFUSED;
	return pv_write(c, a, FEATURE_KVM_ASYNC_PF_INT, ~0xffull);
}

/* Nothing is ever outstanding: accepted, and reads as 0. */
MSR_WRITE(async_pf_ack)
{
	if (!cpuid_pv_allowed(c, FEATURE_KVM_ASYNC_PF_INT))
		return MSR_REFUSED;
	return MSR_DONE;
}

MSR_READ(pv_eoi)
{
	return pv_read(c, a, FEATURE_KVM_PV_EOI);
}

MSR_WRITE(pv_eoi)
{
	if (a->data & KVM_MSR_ENABLED &&
	    !vcpu_gpa_is_writable(c, a->data & ~(u64)KVM_MSR_ENABLED, 1))
		return MSR_REFUSED;
	return pv_write(c, a, FEATURE_KVM_PV_EOI, PV_EOI_MISALIGNED);
}
