/* SPDX-License-Identifier: MIT */
/* The read and write columns of msr.def. */
#ifndef ANYKVM_X86_API_MSR_HANDLERS_H
#define ANYKVM_X86_API_MSR_HANDLERS_H

#include "x86/api/clock.h"
#include "x86/api/msr.h"

/* What the CPU cannot be attacked by: RDCL_NO, SKIP_L1DFL_VMENTRY, MDS_NO,
 * PSCHANGE_MC_NO, TAA_NO (SDM vol. 4, IA32_ARCH_CAPABILITIES): the guest's
 * page tables and privilege levels are not the silicon's. */
#define ARCH_CAP_VALUE			0x169ull
#define DE_CFG_LFENCE_SERIALIZE		BIT_ULL(1)
#define PLATFORM_INFO_CPUID_FAULT	BIT_ULL(31)
#define HWCR_MC_STATUS_WR_EN		BIT_ULL(18)

/* The row's field or slot. */
u64 *msr_storage(struct cpu *c, const struct msr_access *a);

/* -- Generic -------------------------------------------------------------------- */
enum msr_result msr_read_value(struct cpu *c, struct msr_access *a);
enum msr_result msr_read_host(struct cpu *c, struct msr_access *a);
enum msr_result msr_write_value(struct cpu *c, struct msr_access *a);
enum msr_result msr_write_host(struct cpu *c, struct msr_access *a);
enum msr_result msr_write_ignore(struct cpu *c, struct msr_access *a);
enum msr_result msr_write_refuse(struct cpu *c, struct msr_access *a);
/* KVM knows it in the other direction only. */
enum msr_result msr_read_unknown(struct cpu *c, struct msr_access *a);
enum msr_result msr_write_unknown(struct cpu *c, struct msr_access *a);
enum msr_result write_host_or_ignore(struct cpu *c, struct msr_access *a);
enum msr_result write_canonical(struct cpu *c, struct msr_access *a);

/* -- One register each ------------------------------------------------------------ */
#define MSR_READ(name)	enum msr_result read_##name(struct cpu *c, struct msr_access *a)
#define MSR_WRITE(name)	enum msr_result write_##name(struct cpu *c, struct msr_access *a)

MSR_READ(tsc);			MSR_WRITE(tsc);
MSR_READ(tsc_adjust);		MSR_WRITE(tsc_adjust);
MSR_READ(tsc_deadline);		MSR_WRITE(tsc_deadline);
MSR_READ(tsc_aux);		MSR_WRITE(tsc_aux);
MSR_READ(clocksource);
MSR_READ(clocksource2);
MSR_WRITE(wall_clock);
MSR_WRITE(system_time);
MSR_READ(steal_time);
MSR_READ(poll_control);		MSR_WRITE(poll_control);
MSR_READ(async_pf);		MSR_WRITE(async_pf_en);
MSR_READ(async_pf_int);		MSR_WRITE(async_pf_int);
MSR_WRITE(async_pf_ack);
MSR_READ(pv_eoi);		MSR_WRITE(pv_eoi);
MSR_WRITE(apic_base);
MSR_WRITE(efer);
MSR_READ(spec_ctrl);		MSR_WRITE(spec_ctrl);
MSR_READ(virt_spec_ctrl);	MSR_WRITE(virt_spec_ctrl);
MSR_READ(platform_info);	MSR_WRITE(platform_info);
MSR_WRITE(misc_features);
MSR_READ(arch_capabilities);	MSR_WRITE(arch_capabilities);
MSR_WRITE(sysenter_cs);
MSR_WRITE(sysenter);
MSR_WRITE(misc_enable);
MSR_WRITE(debugctl);
MSR_WRITE(mtrr_variable);
MSR_WRITE(mtrr_fixed);
MSR_WRITE(mtrr_default);
MSR_WRITE(pat);
MSR_READ(xss);			MSR_WRITE(xss);
MSR_WRITE(hwcr);
MSR_WRITE(vm_hsave);
MSR_READ(osvw);			MSR_WRITE(osvw);
MSR_READ(k7_pmu);		MSR_WRITE(k7_pmu);
MSR_READ(perfctr_core);		MSR_WRITE(perfctr_core);
MSR_WRITE(de_cfg);
MSR_READ(ic_cfg);
MSR_WRITE(pred_cmd);
MSR_WRITE(tsc_ratio);

#endif
