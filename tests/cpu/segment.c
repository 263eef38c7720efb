/* SPDX-License-Identifier: MIT */
/* Segment loads, limits and types; the handlers that look at descriptors. */
#include "fixture.h"
#include "x86/interp/ops.h"

static struct insn rm_reg(u8 rm, u8 reg, u8 osz)
{
	return (struct insn){ .rm = GPR_OFF(rm), .reg = GPR_OFF(reg), .osz = osz, .asz = 4,
			      .base = GPR_OFF_NONE, .index = GPR_OFF_NONE, .seg = DS, .len = 3 };
}

static const struct {
	const char *why;
	u8 seg, cpl;
	u16 sel;
	u8 vector;
	u32 error;
} bad[] = {
	{ "null SS", SS, 0, 0, EXC_GP, 0 },
	{ "SS RPL", SS, 0, DATA0 | 1, EXC_GP, DATA0 },
	{ "SS DPL", SS, 0, DATA3 & ~3, EXC_GP, DATA3 & ~3 },
	{ "SS read-only", SS, 0, RO_DATA, EXC_GP, RO_DATA },
	{ "SS code", SS, 0, CODE0, EXC_GP, CODE0 },
	{ "SS absent", SS, 0, ABSENT_STACK, EXC_SS, ABSENT_STACK },
	{ "beyond", DS, 0, 0x108, EXC_GP, 0x108 },
	{ "execute-only", DS, 0, XO_CODE, EXC_GP, XO_CODE },
	{ "system", DS, 0, SEL_LDT, EXC_GP, SEL_LDT },
	{ "RPL above DPL", DS, 0, DATA0 | 3, EXC_GP, DATA0 },
	{ "CPL above DPL", DS, 3, DATA0, EXC_GP, DATA0 },
	{ "absent", ES, 0, ABSENT_DATA, EXC_NP, ABSENT_DATA },
	{ "no LDT", FS, 0, 0x0c, EXC_GP, 0x0c },
};

static void bad_loads(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		enum step st;

		setup(NULL);
		enter_32(bad[i].cpl);
		cpu.seg[LDTR].attr = SEG_ATTR_UNUSABLE;
		st = cpu_load_seg(&cpu, bad[i].seg, bad[i].sel);
		if (st != STEP_FAULT || cpu.exc.error != bad[i].error)
			print_error("case: %s\n", bad[i].why);
		assert_exception(st, bad[i].vector, bad[i].error);
	}
}

static void good_loads(void **state)
{
	enter_32(0);
	assert_step(STEP_NEXT, cpu_load_seg(&cpu, DS, 2));
	assert_true(cpu.seg[DS].attr & SEG_ATTR_UNUSABLE);
	assert_int_equal(cpu.seg[DS].selector, 2);
	assert_step(STEP_NEXT, cpu_load_seg(&cpu, ES, CONFORMING | 3));
	mem[GDT + DATA16 + 5] = 0x92;
	assert_step(STEP_NEXT, cpu_load_seg(&cpu, SS, DATA16));
	assert_int_equal(mem[GDT + DATA16 + 5], 0x93);
	assert_int_equal(cpu.stack_size, 2);
	assert_int_equal(cpu.seg[SS].limit, 0xffff);
}

static void through_the_ldt(void **state)
{
	enter_32(0);
	assert_step(STEP_NEXT, cpu_load_ldtr(&cpu, SEL_LDT));
	memcpy(mem + LDT + 8, mem + GDT + DATA0, 8);
	assert_step(STEP_NEXT, cpu_load_seg(&cpu, FS, 0x0c));
	assert_exception(cpu_load_ldtr(&cpu, DATA0), EXC_GP, DATA0);
	assert_exception(cpu_load_ldtr(&cpu, 0x0c), EXC_GP, 0x0c);
}

static void big_real_mode_keeps_limits(void **state)
{
	enter_32(0);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 0, 0));
	cpu_load_seg_real(&cpu, DS, 0x1234);
	assert_int_equal(cpu.seg[DS].base, 0x12340);
	assert_int_equal(cpu.seg[DS].limit, 0xffffffff);
	/* A null one becomes usable. */
	seg_set_null(&cpu.seg[ES], 0, 0);
	cpu_load_seg_real(&cpu, ES, 0x10);
	assert_false(cpu.seg[ES].attr & SEG_ATTR_UNUSABLE);
}

static void limits_and_types(void **state)
{
	u64 lin;

	enter_32(0);
	cpu.seg[DS].limit = 0xfff;
	cpu.seg[DS].base = 0xfffff000;
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, DS, 0xffc, 4, true, &lin));
	assert_int_equal(lin, 0xfffffffc);
	assert_exception(cpu_seg_linear(&cpu, DS, 0xffd, 4, true, &lin), EXC_GP, 0);
	assert_exception(cpu_seg_linear(&cpu, DS, 0xffffffff, 2, true, &lin), EXC_GP, 0);
	cpu.seg[SS].limit = 0xfff;
	assert_exception(cpu_seg_linear(&cpu, SS, 0x1000, 1, false, &lin), EXC_SS, 0);
	assert_exception(cpu_seg_linear(&cpu, CS, 0, 1, true, &lin), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, CS, 0, 1, false, &lin));
	cpu_load_seg(&cpu, ES, RO_DATA);
	assert_exception(cpu_seg_linear(&cpu, ES, 0, 1, true, &lin), EXC_GP, 0);
	cpu_load_seg(&cpu, ES, 0);
	assert_exception(cpu_seg_linear(&cpu, ES, 0, 1, false, &lin), EXC_GP, 0);
	cpu_load_seg(&cpu, ES, EXPAND_DOWN);
	assert_int_equal(cpu.seg[ES].limit, 0xffff);
	assert_exception(cpu_seg_linear(&cpu, ES, 0xffff, 1, false, &lin), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, ES, 0x10000, 1, false, &lin));
}

static void long_mode_addresses(void **state)
{
	u64 lin;

	enter_64(0);
	cpu.seg[DS].base = cpu.seg[GS].base = 0x1000;
	cpu.seg[DS].attr = SEG_ATTR_UNUSABLE;
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, DS, 0x10, 8, true, &lin));
	assert_int_equal(lin, 0x10);
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, GS, 0x10, 8, true, &lin));
	assert_int_equal(lin, 0x1010);
	assert_exception(cpu_seg_linear(&cpu, GS, 1ull << 47, 8, true, &lin), EXC_GP, 0);
	assert_exception(cpu_seg_linear(&cpu, SS, (1ull << 47) - 4, 8, true, &lin), EXC_SS, 0);
	/* A null SS below ring 3. */
	assert_step(STEP_NEXT, cpu_load_seg(&cpu, SS, 0));
	assert_int_equal(cpu.cpl, 0);
}

static void offsets_are_canonical_on_amd(void **state)
{
	static struct cpu_features amd = { .amd_like = true };
	u64 lin;

	enter_64(0);
	cpu.seg[GS].base = 0x1000 - 0x800000000000;
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, GS, 0x800000000000, 8, false, &lin));
	assert_int_equal(lin, 0x1000);
	cpu.features = &amd;
	assert_exception(cpu_seg_linear(&cpu, GS, 0x800000000000, 8, false, &lin), EXC_GP, 0);
	assert_exception(cpu_seg_linear(&cpu, GS, 0x7ffffffffffc, 8, false, &lin), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_seg_linear(&cpu, GS, 0x7ffffffffff8, 8, false, &lin));
	assert_int_equal(lin, 0xff8);
}

static void task_register(void **state)
{
	enter_32(0);
	assert_exception(cpu_load_tr(&cpu, 0), EXC_GP, 0);
	assert_exception(cpu_load_tr(&cpu, DATA0), EXC_GP, DATA0);
	assert_step(STEP_NEXT, cpu_load_tr(&cpu, SEL_TSS2));
	assert_int_equal(mem[GDT + SEL_TSS2 + 5], 0x8b);
	assert_int_equal(cpu.seg[TR].base, TSS2);
	assert_exception(cpu_load_tr(&cpu, SEL_TSS2), EXC_GP, SEL_TSS2);
}

static void sixteen_byte_descriptors(void **state)
{
	enter_64(0);
	put64(GDT + SEL_TSS + 8, 0xffff8000);
	assert_step(STEP_NEXT, cpu_load_tr(&cpu, SEL_TSS));
	assert_true(cpu.seg[TR].base == (0xffff8000ull << 32 | TSS));
	set_desc(SEL_TSS, TSS, 0x2fff, 0x89);
	put64(GDT + SEL_TSS + 8, 0x8000);
	assert_exception(cpu_load_tr(&cpu, SEL_TSS), EXC_GP, SEL_TSS);
	put64(GDT + SEL_TSS + 8, 0x100ull << 32);
	assert_exception(cpu_load_tr(&cpu, SEL_TSS), EXC_GP, SEL_TSS);
}

/* -- Handlers --------------------------------------------------------------------------- */

static void mov_ss_has_a_shadow(void **state)
{
	struct insn in = rm_reg(RAX, 0, 4);

	enter_32(0);
	cpu.gpr[RAX] = DATA16;
	in.sub = SS;
	assert_step(STEP_END, op_mov_to_seg(&cpu, &in));
	assert_int_equal(cpu.ev.shadow, KVM_X86_SHADOW_INT_MOV_SS);
	cpu.gpr[RBX] = ~0ull;
	in.rm = GPR_OFF(RBX);
	assert_step(STEP_NEXT, op_mov_from_seg(&cpu, &in));
	assert_int_equal(cpu.gpr[RBX], DATA16);
}

static void push_seg_is_as_wide_as_its_operand(void **state)
{
	struct insn in = rm_reg(0, 0, 4);

	enter_64(0);
	in.sub = FS;
	cpu.seg[FS].selector = DATA16;
	put64(STACK0 - 8, ~0ull);
	assert_step(STEP_NEXT, op_push_seg(&cpu, &in));
	assert_int_equal(cpu.gpr[RSP], STACK0 - 8);
	assert_int_equal(get64(STACK0 - 8), DATA16);
	in.osz = 2;
	assert_step(STEP_NEXT, op_push_seg(&cpu, &in));
	assert_int_equal(cpu.gpr[RSP], STACK0 - 10);
}

/* LDS, LES, LFS, LGS, LSS: the register changes only if the load succeeds. */
static void far_pointers(void **state)
{
	static const u8 segs[] = { DS, ES, FS, GS, SS };
	struct insn in = rm_reg(0, RBX, 4);

	in.flags = INSN_MEM;
	in.disp = 0x100;
	for (size_t i = 0; i < ARRAY_SIZE(segs); i++) {
		enter_32(0);
		cpu.gpr[RBX] = ~0ull;
		in.sub = segs[i];
		put32(0x100, 0x87654321);
		put16(0x104, ABSENT_DATA);
		assert_exception(op_load_far(&cpu, &in), segs[i] == SS ? EXC_SS : EXC_NP, ABSENT_DATA);
		assert_int_equal(cpu.gpr[RBX], ~0ull);
		put16(0x104, DATA16);
		assert_step(segs[i] == SS ? STEP_END : STEP_NEXT, op_load_far(&cpu, &in));
		assert_int_equal(cpu.gpr[RBX], 0x87654321);
		assert_int_equal(cpu.seg[segs[i]].selector, DATA16);
		assert_int_equal(cpu.ev.shadow, 0);	/* not even LSS has one */
	}
}

static void pop_seg_faults_before_rsp(void **state)
{
	struct insn in = rm_reg(0, 0, 4);

	enter_32(0);
	put32(STACK0, ABSENT_DATA);
	in.sub = DS;
	assert_exception(op_pop_seg(&cpu, &in), EXC_NP, ABSENT_DATA);
	assert_int_equal(cpu.gpr[RSP], STACK0);
	put32(STACK0, DATA3);
	assert_step(STEP_NEXT, op_pop_seg(&cpu, &in));
	assert_int_equal(cpu.gpr[RSP], STACK0 + 4);
}

static void lgdt_takes_24_bits(void **state)
{
	struct insn in = rm_reg(0, 0, 2);

	enter_real();
	in.flags = INSN_MEM;
	in.asz = 2;
	in.disp = 0x100;
	put16(0x100, 0x77);
	put32(0x102, 0x12345678);
	assert_step(STEP_NEXT, op_lgdt(&cpu, &in));
	assert_int_equal(cpu.gdtr.base, 0x345678);
	in.osz = 4;
	assert_step(STEP_NEXT, op_lidt(&cpu, &in));
	assert_int_equal(cpu.idtr.base, 0x12345678);
	assert_int_equal(cpu.idtr.limit, 0x77);
	cpu.gdtr.base = 0xffaabbcc;
	assert_step(STEP_NEXT, op_sgdt(&cpu, &in));
	assert_int_equal(get32(0x102), 0xffaabbcc);
}

static void umip(void **state)
{
	struct insn in = rm_reg(RAX, 0, 4);

	enter_32(3);
	assert_step(STEP_NEXT, op_str(&cpu, &in));
	assert_int_equal(cpu.gpr[RAX], SEL_TSS);
	cpu.cr4 |= X86_CR4_UMIP;
	assert_exception(op_str(&cpu, &in), EXC_GP, 0);
	assert_exception(op_sldt(&cpu, &in), EXC_GP, 0);
	assert_exception(op_smsw(&cpu, &in), EXC_GP, 0);
	assert_exception(op_sgdt(&cpu, &in), EXC_GP, 0);
}

static void look_at_descriptors(void **state)
{
	static const struct {
		op_fn op;
		u8 cpl;
		u16 sel;
		bool zf;
		u32 result;
	} t[] = {
		{ op_lar, 0, CODE0, true, 0xcf9b00 }, { op_lar, 3, CODE0, false, 0 },
		{ op_lar, 0, SEL_TSS, true, 0x8900 }, { op_lar, 0, 0, false, 0 },
		{ op_lar, 0, 0x400, false, 0 }, { op_lsl, 0, DATA0, true, 0xffffffff },
		{ op_lsl, 0, SEL_LDT, true, 0xff }, { op_lsl, 0, SEL_TASK_GATE, false, 0 },
		{ op_lar, 0, SEL_TASK_GATE, true, 0x8500 }, { op_verr, 0, XO_CODE, false, 0 },
		{ op_verr, 3, CONFORMING, true, 0 }, { op_verw, 0, RO_DATA, false, 0 },
		{ op_verw, 3, DATA3, true, 0 }, { op_verw, 3, DATA0, false, 0 },
	};
	struct insn in = rm_reg(RCX, RAX, 4);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		setup(NULL);
		enter_32(t[i].cpl);
		cpu.gpr[RCX] = t[i].sel;
		cpu.gpr[RAX] = 0;
		assert_step(STEP_NEXT, t[i].op(&cpu, &in));
		assert_int_equal(!!(cpu.status & X86_EFLAGS_ZF), t[i].zf);
		assert_int_equal((u32)cpu.gpr[RAX], t[i].result);
	}
	enter_real();
	cpu.cr0 = 0;
	assert_exception(op_lar(&cpu, &in), EXC_UD, 0);
}

static void arpl_raises_rpl(void **state)
{
	struct insn in = rm_reg(RAX, RCX, 2);

	enter_32(0);
	cpu.gpr[RAX] = 0x10;
	cpu.gpr[RCX] = 3;
	assert_step(STEP_NEXT, op_arpl(&cpu, &in));
	assert_int_equal(cpu.gpr[RAX], 0x13);
	assert_true(cpu.status & X86_EFLAGS_ZF);
	assert_step(STEP_NEXT, op_arpl(&cpu, &in));
	assert_false(cpu.status & X86_EFLAGS_ZF);
}

static void swapgs_and_bases(void **state)
{
	struct insn in = rm_reg(RAX, 0, 8);

	enter_64(0);
	cpu.kernel_gs_base = 0x5555;
	assert_step(STEP_NEXT, op_swapgs(&cpu, &in));
	assert_int_equal(cpu.seg[GS].base, 0x5555);
	assert_exception(op_rdgsbase(&cpu, &in), EXC_UD, 0);
	cpu.cr4 |= X86_CR4_FSGSBASE;
	assert_step(STEP_NEXT, op_rdgsbase(&cpu, &in));
	assert_int_equal(cpu.gpr[RAX], 0x5555);
	cpu.gpr[RAX] = 1ull << 47;
	assert_exception(op_wrfsbase(&cpu, &in), EXC_GP, 0);
	in.osz = 4;
	cpu.gpr[RAX] = 0x1234567887654321;
	assert_step(STEP_NEXT, op_wrfsbase(&cpu, &in));
	assert_int_equal(cpu.seg[FS].base, 0x87654321);
	enter_64(3);
	assert_exception(op_swapgs(&cpu, &in), EXC_GP, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(bad_loads), T(good_loads), T(through_the_ldt), T(big_real_mode_keeps_limits),
		T(limits_and_types), T(long_mode_addresses), T(offsets_are_canonical_on_amd), T(task_register),
		T(sixteen_byte_descriptors), T(mov_ss_has_a_shadow), T(far_pointers),
		T(push_seg_is_as_wide_as_its_operand), T(pop_seg_faults_before_rsp),
		T(lgdt_takes_24_bits), T(umip), T(look_at_descriptors), T(arpl_raises_rpl),
		T(swapgs_and_bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
