/* SPDX-License-Identifier: MIT */
/* Port I/O end to end (api.rst, KVM_EXIT_IO, immediate_exit). */
#include "guest.h"

GUEST_BLOB(pio_in);
GUEST_BLOB(pio_ins);
GUEST_BLOB(pio_outs);

#define START(name) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE)

static void set_string(struct guest *g, u64 addr, u64 count)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rdi = r.rsi = addr;
	r.rcx = count;
	r.rdx = 0x200;
	guest_set_regs(g, 0, &r);
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
		cmocka_unit_test(moved_rip_cancels),
		cmocka_unit_test(ins_into_mmio),
		cmocka_unit_test(outs_from_mmio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
