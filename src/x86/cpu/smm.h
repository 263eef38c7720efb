/* SPDX-License-Identifier: MIT */
/* The state that SMI saves: of AMD64, and as processors without long mode have it. */
#ifndef ANYKVM_X86_CPU_SMM_H
#define ANYKVM_X86_CPU_SMM_H

#include "x86/cpu/cpu.h"

struct smm_segment {
	u16 selector, attr;
	u32 limit;
	u64 base;
} __attribute__((packed));

/* At SMBASE + FE00H (AMD64 APM vol. 2 table 10-1). */
struct smm_save {
	struct smm_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u64 io_rip, io_rcx, io_rsi, io_rdi;	/* FEA0 */
	u32 io_word, reserved1;			/* FEC0 */
	u8 io_restart, halt_restart;		/* FEC8 */
	u8 reserved2[6];
	u64 efer;				/* FED0 */
	u8 reserved3[0x24];
	u32 revision;				/* FEFC */
	u32 smbase;				/* FF00 */
	u8 reserved4[0x44];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;	/* FF48 */
	u64 gpr[NR_GPRS];			/* FF80: R15 first */
} __attribute__((packed));
_Static_assert(sizeof(struct smm_save) == 0x200, "FE00H to FFFFH");
_Static_assert(offsetof(struct smm_save, efer) == 0xd0, "FED0H");
_Static_assert(offsetof(struct smm_save, cr4) == 0x148, "FF48H");

/* The second half of a descriptor, and the rest of what the processor hides. */
struct smm_hidden32 {
	u32 flags, limit, base;
};

/* At SMBASE + FE00H without long mode (SDM vol. 3C table 32-1; KVM for the rest). */
struct smm_save32 {
	u8 reserved1[0xf8];
	u32 smbase, revision;			/* FEF8 */
	u8 reserved2[0x14];
	u32 cr4;				/* FF14 */
	u8 reserved3[0x14];
	struct smm_hidden32 ds, fs, gs;		/* FF2C */
	u32 reserved4;
	u32 idt_limit, idt_base;		/* FF54 */
	struct smm_hidden32 tr;
	u32 reserved5[2];
	u32 gdt_limit, gdt_base;		/* FF70 */
	struct smm_hidden32 ldtr, es, cs, ss;
	u32 selector[6];			/* FFA8: ES first */
	u32 ldtr_selector, tr_selector;
	u32 dr7, dr6;				/* FFC8 */
	u32 gpr[8];				/* FFD0: EAX first */
	u32 eip, eflags, cr3, cr0;
};
_Static_assert(sizeof(struct smm_save32) == 0x200, "FE00H to FFFFH");
_Static_assert(offsetof(struct smm_save32, cr4) == 0x114, "FF14H");
_Static_assert(offsetof(struct smm_save32, idt_limit) == 0x154, "FF54H");
_Static_assert(offsetof(struct smm_save32, gdt_limit) == 0x170, "FF70H");
_Static_assert(offsetof(struct smm_save32, selector) == 0x1a8, "FFA8H");
_Static_assert(offsetof(struct smm_save32, gpr) == 0x1d0, "FFD0H");

enum { SMM_REVISION = 0x20064, SMM_REVISION32 = 0x20000 };	/* SMBASE relocation */

/* From one to the other.  EFER is in none of 32 bits. */
void smm_save_to_32(const struct smm_save *from, struct smm_save32 *to);
void smm_save_from_32(const struct smm_save32 *from, u64 efer, struct smm_save *to);

#endif
