/* SPDX-License-Identifier: MIT */
#include "x86/cpu/vm86.h"

#include "x86/cpu/protect.h"
#include "x86/mmu/access.h"

u16 vme_flags_image(const struct cpu *c)
{
	u64 flags = (cpu_rflags(c) & ~X86_EFLAGS_IF) | X86_EFLAGS_IOPL;

	return (u16)(flags | (flags & X86_EFLAGS_VIF ? X86_EFLAGS_IF : 0));
}

enum step vme_set_flags(struct cpu *c, u16 image)
{
	const u64 kept = ~0xffffull | X86_EFLAGS_IF | X86_EFLAGS_IOPL;
	u64 flags = cpu_rflags(c);

	if ((image & X86_EFLAGS_TF) ||
	    ((image & X86_EFLAGS_IF) && (flags & X86_EFLAGS_VIP)))
		return cpu_raise_gp0(c);
	flags = (flags & kept) | (image & ~kept);
	flags &= ~X86_EFLAGS_VIF;
	if (image & X86_EFLAGS_IF)
		flags |= X86_EFLAGS_VIF;
	cpu_set_rflags(c, flags);
	return STEP_NEXT;
}

enum step vme_iret(struct cpu *c, u8 osz)
{
	u64 ip, cs, flags;
	struct stack s;

	if (!vme_active(c) || osz != 2)
		return cpu_raise_gp0(c);
	stack_current(c, &s, 0);
	TRY(stack_take(c, &s, &ip, 2));
	TRY(stack_take(c, &s, &cs, 2));
	TRY(stack_take(c, &s, &flags, 2));
	TRY(vme_set_flags(c, (u16)flags));
	c->gpr[RSP] = s.sp;
	cpu_load_seg_real(c, CS, (u16)cs);
	c->rip = ip;
	return STEP_JUMP;
}

/* The interrupt redirection bitmap lies below the I/O bitmap (20.3.3.1). */
static enum step redirected(struct cpu *c, u8 vector, bool *yes)
{
	const struct segment *tr = &c->seg[TR];
	const u32 io_map_base = 0x66, bitmap_bytes = 32;
	u16 io_map;
	u32 off;
	u8 byte;

	*yes = false;
	if (!(c->cr4 & X86_CR4_VME) || tr->limit < io_map_base + 1)
		return STEP_NEXT;
	TRY(mem_sys_read(c, (u32)tr->base + io_map_base, &io_map, 2));
	off = io_map - bitmap_bytes + vector / 8;
	if (io_map < bitmap_bytes || off > tr->limit)
		return STEP_NEXT;
	TRY(mem_sys_read(c, (u32)tr->base + off, &byte, 1));
	*yes = !(byte & BIT(vector % 8));
	return STEP_NEXT;
}

static enum step int_8086(struct cpu *c, u8 vector, u64 rip_next)
{
	bool vif = cpu_iopl(c) < 3;
	u64 image = vif ? vme_flags_image(c) : cpu_rflags(c);
	struct stack s;
	u16 entry[2];

	TRY(mem_read_slow(c, vector * 4u, entry, sizeof(entry)));
	stack_current(c, &s, 0);
	TRY(stack_put(c, &s, image, 2));
	TRY(stack_put(c, &s, c->seg[CS].selector, 2));
	TRY(stack_put(c, &s, rip_next, 2));

	c->gpr[RSP] = s.sp;
	cpu_load_seg_real(c, CS, entry[1]);
	c->rip = entry[0];
	c->rflags &= ~(X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF |
		       (vif ? X86_EFLAGS_VIF : X86_EFLAGS_IF));
	return STEP_JUMP;
}

enum step vm86_int(struct cpu *c, u8 vector, u64 rip_next)
{
	bool to_8086;

	TRY(redirected(c, vector, &to_8086));
	if (to_8086)
		return int_8086(c, vector, rip_next);
	if (cpu_iopl(c) < 3)
		return cpu_raise_gp0(c);
	return cpu_soft_int(c, vector, rip_next);
}
