/* SPDX-License-Identifier: MIT */
/* Bits and numbers of the architecture, under the names of the SDM. */
#ifndef ANYKVM_X86_CPU_X86_DEFS_H
#define ANYKVM_X86_CPU_X86_DEFS_H

#include "util/types.h"

/* -- RFLAGS (SDM vol. 1 3.4.3) --------------------------------------------- */
#define X86_EFLAGS_CF		BIT_ULL(0)
#define X86_EFLAGS_FIXED	BIT_ULL(1)
#define X86_EFLAGS_PF		BIT_ULL(2)
#define X86_EFLAGS_AF		BIT_ULL(4)
#define X86_EFLAGS_ZF		BIT_ULL(6)
#define X86_EFLAGS_SF		BIT_ULL(7)
#define X86_EFLAGS_TF		BIT_ULL(8)
#define X86_EFLAGS_IF		BIT_ULL(9)
#define X86_EFLAGS_DF		BIT_ULL(10)
#define X86_EFLAGS_OF		BIT_ULL(11)
#define X86_EFLAGS_IOPL		(3ull << 12)
#define X86_EFLAGS_NT		BIT_ULL(14)
#define X86_EFLAGS_RF		BIT_ULL(16)
#define X86_EFLAGS_VM		BIT_ULL(17)
#define X86_EFLAGS_AC		BIT_ULL(18)
#define X86_EFLAGS_VIF		BIT_ULL(19)
#define X86_EFLAGS_VIP		BIT_ULL(20)
#define X86_EFLAGS_ID		BIT_ULL(21)
#define X86_EFLAGS_STATUS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
				 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)
/* Every bit that exists; the others read as 0. */
#define X86_EFLAGS_ALL		(X86_EFLAGS_STATUS | X86_EFLAGS_FIXED | X86_EFLAGS_TF | \
				 X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_IOPL | \
				 X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_VM | \
				 X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP | X86_EFLAGS_ID)

/* -- Control registers (SDM vol. 3A 2.5) ------------------------------------ */
#define X86_CR0_PE		BIT_ULL(0)
#define X86_CR0_MP		BIT_ULL(1)
#define X86_CR0_EM		BIT_ULL(2)
#define X86_CR0_TS		BIT_ULL(3)
#define X86_CR0_ET		BIT_ULL(4)
#define X86_CR0_NE		BIT_ULL(5)
#define X86_CR0_WP		BIT_ULL(16)
#define X86_CR0_AM		BIT_ULL(18)
#define X86_CR0_NW		BIT_ULL(29)
#define X86_CR0_CD		BIT_ULL(30)
#define X86_CR0_PG		BIT_ULL(31)

#define X86_CR4_VME		BIT_ULL(0)
#define X86_CR4_PVI		BIT_ULL(1)
#define X86_CR4_TSD		BIT_ULL(2)
#define X86_CR4_DE		BIT_ULL(3)
#define X86_CR4_PSE		BIT_ULL(4)
#define X86_CR4_PAE		BIT_ULL(5)
#define X86_CR4_MCE		BIT_ULL(6)
#define X86_CR4_PGE		BIT_ULL(7)
#define X86_CR4_PCE		BIT_ULL(8)
#define X86_CR4_OSFXSR		BIT_ULL(9)
#define X86_CR4_OSXMMEXCPT	BIT_ULL(10)
#define X86_CR4_UMIP		BIT_ULL(11)
#define X86_CR4_LA57		BIT_ULL(12)
#define X86_CR4_FSGSBASE	BIT_ULL(16)
#define X86_CR4_PCIDE		BIT_ULL(17)
#define X86_CR4_OSXSAVE		BIT_ULL(18)
#define X86_CR4_SMEP		BIT_ULL(20)
#define X86_CR4_SMAP		BIT_ULL(21)
#define X86_CR4_PKE		BIT_ULL(22)

#define EFER_SCE		BIT_ULL(0)
#define EFER_LME		BIT_ULL(8)
#define EFER_LMA		BIT_ULL(10)
#define EFER_NX			BIT_ULL(11)
#define EFER_SVME		BIT_ULL(12)
#define EFER_FFXSR		BIT_ULL(14)

/* -- Exceptions (SDM vol. 3A 6.3.1) ----------------------------------------- */
enum {
	EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5,
	EXC_UD = 6, EXC_NM = 7, EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12,
	EXC_GP = 13, EXC_PF = 14, EXC_MF = 16, EXC_AC = 17, EXC_MC = 18, EXC_XM = 19,
};

/* Exit codes of SVM, and what a nested page fault adds (AMD64 APM vol. 2 appendix C, 15.25.6). */
enum { SVM_EXIT_EXCP_BASE = 0x40, SVM_EXIT_NPF = 0x400 };
#define NPF_FINAL	BIT_ULL(32)	/* of the address itself, not of a page table */

/* Page-fault error code (SDM vol. 3A 4.7). */
enum { PF_P = BIT(0), PF_W = BIT(1), PF_U = BIT(2), PF_RSVD = BIT(3), PF_I = BIT(4), PF_PK = BIT(5) };

/* DR6 (SDM vol. 3A 17.2.3). */
#define DR6_RESET		0xffff0ff0ull
#define DR6_BD			BIT_ULL(13)
#define DR6_BS			BIT_ULL(14)
#define DR6_BT			BIT_ULL(15)
#define DR6_RTM			BIT_ULL(16)
#define DR7_RESET		0x400ull
#define DR7_GD			BIT_ULL(13)

/* -- Segments: VMX access rights (SDM vol. 3C 25.4.1) ------------------------ */
#define SEG_ATTR_TYPE		0x000fu
#define SEG_ATTR_TYPE_A		0x0001u		/* accessed */
#define SEG_ATTR_TYPE_W		0x0002u		/* data: writable; code: readable */
#define SEG_ATTR_TYPE_R		0x0002u
#define SEG_ATTR_TYPE_E		0x0004u		/* data: expand-down; code: conforming */
#define SEG_ATTR_TYPE_C		0x0004u
#define SEG_ATTR_TYPE_CODE	0x0008u
#define SEG_ATTR_S		0x0010u		/* code or data */
#define SEG_ATTR_DPL_SHIFT	5
#define SEG_ATTR_DPL		0x0060u
#define SEG_ATTR_P		0x0080u
#define SEG_ATTR_AVL		0x1000u
#define SEG_ATTR_L		0x2000u
#define SEG_ATTR_DB		0x4000u
#define SEG_ATTR_G		0x8000u
#define SEG_ATTR_UNUSABLE	0x10000u

/* -- MSR numbers used outside msr.def --------------------------------------- */
#define MSR_APIC_BASE		0x1bu
#define APIC_BASE_BSP		BIT_ULL(8)
#define APIC_BASE_EXTD		BIT_ULL(10)	/* x2APIC mode */
#define APIC_BASE_EN		BIT_ULL(11)
#define APIC_BASE_ADDR		0xffffff000ull
#define APIC_DEFAULT_ADDR	0xfee00000ull
#define MSR_TSC_DEADLINE	0x6e0u
#define MSR_X2APIC_FIRST	0x800u
#define MSR_X2APIC_LAST		0x8ffu
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MISC_FEATURES_CPUID_FAULT BIT_ULL(0)
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_EFER		0xc0000080u

#endif
