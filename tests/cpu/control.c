/* SPDX-License-Identifier: MIT */
/* Control and debug registers, flags, reset, breakpoints, privileged handlers. */
#include "fixture.h"
#include "x86/interp/ops.h"

static const struct {
	const char *why;
	u32 n;
	u64 v;
} bad_cr[] = {
	{ "CR0 high half", 0, 1ull << 32 | X86_CR0_PE },
	{ "PG without PE", 0, X86_CR0_PG },
	{ "NW without CD", 0, X86_CR0_PE | X86_CR0_NW },
	{ "CR4 unknown bit", 4, BIT_ULL(13) },
	{ "CR4 high half", 4, BIT_ULL(32) },
	{ "LA57 not offered", 4, X86_CR4_LA57 },
	{ "PCIDE outside long mode", 4, X86_CR4_PCIDE | X86_CR4_PAE },
	{ "CR8 above 15", 8, 16 },
};

static void refused_values(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_cr); i++) {
		setup(NULL);
		enter_32(0);
		if (cpu_write_cr(&cpu, bad_cr[i].n, bad_cr[i].v) != STEP_FAULT)
			print_error("case: %s\n", bad_cr[i].why);
		assert_exception(cpu_write_cr(&cpu, bad_cr[i].n, bad_cr[i].v), EXC_GP, 0);
	}
	assert_exception(cpu_write_cr(&cpu, 1, 0), EXC_UD, 0);
}

/* What we do not have is not there whatever the VMM's CPUID says. */
static void cr4_needs_host_and_cpuid(void **state)
{
	static struct kvm_cpuid_entry2 any;

	enter_64(0);
	assert_exception(cpu_write_cr(&cpu, 4, cpu.cr4 | X86_CR4_PKE), EXC_GP, 0);
	features[FEATURE_PKU] = true;
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, cpu.cr4 | X86_CR4_PKE));
	cpu.cpuid = &any;
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, cpu.cr4));
	host_lacks = FEATURE_PKU;
	assert_exception(cpu_write_cr(&cpu, 4, cpu.cr4), EXC_GP, 0);
	cpu.cpuid = NULL;
	assert_exception(cpu_write_cr(&cpu, 4, cpu.cr4), EXC_GP, 0);
}

static void pkru_instructions(void **state)
{
	struct insn in = { 0 };

	enter_64(3);
	assert_exception(op_rdpkru(&cpu, &in), EXC_UD, 0);
	assert_exception(op_wrpkru(&cpu, &in), EXC_UD, 0);
	cpu.cr4 |= X86_CR4_PKE;
	cpu.gpr[RAX] = 0x1234567800000004;
	cpu.gpr[RCX] = cpu.gpr[RDX] = 0x100000000;
	assert_step(STEP_NEXT, op_wrpkru(&cpu, &in));
	assert_int_equal(cpu.fpu.pkru, 4);
	cpu.gpr[RAX] = cpu.gpr[RDX] = ~0ull;
	assert_step(STEP_NEXT, op_rdpkru(&cpu, &in));
	assert_int_equal(cpu.gpr[RAX], 4);
	assert_int_equal(cpu.gpr[RDX], 0);
	cpu.gpr[RDX] = 1;
	assert_exception(op_wrpkru(&cpu, &in), EXC_GP, 0);
	cpu.gpr[RDX] = 0;
	cpu.gpr[RCX] = 1;
	assert_exception(op_wrpkru(&cpu, &in), EXC_GP, 0);
	assert_exception(op_rdpkru(&cpu, &in), EXC_GP, 0);
	assert_int_equal(cpu.fpu.pkru, 4);
}

static void cr4_follows_cpuid(void **state)
{
	enter_32(0);
	features[FEATURE_SMEP] = features[FEATURE_FSGSBASE] = false;
	assert_false(cpu_cr4_allowed(&cpu) & (X86_CR4_SMEP | X86_CR4_FSGSBASE));
	assert_exception(cpu_write_cr(&cpu, 4, X86_CR4_SMEP), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, X86_CR4_SMAP));
	assert_true(flushes_all);
}

static void cr3_in_long_mode(void **state)
{
	enter_64(0);
	assert_exception(cpu_write_cr(&cpu, 3, 1ull << 40), EXC_GP, 0);
	assert_exception(cpu_write_cr(&cpu, 3, 1ull << 63), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 3, 0x5000));
	assert_int_equal(flushes_nonglobal, 1);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, X86_CR4_PAE | X86_CR4_PCIDE));
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 3, 1ull << 63 | 0x5001));
	assert_int_equal(cpu.cr3, 0x5001);
	/* PCIDE keeps paging on, and cannot go on with a PCID in CR3. */
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, X86_CR4_PAE));
	assert_exception(cpu_write_cr(&cpu, 4, X86_CR4_PAE | X86_CR4_PCIDE), EXC_GP, 0);
}

static void pae_loads_pdptes(void **state)
{
	enter_32(0);
	cpu.cr3 = BIT_ULL(31);
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 4, X86_CR4_PAE));
	assert_exception(cpu_write_cr(&cpu, 0, X86_CR0_PE | X86_CR0_PG), EXC_GP, 0);
	assert_false(cpu.cr0 & X86_CR0_PG);
	cpu.cr3 = 0;
	assert_step(STEP_NEXT, cpu_write_cr(&cpu, 0, X86_CR0_PE | X86_CR0_PG));
	assert_exception(cpu_write_cr(&cpu, 3, BIT_ULL(31)), EXC_GP, 0);
	assert_int_equal(cpu.cr3, 0);
}

static void lowering_cr8_exits(void **state)
{
	struct insn in = { .sub = 8, .rm = GPR_OFF(RAX), .len = 4 };

	enter_64(0);
	cpu.gpr[RAX] = 5;
	assert_step(STEP_END, op_mov_to_cr(&cpu, &in));
	cpu.gpr[RAX] = 4;
	assert_step(STEP_EXIT_DONE, op_mov_to_cr(&cpu, &in));
	assert_int_equal(run.exit_reason, KVM_EXIT_SET_TPR);
	assert_int_equal(cpu_read_cr(&cpu, 8), 4);
}

static void efer_bits(void **state)
{
	enter_32(0);
	features[FEATURE_NX] = false;
	assert_exception(cpu_write_efer(&cpu, EFER_NX), EXC_GP, 0);
	assert_exception(cpu_write_efer(&cpu, EFER_SVME), EXC_GP, 0);
	assert_step(STEP_NEXT, cpu_write_efer(&cpu, EFER_SCE | EFER_LMA));
	assert_int_equal(cpu.efer, EFER_SCE);
}

static void xcr0_rules(void **state)
{
	static const struct { u64 v; bool ok; } t[] = {
		{ 1, true }, { 3, true }, { 7, true }, { 0, false }, { 2, false },
		{ 5, false }, { 0xe7, false }, { 0x203, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(cpu_write_xcr(&cpu, 0, t[i].v), t[i].ok ? STEP_NEXT : STEP_FAULT);
	assert_exception(cpu_write_xcr(&cpu, 1, 1), EXC_GP, 0);
}

static void lmsw_cannot_clear_pe(void **state)
{
	struct insn in = { .rm = GPR_OFF(RAX), .osz = 2 };

	enter_32(0);
	cpu.gpr[RAX] = X86_CR0_TS;
	assert_step(STEP_END, op_lmsw(&cpu, &in));
	assert_int_equal(cpu.cr0 & 0xf, X86_CR0_PE | X86_CR0_TS);
	assert_step(STEP_END, op_clts(&cpu, &in));
	assert_int_equal(cpu.cr0 & 0xf, X86_CR0_PE);
}

/* -- Debug registers ---------------------------------------------------------------- */

static void debug_registers(void **state)
{
	u64 v;

	enter_32(0);
	assert_step(STEP_NEXT, cpu_write_dr(&cpu, 6, ~0u));
	assert_int_equal(cpu.dr6, 0xffffeffful & (0xe00f | DR6_RESET));
	assert_step(STEP_NEXT, cpu_write_dr(&cpu, 5, 0xffffffff & ~DR7_GD));
	assert_int_equal(cpu.dr7, (0xffff2bff & ~DR7_GD) | 0x400);
	assert_exception(cpu_write_dr(&cpu, 7, 1ull << 32), EXC_GP, 0);
	cpu.cr4 |= X86_CR4_DE;
	assert_exception(cpu_read_dr(&cpu, 4, &v), EXC_UD, 0);
	cpu.dr7 |= DR7_GD;
	assert_step(STEP_FAULT, cpu_read_dr(&cpu, 0, &v));
	assert_int_equal(cpu.exc.vector, EXC_DB);
	assert_int_equal(cpu.exc.payload, DR6_BD);
}

static void breakpoints_match(void **state)
{
	u64 dr6;

	enter_32(0);
	assert_false(cpu_debug_active(&cpu));
	cpu.dr[0] = CODE;
	cpu.dr[1] = 0x2002;	/* 4 bytes: aligned down to 0x2000 */
	cpu.dr[2] = 0x3000;
	cpu.dr[3] = 0x70;
	cpu.dr7 = DR7_RESET | 0x6b | 0xdull << 20 | 0x3ull << 24 | 0x2ull << 28;
	assert_true(cpu_debug_active(&cpu));
	assert_true(cpu_insn_breakpoint(&cpu, CODE, &dr6));
	assert_int_equal(dr6, 1);
	assert_false(cpu_insn_breakpoint(&cpu, CODE + 1, &dr6));
	assert_int_equal(cpu_data_breakpoints(&cpu, 0x1ffd, 4, true), 2);
	assert_int_equal(cpu_data_breakpoints(&cpu, 0x1ffc, 4, true), 0);
	assert_int_equal(cpu_data_breakpoints(&cpu, 0x2003, 1, false), 0);
	assert_int_equal(cpu_data_breakpoints(&cpu, 0x3000, 1, false), 4);
	cpu.cr4 |= X86_CR4_DE;
	assert_int_equal(cpu_io_breakpoints(&cpu, 0x70, 1), 8);
	assert_int_equal(cpu_io_breakpoints(&cpu, 0x6f, 2), 8);
	assert_int_equal(cpu_io_breakpoints(&cpu, 0x71, 1), 0);
	cpu.cr4 &= ~X86_CR4_DE;
	assert_int_equal(cpu_io_breakpoints(&cpu, 0x70, 1), 0);
	/* The debugger's hide the guest's. */
	cpu.guest_debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	assert_false(cpu_insn_breakpoint(&cpu, CODE, &dr6));
}

/* -- Flags ------------------------------------------------------------------------------ */

static void sti_shadow_and_iopl(void **state)
{
	struct insn in = { .len = 1 };

	enter_32(0);
	assert_step(STEP_END, op_sti(&cpu, &in));
	assert_int_equal(cpu.ev.shadow, KVM_X86_SHADOW_INT_STI);
	cpu.ev.shadow = 0;
	assert_step(STEP_END, op_sti(&cpu, &in));
	assert_int_equal(cpu.ev.shadow, 0);
	enter_32(3);
	assert_exception(op_cli(&cpu, &in), EXC_GP, 0);
	assert_exception(op_sti(&cpu, &in), EXC_GP, 0);
	cpu.cr4 |= X86_CR4_PVI;
	assert_step(STEP_NEXT, op_sti(&cpu, &in));
	assert_true(cpu.rflags & X86_EFLAGS_VIF);
	cpu.rflags |= X86_EFLAGS_VIP;
	assert_exception(op_sti(&cpu, &in), EXC_GP, 0);
	cpu.rflags |= X86_EFLAGS_IOPL;
	assert_step(STEP_NEXT, op_cli(&cpu, &in));
	assert_false(cpu.rflags & X86_EFLAGS_IF);
}

static void popf_by_privilege(void **state)
{
	struct insn in = { .osz = 4 };
	const u64 all = 0xffffffff;

	enter_32(0);
	put32(STACK0, all);
	assert_step(STEP_END, op_popf(&cpu, &in));
	assert_int_equal(cpu_rflags(&cpu) & X86_EFLAGS_ALL,
			 X86_EFLAGS_ALL & ~(X86_EFLAGS_RF | X86_EFLAGS_VM | X86_EFLAGS_VIF |
					    X86_EFLAGS_VIP));
	assert_int_equal(cpu_rflags(&cpu) & ~X86_EFLAGS_ALL, 0);
	enter_32(3);
	cpu_set_rflags(&cpu, 0);
	put32(STACK3, all);
	assert_step(STEP_END, op_popf(&cpu, &in));
	assert_false(cpu.rflags & (X86_EFLAGS_IF | X86_EFLAGS_IOPL));
	assert_true(cpu.rflags & X86_EFLAGS_AC);
}

static void vm86_flags(void **state)
{
	struct insn in = { .osz = 2 };

	enter_vm86(0);
	assert_exception(op_pushf(&cpu, &in), EXC_GP, 0);
	assert_exception(op_popf(&cpu, &in), EXC_GP, 0);
	cpu.cr4 |= X86_CR4_VME;
	assert_step(STEP_NEXT, op_pushf(&cpu, &in));
	assert_int_equal(get16(0x9020 + 0xfe), 0x3002);
	put16(0x9020 + 0xfe, X86_EFLAGS_IF);
	assert_step(STEP_END, op_popf(&cpu, &in));
	assert_true(cpu.rflags & X86_EFLAGS_VIF);
	assert_true(cpu.rflags & X86_EFLAGS_IF);	/* the real one stays */
	cpu.gpr[RSP] = 0xfe;
	put16(0x9020 + 0xfe, X86_EFLAGS_TF);
	assert_exception(op_popf(&cpu, &in), EXC_GP, 0);
	assert_int_equal(cpu.gpr[RSP], 0xfe);
	enter_vm86(3);
	assert_step(STEP_NEXT, op_pushf(&cpu, &in));
}

static void stac_needs_ring_0(void **state)
{
	struct insn in = { 0 };

	enter_32(0);
	assert_step(STEP_NEXT, op_stac(&cpu, &in));
	assert_true(cpu.rflags & X86_EFLAGS_AC);
	assert_step(STEP_NEXT, op_clac(&cpu, &in));
	assert_false(cpu.rflags & X86_EFLAGS_AC);
	enter_32(3);
	assert_exception(op_stac(&cpu, &in), EXC_UD, 0);
}

/* -- The time, the TLB, MWAIT ------------------------------------------------------------ */

static void time_stamp(void **state)
{
	struct insn in = { 0 };

	enter_64(3);
	cpu.tsc_aux = 7;
	assert_step(STEP_NEXT, op_rdtscp(&cpu, &in));
	assert_int_equal(cpu.gpr[RAX], 0x55667788);
	assert_int_equal(cpu.gpr[RDX], 0x11223344);
	assert_int_equal(cpu.gpr[RCX], 7);
	cpu.cr4 |= X86_CR4_TSD;
	assert_exception(op_rdtsc(&cpu, &in), EXC_GP, 0);
	features[FEATURE_RDTSCP] = false;
	assert_exception(op_rdtscp(&cpu, &in), EXC_UD, 0);
}

static void invpcid_checks(void **state)
{
	struct insn in = { .reg = GPR_OFF(RCX), .disp = 0x100, .asz = 8, .seg = DS,
			   .base = GPR_OFF_NONE, .index = GPR_OFF_NONE, .flags = INSN_MEM | INSN_EA64 };

	enter_64(0);
	cpu.gpr[RCX] = 4;
	assert_exception(op_invpcid(&cpu, &in), EXC_GP, 0);
	cpu.gpr[RCX] = 0;
	put64(0x100, 1);
	assert_exception(op_invpcid(&cpu, &in), EXC_GP, 0);
	cpu.cr4 |= X86_CR4_PCIDE;
	assert_step(STEP_END, op_invpcid(&cpu, &in));
	assert_int_equal(flushes_page, 1);
	put64(0x108, 1ull << 47);
	assert_exception(op_invpcid(&cpu, &in), EXC_GP, 0);
	put64(0x100, 0x1000);
	cpu.gpr[RCX] = 2;
	assert_exception(op_invpcid(&cpu, &in), EXC_GP, 0);
}

static void mwait_quirk(void **state)
{
	struct insn in = { .len = 3 };

	enter_32(0);
	features[FEATURE_MONITOR] = false;
	assert_step(STEP_NEXT, op_mwait(&cpu, &in));
	arch.disabled_quirks = 1 << 6;
	assert_exception(op_mwait(&cpu, &in), EXC_UD, 0);
	assert_step(STEP_NEXT, op_vmcall(&cpu, &in));
	/* Replaced by VMCALL, and to be executed again. */
	assert_step(STEP_JUMP, op_vmmcall(&cpu, &in));
	arch.disabled_quirks = KVM_X86_QUIRK_FIX_HYPERCALL_INSN;
	assert_exception(op_vmmcall(&cpu, &in), EXC_UD, 0);
}

/* -- Reset ------------------------------------------------------------------------------------ */

static void reset_state(void **state)
{
	cpu_reset(&cpu, false);
	assert_int_equal(cpu_linear_rip(&cpu), 0xfffffff0);
	assert_int_equal(cpu.cr0, 0x60000010);
	assert_int_equal(cpu_rflags(&cpu), 2);
	assert_int_equal(cpu.gpr[RDX], 0x600);
	assert_int_equal(cpu.apic_base, 0xfee00900);	/* id 0 is the boot CPU */
	assert_int_equal(cpu.dr6, DR6_RESET);
	assert_int_equal(cpu.xcr0, 1);
	assert_int_equal(cpu.code_size, 2);
}

static void init_keeps_what_it_must(void **state)
{
	enter_64(0);
	cpu.cr0 &= ~(X86_CR0_CD | X86_CR0_NW);
	cpu.pat = 0x1234;
	cpu.xcr0 = 7;
	cpu.fpu.mxcsr = 0x1f80;
	cpu.ev.latched = BIT(1);
	cpu_reset(&cpu, true);
	assert_int_equal(cpu.cr0, X86_CR0_ET);
	assert_int_equal(cpu.efer, 0);
	assert_int_equal(cpu.pat, 0x1234);
	assert_int_equal(cpu.xcr0, 7);
	assert_int_equal(cpu.fpu.mxcsr, 0x1f80);
	assert_int_equal(cpu.ev.latched, BIT(1));
	cpu_sipi(&cpu, 0x9a);
	assert_int_equal(cpu.seg[CS].selector, 0x9a00);
	assert_int_equal(cpu_linear_rip(&cpu), 0x9a000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, setup)
		T(refused_values), T(cr4_needs_host_and_cpuid), T(cr4_follows_cpuid),
		T(pkru_instructions), T(cr3_in_long_mode), T(pae_loads_pdptes),
		T(lowering_cr8_exits), T(efer_bits), T(xcr0_rules), T(lmsw_cannot_clear_pe),
		T(debug_registers), T(breakpoints_match), T(sti_shadow_and_iopl),
		T(popf_by_privilege), T(vm86_flags), T(stac_needs_ring_0),
		T(time_stamp), T(invpcid_checks), T(mwait_quirk), T(reset_state),
		T(init_keeps_what_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
