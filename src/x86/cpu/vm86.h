/* SPDX-License-Identifier: MIT */
/*
 * Virtual-8086 mode extensions and protected-mode virtual interrupts
 * (SDM vol. 3B 20.3, 20.4): what IOPL-sensitive instructions do with VIF.
 */
#ifndef ANYKVM_X86_CPU_VM86_H
#define ANYKVM_X86_CPU_VM86_H

#include "x86/cpu/cpu.h"

/* IOPL < 3 and CR4.VME: VIF stands for IF.  The others: #GP(0). */
static inline bool vme_active(const struct cpu *c)
{
	return cpu_vm86(c) && cpu_iopl(c) < 3 && (c->cr4 & X86_CR4_VME);
}

/* The same for CLI and STI at CPL 3 with CR4.PVI. */
static inline bool pvi_active(const struct cpu *c)
{
	return cpu_protected(c) && !cpu_vm86(c) && c->cpl == 3 &&
	       cpu_iopl(c) < 3 && (c->cr4 & X86_CR4_PVI);
}

/* IRET in virtual-8086 mode at IOPL < 3. */
enum step vme_iret(struct cpu *c, u8 osz);
/* INT n in virtual-8086 mode: the 8086 program's handler or the IDT's. */
enum step vm86_int(struct cpu *c, u8 vector, u64 rip_next);

/* The 16-bit FLAGS image with VIF in the place of IF, IOPL 3. */
u16 vme_flags_image(const struct cpu *c);
/* Takes such an image; #GP(0) if TF, or IF while VIP. */
enum step vme_set_flags(struct cpu *c, u16 image);

#endif
