/* SPDX-License-Identifier: MIT */
/* MMIO end to end: sizes, fragments, read-modify-write, read-only slots. */
#include "guest.h"

GUEST_BLOB(mmio_reads);
GUEST_BLOB(mmio_writes);
GUEST_BLOB(mmio_load);
GUEST_BLOB(mmio_store);
GUEST_BLOB(mmio_sse);
GUEST_BLOB(mmio_rmw);
GUEST_BLOB(mmio_push);
GUEST_BLOB(mmio_movs);
GUEST_BLOB(mmio_jump);

static void set_rbx(struct guest *g, u64 rbx)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rbx = rbx;
	guest_set_regs(g, 0, &r);
}

#define START(name, rbx) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE); set_rbx(&g, rbx)

static void assert_read(struct guest *g, u64 addr, u32 len, const void *answer)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_MMIO);
	assert_false(g->run[0]->mmio.is_write);
	assert_int_equal(g->run[0]->mmio.phys_addr, addr);
	assert_int_equal(g->run[0]->mmio.len, len);
	memcpy(g->run[0]->mmio.data, answer, len);
}

static void assert_write(struct guest *g, u64 addr, u32 len, const void *data)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_MMIO);
	assert_true(g->run[0]->mmio.is_write);
	assert_int_equal(g->run[0]->mmio.phys_addr, addr);
	assert_int_equal(g->run[0]->mmio.len, len);
	assert_memory_equal(g->run[0]->mmio.data, data, len);
}

static void assert_hlt(struct guest *g, struct kvm_regs *r)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	guest_regs(g, 0, r);
}

static void reads_of_all_sizes(void **state)
{
	START(mmio_reads, GUEST_MMIO);
	struct kvm_regs r;

	assert_read(&g, GUEST_MMIO, 1, "\x11");
	assert_read(&g, GUEST_MMIO + 2, 2, "\x22\x33");
	assert_read(&g, GUEST_MMIO + 4, 4, "abcd");
	assert_read(&g, GUEST_MMIO + 8, 8, "ABCDEFGH");
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
		assert_write(&g, GUEST_MMIO + 3, n, &v);
	assert_hlt(&g, &r);
	guest_destroy(&g);
}

static void immediate_exit_completes_read(void **state)
{
	START(mmio_reads, GUEST_MMIO);
	u64 ip;

	assert_read(&g, GUEST_MMIO, 1, "\x77");
	ip = guest_rip(&g, 0);
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_MMIO);
	assert_true(guest_rip(&g, 0) > ip);
	assert_int_equal(guest_rax(&g, 0), 0xffffffffffffff77);
	g.run[0]->immediate_exit = 0;
	assert_read(&g, GUEST_MMIO + 2, 2, "\x22\x33");
	guest_destroy(&g);
}

/* RAM up to the end of its page, MMIO from the next: 3 + 5 bytes. */
static void crossing_from_ram(void **state)
{
	struct kvm_regs r;
	START(mmio_load, GUEST_RAM - 3);

	memcpy(g.mem + GUEST_RAM - 3, "abc", 3);
	assert_read(&g, GUEST_RAM, 5, "DEFGH");
	assert_hlt(&g, &r);
	assert_memory_equal(&r.rax, "abcDEFGH", 8);

	guest_load(&g, GUEST_CODE, mmio_store);
	guest_long(&g, 0, GUEST_CODE);
	set_rbx(&g, GUEST_RAM - 3);
	assert_write(&g, GUEST_RAM, 5, "\x55\x44\x33\x22\x11");
	assert_hlt(&g, &r);
	assert_memory_equal(g.mem + GUEST_RAM - 3, "\x88\x77\x66", 3);
	guest_destroy(&g);
}

static void sse_comes_in_fragments(void **state)
{
	START(mmio_sse, GUEST_MMIO);
	struct kvm_regs r;

	assert_read(&g, GUEST_MMIO, 8, "01234567");
	assert_read(&g, GUEST_MMIO + 8, 8, "89abcdef");
	assert_write(&g, GUEST_MMIO + 32, 8, "01234567");
	assert_write(&g, GUEST_MMIO + 40, 8, "89abcdef");
	assert_hlt(&g, &r);
	guest_destroy(&g);
}

static void rmw_reads_then_writes(void **state)
{
	START(mmio_rmw, GUEST_MMIO);
	struct kvm_regs r;

	assert_read(&g, GUEST_MMIO, 4, "\x01\0\0\0");
	assert_write(&g, GUEST_MMIO, 4, "\x06\0\0\0");
	assert_read(&g, GUEST_MMIO, 4, "\x09\0\0\0");
	assert_write(&g, GUEST_MMIO, 4, "\x07\0\0\0");
	assert_hlt(&g, &r);
	assert_int_equal(r.rax, 9);
	guest_destroy(&g);
}

static void stack_in_mmio(void **state)
{
	START(mmio_push, GUEST_MMIO + 8);
	struct kvm_regs r;

	assert_write(&g, GUEST_MMIO, 8, "\xef\xcd\xab\0\0\0\0\0");
	assert_read(&g, GUEST_MMIO, 8, "\1\2\3\4\5\6\7\x8");
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
	assert_write(&g, GUEST_MMIO, 4, "abcd");
	assert_write(&g, GUEST_MMIO + 4, 4, "EFGH");
	assert_hlt(&g, &r);
	assert_int_equal(r.rcx, 0);
	guest_destroy(&g);
}

static void readonly_slot(void **state)
{
	u8 *rom = guest_ram(PG);
	struct kvm_regs r;
	START(mmio_load, GUEST_MMIO);

	memcpy(rom, "rom data", 8);
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, PG, rom));
	assert_hlt(&g, &r);
	assert_memory_equal(&r.rax, "rom data", 8);

	guest_load(&g, GUEST_CODE, mmio_rmw);
	guest_long(&g, 0, GUEST_CODE);
	set_rbx(&g, GUEST_MMIO);
	assert_write(&g, GUEST_MMIO, 4, "wom ");
	assert_write(&g, GUEST_MMIO, 4, "\x07\0\0\0");
	assert_hlt(&g, &r);
	assert_int_equal(r.rax, 0x206d6f72);
	assert_memory_equal(rom, "rom data", 8);
	guest_destroy(&g);
	munmap(rom, PG);
}

/* Code runs from a read-only slot, and nowhere without memory. */
static void fetch(void **state)
{
	struct kvm_enable_cap no_ud = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 },
	};
	u8 *rom = guest_ram(PG);
	struct kvm_regs r;
	START(mmio_jump, GUEST_MMIO);

	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &no_ud));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(g.run[0]->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	assert_int_equal(guest_rip(&g, 0), GUEST_MMIO);
	/* Nothing is lost: with memory it goes on. */
	rom[0] = 0xf4;
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, PG, rom));
	assert_hlt(&g, &r);
	assert_int_equal(r.rip, GUEST_MMIO + 1);
	guest_destroy(&g);
	munmap(rom, PG);
}

static void fresh_vcpu_without_memory(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *run = map_run(vcpu);

	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	munmap(run, 3 * PG);
	close(vcpu);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_of_all_sizes),
		cmocka_unit_test(writes_of_all_sizes),
		cmocka_unit_test(immediate_exit_completes_read),
		cmocka_unit_test(crossing_from_ram),
		cmocka_unit_test(sse_comes_in_fragments),
		cmocka_unit_test(rmw_reads_then_writes),
		cmocka_unit_test(stack_in_mmio),
		cmocka_unit_test(string_into_mmio),
		cmocka_unit_test(readonly_slot),
		cmocka_unit_test(fetch),
		cmocka_unit_test(fresh_vcpu_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
