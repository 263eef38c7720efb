/* SPDX-License-Identifier: MIT */
/*
 * What instructions require of mode, privilege, CPUID, CR0, CR4 and XCR0, and
 * which fault comes first if several things are missing: the exception lists
 * of SDM vol. 2 and APM vol. 3.  All of interp/guarded.def has a row.
 */
#include "fixture.h"
#include "x86/interp/ops.h"

enum { AREA = 0xc000 };		/* what memory operands lead to */

enum place { RING_0, RING_3, REAL_MODE, VIRTUAL_8086, NR_PLACES };

enum lack {
	NOTHING, TASK_SWITCHED, EMULATION, NO_OSFXSR, NO_OSXSAVE, NO_XCR0, NO_FSGSBASE, UMIP,
	TIME_STAMP_DISABLED, X87_EXCEPTION, NO_FEATURE, NR_LACKS,
};

static const char *const place_name[] = { "CPL 0", "CPL 3", "real mode", "virtual-8086 mode" };
static const char *const lack_name[] = {
	"as it should be", "CR0.TS", "CR0.EM", "no CR4.OSFXSR", "no CR4.OSXSAVE", "no AVX in XCR0",
	"no CR4.FSGSBASE", "CR4.UMIP", "CR4.TSD", "a pending x87 exception", "not in CPUID",
};

/* 0 is no fault: none of these can raise #DE. */
struct row {
	const char *name;
	op_fn op;
	u8 in[NR_PLACES], with[NR_LACKS];
	enum feature feature;
	bool memory, only_64;
	u8 sub;
	u64 rbx;
};

#define R(handler) #handler, handler
#define PRIVILEGED	{ [RING_3] = EXC_GP, [VIRTUAL_8086] = EXC_GP }
#define PROTECTED	{ [REAL_MODE] = EXC_UD, [VIRTUAL_8086] = EXC_UD }
#define PROTECTED_0	{ [REAL_MODE] = EXC_UD, [VIRTUAL_8086] = EXC_UD, [RING_3] = EXC_GP }
#define ANYWHERE	{ 0 }
#define NEEDS(f)	{ [NO_FEATURE] = EXC_UD }, FEATURE_##f
#define WITH_UMIP	{ [UMIP] = EXC_GP }
#define NO_WAIT		ANYWHERE, { [TASK_SWITCHED] = EXC_NM, [EMULATION] = EXC_NM }
#define WAITS		ANYWHERE, { [TASK_SWITCHED] = EXC_NM, [EMULATION] = EXC_NM, \
				    [X87_EXCEPTION] = EXC_MF }
#define SSE_STATE	ANYWHERE, { [TASK_SWITCHED] = EXC_NM, [EMULATION] = EXC_UD, \
				    [NO_OSFXSR] = EXC_UD }
#define AVX_STATE	PROTECTED, { [TASK_SWITCHED] = EXC_NM, [NO_OSXSAVE] = EXC_UD, \
				     [NO_XCR0] = EXC_UD }
#define XSAVE_STATE	{ [TASK_SWITCHED] = EXC_NM, [NO_OSXSAVE] = EXC_UD }
#define NO_RSM		{ EXC_UD, EXC_UD, EXC_UD, EXC_UD }

static const struct row rows[] = {
	{ R(op_clac), { [RING_3] = EXC_UD, [VIRTUAL_8086] = EXC_UD }, NEEDS(SMAP) },
	{ R(op_stac), { [RING_3] = EXC_UD, [VIRTUAL_8086] = EXC_UD }, NEEDS(SMAP) },
	{ R(op_hlt), PRIVILEGED },
	{ R(op_rsm), NO_RSM },
	{ R(op_lgdt), PRIVILEGED, .memory = true }, { R(op_lidt), PRIVILEGED, .memory = true },
	{ R(op_sgdt), ANYWHERE, WITH_UMIP, .memory = true },
	{ R(op_sidt), ANYWHERE, WITH_UMIP, .memory = true },
	{ R(op_lldt), PROTECTED_0 }, { R(op_ltr), PROTECTED_0, .rbx = SEL_TSS },
	{ R(op_sldt), PROTECTED, WITH_UMIP }, { R(op_str), PROTECTED, WITH_UMIP },
	{ R(op_lar), PROTECTED }, { R(op_lsl), PROTECTED }, { R(op_verr), PROTECTED },
	{ R(op_verw), PROTECTED }, { R(op_arpl), PROTECTED },
	{ R(op_swapgs), PRIVILEGED, .only_64 = true },
	{ R(op_rdfsbase), ANYWHERE, { [NO_FSGSBASE] = EXC_UD }, .only_64 = true },
	{ R(op_rdgsbase), ANYWHERE, { [NO_FSGSBASE] = EXC_UD }, .only_64 = true },
	{ R(op_wrfsbase), ANYWHERE, { [NO_FSGSBASE] = EXC_UD }, .only_64 = true },
	{ R(op_wrgsbase), ANYWHERE, { [NO_FSGSBASE] = EXC_UD }, .only_64 = true },
	{ R(op_mov_to_cr), PRIVILEGED, .sub = 2 }, { R(op_mov_from_cr), PRIVILEGED, .sub = 3 },
	{ R(op_mov_to_dr), PRIVILEGED }, { R(op_mov_from_dr), PRIVILEGED, .sub = 7 },
	{ R(op_clts), PRIVILEGED }, { R(op_lmsw), PRIVILEGED, .rbx = X86_CR0_PE },
	{ R(op_smsw), ANYWHERE, WITH_UMIP },
	{ R(op_rdmsr), PRIVILEGED }, { R(op_wrmsr), PRIVILEGED },
	{ R(op_rdtsc), ANYWHERE, { [TIME_STAMP_DISABLED] = EXC_GP } },
	{ R(op_rdtscp), ANYWHERE, { [TIME_STAMP_DISABLED] = EXC_GP, [NO_FEATURE] = EXC_UD },
	  FEATURE_RDTSCP },
	{ R(op_rdpid), ANYWHERE, NEEDS(RDPID) },
	{ R(op_rdrand), ANYWHERE, NEEDS(RDRAND) }, { R(op_rdseed), ANYWHERE, NEEDS(RDSEED) },
	{ R(op_invlpg), PRIVILEGED, .memory = true },
	{ R(op_invpcid), PRIVILEGED, NEEDS(INVPCID), .memory = true },
	{ R(op_wbinvd), PRIVILEGED },
	{ R(op_clflush), ANYWHERE, .memory = true },
	{ R(op_clflushopt), ANYWHERE, NEEDS(CLFLUSHOPT), .memory = true },
	{ R(op_clwb), ANYWHERE, NEEDS(CLWB), .memory = true },
	{ R(op_clzero), ANYWHERE, NEEDS(CLZERO) },
	{ R(op_fninit), NO_WAIT }, { R(op_fnclex), NO_WAIT }, { R(op_fnop_no_wait), NO_WAIT },
	{ R(op_fnstcw), NO_WAIT, .memory = true }, { R(op_fnstsw), NO_WAIT, .memory = true },
	{ R(op_fnstenv), NO_WAIT, .memory = true }, { R(op_fnsave), NO_WAIT, .memory = true },
	{ R(op_fldenv), WAITS, .memory = true }, { R(op_frstor), WAITS, .memory = true },
	{ R(op_emms), ANYWHERE, { [TASK_SWITCHED] = EXC_NM, [EMULATION] = EXC_UD,
			       [X87_EXCEPTION] = EXC_MF } },
	{ R(op_ldmxcsr), SSE_STATE, .memory = true }, { R(op_stmxcsr), SSE_STATE, .memory = true },
	{ R(op_vldmxcsr), AVX_STATE, .memory = true }, { R(op_vstmxcsr), AVX_STATE, .memory = true },
	{ R(op_vzeroall), AVX_STATE }, { R(op_vzeroupper), AVX_STATE },
	{ R(op_fxsave), NO_WAIT, .memory = true }, { R(op_fxrstor), NO_WAIT, .memory = true },
	{ R(op_xsave), ANYWHERE, XSAVE_STATE, .memory = true },
	{ R(op_xsaveopt), ANYWHERE, XSAVE_STATE, .memory = true },
	{ R(op_xsavec), ANYWHERE, XSAVE_STATE, .memory = true },
	{ R(op_xsaves), PRIVILEGED, XSAVE_STATE, .memory = true },
	{ R(op_xrstor), ANYWHERE, XSAVE_STATE, .memory = true },
	{ R(op_xrstors), PRIVILEGED, XSAVE_STATE, .memory = true },
	{ R(op_xgetbv), ANYWHERE, { [NO_OSXSAVE] = EXC_UD } },
	{ R(op_xsetbv), PRIVILEGED, { [NO_OSXSAVE] = EXC_UD } },
};

/* -- States ------------------------------------------------------------------------------ */

static void enter(enum place place)
{
	setup(NULL);
	switch (place) {
	case RING_0: enter_64(0); break;
	case RING_3: enter_64(3); break;
	case REAL_MODE: enter_real(); break;
	default: enter_vm86(3); break;
	}
	/* Memory operands are aligned everywhere. */
	cpu.seg[DS].base = 0;
	put64(AREA + 512 + 8, 1ull << 63);	/* XCOMP_BV: XRSTORS wants it compacted */
	cpu.cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXSAVE | X86_CR4_FSGSBASE;
	cpu.xcr0 = XFEATURE_X87 | XFEATURE_SSE | XFEATURE_YMM;
	cpu.gpr[RAX] = cpu.xcr0;	/* for XSETBV */
	cpu.gpr[RDX] = 0;
}

static void take_away(enum lack lack, enum feature feature)
{
	switch (lack) {
	case TASK_SWITCHED: cpu.cr0 |= X86_CR0_TS; break;
	case EMULATION: cpu.cr0 |= X86_CR0_EM; break;
	case NO_OSFXSR: cpu.cr4 &= ~X86_CR4_OSFXSR; break;
	case NO_OSXSAVE: cpu.cr4 &= ~X86_CR4_OSXSAVE; break;
	case NO_XCR0: cpu.xcr0 = XFEATURE_X87; break;
	case NO_FSGSBASE: cpu.cr4 &= ~X86_CR4_FSGSBASE; break;
	case UMIP: cpu.cr4 |= X86_CR4_UMIP; break;
	case TIME_STAMP_DISABLED: cpu.cr4 |= X86_CR4_TSD; break;
	case X87_EXCEPTION: cpu.fpu.fxsave[2] |= 0x80; break;
	case NO_FEATURE: features[feature] = false; break;
	default: break;
	}
}

/* #UD before #NM before #MF before #GP. */
static u8 first(u8 a, u8 b)
{
	static const u8 order[] = { EXC_UD, EXC_NM, EXC_MF, EXC_GP };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return 0;
}

static u8 expected(const struct row *r, enum place place, enum lack lack)
{
	bool ring_3 = place == RING_3 || place == VIRTUAL_8086;

	if ((lack == UMIP || lack == TIME_STAMP_DISABLED) && !ring_3)
		return r->in[place];
	return first(r->in[place], r->with[lack]);
}

static void check(const struct row *r, enum place place, enum lack lack)
{
	struct insn in = {
		.rm = GPR_OFF(RBX), .reg = GPR_OFF(RCX), .osz = 4, .asz = 4, .len = 3,
		.base = GPR_OFF_NONE, .index = GPR_OFF_NONE, .seg = DS, .sub = r->sub,
		.disp = AREA, .flags = r->memory ? INSN_MEM : 0,
	};
	u8 want = expected(r, place, lack), got;

	enter(place);
	take_away(lack, r->feature);
	cpu.gpr[RBX] = r->rbx;
	got = r->op(&cpu, &in) == STEP_FAULT ? cpu.exc.vector : 0;
	if (got != want)
		print_error("%s in %s, %s: exception %u, not %u\n", r->name, place_name[place],
			    lack_name[lack], got, want);
	assert_int_equal(got, want);
}

/* -- Tests --------------------------------------------------------------------------------- */

static void faults(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (u32 n = 0; n < NR_PLACES * NR_LACKS; n++) {
			const struct row *r = &rows[i];
			enum place place = n / NR_LACKS;
			enum lack lack = n % NR_LACKS;

			if ((place < REAL_MODE || !r->only_64) &&
			    (lack != NO_FEATURE || r->with[NO_FEATURE]))
				check(r, place, lack);
		}
}

static void all_have_a_row(void **state)
{
	static const op_fn guarded[] = {
#define GUARDED(name, requirements) op_##name,
#include "x86/interp/guarded.def"
	};

	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++) {
		bool found = false;

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			found |= rows[j].op == guarded[i];
		assert_true(found);
	}
}

/* Those that decide by more than interp/requirements.def knows. */
static void ring_3_may_not(void **state)
{
	static const struct { op_fn op; u8 vector; } t[] = {
		{ op_sysret, EXC_GP }, { op_mwait, EXC_UD }, { op_monitor, EXC_UD },
		{ op_rdpmc, EXC_GP }, { op_cli, EXC_GP }, { op_sti, EXC_GP },
	};
	struct insn in = { .osz = 4 };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		enter(RING_3);
		assert_exception(t[i].op(&cpu, &in), t[i].vector, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults),
		cmocka_unit_test(all_have_a_row),
		cmocka_unit_test(ring_3_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
