/* SPDX-License-Identifier: MIT */
/* MMIO end to end: sizes, fragments, read-modify-write, read-only slots. */
#include "guest.h"

GUEST_BLOB(mmio_reads);
GUEST_BLOB(mmio_writes);
GUEST_BLOB(mmio_far_jump);
GUEST_BLOB(mmio_push);
GUEST_BLOB(mmio_movs);
GUEST_BLOB(mmio_fxsave);
GUEST_BLOB(mmio_xsave);
GUEST_BLOB(mmio_interrupted);
GUEST_BLOB(mmio_handler);

static void set_rbx(struct guest *g, u64 rbx)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rbx = rbx;
	guest_set_regs(g, 0, &r);
}

#define START(name, rbx) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE); set_rbx(&g, rbx)

static void assert_hlt(struct guest *g, struct kvm_regs *r)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	guest_regs(g, 0, r);
}

static void reads_of_all_sizes(void **state)
{
	START(mmio_reads, GUEST_MMIO);
	struct kvm_regs r;

	assert_mmio_read(&g, GUEST_MMIO, 1, "\x11");
	assert_mmio_read(&g, GUEST_MMIO + 2, 2, "\x22\x33");
	assert_mmio_read(&g, GUEST_MMIO + 4, 4, "abcd");
	assert_mmio_read(&g, GUEST_MMIO + 8, 8, "ABCDEFGH");
	assert_hlt(&g, &r);
	assert_int_equal(r.rax, 0xffffffffffffff11);
	assert_int_equal(r.rcx & 0xffff, 0x3322);
	assert_int_equal(r.rdx, 0x64636261);
	assert_int_equal(r.rsi, 0x4847464544434241);
	guest_destroy(&g);
}

static void writes_of_all_sizes(void **state)
{
	const u64 v = 0x1122334455667788;
	START(mmio_writes, GUEST_MMIO + 3);
	struct kvm_regs r;

	for (u32 n = 1; n <= 8; n *= 2)
		assert_mmio_write(&g, GUEST_MMIO + 3, n, &v);
	assert_hlt(&g, &r);
	guest_destroy(&g);
}

/* KVM's emulator takes 80 bits, also where the processor takes 48 (AMD). */
static void far_pointer_with_rex_w(void **state)
{
	START(mmio_far_jump, GUEST_MMIO);
	const u64 target = GUEST_CODE + 4;
	struct kvm_sregs s;
	struct kvm_regs r;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	assert_mmio_read(&g, GUEST_MMIO, 8, &target);
	assert_mmio_read(&g, GUEST_MMIO + 8, 2, &s.cs.selector);
	assert_hlt(&g, &r);
	assert_int_equal(r.rip, target + 1);
	guest_destroy(&g);
}

static void immediate_exit_completes_read(void **state)
{
	START(mmio_reads, GUEST_MMIO);
	u64 ip;

	assert_mmio_read(&g, GUEST_MMIO, 1, "\x77");
	ip = guest_rip(&g, 0);
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_MMIO);
	assert_true(guest_rip(&g, 0) > ip);
	assert_int_equal(guest_rax(&g, 0), 0xffffffffffffff77);
	g.run[0]->immediate_exit = 0;
	assert_mmio_read(&g, GUEST_MMIO + 2, 2, "\x22\x33");
	guest_destroy(&g);
}

static void stack_in_mmio(void **state)
{
	START(mmio_push, GUEST_MMIO + 8);
	struct kvm_regs r;

	assert_mmio_write(&g, GUEST_MMIO, 8, "\xef\xcd\xab\0\0\0\0\0");
	assert_mmio_read(&g, GUEST_MMIO, 8, "\1\2\3\4\5\6\7\x8");
	assert_hlt(&g, &r);
	assert_int_equal(r.rcx, 0x0807060504030201);
	assert_int_equal(r.rsp, GUEST_MMIO + 8);
	guest_destroy(&g);
}

static void string_into_mmio(void **state)
{
	START(mmio_movs, GUEST_MMIO);
	struct kvm_regs r;

	memcpy(g.mem + GUEST_DATA, "abcdEFGH", 8);
	assert_mmio_write(&g, GUEST_MMIO, 4, "abcd");
	assert_mmio_write(&g, GUEST_MMIO + 4, 4, "EFGH");
	assert_hlt(&g, &r);
	assert_int_equal(r.rcx, 0);
	guest_destroy(&g);
}

/* A KiB of memory that the VMM plays; returns how many exits it took. */
static u32 play_memory(struct guest *g)
{
	struct kvm_run *run = g->run[0];
	u32 exits = 0;
	u8 mem[1024] = { 0 };

	while (guest_run(g, 0) == KVM_EXIT_MMIO) {
		u64 at = run->mmio.phys_addr - GUEST_MMIO;

		assert_true(run->mmio.len <= 8 && at + run->mmio.len <= sizeof(mem));
		if (run->mmio.is_write)
			memcpy(mem + at, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, mem + at, run->mmio.len);
		exits++;
	}
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	return exits;
}

static void fxsave_and_fxrstor(void **state)
{
	START(mmio_fxsave, GUEST_MMIO);

	assert_in_range(play_memory(&g), 416 / 8 * 2, 512 / 8 * 2);
	assert_int_equal(*guest_word(&g, GUEST_DATA + 400), 0x0123456789abcdef);
	assert_memory_equal(g.mem + GUEST_DATA, g.mem + GUEST_DATA + 0x1000, 512);
	guest_destroy(&g);
}

/* The widest of all: legacy region, header and the upper halves of YMM. */
static void xsave_and_xrstor(void **state)
{
	START(mmio_xsave, GUEST_MMIO);

	if (!__builtin_cpu_supports("avx")) {
		guest_destroy(&g);
		skip();
	}
	assert_in_range(play_memory(&g), 832 / 8, 832 / 8 * 2 + 2);
	assert_int_equal(*guest_word(&g, GUEST_DATA + 576 + 248), ~0ull);
	assert_memory_equal(g.mem + GUEST_DATA, g.mem + GUEST_DATA + 0x1000, 832);
	guest_destroy(&g);
}

static void interrupt_now(struct guest *g)
{
	struct kvm_interrupt irq = { .irq = 0x30 };

	assert_true(g->run[0]->ready_for_interrupt_injection);
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_INTERRUPT, &irq));
}

/* Userspace's interrupt comes after the instruction whose MMIO it has done. */
static void interrupt_waits_for_the_instruction(void **state)
{
	START(mmio_interrupted, GUEST_MMIO);
	struct kvm_regs r;

	guest_load(&g, 0x20000, mmio_handler);
	guest_gate(&g, 0x30, 0x20000);
	assert_mmio_write(&g, GUEST_MMIO, 4, "\0\0\0\0");
	interrupt_now(&g);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	assert_mmio_read(&g, GUEST_MMIO + 4, 4, "abcd");
	interrupt_now(&g);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 0x64636261);
	assert_hlt(&g, &r);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_of_all_sizes),
		cmocka_unit_test(writes_of_all_sizes),
		cmocka_unit_test(far_pointer_with_rex_w),
		cmocka_unit_test(immediate_exit_completes_read),
		cmocka_unit_test(stack_in_mmio),
		cmocka_unit_test(string_into_mmio),
		cmocka_unit_test(fxsave_and_fxrstor),
		cmocka_unit_test(xsave_and_xrstor),
		cmocka_unit_test(interrupt_waits_for_the_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
