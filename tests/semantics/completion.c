/* SPDX-License-Identifier: MIT */
#define SEMANTICS "completion.def"
#include "semantics.h"

GUEST_BLOB(in_then_read);
GUEST_BLOB(out_then_mark);
GUEST_BLOB(outs);
GUEST_BLOB(out_7e);
GUEST_BLOB(pio_in);
GUEST_BLOB(pio_out);
GUEST_BLOB(pio_outs);
GUEST_BLOB(rep_insb);
GUEST_BLOB(rep_insw);
GUEST_BLOB(rep_insw_down);
GUEST_BLOB(wide);
GUEST_BLOB(eight);
GUEST_BLOB(rmw);

static void start(struct guest *g, const u8 *code, const u8 *end)
{
	guest_create(g, GUEST_PLAIN, 1);
	memcpy(g->mem + GUEST_CODE, code, end - code);
	guest_long(g, 0, GUEST_CODE);
}

#define START(name) struct guest g; start(&g, guest_##name, guest_##name##_end)

/* RBX, RCX, RDX = 0x200, RDI = RSI. */
static void set_regs(struct guest *g, u64 rbx, u64 rcx, u64 rdi)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rbx = rbx;
	r.rcx = rcx;
	r.rdx = 0x200;
	r.rdi = r.rsi = rdi;
	guest_set_regs(g, 0, &r);
}

static void assert_ends(struct guest *g, struct kvm_regs *r)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	guest_regs(g, 0, r);
	guest_destroy(g);
}

/* Completes what waits, and no more. */
static void flush(struct guest *g)
{
	g->run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(g, 0), -EINTR);
	g->run[0]->immediate_exit = 0;
}

/* -- 27 ------------------------------------------------------------------------ */

static void answers_are_taken_by_the_next_run(void **state)
{
	struct kvm_regs before, r;

	needs_guest();
	START(in_then_read);
	set_regs(&g, GUEST_MMIO, 0x1111, 0);
	guest_regs(&g, 0, &before);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x10, 1);
	*guest_pio(&g, 0) = 1;
	guest_regs(&g, 0, &r);
	assert_memory_equal(&r, &before, sizeof(r));
	*guest_pio(&g, 0) = 2;		/* the last word counts */
	flush(&g);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 2);
	assert_int_equal(r.rax, 2);

	before = r;
	assert_mmio_read(&g, GUEST_MMIO, 4, "abcd");
	guest_regs(&g, 0, &r);
	assert_memory_equal(&r, &before, sizeof(r));
	memcpy(g.run[0]->mmio.data, "ABCD", 4);
	flush(&g);
	memcpy(g.run[0]->mmio.data, "wxyz", 4);		/* too late */
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 4);
	assert_int_equal(r.rcx, 0x44434241);
	assert_ends(&g, &r);
	assert_int_equal(r.rcx, 0x44434241);
}

/* -- 28 ------------------------------------------------------------------------ */

static void set_rip(struct guest *g, u64 rip)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rip = rip;
	guest_set_regs(g, 0, &r);
}

static void out_moves_on_unless_moved(void)
{
	struct kvm_regs r;
	START(out_then_mark);

	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
	set_rip(&g, GUEST_CODE);	/* where it is */
	flush(&g);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE + 2);

	guest_long(&g, 0, GUEST_CODE);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	set_rip(&g, GUEST_CODE + 7);	/* at the HLT: nothing is skipped */
	assert_ends(&g, &r);
	assert_int_equal(r.rip, GUEST_CODE + 8);
	assert_int_equal(r.rcx, 0);
}

static void outs_has_moved_on(void)
{
	struct kvm_regs r;
	START(outs);

	g.mem[GUEST_DATA] = 'x';
	set_regs(&g, 0, 0, GUEST_DATA);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x200, 1);
	assert_int_equal(*guest_pio(&g, 0), 'x');
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, GUEST_CODE + 1);
	assert_int_equal(r.rsi, GUEST_DATA + 1);
	assert_ends(&g, &r);
}

static void port_7e(bool quirk)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_OUT_7E_INC_RIP },
	};
	struct kvm_regs r;
	START(out_7e);

	if (!quirk)
		assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &cap));
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x7e, 1);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE + (quirk ? 2 : 0));
	assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x7e, 1);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE + (quirk ? 5 : 2));
	assert_ends(&g, &r);
	assert_int_equal(r.rip, GUEST_CODE + 6);
}

static void rip_at_an_out_exit_is_nobodys_business(void **state)
{
	needs_guest();
	out_moves_on_unless_moved();
	outs_has_moved_on();
	port_7e(true);
	port_7e(false);
}

/* -- 29 ------------------------------------------------------------------------ */

static void in_of_all_sizes(void)
{
	struct kvm_regs r;
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
	assert_ends(&g, &r);
	assert_int_equal(r.rax, 0x77665544);
}

static void out_of_all_sizes(void)
{
	struct kvm_regs r;
	START(pio_out);

	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x80, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44", 1);
	assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x80, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44\x33", 2);
	assert_io(&g, KVM_EXIT_IO_OUT, 4, 0x321, 1);
	assert_memory_equal(guest_pio(&g, 0), "\x44\x33\x22\x11", 4);
	assert_ends(&g, &r);
}

static void port_reads_merge_by_size(void **state)
{
	needs_guest();
	in_of_all_sizes();
	out_of_all_sizes();
}

/* -- 30 ------------------------------------------------------------------------ */

static void ins_up_to_1024_bytes(void)
{
	struct kvm_regs r;
	START(rep_insb);

	set_regs(&g, 0, 1500, GUEST_DATA);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 1024);
	memset(guest_pio(&g, 0), 0x5a, 1024);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 1500);
	assert_int_equal(g.mem[GUEST_DATA], 0);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 476);
	assert_int_equal(g.mem[GUEST_DATA + 1023], 0x5a);
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

static void fill(struct guest *g, u32 words)
{
	for (u32 i = 0; i < words; i++)
		((u16 *)guest_pio(g, 0))[i] = 0x1000 + i;
}

/* Linux compares elements with bytes: some go to the next page. */
static void ins_up_to_the_end_of_the_page(void)
{
	const u64 at = GUEST_DATA + PG - 100;
	const u16 *stored;
	struct kvm_regs r;
	START(rep_insw);

	set_regs(&g, 0, 700, at);
	assert_io(&g, KVM_EXIT_IO_IN, 2, 0x200, 100);
	fill(&g, 100);
	assert_io(&g, KVM_EXIT_IO_IN, 2, 0x200, 512);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 600);
	assert_int_equal(r.rdi, at + 200);
	stored = (u16 *)(g.mem + at);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stored[i], 0x1000 + i);
	assert_int_equal(stored[100], 0);
	guest_destroy(&g);
}

static void ins_downwards(void)
{
	const u64 at = GUEST_DATA + 100;
	const u16 *stored;
	struct kvm_regs r;
	START(rep_insw_down);

	set_regs(&g, 0, 101, at);
	assert_io(&g, KVM_EXIT_IO_IN, 2, 0x200, 100);
	fill(&g, 100);
	assert_io(&g, KVM_EXIT_IO_IN, 2, 0x200, 1);
	stored = (u16 *)(g.mem + at);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stored[-i], 0x1000 + i);
	assert_ends(&g, &r);
	assert_int_equal(r.rcx, 0);
	assert_int_equal(r.rdi, at - 202);
}

static void ins_counts_by_the_new_rcx(void)
{
	struct kvm_regs r;
	START(rep_insb);

	set_regs(&g, 0, 100, GUEST_DATA);
	assert_io(&g, KVM_EXIT_IO_IN, 1, 0x200, 100);
	memset(guest_pio(&g, 0), 0x5a, 100);
	guest_regs(&g, 0, &r);
	r.rcx = 3;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(g.mem[GUEST_DATA + 2], 0x5a);
	assert_int_equal(g.mem[GUEST_DATA + 3], 0);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rcx, 0);
	assert_int_equal(r.rdi, GUEST_DATA + 3);
	guest_destroy(&g);
}

static void outs_one_by_one(void)
{
	struct kvm_regs r;
	START(pio_outs);

	memcpy(g.mem + GUEST_DATA, "aabbcc", 6);
	set_regs(&g, 0, 3, GUEST_DATA);
	for (int i = 0; i < 3; i++) {
		assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x200, 1);
		assert_memory_equal(guest_pio(&g, 0), g.mem + GUEST_DATA + 2 * i, 2);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rcx, 2 - i);
	}
	assert_ends(&g, &r);
}

static void string_port_io_comes_in_batches(void **state)
{
	needs_guest();
	ins_up_to_1024_bytes();
	ins_up_to_the_end_of_the_page();
	ins_downwards();
	ins_counts_by_the_new_rcx();
	outs_one_by_one();
}

/* -- 31 ------------------------------------------------------------------------ */

static void sixteen_bytes(void)
{
	struct kvm_regs r;
	START(wide);

	set_regs(&g, GUEST_MMIO, 0, 0);
	assert_mmio_read(&g, GUEST_MMIO, 8, "01234567");
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
	assert_mmio_read(&g, GUEST_MMIO + 8, 8, "89abcdef");
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
	assert_mmio_write(&g, GUEST_MMIO, 8, "01234567");
	assert_mmio_write(&g, GUEST_MMIO + 8, 8, "89abcdef");
	assert_ends(&g, &r);
}

/* Both pages are MMIO, or the first is RAM. */
static void across_pages(void)
{
	const u64 mmio = GUEST_MMIO + PG - 3, ram = GUEST_RAM - 3;
	struct kvm_regs r;
	START(eight);

	set_regs(&g, mmio, 0, 0);
	assert_mmio_read(&g, mmio, 3, "abc");
	assert_mmio_read(&g, mmio + 3, 5, "DEFGH");
	assert_mmio_write(&g, mmio, 3, "abc");
	assert_mmio_write(&g, mmio + 3, 5, "DEFGH");
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);

	guest_long(&g, 0, GUEST_CODE);
	set_regs(&g, ram, 0, 0);
	memcpy(g.mem + ram, "xyz", 3);
	assert_mmio_read(&g, ram + 3, 5, "DEFGH");
	assert_mmio_write(&g, ram + 3, 5, "DEFGH");
	assert_ends(&g, &r);
	assert_memory_equal(&r.rax, "xyzDEFGH", 8);
}

static void reads_then_writes(void)
{
	struct kvm_regs r;
	START(rmw);

	set_regs(&g, GUEST_MMIO, 0, 0);
	assert_mmio_read(&g, GUEST_MMIO, 4, "\x01\0\0\0");
	assert_mmio_write(&g, GUEST_MMIO, 4, "\x06\0\0\0");
	assert_mmio_read(&g, GUEST_MMIO, 4, "\x02\0\0\0");
	assert_mmio_write(&g, GUEST_MMIO, 4, "\x07\0\0\0");
	assert_mmio_read(&g, GUEST_MMIO, 4, "\x09\0\0\0");
	assert_mmio_write(&g, GUEST_MMIO, 4, "\x07\0\0\0");
	assert_ends(&g, &r);
	assert_int_equal(r.rax, 9);
}

static void wide_mmio_comes_in_fragments(void **state)
{
	needs_guest();
	sixteen_bytes();
	across_pages();
	reads_then_writes();
}
