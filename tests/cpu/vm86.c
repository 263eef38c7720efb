/* SPDX-License-Identifier: MIT */
/* Software interrupts of virtual-8086 mode and its virtual IF (SDM vol. 3B 20.3, 20.4). */
#include "fixture.h"
#include "x86/cpu/vm86.h"
#include "x86/interp/ops.h"

enum { IO_MAP = 0x100, VECTOR = 0x21, NEXT = 0x12 };

static void prepare(u32 iopl, bool vme, bool redirect_bit)
{
	setup(NULL);
	enter_vm86(iopl);
	if (vme)
		cpu.cr4 |= X86_CR4_VME;
	cpu.seg[TR].limit = 0x200;
	put16(TSS + 0x66, IO_MAP);
	mem[TSS + IO_MAP - 32 + VECTOR / 8] = redirect_bit ? BIT(VECTOR % 8) : 0;
	put16(VECTOR * 4, 0x77);
	put16(VECTOR * 4 + 2, 0x1000);
	set_gate(VECTOR, DESC_INT, 3, CODE0, HANDLER);
}

static u16 pushed_flags(void)
{
	return get16(cpu.seg[SS].base + (u16)cpu.gpr[RSP] + 4);
}

/* SDM vol. 3B table 20-2. */
static void six_methods(void **state)
{
	prepare(3, false, false);
	assert_jumped(vm86_int(&cpu, VECTOR, NEXT), CODE0, HANDLER);
	prepare(0, false, false);
	assert_exception(vm86_int(&cpu, VECTOR, NEXT), EXC_GP, 0);
	prepare(0, true, true);
	assert_exception(vm86_int(&cpu, VECTOR, NEXT), EXC_GP, 0);
	prepare(3, true, true);
	assert_jumped(vm86_int(&cpu, VECTOR, NEXT), CODE0, HANDLER);
	assert_false(cpu_vm86(&cpu));

	prepare(3, true, false);
	cpu_set_rflags(&cpu, cpu_rflags(&cpu) | X86_EFLAGS_IF | X86_EFLAGS_TF);
	assert_jumped(vm86_int(&cpu, VECTOR, NEXT), 0x1000, 0x77);
	assert_true(cpu_vm86(&cpu));
	assert_int_equal(pushed_flags(), 0x3302);
	assert_false(cpu.rflags & (X86_EFLAGS_IF | X86_EFLAGS_TF));

	/* VIF in the place of IF, which stays; IOPL reads as 3. */
	prepare(0, true, false);
	cpu_set_rflags(&cpu, cpu_rflags(&cpu) | X86_EFLAGS_IF | X86_EFLAGS_TF);
	assert_jumped(vm86_int(&cpu, VECTOR, NEXT), 0x1000, 0x77);
	assert_int_equal(pushed_flags(), 0x3102);
	assert_true(cpu.rflags & X86_EFLAGS_IF);
	assert_false(cpu.rflags & X86_EFLAGS_TF);
}

/* An interrupt waits: to open VIF is to be asked for it. */
static void pending_interrupt_faults(void **state)
{
	struct insn in = { .osz = 2, .len = 1 };

	prepare(0, true, false);
	cpu.rflags |= X86_EFLAGS_VIP;
	assert_exception(op_sti(&cpu, &in), EXC_GP, 0);
	put16(cpu.seg[SS].base + cpu.gpr[RSP], X86_EFLAGS_IF);
	assert_exception(op_popf(&cpu, &in), EXC_GP, 0);
	assert_false(cpu.rflags & X86_EFLAGS_VIF);
	cpu.gpr[RSP] -= 6;
	put16(cpu.seg[SS].base + cpu.gpr[RSP] + 4, X86_EFLAGS_IF);
	assert_exception(cpu_iret(&cpu, 2, 0), EXC_GP, 0);
	put16(cpu.seg[SS].base + cpu.gpr[RSP] + 4, 0);
	assert_step(STEP_JUMP, cpu_iret(&cpu, 2, 0));
	assert_true(cpu.rflags & X86_EFLAGS_VIP);
	assert_step(STEP_NEXT, op_cli(&cpu, &in));
}

/* With operands of 32 bits there is no virtual IF. */
static void only_with_16_bits(void **state)
{
	struct insn in = { .osz = 4, .len = 1 };

	prepare(0, true, false);
	assert_exception(op_pushf(&cpu, &in), EXC_GP, 0);
	assert_exception(op_popf(&cpu, &in), EXC_GP, 0);
	assert_exception(cpu_iret(&cpu, 4, 0), EXC_GP, 0);
}

/* An exception in virtual-8086 mode pushes the real flags. */
static void exception_pushes_real_flags(void **state)
{
	struct exception e = { .vector = EXC_GP, .has_error = true };

	prepare(0, true, false);
	cpu.rflags |= X86_EFLAGS_VIF;
	set_gate(EXC_GP, DESC_INT, 0, CODE0, HANDLER);
	assert_jumped(cpu_deliver(&cpu, &e), CODE0, HANDLER);
	assert_int_equal(get32(cpu.gpr[RSP] + 12) & 0xfffff,
			 X86_EFLAGS_VM | X86_EFLAGS_VIF | X86_EFLAGS_RF | X86_EFLAGS_IF |
			 X86_EFLAGS_FIXED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(six_methods), T(pending_interrupt_faults), T(only_with_16_bits),
		T(exception_pushes_real_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
