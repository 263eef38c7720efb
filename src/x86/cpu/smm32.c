/* SPDX-License-Identifier: MIT */
#include "x86/cpu/smm.h"

enum { FLAGS_SHIFT = 8 };	/* a segment's attributes as in its descriptor */

static struct smm_hidden32 hidden_to_32(const struct smm_segment *s)
{
	return (struct smm_hidden32){
		.flags = (u32)s->attr << FLAGS_SHIFT, .limit = s->limit, .base = (u32)s->base,
	};
}

static struct smm_segment segment_from_32(u32 selector, const struct smm_hidden32 *h)
{
	return (struct smm_segment){
		.selector = (u16)selector, .attr = (u16)(h->flags >> FLAGS_SHIFT),
		.limit = h->limit, .base = h->base,
	};
}

void smm_save_to_32(const struct smm_save *from, struct smm_save32 *to)
{
	const struct smm_segment *seg = &from->es;

	*to = (struct smm_save32){
		.smbase = from->smbase, .revision = SMM_REVISION32, .cr4 = (u32)from->cr4,
		.es = hidden_to_32(&from->es), .cs = hidden_to_32(&from->cs),
		.ss = hidden_to_32(&from->ss), .ds = hidden_to_32(&from->ds),
		.fs = hidden_to_32(&from->fs), .gs = hidden_to_32(&from->gs),
		.ldtr = hidden_to_32(&from->ldtr), .tr = hidden_to_32(&from->tr),
		.idt_limit = from->idtr.limit, .idt_base = (u32)from->idtr.base,
		.gdt_limit = from->gdtr.limit, .gdt_base = (u32)from->gdtr.base,
		.ldtr_selector = from->ldtr.selector, .tr_selector = from->tr.selector,
		.dr7 = (u32)from->dr7, .dr6 = (u32)from->dr6, .eip = (u32)from->rip,
		.eflags = (u32)from->rflags, .cr3 = (u32)from->cr3, .cr0 = (u32)from->cr0,
	};
	for (u32 i = ES; i <= GS; i++)
		to->selector[i] = seg[i].selector;
	for (u32 i = RAX; i <= RDI; i++)
		to->gpr[i] = (u32)from->gpr[NR_GPRS - 1 - i];
}

void smm_save_from_32(const struct smm_save32 *from, u64 efer, struct smm_save *to)
{
	const u32 *sel = from->selector;

	*to = (struct smm_save){
		.es = segment_from_32(sel[ES], &from->es),
		.cs = segment_from_32(sel[CS], &from->cs),
		.ss = segment_from_32(sel[SS], &from->ss),
		.ds = segment_from_32(sel[DS], &from->ds),
		.fs = segment_from_32(sel[FS], &from->fs),
		.gs = segment_from_32(sel[GS], &from->gs),
		.ldtr = segment_from_32(from->ldtr_selector, &from->ldtr),
		.tr = segment_from_32(from->tr_selector, &from->tr),
		.gdtr = { .limit = from->gdt_limit, .base = from->gdt_base },
		.idtr = { .limit = from->idt_limit, .base = from->idt_base },
		.efer = efer, .smbase = from->smbase, .cr4 = from->cr4, .cr3 = from->cr3,
		.cr0 = from->cr0, .dr7 = from->dr7, .dr6 = from->dr6,
		.rflags = from->eflags, .rip = from->eip,
	};
	for (u32 i = RAX; i <= RDI; i++)
		to->gpr[NR_GPRS - 1 - i] = from->gpr[i];
}
