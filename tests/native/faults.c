/* SPDX-License-Identifier: MIT */
/* What native instructions raise, and that nothing has changed then. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fakes.h"
#include "x86/cpu/xsave.h"

static struct cpu *c;
static struct cpu before;

static int setup(void **state)
{
	c = guest_create();
	memset(memory, 0, MEM_BYTES);
	memset(&fake, 0, sizeof(fake));
	c->gpr[RBX] = (u64)memory + 64;
	return c->native ? 0 : -1;
}

static int teardown(void **state)
{
	guest_destroy(c);
	return 0;
}

#define STEP(...) guest_step(c, (const u8[15]){ __VA_ARGS__ }, 15)

/* The instruction raises @vector and leaves registers and memory alone. */
#define RAISES(vector_, ...)						\
	do {								\
		u8 mem[MEM_BYTES];					\
		before = *c;						\
		memcpy(mem, memory, sizeof(mem));			\
		assert_int_equal(STEP(__VA_ARGS__), STEP_FAULT);	\
		assert_int_equal(c->exc.vector, vector_);		\
		assert_memory_equal(before.gpr, c->gpr, sizeof(c->gpr)); \
		assert_memory_equal(before.fpu.vec, c->fpu.vec, sizeof(c->fpu.vec)); \
		assert_memory_equal(before.fpu.fxsave, c->fpu.fxsave, 160); \
		assert_int_equal(before.status, c->status);		\
		assert_memory_equal(mem, memory, sizeof(mem));		\
	} while (0)

#define ADDPS		0x0f, 0x58, 0xc1		/* addps xmm0, xmm1 */
#define MOVAPS_REG	0x0f, 0x28, 0xc1
#define MOVAPS_LOAD	0x0f, 0x28, 0x43, 0x01		/* movaps xmm0, [rbx+1] */
#define MOVUPS_LOAD	0x0f, 0x10, 0x43, 0x01
#define PADDD_MEM	0x66, 0x0f, 0xfe, 0x43, 0x01
#define PADDD_MMX	0x0f, 0xfe, 0xc1
#define VPADDD		0xc5, 0xf1, 0xfe, 0xc2
#define VPADDD_MEM	0xc5, 0xf1, 0xfe, 0x43, 0x01
#define VMOVDQA_MEM	0xc5, 0xfd, 0x6f, 0x43, 0x10	/* 32 bytes at a 16-byte boundary */
#define ANDN		0xc4, 0xe2, 0x70, 0xf2, 0xc2	/* andn eax, ecx, edx */
#define CRC32		0xf2, 0x0f, 0x38, 0xf1, 0xc1
#define FADD		0xd8, 0xc1
#define FNSTCW		0xd9, 0x7b, 0x00
#define FLD1		0xd9, 0xe8

static void task_switched_raises_nm(void **state)
{
	c->cr0 |= X86_CR0_TS;
	RAISES(EXC_NM, ADDPS);
	RAISES(EXC_NM, MOVAPS_REG);
	RAISES(EXC_NM, PADDD_MMX);
	RAISES(EXC_NM, VPADDD);
	RAISES(EXC_NM, FADD);
	RAISES(EXC_NM, FNSTCW);
	RAISES(EXC_NM, 0x9b);			/* fwait, CR0.MP is set */
	RAISES(EXC_NM, 0x0f, 0xae, 0x03);	/* fxsave */
	assert_int_equal(STEP(CRC32), STEP_NEXT);
	assert_int_equal(STEP(ANDN), STEP_NEXT);
	c->cr0 &= ~X86_CR0_MP;
	assert_int_equal(STEP(0x9b), STEP_NEXT);
}

static void emulation_raises_ud(void **state)
{
	c->cr0 |= X86_CR0_EM;
	RAISES(EXC_UD, ADDPS);
	RAISES(EXC_UD, PADDD_MMX);
	RAISES(EXC_NM, FADD);
}

static void disabled_sse_raises_ud(void **state)
{
	c->cr4 &= ~X86_CR4_OSFXSR;
	RAISES(EXC_UD, ADDPS);
	RAISES(EXC_UD, MOVAPS_REG);
	assert_int_equal(STEP(PADDD_MMX), STEP_NEXT);
	assert_int_equal(STEP(VPADDD), STEP_NEXT);
}

static void disabled_avx_raises_ud(void **state)
{
	c->xcr0 &= ~(u64)XFEATURE_YMM;
	RAISES(EXC_UD, VPADDD);
	assert_int_equal(STEP(ANDN), STEP_NEXT);
	c->xcr0 |= XFEATURE_YMM;
	c->cr4 &= ~X86_CR4_OSXSAVE;
	RAISES(EXC_UD, VPADDD);
	RAISES(EXC_UD, 0x0f, 0xae, 0x23);		/* xsave */
	RAISES(EXC_UD, 0x0f, 0x01, 0xd0);		/* xgetbv */
	assert_int_equal(STEP(ADDPS), STEP_NEXT);
	c->cr4 |= X86_CR4_OSXSAVE;
	c->cr0 &= ~X86_CR0_PE;
	RAISES(EXC_UD, VPADDD);
	RAISES(EXC_UD, ANDN);
}

static void evex_raises_ud(void **state)
{
	/* vpaddd zmm0, zmm1, zmm2; kmovw k1, eax */
	RAISES(EXC_UD, 0x62, 0xf1, 0x75, 0x48, 0xfe, 0xc2);
	RAISES(EXC_UD, 0xc5, 0xf8, 0x92, 0xc8);
}

static void vex_w_in_32_bit_code(void **state)
{
	c->code_size = 4;
	/* vcvtsi2ss xmm0, xmm0, [ebx]; vpcmpestri xmm0, xmm1, 0 */
	assert_int_equal(STEP(0xc4, 0xe1, 0xfa, 0x2a, 0x03), STEP_NEXT);
	assert_int_equal(STEP(0xc4, 0xe3, 0xf9, 0x61, 0xc1, 0), STEP_NEXT);
	/* The lengths are those of EAX and EDX: 1, not saturated to 16. */
	c->gpr[RAX] = c->gpr[RDX] = 0x100000001;
	memset(c->fpu.vec[0], 'a', 16);
	memset(c->fpu.vec[1], 'b', 16);
	/* vpcmpestrm, equal each: so is what is beyond both ends. */
	assert_int_equal(STEP(0xc4, 0xe3, 0xf9, 0x60, 0xc1, 0x08), STEP_NEXT);
	assert_int_equal(*(u32 *)c->fpu.vec[0], 0xfffe);
}

static void misaligned_raises_gp(void **state)
{
	RAISES(EXC_GP, MOVAPS_LOAD);
	RAISES(EXC_GP, PADDD_MEM);
	RAISES(EXC_GP, VMOVDQA_MEM);
	RAISES(EXC_GP, 0x0f, 0xae, 0x43, 0x08);		/* fxsave [rbx+8] */
	RAISES(EXC_GP, 0x0f, 0xae, 0x63, 0x20);		/* xsave [rbx+20h] */
	assert_int_equal(STEP(MOVUPS_LOAD), STEP_NEXT);
	assert_int_equal(STEP(VPADDD_MEM), STEP_NEXT);
	/* pcmpistri xmm0, [rbx+1], 0; addss xmm0, [rbx+1] */
	assert_int_equal(STEP(0x66, 0x0f, 0x3a, 0x63, 0x43, 0x01, 0x00), STEP_NEXT);
	assert_int_equal(STEP(0xf3, 0x0f, 0x58, 0x43, 0x01), STEP_NEXT);
	c->fpu.mxcsr |= BIT(17);	/* AMD: MM */
	guest_map(c, (u64)memory, true);
	assert_int_equal(STEP(PADDD_MEM), STEP_NEXT);
	RAISES(EXC_GP, MOVAPS_LOAD);
}

static void page_faults_change_nothing(void **state)
{
	fake.fault_start = (u64)memory;
	fake.fault_end = (u64)memory + MEM_BYTES;
	c->gpr[RDI] = (u64)memory + 64;
	RAISES(EXC_PF, 0x66, 0x0f, 0xf7, 0xc1);		/* maskmovdqu: its mask is 0 */
	RAISES(EXC_PF, 0xc5, 0xf9, 0xf7, 0xc1);
	STEP(FLD1);
	c->cr2 = 0;
	RAISES(EXC_PF, MOVUPS_LOAD);
	RAISES(EXC_PF, 0x0f, 0x11, 0x43, 0x01);		/* movups [rbx+1], xmm0 */
	RAISES(EXC_PF, 0x66, 0x0f, 0xfe, 0x43, 0x10);	/* paddd */
	RAISES(EXC_PF, 0x0f, 0xfe, 0x43, 0x10);		/* paddd mm */
	RAISES(EXC_PF, 0x0f, 0x7f, 0x43, 0x10);		/* movq [m], mm */
	RAISES(EXC_PF, 0xd9, 0x5b, 0x10);		/* fstp m32 */
	RAISES(EXC_PF, 0xdb, 0x7b, 0x10);		/* fstp m80 */
	RAISES(EXC_PF, 0xdd, 0x73, 0x00);		/* fnsave */
	RAISES(EXC_PF, 0xd9, 0x73, 0x00);		/* fnstenv */
	RAISES(EXC_PF, 0x0f, 0xae, 0x63, 0x00);		/* xsave */
	RAISES(EXC_PF, 0x0f, 0xae, 0x6b, 0x00);		/* xrstor */
}

/* The elements before it are loaded, and their bits of the mask gone. */
static void a_gather_faults_in_the_middle(void **state)
{
	static const u32 index[4] = { 1, 2, 300, 3 }, mask[4] = { ~0u, 0, ~0u, ~0u };
	static const u32 loaded[4] = { 0x01010101, 0, 0, 0 }, left[4] = { 0, 0, ~0u, ~0u };

	memset(memory + 64 + 4, 1, 4);
	memset(c->fpu.vec[0], 0, 64);
	memcpy(c->fpu.vec[1], index, 16);
	memcpy(c->fpu.vec[2], mask, 16);
	fake.fault_start = (u64)memory + 64 + 4 * 300;
	fake.fault_end = fake.fault_start + 4;
	/* vpgatherdd xmm0, [rbx + xmm1 * 4], xmm2 */
	assert_int_equal(STEP(0xc4, 0xe2, 0x69, 0x90, 0x04, 0x8b), STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_PF);
	assert_memory_equal(c->fpu.vec[0], loaded, 16);
	assert_memory_equal(c->fpu.vec[2], left, 16);
}

/* -- SIMD floating-point exceptions ------------------------------------------------ */

static void set_float(u32 reg, u32 bits)
{
	memset(c->fpu.vec[reg], 0, 64);
	memcpy(c->fpu.vec[reg], &bits, 4);
}

#define DIVSS	0xf3, 0x0f, 0x5e, 0xc1
#define ONE	0x3f800000u

static void masked_exception_sets_its_flag(void **state)
{
	set_float(0, ONE);
	set_float(1, 0);
	assert_int_equal(STEP(DIVSS), STEP_NEXT);
	assert_int_equal(c->fpu.mxcsr, MXCSR_INIT | BIT(2));
	assert_int_equal(*(u32 *)c->fpu.vec[0], 0x7f800000);
}

static void unmasked_exception_raises_xm(void **state)
{
	set_float(0, ONE);
	set_float(1, 0);
	c->fpu.mxcsr &= ~BIT(9);	/* ZM */
	RAISES(EXC_XM, DIVSS);
	assert_int_equal(c->fpu.mxcsr, (MXCSR_INIT & ~BIT(9)) | BIT(2));
	c->cr4 &= ~X86_CR4_OSXMMEXCPT;
	RAISES(EXC_UD, DIVSS);
}

static void unmasked_but_not_raised_commits(void **state)
{
	c->fpu.mxcsr &= ~BIT(9);
	set_float(0, ONE);
	set_float(1, 0x40400000);
	assert_int_equal(STEP(DIVSS), STEP_NEXT);
	assert_int_equal(*(u32 *)c->fpu.vec[0], 0x3eaaaaab);
	assert_int_equal(c->fpu.mxcsr, (MXCSR_INIT & ~BIT(9)) | BIT(5));
}

static void unmasked_underflow_sees_exact_results(void **state)
{
	/* The least normal number by two: tiny and exact. */
	set_float(0, 0x00800000);
	set_float(1, 0x40000000);
	assert_int_equal(STEP(DIVSS), STEP_NEXT);
	assert_int_equal(c->fpu.mxcsr, MXCSR_INIT);
	set_float(0, 0x00800000);
	c->fpu.mxcsr &= ~BIT(11);
	RAISES(EXC_XM, DIVSS);
}

static void host_mxcsr_is_kept(void **state)
{
	u32 before = __builtin_ia32_stmxcsr();

	c->fpu.mxcsr = 0x7f80;		/* round towards zero */
	set_float(0, ONE);
	set_float(1, 0x40400000);
	assert_int_equal(STEP(DIVSS), STEP_NEXT);
	assert_int_equal(*(u32 *)c->fpu.vec[0], 0x3eaaaaaa);
	assert_int_equal(__builtin_ia32_stmxcsr() & ~0x3fu, before & ~0x3fu);
}

static void compare_with_unmasked_keeps_flags(void **state)
{
	set_float(0, 0x7fc00000);
	c->fpu.mxcsr &= ~BIT(7);
	c->status = X86_EFLAGS_CF;
	RAISES(EXC_XM, 0x0f, 0x2f, 0xc1);	/* comiss with a NaN */
}

static void ldmxcsr_checks_reserved_bits(void **state)
{
	memcpy(memory + 64, &(u32){ 0x80001f80 }, 4);
	RAISES(EXC_GP, 0x0f, 0xae, 0x13);
	memcpy(memory + 64, &(u32){ 0x3f80 }, 4);
	assert_int_equal(STEP(0x0f, 0xae, 0x13), STEP_NEXT);
	assert_int_equal(c->fpu.mxcsr, 0x3f80);
	assert_int_equal(STEP(0x0f, 0xae, 0x5b, 0x04), STEP_NEXT);
	assert_int_equal(*(u32 *)(memory + 68), 0x3f80);
}

/* -- x87 exceptions -------------------------------------------------------------------- */

static u16 fsw(void)
{
	u16 v;

	memcpy(&v, c->fpu.fxsave + FXSAVE_FSW, 2);
	return v;
}

static void set_fcw(u16 v)
{
	memcpy(memory + 64, &v, 2);
	assert_int_equal(STEP(0xd9, 0x2b), STEP_NEXT);
}

static void unmasked_x87_exception_waits(void **state)
{
	set_fcw(0x037b);				/* ZM clear */
	STEP(FLD1);
	STEP(0xd9, 0xee);				/* fldz */
	assert_int_equal(STEP(0xd8, 0xf9), STEP_NEXT);	/* fdivr st, st(1): 1/0 */
	assert_true(fsw() & FSW_ES);
	assert_int_equal(*(u64 *)(c->fpu.fxsave + FXSAVE_FIP), c->rip);
	RAISES(EXC_MF, FADD);
	RAISES(EXC_MF, PADDD_MMX);
	RAISES(EXC_MF, 0x0f, 0x2a, 0xc1);		/* cvtpi2ps xmm0, mm1 */
	if (__builtin_cpu_is("amd"))			/* of memory */
		assert_int_equal(STEP(0x0f, 0x2a, 0x03), STEP_NEXT);
	RAISES(EXC_MF, 0x9b);
	RAISES(EXC_MF, 0x0f, 0x77);			/* emms */
	assert_int_equal(STEP(FNSTCW), STEP_NEXT);
	assert_int_equal(STEP(0xdb, 0xe0), STEP_NEXT);	/* fneni */
	assert_int_equal(STEP(0xdb, 0xe1), STEP_NEXT);	/* fndisi */
	assert_int_equal(STEP(0xdb, 0xe4), STEP_NEXT);	/* fnsetpm */
	assert_int_equal(STEP(0xdb, 0xe2), STEP_NEXT);	/* fnclex */
	assert_false(fsw() & FSW_ES);
	assert_int_equal(STEP(FADD), STEP_NEXT);
	/* The host must not have one pending. */
	asm volatile("fwait");
}

static void unmasked_x87_exception_keeps_store_back(void **state)
{
	static const u8 big[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xfe, 0x7f };

	set_fcw(0x0377);				/* OM clear */
	memcpy(memory + 64, big, 10);
	STEP(0xdb, 0x2b);				/* fld m80 */
	memset(memory + 64, 0xaa, 16);
	fake.fault_start = (u64)memory;
	fake.fault_end = (u64)memory + MEM_BYTES;
	RAISES(EXC_PF, 0xd9, 0x1b);
	fake.fault_end = 0;
	assert_int_equal(STEP(0xd9, 0x1b), STEP_NEXT);	/* fstp m32: overflow */
	assert_true(fsw() & FSW_ES);
	assert_int_equal(*(u32 *)(memory + 64), 0xaaaaaaaa);
	assert_int_equal(c->fpu.fxsave[FXSAVE_FTW], 0x80);	/* not popped */
}

static void host_x87_is_kept(void **state)
{
	u16 before = 0x027f, after;
	struct { u16 w[14]; } env;

	asm volatile("fldcw %0" : : "m"(before));
	STEP(FLD1);
	STEP(PADDD_MMX);
	set_fcw(0x0f7f);
	asm volatile("fnstcw %0" : "=m"(after));
	asm volatile("fnstenv %0; fninit" : "=m"(env));
	assert_int_equal(after, before);
	assert_int_equal(env.w[4], 0xffff);		/* all empty */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(task_switched_raises_nm),
		TEST(emulation_raises_ud),
		TEST(disabled_sse_raises_ud),
		TEST(disabled_avx_raises_ud),
		TEST(evex_raises_ud),
		TEST(vex_w_in_32_bit_code),
		TEST(misaligned_raises_gp),
		TEST(page_faults_change_nothing),
		TEST(a_gather_faults_in_the_middle),
		TEST(masked_exception_sets_its_flag),
		TEST(unmasked_exception_raises_xm),
		TEST(unmasked_but_not_raised_commits),
		TEST(unmasked_underflow_sees_exact_results),
		TEST(host_mxcsr_is_kept),
		TEST(compare_with_unmasked_keeps_flags),
		TEST(ldmxcsr_checks_reserved_bits),
		TEST(unmasked_x87_exception_waits),
		TEST(unmasked_x87_exception_keeps_store_back),
		TEST(host_x87_is_kept),
	};

	if (!native_available() || !__builtin_cpu_supports("avx2") ||
	    !memory_create())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
