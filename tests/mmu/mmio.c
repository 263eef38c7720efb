/* SPDX-License-Identifier: MIT */
/* MMIO: who answers, how it is split, and that nothing happens twice. */
#include "machine.h"

#define RW	(P | W | U)

static void map_mmio(void)
{
	window_map(0, MMIO_GPA | RW);
	window_map(1, (MMIO_GPA + 0x5000) | RW);
	window_map(2, DEVICE_GPA | RW);
	window_map(3, ROM_GPA | RW);
	window_map(4, 0x6000 | RW);
}

static void read_exits_and_is_replayed(void **state)
{
	u32 v = 0;

	map_mmio();
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 4, &v), MMIO_GPA + 4, 4, false);
	complete_mmio(0x11223344);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(0) + 4, &v), STEP_NEXT);
	assert_int_equal(v, 0x11223344);
	/* The instruction has retired: the next read asks again. */
	mmio_retire(&m->cpu);
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 4, &v), MMIO_GPA + 4, 4, false);
}

/* What is known of a page of devices is forgotten when TLBs are. */
static void page_is_mapped_elsewhere(void **state)
{
	u32 v;

	map_mmio();
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 4, &v), MMIO_GPA + 4, 4, false);
	mmio_retire(&m->cpu);
	window_map(0, (MMIO_GPA + 0x5000) | RW);
	mmu_flush_page(&m->cpu, WINDOW(0));
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 4, &v), MMIO_GPA + 0x5004, 4, false);
	mmio_retire(&m->cpu);
	window_map(0, 0x6000 | P | U);
	mmu_flush_nonglobal(&m->cpu);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(0) + 4, &v), STEP_NEXT);
	window_map(0, MMIO_GPA | P | U);
	mmu_flush_all(&m->cpu);
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0), &v), MMIO_GPA, 4, false);
	mmio_retire(&m->cpu);
	/* It may be read, but not be written. */
	m->cpu.cr0 |= X86_CR0_WP;
	mmu_class_changed(&m->cpu);
	assert_int_equal(mem_write32(&m->cpu, WINDOW(0), 0), STEP_FAULT);
}

static void write_exits_with_its_data(void **state)
{
	map_mmio();
	memset(m->run->mmio.data, 0xff, 8);
	assert_mmio_exit(mem_write16(&m->cpu, WINDOW(0), 0xabcd), MMIO_GPA, 2, true);
	assert_memory_equal(m->run->mmio.data, "\xcd\xab\0\0\0\0\0\0", 8);
	complete_mmio(0);
	assert_int_equal(mem_write16(&m->cpu, WINDOW(0), 0xabcd), STEP_NEXT);
}

/* Userspace may change the data between completion and replay. */
static void data_is_taken_once(void **state)
{
	u8 v;

	map_mmio();
	mem_read8(&m->cpu, WINDOW(0), &v);
	complete_mmio(1);
	m->run->mmio.data[0] = 2;
	mmio_complete(&m->cpu);		/* nothing waits any more */
	assert_int_equal(mem_read8(&m->cpu, WINDOW(0), &v), STEP_NEXT);
	assert_int_equal(v, 1);
}

static void sixteen_bytes_are_two_fragments(void **state)
{
	u8 buf[16], expect[16];

	map_mmio();
	assert_mmio_exit(mem_read(&m->cpu, WINDOW(0), buf, 16), MMIO_GPA, 8, false);
	complete_mmio(0x1111111111111111);
	assert_mmio_exit(mem_read(&m->cpu, WINDOW(0), buf, 16), MMIO_GPA + 8, 8, false);
	complete_mmio(0x2222222222222222);
	assert_int_equal(mem_read(&m->cpu, WINDOW(0), buf, 16), STEP_NEXT);
	memset(expect, 0x11, 8);
	memset(expect + 8, 0x22, 8);
	assert_memory_equal(buf, expect, 16);
}

static void crossing_access_is_split_at_the_page(void **state)
{
	map_mmio();
	assert_mmio_exit(mem_write64(&m->cpu, WINDOW(1) - 3, 0x8877665544332211),
			 MMIO_GPA + 0xffd, 3, true);
	assert_memory_equal(m->run->mmio.data, "\x11\x22\x33\0", 4);
	complete_mmio(0);
	assert_mmio_exit(mem_write64(&m->cpu, WINDOW(1) - 3, 0x8877665544332211),
			 MMIO_GPA + 0x5000, 5, true);
	assert_memory_equal(m->run->mmio.data, "\x44\x55\x66\x77\x88\0", 6);
	complete_mmio(0);
	assert_int_equal(mem_write64(&m->cpu, WINDOW(1) - 3, 0x8877665544332211), STEP_NEXT);
}

static void rmw_is_a_read_then_a_write(void **state)
{
	struct rmw w;

	map_mmio();
	assert_mmio_exit(rmw_begin(&m->cpu, WINDOW(0), 4, &w), MMIO_GPA, 4, false);
	complete_mmio(41);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(0), 4, &w), STEP_NEXT);
	assert_int_equal(w.old, 41);
	assert_mmio_exit(rmw_commit(&m->cpu, &w, 42, true), MMIO_GPA, 4, true);
	complete_mmio(0);
	assert_int_equal(rmw_begin(&m->cpu, WINDOW(0), 4, &w), STEP_NEXT);
	assert_int_equal(w.old, 41);
	assert_int_equal(rmw_commit(&m->cpu, &w, 42, true), STEP_NEXT);
}

/* A device in the engine answers at once, but only once an instruction. */
static void devices_are_replayed_too(void **state)
{
	u32 a = 0, b = 0;

	map_mmio();
	m->device_value = 7;
	assert_int_equal(mem_read32(&m->cpu, WINDOW(2), &a), STEP_NEXT);
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0), &b), MMIO_GPA, 4, false);
	m->device_value = 8;
	complete_mmio(9);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(2), &a), STEP_NEXT);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(0), &b), STEP_NEXT);
	assert_int_equal(a, 7);
	assert_int_equal(b, 9);
	assert_int_equal(m->device_reads, 1);
}

static void doorbells_do_not_exit(void **state)
{
	u32 v;

	map_mmio();
	m->doorbell = MMIO_GPA + 0x40;
	assert_int_equal(mem_write32(&m->cpu, WINDOW(0) + 0x40, 0x55), STEP_NEXT);
	assert_int_equal(m->doorbell_value, 0x55);
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 0x40, &v), MMIO_GPA + 0x40, 4, false);
}

static void rom_is_read_as_memory_and_written_as_mmio(void **state)
{
	u8 v = 0;

	map_mmio();
	m->rom[5] = 0x77;
	assert_int_equal(mem_read8(&m->cpu, WINDOW(3) + 5, &v), STEP_NEXT);
	assert_int_equal(v, 0x77);
	assert_mmio_exit(mem_write8(&m->cpu, WINDOW(3) + 5, 1), ROM_GPA + 5, 1, true);
	assert_int_equal(m->rom[5], 0x77);
}

static void another_access_drops_the_log(void **state)
{
	u32 v = 0;

	map_mmio();
	mem_read32(&m->cpu, WINDOW(0), &v);
	complete_mmio(1);
	/* The VMM reset the vCPU meanwhile: another instruction runs. */
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(0) + 8, &v), MMIO_GPA + 8, 4, false);
	complete_mmio(2);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(0) + 8, &v), STEP_NEXT);
	assert_int_equal(v, 2);
}

static void a_full_log_stops_the_guest(void **state)
{
	u8 v;

	map_mmio();
	for (u32 i = 0; i < MMIO_LOG_MAX; i++)
		assert_int_equal(mem_read8(&m->cpu, WINDOW(2) + i, &v), STEP_NEXT);
	assert_int_equal(mem_read8(&m->cpu, WINDOW(2), &v), STEP_EXIT);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(mem_write8(&m->cpu, WINDOW(2), v), STEP_EXIT);
	mmio_retire(&m->cpu);
	assert_int_equal(mem_read8(&m->cpu, WINDOW(2), &v), STEP_NEXT);
}

static void memory_part_of_a_crossing_access(void **state)
{
	u32 v = 0;

	map_mmio();
	window_map(1, 0x6000 | RW);
	memcpy(m->ram + 0x6000, "\x33\x44", 2);
	assert_mmio_exit(mem_read32(&m->cpu, WINDOW(1) - 2, &v), MMIO_GPA + 0xffe, 2, false);
	complete_mmio(0x2211);
	assert_int_equal(mem_read32(&m->cpu, WINDOW(1) - 2, &v), STEP_NEXT);
	assert_int_equal(v, 0x44332211);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_exits_and_is_replayed),
		TEST(page_is_mapped_elsewhere),
		TEST(write_exits_with_its_data),
		TEST(data_is_taken_once),
		TEST(sixteen_bytes_are_two_fragments),
		TEST(crossing_access_is_split_at_the_page),
		TEST(rmw_is_a_read_then_a_write),
		TEST(devices_are_replayed_too),
		TEST(doorbells_do_not_exit),
		TEST(rom_is_read_as_memory_and_written_as_mmio),
		TEST(another_access_drops_the_log),
		TEST(a_full_log_stops_the_guest),
		TEST(memory_part_of_a_crossing_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
