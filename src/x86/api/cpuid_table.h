/* SPDX-License-Identifier: MIT */
/* CPUID of the host, of KVM_GET_SUPPORTED_CPUID and of a guest. */
#ifndef ANYKVM_X86_API_CPUID_TABLE_H
#define ANYKVM_X86_API_CPUID_TABLE_H

#include "api/kvm.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/features.h"

#define KVM_MAX_CPUID_ENTRIES	256
#define SIGNATURE_HYGON_EBX	0x6f677948u	/* "Hygo" */
#define SIGNATURE_KVM		"KVMKVMKVM\0\0\0"

/* Hypervisors' leaves begin at multiples of 100H from here on. */
#define LEAF_HYPERVISOR		0x40000000u
#define LEAF_HYPERVISOR_END	0x40010000u
#define LEAF_KVM_FEATURES	0x40000001u

#define MISC_ENABLE_MWAIT	BIT_ULL(18)

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* One row of cpuid.def. */
struct cpuid_bit {
	u32 leaf;
	u16 subleaf;
	u8 reg;			/* enum cpuid_reg */
	u8 bit;
	u8 how;			/* enum cpuid_how */
};
enum cpuid_how { CPUID_HOST, CPUID_ENGINE, CPUID_NEVER };
extern const struct cpuid_bit cpuid_bits[NR_FEATURES];

/*
 * Reads the host's CPUID once; in a virtual machine each execution costs
 * microseconds.  Called by arch_init().
 */
void cpuid_init(void);

/* The host's leaf, from the cache for those cpuid_init() has read. */
void cpuid_host(u32 leaf, u32 subleaf, struct cpuid_regs *r);
bool cpuid_host_amd(void);

/* What KVM_GET_SUPPORTED_CPUID returns: number of entries, @max at most. */
u32 cpuid_supported(struct kvm_cpuid_entry2 *e, u32 max);

static inline u32 *cpuid_entry_reg(struct kvm_cpuid_entry2 *e, u8 reg)
{
	return &e->eax + reg;
}

/* -- Of a vCPU ---------------------------------------------------------------- */

struct kvm_cpuid_entry2 *cpuid_find(const struct cpu *c, u32 leaf, u32 subleaf);

/* Bits that follow state: OSXSAVE, APIC, sizes of 0DH (KVM: "runtime"). */
void cpuid_patch(const struct cpu *c, struct kvm_cpuid_entry2 *e);

/* Takes ownership of @e (malloc). */
void cpuid_install(struct cpu *c, struct kvm_cpuid_entry2 *e, u32 n);

/* A PV feature may be used: always, unless the VMM enforces CPUID. */
bool cpuid_pv_allowed(const struct cpu *c, enum feature f);

#endif
