/* SPDX-License-Identifier: MIT */
/*
 * What of the XSAVE family the host's user mode does not show, and the images of
 * the ioctls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fakes.h"
#include "x86/cpu/xsave.h"

static struct cpu *c;

enum { AREA = MEM_AT, AREA_BYTES = 832 };

static int setup(void **state)
{
	c = guest_create();
	return c->native ? 0 : -1;
}

static int teardown(void **state)
{
	guest_destroy(c);
	return 0;
}

/* -- Malformed headers ------------------------------------------------------------ */

static void put64(u32 at, u64 v)
{
	memcpy(memory + AREA + at, &v, 8);
}

static enum step xrstor(void)
{
	struct decoded d;
	static const u8 bytes[] = { 0x0f, 0xae, 0x6b, 0x10 };

	c->gpr[RBX] = (u64)memory + AREA - 0x10;
	c->gpr[RAX] = 7;
	c->gpr[RDX] = 0;
	assert_true(guest_decode(c, bytes, sizeof(bytes), &d));
	return d.in.op(c, &d.in);
}

static void malformed_header_raises_gp(void **state)
{
	static const struct { u32 at; u64 v; } bad[] = {
		{ XSAVE_XSTATE_BV, 8 },			/* not in XCR0 */
		{ XSAVE_XCOMP_BV, 1 },
		{ XSAVE_XCOMP_BV + 8, 1 },
		{ XSAVE_XCOMP_BV, 1ull << 63 | 8 },
		{ FXSAVE_MXCSR, 0x80000000 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(memory + AREA, 0, AREA_BYTES);
		assert_int_equal(xrstor(), STEP_NEXT);
		put64(bad[i].at, bad[i].v);
		assert_int_equal(xrstor(), STEP_FAULT);
		assert_int_equal(c->exc.vector, EXC_GP);
	}
	/* Compacted: a component that is not in XCOMP_BV; reserved bytes. */
	memset(memory + AREA, 0, AREA_BYTES);
	put64(XSAVE_XCOMP_BV, 1ull << 63 | 1);
	put64(XSAVE_XSTATE_BV, 3);
	assert_int_equal(xrstor(), STEP_FAULT);
	put64(XSAVE_XSTATE_BV, 1);
	assert_int_equal(xrstor(), STEP_NEXT);
	put64(XSAVE_MIN - 8, 1);
	assert_int_equal(xrstor(), STEP_FAULT);
}

static void supervisor_forms_need_cpl0(void **state)
{
	static const u8 xsaves[] = { 0x0f, 0xc7, 0x6b, 0x10 };
	static const u8 xrstors[] = { 0x0f, 0xc7, 0x5b, 0x10 };

	c->gpr[RBX] = (u64)memory + AREA - 0x10;
	c->gpr[RAX] = 7;
	memset(memory + AREA, 0, AREA_BYTES);
	assert_int_equal(guest_step(c, xsaves, 4), STEP_NEXT);
	assert_int_equal(guest_step(c, xrstors, 4), STEP_NEXT);
	c->cpl = 3;
	assert_int_equal(guest_step(c, xsaves, 4), STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_GP);
	assert_int_equal(guest_step(c, xrstors, 4), STEP_FAULT);
	assert_int_equal(c->exc.vector, EXC_GP);
	c->cpl = 0;
	put64(XSAVE_XCOMP_BV, 0);
	assert_int_equal(guest_step(c, xrstors, 4), STEP_FAULT);
}

static void init_state_is_not_in_use(void **state)
{
	c->gpr[RCX] = 1;
	assert_int_equal(guest_step(c, (const u8[]){ 0x0f, 0x01, 0xd0 }, 3), STEP_NEXT);
	assert_int_equal(c->gpr[RAX], 0);
	/* vpcmpeqb ymm3, ymm3, ymm3; then vzeroupper */
	guest_step(c, (const u8[]){ 0xc5, 0xe5, 0x74, 0xdb }, 4);
	guest_step(c, (const u8[]){ 0x0f, 0x01, 0xd0 }, 3);
	assert_int_equal(c->gpr[RAX], XFEATURE_SSE | XFEATURE_YMM);
	guest_step(c, (const u8[]){ 0xc5, 0xf8, 0x77 }, 3);
	guest_step(c, (const u8[]){ 0x0f, 0x01, 0xd0 }, 3);
	assert_int_equal(c->gpr[RAX], XFEATURE_SSE);
	c->gpr[RCX] = 2;
	assert_int_equal(guest_step(c, (const u8[]){ 0x0f, 0x01, 0xd0 }, 3), STEP_FAULT);
}

/* -- PKRU: the engine's, whatever the host has ---------------------------------------- */

/* @op on AREA with components @rfbm. */
static enum step on_area(const u8 *op, u32 n, u64 rfbm)
{
	c->gpr[RBX] = (u64)memory + AREA - 0x10;
	c->gpr[RAX] = rfbm;
	c->gpr[RDX] = 0;
	return guest_step(c, op, n);
}

static u64 get64(u32 at)
{
	u64 v;

	memcpy(&v, memory + AREA + at, 8);
	return v;
}

static const u8 xsave64[] = { 0x48, 0x0f, 0xae, 0x63, 0x10 };
static const u8 xsavec64[] = { 0x48, 0x0f, 0xc7, 0x63, 0x10 };
static const u8 xsaveopt64[] = { 0x48, 0x0f, 0xae, 0x73, 0x10 };

static void check_pkru(const u8 *save, u32 n, u64 rfbm, u32 at)
{
	static const u8 xrstor64[] = { 0x48, 0x0f, 0xae, 0x6b, 0x10 };

	memset(memory + AREA, 0xff, MEM_BYTES - MEM_AT);
	memset(memory + AREA + XSAVE_XSTATE_BV, 0, 64);
	c->fpu.pkru = 0x55555554;
	assert_int_equal(on_area(save, n, rfbm), STEP_NEXT);
	assert_int_equal(get64(at), 0x55555554);
	assert_int_equal(get64(XSAVE_XSTATE_BV) & XFEATURE_PKRU, XFEATURE_PKRU);
	c->fpu.pkru = 7;
	assert_int_equal(on_area(xrstor64, 5, rfbm & ~(u64)XFEATURE_PKRU), STEP_NEXT);
	assert_int_equal(c->fpu.pkru, 7);
	assert_int_equal(on_area(xrstor64, 5, rfbm), STEP_NEXT);
	assert_int_equal(c->fpu.pkru, 0x55555554);
	memory[AREA + XSAVE_XSTATE_BV + 1] &= ~2;
	assert_int_equal(on_area(xrstor64, 5, rfbm), STEP_NEXT);
	assert_int_equal(c->fpu.pkru, 0);
}

static void pkru_is_component_9(void **state)
{
	const u64 pkru = XFEATURE_PKRU, ymm = XFEATURE_YMM;
	u32 at = fpu_pkru_offset();

	/* The last one of the test's memory may be the standard format's. */
	if (MEM_AT + at + 8 > MEM_BYTES)
		at = 0;
	c->xcr0 |= pkru;
	if (at) {
		check_pkru(xsave64, sizeof(xsave64), pkru | ymm, at);
		check_pkru(xsaveopt64, sizeof(xsaveopt64), pkru, at);
	}
	check_pkru(xsavec64, sizeof(xsavec64), pkru | ymm, XSAVE_PKRU_COMPACT);
	check_pkru(xsavec64, sizeof(xsavec64), pkru, XSAVE_YMM);
	/* Initial state is neither in use nor written. */
	memset(memory + AREA, 0xff, MEM_BYTES - MEM_AT);
	c->fpu.pkru = 0;
	assert_int_equal(on_area(xsavec64, sizeof(xsavec64), pkru), STEP_NEXT);
	assert_int_equal(get64(XSAVE_XSTATE_BV), 0);
	assert_int_equal(get64(XSAVE_YMM), ~0ull);
	c->fpu.pkru = 1;
	c->gpr[RCX] = 1;
	assert_int_equal(guest_step(c, (const u8[]){ 0x0f, 0x01, 0xd0 }, 3), STEP_NEXT);
	assert_int_equal(c->gpr[RAX] & pkru, pkru);
}

/* 32-bit code saves and restores eight registers and narrow pointers. */
static void compat_fxsave_has_eight_registers(void **state)
{
	static const u8 bytes[] = { 0x0f, 0xae, 0x43, 0x10 };
	static struct state before;
	u8 mem[512];

	random_state(&before);
	state_to_guest(c, &before);
	memset(c->fpu.fxsave + FXSAVE_FIP, 0x77, 16);
	memcpy(mem, memory + AREA, 512);
	c->code_size = 4;
	assert_int_equal(guest_step(c, bytes, 4), STEP_NEXT);
	assert_memory_equal(memory + AREA + 160 + 128, mem + 160 + 128, 512 - 288);
	assert_memory_equal(memory + AREA + 160 + 7 * 16, before.ymm[7], 16);
	assert_int_equal(*(u64 *)(memory + AREA + FXSAVE_FIP), 0x77777777);
}

/* -- Environments -------------------------------------------------------------------- */

static void env_formats_round_trip(void **state)
{
	static const u8 sizes[] = { 2, 4 };

	for (u32 real = 0; real < 2; real++)
		for (u32 i = 0; i < 2; i++) {
			static struct state before;
			u8 fx[160];
			u8 save[] = { 0x66, 0xdd, 0x33 }, load[] = { 0x66, 0xdd, 0x23 };
			u32 skip = sizes[i] == 2 ? 0 : 1;
			u64 fip = sizes[i] == 2 && !real ? 0x4321 : 0x54321;

			random_state(&before);
			state_to_guest(c, &before);
			c->gpr[RBX] = (u64)memory + AREA;
			c->code_size = 4;
			c->cr0 = real ? c->cr0 & ~X86_CR0_PE : c->cr0 | X86_CR0_PE;
			memcpy(c->fpu.fxsave + FXSAVE_FIP, &fip, 8);
			memcpy(fx, c->fpu.fxsave, 160);
			assert_int_equal(guest_step(c, save + skip, 3 - skip), STEP_NEXT);
			assert_int_equal(*(u16 *)c->fpu.fxsave, FCW_INIT);
			assert_int_equal(c->fpu.fxsave[FXSAVE_FTW], 0);
			assert_int_equal(guest_step(c, load + skip, 3 - skip), STEP_NEXT);
			assert_memory_equal(fx, c->fpu.fxsave, FXSAVE_MXCSR);
			assert_memory_equal(fx + 32, c->fpu.fxsave + 32, 128);
		}
}

/* -- KVM_GET_XSAVE and KVM_SET_XSAVE ---------------------------------------------------- */

static void ioctl_images_round_trip(void **state)
{
	static struct state before;
	static struct fpu other;
	static u8 image[4096], again[4096];

	for (u32 i = 0; i < 50; i++) {
		random_state(&before);
		state_to_guest(c, &before);
		fpu_to_xsave(&c->fpu, image, sizeof(image), 7);
		memset(&other, 0x5a, sizeof(other));
		assert_int_equal(fpu_from_xsave(&other, image, sizeof(image)), 0);
		assert_int_equal(other.mxcsr, c->fpu.mxcsr);
		for (u32 n = 0; n < 16; n++)
			assert_memory_equal(other.vec[n], c->fpu.vec[n], 32);
		fpu_to_xsave(&other, again, sizeof(again), 7);
		assert_memory_equal(image, again, sizeof(image));
	}
}

/* KVM: a component that the image lacks is initialised, but PKRU stays. */
static void ioctl_images_have_pkru(void **state)
{
	static u8 image[4096];
	struct fpu f;

	if (!(fpu_supported_xcr0() & XFEATURE_PKRU))
		skip();
	fpu_reset(&f);
	f.pkru = 0x55555554;
	fpu_to_xsave(&f, image, sizeof(image), ~0ull);
	f.pkru = 3;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), 0);
	assert_int_equal(f.pkru, 0x55555554);
	image[XSAVE_XSTATE_BV + 1] &= ~2;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), 0);
	assert_int_equal(f.pkru, 0x55555554);
	f.pkru = 0;
	fpu_to_xsave(&f, image, sizeof(image), ~0ull);
	f.pkru = 3;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), 0);
	assert_int_equal(f.pkru, 0);
}

static void reset_image_is_initial(void **state)
{
	static u8 image[4096];
	struct fpu f;

	fpu_reset(&f);
	fpu_to_xsave(&f, image, sizeof(image), 7);
	assert_int_equal(*(u64 *)(image + XSAVE_XSTATE_BV), 0);
	assert_int_equal(*(u16 *)image, FCW_INIT);
	assert_int_equal(*(u32 *)(image + FXSAVE_MXCSR), MXCSR_INIT);
}

static void malformed_images_are_refused(void **state)
{
	static u8 image[4096];
	struct fpu f;

	fpu_reset(&f);
	assert_int_equal(fpu_from_xsave(&f, image, 512), -EINVAL);
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), 0);
	image[XSAVE_XSTATE_BV + 7] = 0x40;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), -EINVAL);
	image[XSAVE_XSTATE_BV + 7] = 0;
	image[XSAVE_XCOMP_BV + 7] = 0x80;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), -EINVAL);
	image[XSAVE_XCOMP_BV + 7] = 0;
	image[FXSAVE_MXCSR + 3] = 0x80;
	assert_int_equal(fpu_from_xsave(&f, image, sizeof(image)), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(malformed_header_raises_gp),
		TEST(supervisor_forms_need_cpl0),
		TEST(init_state_is_not_in_use),
		TEST(pkru_is_component_9),
		TEST(compat_fxsave_has_eight_registers),
		TEST(env_formats_round_trip),
		TEST(ioctl_images_round_trip),
		TEST(ioctl_images_have_pkru),
		TEST(reset_image_is_initial),
		TEST(malformed_images_are_refused),
	};

	if (!native_available() || !memory_create())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
