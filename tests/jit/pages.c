/* SPDX-License-Identifier: MIT */
/* Translated code in pages that lead elsewhere, and code written by others than vCPUs. */
#include "guest.h"

GUEST_BLOB(page_remaps);

enum {
	CALLEE	= 0x1000000,	/* linear, by a page table of its own */
	PT	= 0x20000,
	FRAME	= 0x30000,	/* two of them */
	ROUNDS	= 100,
};
enum { P = 1, W = 2, U = 4, G = 0x100 };

/* mov eax, @v; ret */
static void set_constant(struct guest *g, u64 frame, u32 v)
{
	u8 *code = g->mem + frame;

	code[0] = 0xb8;
	memcpy(code + 1, &v, sizeof(v));
	code[5] = 0xc3;
}

static volatile u64 *pte(struct guest *g)
{
	return guest_word(g, PT);
}

static void up(struct guest *g, u64 flags)
{
	u64 *pd;

	needs_guest();
	guest_create(g, GUEST_PLAIN, 1);
	guest_long(g, 0, GUEST_CODE);
	pd = (u64 *)(g->mem + (*guest_word(g, (*guest_word(g, GUEST_PML4) & -PG)) & -PG));
	pd[CALLEE >> 21] = PT | P | W | U;
	*pte(g) = FRAME | flags;
	set_constant(g, FRAME, 1);
	set_constant(g, FRAME + PG, 2);
}

static void remapped(void **state)
{
	struct kvm_regs r;
	struct guest g;

	up(&g, P);
	guest_load(&g, GUEST_CODE, page_remaps);
	guest_regs(&g, 0, &r);
	r.rbx = CALLEE;
	r.rsi = PT;
	r.rdi = ROUNDS;
	r.r8 = FRAME | P;
	r.rbp = (FRAME + PG) | P;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax, 2);
	assert_int_equal(r.rdi, 0);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remapped),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
