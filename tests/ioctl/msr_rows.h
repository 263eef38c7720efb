/* SPDX-License-Identifier: MIT */
/* What userspace may write to single MSRs, and what reads back. */
#ifndef ANYKVM_TESTS_IOCTL_MSR_ROWS_H
#define ANYKVM_TESTS_IOCTL_MSR_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum {
	TSC = 0x10, APIC_BASE = 0x1b, TSC_ADJUST = 0x3b, SMBASE = 0x9e, PLATFORM_INFO = 0xce,
	MISC_FEATURES = 0x140, SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175, SYSENTER_EIP = 0x176,
	MISC_ENABLE = 0x1a0, PAT = 0x277, MTRR_DEF_TYPE = 0x2ff, TSC_DEADLINE = 0x6e0,
	X2APIC_TPR = 0x808, XSS = 0xda0,
	ASYNC_PF_EN = 0x4b564d02, STEAL_TIME = 0x4b564d03, PV_EOI = 0x4b564d04,
	POLL_CONTROL = 0x4b564d05, ASYNC_PF_INT = 0x4b564d06, ASYNC_PF_ACK = 0x4b564d07,
	HWCR = 0xc0010015, NO_MSR = 0x12345678,
};
#define EFER		0xc0000080u
#define STAR		0xc0000081u
#define LSTAR		0xc0000082u
#define CSTAR		0xc0000083u
#define FMASK		0xc0000084u
#define FS_BASE		0xc0000100u
#define GS_BASE		0xc0000101u
#define KERNEL_GS_BASE	0xc0000102u
#define TSC_AUX		0xc0000103u
#define CPUID_FAULT	0x80000000u	/* PLATFORM_INFO */

enum when {
	ALWAYS,
	IF_LISTED,	/* KVM_GET_MSR_INDEX_LIST: by vendor, or how a kernel was built */
	NOT_ON_PVM,	/* which has a use of its own for the register */
	NOT_ON_KERNEL,	/* 6.18 differs from 6.1 */
};

struct row {
	uint32_t index;
	uint64_t in;
	int done;	/* the number of MSRs written */
	uint64_t out;
	enum when when;
};

#define KEPT(index, value, ...)		{ index, value, 1, value, __VA_ARGS__ }
#define READS(index, in, out, ...)	{ index, in, 1, out, __VA_ARGS__ }
#define REFUSED(index, value, ...)	{ index, value, 0, 0, __VA_ARGS__ }

static const struct row system_calls[] = {
	KEPT(SYSENTER_CS, 0x10), KEPT(SYSENTER_CS, 0xffffffff),
	KEPT(SYSENTER_ESP, 0xffffffff), KEPT(SYSENTER_EIP, 0x80000000),
	KEPT(STAR, 0xfedcba9876543210),
	KEPT(LSTAR, 0xffff800000000000), KEPT(LSTAR, 0x7fffffffffff),
	REFUSED(LSTAR, 0x800000000000), REFUSED(LSTAR, 0xffff7fffffffffff),
	KEPT(CSTAR, ~0ull), REFUSED(CSTAR, 1ull << 63),
	KEPT(FMASK, 0xffffffff), KEPT(FMASK, 0x47700),
	KEPT(FS_BASE, 0x7fff00000000), REFUSED(FS_BASE, 1ull << 47),
	KEPT(GS_BASE, ~0ull), REFUSED(GS_BASE, 1ull << 62),
	KEPT(KERNEL_GS_BASE, 0xffff888000000000), REFUSED(KERNEL_GS_BASE, 1ull << 47),
};

/* PAT and MTRRs (SDM vol. 3A 11.11, 11.12); MAXPHYADDR is at most 52. */
static const struct row memory_types[] = {
	KEPT(PAT, 0x0007040600070406), KEPT(PAT, 0x0706050401000607),
	REFUSED(PAT, 2, NOT_ON_PVM), REFUSED(PAT, 0x0300000000000000, NOT_ON_PVM),
	REFUSED(PAT, 8, NOT_ON_PVM),
	KEPT(MTRR_DEF_TYPE, 0xc06), KEPT(MTRR_DEF_TYPE, 0), KEPT(MTRR_DEF_TYPE, 0x800),
	REFUSED(MTRR_DEF_TYPE, 2), REFUSED(MTRR_DEF_TYPE, 7),
	REFUSED(MTRR_DEF_TYPE, 1 << 8), REFUSED(MTRR_DEF_TYPE, 1 << 12),
	KEPT(0x250, 0x0606060606060606), REFUSED(0x250, 7),		/* fixed */
	KEPT(0x258, 0x0005040100060504), KEPT(0x259, 0),
	KEPT(0x268, 0x0505050505050505), REFUSED(0x268, 1ull << 63),
	KEPT(0x26f, 0x0101010101010101), REFUSED(0x26f, 0x0200000000000000),
	KEPT(0x200, 0x80000006), REFUSED(0x200, 0x80000007),		/* variable */
	REFUSED(0x200, 0x100), REFUSED(0x200, 1ull << 52),
	KEPT(0x201, 0x80000800), REFUSED(0x201, 0x400), REFUSED(0x201, 1ull << 52),
	KEPT(0x20e, 5), KEPT(0x20f, 0x800),
	REFUSED(0xfe, 0x508), REFUSED(0xfe, 0),				/* MTRRcap */
};

/* SDM vol. 3B 15.3; Linux leaves bit 0 or 10 of a bank's CTL clear. */
static const struct row machine_checks[] = {
	REFUSED(0x179, 32), REFUSED(0x179, 0),				/* MCG_CAP */
	KEPT(0x17a, 5), KEPT(0x17a, 0),					/* MCG_STATUS */
	KEPT(0x17b, 0), REFUSED(0x17b, 1), REFUSED(0x17b, ~0ull),	/* no MCG_CTL_P */
	KEPT(0x400, 0), KEPT(0x400, ~0ull), REFUSED(0x400, 1),
	KEPT(0x400, ~0ull - 1), KEPT(0x410, ~(1ull << 10)),
	KEPT(0x401, 0xbe00000000000150), KEPT(0x402, 0x123456789abc), KEPT(0x403, 0x8c),
	KEPT(0x47f, 0), REFUSED(0x480, 1),
};

static const struct row control[] = {
	KEPT(APIC_BASE, 0xfee00900), REFUSED(APIC_BASE, 0xfee00901),
	REFUSED(APIC_BASE, 0xfee00500), REFUSED(APIC_BASE, 1ull << 52 | 0x900),
	KEPT(0x34, 0x1234),						/* SMI_COUNT */
	KEPT(0x8b, 0x100000000),					/* microcode level */
	KEPT(SMBASE, 0xa0000, IF_LISTED), KEPT(SMBASE, 1ull << 32, IF_LISTED),
	KEPT(PLATFORM_INFO, ~0ull), KEPT(PLATFORM_INFO, 0),
	KEPT(0x10a, 0, NOT_ON_KERNEL), KEPT(0x10a, ~0ull, NOT_ON_KERNEL),
	KEPT(MISC_ENABLE, 1), KEPT(MISC_ENABLE, 0x1801), KEPT(MISC_ENABLE, 0x40001),
	KEPT(0x1d9, 0), KEPT(0x1d9, 0x3f, NOT_ON_KERNEL),		/* DEBUGCTL */
	REFUSED(0x1d9, 0x40, NOT_ON_KERNEL),
	KEPT(0x1fc, 0x40),						/* POWER_CTL */
	KEPT(0x345, 0), REFUSED(0x345, 1ull << 63),			/* PERF_CAPABILITIES */
	KEPT(XSS, 0, NOT_ON_KERNEL), REFUSED(XSS, 1ull << 63),
	KEPT(EFER, 0), KEPT(EFER, 0x801), REFUSED(EFER, 1 << 1), REFUSED(EFER, 1ull << 63),
	KEPT(TSC_AUX, 0xffffffff),
	REFUSED(NO_MSR, 0), REFUSED(0, 1), REFUSED(0xffffffff, 0),
};

/* Documentation/virt/kvm/x86/msr.rst; what is enabled must have memory. */
static const struct row paravirtual[] = {
	KEPT(0x11, 0), KEPT(0x12, 0x5000), KEPT(0x12, 0),
	KEPT(0x4b564d00, 0), KEPT(0x4b564d01, 0x3001), KEPT(0x4b564d01, 0),
	KEPT(STEAL_TIME, 0x4001), KEPT(STEAL_TIME, 0),
	REFUSED(STEAL_TIME, 0x4003), REFUSED(STEAL_TIME, 0x4021),
	KEPT(PV_EOI, 0x5001), KEPT(PV_EOI, 0x40000000), KEPT(PV_EOI, 0),
	REFUSED(PV_EOI, 0x5003), REFUSED(PV_EOI, 0x40000001),
	KEPT(POLL_CONTROL, 0), KEPT(POLL_CONTROL, 1), REFUSED(POLL_CONTROL, 2),
	KEPT(ASYNC_PF_EN, 0x5009), KEPT(ASYNC_PF_EN, 0x40000001), KEPT(ASYNC_PF_EN, 0),
	REFUSED(ASYNC_PF_EN, 0x10), REFUSED(ASYNC_PF_EN, 0x20),
	KEPT(ASYNC_PF_INT, 0xec), REFUSED(ASYNC_PF_INT, 0x100),
	READS(ASYNC_PF_ACK, 1, 0),
};

/* Registers that old guests touch: constants, and writes that lead nowhere. */
static const struct row legacy[] = {
	REFUSED(0x17, 1), REFUSED(0x2a, 1),		/* PLATFORM_ID, EBL_CR_POWERON */
	REFUSED(0xcd, 3),				/* FSB_FREQ */
	READS(0x11e, 1, 0xbe702111),			/* BBL_CR_CTL3 */
	REFUSED(0x198, 1), REFUSED(0x199, 1),		/* PERF_STATUS, PERF_CTL */
	REFUSED(0x1db, 1), REFUSED(0x1de, 1),		/* last branches */
	REFUSED(0x606, 1), REFUSED(0x611, 1), REFUSED(0x619, 1),	/* RAPL */
	REFUSED(0x639, 1), REFUSED(0x641, 1),
	READS(0x186, 0, 0), READS(0xc1, 0, 0),		/* counters of the Pentium Pro */
};

/* AMD64 APM vol. 2 appendix A. */
static const struct row amd[] = {
	REFUSED(0xc0010010, 1),				/* SYSCFG */
	READS(HWCR, 1 << 3 | 1 << 6 | 1 << 8, 0), KEPT(HWCR, 1 << 18), KEPT(HWCR, 0),
	REFUSED(HWCR, 1),
	READS(0xc001001b, 1, 0x20000000),		/* CLK_CTL */
	READS(0xc001001f, 1, 0),			/* NB_CFG */
	REFUSED(0xc0010055, 1),				/* pending interrupts */
	KEPT(0xc0010058, 0), REFUSED(0xc0010058, 1),	/* MMIO configuration */
	REFUSED(0xc0010112, 1), REFUSED(0xc0010113, 1),	/* TSEG */
	KEPT(0xc0010117, 0x12345000, NOT_ON_PVM),	/* VM_HSAVE_PA */
	READS(0xc0011022, 1, 0), READS(0xc001102a, 1, 0),	/* DC_CFG, BU_CFG2 */
	READS(0xc001102c, 1, 0),			/* EX_CFG */
};

#endif
