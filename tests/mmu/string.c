/* SPDX-License-Identifier: MIT */
/* String instructions against an element-by-element model, and where they stop. */
#include "machine.h"

#include "x86/interp/ops.h"

#define RW	(P | W | U)
#define WINDOW_PAGES	8
#define WINDOW_SIZE	(WINDOW_PAGES * PAGE_SIZE)

static u64 seed = 1;

static u32 rnd(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

/* Pages of the window are scattered in memory: runs must end at each. */
static void map_window(void)
{
	for (u32 i = 0; i < WINDOW_PAGES; i++)
		window_map(i, (0x100000 + (u64)((i * 3) % WINDOW_PAGES) * PAGE_SIZE) | RW);
}

static u8 *window_byte(u64 off)
{
	u64 pte = pte64(LONG_PT + off / PAGE_SIZE * 8);

	return m->ram + (pte & 0xfffff000) + off % PAGE_SIZE;
}

static void fill(u8 *model, u32 values)
{
	for (u64 i = 0; i < WINDOW_SIZE; i++)
		*window_byte(i) = model[i] = (u8)rnd(values);
}

static void assert_window(const u8 *model)
{
	for (u64 i = 0; i < WINDOW_SIZE; i++)
		if (*window_byte(i) != model[i])
			fail_msg("byte %#lx is %#x, not %#x", (unsigned long)i,
				 *window_byte(i), model[i]);
}

static struct insn string_insn(u8 size, u8 flags)
{
	return (struct insn){ .osz = size, .asz = 8, .seg = DS, .flags = flags, .len = 2 };
}

static enum step run(op_fn op, const struct insn *in)
{
	enum step step;

	m->cpu.insn = in;
	for (int i = 0; i < 100000; i++) {
		m->cpu.stop_block = false;
		step = op(&m->cpu, in);
		if (step != STEP_AGAIN)
			return step;
	}
	fail_msg("no end");
	return step;
}

static void set_regs(u64 rsi, u64 rdi, u64 rcx, bool down)
{
	m->cpu.gpr[RSI] = rsi;
	m->cpu.gpr[RDI] = rdi;
	m->cpu.gpr[RCX] = rcx;
	m->cpu.rflags &= ~X86_EFLAGS_DF;
	m->cpu.rflags |= down ? X86_EFLAGS_DF : 0;
}

/* -- Against the model --------------------------------------------------------------- */

static void movs_model(u8 *mem, u64 si, u64 di, u64 n, u8 size, bool down)
{
	for (; n; n--) {
		u64 v;

		memcpy(&v, mem + si, size);
		memcpy(mem + di, &v, size);
		si += down ? -(u64)size : size;
		di += down ? -(u64)size : size;
	}
}

static void rep_movs_as_one_by_one(void **state)
{
	static u8 model[WINDOW_SIZE];

	map_window();
	for (int round = 0; round < 400; round++) {
		u8 size = (u8)(1 << rnd(4));
		struct insn in = string_insn(size, INSN_REP);
		bool down = rnd(2), near = rnd(2);
		u64 n = rnd(WINDOW_SIZE / 3 / size), base = down ? WINDOW_SIZE / 3 : 0;
		u64 si = base + rnd(WINDOW_SIZE / 3);
		u64 di = near ? si + rnd(40) - (si < 20 ? 0 : 20) : base + rnd(WINDOW_SIZE / 3);
		u64 bytes = down ? -n * size : n * size;

		if (MAX(si, di) + size > WINDOW_SIZE)
			continue;
		if (down && MIN(si, di) < n * size)
			n = MIN(si, di) / size, bytes = -n * size;
		fill(model, 256);
		movs_model(model, si, di, n, size, down);
		set_regs(LONG_WINDOW + si, LONG_WINDOW + di, n, down);
		assert_int_equal(run(op_movs, &in), STEP_NEXT);
		assert_window(model);
		assert_int_equal(m->cpu.gpr[RCX], 0);
		assert_int_equal(m->cpu.gpr[RSI], LONG_WINDOW + si + bytes);
		assert_int_equal(m->cpu.gpr[RDI], LONG_WINDOW + di + bytes);
	}
}

static void rep_stos_as_one_by_one(void **state)
{
	static u8 model[WINDOW_SIZE];

	map_window();
	for (int round = 0; round < 300; round++) {
		u8 size = (u8)(1 << rnd(4));
		struct insn in = string_insn(size, INSN_REP);
		bool down = rnd(2);
		u64 n = rnd(WINDOW_SIZE / 3 / size);
		u64 di = (down ? WINDOW_SIZE / 3 : 0) + rnd(WINDOW_SIZE / 3);
		u64 v = rnd(2) ? 0 : 0x0123456789abcdef;

		fill(model, 256);
		for (u64 i = 0; i < n; i++)
			memcpy(model + di + (down ? -i * size : i * size), &v, size);
		m->cpu.gpr[RAX] = v;
		set_regs(1, LONG_WINDOW + di, n, down);
		assert_int_equal(run(op_stos, &in), STEP_NEXT);
		assert_window(model);
		assert_int_equal(m->cpu.gpr[RCX], 0);
		assert_int_equal(m->cpu.gpr[RSI], 1);
		assert_int_equal(m->cpu.gpr[RDI],
				 LONG_WINDOW + di + (down ? -n * size : n * size));
	}
}

/* The native instruction, on the model, is the oracle for results and flags. */
struct result { u64 rsi, rdi, rcx, flags; };

#define NATIVE(insn)								\
	__asm__ volatile("testb %4, %4\n\tje 1f\n\tstd\n1:\tpush %5\n\tpopfq\n\t"\
			 "testb %4, %4\n\tje 2f\n\tstd\n2:\t" insn "\n\tpushfq\n\tpopq %3\n\tcld"\
			 : "+S" (r.rsi), "+D" (r.rdi), "+c" (r.rcx), "=&r" (r.flags)\
			 : "q" ((u8)down), "r" (0x202ull), "a" (rax) : "cc", "memory")

#define NATIVE_SIZES(name)							\
	switch (size | repne << 4) {						\
	case 1: NATIVE("repe " name "b"); break;				\
	case 2: NATIVE("repe " name "w"); break;				\
	case 4: NATIVE("repe " name "l"); break;				\
	case 8: NATIVE("repe " name "q"); break;				\
	case 0x11: NATIVE("repne " name "b"); break;				\
	case 0x12: NATIVE("repne " name "w"); break;				\
	case 0x14: NATIVE("repne " name "l"); break;				\
	default: NATIVE("repne " name "q"); break;				\
	}

static struct result native_scas(u8 size, bool repne, bool down, u64 rax, struct result r)
{
	NATIVE_SIZES("scas");
	return r;
}

static struct result native_cmps(u8 size, bool repne, bool down, u64 rax, struct result r)
{
	NATIVE_SIZES("cmps");
	return r;
}

static void compare_with_native(op_fn op, bool cmps)
{
	static u8 model[WINDOW_SIZE];

	map_window();
	fill(model, 2);
	for (int round = 0; round < 3000; round++) {
		u8 size = (u8)(1 << rnd(4));
		bool repne = rnd(2), down = rnd(2);
		struct insn in = string_insn(size, repne ? INSN_REPNE : INSN_REP);
		u64 n = 1 + rnd(WINDOW_SIZE / 3 / size), base = down ? WINDOW_SIZE / 3 : 0;
		u64 di = base + rnd(WINDOW_SIZE / 3);
		u64 si = rnd(2) ? di : base + rnd(WINDOW_SIZE / 3);
		u64 rax = rnd(2) ? 0 : 0x0101010101010101 * rnd(3);
		struct result r = { (u64)model + si, (u64)model + di, n, 0 };

		if (rnd(4) == 0) {	/* long stretches of the same */
			u64 from = rnd(WINDOW_SIZE - 8192);

			for (u64 i = from; i < from + 8192; i++)
				*window_byte(i) = model[i] = (u8)rax;
		}
		r = cmps ? native_cmps(size, repne, down, rax, r)
			 : native_scas(size, repne, down, rax, r);
		m->cpu.gpr[RAX] = rax;
		set_regs(LONG_WINDOW + si, LONG_WINDOW + di, n, down);
		assert_int_equal(run(op, &in), STEP_NEXT);
		assert_int_equal(m->cpu.gpr[RCX], r.rcx);
		assert_int_equal(m->cpu.gpr[RDI] - LONG_WINDOW, r.rdi - (u64)model);
		if (cmps)
			assert_int_equal(m->cpu.gpr[RSI] - LONG_WINDOW, r.rsi - (u64)model);
		assert_int_equal(m->cpu.status & X86_EFLAGS_STATUS,
				 r.flags & X86_EFLAGS_STATUS);
	}
}

static void scas_as_native(void **state)
{
	compare_with_native(op_scas, false);
}

static void cmps_as_native(void **state)
{
	compare_with_native(op_cmps, true);
}

/* -- One iteration ---------------------------------------------------------------------- */

static void single_iterations(void **state)
{
	struct insn in = string_insn(4, 0);

	set32(0x5000, 0x80000001);
	m->cpu.gpr[RAX] = ~0ull;
	set_regs(0x5000, 0x6000, 77, false);
	assert_int_equal(op_movs(&m->cpu, &in), STEP_NEXT);
	assert_int_equal(pte32(0x6000), 0x80000001);
	assert_int_equal(m->cpu.gpr[RSI], 0x5004);
	assert_int_equal(m->cpu.gpr[RDI], 0x6004);
	assert_int_equal(m->cpu.gpr[RCX], 77);

	set_regs(0x5000, 0x6000, 77, true);
	assert_int_equal(op_lods(&m->cpu, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RAX], 0x80000001);	/* zero-extended */
	assert_int_equal(m->cpu.gpr[RSI], 0x4ffc);

	in.osz = 1;
	set_regs(0x5003, 0, 0, false);
	assert_int_equal(op_lods(&m->cpu, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RAX], 0x80000080);	/* merged */
}

static void count_of_zero_does_nothing(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	m->cpu.status = 0x55;
	set_regs(1ull << 47, 1ull << 47, 0, false);
	assert_int_equal(run(op_movs, &in), STEP_NEXT);
	assert_int_equal(run(op_cmps, &in), STEP_NEXT);
	assert_int_equal(m->cpu.status, 0x55);
	assert_int_equal(m->cpu.gpr[RSI], 1ull << 47);
}

static void repeated_lods_keeps_the_last(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	memcpy(m->ram + 0x5000, "abcdef", 6);
	m->cpu.gpr[RAX] = 0;
	set_regs(0x5000, 0, 6, false);
	assert_int_equal(run(op_lods, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RAX], 'f');
	assert_int_equal(m->cpu.gpr[RSI], 0x5006);
}

static void source_segment_and_fixed_destination(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	mode_flat32();
	in.asz = 4;
	in.seg = FS;
	m->cpu.seg[FS].base = 0x5000;
	m->cpu.seg[ES].base = 0x6000;
	memcpy(m->ram + 0x5010, "hello", 5);
	set_regs(0x10, 0x20, 5, false);
	assert_int_equal(run(op_movs, &in), STEP_NEXT);
	assert_memory_equal(m->ram + 0x6020, "hello", 5);
}

/* -- Address sizes and limits -------------------------------------------------------------- */

static void sixteen_bit_indices_wrap(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	mode_real();
	in.asz = 2;
	m->cpu.seg[ES].base = 0x200000;
	m->cpu.gpr[RAX] = 0x99;
	set_regs(0, 0xaaaafff0, 0xbbbb0020, false);
	assert_int_equal(run(op_stos, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RDI], 0xaaaa0010);	/* upper half kept */
	assert_int_equal(m->cpu.gpr[RCX], 0xbbbb0000);
	assert_int_equal(m->ram[0x200000 + 0xffff], 0x99);
	assert_int_equal(m->ram[0x200000 + 0xf], 0x99);
	assert_int_equal(m->ram[0x200000 + 0x10], 0);
	assert_int_equal(m->ram[0x200000 + 0x10000], 0);
}

/* The same in a segment that does not end there. */
static void sixteen_bit_indices_wrap_in_large_segments(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	mode_flat32();
	in.asz = 2;
	m->cpu.seg[ES].base = 0x200800;	/* the wrap is inside a page */
	m->cpu.gpr[RAX] = 0x99;
	set_regs(0, 0xfff0, 0x20, false);
	assert_int_equal(run(op_stos, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RDI], 0x10);
	assert_int_equal(m->ram[0x2107ff], 0x99);
	assert_int_equal(m->ram[0x210800], 0);
	assert_int_equal(m->ram[0x20080f], 0x99);
	set_regs(0, 3, 8, true);
	assert_int_equal(run(op_stos, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RDI], 0xfffb);
	assert_int_equal(m->ram[0x2007ff], 0);
}

static void element_across_the_limit_faults(void **state)
{
	struct insn in = string_insn(4, INSN_REP);

	mode_real();
	in.asz = 2;
	m->cpu.gpr[RAX] = ~0ull;
	set_regs(0, 0xfff2, 9, false);
	assert_exception(run(op_stos, &in), EXC_GP, 0);
	assert_int_equal(m->cpu.gpr[RDI], 0xfffe);
	assert_int_equal(m->cpu.gpr[RCX], 6);
	assert_int_equal(m->ram[0xfffd], 0xff);
	assert_int_equal(m->ram[0xfffe], 0);
}

static void thirty_two_bit_addressing_zero_extends(void **state)
{
	struct insn in = string_insn(8, INSN_REP);

	in.asz = 4;
	m->cpu.gpr[RAX] = 1;
	set_regs(0, 0xffffffff00005000, 0xffffffff00000002, false);
	assert_int_equal(run(op_stos, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RDI], 0x5010);
	assert_int_equal(m->cpu.gpr[RCX], 0);
	assert_int_equal(pte64(0x5008), 1);
}

static void segment_limit_in_the_middle_of_a_page(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	mode_flat32();
	in.asz = 4;
	m->cpu.gpr[RAX] = 7;
	m->cpu.seg[ES].limit = 0x5007;
	set_regs(0, 0x5000, 100, false);
	assert_exception(run(op_stos, &in), EXC_GP, 0);
	assert_int_equal(m->cpu.gpr[RCX], 92);
	assert_int_equal(m->ram[0x5007], 7);
	assert_int_equal(m->ram[0x5008], 0);
}

/* -- Faults, MMIO, events ------------------------------------------------------------------- */

static void fault_in_the_middle_keeps_progress(void **state)
{
	struct insn in = string_insn(8, INSN_REP);

	window_map(0, 0x100000 | RW);
	window_map(1, 0x101000 | RW);
	memset(m->ram + 0x5000, 0x42, 0x3000);
	set_regs(0x5004, WINDOW(2) - 20, 100, false);
	assert_page_fault(run(op_movs, &in), WINDOW(2), PF_W);
	/* Two are done; the third crosses into the page that is not there. */
	assert_int_equal(m->cpu.gpr[RCX], 98);
	assert_int_equal(m->cpu.gpr[RSI], 0x5014);
	assert_int_equal(m->cpu.gpr[RDI], WINDOW(2) - 4);
	assert_int_equal(m->ram[0x101ffb], 0x42);
	assert_int_equal(m->ram[0x101ffc], 0);
	window_map(2, 0x102000 | RW);
	assert_int_equal(run(op_movs, &in), STEP_NEXT);
	assert_int_equal(m->ram[0x102000], 0x42);
}

static void source_faults_before_destination(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	set_regs(WINDOW(1), WINDOW(2), 5, false);
	assert_page_fault(run(op_movs, &in), WINDOW(1), 0);
	in.flags = 0;
	assert_page_fault(run(op_movs, &in), WINDOW(1), 0);
	assert_int_equal(m->cpu.gpr[RCX], 5);
}

static void stores_to_mmio_exit_once_per_element(void **state)
{
	struct insn in = string_insn(4, INSN_REP);

	window_map(0, MMIO_GPA | RW);
	m->cpu.gpr[RAX] = 0x01020304;
	set_regs(0, WINDOW(0), 3, false);
	for (u32 i = 0; i < 3; i++) {
		assert_mmio_exit(run(op_stos, &in), MMIO_GPA + i * 4, 4, true);
		assert_int_equal(m->cpu.gpr[RCX], 3 - i);
		complete_mmio(0);
	}
	assert_int_equal(run(op_stos, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RDI], WINDOW(0) + 12);
}

static void movs_from_mmio_to_mmio(void **state)
{
	struct insn in = string_insn(2, INSN_REP);

	window_map(0, MMIO_GPA | RW);
	set_regs(WINDOW(0), WINDOW(0) + 0x100, 2, false);
	for (u32 i = 0; i < 2; i++) {
		assert_mmio_exit(run(op_movs, &in), MMIO_GPA + i * 2, 2, false);
		complete_mmio(0x1000 + i);
		assert_mmio_exit(run(op_movs, &in), MMIO_GPA + 0x100 + i * 2, 2, true);
		assert_int_equal(m->run->mmio.data[0], i);
		assert_int_equal(m->run->mmio.data[1], 0x10);
		complete_mmio(0);
	}
	assert_int_equal(run(op_movs, &in), STEP_NEXT);
}

/* More elements than the log holds: each one is retired when it is done. */
static void long_runs_of_device_reads(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	window_map(0, DEVICE_GPA | RW);
	m->device_value = 3;
	set_regs(WINDOW(0), 0x5000, 200, false);
	assert_int_equal(run(op_movs, &in), STEP_NEXT);
	assert_int_equal(m->device_reads, 200);
	assert_int_equal(m->ram[0x5000 + 199], 3);
}

/* After a page, but never without any progress. */
static void looks_up_for_requests(void **state)
{
	struct insn in = string_insn(1, INSN_REP);
	u64 before = 2ul << 20;

	set_regs(0, 0x100000, before, false);
	m->cpu.requests = REQ_SIGNAL;
	assert_int_equal(op_stos(&m->cpu, &in), STEP_AGAIN);
	assert_in_range(before - m->cpu.gpr[RCX], 1, PAGE_SIZE);
}

static void single_step_after_each_iteration(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	m->cpu.rflags |= X86_EFLAGS_TF;
	set_regs(0x5000, 0x6000, 3, false);
	assert_int_equal(op_movs(&m->cpu, &in), STEP_AGAIN);
	assert_int_equal(m->cpu.gpr[RCX], 2);
	assert_int_equal(op_movs(&m->cpu, &in), STEP_AGAIN);
	assert_int_equal(op_movs(&m->cpu, &in), STEP_NEXT);
}

static void breakpoint_stops_a_repeated_store(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	m->cpu.dr[0] = 0x5003;
	m->cpu.dr7 = 1 | 1 << 16;
	mmu_class_changed(&m->cpu);
	set_regs(0, 0x5000, 10, false);
	assert_int_equal(op_stos(&m->cpu, &in), STEP_AGAIN);
	assert_int_equal(m->cpu.gpr[RCX], 6);
	assert_int_equal(m->cpu.pending_db, 1);
}

static void stores_to_the_code_page_end_the_block(void **state)
{
	struct insn in = string_insn(1, INSN_REP);

	m->cpu.code = m->ram + 0x5000;
	set_regs(0, 0x5800, 0x1000, false);
	assert_int_equal(op_stos(&m->cpu, &in), STEP_NEXT);
	assert_true(m->cpu.stop_block);
	assert_int_equal(m->cpu.gpr[RCX], 0);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rep_movs_as_one_by_one),
		TEST(rep_stos_as_one_by_one),
		TEST(scas_as_native),
		TEST(cmps_as_native),
		TEST(single_iterations),
		TEST(count_of_zero_does_nothing),
		TEST(repeated_lods_keeps_the_last),
		TEST(source_segment_and_fixed_destination),
		TEST(sixteen_bit_indices_wrap),
		TEST(sixteen_bit_indices_wrap_in_large_segments),
		TEST(element_across_the_limit_faults),
		TEST(thirty_two_bit_addressing_zero_extends),
		TEST(segment_limit_in_the_middle_of_a_page),
		TEST(fault_in_the_middle_keeps_progress),
		TEST(source_faults_before_destination),
		TEST(stores_to_mmio_exit_once_per_element),
		TEST(movs_from_mmio_to_mmio),
		TEST(long_runs_of_device_reads),
		TEST(looks_up_for_requests),
		TEST(single_step_after_each_iteration),
		TEST(breakpoint_stops_a_repeated_store),
		TEST(stores_to_the_code_page_end_the_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
