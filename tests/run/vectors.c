/* SPDX-License-Identifier: MIT */
/*
 * Vector registers and MXCSR of code that is translated: as the ioctls see
 * and set them, and as faults find them (SDM vol. 1 10.2.3, 11.5; vol. 3A 13).
 */
#include <xmmintrin.h>

#include "vectors.h"

GUEST_BLOB(vec_add);
GUEST_BLOB(vec_avx);
GUEST_BLOB(vec_ts);
GUEST_BLOB(vec_mxcsr);
GUEST_BLOB(vec_div);
GUEST_BLOB(vec_load);

enum { RESULT = DATA + 0x100, CR0_TS = 8 };
enum { MASKED = 0x1f80, ZM = 0x200, FZ = 0x8000, PE = 0x20, PM = 0x1000, ZE = 4, UE = 0x10 };

/* KVM_GET_FPU and KVM_SET_FPU do not have it. */
static void set_mxcsr(u32 v)
{
	struct kvm_xsave x;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
	x.region[24 / 4] = v;
	x.region[512 / 4] |= 2;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_XSAVE, &x));
}

static u32 get_mxcsr(void)
{
	struct kvm_xsave x;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
	return x.region[24 / 4];
}

static u32 float_bits(float v)
{
	u32 bits;

	memcpy(&bits, &v, 4);
	return bits;
}

/* -- Registers --------------------------------------------------------------------- */

static void the_ioctls_see_and_set_them(void **state)
{
	struct kvm_xsave x;
	u32 sum = 0, v;

	needs_guest();
	START(vec_add);
	for (u32 i = 1; i <= TIMES; i++) {
		set_xmm(0, i);
		run_to_exit(1);
		sum += 2 * i;
		assert_int_equal(get_xmm(1), sum);
		assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
		memcpy(&v, (u8 *)x.region + 160 + 16, 4);
		assert_int_equal(v, sum);
		if (i > 1)
			assert_int_equal((u32)*guest_word(&g, DATA), 2 * (sum - 2 * i));
	}
	set_xmm(1, 1000);
	run_to_exit(1);
	assert_int_equal((u32)*guest_word(&g, DATA), 2000);
	assert_int_equal(get_xmm(2), 2000);
}

static void enable_avx(void)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = 7 };
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.cr4 |= 1 << 18;	/* OSXSAVE */
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_XCRS, &x));
}

static void upper_halves(u32 n, struct kvm_xsave *x, u32 **low, u32 **high)
{
	*low = x->region + (160 + 16 * n) / 4;
	*high = x->region + (576 + 16 * n) / 4;
}

/* VEX clears them, its absence leaves them (SDM vol. 1 14.4.1). */
static void upper_halves_of_ymm(void **state)
{
	u32 *low, *high, *bv;
	struct kvm_xsave x;

	needs_guest();
	if (!__builtin_cpu_supports("avx2"))
		skip();
	START(vec_avx);
	enable_avx();
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
	bv = x.region + 512 / 4;
	*bv = 7;
	for (u32 n = 0; n < 5; n++) {
		upper_halves(n, &x, &low, &high);
		*low = n + 1;
		*high = n + 101;
	}
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_XSAVE, &x));
	run_to_exit(TIMES);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
	upper_halves(1, &x, &low, &high);
	assert_int_equal(*low, 2 + TIMES);
	assert_int_equal(*high, 102 + TIMES * 101);
	upper_halves(3, &x, &low, &high);
	assert_int_equal(*low, 4 + TIMES);
	assert_int_equal(*high, 104);
	upper_halves(4, &x, &low, &high);
	assert_int_equal(*low, 5 + TIMES);
	assert_int_equal(*high, 0);
}

/* -- Faults --------------------------------------------------------------------------- */

static void set_ts(bool on)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.cr0 = on ? s.cr0 | CR0_TS : s.cr0 & ~(u64)CR0_TS;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
}

static void set_rip(u64 rip, u64 rdi)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rip = rip;
	r.rdi = rdi;
	guest_set_regs(&g, 0, &r);
}

static void ts_set_between_runs(void **state)
{
	needs_guest();
	START(vec_ts);
	set_xmm(0, 1);
	run_to_exit(TIMES);
	assert_int_equal(get_xmm(1), 2 * TIMES);
	set_ts(true);
	assert_int_equal(run_to_fault(false), GUEST_CODE);
	assert_int_equal(get_xmm(1), 2 * TIMES);
	set_ts(false);
	set_rip(GUEST_CODE, 0);
	run_to_exit(1);
	assert_int_equal(get_xmm(1), 2 * TIMES + 2);
}

static void ts_set_between_two_instructions(void **state)
{
	needs_guest();
	START(vec_ts);
	set_xmm(0, 1);
	run_to_exit(TIMES);
	for (u32 i = 1; i < TIMES; i++) {
		set_ts(false);
		set_rip(GUEST_CODE, 1);
		/* ADD, TEST, JZ, MOV, OR, MOV */
		assert_int_equal(run_to_fault(false), GUEST_CODE + 4 + 3 + 2 + 3 + 4 + 3);
		assert_int_equal(get_xmm(1), 2 * TIMES + i);
	}
}

static void an_unmasked_exception(void **state)
{
	struct kvm_regs r;

	needs_guest();
	START(vec_div);
	set_xmm(0, float_bits(0));
	set_xmm(1, float_bits(1));
	set_xmm(2, float_bits(1));
	run_to_exit(TIMES);
	assert_int_equal(get_mxcsr() & ZE, ZE);
	for (u32 i = 1; i < TIMES; i++) {
		set_xmm(1, float_bits(1));
		set_mxcsr(MASKED & ~ZM);
		set_rip(GUEST_CODE, 0);
		assert_int_equal(run_to_fault(false), GUEST_CODE + 6);
		assert_int_equal(get_mxcsr(), (MASKED & ~ZM) | ZE);
		assert_int_equal(get_xmm(1), float_bits(1));
		assert_int_equal(get_xmm(3), float_bits(TIMES + i));
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rbx, TIMES + i);
		assert_int_equal(r.rcx, TIMES);
	}
}

static void fill(u64 gpa, u32 v)
{
	for (u32 i = 0; i < 4; i++)
		*(u32 *)(g.mem + gpa + 4 * i) = v;
}

static void a_misaligned_operand(void **state)
{
	needs_guest();
	START(vec_load);
	fill(DATA, 1);
	fill(DATA + 16, 1);
	set_addresses(DATA, DATA + 16);
	run_to_exit(TIMES);
	assert_int_equal(get_xmm(1), 2 * TIMES);
	for (u32 i = 1; i < 16; i++) {
		set_addresses(DATA, DATA + i);
		assert_int_equal(run_to_fault(true), GUEST_CODE + 7);
		assert_int_equal(get_xmm(1), 2 * TIMES + i);
	}
}

/* The memory behind the slot has gone and comes back: nothing is lost. */
static void memory_that_has_gone(void **state)
{
	struct kvm_regs r;

	needs_guest();
	START(vec_load);
	fill(DATA, 1);
	fill(DATA + 0x1000, 1);
	set_addresses(DATA, DATA + 0x1000);
	run_to_exit(TIMES);
	set_mxcsr(MASKED | FZ);
	mprotect(g.mem + DATA + 0x1000, 0x1000, PROT_NONE);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	mprotect(g.mem + DATA + 0x1000, 0x1000, PROT_READ | PROT_WRITE);
	assert_int_equal(get_xmm(1), 2 * TIMES + 1);
	assert_int_equal(get_mxcsr(), MASKED | FZ);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 7);
	assert_int_equal(r.rbx, TIMES + 1);
	run_to_exit(1);
	assert_int_equal(get_xmm(1), 2 * TIMES + 2);
}

/* The same, of a page table that is read to fill the TLB. */
static void tables_that_have_gone(void **state)
{
	const u64 table = DATA + 0x1000, far = 4ull << 30;
	struct kvm_regs r;

	needs_guest();
	START(vec_load);
	fill(DATA, 1);
	*guest_word(&g, GUEST_PML4 + 0x1000 + 4 * 8) = table | 7;
	*guest_word(&g, table) = 0x87;
	set_addresses(DATA, DATA);
	run_to_exit(TIMES);
	set_addresses(DATA, far + DATA);
	mprotect(g.mem + table, 0x1000, PROT_NONE);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	mprotect(g.mem + table, 0x1000, PROT_READ | PROT_WRITE);
	assert_int_equal(get_xmm(1), 2 * TIMES + 1);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 7);
	assert_int_equal(r.rbx, TIMES + 1);
	assert_int_equal(r.rdi, far + DATA);
	run_to_exit(1);
	assert_int_equal(get_xmm(1), 2 * TIMES + 2);
}

/* -- MXCSR -------------------------------------------------------------------------------- */

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

static const struct {
	u32 mxcsr, rounded, product, after;
} controls[] = {
	/* -2.5, and the square of 2^-70 */
	{ MASKED, -2, 1 << 9, PE },
	{ MASKED | 1 << 13, -3, 1 << 9, PE },
	{ MASKED | 2 << 13, -2, 1 << 9, PE },
	{ MASKED | 3 << 13, -2, 1 << 9, PE },
	{ MASKED | FZ, -2, 0, PE | UE },
	{ MASKED | ZE, -2, 1 << 9, PE | ZE },
};

static void run_controls(void)
{
	u32 n = ARRAY_LEN(controls);
	struct kvm_regs r;

	for (u32 i = 0; i < n; i++)
		*(u32 *)(g.mem + GUEST_CODE + 0x800 + 4 * i) = controls[i].mxcsr;
	set_xmm(0, float_bits(-2.5f));
	set_xmm(1, float_bits(0x1p-70f));
	guest_regs(&g, 0, &r);
	r.rsi = GUEST_CODE + 0x800;
	r.rdi = n;
	guest_set_regs(&g, 0, &r);
	for (u32 times = 0; times < TIMES; times++) {
		run_to_exit(1);
		for (u32 i = 0; i < n; i++) {
			const u32 *v = (u32 *)(g.mem + DATA + 8 * i);

			assert_int_equal(v[0], controls[i].rounded);
			assert_int_equal(v[1], controls[i].product);
			assert_int_equal(*(u32 *)(g.mem + RESULT + 4 * i),
					 controls[i].mxcsr | controls[i].after);
		}
	}
}

static void its_control_bits(void **state)
{
	needs_guest();
	START(vec_mxcsr);
	run_controls();
}

/* What is not to be loaded: reserved bits; an exception that is to be taken. */
static void loads_that_fault(void **state)
{
	needs_guest();
	START(vec_mxcsr);
	run_controls();
	*(u32 *)(g.mem + GUEST_CODE + 0x800) = MASKED | 1 << 16;
	/* XOR is before it */
	assert_int_equal(run_to_fault(true), GUEST_CODE + 2);
	assert_int_equal(get_mxcsr(), controls[ARRAY_LEN(controls) - 1].mxcsr | PE);
	*(u32 *)(g.mem + GUEST_CODE + 0x800) = MASKED & ~PM;
	set_rip(GUEST_CODE, ARRAY_LEN(controls));
	assert_int_equal(run_to_fault(false), GUEST_CODE + 2 + 4);
	assert_int_equal(get_mxcsr(), (MASKED & ~PM) | PE);
}

static void that_of_the_host_stays(void **state)
{
	const u32 control = ~0x3fu;
	u32 host = _mm_getcsr();

	needs_guest();
	START(vec_mxcsr);
	_mm_setcsr(MASKED | 3 << 13 | FZ);
	run_controls();
	assert_int_equal(_mm_getcsr() & control, MASKED | 3 << 13 | FZ);
	_mm_setcsr(host);
	run_controls();
	assert_int_equal(_mm_getcsr() & control, host & control);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, done)
	const struct CMUnitTest tests[] = {
		TEST(the_ioctls_see_and_set_them),
		TEST(upper_halves_of_ymm),
		TEST(ts_set_between_runs),
		TEST(ts_set_between_two_instructions),
		TEST(an_unmasked_exception),
		TEST(a_misaligned_operand),
		TEST(memory_that_has_gone),
		TEST(tables_that_have_gone),
		TEST(its_control_bits),
		TEST(loads_that_fault),
		TEST(that_of_the_host_stays),
	};

	translate_at_once();
	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
