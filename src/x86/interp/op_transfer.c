/* SPDX-License-Identifier: MIT */
/* Far JMP, CALL, RET; INT, IRET; SYSCALL and its kin. */
#include "x86/cpu/protect.h"
#include "x86/cpu/vm86.h"
#include "x86/interp/ops.h"
#include "x86/interp/system.h"
#include "x86/mmu/access.h"

enum step op_jmp_far_imm(struct cpu *c, const struct insn *in)
{
	return cpu_far_jump(c, (u16)(in->imm >> 32), (u32)in->imm, in->osz, insn_next(c, in));
}

enum step op_call_far_imm(struct cpu *c, const struct insn *in)
{
	return cpu_far_call(c, (u16)(in->imm >> 32), (u32)in->imm, in->osz, insn_next(c, in));
}

enum step op_jmp_far_mem(struct cpu *c, const struct insn *in)
{
	u16 sel;
	u64 off;

	TRY(read_far_pointer(c, in, &sel, &off));
	return cpu_far_jump(c, sel, off, in->osz, insn_next(c, in));
}

enum step op_call_far_mem(struct cpu *c, const struct insn *in)
{
	u16 sel;
	u64 off;

	TRY(read_far_pointer(c, in, &sel, &off));
	return cpu_far_call(c, sel, off, in->osz, insn_next(c, in));
}

enum step op_ret_far(struct cpu *c, const struct insn *in)
{
	return cpu_far_return(c, (u16)in->imm, in->osz);
}

enum step op_iret(struct cpu *c, const struct insn *in)
{
	return cpu_iret(c, in->osz, insn_next(c, in));
}

/* -- Software interrupts --------------------------------------------------------------- */

static bool debugger_wants(const struct cpu *c, u32 what)
{
	return (c->guest_debug & KVM_GUESTDBG_ENABLE) && (c->guest_debug & what);
}

enum step op_int(struct cpu *c, const struct insn *in)
{
	u8 vector = (u8)in->imm;

	if (cpu_vm86(c))
		return vm86_int(c, vector, insn_next(c, in));
	return cpu_soft_int(c, vector, insn_next(c, in));
}

/* The debugger sees its breakpoint as an exception at INT3 itself. */
enum step op_int3(struct cpu *c, const struct insn *in)
{
	if (debugger_wants(c, KVM_GUESTDBG_USE_SW_BP))
		return cpu_raise(c, EXC_BP);
	return cpu_soft_int(c, EXC_BP, insn_next(c, in));
}

enum step op_into(struct cpu *c, const struct insn *in)
{
	if (!(c->status & X86_EFLAGS_OF))
		return STEP_NEXT;
	return cpu_soft_int(c, EXC_OF, insn_next(c, in));
}

enum step op_int1(struct cpu *c, const struct insn *in)
{
	if (debugger_wants(c, KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return cpu_raise_db(c, 0);
	return cpu_icebp(c, insn_next(c, in));
}

/* -- Fast system calls --------------------------------------------------------------------- */

enum step op_syscall(struct cpu *c, const struct insn *in)
{
	return cpu_syscall(c, insn_next(c, in));
}

enum step op_sysret(struct cpu *c, const struct insn *in)
{
	return cpu_sysret(c, in->osz);
}

enum step op_sysenter(struct cpu *c, const struct insn *in)
{
	return cpu_sysenter(c);
}

enum step op_sysexit(struct cpu *c, const struct insn *in)
{
	return cpu_sysexit(c, in->osz);
}
