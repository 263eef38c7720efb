/* SPDX-License-Identifier: MIT */
/* Port I/O end to end (api.rst, KVM_EXIT_IO, immediate_exit). */
#include "guest.h"

GUEST_BLOB(pio_in);
GUEST_BLOB(pio_out);
GUEST_BLOB(pio_ins);
GUEST_BLOB(pio_outs);

#define START(name) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE)

static void assert_io(struct guest *g, u8 direction, u8 size, u16 port, u32 count)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.direction, direction);
	assert_int_equal(g->run[0]->io.size, size);
	assert_int_equal(g->run[0]->io.port, port);
	assert_int_equal(g->run[0]->io.count, count);
	assert_int_equal(g->run[0]->io.data_offset, PG);
}

static void set_string(struct guest *g, u64 addr, u64 count)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rdi = r.rsi = addr;
	r.rcx = count;
	r.rdx = 0x200;
	guest_set_regs(g, 0, &r);
}

/* Sizes 1 and 2 merge, 4 clears the upper half; RIP waits for completion. */
static void in_merges_by_size(void **state)
{
	START(pio_in);
	u64 ip;

	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x123, 1);
	ip = guest_rip(&g, 0);
	memcpy(guest_pio(&g, 0), "\x11", 1);
	assert_io(&g, KVM_EXIT_IO_IN, 2, 0x123, 1);
	assert_int_equal(guest_rip(&g, 0), ip + 1);
	assert_int_equal(guest_rax(&g, 0), 0xffffffffffffff11);
	memcpy(guest_pio(&g, 0), "\x22\x33", 2);
	assert_io(&g, KVM_EXIT_IO_IN, 4, 0x123, 1);
	assert_int_equal(guest_rax(&g, 0), 0xffffffffffff3322);
	memcpy(guest_pio(&g, 0), "\x44\x55\x66\x77", 4);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&g, 0), 0x77665544);
	guest_destroy(&g);
}

static void out_has_its_data(void **state)
{
	START(pio_out);

	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x80, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44", 1);
	assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x80, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44\x33", 2);
	assert_io(&g, KVM_EXIT_IO_OUT, 4, 0x321, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44\x33\x22\x11", 4);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

/* RIP changed by userspace cancels what waits. */
static void moved_rip_cancels(void **state)
{
	START(pio_in);
	struct kvm_regs r;

	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x123, 1);
	guest_regs(&g, 0, &r);
	r.rip += 6;		/* at the HLT: in, in (66), in */
	while (g.mem[r.rip] != 0xf4)
		r.rip--;
	r.rax = 7;
	guest_set_regs(&g, 0, &r);
	memcpy(guest_pio(&g, 0), "\xab", 1);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&g, 0), 7);
	guest_destroy(&g);
}

static void ins_is_batched(void **state)
{
	START(pio_ins);
	struct kvm_regs r;

	set_string(&g, GUEST_DATA, 1500);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 1024);
	memset(guest_pio(&g, 0), 0x5a, 1024);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 476);
	memset(guest_pio(&g, 0), 0xa5, 476);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	for (int i = 0; i < 1500; i++)
		assert_int_equal(g.mem[GUEST_DATA + i], i < 1024 ? 0x5a : 0xa5);
	assert_int_equal(g.mem[GUEST_DATA + 1500], 0);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 0);
	assert_int_equal(r.rdi, GUEST_DATA + 1500);
	guest_destroy(&g);
}

/* kvm selftest userspace_io_test: the new RCX counts. */
static void ins_honours_edited_rcx(void **state)
{
	START(pio_ins);
	struct kvm_regs r;

	set_string(&g, GUEST_DATA, 100);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 100);
	memset(guest_pio(&g, 0), 0x5a, 100);
	guest_regs(&g, 0, &r);
	r.rcx = 3;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 0);
	assert_int_equal(r.rdi, GUEST_DATA + 3);
	assert_int_equal(g.mem[GUEST_DATA + 3], 0);
	guest_destroy(&g);
}

/* The destination itself is MMIO: each element is stored once. */
static void ins_into_mmio(void **state)
{
	START(pio_ins);

	set_string(&g, GUEST_MMIO, 3);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 3);
	memcpy(guest_pio(&g, 0), "abc", 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
		assert_true(g.run[0]->mmio.is_write);
		assert_int_equal(g.run[0]->mmio.phys_addr, GUEST_MMIO + i);
		assert_int_equal(g.run[0]->mmio.len, 1);
		assert_int_equal(g.run[0]->mmio.data[0], 'a' + i);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

static void outs_exits_once_per_element(void **state)
{
	START(pio_outs);
	struct kvm_regs r;

	memcpy(g.mem + GUEST_DATA, "aabbcc", 6);
	set_string(&g, GUEST_DATA, 3);
	for (int i = 0; i < 3; i++) {
		assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x200, 1);
		assert_memory_equal(guest_pio(&g, 0), g.mem + GUEST_DATA + 2 * i, 2);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rcx, 2 - i);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

/* Source in MMIO: read, then the port exit. */
static void outs_from_mmio(void **state)
{
	START(pio_outs);

	set_string(&g, GUEST_MMIO, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
		assert_int_equal(g.run[0]->mmio.phys_addr, GUEST_MMIO + 2 * i);
		assert_int_equal(g.run[0]->mmio.len, 2);
		memcpy(g.run[0]->mmio.data, i ? "zw" : "xy", 2);
		assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x200, 1);
		assert_memory_equal(guest_pio(&g, 0), i ? "zw" : "xy", 2);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_merges_by_size),
		cmocka_unit_test(out_has_its_data),
		cmocka_unit_test(moved_rip_cancels),
		cmocka_unit_test(ins_is_batched),
		cmocka_unit_test(ins_honours_edited_rcx),
		cmocka_unit_test(ins_into_mmio),
		cmocka_unit_test(outs_exits_once_per_element),
		cmocka_unit_test(outs_from_mmio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
