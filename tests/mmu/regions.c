/* SPDX-License-Identifier: MIT */
/* What is known of 2 MiB of linear addresses, when it is used and when it ends. */
#include "machine.h"
#include "x86/mmu/internal.h"

#define RW	(P | W | U)
#define PD	0x15000ull	/* of LONG_WINDOW */
#define OTHER	0x21000ull	/* another page table */

static void touch(u64 lin)
{
	u8 v;

	assert_int_equal(mem_read8(&m->cpu, lin, &v), STEP_NEXT);
}

static u8 *reads(u64 lin)
{
	return tlb_host_read(&m->cpu, lin, 1);
}

static enum step store(u64 lin)
{
	return mem_write8(&m->cpu, lin, 0x5a);
}

static void user(void)
{
	m->cpu.cpl = 3;
	mmu_class_changed(&m->cpu);
}

static void pages_get_their_own_flags(void **state)
{
	window_map(0, 0x5000 | RW);
	window_map(1, 0x6000 | RW);
	touch(WINDOW(0));
	touch(WINDOW(1));
	assert_ptr_equal(reads(WINDOW(1)), m->ram + 0x6000);
	assert_int_equal(pte64(LONG_PT + 8) & (A | D), A);
	assert_int_equal(store(WINDOW(1)), STEP_NEXT);
	assert_int_equal(pte64(LONG_PT + 8) & (A | D), A | D);
}

static void pages_have_their_own_rights(void **state)
{
	u8 v;

	window_map(0, 0x5000 | RW | A | D);
	window_map(1, 0x6000 | P | U | A | D);
	window_map(2, 0x7000 | P | W | A | D);
	window_map(3, 0x8000 | RW | A | D | 1ull << 51);
	window_map(4, 0);
	user();
	touch(WINDOW(0));
	assert_page_fault(store(WINDOW(1)), WINDOW(1), PF_P | PF_W | PF_U);
	assert_page_fault(mem_read8(&m->cpu, WINDOW(2), &v), WINDOW(2), PF_P | PF_U);
	assert_page_fault(mem_read8(&m->cpu, WINDOW(3), &v), WINDOW(3),
			  PF_P | PF_U | PF_RSVD);
	assert_page_fault(mem_read8(&m->cpu, WINDOW(4), &v), WINDOW(4), PF_U);
}

/* SDM vol. 3A 4.10.4.3: more rights, and presence, need no flush. */
static void more_rights_are_seen_at_once(void **state)
{
	window_map(0, 0x5000 | RW | A | D);
	window_map(1, 0x6000 | RW | A | D);
	set64(PD, LONG_PT | P | U);
	user();
	touch(WINDOW(0));
	assert_page_fault(store(WINDOW(1)), WINDOW(1), PF_P | PF_W | PF_U);
	set64(PD, LONG_PT | RW);
	assert_int_equal(store(WINDOW(1)), STEP_NEXT);
	assert_page_fault(store(WINDOW(2)), WINDOW(2), PF_W | PF_U);
	window_map(2, 0x7000 | RW);
	assert_int_equal(store(WINDOW(2)), STEP_NEXT);
}

static void touch_window_then_move_table(void)
{
	touch(WINDOW(0));
	set64(OTHER + 8, 0x8000 | RW);
	set64(PD, OTHER | RW);
}

/* SDM vol. 3A 4.10.4.1: INVLPG of any address ends them all. */
static void flushes_end_regions(void **state)
{
	void (*const flush[])(struct cpu *c) = { mmu_flush_all, mmu_flush_nonglobal };

	for (u32 i = 0; i <= ARRAY_SIZE(flush); i++) {
		window_map(0, 0x5000 | RW);
		set64(PD, LONG_PT | RW);
		mmu_flush_all(&m->cpu);
		touch_window_then_move_table();
		if (i < ARRAY_SIZE(flush))
			flush[i](&m->cpu);
		else
			mmu_flush_page(&m->cpu, 0x1000);
		touch(WINDOW(1));
		assert_ptr_equal(reads(WINDOW(1)), m->ram + 0x8000);
	}
}

static void large_pages_are_regions(void **state)
{
	set64(PD + 8, 0x400000 | RW | PS);
	touch(LONG_WINDOW + 0x200000);
	touch(LONG_WINDOW + 0x3ff123);
	assert_ptr_equal(reads(LONG_WINDOW + 0x3ff123), m->ram + 0x5ff123);
	assert_int_equal(pte64(PD + 8) & (A | D), A);
	assert_int_equal(store(LONG_WINDOW + 0x3ff123), STEP_NEXT);
	assert_int_equal(pte64(PD + 8) & (A | D), A | D);
	set64(PD + 8, 0x600000 | RW | PS);
	mmu_flush_page(&m->cpu, LONG_WINDOW + 0x200000);
	touch(LONG_WINDOW + 0x3ff123);
	assert_ptr_equal(reads(LONG_WINDOW + 0x3ff123), m->ram + 0x7ff123);
}

/* A table has two regions in 32-bit paging. */
static void both_halves_of_a_32bit_table(void **state)
{
	set32(0x40000, 0x41000 | RW);
	set32(0x41000 + 4 * 1, 0x5000 | RW | A);
	set32(0x41000 + 4 * 0x201, 0x6000 | RW | A);
	set32(0x41000 + 4 * 0x202, 0x7000 | RW | A);
	mode_paging32(0x40000);
	touch(0x1000);
	touch(0x202000);
	touch(0x201000);
	assert_ptr_equal(reads(0x1000), m->ram + 0x5000);
	assert_ptr_equal(reads(0x201000), m->ram + 0x6000);
	assert_ptr_equal(reads(0x202000), m->ram + 0x7000);
}

/* The counter of flushes begins anew: nothing from before counts. */
static void generations_wrap(void **state)
{
	window_map(0, 0x5000 | RW);
	mmu_flush_all(&m->cpu);
	m->cpu.mmu->region_gen = 1;
	touch_window_then_move_table();
	m->cpu.mmu->region_gen = BIT(REGION_SHIFT) - 1;
	mmu_flush_all(&m->cpu);
	assert_int_equal(m->cpu.mmu->region_gen, 1);
	touch(WINDOW(1));
	assert_ptr_equal(reads(WINDOW(1)), m->ram + 0x8000);
}

/* -- mmu_fill(): what translated code asks for ------------------------------------ */

static void fill_does_what_nobody_notices(void **state)
{
	struct cpu *c = &m->cpu;

	window_map(0, 0x5000 | RW);
	window_map(1, 0x6000 | P);
	window_map(2, ROM_GPA | RW);
	window_map(3, LOGGED_GPA | RW);
	window_map(4, MMIO_GPA | RW);
	assert_true(mmu_fill(c, WINDOW(0) + 5, ACCESS_READ));
	assert_ptr_equal(reads(WINDOW(0)), m->ram + 0x5000);
	assert_true(mmu_fill(c, WINDOW(0) + 5, ACCESS_WRITE));
	assert_int_equal(pte64(LONG_PT) & (A | D), A | D);
	/* There is nothing more that it could do. */
	assert_false(mmu_fill(c, WINDOW(0) + 0xffe, ACCESS_WRITE));
	for (u32 i = 1; i < 6; i++)
		assert_false(mmu_fill(c, WINDOW(i), ACCESS_WRITE));
	assert_false(mmu_fill(c, 1ull << 47, ACCESS_READ));
	assert_int_equal(m->dirty, 0);
	assert_true(mmu_fill(c, WINDOW(2), ACCESS_READ) || reads(WINDOW(2)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
	const struct CMUnitTest tests[] = {
		TEST(pages_get_their_own_flags),
		TEST(pages_have_their_own_rights),
		TEST(more_rights_are_seen_at_once),
		TEST(flushes_end_regions),
		TEST(large_pages_are_regions),
		TEST(both_halves_of_a_32bit_table),
		TEST(generations_wrap),
		TEST(fill_does_what_nobody_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
