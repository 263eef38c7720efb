/* SPDX-License-Identifier: MIT */
/* Translated 32-bit code: segments that become flat and cease to be, the end of 4 GiB. */
#include "guest.h"

GUEST_BLOB(flat32_both);
GUEST_BLOB(flat32_calls);
GUEST_BLOB(flat32_ds);
GUEST_BLOB(flat32_gs);
GUEST_BLOB(flat32_reads);

enum { HANDLER = GUEST_CODE + PG, GP = 13 };
enum { ROUNDS = 200, SEL_OTHER = 0x28, SLOT = 5, OTHER_BASE = 0x1000 };
#define TOP_PAGE	0xfffff000u

struct world {
	struct guest g;
	u8 *top;	/* the last page of 4 GiB */
};

static void up(struct world *w)
{
	needs_guest();
	guest_create(&w->g, GUEST_PLAIN, 1);
	w->top = guest_ram(PG);
	assert_ok(set_region(w->g.vm, SLOT, 0, TOP_PAGE, PG, w->top));
	*guest_word(&w->g, GUEST_IDT + GP * 8) =
		0x00008e0000000000 | SEL_CODE32 << 16 | (HANDLER & 0xffff) |
		(u64)(HANDLER >> 16) << 48;
	w->g.mem[HANDLER] = 0xf4;
	*guest_word(&w->g, GUEST_DATA) = 1;
	*guest_word(&w->g, GUEST_DATA + OTHER_BASE) = 0x100;
}

static void down(struct world *w)
{
	guest_destroy(&w->g);
	munmap(w->top, PG);
}

/* Runs to a HLT; true if that was the handler's. */
static bool faults(struct world *w, u32 ebx, u32 esi, struct kvm_regs *end)
{
	struct kvm_regs r;

	guest_prot32(&w->g, 0, GUEST_CODE);
	guest_regs(&w->g, 0, &r);
	r.rbx = ebx;
	r.rsi = esi;
	r.rdi = ROUNDS;
	guest_set_regs(&w->g, 0, &r);
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_HLT);
	guest_regs(&w->g, 0, end);
	return end->rip == HANDLER + 1;
}

/* The second half of a TSS in long mode; nobody's in this one. */
static void set_other(struct world *w, u64 descriptor)
{
	*guest_word(&w->g, GUEST_GDT + SEL_OTHER) = descriptor;
}

static void segment_with_base(struct world *w)
{
	struct kvm_regs r;

	set_other(w, 0x00cf93000000ffff | (u64)OTHER_BASE << 16);
	assert_false(faults(w, 0, SEL_OTHER, &r));
	assert_int_equal(r.rdx, ROUNDS);
	assert_int_equal(r.rcx, ROUNDS * 0x100);
}

/* #GP; what comes before has been done. */
static void segment_with_limit(struct world *w)
{
	struct kvm_regs r;

	set_other(w, 0x0043930000000000 | 0xffff);
	assert_true(faults(w, 0, SEL_OTHER, &r));
	assert_int_equal(r.rdi, ROUNDS);
	assert_int_equal(r.rdx, 1);
	assert_int_equal(r.rcx, 0);
}

static void ds_changes(void **state)
{
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_ds);
	segment_with_base(&w);
	segment_with_limit(&w);
	segment_with_base(&w);
	down(&w);
}

static void gs_changes(void **state)
{
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_gs);
	segment_with_base(&w);
	segment_with_limit(&w);
	segment_with_base(&w);
	down(&w);
}

/* Sixteen INC EAX, and RET at 0. */
static void falls_through_the_end(void **state)
{
	struct kvm_regs r;
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_calls);
	memset(w.top + PG - 16, 0x40, 16);
	w.g.mem[0] = 0xc3;
	assert_false(faults(&w, TOP_PAGE + PG - 16, 0, &r));
	assert_int_equal(r.rax, 16 * ROUNDS);
	down(&w);
}

/* A CALL that ends with 4 GiB, of what is beyond; it returns to 0. */
static void calls_at_the_end(void **state)
{
	u8 call[5] = { 0xe8, 0, 2, 0, 0 };
	struct kvm_regs r;
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_calls);
	memcpy(w.top + PG - sizeof(call), call, sizeof(call));
	w.g.mem[0] = 0xc3;
	memcpy(w.g.mem + 0x200, (u8[]){ 0x40, 0xc3 }, 2);	/* inc eax; ret */
	assert_false(faults(&w, TOP_PAGE + PG - sizeof(call), 0, &r));
	assert_int_equal(r.rax, ROUNDS);
	down(&w);
}

/* Nothing reaches beyond the limit, which is the end of all. */
static void reads_over_the_end(void **state)
{
	struct kvm_regs r;
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_reads);
	memset(w.top, 0x55, PG);
	assert_false(faults(&w, TOP_PAGE + PG - 4, TOP_PAGE, &r));
	assert_int_equal(r.rax, 0x55555555);
	assert_true(faults(&w, TOP_PAGE + PG - 2, TOP_PAGE, &r));
	assert_int_equal(r.rdi, 1);
	down(&w);
}

static u64 run64(struct world *w)
{
	struct kvm_regs r;

	guest_long(&w->g, 0, GUEST_CODE);
	guest_regs(&w->g, 0, &r);
	r.rcx = 1ull << 32;
	r.rdx = 0;
	r.rdi = ROUNDS;
	guest_set_regs(&w->g, 0, &r);
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_HLT);
	guest_regs(&w->g, 0, &r);
	return r.rdx;
}

/* The same bytes at the same place are two programs. */
static void two_modes(void **state)
{
	struct kvm_regs r;
	struct world w;

	up(&w);
	guest_load(&w.g, GUEST_CODE, flat32_both);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(run64(&w), (u64)ROUNDS << 32);
		assert_false(faults(&w, 0, 0, &r));
		assert_int_equal((u32)r.rax, (u32)-ROUNDS);
	}
	down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ds_changes),
		cmocka_unit_test(gs_changes),
		cmocka_unit_test(falls_through_the_end),
		cmocka_unit_test(calls_at_the_end),
		cmocka_unit_test(reads_over_the_end),
		cmocka_unit_test(two_modes),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
