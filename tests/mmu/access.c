/* SPDX-License-Identifier: MIT */
/* Accesses off the fast path: crossing, checked, locked, implied. */
#include "machine.h"

#include "api/memslot.h"

#define RW	(P | W | U)

/* -- Pages --------------------------------------------------------------------------- */

static void read_and_write_across_pages(void **state)
{
	u64 v = 0;

	window_map(0, 0x8000 | RW);
	window_map(1, 0x5000 | RW);	/* not adjacent in memory */
	assert_int_equal(mem_write64(&m->cpu, WINDOW(1) - 3, 0x1122334455667788), STEP_NEXT);
	assert_memory_equal(m->ram + 0x8ffd, "\x88\x77\x66", 3);
	assert_memory_equal(m->ram + 0x5000, "\x55\x44\x33\x22\x11", 5);
	assert_int_equal(mem_read64(&m->cpu, WINDOW(1) - 3, &v), STEP_NEXT);
	assert_int_equal(v, 0x1122334455667788);
}

static void crossing_write_faults_before_it_writes(void **state)
{
	u64 zero = 0;

	window_map(0, 0x8000 | RW);
	window_map(1, 0x5000 | P | U);
	assert_page_fault(mem_write64(&m->cpu, WINDOW(1) - 3, ~0ull), WINDOW(1), PF_P | PF_W);
	assert_memory_equal(m->ram + 0x8ffd, &zero, 3);
	window_map(0, 0);
	mmu_flush_all(&m->cpu);
	assert_page_fault(mem_write64(&m->cpu, WINDOW(1) - 3, ~0ull), WINDOW(1) - 3, PF_W);
}

static void fault_reports_the_exact_address(void **state)
{
	u32 v;

	m->cpu.cpl = 3;
	mmu_class_changed(&m->cpu);
	assert_page_fault(mem_read32(&m->cpu, WINDOW(7) + 0x123, &v), WINDOW(7) + 0x123, PF_U);
}

static void linear_addresses_wrap_outside_64_bit_code(void **state)
{
	u32 v = 0;

	mode_flat32();
	set32(0, 0x44332211);
	m->device_value = 0x99aa;
	assert_mmio_exit(mem_read32(&m->cpu, 0xfffffffe, &v), 0xfffffffe, 2, false);
	complete_mmio(0xbbaa);
	assert_int_equal(mem_read32(&m->cpu, 0xfffffffe, &v), STEP_NEXT);
	assert_int_equal(v, 0x2211bbaa);
}

static void non_canonical_address(void **state)
{
	struct insn in = { .flags = INSN_MEM | INSN_EA64, .seg = DS };
	u64 v;

	m->cpu.insn = &in;
	assert_exception(mem_read64(&m->cpu, 1ull << 47, &v), EXC_GP, 0);
	assert_exception(mem_write64(&m->cpu, 0xffff7fffffffffff, 0), EXC_GP, 0);
	/* Its last bytes only; the page before is absent. */
	assert_exception(mem_read64(&m->cpu, (1ull << 47) - 4, &v), EXC_GP, 0);
	in.seg = SS;
	assert_exception(mem_read64(&m->cpu, 1ull << 47, &v), EXC_SS, 0);
	assert_exception(mem_sys_read(&m->cpu, 1ull << 47, &v, 8), EXC_GP, 0);
	in.flags = 0;	/* PUSH and POP tell by themselves */
	m->cpu.gpr[RSP] = 1ull << 47;
	assert_exception(stack_pop(&m->cpu, &v, 8), EXC_SS, 0);
	m->cpu.gpr[RSP] = (1ull << 47) + 16;
	assert_exception(stack_push(&m->cpu, 0, 8), EXC_SS, 0);
}

static void probe_covers_every_page(void **state)
{
	window_map(0, 0x5000 | RW);
	window_map(1, MMIO_GPA | RW);
	window_map(2, 0x6000 | P | U);
	assert_int_equal(mem_probe(&m->cpu, WINDOW(0) + 8, 2 * PAGE_SIZE - 8, true), STEP_NEXT);
	assert_page_fault(mem_probe(&m->cpu, WINDOW(0) + 8, 2 * PAGE_SIZE, true),
			  WINDOW(2), PF_P | PF_W);
	assert_int_equal(mem_probe(&m->cpu, WINDOW(0) + 8, 2 * PAGE_SIZE, false), STEP_NEXT);
}

static void implicit_accesses_are_the_supervisors(void **state)
{
	u16 v;

	window_map(0, 0x5000 | P | W);
	m->cpu.cpl = 3;
	mmu_class_changed(&m->cpu);
	assert_int_equal(mem_sys_write(&m->cpu, WINDOW(0), "xy", 2), STEP_NEXT);
	assert_int_equal(mem_sys_read(&m->cpu, WINDOW(0), &v, 2), STEP_NEXT);
	assert_memory_equal(&v, "xy", 2);
	assert_page_fault(mem_read16(&m->cpu, WINDOW(0), &v), WINDOW(0), PF_P | PF_U);
	assert_page_fault(mem_sys_read(&m->cpu, WINDOW(1), &v, 2), WINDOW(1), 0);
}

static void store_to_the_page_being_executed_ends_the_block(void **state)
{
	u8 *host;

	m->cpu.code = m->ram + 0x5800;
	assert_int_equal(mem_write8(&m->cpu, 0x6000, 1), STEP_NEXT);
	assert_false(m->cpu.stop_block);
	for (int i = 0; i < 2; i++) {		/* filled or not */
		m->cpu.stop_block = false;
		assert_int_equal(mem_write8(&m->cpu, 0x5123, 7), STEP_NEXT);
		assert_true(m->cpu.stop_block);
	}
	m->cpu.stop_block = false;
	assert_int_equal(mem_write32(&m->cpu, 0x4ffe, 7), STEP_NEXT);
	assert_true(m->cpu.stop_block);
	window_map(0, 0x5000 | RW);
	for (int i = 0; i < 2; i++) {
		m->cpu.stop_block = false;
		assert_int_equal(mem_write8(&m->cpu, WINDOW(0) + 0x123, 7), STEP_NEXT);
		assert_true(m->cpu.stop_block);
	}
	m->cpu.stop_block = false;
	assert_int_equal(mem_host(&m->cpu, 0x5000, false, &host), STEP_NEXT);
	assert_false(m->cpu.stop_block);
	assert_int_equal(mem_host(&m->cpu, 0x5000, true, &host), STEP_NEXT);
	assert_true(m->cpu.stop_block);
}

/* -- Guest physical memory ---------------------------------------------------------------- */

static void physical_accesses_cross_pages_but_not_slots(void **state)
{
	u8 buf[PAGE_SIZE * 2] = { 1 };

	assert_true(gpa_write(&m->cpu, LOGGED_GPA + 100, buf, sizeof(buf)));
	assert_int_equal(m->dirty, 7);
	assert_int_equal(m->logged[100], 1);
	assert_false(gpa_write(&m->cpu, ROM_GPA, buf, 1));
	assert_true(gpa_read(&m->cpu, ROM_GPA, buf, 1));
	assert_false(gpa_read(&m->cpu, ROM_GPA + SMALL_SIZE - 1, buf, 2));
	assert_null(gpa_to_host(&m->cpu, MMIO_GPA, false));
}

/* SMM sees its own address space. */
static void smm_has_its_own_slots(void **state)
{
	struct memslots *smm = calloc(1, sizeof(*smm) + sizeof(struct memslot));

	smm->count = 1;
	smm->slot[0] = (struct memslot){ .npages = 1, .hva = (hva_t)m->high };
	m->vm.slots[1] = smm;
	assert_ptr_equal(gpa_to_host(&m->cpu, 0, false), m->ram);
	m->cpu.smm = true;
	assert_ptr_equal(gpa_to_host(&m->cpu, 0, false), m->high);
	assert_null(gpa_to_host(&m->cpu, PAGE_SIZE, false));
	free(smm);
}

/* -- Alignment and breakpoints ---------------------------------------------------------- */

static void alignment_check_at_cpl3(void **state)
{
	u64 v;

	m->cpu.cr0 |= X86_CR0_AM;
	m->cpu.rflags |= X86_EFLAGS_AC;
	mode_changed();
	assert_int_equal(mem_read64(&m->cpu, 0x5001, &v), STEP_NEXT);
	m->cpu.cpl = 3;
	mode_changed();
	assert_exception(mem_read64(&m->cpu, 0x5004, &v), EXC_AC, 0);
	assert_exception(mem_write16(&m->cpu, 0x5001, 0), EXC_AC, 0);
	assert_int_equal(mem_write8(&m->cpu, 0x5001, 0), STEP_NEXT);
	assert_int_equal(mem_read64(&m->cpu, 0x5008, &v), STEP_NEXT);
	assert_int_equal(mem_read(&m->cpu, 0x5001, &v, 7), STEP_NEXT);
	/* An operand that is not canonical in part: #GP comes before. */
	m->cpu.code_size = 8;
	assert_exception(mem_read64(&m->cpu, 0x7fffffffffff, &v), EXC_GP, 0);
	m->cpu.rflags &= ~X86_EFLAGS_AC;
	mode_changed();
	assert_int_equal(mem_read64(&m->cpu, 0x5004, &v), STEP_NEXT);
}

static void breakpoint(int i, u64 addr, u32 rw, u32 len_code)
{
	m->cpu.dr[i] = addr;
	m->cpu.dr7 |= 1ull << (i * 2) | (u64)(rw | len_code << 2) << (16 + i * 4);
	mmu_class_changed(&m->cpu);
}

static u64 hits(void)
{
	u64 db = m->cpu.pending_db;

	m->cpu.pending_db = 0;
	return db;
}

static void data_breakpoints_are_recorded(void **state)
{
	u64 v;

	breakpoint(0, 0x5010, 1, 3);	/* writes, 4 bytes */
	breakpoint(2, 0x5020, 3, 2);	/* reads and writes, 8 bytes */
	assert_int_equal(mem_read32(&m->cpu, 0x5010, (u32 *)&v), STEP_NEXT);
	assert_int_equal(hits(), 0);
	assert_int_equal(mem_write8(&m->cpu, 0x5013, 0), STEP_NEXT);
	assert_int_equal(hits(), 1);
	assert_int_equal(mem_write8(&m->cpu, 0x5014, 0), STEP_NEXT);
	assert_int_equal(hits(), 0);
	assert_int_equal(mem_write64(&m->cpu, 0x500c, 0), STEP_NEXT);
	assert_int_equal(hits(), 1);
	assert_int_equal(mem_read8(&m->cpu, 0x5027, (u8 *)&v), STEP_NEXT);
	assert_int_equal(hits(), 4);
	assert_page_fault(mem_write8(&m->cpu, WINDOW(0), 0), WINDOW(0), PF_W);
	assert_int_equal(hits(), 0);
}

static void guest_debug_replaces_the_guests_breakpoints(void **state)
{
	m->cpu.guest_debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	m->cpu.debug_dr[1] = 0x6000;
	m->cpu.debug_dr7 = 1 << 2 | 1 << 20;
	breakpoint(0, 0x5010, 1, 0);
	assert_int_equal(mem_write8(&m->cpu, 0x5010, 0), STEP_NEXT);
	assert_int_equal(hits(), 0);
	assert_int_equal(mem_write8(&m->cpu, 0x6000, 0), STEP_NEXT);
	assert_int_equal(hits(), 2);
}

/* -- Read-modify-write ------------------------------------------------------------------ */

static void rmw_of_each_size(void **state)
{
	for (u32 size = 1; size <= 8; size *= 2) {
		for (int locked = 0; locked < 2; locked++) {
			u64 mask = size == 8 ? ~0ull : (1ull << (size * 8)) - 1;
			struct rmw w;

			set64(0x5000, 0xfedcba9876543210);
			for (int i = 0; i < 2; i++) {	/* slow, then fast */
				assert_int_equal(rmw_begin(&m->cpu, 0x5000, size, &w), STEP_NEXT);
				assert_int_equal(w.old, pte64(0x5000) & mask);
				assert_int_equal(rmw_commit(&m->cpu, &w, w.old + 1, locked), STEP_NEXT);
			}
			assert_int_equal(pte64(0x5000), 0xfedcba9876543212);
		}
	}
}

static void locked_commit_loses_a_race(void **state)
{
	struct rmw w;

	assert_int_equal(rmw_begin(&m->cpu, 0x5000, 4, &w), STEP_NEXT);
	set32(0x5000, 99);
	assert_int_equal(rmw_commit(&m->cpu, &w, 1, true), STEP_AGAIN);
	assert_int_equal(pte32(0x5000), 99);
	assert_int_equal(rmw_commit(&m->cpu, &w, 1, false), STEP_NEXT);
	assert_int_equal(pte32(0x5000), 1);
}

static void rmw_needs_write_permission_first(void **state)
{
	struct rmw w;

	window_map(0, 0x5000 | P | U);
	assert_page_fault(rmw_begin(&m->cpu, WINDOW(0), 4, &w), WINDOW(0), PF_P | PF_W);
	window_map(1, 0x6000 | RW);
	assert_page_fault(rmw_begin(&m->cpu, WINDOW(1) - 1, 4, &w), WINDOW(1) - 1, PF_P | PF_W);
}

static void rmw_across_pages(void **state)
{
	struct rmw w;

	window_map(0, 0x8000 | RW);
	window_map(1, 0x5000 | RW);
	m->ram[0x8fff] = 0xff;
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(1) - 1, 4, &w), STEP_NEXT);
	assert_int_equal(w.old, 0xff);
	assert_int_equal(rmw_commit(&m->cpu, &w, w.old + 1, true), STEP_NEXT);
	assert_int_equal(m->ram[0x8fff], 0);
	assert_int_equal(m->ram[0x5000], 1);
}

/* Nobody else may run, the value must be the old one still, the slots current. */
static void locked_commit_across_pages(void **state)
{
	struct rmw w;

	window_map(0, 0x8000 | RW);
	window_map(1, 0x5000 | RW);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(1) - 1, 4, &w), STEP_NEXT);
	m->ram[0x5001] = 1;
	assert_int_equal(rmw_commit(&m->cpu, &w, 9, true), STEP_AGAIN);
	assert_int_equal(m->ram[0x8fff], 0);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(1) - 1, 4, &w), STEP_NEXT);
	m->slots_change = 2;
	assert_int_equal(rmw_commit(&m->cpu, &w, 9, true), STEP_AGAIN);
	assert_int_equal(m->ram[0x8fff], 0);
	assert_true(m->cpu.stop_block);
	assert_int_equal(rmw_commit(&m->cpu, &w, 9, true), STEP_NEXT);
	assert_int_equal(m->ram[0x8fff], 9);
	assert_int_equal(m->ram[0x5001], 0);
	assert_int_equal(m->alone, 3);
	assert_int_equal(rmw_commit(&m->cpu, &w, 8, false), STEP_NEXT);
	assert_int_equal(m->alone, 3);
}

/* Neighbours in the host are the host's to lock. */
static void rmw_across_neighbours(void **state)
{
	struct rmw w;

	window_map(0, 0x5000 | RW);
	window_map(1, 0x6000 | RW);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(1) - 1, 4, &w), STEP_NEXT);
	assert_ptr_equal(w.host, m->ram + 0x5fff);
	assert_int_equal(rmw_commit(&m->cpu, &w, 0x201, true), STEP_NEXT);
	assert_int_equal(m->alone, 0);
	assert_int_equal(m->ram[0x6000], 2);
}

/* A slot that is read-only is read as memory and written as MMIO. */
static void rmw_of_rom(void **state)
{
	struct rmw w;

	window_map(0, ROM_GPA | RW);
	m->rom[8] = 5;
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(0) + 8, 1, &w), STEP_NEXT);
	assert_int_equal(w.old, 5);
	assert_mmio_exit(rmw_commit(&m->cpu, &w, 6, true), ROM_GPA + 8, 1, true);
	assert_int_equal(m->run->mmio.data[0], 6);
	complete_mmio(0);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(0) + 8, 1, &w), STEP_NEXT);
	assert_int_equal(rmw_commit(&m->cpu, &w, 6, true), STEP_NEXT);
	assert_int_equal(m->rom[8], 5);
}

/* -- Stack -------------------------------------------------------------------------------- */

static void stack_pointer_follows_its_width(void **state)
{
	u64 v = 0;

	m->cpu.gpr[RSP] = 0x6000;
	assert_int_equal(stack_push(&m->cpu, 0x1234567890, 8), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RSP], 0x5ff8);
	assert_int_equal(stack_pop(&m->cpu, &v, 8), STEP_NEXT);
	assert_int_equal(v, 0x1234567890);

	mode_real();
	m->cpu.gpr[RSP] = 0xabcd0000;
	m->cpu.seg[SS].base = 0x10000;
	assert_int_equal(stack_push(&m->cpu, 0xbeef, 2), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RSP], 0xabcdfffe);
	assert_memory_equal(m->ram + 0x1fffe, "\xef\xbe", 2);
	assert_int_equal(stack_pop(&m->cpu, &v, 2), STEP_NEXT);
	assert_int_equal(v, 0xbeef);
	assert_int_equal(m->cpu.gpr[RSP], 0xabcd0000);
}

static void failed_push_leaves_the_stack_pointer(void **state)
{
	u64 v;

	m->cpu.gpr[RSP] = WINDOW(1);
	assert_page_fault(stack_push(&m->cpu, 1, 8), WINDOW(1) - 8, PF_W);
	assert_page_fault(stack_pop(&m->cpu, &v, 8), WINDOW(1), 0);
	assert_int_equal(m->cpu.gpr[RSP], WINDOW(1));
	mode_flat32();
	m->cpu.seg[SS].limit = 0xfff;
	m->cpu.gpr[RSP] = 0x2000;
	assert_exception(stack_push(&m->cpu, 1, 4), EXC_SS, 0);
	assert_int_equal(m->cpu.gpr[RSP], 0x2000);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_and_write_across_pages),
		TEST(crossing_write_faults_before_it_writes),
		TEST(fault_reports_the_exact_address),
		TEST(linear_addresses_wrap_outside_64_bit_code),
		TEST(non_canonical_address),
		TEST(probe_covers_every_page),
		TEST(implicit_accesses_are_the_supervisors),
		TEST(store_to_the_page_being_executed_ends_the_block),
		TEST(physical_accesses_cross_pages_but_not_slots),
		TEST(smm_has_its_own_slots),
		TEST(alignment_check_at_cpl3),
		TEST(data_breakpoints_are_recorded),
		TEST(guest_debug_replaces_the_guests_breakpoints),
		TEST(rmw_of_each_size),
		TEST(locked_commit_loses_a_race),
		TEST(rmw_needs_write_permission_first),
		TEST(rmw_across_pages),
		TEST(locked_commit_across_pages),
		TEST(rmw_across_neighbours),
		TEST(rmw_of_rom),
		TEST(stack_pointer_follows_its_width),
		TEST(failed_push_leaves_the_stack_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
