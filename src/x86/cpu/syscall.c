/* SPDX-License-Identifier: MIT */
/* SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM vol. 3A 5.8.7, 5.8.8; APM vol. 2 6.1). */
#include "x86/cpu/protect.h"

enum {
	ATTR_CODE	= SEG_ATTR_S | SEG_ATTR_TYPE_CODE | SEG_ATTR_TYPE_R |
			  SEG_ATTR_TYPE_A | SEG_ATTR_P | SEG_ATTR_G,
	ATTR_CODE32	= ATTR_CODE | SEG_ATTR_DB,
	ATTR_CODE64	= ATTR_CODE | SEG_ATTR_L,
	ATTR_STACK	= SEG_ATTR_S | SEG_ATTR_TYPE_W | SEG_ATTR_TYPE_A |
			  SEG_ATTR_P | SEG_ATTR_G | SEG_ATTR_DB,
	ATTR_USER	= SEG_ATTR_DPL,
};

static void load_flat(struct cpu *c, u16 cs, u16 ss, bool code64, u32 user)
{
	seg_set_flat(&c->seg[CS], cs, (code64 ? ATTR_CODE64 : ATTR_CODE32) | user);
	seg_set_flat(&c->seg[SS], ss, ATTR_STACK | user);
	cpu_mode_changed(c);
}

/* Intel: 64-bit mode only.  AMD: protected mode, too. */
static bool syscall_valid(const struct cpu *c)
{
	if (!(c->efer & EFER_SCE) || !cpu_protected(c) || cpu_vm86(c))
		return false;
	return cpu_code64(c) || cpu_amd_like(c);
}

enum step cpu_syscall(struct cpu *c, u64 rip_next)
{
	u16 cs = (c->star >> 32) & 0xfffc;
	u64 flags = cpu_rflags(c);

	if (!syscall_valid(c))
		return cpu_raise_ud(c);

	if (cpu_long_mode(c)) {
		c->gpr[RCX] = rip_next;
		c->gpr[R11] = flags & ~X86_EFLAGS_RF;
		c->rip = cpu_code64(c) ? c->lstar : c->cstar;
		flags &= ~(c->fmask | X86_EFLAGS_RF);
	} else {
		c->gpr[RCX] = (u32)rip_next;
		c->rip = (u32)c->star;
		flags &= ~(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
	}
	cpu_set_rflags(c, flags);
	load_flat(c, cs, cs + 8, cpu_long_mode(c), 0);
	return STEP_JUMP;
}

enum step cpu_sysret(struct cpu *c, u8 osz)
{
	const u64 user_flags = X86_EFLAGS_ALL & ~(X86_EFLAGS_RF | X86_EFLAGS_VM);
	u16 base = c->star >> 48;

	if (!syscall_valid(c))
		return cpu_raise_ud(c);
	if (c->cpl != 0)
		return cpu_raise_gp0(c);
	/* Intel faults here, at CPL 0; AMD after the change, at the target. */
	if (osz == 8 && !cpu_amd_like(c) && !is_canonical(c->gpr[RCX]))
		return cpu_raise_gp0(c);

	c->rip = osz == 8 ? c->gpr[RCX] : (u32)c->gpr[RCX];
	if (cpu_long_mode(c))
		cpu_set_rflags(c, c->gpr[R11] & user_flags);
	else
		cpu_set_rflags(c, cpu_rflags(c) | X86_EFLAGS_IF);
	load_flat(c, (osz == 8 ? base + 16 : base) | 3, (base + 8) | 3, osz == 8, ATTR_USER);
	/* Unlike IRET and POPF it traps before the next instruction. */
	return c->rflags & X86_EFLAGS_TF ? cpu_raise_db(c, DR6_BS) : STEP_JUMP;
}

enum step cpu_sysenter(struct cpu *c)
{
	u16 cs = c->sysenter_cs & 0xfffc;

	/* AMD has no SYSENTER in long mode (APM vol. 3). */
	if (cpu_amd_like(c) && cpu_long_mode(c))
		return cpu_raise_ud(c);
	if (!cpu_protected(c) || !cs)
		return cpu_raise_gp0(c);

	c->rflags &= ~(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
	c->gpr[RSP] = cpu_long_mode(c) ? c->sysenter_esp : (u32)c->sysenter_esp;
	c->rip = cpu_long_mode(c) ? c->sysenter_eip : (u32)c->sysenter_eip;
	load_flat(c, cs, cs + 8, cpu_long_mode(c), 0);
	return STEP_JUMP;
}

enum step cpu_sysexit(struct cpu *c, u8 osz)
{
	u16 base = c->sysenter_cs & 0xfffc;
	bool to64 = osz == 8;

	if (cpu_amd_like(c) && cpu_long_mode(c))
		return cpu_raise_ud(c);
	if (!cpu_protected(c) || !base || c->cpl != 0)
		return cpu_raise_gp0(c);
	if (to64 && (!is_canonical(c->gpr[RCX]) || !is_canonical(c->gpr[RDX])))
		return cpu_raise_gp0(c);

	c->gpr[RSP] = to64 ? c->gpr[RCX] : (u32)c->gpr[RCX];
	c->rip = to64 ? c->gpr[RDX] : (u32)c->gpr[RDX];
	load_flat(c, (to64 ? base + 32 : base + 16) | 3, (to64 ? base + 40 : base + 24) | 3,
		  to64, ATTR_USER);
	return STEP_JUMP;
}
