/* SPDX-License-Identifier: MIT */
/* Delivery of exceptions and interrupts (SDM vol. 3A chapter 6). */
#include "fixture.h"
#include "x86/interp/ops.h"

static struct exception gp(u32 error)
{
	return (struct exception){ .vector = EXC_GP, .has_error = true, .error = error };
}

static void real_mode_pushes_three_words(void **state)
{
	enter_real();
	cpu.idtr = (struct dtable){ 0, 0x3ff };
	put16(13 * 4, 0x234);
	put16(13 * 4 + 2, 0x1000);
	cpu_set_rflags(&cpu, X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_CF);
	struct exception e = gp(0);

	assert_jumped(cpu_deliver(&cpu, &e), 0x1000, 0x234);
	assert_int_equal(cpu.seg[CS].base, 0x10000);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 6);
	assert_int_equal(get16(STACK0 - 6), 0x100);
	assert_int_equal(get16(STACK0 - 4), CODE >> 4);
	assert_int_equal(get16(STACK0 - 2), 0x303);
	assert_int_equal(cpu_rflags(&cpu) & (X86_EFLAGS_IF | X86_EFLAGS_TF), 0);
}

static void real_mode_beyond_ivt_is_gp(void **state)
{
	enter_real();
	cpu.idtr.limit = 13 * 4 + 2;
	struct exception e = gp(0);

	assert_exception(cpu_deliver(&cpu, &e), EXC_GP, 13 * 8 + 3);
	assert_int_equal(cpu.gpr[RSP], STACK0);
}

static void same_level_with_error_code(void **state)
{
	enter_32(0);
	cpu_set_rflags(&cpu, X86_EFLAGS_IF | X86_EFLAGS_NT);
	set_gate(EXC_GP, DESC_INT, 0, CODE0, HANDLER);
	struct exception e = gp(0x55);

	assert_jumped(cpu_deliver(&cpu, &e), CODE0, HANDLER);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 16);
	assert_int_equal(get32(STACK0 - 16), 0x55);
	assert_int_equal(get32(STACK0 - 12), CODE);
	assert_int_equal(get32(STACK0 - 8), CODE0);
	/* A fault: RF is set in the image. */
	assert_int_equal(get32(STACK0 - 4),
			 X86_EFLAGS_IF | X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_FIXED);
	assert_int_equal(cpu_rflags(&cpu), X86_EFLAGS_FIXED);
}

static void trap_gate_keeps_if(void **state)
{
	enter_32(0);
	cpu_set_rflags(&cpu, X86_EFLAGS_IF);
	set_gate(0x20, DESC_TRAP, 0, CODE0, HANDLER);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 4), X86_EFLAGS_IF | X86_EFLAGS_FIXED);
	assert_true(cpu.rflags & X86_EFLAGS_IF);
}

static void gate16_pushes_words(void **state)
{
	enter_32(0);
	set_gate(0x20, DESC_INT16, 0, CODE0, HANDLER);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE0, HANDLER & 0xffff);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 6);
}

static void inner_level_switches_stack(void **state)
{
	enter_32(3);
	set_gate(0x20, DESC_INT, 0, CODE0, HANDLER);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE0, HANDLER);
	assert_int_equal(cpu.cpl, 0);
	assert_int_equal(cpu.seg[SS].selector, DATA0);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 20);
	assert_int_equal(get32(STACK0 - 4), DATA3);
	assert_int_equal(get32(STACK0 - 8), STACK3);
	assert_int_equal(get32(STACK0 - 16), CODE3);
}

static void inner_level_by_16_bit_tss(void **state)
{
	enter_32(3);
	set_gate(0x20, DESC_INT, 0, CODE0, HANDLER);
	cpu.seg[TR].attr = 0x83;
	put16(TSS + 2, STACK0 - 0x100);
	put16(TSS + 4, DATA0);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE0, HANDLER);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 0x100 - 20);
}

static void vm86_nulls_data_segments(void **state)
{
	enter_vm86(0);
	set_gate(EXC_GP, DESC_INT, 0, CODE0, HANDLER);
	struct exception e = gp(0);

	assert_jumped(cpu_deliver(&cpu, &e), CODE0, HANDLER);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 40);
	assert_int_equal(get32(STACK0 - 4), 0x900 + GS);
	assert_int_equal(get32(STACK0 - 16), 0x900 + ES);
	assert_int_equal(get32(STACK0 - 20), 0x900 + SS);
	assert_true(get32(STACK0 - 28) & X86_EFLAGS_VM);
	assert_false(cpu_vm86(&cpu));
	assert_int_equal(cpu.code_size, 4);
	assert_int_equal(cpu.seg[DS].selector, 0);
	assert_true(cpu.seg[DS].attr & SEG_ATTR_UNUSABLE);
}

static void vm86_handler_must_be_ring_0(void **state)
{
	enter_vm86(0);
	set_gate(0x20, DESC_INT, 0, CODE3 & ~3, HANDLER);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_GP, (CODE3 & ~3) | ERR_EXT);
}

static void long_mode_frame(void **state)
{
	enter_64(0);
	cpu.gpr[RSP] = STACK0 - 3;
	set_gate64(EXC_PF, DESC_INT, 0, 0, 0xffffffff80001000);
	cpu_raise_pf(&cpu, 0xdeadbeef, 2);
	struct exception e = cpu.exc;

	assert_jumped(cpu_deliver(&cpu, &e), CODE64, 0xffffffff80001000);
	assert_int_equal(cpu.cr2, 0xdeadbeef);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 16 - 48);
	assert_int_equal(get64(cpu.gpr[RSP]), 2);
	assert_int_equal(get64(cpu.gpr[RSP] + 8), CODE);
	assert_int_equal(get64(cpu.gpr[RSP] + 16), CODE64);
	assert_int_equal(get64(cpu.gpr[RSP] + 32), STACK0 - 3);
	assert_int_equal(get64(cpu.gpr[RSP] + 40), DATA0);
	assert_int_equal(cpu.seg[SS].selector, DATA0);
}

static void long_mode_from_user(void **state)
{
	enter_64(3);
	set_gate64(0x20, DESC_INT, 0, 0, HANDLER);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE64, HANDLER);
	assert_int_equal(cpu.cpl, 0);
	assert_int_equal(cpu.seg[SS].selector, 0);
	assert_true(cpu.seg[SS].attr & SEG_ATTR_UNUSABLE);
	assert_int_equal(cpu.gpr[RSP], STACK0 - 40);
}

static void long_mode_from_compatibility(void **state)
{
	enter_64(3);
	seg_set_flat(&cpu.seg[CS], CODE3, 0xc0fb);
	cpu_mode_changed(&cpu);
	assert_int_equal(cpu.code_size, 4);
	set_gate64(0x20, DESC_INT, 0, 0, HANDLER);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE64, HANDLER);
	assert_int_equal(cpu.code_size, 8);
	assert_int_equal(cpu.stack_size, 8);
}

static void ist_switches_without_privilege_change(void **state)
{
	enter_64(0);
	set_gate64(EXC_DF, DESC_INT, 0, 1, HANDLER);
	struct exception e = { .vector = EXC_DF, .has_error = true };

	assert_jumped(cpu_deliver(&cpu, &e), CODE64, HANDLER);
	assert_int_equal(cpu.gpr[RSP], IST1 - 48);
	assert_int_equal(cpu.seg[SS].selector, DATA0);
}

/* -- What can be wrong with a gate, a target, a stack ---------------------------------- */

static const struct {
	const char *why;
	u8 cpl, type, gate_dpl, soft, p_clear;
	u16 sel;
	u8 vector;
	u32 error;
} bad[] = {
	{ "not a gate",		0, DESC_TSS, 0, 0, 0, CODE0, EXC_GP, 0x20 * 8 + 3 },
	{ "call gate in IDT",	0, DESC_CALL, 0, 0, 0, CODE0, EXC_GP, 0x20 * 8 + 3 },
	{ "INT n above DPL",	3, DESC_INT, 0, 1, 0, CODE0, EXC_GP, 0x20 * 8 + 2 },
	{ "gate absent",	0, DESC_INT, 0, 0, 1, CODE0, EXC_NP, 0x20 * 8 + 3 },
	{ "gate absent, INT",	3, DESC_INT, 3, 1, 1, CODE0, EXC_NP, 0x20 * 8 + 2 },
	{ "null code",		0, DESC_INT, 0, 0, 0, 0, EXC_GP, 1 },
	{ "null code, INT",	3, DESC_INT, 3, 1, 0, 3, EXC_GP, 0 },
	{ "data as code",	0, DESC_INT, 0, 0, 0, DATA0, EXC_GP, DATA0 + 1 },
	{ "outer code",		0, DESC_INT, 0, 0, 0, CODE3, EXC_GP, (CODE3 & ~3) + 1 },
	{ "code absent",	0, DESC_INT, 0, 0, 0, ABSENT_CODE, EXC_NP, ABSENT_CODE + 1 },
	{ "beyond the GDT",	0, DESC_INT, 0, 0, 0, 0x200, EXC_GP, 0x201 },
	{ "no LDT",		0, DESC_INT, 0, 0, 0, 0x0c, EXC_GP, 0x0d },
	{ "ring 1 stack null",	3, DESC_INT, 0, 0, 0, CODE1, EXC_TS, 1 },
};

static void bad_gates(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		enum step st;

		setup(NULL);
		enter_32(bad[i].cpl);
		cpu.seg[LDTR].attr = SEG_ATTR_UNUSABLE;
		set_gate(0x20, bad[i].type, bad[i].gate_dpl, bad[i].sel, HANDLER);
		if (bad[i].p_clear)
			mem[IDT + 0x20 * 8 + 5] &= 0x7f;
		st = bad[i].soft ? cpu_soft_int(&cpu, 0x20, CODE + 2) :
				   cpu_deliver_interrupt(&cpu, 0x20);
		if (st != STEP_FAULT || cpu.exc.vector != bad[i].vector ||
		    cpu.exc.error != bad[i].error)
			print_error("case: %s\n", bad[i].why);
		assert_exception(st, bad[i].vector, bad[i].error);
		assert_int_equal(cpu.rip, CODE);
		assert_int_equal(cpu.cpl, bad[i].cpl);
	}
}

static const struct {
	u16 ss;
	u8 vector;
	u32 error;
} bad_stack[] = {
	{ 0, EXC_TS, 1 },
	{ DATA0 | 1, EXC_TS, DATA0 + 1 },
	{ DATA3, EXC_TS, (DATA3 & ~3) + 1 },
	{ RO_DATA, EXC_TS, RO_DATA + 1 },
	{ CODE0, EXC_TS, CODE0 + 1 },
	{ 0x300, EXC_TS, 0x301 },
	{ ABSENT_STACK, EXC_SS, ABSENT_STACK + 1 },
};

static void bad_inner_stacks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_stack); i++) {
		setup(NULL);
		enter_32(3);
		set_gate(0x20, DESC_INT, 0, CODE0, HANDLER);
		put16(TSS + 8, bad_stack[i].ss);
		assert_exception(cpu_deliver_interrupt(&cpu, 0x20), bad_stack[i].vector,
				 bad_stack[i].error);
		assert_int_equal(cpu.gpr[RSP], STACK3);
	}
}

static void tss_too_short(void **state)
{
	enter_32(3);
	set_gate(0x20, DESC_INT, 0, CODE0, HANDLER);
	cpu.seg[TR].limit = 8;
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_TS, SEL_TSS | ERR_EXT);
}

static void fault_on_the_stack_leaves_state(void **state)
{
	enter_32(3);
	set_gate(0x20, DESC_INT, 0, CODE0, HANDLER);
	put32(TSS + 4, BAD_PAGE + 8);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_PF, PF_W);
	assert_int_equal(cpu.seg[SS].selector, DATA3);
	assert_int_equal(cpu.gpr[RSP], STACK3);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.rip, CODE);
}

static void offset_beyond_code_limit(void **state)
{
	enter_32(0);
	set_gate(0x20, DESC_INT, 0, CODE16, 0x10000);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_GP, ERR_EXT);
}

static void long_mode_rejects(void **state)
{
	enter_64(0);
	set_gate64(0x20, DESC_INT16, 0, 0, HANDLER);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_GP, 0x103);
	set_gate64(0x20, DESC_INT, 0, 0, HANDLER);
	put16(IDT + 0x202, CODE0);	/* not 64-bit code */
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_GP, CODE0 + 1);
	set_gate64(0x20, DESC_INT, 0, 0, 1ull << 47);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_GP, ERR_EXT);
	set_gate64(0x20, DESC_INT, 0, 1, HANDLER);
	put64(TSS + 36, 1ull << 47);
	assert_exception(cpu_deliver_interrupt(&cpu, 0x20), EXC_SS, ERR_EXT);
}

/* -- Soft interrupts, #DB, nesting ---------------------------------------------------------- */

static void soft_int_returns_behind(void **state)
{
	enter_32(3);
	set_gate(0x80, DESC_TRAP, 3, CODE0, HANDLER);
	assert_jumped(cpu_soft_int(&cpu, 0x80, CODE + 2), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 20), CODE + 2);
	assert_false(get32(STACK0 - 12) & X86_EFLAGS_RF);
}

static void int1_needs_no_dpl(void **state)
{
	struct insn in = { .len = 1 };

	enter_32(3);
	set_gate(EXC_DB, DESC_TRAP, 0, CODE0, HANDLER);
	assert_jumped(op_int1(&cpu, &in), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 20), CODE + 1);
}

static void into_needs_overflow_and_dpl(void **state)
{
	struct insn in = { .len = 1 };

	enter_32(3);
	set_gate(EXC_OF, DESC_TRAP, 0, CODE0, HANDLER);
	assert_step(STEP_NEXT, op_into(&cpu, &in));
	cpu.status |= X86_EFLAGS_OF;
	assert_exception(op_into(&cpu, &in), EXC_GP, EXC_OF * 8 + 2);
	set_gate(EXC_OF, DESC_TRAP, 3, CODE0, HANDLER);
	assert_jumped(op_into(&cpu, &in), CODE0, HANDLER);
	assert_int_equal(get32(STACK0 - 20), CODE + 1);
}

static void db_payload_goes_to_dr6(void **state)
{
	enter_32(0);
	cpu.dr6 = DR6_RESET | 3;
	cpu.dr7 = DR7_RESET | DR7_GD;
	set_gate(EXC_DB, DESC_INT, 0, CODE0, HANDLER);
	cpu_raise_db(&cpu, DR6_BS | 4);
	struct exception e = cpu.exc;

	assert_jumped(cpu_deliver(&cpu, &e), CODE0, HANDLER);
	assert_int_equal(cpu.dr6, DR6_RESET | DR6_BS | 4);
	assert_int_equal(cpu.dr7, DR7_RESET);
	assert_false(get32(STACK0 - 4) & X86_EFLAGS_RF);
}

static const struct { u8 first, second, result; } nest[] = {
	{ EXC_GP, EXC_GP, EXC_DF }, { EXC_GP, EXC_PF, EXC_PF }, { EXC_PF, EXC_PF, EXC_DF },
	{ EXC_PF, EXC_GP, EXC_DF }, { EXC_DE, EXC_NP, EXC_DF }, { EXC_UD, EXC_GP, EXC_GP },
	{ EXC_DB, EXC_PF, EXC_PF }, { EXC_PF, EXC_DB, EXC_DB },
};

static void table_6_5(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(nest); i++) {
		setup(NULL);
		cpu.ev.exc.vector = nest[i].first;
		cpu.ev.exc_injected = true;
		cpu_raise_error(&cpu, nest[i].second, 7);
		cpu_queue_exception(&cpu);
		assert_int_equal(cpu.ev.exc.vector, nest[i].result);
		assert_true(cpu.ev.exc_pending);
		assert_false(cpu.ev.exc_injected);
	}
	cpu.ev.exc.vector = EXC_DF;
	cpu.ev.exc_injected = true;
	cpu.ev.exc_pending = false;
	cpu_raise_gp0(&cpu);
	cpu_queue_exception(&cpu);
	assert_true(cpu.ev.triple_fault);
	assert_false(cpu.ev.exc_pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(real_mode_pushes_three_words), T(real_mode_beyond_ivt_is_gp),
		T(same_level_with_error_code), T(trap_gate_keeps_if), T(gate16_pushes_words),
		T(inner_level_switches_stack), T(inner_level_by_16_bit_tss),
		T(vm86_nulls_data_segments), T(vm86_handler_must_be_ring_0),
		T(long_mode_frame), T(long_mode_from_user), T(long_mode_from_compatibility),
		T(ist_switches_without_privilege_change), T(bad_gates), T(bad_inner_stacks),
		T(tss_too_short), T(fault_on_the_stack_leaves_state),
		T(offset_beyond_code_limit), T(long_mode_rejects), T(soft_int_returns_behind),
		T(int1_needs_no_dpl), T(into_needs_overflow_and_dpl), T(db_payload_goes_to_dr6), T(table_6_5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
