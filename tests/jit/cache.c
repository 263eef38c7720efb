/* SPDX-License-Identifier: MIT */
/* More code than there is room for its translations. */
#include <time.h>

#include "guest.h"

#include "api/fd.h"
#include "api/stats.h"
#include "api/vm.h"

GUEST_BLOB(cache_calls);
GUEST_BLOB(cache_stores);

enum {
	FUNCTIONS	= 0x200000,	/* of GUEST_RAM */
	STRIDE		= 512,
	NR_FUNCTIONS	= (GUEST_RAM - FUNCTIONS) / STRIDE,
	TAIL		= 256,		/* from a function's start */
	FAR		= 0x10000000,	/* another slot */
	SLOT		= 5,
	REWRITES	= 7,
};

static u64 translations(struct guest *g, u32 i)
{
	struct kfile *f = kfile_get(g->vcpu[i]);
	u64 n = f->vcpu->stats->anykvm_translations[0];

	kfile_put(f);
	return n;
}

static void begin(struct guest *g, u32 i, u64 first, u64 end, u64 stride, u64 rounds)
{
	struct kvm_regs r;

	guest_long(g, i, GUEST_CODE);
	guest_regs(g, i, &r);
	r.rbx = first;
	r.rsi = end;
	r.rdx = stride;
	r.rdi = rounds;
	guest_set_regs(g, i, &r);
}

/* add rax, v; jmp to a tail on another page: inc rax; ret */
static u64 put_functions(u8 *at)
{
	u64 sum = 0;

	for (u32 i = 0; i < NR_FUNCTIONS; i++) {
		u8 *fn = at + i * STRIDE, *tail = at + i * 1231 % NR_FUNCTIONS * STRIDE + TAIL;
		u32 v = i * 2654435761u >> 1;
		s32 rel = tail - (fn + 11);

		memcpy(fn, (const u8[]){ 0x48, 0x05 }, 2);
		memcpy(fn + 2, &v, 4);
		fn[6] = 0xe9;
		memcpy(fn + 7, &rel, 4);
		memcpy(tail, (const u8[]){ 0x48, 0xff, 0xc0, 0xc3 }, 4);
		sum += v + 1;
	}
	return sum;
}

/* Of all vCPUs, while the others go on. */
static void filled_again_and_again(void **state)
{
	enum { VCPUS = 4, ROUNDS = 4 };
	struct runner r[VCPUS];
	struct guest g;
	u64 sum;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, VCPUS);
	guest_load(&g, GUEST_CODE, cache_calls);
	sum = put_functions(g.mem + FUNCTIONS);
	for (u32 i = 0; i < VCPUS; i++) {
		begin(&g, i, FUNCTIONS, GUEST_RAM, STRIDE, ROUNDS);
		runner_start(&r[i], &g, i);
	}
	for (u32 i = 0; i < VCPUS; i++) {
		assert_int_equal(runner_join(&r[i]), KVM_EXIT_HLT);
		assert_int_equal(guest_rax(&g, i), ROUNDS * sum);
		assert_in_range(translations(&g, i), (ROUNDS - 1) * NR_FUNCTIONS,
				(ROUNDS + 1) * 2 * NR_FUNCTIONS);
	}
	guest_destroy(&g);
}

/* Each page of memory may have code, one after the other. */
static void many_pages(void **state)
{
	enum { PAGES = 26000, ROUNDS = 3 };
	u8 *pages = guest_ram(PAGES * PG);
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	guest_load(&g, GUEST_CODE, cache_calls);
	assert_ok(set_region(g.vm, SLOT, 0, FAR, PAGES * PG, pages));
	for (u32 i = 0; i < PAGES; i++)
		memcpy(pages + i * PG, (const u8[]){ 0x48, 0xff, 0xc0, 0xc3 }, 4);
	begin(&g, 0, FAR, FAR + PAGES * PG, PG, ROUNDS);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&g, 0), ROUNDS * PAGES);
	assert_in_range(translations(&g, 0), PAGES, 2 * ROUNDS * PAGES);
	guest_destroy(&g);
	munmap(pages, PAGES * PG);
}

static void rewrite(struct guest *g, u64 times)
{
	begin(g, 0, FUNCTIONS, 0, 0, times);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
}

/* What was rewritten often long ago is translated like any other code. */
static void rewritten_long_ago(void **state)
{
	const struct timespec while_ = { .tv_nsec = 700000000 };
	struct guest g;
	u64 before;

	needs_guest();
	guest_create(&g, GUEST_PLAIN, 1);
	guest_load(&g, GUEST_CODE, cache_stores);
	memcpy(g.mem + FUNCTIONS, (const u8[]){ 0xb8, 0, 0, 0, 0, 0xc3 }, 6);
	for (u32 i = 0; i < REWRITES; i++) {
		rewrite(&g, 1);
		assert_int_equal((u32)guest_rax(&g, 0), i + 1);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 << i >> 4 }, NULL);
	}
	nanosleep(&while_, NULL);
	rewrite(&g, 1);
	before = translations(&g, 0);
	rewrite(&g, 1);
	assert_in_range(translations(&g, 0), before + 1, before + 10);
	assert_int_equal((u32)guest_rax(&g, 0), REWRITES + 2);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filled_again_and_again),
		cmocka_unit_test(many_pages),
		cmocka_unit_test(rewritten_long_ago),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	setenv("ANYKVM_JIT_CACHE", "64", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
