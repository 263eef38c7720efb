/* SPDX-License-Identifier: MIT */
/* The LAPIC's registers (SDM vol. 3A table 11-1), for KVM_GET/SET_LAPIC. */
#ifndef ANYKVM_TESTS_IOCTL_LAPIC_TEST_H
#define ANYKVM_TESTS_IOCTL_LAPIC_TEST_H

#include "vcpu_test.h"

enum {
	ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0,
	ISR = 0x100, IRR = 0x200, ICR = 0x300, ICR2 = 0x310,
	LVT_TIMER = 0x320, LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, LVT_ERROR = 0x370,
	TMICT = 0x380, TMCCT = 0x390, TDCR = 0x3e0,
};

#define LVT_MASKED	0x10000u
#define SVR_ENABLED	0x100u
#define X2APIC_MODE	0xc00ull	/* of IA32_APIC_BASE */

static inline uint32_t reg(const struct kvm_lapic_state *l, uint32_t offset)
{
	uint32_t v;

	memcpy(&v, l->regs + offset, sizeof(v));
	return v;
}

static inline void put_reg(struct kvm_lapic_state *l, uint32_t offset, uint32_t v)
{
	memcpy(l->regs + offset, &v, sizeof(v));
}

static inline struct kvm_lapic_state lapic_of(int vcpu)
{
	struct kvm_lapic_state l;

	memset(&l, 0xa5, sizeof(l));
	must(vcpu, KVM_GET_LAPIC, &l);
	return l;
}

static inline void to_x2apic(int vcpu)
{
	struct kvm_sregs s;

	give_supported_cpuid(vcpu);
	must(vcpu, KVM_GET_SREGS, &s);
	s.apic_base |= X2APIC_MODE;
	must(vcpu, KVM_SET_SREGS, &s);
}

/* A vCPU with an ID that shows the difference between the formats. */
static inline struct machine x2apic_machine(bool ids_of_32_bits)
{
	struct machine m = { .vm = new_vm_split() };

	if (ids_of_32_bits)
		assert_ok(enable_cap(m.vm, KVM_CAP_X2APIC_API, 0,
				     KVM_X2APIC_API_USE_32BIT_IDS));
	m.vcpu = new_vcpu(m.vm, 5);
	to_x2apic(m.vcpu);
	return m;
}

#endif
