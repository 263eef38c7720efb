/* SPDX-License-Identifier: MIT */
/* What a VM has because its guest is x86. */
#ifndef ANYKVM_X86_X86_H
#define ANYKVM_X86_X86_H

#include "api/kvm.h"
#include "x86/cpu/state.h"
#include "x86/irqchip/irqchip.h"

struct hv_vm;		/* x86/hyperv/hyperv.h */
struct jit_vm;		/* x86/jit/jit.h */
struct msr_filter;	/* x86/api/msr.c */
struct pmu_filter;	/* x86/api/pmu.c */

struct arch_vm {
	struct irqchip irqchip;
	u32 boot_cpu_id;
	u64 tss_addr, identity_map_addr;
	u32 nr_mmu_pages;

	/* Enabled by KVM_ENABLE_CAP, at any time: vCPUs read each with READ_ONCE. */
	bool exception_payload;
	bool triple_fault_event;
	u32 user_space_msr;		/* KVM_MSR_EXIT_REASON_* */
	u32 disabled_exits;		/* KVM_X86_DISABLE_EXITS_* */
	u64 disabled_quirks;
	u64 hypercall_exits;
	bool exit_on_emulation_failure;
	bool no_platform_info;		/* KVM_CAP_MSR_PLATFORM_INFO off */

	struct msr_filter *msr_filter;

	bool no_pmu;			/* KVM_CAP_PMU_CAPABILITY: disabled */
	pthread_mutex_t pmu_lock;
	struct pmu_filter *pmu_filter;

	/* kvmclock is a line through this point (x86/api/clock.h). */
	pthread_mutex_t clock_lock;
	u64 clock_base_tsc, clock_base_ns;
	u32 default_tsc_khz;
	/* TSC synchronisation of host writes. */
	u64 last_tsc_write, last_tsc_ns, last_tsc_offset;
	u32 last_tsc_khz;

	u64 wall_clock_gpa;

	struct hv_vm *hv;
	struct xen_vm *xen;		/* x86/xen/ */
	struct jit_vm *jit;		/* x86/jit/ */
};

static inline struct irqchip *vm_irqchip(struct vm *vm)
{
	return &vm->arch->irqchip;
}

#endif
