/* SPDX-License-Identifier: MIT */
/* Port I/O: permission, KVM_EXIT_IO and its completion. */
#include "machine.h"

#include "x86/interp/ops.h"

#define RW	(P | W | U)
#define RIP	0x300000ull

static struct insn insn(u8 size, u8 len)
{
	return (struct insn){ .src_size = size, .osz = size, .asz = 8, .len = len, .seg = DS,
			      .rm = GPR_OFF(RDX) };
}

static enum step run(op_fn op, const struct insn *in)
{
	m->cpu.insn = in;
	return op(&m->cpu, in);
}

static void assert_io_exit(u8 direction, u8 size, u16 port, u32 count)
{
	assert_int_equal(m->run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(m->run->io.direction, direction);
	assert_int_equal(m->run->io.size, size);
	assert_int_equal(m->run->io.port, port);
	assert_int_equal(m->run->io.count, count);
	assert_int_equal(m->run->io.data_offset, PAGE_SIZE);
}

static u8 *pio_data(void)
{
	return (u8 *)m->run + PAGE_SIZE;
}

/* -- IN and OUT ------------------------------------------------------------------------ */

static void in_takes_its_data_at_the_next_run(void **state)
{
	static const struct { u8 size; u64 rax; } rows[] = {
		{ 1, 0xffffffffffffff44 }, { 2, 0xffffffffffff3344 }, { 4, 0x11223344 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct insn in = insn(rows[i].size, 1);

		m->cpu.rip = RIP;
		m->cpu.gpr[RAX] = ~0ull;
		m->cpu.gpr[RDX] = 0xabcd03f8;
		assert_int_equal(run(op_in, &in), STEP_EXIT);
		assert_io_exit(KVM_EXIT_IO_IN, rows[i].size, 0x3f8, 1);
		assert_int_equal(m->cpu.rip, RIP);
		assert_int_equal(m->cpu.gpr[RAX], ~0ull);
		memcpy(pio_data(), "\x44\x33\x22\x11", 4);
		assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
		assert_int_equal(m->cpu.rip, RIP + 1);
		assert_int_equal(m->cpu.gpr[RAX], rows[i].rax);
		assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);
	}
}

static void port_may_be_immediate(void **state)
{
	struct insn in = insn(1, 2);

	in.rm = GPR_OFF_NONE;
	in.imm = (u64)(s64)(s8)0x80;	/* sign-extended by the decoder */
	assert_int_equal(run(op_in, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_IN, 1, 0x80, 1);
}

static void out_stays_until_the_next_run(void **state)
{
	struct insn in = insn(2, 2);

	m->cpu.rip = RIP;
	m->cpu.gpr[RDX] = 0x1f0;
	m->cpu.gpr[RAX] = 0xffff1234;
	assert_int_equal(run(op_out, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_OUT, 2, 0x1f0, 1);
	assert_memory_equal(pio_data(), "\x34\x12", 2);
	assert_int_equal(m->cpu.rip, RIP);
	assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
	assert_int_equal(m->cpu.rip, RIP + 2);
}

/* KVM: KVM_SET_REGS may redirect or cancel. */
static void moved_rip_cancels(void **state)
{
	struct insn in = insn(1, 1);

	m->cpu.rip = RIP;
	m->cpu.gpr[RDX] = 0x1f0;
	run(op_out, &in);
	m->cpu.rip = RIP + 100;
	assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);
	assert_int_equal(m->cpu.rip, RIP + 100);
	assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);

	m->cpu.rip = RIP;
	m->cpu.gpr[RAX] = 5;
	run(op_in, &in);
	m->cpu.rip = RIP + 100;
	memset(pio_data(), 0xee, 8);
	assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RAX], 5);
}

static void port_7e_advances_before_the_exit(void **state)
{
	struct insn in = insn(1, 2);

	m->cpu.gpr[RDX] = 0x7e;
	assert_int_equal(run(op_out, &in), STEP_EXIT_DONE);
	assert_io_exit(KVM_EXIT_IO_OUT, 1, 0x7e, 1);
	assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);
	m->arch.disabled_quirks = KVM_X86_QUIRK_OUT_7E_INC_RIP;
	assert_int_equal(run(op_out, &in), STEP_EXIT);
}

static void instruction_pointer_wraps_at_its_width(void **state)
{
	struct insn in = insn(1, 2);

	mode_real();
	m->cpu.rip = 0xffff;
	assert_int_equal(run(op_out, &in), STEP_EXIT);
	assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
	assert_int_equal(m->cpu.rip, 1);
}

static void completion_ends_the_interrupt_shadow(void **state)
{
	struct insn in = insn(1, 1);

	m->cpu.ev.shadow = KVM_X86_SHADOW_INT_STI;
	run(op_in, &in);
	pio_complete(&m->cpu);
	assert_int_equal(m->cpu.ev.shadow, 0);
}

static void devices_in_the_engine_do_not_exit(void **state)
{
	struct insn in = insn(1, 1);

	m->cpu.gpr[RDX] = DEVICE_PORT;
	m->cpu.gpr[RAX] = 0x1177;
	assert_int_equal(run(op_out, &in), STEP_NEXT);
	assert_int_equal(m->device_value, 0x77);
	assert_int_equal(run(op_in, &in), STEP_NEXT);
	assert_int_equal(m->cpu.gpr[RAX], 0x1177);
	m->doorbell = 0x510;
	m->cpu.gpr[RDX] = 0x510;
	assert_int_equal(run(op_out, &in), STEP_NEXT);
	assert_int_equal(m->doorbell_value, 0x77);
}

/* -- INS and OUTS ------------------------------------------------------------------------ */

static void rep_ins_is_a_batch(void **state)
{
	struct insn in = insn(2, 2);

	in.flags = INSN_REP;
	m->cpu.rip = RIP;
	m->cpu.gpr[RDX] = 0x1f0;
	m->cpu.gpr[RCX] = 700;
	m->cpu.gpr[RDI] = 0x5000;
	assert_int_equal(run(op_ins, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_IN, 2, 0x1f0, 512);
	assert_int_equal(m->cpu.gpr[RCX], 700);
	for (u32 i = 0; i < 1024; i++)
		pio_data()[i] = (u8)(i * 7);
	assert_int_equal(pio_complete(&m->cpu), STEP_AGAIN);
	assert_int_equal(m->cpu.gpr[RCX], 188);
	assert_int_equal(m->cpu.gpr[RDI], 0x5400);
	assert_int_equal(m->cpu.rip, RIP);
	assert_memory_equal(m->ram + 0x5000, pio_data(), 1024);

	assert_int_equal(run(op_ins, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_IN, 2, 0x1f0, 188);
	assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
	assert_int_equal(m->cpu.gpr[RCX], 0);
	assert_int_equal(m->cpu.rip, RIP + 2);
}

/* As many elements as the page has bytes, if the next page can take them. */
static void ins_batch_ends_with_the_page(void **state)
{
	struct insn in = insn(4, 2);

	in.flags = INSN_REP;
	m->cpu.gpr[RCX] = 100;
	m->cpu.gpr[RDI] = 0x5fee;
	assert_int_equal(run(op_ins, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_IN, 4, 0, 18);
	assert_int_equal(pio_complete(&m->cpu), STEP_AGAIN);
	assert_int_equal(m->cpu.gpr[RDI], 0x5fee + 72);

	window_map(0, 0x5000 | RW);
	m->cpu.gpr[RDI] = WINDOW(0) + 0xfee;
	assert_int_equal(run(op_ins, &in), STEP_EXIT);
	assert_io_exit(KVM_EXIT_IO_IN, 4, 0, 4);
	assert_int_equal(pio_complete(&m->cpu), STEP_AGAIN);
	/* Before the device is asked for what cannot be stored. */
	assert_page_fault(run(op_ins, &in), WINDOW(1), PF_W);
}

/* KVM: rCX is read again, so that user edits count. */
static void ins_honours_an_edited_count(void **state)
{
	struct insn in = insn(1, 2);

	in.flags = INSN_REP;
	m->cpu.rip = RIP;
	m->cpu.gpr[RCX] = 8;
	m->cpu.gpr[RDI] = 0x5000;
	run(op_ins, &in);
	memset(pio_data(), 0x11, 8);
	m->cpu.gpr[RCX] = 3;
	assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
	assert_int_equal(m->cpu.gpr[RDI], 0x5003);
	assert_int_equal(m->ram[0x5002], 0x11);
	assert_int_equal(m->ram[0x5003], 0);
}

static void ins_checks_its_destination_first(void **state)
{
	struct insn in = insn(1, 1);

	m->cpu.gpr[RDI] = WINDOW(0);
	assert_page_fault(run(op_ins, &in), WINDOW(0), PF_W);
	assert_false(m->cpu.pio.waiting);
}

static void ins_to_mmio(void **state)
{
	struct insn in = insn(1, 2);

	window_map(0, MMIO_GPA | RW);
	in.flags = INSN_REP;
	m->cpu.rip = RIP;
	m->cpu.gpr[RCX] = 2;
	m->cpu.gpr[RDI] = WINDOW(0);
	assert_int_equal(run(op_ins, &in), STEP_EXIT);
	memcpy(pio_data(), "ab", 2);
	for (u32 i = 0; i < 2; i++) {
		assert_mmio_exit(pio_complete(&m->cpu), MMIO_GPA + i, 1, true);
		assert_int_equal(m->run->mmio.data[0], 'a' + i);
		complete_mmio(0);
	}
	assert_int_equal(pio_complete(&m->cpu), STEP_JUMP);
	assert_int_equal(m->cpu.gpr[RCX], 0);
	assert_int_equal(m->cpu.rip, RIP + 2);
}

static void ins_from_a_device_in_the_engine(void **state)
{
	struct insn in = insn(1, 2);

	in.flags = INSN_REP;
	m->cpu.gpr[RDX] = DEVICE_PORT;
	m->cpu.gpr[RCX] = 2;
	m->cpu.gpr[RDI] = 0x5000;
	m->device_value = 8;
	assert_int_equal(run(op_ins, &in), STEP_AGAIN);
	assert_int_equal(run(op_ins, &in), STEP_NEXT);
	assert_memory_equal(m->ram + 0x5000, "\x08\x09", 2);
}

static void rep_outs_exits_once_per_element(void **state)
{
	struct insn in = insn(2, 2);

	in.flags = INSN_REP;
	m->cpu.rip = RIP;
	m->cpu.gpr[RDX] = 0x1f0;
	m->cpu.gpr[RCX] = 2;
	m->cpu.gpr[RSI] = 0x5000;
	memcpy(m->ram + 0x5000, "abcd", 4);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(run(op_outs, &in), i ? STEP_EXIT : STEP_EXIT_AGAIN);
		assert_io_exit(KVM_EXIT_IO_OUT, 2, 0x1f0, 1);
		assert_memory_equal(pio_data(), "abcd" + i * 2, 2);
		assert_int_equal(m->cpu.gpr[RCX], 1 - i);
		assert_int_equal(m->cpu.gpr[RSI], 0x5002 + i * 2);
		assert_int_equal(pio_complete(&m->cpu), STEP_NEXT);
	}
	assert_int_equal(run(op_outs, &in), STEP_NEXT);
}

static void outs_downwards(void **state)
{
	struct insn in = insn(4, 1);

	m->cpu.rflags |= X86_EFLAGS_DF;
	m->cpu.gpr[RSI] = 0x5000;
	assert_int_equal(run(op_outs, &in), STEP_EXIT_DONE);
	assert_int_equal(m->cpu.gpr[RSI], 0x4ffc);
}

/* -- Permission ------------------------------------------------------------------------------ */

enum { TSS = 0x7000, MAP = 0x88 };

static void set_tss(u32 limit)
{
	m->cpu.seg[TR] = (struct segment){ .base = TSS, .limit = limit,
					   .attr = SEG_ATTR_P | 11, .selector = 8 };
	m->ram[TSS + 102] = MAP;
	memset(m->ram + TSS + MAP, 0xff, 0x100);
	m->cpu.cpl = 3;
	mode_changed();
}

static void allow(u16 port)
{
	m->ram[TSS + MAP + port / 8] &= ~(1 << port % 8);
}

static void privilege_level_decides(void **state)
{
	m->cpu.cpl = 1;
	assert_exception(cpu_check_io(&m->cpu, 0x80, 1), EXC_GP, 0);
	m->cpu.rflags |= 1 << 12;
	assert_int_equal(cpu_check_io(&m->cpu, 0x80, 1), STEP_NEXT);
	m->cpu.cpl = 3;
	m->cpu.cr0 &= ~X86_CR0_PE;
	assert_int_equal(cpu_check_io(&m->cpu, 0x80, 1), STEP_NEXT);
}

static void map_decides(void **state)
{
	set_tss(MAP + 0x100);
	assert_exception(cpu_check_io(&m->cpu, 0x3f8, 1), EXC_GP, 0);
	allow(0x3f8);
	assert_int_equal(cpu_check_io(&m->cpu, 0x3f8, 1), STEP_NEXT);
	assert_exception(cpu_check_io(&m->cpu, 0x3f8, 2), EXC_GP, 0);
	allow(0x3f7);
	allow(0x3f9);
	allow(0x3fa);
	assert_int_equal(cpu_check_io(&m->cpu, 0x3f7, 4), STEP_NEXT);
}

static void map_ends_with_the_tss(void **state)
{
	set_tss(MAP + 0x80);
	allow(0x3f8);
	allow(0x400);
	assert_int_equal(cpu_check_io(&m->cpu, 0x3f8, 1), STEP_NEXT);
	assert_exception(cpu_check_io(&m->cpu, 0x400, 1), EXC_GP, 0);
	m->cpu.seg[TR].limit = 102;
	assert_exception(cpu_check_io(&m->cpu, 0x3f8, 1), EXC_GP, 0);
	m->cpu.seg[TR].limit = MAP + 0x80;
	m->cpu.seg[TR].attr = SEG_ATTR_P | 3;	/* 16-bit TSS: no map */
	assert_exception(cpu_check_io(&m->cpu, 0x3f8, 1), EXC_GP, 0);
}

static void vm86_always_asks_the_map(void **state)
{
	set_tss(MAP + 0x100);
	m->cpu.rflags |= X86_EFLAGS_VM | X86_EFLAGS_IOPL;
	assert_exception(cpu_check_io(&m->cpu, 0x70, 1), EXC_GP, 0);
	allow(0x70);
	assert_int_equal(cpu_check_io(&m->cpu, 0x70, 1), STEP_NEXT);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_takes_its_data_at_the_next_run),
		TEST(port_may_be_immediate),
		TEST(out_stays_until_the_next_run),
		TEST(moved_rip_cancels),
		TEST(port_7e_advances_before_the_exit),
		TEST(instruction_pointer_wraps_at_its_width),
		TEST(completion_ends_the_interrupt_shadow),
		TEST(devices_in_the_engine_do_not_exit),
		TEST(rep_ins_is_a_batch),
		TEST(ins_batch_ends_with_the_page),
		TEST(ins_honours_an_edited_count),
		TEST(ins_checks_its_destination_first),
		TEST(ins_to_mmio),
		TEST(ins_from_a_device_in_the_engine),
		TEST(rep_outs_exits_once_per_element),
		TEST(outs_downwards),
		TEST(privilege_level_decides),
		TEST(map_decides),
		TEST(map_ends_with_the_tss),
		TEST(vm86_always_asks_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
