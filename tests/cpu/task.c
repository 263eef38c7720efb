/* SPDX-License-Identifier: MIT */
/* Task switches (SDM vol. 3A chapter 7) and system management mode. */
#include "fixture.h"

enum { T_EIP = 32, T_EFLAGS = 36, T_EAX = 40, T_ESP = 56, T_ES = 72, T_CS = 76, T_SS = 80,
       T_DS = 84, T_FS = 88, T_GS = 92, T_LDT = 96, T_TRAP = 100 };

/* TSS2 describes a task at @cs:HANDLER with @data in all data segments. */
static void new_task(u16 cs, u16 data)
{
	put32(TSS2 + T_EIP, HANDLER);
	put32(TSS2 + T_EFLAGS, 2);
	put32(TSS2 + T_EAX, 0xabcd);
	put32(TSS2 + T_ESP, 0x7800);
	for (u32 at = T_ES; at <= T_GS; at += 4)
		put16(TSS2 + at, data);
	put16(TSS2 + T_CS, cs);
}

static void prepare(u8 cpl)
{
	enter_32(cpl);
	set_desc(SEL_TSS, TSS, 0x2fff, 0x8b);
	new_task(CODE0, DATA0);
}

static void call_nests_and_iret_returns(void **state)
{
	prepare(0);
	cpu.gpr[RBX] = 0x1111;
	assert_jumped(cpu_far_call(&cpu, SEL_TSS2, 0, 4, CODE + 7), CODE0, HANDLER);
	assert_int_equal(cpu.gpr[RAX], 0xabcd);
	assert_int_equal(cpu.gpr[RSP], 0x7800);
	assert_int_equal(cpu.seg[TR].selector, SEL_TSS2);
	assert_int_equal(cpu.seg[TR].attr & 0xf, DESC_TSS_BUSY);
	assert_true(cpu.rflags & X86_EFLAGS_NT);
	assert_true(cpu.cr0 & X86_CR0_TS);
	assert_int_equal(get16(TSS2), SEL_TSS);
	assert_int_equal(get32(TSS + T_EIP), CODE + 7);
	assert_int_equal(get32(TSS + T_EAX + 12), 0x1111);
	assert_int_equal(get16(TSS + T_CS), CODE0);
	/* Both are busy while nested. */
	assert_int_equal(mem[GDT + SEL_TSS + 5], 0x8b);
	assert_int_equal(mem[GDT + SEL_TSS2 + 5], 0x8b);

	assert_jumped(cpu_iret(&cpu, 4, HANDLER + 1), CODE0, CODE + 7);
	assert_int_equal(cpu.gpr[RBX], 0x1111);
	assert_int_equal(cpu.seg[TR].selector, SEL_TSS);
	assert_int_equal(mem[GDT + SEL_TSS2 + 5], 0x89);
	assert_false(cpu.rflags & X86_EFLAGS_NT);
	assert_false(get32(TSS2 + T_EFLAGS) & X86_EFLAGS_NT);
	assert_int_equal(get32(TSS2 + T_EIP), HANDLER + 1);
}

static void jump_frees_the_old(void **state)
{
	prepare(0);
	assert_jumped(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, CODE + 7), CODE0, HANDLER);
	assert_int_equal(mem[GDT + SEL_TSS + 5], 0x89);
	assert_int_equal(mem[GDT + SEL_TSS2 + 5], 0x8b);
	assert_false(cpu.rflags & X86_EFLAGS_NT);
}

static void exception_through_task_gate(void **state)
{
	struct exception e = { .vector = EXC_DF, .has_error = true };

	prepare(3);
	set_gate(EXC_DF, DESC_TASK_GATE, 0, SEL_TSS2, 0);
	assert_jumped(cpu_deliver(&cpu, &e), CODE0, HANDLER);
	assert_int_equal(cpu.cpl, 0);
	assert_int_equal(cpu.gpr[RSP], 0x7800 - 4);
	assert_int_equal(get32(0x7800 - 4), 0);
	assert_int_equal(get32(TSS + T_EIP), CODE);
}

/* The old task resumes at a fault, error code or not, but not at an abort. */
static void resume_flag_of_the_old_task(void **state)
{
	struct exception ud = { .vector = EXC_UD };

	exception_through_task_gate(state);
	assert_false(get32(TSS + T_EFLAGS) & X86_EFLAGS_RF);

	setup(NULL);
	prepare(0);
	set_gate(EXC_UD, DESC_TASK_GATE, 0, SEL_TSS2, 0);
	assert_jumped(cpu_deliver(&cpu, &ud), CODE0, HANDLER);
	assert_true(get32(TSS + T_EFLAGS) & X86_EFLAGS_RF);

	setup(NULL);
	prepare(0);
	set_gate(0x20, DESC_TASK_GATE, 0, SEL_TSS2, 0);
	assert_jumped(cpu_deliver_interrupt(&cpu, 0x20), CODE0, HANDLER);
	assert_false(get32(TSS + T_EFLAGS) & X86_EFLAGS_RF);
}

static void to_outer_and_vm86_tasks(void **state)
{
	prepare(0);
	new_task(CODE3, DATA3);
	assert_jumped(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), CODE3, HANDLER);
	assert_int_equal(cpu.cpl, 3);

	setup(NULL);
	prepare(0);
	new_task(0x1000, 0x900);
	put32(TSS2 + T_EIP, 0x20);
	put32(TSS2 + T_EFLAGS, (u32)X86_EFLAGS_VM);
	assert_jumped(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), 0x1000, 0x20);
	assert_true(cpu_vm86(&cpu));
	assert_int_equal(cpu.seg[DS].base, 0x9000);
}

static void task16(void **state)
{
	prepare(0);
	set_desc(SEL_TSS2, TSS2, 43, 0x81);
	memset(mem + TSS2, 0, 44);
	put16(TSS2 + 14, 0x1234);
	put16(TSS2 + 18, 0x42);
	put16(TSS2 + 26, 0x7800);
	put16(TSS2 + 34, DATA0);
	put16(TSS2 + 36, CODE0);
	put16(TSS2 + 38, DATA0);
	put16(TSS2 + 40, DATA0);
	assert_jumped(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), CODE0, 0x1234);
	assert_int_equal(cpu.gpr[RAX], 0x42);
	assert_int_equal(cpu.gpr[RSP], 0x7800);
	assert_int_equal(cpu.seg[FS].selector, 0);
}

static void refused_before_the_switch(void **state)
{
	prepare(0);
	mem[GDT + SEL_TSS2 + 5] = 0x8b;
	assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), EXC_GP, SEL_TSS2);
	mem[GDT + SEL_TSS2 + 5] = 0x09;
	assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), EXC_NP, SEL_TSS2);
	set_desc(SEL_TSS2, TSS2, 0x66, 0x89);
	assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), EXC_TS, SEL_TSS2);
	cpu.rflags |= X86_EFLAGS_NT;
	put16(TSS, SEL_TSS2);	/* not busy */
	assert_exception(cpu_iret(&cpu, 4, 0), EXC_TS, SEL_TSS2);
	assert_int_equal(cpu.seg[TR].selector, SEL_TSS);
	assert_int_equal(cpu.rip, CODE);
}

/* A bad segment is the new task's exception. */
static void bad_segments_of_the_new_task(void **state)
{
	static const struct { u32 at; u16 sel; u8 vector; u32 error; } t[] = {
		{ T_CS, 0, EXC_TS, 0 }, { T_CS, DATA0, EXC_TS, DATA0 },
		{ T_CS, ABSENT_CODE, EXC_NP, ABSENT_CODE }, { T_SS, 0, EXC_TS, 0 },
		{ T_SS, ABSENT_STACK, EXC_SS, ABSENT_STACK }, { T_DS, XO_CODE, EXC_TS, XO_CODE },
		{ T_FS, ABSENT_DATA, EXC_NP, ABSENT_DATA }, { T_LDT, DATA0, EXC_TS, DATA0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		setup(NULL);
		prepare(0);
		put16(TSS2 + t[i].at, t[i].sel);
		assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), t[i].vector, t[i].error);
		assert_int_equal(cpu.seg[TR].selector, SEL_TSS2);
		assert_int_equal(cpu.rip, HANDLER);
	}
}

/* Its handler has the new task's stack, though CS came before SS. */
static void bad_segments_leave_the_others(void **state)
{
	prepare(0);
	put16(TSS2 + T_LDT, CODE0);
	put16(TSS2 + T_CS, DATA0);
	put16(TSS2 + T_FS, XO_CODE);
	set_gate(EXC_TS, DESC_INT, 0, CODE0, HANDLER);
	assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), EXC_TS, CODE0);
	assert_false(cpu.seg[SS].attr & SEG_ATTR_UNUSABLE);
	assert_false(cpu.seg[GS].attr & SEG_ATTR_UNUSABLE);
	assert_true(cpu.seg[FS].attr & SEG_ATTR_UNUSABLE);
	assert_jumped(cpu_deliver(&cpu, &cpu.exc), CODE0, HANDLER);
	assert_int_equal(cpu.gpr[RSP], 0x7800 - 16);
	assert_int_equal(get32(0x7800 - 16), CODE0);
}

static void trap_bit(void **state)
{
	prepare(0);
	put16(TSS2 + T_TRAP, 1);
	assert_step(STEP_FAULT, cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0));
	assert_int_equal(cpu.exc.vector, EXC_DB);
	assert_int_equal(cpu.exc.payload, DR6_BT);
	assert_int_equal(cpu.rip, HANDLER);
}

static void no_tasks_in_long_mode(void **state)
{
	enter_64(0);
	assert_exception(cpu_far_jump(&cpu, SEL_TSS2, 0, 4, 0), EXC_GP, SEL_TSS2);
	assert_exception(cpu_far_jump(&cpu, SEL_TASK_GATE, 0, 4, 0), EXC_GP, SEL_TASK_GATE);
}

/* -- SMM -------------------------------------------------------------------------------- */

static void smi_and_rsm(void **state)
{
	struct cpu before;

	enter_64(3);
	cpu.gpr[R15] = 0xfeed;
	cpu.cr3 = 0x5000;
	cpu.seg[FS].base = 0x7fff12345678;
	before = cpu;
	assert_jumped(cpu_enter_smm(&cpu), 0x3000, 0x8000);
	assert_true(cpu.smm);
	assert_int_equal(cpu.seg[CS].base, 0x30000);
	assert_int_equal(cpu.seg[DS].limit, 0xffffffff);
	assert_int_equal(cpu.code_size, 2);
	assert_int_equal(cpu.cpl, 0);
	assert_true(cpu.ev.nmi_masked);
	assert_int_equal(get32(0x3fefc), 0x20064);
	assert_int_equal(get32(0x3ff00), 0x30000);
	assert_int_equal(get64(0x3ff78), CODE);
	assert_int_equal(get64(0x3ff80), 0xfeed);
	put32(0x3ff00, 0xa0000);

	cpu.gpr[R15] = 0;
	assert_jumped(cpu_rsm(&cpu), CODE64_3, CODE);
	assert_false(cpu.smm);
	assert_int_equal(cpu.smbase, 0xa0000);
	assert_memory_equal(cpu.gpr, before.gpr, sizeof(cpu.gpr));
	assert_memory_equal(cpu.seg, before.seg, sizeof(cpu.seg));
	assert_int_equal(cpu.cr0, before.cr0);
	assert_int_equal(cpu.efer, before.efer);
	assert_int_equal(cpu.cpl, 3);
	assert_int_equal(cpu.code_size, 8);
	assert_false(cpu.ev.nmi_masked);
}

/* Without long mode the area is that of 32 bits, and EFER stays (KVM). */
static void smi_and_rsm_without_long_mode(void **state)
{
	struct cpu before;

	enter_32(3);
	features[FEATURE_LM] = false;
	cpu.gpr[RDI] = 0xfeed;
	cpu.cr3 = 0x5000;
	cpu.efer = EFER_SCE;
	before = cpu;
	assert_jumped(cpu_enter_smm(&cpu), 0x3000, 0x8000);
	assert_int_equal(cpu.efer, EFER_SCE);
	assert_int_equal(get32(0x3fefc), 0x20000);
	assert_int_equal(get32(0x3fef8), 0x30000);
	assert_int_equal(get32(0x3fff0), CODE);
	assert_int_equal(get32(0x3ffec), 0xfeed);
	assert_int_equal(get32(0x3ffac), CODE3);
	assert_int_equal(get32(0x3ff70), before.gdtr.limit);
	assert_int_equal(get32(0x3ff60), before.seg[TR].limit);
	/* Of SS: D, P, DPL 3, writable data. */
	assert_int_equal(get32(0x3ff9c) & ~0x100, 0xc0f200);
	put32(0x3fef8, 0xa0000);

	cpu.gpr[RDI] = 0;
	assert_jumped(cpu_rsm(&cpu), CODE3, CODE);
	assert_false(cpu.smm);
	assert_int_equal(cpu.smbase, 0xa0000);
	assert_memory_equal(cpu.gpr, before.gpr, sizeof(cpu.gpr));
	assert_memory_equal(cpu.seg, before.seg, sizeof(cpu.seg));
	assert_int_equal(cpu.cr0, before.cr0);
	assert_int_equal(cpu.efer, EFER_SCE);
	assert_int_equal(cpu.cpl, 3);
}

static void rsm_shuts_down_on_nonsense(void **state)
{
	enter_32(0);
	cpu_enter_smm(&cpu);
	put64(0x3ff58, X86_CR0_PG);
	assert_step(STEP_JUMP, cpu_rsm(&cpu));
	assert_true(cpu.ev.triple_fault);
	assert_true(cpu.smm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(call_nests_and_iret_returns), T(jump_frees_the_old),
		T(exception_through_task_gate), T(resume_flag_of_the_old_task),
		T(to_outer_and_vm86_tasks), T(task16),
		T(refused_before_the_switch), T(bad_segments_of_the_new_task),
		T(bad_segments_leave_the_others), T(trap_bit),
		T(no_tasks_in_long_mode), T(smi_and_rsm),
		T(smi_and_rsm_without_long_mode), T(rsm_shuts_down_on_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
