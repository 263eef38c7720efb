/* SPDX-License-Identifier: MIT */
/* Several vCPUs at once: atomicity, and code that others write. */
#include "guest.h"

GUEST_BLOB(smp_locked);
GUEST_BLOB(smp_split);
GUEST_BLOB(smp_load_segment);
GUEST_BLOB(smp_change_descriptor);
GUEST_BLOB(smp_cmpxchg16b);
GUEST_BLOB(smp_spin);
GUEST_BLOB(smp_call);
GUEST_BLOB(smp_patch);
GUEST_BLOB(smp_self);

enum { CPUS = 3, CALLEE = 0x20000 };

static void set_args(struct guest *g, u32 i, u64 rdi, u64 rbx)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	r.rdi = rdi;
	r.rbx = rbx;
	guest_set_regs(g, i, &r);
}

/* All vCPUs run the code at GUEST_CODE @rounds times. */
static void run_all(struct guest *g, u64 rounds)
{
	struct runner r[CPUS];

	for (u32 i = 0; i < CPUS; i++) {
		guest_long(g, i, GUEST_CODE);
		set_args(g, i, rounds, 0);
	}
	for (u32 i = 0; i < CPUS; i++)
		runner_start(&r[i], g, i);
	for (u32 i = 0; i < CPUS; i++)
		assert_int_equal(runner_join(&r[i]), KVM_EXIT_HLT);
}

static void locked_counters_are_exact(void **state)
{
	enum { N = 20000 };
	struct guest g;

	guest_create(&g, 0, CPUS);
	guest_load(&g, GUEST_CODE, smp_locked);
	run_all(&g, N);
	assert_int_equal(*guest_word(&g, 0x40000), CPUS * N);
	assert_int_equal(*guest_word(&g, 0x40008), CPUS * N);
	assert_int_equal(*guest_word(&g, 0x40010), (u16)(CPUS * N));
	guest_destroy(&g);
}

/* Three times a round the counter at @lin is incremented, and once its last byte. */
static void count_split(struct guest *g, u64 lin, u8 *first, u32 n, const u8 *rest, u64 rounds)
{
	struct runner r[2];
	u64 counter = 0;

	guest_load(g, GUEST_CODE, smp_split);
	for (u32 i = 0; i < 2; i++) {
		guest_long(g, i, GUEST_CODE);
		set_args(g, i, rounds, lin);
	}
	for (u32 i = 0; i < 2; i++)
		runner_start(&r[i], g, i);
	for (u32 i = 0; i < 2; i++)
		assert_int_equal(runner_join(&r[i]), KVM_EXIT_HLT);
	memcpy(&counter, first, n);
	memcpy((u8 *)&counter + n, rest, 8 - n);
	assert_int_equal(counter, 6 * rounds + (rounds * 2 << 56));
}

/* LOCK holds across a page, carries and all (SDM vol. 3A 8.1.2.2). */
static void locked_across_pages(void **state)
{
	enum { AT = GUEST_DATA + PG - 1 };
	struct guest g;

	guest_create(&g, 0, 2);
	count_split(&g, AT, g.mem + AT, 1, g.mem + AT + 1, 100000 / 3);
	guest_destroy(&g);
}

static void locked_across_pages_that_are_apart(void **state)
{
	enum { LIN = 2 << 20, TABLE = 0x60000, FIRST = 0x50000, SECOND = 0x48000 };
	u64 *pd, *table;
	struct guest g;

	guest_create(&g, 0, 2);
	pd = (u64 *)(g.mem + GUEST_PML4 + 0x2000);
	table = (u64 *)(g.mem + TABLE);
	pd[1] = TABLE | 7;
	table[0] = FIRST | 7;
	table[1] = SECOND | 7;
	count_split(&g, LIN + PG - 1, g.mem + FIRST + PG - 1, 1, g.mem + SECOND, 3000);
	memset(g.mem + FIRST, 0, PG);
	memset(g.mem + SECOND, 0, PG);
	count_split(&g, LIN + PG - 3, g.mem + FIRST + PG - 3, 3, g.mem + SECOND, 3000);
	guest_destroy(&g);
}

/* A load that sets the accessed bit undoes nothing (SDM vol. 3A 8.1.2.1). */
static void descriptors_are_updated_atomically(void **state)
{
	enum { N = 50000, OTHER = GUEST_CODE + 0x1000 };
	struct runner r[2];
	struct kvm_regs regs;
	struct guest g;

	guest_create(&g, 0, 2);
	guest_load(&g, GUEST_CODE, smp_load_segment);
	guest_load(&g, OTHER, smp_change_descriptor);
	for (u32 i = 0; i < 2; i++) {
		guest_long(&g, i, i ? OTHER : GUEST_CODE);
		set_args(&g, i, N, 0);
		runner_start(&r[i], &g, i);
	}
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(runner_join(&r[i]), KVM_EXIT_HLT);
		guest_regs(&g, i, &regs);
		assert_int_equal(regs.rdi, 0);
	}
	guest_destroy(&g);
}

static void cmpxchg16b_is_atomic(void **state)
{
	enum { N = 20000 };
	struct guest g;

	guest_create(&g, 0, CPUS);
	guest_load(&g, GUEST_CODE, smp_cmpxchg16b);
	run_all(&g, N);
	assert_int_equal(*guest_word(&g, 0x40000), CPUS * N);
	assert_int_equal(*guest_word(&g, 0x40008), CPUS * N * 3);
	guest_destroy(&g);
}

static void spin_lock_excludes(void **state)
{
	enum { N = 300 };
	struct guest g;

	guest_create(&g, 0, CPUS);
	guest_load(&g, GUEST_CODE, smp_spin);
	run_all(&g, N);
	assert_int_equal(*guest_word(&g, 0x40100), CPUS * N);
	assert_int_equal(*guest_word(&g, 0x40200), CPUS * N);
	guest_destroy(&g);
}

/* MOV $imm32, %eax; RET */
static void put_callee(struct guest *g, u64 gpa)
{
	memcpy(g->mem + gpa, "\xb8\0\0\0\0\xc3", 6);
}

static void cross_modified_code(void **state)
{
	const u64 places[] = { CALLEE, CALLEE + PG - 3, CALLEE + PG - 1 };
	struct runner r[2];
	struct guest g;

	guest_create(&g, 0, 2);
	for (int i = 0; i < 3; i++) {
		put_callee(&g, places[i]);
		guest_load(&g, GUEST_CODE, smp_call);
		guest_load(&g, GUEST_CODE + 0x1000, smp_patch);
		guest_long(&g, 0, GUEST_CODE);
		guest_long(&g, 1, GUEST_CODE + 0x1000);
		set_args(&g, 0, 0, places[i]);
		set_args(&g, 1, 100, places[i]);
		runner_start(&r[0], &g, 0);
		runner_start(&r[1], &g, 1);
		assert_int_equal(runner_join(&r[1]), KVM_EXIT_HLT);
		assert_int_equal(runner_stop(&r[0]), -EINTR);
		assert_in_range(*guest_word(&g, 0x40000), 100, 100);
	}
	guest_destroy(&g);
}

static void code_modified_by_the_vmm(void **state)
{
	struct runner r;
	struct guest g;

	guest_create(&g, 0, 1);
	put_callee(&g, CALLEE);
	guest_load(&g, GUEST_CODE, smp_call);
	guest_long(&g, 0, GUEST_CODE);
	set_args(&g, 0, 0, CALLEE);
	runner_start(&r, &g, 0);
	for (u32 i = 1; i <= 100; i++) {
		*(volatile u32 *)(g.mem + CALLEE + 1) = i;
		assert_soon(*(volatile u32 *)(g.mem + 0x40000) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	guest_destroy(&g);
}

static void self_modified_code(void **state)
{
	struct kvm_regs r;
	struct guest g;

	guest_create(&g, 0, 1);
	for (u64 at = GUEST_CODE; at < GUEST_CODE + 64; at += 7) {
		memset(g.mem + GUEST_CODE, 0, 0x2000);
		guest_load(&g, at + 0xfc0, smp_self);	/* across a page for some */
		guest_long(&g, 0, at + 0xfc0);
		set_args(&g, 0, 200, 0);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rax, 200);
	}
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locked_counters_are_exact),
		cmocka_unit_test(locked_across_pages),
		cmocka_unit_test(locked_across_pages_that_are_apart),
		cmocka_unit_test(descriptors_are_updated_atomically),
		cmocka_unit_test(cmpxchg16b_is_atomic),
		cmocka_unit_test(spin_lock_excludes),
		cmocka_unit_test(cross_modified_code),
		cmocka_unit_test(code_modified_by_the_vmm),
		cmocka_unit_test(self_modified_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
