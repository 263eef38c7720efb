/* SPDX-License-Identifier: MIT */
/* Far JMP, CALL, RET, IRET, SYSCALL, SYSENTER. */
#include "fixture.h"
#include "x86/cpu/vm86.h"
#include "x86/interp/ops.h"

enum { NEXT = CODE + 7 };

static void push32s(u32 n, ...)
{
	va_list ap;

	cpu.gpr[RSP] -= n * 4;
	va_start(ap, n);
	for (u32 i = 0; i < n; i++)
		put32(cpu.gpr[RSP] + i * 4, va_arg(ap, u32));
	va_end(ap);
}

static void push64s(u32 n, ...)
{
	va_list ap;

	cpu.gpr[RSP] -= n * 8;
	va_start(ap, n);
	for (u32 i = 0; i < n; i++)
		put64(cpu.gpr[RSP] + i * 8, va_arg(ap, u64));
	va_end(ap);
}

static void set_call_gate(u32 type, u8 dpl, u16 sel, u32 off, u32 params)
{
	put32(GDT + CALL_GATE, (off & 0xffff) | sel << 16);
	put32(GDT + CALL_GATE + 4, (off & 0xffff0000) | 0x8000 | dpl << 13 | type << 8 | params);
	put64(GDT + CALL_GATE + 8, 0);
}

/* -- Real mode ----------------------------------------------------------------------- */

static void real_mode_jump_call_return(void **state)
{
	enter_real();
	assert_jumped(cpu_far_jump(&cpu, 0x2000, 0x345, 2, 0), 0x2000, 0x345);
	assert_int_equal(cpu.seg[CS].base, 0x20000);
	assert_jumped(cpu_far_call(&cpu, 0x3000, 0x11, 2, 0x34a), 0x3000, 0x11);
	assert_int_equal(get16(STACK0 - 4), 0x34a);
	assert_int_equal(get16(STACK0 - 2), 0x2000);
	assert_jumped(cpu_far_return(&cpu, 6, 2), 0x2000, 0x34a);
	assert_int_equal(cpu.gpr[RSP], STACK0 + 6);
	assert_exception(cpu_far_jump(&cpu, 0x2000, 0x10000, 4, 0), EXC_GP, 0);
}

/* The same with pointers in the instruction and in memory. */
static void far_pointers(void **state)
{
	struct insn in = { .osz = 2, .asz = 2, .len = 5, .base = GPR_OFF_NONE,
			   .index = GPR_OFF_NONE, .seg = DS, .disp = 0x200 };

	enter_real();
	in.imm = 0x2000ull << 32 | 0x345;
	assert_jumped(op_jmp_far_imm(&cpu, &in), 0x2000, 0x345);
	in.imm = 0x3000ull << 32 | 0x11;
	assert_jumped(op_call_far_imm(&cpu, &in), 0x3000, 0x11);
	assert_int_equal(get16(STACK0 - 4), 0x34a);
	assert_int_equal(get16(STACK0 - 2), 0x2000);
	in.imm = 6;
	assert_jumped(op_ret_far(&cpu, &in), 0x2000, 0x34a);
	assert_int_equal(cpu.gpr[RSP], STACK0 + 6);

	in.flags = INSN_MEM;
	put16(0x200, 0x4321);
	put16(0x202, 0x1000);
	assert_jumped(op_call_far_mem(&cpu, &in), 0x1000, 0x4321);
	assert_int_equal(get16(STACK0 + 2), 0x34f);
	in.osz = 4;
	put32(0x200, 0x8765);
	put16(0x204, 0x1234);
	assert_jumped(op_jmp_far_mem(&cpu, &in), 0x1234, 0x8765);
}

static void real_mode_iret_keeps_vm(void **state)
{
	struct insn in = { .osz = 4, .len = 2 };

	enter_real();
	push32s(3, 0x222, 0x4000, ~0u);
	cpu.ev.nmi_masked = true;
	assert_jumped(op_iret(&cpu, &in), 0x4000, 0x222);
	assert_int_equal(cpu_rflags(&cpu) & X86_EFLAGS_VM, 0);
	assert_int_equal(cpu_rflags(&cpu) & X86_EFLAGS_VIP, 0);
	assert_true(cpu.rflags & X86_EFLAGS_IF);
	assert_false(cpu.ev.nmi_masked);
}

/* Of the NMIs that come while one is handled, one is latched (SDM vol. 3A 6.7.1). */
/* Intel: also if it faults (SDM vol. 3A 6.7.1).  AMD: at its completion. */
static void iret_that_faults(void **state)
{
	static struct cpu_features amd = { .amd_like = true };

	enter_vm86(0);
	cpu.ev.nmi_masked = true;
	cpu.features = &amd;
	assert_exception(cpu_iret(&cpu, 2, 0), EXC_GP, 0);
	assert_true(cpu.ev.nmi_masked);
	cpu.features = NULL;
	assert_exception(cpu_iret(&cpu, 2, 0), EXC_GP, 0);
	assert_false(cpu.ev.nmi_masked);
}

static void iret_leaves_one_nmi(void **state)
{
	enter_real();
	push32s(3, 0x222, 0x4000, 2);
	cpu.ev.nmi_masked = true;
	cpu.ev.nmi_pending = 2;
	assert_jumped(cpu_iret(&cpu, 4, 0), 0x4000, 0x222);
	assert_int_equal(cpu.ev.nmi_pending, 1);

	/* Not masked: two that came at once are still due. */
	push32s(3, 0x222, 0x4000, 2);
	cpu.ev.nmi_pending = 2;
	assert_jumped(cpu_iret(&cpu, 4, 0), 0x4000, 0x222);
	assert_int_equal(cpu.ev.nmi_pending, 2);
}

static void entering_protected_mode_keeps_stale_cs(void **state)
{
	enter_real();
	TABLES(GDT_BYTES - 1);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 0, X86_CR0_PE));
	assert_int_equal(cpu.code_size, 2);
	assert_int_equal(cpu.seg[CS].base, CODE);
	assert_int_equal(cpu.cpl, 0);
	assert_jumped(cpu_far_jump(&cpu, CODE0, HANDLER, 4, 0), CODE0, HANDLER);
	assert_int_equal(cpu.code_size, 4);
}

/* -- Direct, in protected mode ----------------------------------------------------------- */

static const struct {
	const char *why;
	u8 cpl;
	u16 sel;
	u8 vector;
	u32 error;
} bad_jump[] = {
	{ "null", 0, 0, EXC_GP, 0 },
	{ "null with RPL", 0, 3, EXC_GP, 0 },
	{ "beyond", 0, 0x180, EXC_GP, 0x180 },
	{ "data", 0, DATA0, EXC_GP, DATA0 },
	{ "RPL above CPL", 0, CODE0 | 3, EXC_GP, CODE0 },
	{ "inner DPL", 3, CODE0, EXC_GP, CODE0 },
	{ "outer DPL", 0, CODE3 & ~3, EXC_GP, CODE3 & ~3 },
	{ "absent", 0, ABSENT_CODE, EXC_NP, ABSENT_CODE },
	{ "LDT", 0, SEL_LDT, EXC_GP, SEL_LDT },
};

static void bad_jumps_and_calls(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_jump); i++) {
		for (int call = 0; call < 2; call++) {
			setup(NULL);
			enter_32(bad_jump[i].cpl);
			cpu.gpr[RSP] = STACK0;
			assert_exception(call ?
				cpu_far_call(&cpu, bad_jump[i].sel, 0, 4, NEXT) :
				cpu_far_jump(&cpu, bad_jump[i].sel, 0, 4, NEXT),
				bad_jump[i].vector, bad_jump[i].error);
			assert_int_equal(cpu.gpr[RSP], STACK0);
		}
	}
}

static void conforming_keeps_cpl(void **state)
{
	enter_32(3);
	assert_jumped(cpu_far_jump(&cpu, CONFORMING, HANDLER, 4, 0), CONFORMING | 3, HANDLER);
	assert_int_equal(cpu.cpl, 3);
}

static void loading_sets_accessed(void **state)
{
	enter_32(0);
	mem[GDT + CODE0 + 5] = 0x9a;
	assert_jumped(cpu_far_jump(&cpu, CODE0, HANDLER, 4, 0), CODE0, HANDLER);
	assert_int_equal(mem[GDT + CODE0 + 5], 0x9b);
}

static void call_and_return_same_level(void **state)
{
	enter_32(0);
	assert_jumped(cpu_far_call(&cpu, CODE0, HANDLER, 4, NEXT), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 8), NEXT);
	assert_int_equal(get32(STACK0 - 4), CODE0);
	assert_jumped(cpu_far_return(&cpu, 0, 4), CODE0, NEXT);
	assert_int_equal(cpu.gpr[RSP], STACK0);
}

static void sixteen_bit_code(void **state)
{
	enter_32(0);
	assert_jumped(cpu_far_jump(&cpu, CODE16, 0x1234, 4, 0), CODE16, 0x1234);
	assert_int_equal(cpu.code_size, 2);
	assert_exception(cpu_far_jump(&cpu, CODE16, 0x12345, 4, 0), EXC_GP, 0);
	assert_jumped(cpu_far_jump(&cpu, CODE16, 0x12345, 2, 0), CODE16, 0x2345);
}

/* -- Call gates ------------------------------------------------------------------------------- */

static void call_gate_copies_parameters(void **state)
{
	enter_32(3);
	set_call_gate(DESC_CALL, 3, CODE0, HANDLER, 2);
	push32s(2, 0xaaaa, 0xbbbb);
	assert_jumped(cpu_far_call(&cpu, CALL_GATE | 3, 0, 4, NEXT), CODE0, HANDLER);
	assert_int_equal(cpu.cpl, 0);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 24);
	assert_int_equal(get32(STACK0 - 4), DATA3);
	assert_int_equal(get32(STACK0 - 8), STACK3 - 8);
	assert_int_equal(get32(STACK0 - 12), 0xbbbb);
	assert_int_equal(get32(STACK0 - 16), 0xaaaa);
	assert_int_equal(get32(STACK0 - 20), CODE3);
	assert_int_equal(get32(STACK0 - 24), NEXT);
	/* And back, with its RET 8. */
	assert_jumped(cpu_far_return(&cpu, 8, 4), CODE3, NEXT);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.seg[SS].selector, DATA3);
	assert_int_equal(cpu.gpr[RSP], STACK3);
}

static void call_gate_16_bit(void **state)
{
	enter_32(3);
	set_call_gate(DESC_CALL16, 3, CODE0, 0x1234, 2);
	push32s(1, 0xbbbbaaaa);
	assert_jumped(cpu_far_call(&cpu, CALL_GATE | 3, 0, 4, NEXT), CODE0, 0x1234);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 12);
	assert_int_equal(get16(STACK0 - 2), DATA3);
	assert_int_equal(get16(STACK0 - 4), STACK3 - 4);
	assert_int_equal(get32(STACK0 - 8), 0xbbbbaaaa);
	assert_int_equal(get16(STACK0 - 10), CODE3);
	assert_int_equal(get16(STACK0 - 12), NEXT & 0xffff);
}

static void call_gate_refused(void **state)
{
	enter_32(3);
	set_call_gate(DESC_CALL, 0, CODE0, HANDLER, 0);
	assert_exception(cpu_far_call(&cpu, CALL_GATE | 3, 0, 4, NEXT), EXC_GP, CALL_GATE);
	set_call_gate(DESC_CALL, 3, CODE0, HANDLER, 0);
	mem[GDT + CALL_GATE + 5] &= 0x7f;
	assert_exception(cpu_far_call(&cpu, CALL_GATE | 3, 0, 4, NEXT), EXC_NP, CALL_GATE);
	set_call_gate(DESC_CALL, 3, CODE0, HANDLER, 0);
	assert_exception(cpu_far_jump(&cpu, CALL_GATE | 3, 0, 4, NEXT), EXC_GP, CODE0);
}

static void call_gate_64(void **state)
{
	enter_64(3);
	set_call_gate(DESC_CALL, 3, CODE64, HANDLER, 5);
	assert_jumped(cpu_far_call(&cpu, CALL_GATE | 3, 0, 4, NEXT), CODE64, HANDLER);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 32);
	assert_int_equal(get64(STACK0 - 32), NEXT);
	assert_int_equal(get64(STACK0 - 16), STACK3);
	assert_int_equal(cpu.seg[SS].selector, 0);
	assert_jumped(cpu_far_return(&cpu, 0, 8), CODE64_3, NEXT);
	assert_int_equal(cpu.gpr[RSP], STACK3);
}

/* -- RET and IRET to outer levels --------------------------------------------------------------- */

static void outer_return_drops_segments(void **state)
{
	enter_32(0);
	seg_set_flat(&cpu.seg[ES], DATA3, 0xc0f3);
	push32s(5, HANDLER, CODE3, X86_EFLAGS_IF, STACK3, DATA3);
	assert_jumped(cpu_iret(&cpu, 4, 0), CODE3, HANDLER);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.gpr[RSP], STACK3);
	assert_int_equal(cpu.seg[DS].selector, 0);
	assert_true(cpu.seg[DS].attr & SEG_ATTR_UNUSABLE);
	assert_int_equal(cpu.seg[ES].selector, DATA3);
	assert_true(cpu.rflags & X86_EFLAGS_IF);
}

/* What a kernel has put into MSR_GS_BASE survives its first IRET to user code. */
static void outer_return_keeps_bases(void **state)
{
	enter_64(0);
	cpu.seg[GS].base = 0x400000;
	push64s(5, (u64)HANDLER, (u64)CODE64_3, (u64)X86_EFLAGS_IF, (u64)STACK3, (u64)DATA3);
	assert_jumped(cpu_iret(&cpu, 8, 0), CODE64_3, HANDLER);
	assert_true(cpu.seg[GS].attr & SEG_ATTR_UNUSABLE);
	assert_int_equal(cpu.seg[GS].selector, 0);
	assert_int_equal(cpu.seg[GS].base, 0x400000);
}

static const struct {
	const char *why;
	u16 cs, ss;
	u8 vector;
	u32 error;
} bad_return[] = {
	{ "null CS", 0, DATA3, EXC_GP, 0 },
	{ "CS RPL and DPL differ", CODE3 & ~2, DATA3, EXC_GP, CODE3 & ~3 },
	{ "data", DATA3, DATA3, EXC_GP, DATA3 & ~3 },
	{ "absent code", ABSENT_CODE, DATA3, EXC_NP, ABSENT_CODE },
	{ "null SS", CODE3, 0, EXC_GP, 0 },
	{ "SS RPL", CODE3, DATA3 & ~3, EXC_GP, DATA3 & ~3 },
	{ "SS DPL", CODE3, DATA0 | 3, EXC_GP, DATA0 },
	{ "SS code", CODE3, CODE3, EXC_GP, CODE3 & ~3 },
};

static void bad_returns(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_return); i++) {
		enum step st;

		setup(NULL);
		enter_32(0);
		push32s(5, HANDLER, bad_return[i].cs, 2, STACK3, bad_return[i].ss);
		st = cpu_iret(&cpu, 4, 0);
		if (st != STEP_FAULT || cpu.exc.error != bad_return[i].error)
			print_error("case: %s\n", bad_return[i].why);
		assert_exception(st, bad_return[i].vector, bad_return[i].error);
		assert_int_equal(cpu.gpr[RSP], STACK0 - 20);
		assert_int_equal(cpu.cpl, 0);
	}
}

static void return_inward_is_refused(void **state)
{
	enter_32(3);
	push32s(3, HANDLER, CODE0, 2);
	assert_exception(cpu_iret(&cpu, 4, 0), EXC_GP, CODE0);
}

static void user_iret_keeps_if_and_iopl(void **state)
{
	enter_32(3);
	cpu_set_rflags(&cpu, X86_EFLAGS_IF);
	push32s(3, HANDLER, CODE3, (u32)(X86_EFLAGS_IOPL | X86_EFLAGS_CF));
	assert_jumped(cpu_iret(&cpu, 4, 0), CODE3, HANDLER);
	assert_int_equal(cpu_rflags(&cpu), X86_EFLAGS_IF | X86_EFLAGS_CF | X86_EFLAGS_FIXED);
}

static void sixteen_bit_stack_keeps_upper_esp(void **state)
{
	enter_32(0);
	set_desc(DATA16, 0, 0xffff, D_DATA | D_DPL3);
	push32s(5, HANDLER, CODE3, 2, 0x12345678, DATA16 | 3);
	assert_jumped(cpu_iret(&cpu, 4, 0), CODE3, HANDLER);
	assert_int_equal(cpu.gpr[RSP], 0x5678);
	assert_int_equal(cpu.stack_size, 2);
}

static void iret_to_vm86_and_int_back(void **state)
{
	enter_32(0);
	push32s(9, 0x20, 0x1000, (u32)(X86_EFLAGS_VM | X86_EFLAGS_IOPL | X86_EFLAGS_IF), 0x80,
		0x900, 0xa00, 0xb00, 0xc00, 0xd00);
	assert_jumped(cpu_iret(&cpu, 4, 0), 0x1000, 0x20);
	assert_true(cpu_vm86(&cpu));
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.code_size, 2);
	assert_int_equal(cpu.seg[SS].base, 0x9000);
	assert_int_equal(cpu.seg[ES].selector, 0xa00);
	assert_int_equal(cpu.seg[GS].selector, 0xd00);
	set_gate(0x21, DESC_INT, 3, CODE0, HANDLER);
	assert_jumped(vm86_int(&cpu, 0x21, 0x22), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 36), 0x22);
}

static void vm86_int_needs_iopl_or_vme(void **state)
{
	enter_vm86(0);
	set_gate(0x21, DESC_INT, 3, CODE0, HANDLER);
	assert_exception(vm86_int(&cpu, 0x21, 0x12), EXC_GP, 0);
	assert_exception(cpu_iret(&cpu, 2, 0), EXC_GP, 0);
	/* VME with a clear redirection bit: the 8086 program's own handler. */
	cpu.cr4 |= X86_CR4_VME;
	put16(TSS + 0x66, 0x100);
	put16(0x21 * 4, 0x77);
	put16(0x21 * 4 + 2, 0x1000);
	cpu.rflags |= X86_EFLAGS_VIF;
	assert_jumped(vm86_int(&cpu, 0x21, 0x12), 0x1000, 0x77);
	assert_int_equal(cpu.gpr[RSP], 0x100 - 6);
	assert_int_equal(get16(0x9020 + 0xfe), 0x3202);
	assert_false(cpu.rflags & X86_EFLAGS_VIF);
	assert_jumped(cpu_iret(&cpu, 2, 0), 0x900 + CS, 0x12);
	assert_true(cpu.rflags & X86_EFLAGS_VIF);
}

/* -- Long mode ------------------------------------------------------------------------------------- */

static void iretq_pops_ss_always(void **state)
{
	enter_64(0);
	push64s(5, (u64)HANDLER, (u64)CODE64, (u64)X86_EFLAGS_IF, (u64)0x7000, (u64)0);
	assert_jumped(cpu_iret(&cpu, 8, 0), CODE64, HANDLER);
	assert_int_equal(cpu.gpr[RSP], 0x7000);
	assert_int_equal(cpu.seg[SS].selector, 0);
	assert_int_equal(cpu.cpl, 0);
}

static void iretq_to_user(void **state)
{
	enter_64(0);
	cpu.seg[FS].base = 0x7f0000001000;
	push64s(5, (u64)HANDLER, (u64)CODE64_3, (u64)X86_EFLAGS_IF, (u64)STACK3, (u64)DATA3);
	assert_jumped(cpu_iret(&cpu, 8, 0), CODE64_3, HANDLER);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.code_size, 8);
}

static void iretq_to_compatibility(void **state)
{
	enter_64(0);
	push64s(5, (u64)HANDLER, (u64)CODE3, (u64)0, (u64)STACK3, (u64)DATA3);
	assert_jumped(cpu_iret(&cpu, 8, 0), CODE3, HANDLER);
	assert_int_equal(cpu.code_size, 4);
	assert_int_equal(cpu.stack_size, 4);
}

static void iretq_refuses(void **state)
{
	enter_64(0);
	push64s(5, 1ull << 47, (u64)CODE64_3, (u64)0, (u64)STACK3, (u64)DATA3);
	assert_exception(cpu_iret(&cpu, 8, 0), EXC_GP, 0);
	put64(cpu.gpr[RSP], HANDLER);
	put64(cpu.gpr[RSP] + 32, 3);	/* null SS is not for ring 3 */
	assert_exception(cpu_iret(&cpu, 8, 0), EXC_GP, 0);
	cpu.rflags |= X86_EFLAGS_NT;
	assert_exception(cpu_iret(&cpu, 8, 0), EXC_GP, 0);
}

static void enabling_long_mode(void **state)
{
	enter_32(0);
	assert_step(STEP_NEXT, cpu_write_efer(&cpu, EFER_LME));
	assert_exception(cpu_write_cr(&cpu, 0, X86_CR0_PG | X86_CR0_PE), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, X86_CR4_PAE));
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 0, X86_CR0_PG | X86_CR0_PE));
	assert_true(cpu_long_mode(&cpu));
	assert_int_equal(cpu.code_size, 4);
	assert_jumped(cpu_far_jump(&cpu, CODE64, HANDLER, 4, 0), CODE64, HANDLER);
	assert_int_equal(cpu.code_size, 8);
	assert_exception(cpu_write_cr(&cpu, 0, X86_CR0_PE), EXC_GP, 0);
	assert_exception(cpu_write_cr(&cpu, 4, 0), EXC_GP, 0);
	assert_exception(cpu_write_efer(&cpu, 0), EXC_GP, 0);
}

/* -- SYSCALL and SYSENTER ------------------------------------------------------------------------------ */

static void syscall_and_sysret(void **state)
{
	enter_64(3);
	cpu.star = (u64)0x10 << 48 | (u64)0x08 << 32;
	cpu.lstar = 0xffffffff81000000;
	cpu.fmask = X86_EFLAGS_IF;
	cpu_set_rflags(&cpu, X86_EFLAGS_IF | X86_EFLAGS_CF);
	assert_jumped(cpu_syscall(&cpu, CODE + 2), 0x08, 0xffffffff81000000);
	assert_int_equal(cpu.gpr[RCX], CODE + 2);
	assert_int_equal(cpu.gpr[R11], 0x203);
	assert_int_equal(cpu_rflags(&cpu), 3);
	assert_int_equal(cpu.seg[SS].selector, 0x10);
	assert_int_equal(cpu.cpl, 0);
	assert_jumped(cpu_sysret(&cpu, 8), 0x23, CODE + 2);
	assert_int_equal(cpu.seg[SS].selector, 0x1b);
	assert_int_equal(cpu_rflags(&cpu), 0x203);
	assert_int_equal(cpu.cpl, 3);
	assert_exception(cpu_sysret(&cpu, 8), EXC_GP, 0);
}

static void syscall_by_vendor(void **state)
{
	static struct cpu_features amd = { .amd_like = true };

	enter_64(3);
	seg_set_flat(&cpu.seg[CS], CODE3, 0xc0fb);
	cpu_mode_changed(&cpu);
	cpu.cstar = 0x1111;
	assert_exception(cpu_syscall(&cpu, CODE + 2), EXC_UD, 0);
	cpu.features = &amd;
	assert_jumped(cpu_syscall(&cpu, CODE + 2), 0, 0x1111);
	assert_int_equal(cpu.code_size, 8);
	/* AMD does not look at RCX here. */
	cpu.gpr[RCX] = 1ull << 47;
	assert_step(STEP_JUMP, cpu_sysret(&cpu, 8));
	cpu.efer &= ~EFER_SCE;
	assert_exception(cpu_syscall(&cpu, 0), EXC_UD, 0);
	cpu.sysenter_cs = CODE0;
	assert_exception(cpu_sysenter(&cpu), EXC_UD, 0);
}

/* The trap comes at the target, before its first instruction (APM vol. 3, SYSRET). */
static void sysret_with_tf_traps_at_its_target(void **state)
{
	enter_64(0);
	cpu.efer |= EFER_SCE;
	cpu.star = 0x0013000800000000;
	cpu.gpr[RCX] = CODE + 2;
	cpu.gpr[R11] = X86_EFLAGS_TF | X86_EFLAGS_FIXED;
	assert_step(STEP_FAULT, cpu_sysret(&cpu, 8));
	assert_int_equal(cpu.exc.vector, EXC_DB);
	assert_true(cpu.exc.has_payload && cpu.exc.payload == DR6_BS);
	assert_int_equal(cpu.rip, CODE + 2);
	assert_int_equal(cpu.cpl, 3);
}

static void sysret_intel_checks_rcx(void **state)
{
	enter_64(0);
	cpu.gpr[RCX] = 1ull << 47;
	assert_exception(cpu_sysret(&cpu, 8), EXC_GP, 0);
	assert_int_equal(cpu.cpl, 0);
}

static void sysenter_and_sysexit(void **state)
{
	struct insn in = { .osz = 4 };

	enter_32(3);
	assert_exception(op_sysenter(&cpu, &in), EXC_GP, 0);
	cpu.sysenter_cs = CODE0;
	cpu.sysenter_esp = STACK0;
	cpu.sysenter_eip = HANDLER;
	assert_jumped(op_sysenter(&cpu, &in), CODE0, HANDLER);
	assert_int_equal(cpu.cpl, 0);
	assert_int_equal(cpu.gpr[RSP], STACK0);
	cpu.gpr[RCX] = STACK3;
	cpu.gpr[RDX] = CODE;
	assert_jumped(op_sysexit(&cpu, &in), CODE0 + 16 + 3, CODE);
	assert_int_equal(cpu.gpr[RSP], STACK3);
	assert_int_equal(cpu.seg[SS].selector, CODE0 + 24 + 3);
	assert_exception(op_sysexit(&cpu, &in), EXC_GP, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(real_mode_jump_call_return), T(far_pointers), T(real_mode_iret_keeps_vm),
		T(entering_protected_mode_keeps_stale_cs), T(bad_jumps_and_calls),
		T(conforming_keeps_cpl), T(loading_sets_accessed), T(call_and_return_same_level),
		T(sixteen_bit_code), T(call_gate_copies_parameters), T(call_gate_16_bit),
		T(call_gate_refused), T(call_gate_64), T(iret_leaves_one_nmi),
		T(iret_that_faults), T(outer_return_drops_segments),
		T(outer_return_keeps_bases),
		T(bad_returns), T(return_inward_is_refused), T(user_iret_keeps_if_and_iopl),
		T(sixteen_bit_stack_keeps_upper_esp), T(iret_to_vm86_and_int_back),
		T(vm86_int_needs_iopl_or_vme), T(iretq_pops_ss_always), T(iretq_to_user),
		T(iretq_to_compatibility), T(iretq_refuses), T(enabling_long_mode),
		T(syscall_and_sysret), T(syscall_by_vendor), T(sysret_intel_checks_rcx),
		T(sysret_with_tf_traps_at_its_target),
		T(sysenter_and_sysexit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
