/* SPDX-License-Identifier: MIT */
/* What the TLB keeps, what it must not, and what flushes drop. */
#include "machine.h"
#include "x86/mmu/internal.h"

#define RW	(P | W | U)

static u8 *reads(u64 lin)	{ return tlb_host_read(&m->cpu, lin, 1); }
static u8 *writes(u64 lin)	{ return tlb_host_write(&m->cpu, lin, 1); }

static void touch(u64 lin)
{
	u8 v;

	assert_int_equal(mem_read8(&m->cpu, lin, &v), STEP_NEXT);
}

static void store(u64 lin)
{
	assert_int_equal(mem_write8(&m->cpu, lin, 0x5a), STEP_NEXT);
}

/* The window and what follows has more pages than there are entries. */
static void large_window(void)
{
	for (u32 i = 0; i < 512; i++)
		set64(0x15000 + i * 8, 0 | RW | PS);
	mmu_flush_all(&m->cpu);
}

static void empty_tlb_matches_no_address(void **state)
{
	for (u64 page = 0; page < 2 * TLB_ENTRIES; page++) {
		assert_null(reads(page << PAGE_SHIFT));
		assert_null(reads(-(page + 1) << PAGE_SHIFT));
	}
	/* Entries that were in use: the first and the last of the table. */
	large_window();
	touch(0);
	touch(LONG_WINDOW + (TLB_ENTRIES - 1) * PAGE_SIZE);
	mmu_flush_all(&m->cpu);
	assert_null(reads(0));
	assert_null(reads(PAGE_SIZE));
	assert_null(reads(~0ull));
}

static void write_tag_waits_for_the_dirty_flag(void **state)
{
	window_map(0, 0x5000 | RW);
	touch(WINDOW(0));
	assert_ptr_equal(reads(WINDOW(0)), m->ram + 0x5000);
	assert_null(writes(WINDOW(0)));
	store(WINDOW(0));
	assert_ptr_equal(writes(WINDOW(0)), m->ram + 0x5000);
	assert_int_equal(pte64(LONG_PT) & D, D);
}

static void dirty_page_is_writable_after_a_read(void **state)
{
	window_map(0, 0x5000 | RW | A | D);
	touch(WINDOW(0));
	assert_non_null(writes(WINDOW(0)));
}

static void read_only_page_has_no_write_tag(void **state)
{
	window_map(0, 0x5000 | P | U | D);
	touch(WINDOW(0));
	assert_null(writes(WINDOW(0)));
	m->cpu.cr0 &= ~X86_CR0_WP;
	mode_changed();
	touch(WINDOW(0));
	assert_non_null(writes(WINDOW(0)));
}

static void rom_has_no_write_tag(void **state)
{
	window_map(0, ROM_GPA | RW | D);
	touch(WINDOW(0));
	assert_ptr_equal(reads(WINDOW(0)), m->rom);
	assert_null(writes(WINDOW(0)));
}

static void logged_page_gets_its_write_tag_when_dirty(void **state)
{
	window_map(0, LOGGED_GPA | RW | D);
	touch(WINDOW(0));
	assert_null(writes(WINDOW(0)));
	assert_int_equal(m->dirty, 0);
	store(WINDOW(0));
	assert_int_equal(m->dirty, 1);
	assert_non_null(writes(WINDOW(0)));
}

static void fetch_has_its_own_tag(void **state)
{
	const u8 *host;

	window_map(0, 0x5000 | P | W);
	assert_int_equal(mmu_fetch(&m->cpu, WINDOW(0) + 5, &host), STEP_NEXT);
	assert_ptr_equal(host, m->ram + 0x5005);
	assert_null(reads(WINDOW(0)));
	window_map(0, 0x6000 | P | W);
	mmu_flush_page(&m->cpu, WINDOW(0));
	assert_int_equal(mmu_fetch(&m->cpu, WINDOW(0), &host), STEP_NEXT);
	assert_ptr_equal(host, m->ram + 0x6000);
	touch(WINDOW(0));
	/* Both now: the second fill has kept the first one's tag. */
	window_map(0, 0);
	assert_int_equal(mmu_fetch(&m->cpu, WINDOW(0), &host), STEP_NEXT);
	mmu_flush_page(&m->cpu, WINDOW(0));
	assert_page_fault(mmu_fetch(&m->cpu, WINDOW(0), &host), WINDOW(0), PF_I);
}

static void fetch_outside_memory_stops(void **state)
{
	const u8 *host;

	window_map(0, MMIO_GPA | RW);
	assert_int_equal(mmu_fetch(&m->cpu, WINDOW(0), &host), STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_exception(mmu_fetch(&m->cpu, 1ull << 47, &host), EXC_GP, 0);
}

static void global_pages_survive_cr3(void **state)
{
	window_map(0, 0x5000 | RW | G);
	window_map(1, 0x6000 | RW);
	touch(WINDOW(0));
	touch(WINDOW(1));
	mmu_flush_nonglobal(&m->cpu);
	assert_non_null(reads(WINDOW(0)));
	assert_null(reads(WINDOW(1)));
	mmu_flush_all(&m->cpu);
	assert_null(reads(WINDOW(0)));
}

static void global_needs_pge(void **state)
{
	m->cpu.cr4 &= ~X86_CR4_PGE;
	mode_changed();
	window_map(0, 0x5000 | RW | G);
	touch(WINDOW(0));
	mmu_flush_nonglobal(&m->cpu);
	assert_null(reads(WINDOW(0)));
}

/* One entry filled in turn by global and other pages of the same index. */
static void entry_changes_between_global_and_not(void **state)
{
	u64 other = (WINDOW(0) >> PAGE_SHIFT & (TLB_ENTRIES - 1)) << PAGE_SHIFT;

	window_map(0, 0x5000 | RW | G);
	touch(WINDOW(0));
	touch(other);
	mmu_flush_nonglobal(&m->cpu);
	assert_null(reads(other));
	touch(other);
	touch(WINDOW(0));
	mmu_flush_nonglobal(&m->cpu);
	assert_non_null(reads(WINDOW(0)));
	mmu_flush_all(&m->cpu);
	assert_null(reads(WINDOW(0)));
}

static void full_fill_log_flushes_everything(void **state)
{
	window_map(3, 0x5000 | RW | G);
	for (int round = 0; round < 3; round++) {
		for (u64 page = 0; page < 1024; page++)
			touch(page << PAGE_SHIFT);
		touch(WINDOW(3));
		mmu_flush_nonglobal(&m->cpu);
		for (u64 page = 0; page < 1024; page++)
			assert_null(reads(page << PAGE_SHIFT));
		assert_non_null(reads(WINDOW(3)));
	}
}

/* Displaced, or dropped and filled again. */
static void entries_are_in_the_log_once(void **state)
{
	const struct tlb *t = m->cpu.tlb;

	large_window();
	for (u64 i = 0; i < 8; i++)
		touch(LONG_WINDOW + i * PAGE_SIZE);
	for (u64 i = 0; i < 100; i++) {
		touch(LONG_WINDOW + i % 2 * TLB_ENTRIES * PAGE_SIZE);
		touch(LONG_WINDOW + PAGE_SIZE);
		mmu_flush_page(&m->cpu, LONG_WINDOW + PAGE_SIZE);
	}
	assert_int_equal(t->local.count, 8);
	assert_int_equal(t->global.count, 0);
	mmu_flush_nonglobal(&m->cpu);
	assert_null(reads(LONG_WINDOW + TLB_ENTRIES * PAGE_SIZE));
	assert_null(reads(LONG_WINDOW + PAGE_SIZE));
}

static void write_protection_is_by_host_page(void **state)
{
	window_map(0, 0x5000 | RW);
	window_map(1, 0x5000 | RW | G);
	window_map(2, 0x6000 | RW);
	for (u32 i = 0; i < 3; i++)
		store(WINDOW(i));
	mmu_write_protect(&m->cpu, m->ram + 0x5123);
	assert_null(writes(WINDOW(0)));
	assert_null(writes(WINDOW(1)));
	assert_non_null(reads(WINDOW(0)));
	assert_non_null(writes(WINDOW(2)));
}

static struct tlb_stack *stack(void)
{
	return &m->cpu.mmu->stack[m->cpu.tlb->class];
}

/* As translated code does it. */
static void copy_to_stack(void)
{
	window_map(0, 0x5000 | RW);
	touch(WINDOW(0));
	stack()->tag_read = WINDOW(0);
}

static void assert_no_stack(void)
{
	assert_int_equal(stack()->tag_read, TLB_NO_PAGE);
	assert_int_equal(stack()->tag_write, TLB_NO_PAGE);
}

static void stack_page_goes_with_its_entry(void **state)
{
	assert_no_stack();
	copy_to_stack();
	window_map(1, 0x6000 | RW);
	touch(WINDOW(1));
	assert_int_equal(stack()->tag_read, WINDOW(0));
	store(WINDOW(0));
	assert_no_stack();
	copy_to_stack();
	mmu_flush_page(&m->cpu, WINDOW(0));
	assert_no_stack();
	copy_to_stack();
	mmu_flush_nonglobal(&m->cpu);
	assert_no_stack();
	copy_to_stack();
	mmu_write_protect(&m->cpu, m->ram + 0x5000);
	assert_no_stack();
}

static void invlpg_drops_one_page_in_all_classes(void **state)
{
	window_map(0, 0x5000 | RW);
	window_map(1, 0x6000 | RW);
	touch(WINDOW(0));
	touch(WINDOW(1));
	m->cpu.cpl = 3;
	mmu_class_changed(&m->cpu);
	touch(WINDOW(0));
	mmu_flush_page(&m->cpu, WINDOW(0) + 0x123);
	assert_null(reads(WINDOW(0)));
	m->cpu.cpl = 0;
	mmu_class_changed(&m->cpu);
	assert_null(reads(WINDOW(0)));
	assert_non_null(reads(WINDOW(1)));
}

static void invlpg_drops_all_of_a_large_page(void **state)
{
	set64(0x15000 + 8, 0x400000 | RW | PS);	/* 2 MiB after the window */
	touch(LONG_WINDOW + 0x200000);
	touch(LONG_WINDOW + 0x3ff000);
	mmu_flush_page(&m->cpu, LONG_WINDOW + 0x300000);
	assert_null(reads(LONG_WINDOW + 0x200000));
	assert_null(reads(LONG_WINDOW + 0x3ff000));

	set64(0x11000 + 16, 0 | RW | PS);	/* a gigabyte */
	touch(0x80000000);
	mmu_flush_page(&m->cpu, 0x80000000 + (900ul << 20));
	assert_null(reads(0x80000000));
}

static void invlpg_of_a_large_page_keeps_others(void **state)
{
	window_map(0, 0x5000 | RW);
	set64(0x15000 + 16, 0x400000 | RW | PS);	/* 4 MiB from the window */
	set64(0x11000 + 16, 0 | RW | PS);		/* a gigabyte */
	touch(WINDOW(0));
	touch(0x80005000);
	touch(LONG_WINDOW + 0x401000);
	mmu_flush_page(&m->cpu, LONG_WINDOW + 0x480000);
	assert_null(reads(LONG_WINDOW + 0x401000));
	assert_non_null(reads(WINDOW(0)));
	assert_non_null(reads(0x80005000));
	mmu_flush_page(&m->cpu, 0x80000000 + (900ul << 20));
	assert_null(reads(0x80005000));
	assert_non_null(reads(WINDOW(0)));
}

static void classes_do_not_share(void **state)
{
	struct cpu *c = &m->cpu;
	u8 v;

	c->cr4 |= X86_CR4_SMAP;
	mode_changed();
	window_map(0, 0x5000 | RW);
	c->rflags |= X86_EFLAGS_AC;
	mmu_class_changed(c);
	touch(WINDOW(0));
	c->rflags &= ~X86_EFLAGS_AC;
	mmu_class_changed(c);
	assert_page_fault(mem_read8(c, WINDOW(0), &v), WINDOW(0), PF_P);
	c->cpl = 3;
	mmu_class_changed(c);
	touch(WINDOW(0));
	/* Implicit accesses are the supervisor's, AC or not. */
	c->rflags |= X86_EFLAGS_AC;
	mmu_class_changed(c);
	assert_page_fault(mem_sys_read(c, WINDOW(0), &v, 1), WINDOW(0), PF_P);
}

static void set_pkru(u32 v)
{
	u32 old = m->cpu.fpu.pkru;

	m->cpu.fpu.pkru = v;
	mmu_pkru_changed(&m->cpu, old);
}

/* Rights are those of PKRU now; keys that no entry has cost nothing. */
static void pkru_change_drops_what_it_concerns(void **state)
{
	u8 v;

	m->cpu.cr4 |= X86_CR4_PKE;
	mode_changed();
	window_map(0, 0x5000 | RW | D | 3ull << 59);
	window_map(1, 0x6000 | RW | D);
	touch(WINDOW(0));
	touch(WINDOW(1));
	set_pkru(PKRU_AD << 2 * 9);
	assert_non_null(writes(WINDOW(0)));
	set_pkru(PKRU_WD << 2 * 3);
	assert_null(writes(WINDOW(0)));
	touch(WINDOW(0));
	touch(WINDOW(1));
	assert_non_null(reads(WINDOW(0)));
	assert_null(writes(WINDOW(0)));
	assert_non_null(writes(WINDOW(1)));
	assert_page_fault(mem_write8(&m->cpu, WINDOW(0), 1), WINDOW(0),
			  PF_P | PF_W | PF_PK);
	set_pkru(PKRU_AD << 2 * 3);
	assert_page_fault(mem_read8(&m->cpu, WINDOW(0), &v), WINDOW(0), PF_P | PF_PK);
	set_pkru(0);
	store(WINDOW(0));
}

static void pke_change_flushes(void **state)
{
	window_map(0, 0x5000 | RW | D | 3ull << 59);
	m->cpu.fpu.pkru = PKRU_AD << 2 * 3;
	touch(WINDOW(0));
	m->cpu.cr4 |= X86_CR4_PKE;
	mmu_class_changed(&m->cpu);
	assert_null(reads(WINDOW(0)));
}

static void mode_change_flushes(void **state)
{
	window_map(0, 0x5000 | RW | G);
	touch(WINDOW(0));
	m->cpu.cr4 |= X86_CR4_SMEP;
	mmu_class_changed(&m->cpu);
	assert_null(reads(WINDOW(0)));
	touch(WINDOW(0));
	mmu_class_changed(&m->cpu);
	assert_non_null(reads(WINDOW(0)));
}

static void checked_class_is_never_filled(void **state)
{
	m->cpu.dr7 = 1 | 1 << 16;	/* breakpoint 0 on writes */
	mmu_class_changed(&m->cpu);
	assert_int_equal(m->cpu.tlb->class, TLB_CHECKED);
	touch(0x5000);
	assert_null(reads(0x5000));
	m->cpu.dr7 = 1;			/* on execution: not ours */
	mmu_class_changed(&m->cpu);
	assert_int_equal(m->cpu.tlb->class, TLB_KERNEL);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty_tlb_matches_no_address),
		TEST(write_tag_waits_for_the_dirty_flag),
		TEST(dirty_page_is_writable_after_a_read),
		TEST(read_only_page_has_no_write_tag),
		TEST(rom_has_no_write_tag),
		TEST(logged_page_gets_its_write_tag_when_dirty),
		TEST(fetch_has_its_own_tag),
		TEST(fetch_outside_memory_stops),
		TEST(global_pages_survive_cr3),
		TEST(global_needs_pge),
		TEST(entry_changes_between_global_and_not),
		TEST(full_fill_log_flushes_everything),
		TEST(entries_are_in_the_log_once),
		TEST(write_protection_is_by_host_page),
		TEST(stack_page_goes_with_its_entry),
		TEST(invlpg_drops_one_page_in_all_classes),
		TEST(invlpg_drops_all_of_a_large_page),
		TEST(invlpg_of_a_large_page_keeps_others),
		TEST(classes_do_not_share),
		TEST(pkru_change_drops_what_it_concerns),
		TEST(pke_change_flushes),
		TEST(mode_change_flushes),
		TEST(checked_class_is_never_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
