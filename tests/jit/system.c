/* SPDX-License-Identifier: MIT */
/* Kernels' instructions and faults of translated code, and what they leave to others. */
#include "guest.h"

GUEST_BLOB(sys_sti);
GUEST_BLOB(sys_window);
GUEST_BLOB(sys_irq);
GUEST_BLOB(sys_flags);
GUEST_BLOB(sys_privileged);
GUEST_BLOB(sys_skip);
GUEST_BLOB(sys_halt);
GUEST_BLOB(sys_iopl);
GUEST_BLOB(sys_calls);
GUEST_BLOB(sys_entry);
GUEST_BLOB(sys_base);
GUEST_BLOB(sys_skip_ud);
GUEST_BLOB(sys_skip_gp);
GUEST_BLOB(sys_loads);
GUEST_BLOB(sys_page_fault);
GUEST_BLOB(sys_tf);
GUEST_BLOB(sys_db);
extern const u8 guest_sys_sti_after[], guest_sys_tf_after[];

enum { COUNT = 0x40000, SUM = 0x40008, LAST = 0x40010, HANDLER = 0x20000, ENTRY = 0x21000,
       USER_GS = 0x41000, KERNEL_GS = 0x42000, VECTOR = 0x40, ROUNDS = 300 };
enum { SEL_USER_DATA = 0x33, SEL_USER_CODE = 0x3b, IF = 0x200, IOPL = 0x3000 };
enum { DB = 1, UD = 6, GP = 13, PF = 14 };

static struct guest g;

static void up(u32 flags)
{
	needs_guest();
	guest_create(&g, flags, 1);
	guest_long(&g, 0, GUEST_CODE);
}

static int down(void **state)
{
	guest_destroy(&g);
	return 0;
}

#define HANDLE(vector, at, name)			\
	do {						\
		guest_load(&g, (at), name);		\
		guest_gate(&g, (vector), (at));		\
	} while (0)

static void begin(u64 rsi, u64 rdx, u64 flags)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rip = GUEST_CODE;
	r.rsp = GUEST_STACK;
	r.rdi = ROUNDS;
	r.rsi = rsi;
	r.rdx = rdx;
	r.rflags = flags | 2;
	guest_set_regs(&g, 0, &r);
}

static void run(u64 rsi, u64 flags)
{
	begin(rsi, 0, flags);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
}

/* CR4 gets @cr4, too; at CPL 3 the TSS has a stack. */
static void set_mode(bool user, u64 cr4)
{
	struct kvm_sregs s;
	u64 *gdt = (u64 *)(g.mem + GUEST_GDT);

	gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffff;
	gdt[SEL_USER_CODE / 8] = 0x00affb000000ffff;
	*(u64 *)(g.mem + GUEST_TSS + 4) = GUEST_STACK - 0x8000;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.gdt.limit = 0x4f;
	s.cr4 |= cr4;
	s.efer |= 1;		/* SCE */
	if (user) {
		s.cs.selector = SEL_USER_CODE;
		s.ss.selector = SEL_USER_DATA;
		s.cs.dpl = s.ss.dpl = 3;
	}
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
}

/* -- Interrupts ------------------------------------------------------------------- */

static void sti_with_an_interrupt(void **state)
{
	struct runner r;

	up(GUEST_IRQCHIP);
	guest_load(&g, GUEST_CODE, sys_sti);
	HANDLE(VECTOR, HANDLER, sys_irq);
	begin(0, 0, 0);
	runner_start(&r, &g, 0);
	runner_stop_halted(&r);
	assert_int_equal(*guest_word(&g, COUNT), ROUNDS);
	assert_int_equal(*guest_word(&g, SUM), 0);
	assert_int_equal(*guest_word(&g, LAST), GUEST_CODE + (guest_sys_sti_after - guest_sys_sti));
}

static void short_windows(void **state)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };
	struct runner r;

	up(GUEST_IRQCHIP);
	guest_load(&g, GUEST_CODE, sys_window);
	HANDLE(VECTOR, HANDLER, sys_irq);
	begin(0, 0, 0);
	runner_start(&r, &g, 0);
	assert_soon(*guest_word(&g, LAST));
	for (u32 i = 1; i <= 100; i++) {
		assert_int_equal(kvm_ioctl(g.vm, KVM_SIGNAL_MSI, &msi), 1);
		assert_soon(*guest_word(&g, COUNT) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
}

/* A PIC in userspace is told when it may inject: behind the NOP. */
static void window_exits(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_iopl);
	g.run[0]->request_interrupt_window = 1;
	for (u32 i = 0; i < 50; i++) {
		begin(0, 0, 0);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IRQ_WINDOW_OPEN);
		assert_true(g.run[0]->if_flag);
		assert_int_equal(guest_rip(&g, 0), GUEST_CODE + 5);
	}
}

/* -- Flags, privilege -------------------------------------------------------------- */

static void flags_are_pushed(void **state)
{
	static const u64 image[] = { 0x2, 0x8d7, 0x246, 0x602, 0x40093, 0x200ac7, 0x240e97 };

	up(0);
	guest_load(&g, GUEST_CODE, sys_flags);
	for (u32 i = 0; i < ARRAY_SIZE(image); i++) {
		run(image[i], 0);
		assert_int_equal(*guest_word(&g, COUNT), image[i]);
		/* 7F + 1: OF, SF, AF */
		assert_int_equal(*guest_word(&g, SUM), (image[i] & ~0x8d5ull) | 0x890);
	}
}

static void privileged(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_privileged);
	HANDLE(GP, HANDLER, sys_skip);
	HANDLE(UD, ENTRY, sys_halt);
	set_mode(true, 0);
	run(0, IF);
	assert_int_equal(*guest_word(&g, COUNT), 4 * ROUNDS);
}

static void iopl_3(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_iopl);
	HANDLE(UD, ENTRY, sys_halt);
	set_mode(true, 0);
	*guest_word(&g, SUM) = ~0ull;
	run(0, IOPL);
	assert_false(*guest_word(&g, COUNT) & IF);
	assert_true(*guest_word(&g, SUM) & IF);
}

static void single_steps(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_tf);
	HANDLE(DB, HANDLER, sys_db);
	run(0, 0);
	assert_int_equal(*guest_word(&g, COUNT), ROUNDS);
	assert_int_equal(*guest_word(&g, LAST), GUEST_CODE + (guest_sys_tf_after - guest_sys_tf));
}

/* -- System calls ------------------------------------------------------------------- */

static void set_msr(u32 index, u64 data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[1];
	} m = { .head.nmsrs = 1, .e = { { .index = index, .data = data } } };

	assert_int_equal(kvm_ioctl_val(g.vcpu[0], KVM_SET_MSRS, (uintptr_t)&m), 1);
}

static void system_calls(void **state)
{
	struct kvm_regs r;

	up(0);
	guest_load(&g, GUEST_CODE, sys_calls);
	guest_load(&g, ENTRY, sys_entry);
	HANDLE(UD, HANDLER, sys_halt);
	set_mode(true, 0);
	set_msr(0xc0000081, (u64)SEL_CODE64 << 32 | 0x2bull << 48);	/* STAR */
	set_msr(0xc0000082, ENTRY);					/* LSTAR */
	set_msr(0xc0000084, IF);					/* FMASK */
	set_msr(0xc0000101, USER_GS);
	set_msr(0xc0000102, KERNEL_GS);
	*guest_word(&g, USER_GS) = 1;
	*guest_word(&g, KERNEL_GS) = 2;
	run(0, IF);
	guest_regs(&g, 0, &r);
	assert_int_equal(*guest_word(&g, COUNT), ROUNDS);
	assert_int_equal(*guest_word(&g, SUM), 2 * ROUNDS);
	assert_int_equal(*guest_word(&g, LAST), ROUNDS);
	assert_false(r.rsi & IF);
	assert_true(r.rbx & IF);
}

static void bases(void **state)
{
	const u64 fsgsbase = 1 << 16, bad = 1ull << 63;
	struct kvm_sregs s;

	up(0);
	guest_load(&g, GUEST_CODE, sys_base);
	HANDLE(UD, HANDLER, sys_skip_ud);
	HANDLE(GP, ENTRY, sys_skip_gp);
	run(0x1234, 0);
	assert_int_equal(*guest_word(&g, COUNT), 2 * ROUNDS);
	set_mode(false, fsgsbase);
	run(bad, 0);
	assert_int_equal(*guest_word(&g, SUM), ROUNDS);
	run(0x7fff12345678, 0);
	assert_int_equal(guest_rax(&g, 0), 0x7fff12345678);
	assert_int_equal(*guest_word(&g, COUNT), 2 * ROUNDS);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	assert_int_equal(s.fs.base, 0x7fff12345678);
}

/* -- Faults --------------------------------------------------------------------------- */

#define NOWHERE 0x200000000ull

static void page_faults(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_loads);
	HANDLE(PF, HANDLER, sys_page_fault);
	run(NOWHERE + 8, 0);
	assert_int_equal(*guest_word(&g, COUNT), ROUNDS);
	assert_int_equal(*guest_word(&g, SUM), 0);
	assert_int_equal(*guest_word(&g, LAST), NOWHERE + 8);
}

static void fault_without_a_stack(void **state)
{
	up(0);
	guest_load(&g, GUEST_CODE, sys_loads);
	HANDLE(PF, HANDLER, sys_page_fault);
	begin(COUNT, NOWHERE, 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SHUTDOWN);
	assert_int_equal(*guest_word(&g, COUNT), 0);
}

/* The frame goes to MMIO: its first word is at userspace. */
static void fault_with_a_stack_in_mmio(void **state)
{
	struct kvm_regs r;

	up(0);
	guest_load(&g, GUEST_CODE, sys_loads);
	HANDLE(PF, HANDLER, sys_page_fault);
	run(NOWHERE, 0);
	begin(NOWHERE, 0, 0);
	guest_regs(&g, 0, &r);
	r.rsp = GUEST_MMIO + 0x100;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
	assert_true(g.run[0]->mmio.is_write);
	assert_int_equal(g.run[0]->mmio.phys_addr, GUEST_MMIO + 0x100 - 6 * 8);
}

#define TEST(name) cmocka_unit_test_teardown(name, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sti_with_an_interrupt),
		TEST(short_windows),
		TEST(window_exits),
		TEST(flags_are_pushed),
		TEST(privileged),
		TEST(iopl_3),
		TEST(single_steps),
		TEST(system_calls),
		TEST(bases),
		TEST(page_faults),
		TEST(fault_without_a_stack),
		TEST(fault_with_a_stack_in_mmio),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
