/* SPDX-License-Identifier: MIT */
/*
 * x87 and MMX registers of code that is translated: as the ioctls see and set
 * them, and as faults find them (SDM vol. 1 8.1, 9.5).
 */
#include "vectors.h"

GUEST_BLOB(vec_x87);
GUEST_BLOB(vec_mmx);

enum { FCW = 0x40, FCW_USUAL = 0x37f, FCW_DOUBLE = 0x27f, FSTL_AT = 2 + 7 + 4 + 2 + 2 + 4, PE = 0x20 };

static void set_double(u64 gpa, double v)
{
	memcpy(g.mem + gpa, &v, 8);
}

static double get_double(u64 gpa)
{
	double v;

	memcpy(&v, g.mem + gpa, 8);
	return v;
}

static void start_x87(u16 fcw)
{
	START(vec_x87);
	set_double(DATA, 1);
	set_double(DATA + 0x1000, 0.25);
	*(u16 *)(g.mem + DATA + FCW) = fcw;
	set_addresses(DATA + 0x1000, DATA + FCW);
	set_xmm(0, 3);
}

static void x87_beside_sse(void **state)
{
	struct kvm_fpu f;
	u64 fip, fdp;

	needs_guest();
	start_x87(FCW_USUAL);
	for (u32 i = 1; i <= TIMES; i++) {
		run_to_exit(1);
		get_fpu(&f);
		assert_true(get_double(DATA) == 1 + 0.25 * i);
		assert_int_equal(get_xmm(1), 6 * i);
		assert_int_equal(f.fcw, FCW_USUAL);
		assert_int_equal(f.fsw, 7 << 11);
		assert_int_equal(f.ftwx, 0x80);
		/* FSTL is DD /2 */
		fip = f.last_ip;
		fdp = f.last_dp;
		assert_int_equal(fip, GUEST_CODE + FSTL_AT);
		assert_int_equal(fdp, DATA);
		assert_int_equal(f.last_opcode, 0x514);
	}
}

/* Single precision, towards zero, comes and goes with FLDCW. */
static void x87_control_word(void **state)
{
	const double step = 1 + 0x1p-30;

	needs_guest();
	start_x87(FCW_USUAL);
	set_double(DATA + 0x1000, step);
	run_to_exit(TIMES);
	assert_true(get_double(DATA) == 1 + TIMES * step);
	*(u16 *)(g.mem + DATA + FCW) = 0x0c7f;
	run_to_exit(TIMES);
	assert_true(get_double(DATA) == 1 + 2 * TIMES);
}

static void x87_unmasked(void **state)
{
	struct kvm_fpu f;

	needs_guest();
	start_x87(FCW_USUAL);
	run_to_exit(TIMES);
	*(u16 *)(g.mem + DATA + FCW) = FCW_USUAL & ~PE;
	run_to_exit(1);
	set_double(DATA + 0x1000, 0x1p-100);
	/* What raises it is done; the next one that waits finds it. */
	assert_int_equal(run_to_fault(false), GUEST_CODE + FSTL_AT);
	get_fpu(&f);
	assert_int_equal(f.fsw & 0xff, 0xa0);
	assert_int_equal(get_xmm(1), 6 * (TIMES + 2));
}

static void memory_that_has_gone_from_x87(void **state)
{
	struct kvm_fpu f;
	u64 fip;

	needs_guest();
	start_x87(FCW_USUAL);
	run_to_exit(TIMES);
	*(u16 *)(g.mem + DATA + FCW) = FCW_DOUBLE;
	mprotect(g.mem + DATA + 0x1000, 0x1000, PROT_NONE);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	mprotect(g.mem + DATA + 0x1000, 0x1000, PROT_READ | PROT_WRITE);
	get_fpu(&f);
	assert_int_equal(f.fcw, FCW_DOUBLE);
	assert_int_equal(f.ftwx, 0x80);
	assert_int_equal(f.fsw, 7 << 11);
	fip = f.last_ip;
	assert_int_equal(fip, GUEST_CODE + FSTL_AT);
	run_to_exit(1);
	assert_true(get_double(DATA) == 1 + 0.25 * (TIMES + 1));
}

/* A host that has exceptions unmasked is not hit by the guest's flags. */
static void x87_of_the_host_stays(void **state)
{
	const u16 usual = FCW_USUAL, own = 0x0e40;
	u16 after;

	needs_guest();
	start_x87(FCW_USUAL);
	set_double(DATA + 0x1000, 0x1p-100);
	asm volatile("fldcw %0" : : "m"(own));
	for (u32 i = 0; i < TIMES; i++) {
		if (guest_run(&g, 0) != KVM_EXIT_IO)
			break;
		asm volatile("fwait; fnstcw %0" : "=m"(after));
		if (after != own)
			break;
	}
	asm volatile("fldcw %0" : : "m"(usual));
	assert_int_equal(after, own);
	assert_int_equal(get_xmm(1), 6 * TIMES);
}

static void mmx(void **state)
{
	struct kvm_fpu f;
	u32 v = 7;

	needs_guest();
	START(vec_mmx);
	get_fpu(&f);
	memcpy(f.fpr[0], &v, 4);
	set_fpu(&f);
	for (u32 i = 1; i <= TIMES; i++) {
		run_to_exit(1);
		get_fpu(&f);
		memcpy(&v, f.fpr[1], 4);
		assert_int_equal(v, 7 * i);
		assert_int_equal(f.fpr[1][8] | f.fpr[1][9] << 8, 0xffff);
		assert_int_equal(f.ftwx, 0xff);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, done)
	const struct CMUnitTest tests[] = {
		TEST(x87_beside_sse),
		TEST(x87_control_word),
		TEST(x87_unmasked),
		TEST(memory_that_has_gone_from_x87),
		TEST(x87_of_the_host_stays),
		TEST(mmx),
	};

	translate_at_once();
	return cmocka_run_group_tests_name("x87", tests, NULL, NULL);
}
