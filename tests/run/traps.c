/* SPDX-License-Identifier: MIT */
/*
 * Debug traps and their rank among faults and interrupts (SDM vol. 3A 6.9;
 * vol. 3B 17.3), as the guest's own handlers see them.
 */
#include <cpuid.h>

#include "guest.h"

GUEST_BLOB(trap_stubs);
GUEST_BLOB(trap_io);
GUEST_BLOB(trap_out_7e);
GUEST_BLOB(trap_rep);
GUEST_BLOB(trap_mov_ss_int);
GUEST_BLOB(trap_fault_after_hit);
GUEST_BLOB(trap_mov_ss_step);
GUEST_BLOB(trap_iret);
GUEST_BLOB(trap_syscall);
GUEST_BLOB(trap_icebp);
GUEST_BLOB(trap_gd);
GUEST_BLOB(trap_nops);
GUEST_BLOB(trap_hlt);
GUEST_BLOB(trap_before_irq);
GUEST_BLOB(trap_sti);
GUEST_BLOB(trap_rep_irq);

enum { STUBS = 0x20000, COUNT = 0x50000, DB_SET = 0x50008,
       RECORDS = 0x50040, TABLE = 0x60000 };
enum { TF = 0x100, IF = 0x200, RF = 0x10000, BS = 0x4000, BD = 0x2000 };
enum { BREAK_EXEC = 0, BREAK_WRITE = 1, BREAK_IO = 2, BREAK_ANY = 3 };

struct record {
	u64 vector, error, rip, rflags, rsp, dr6, dr7, unused;
};

static struct guest g;

static void start(u32 flags, const u8 *code, const u8 *end)
{
	guest_create(&g, flags, 1);
	guest_load(&g, STUBS, trap_stubs);
	memcpy(g.mem + GUEST_CODE, code, end - code);
	for (u32 v = 0; v < 64; v++)
		guest_gate(&g, v, STUBS + v * 16);
	guest_long(&g, 0, GUEST_CODE);
}

#define START(name) start(0, guest_##name, guest_##name##_end)

static int done(void **state)
{
	guest_destroy(&g);
	return 0;
}

static void set_flags(u64 rflags)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rflags = rflags | 2;
	guest_set_regs(&g, 0, &r);
}

/* Breakpoint 0; GD if @gd. */
static void watch(u64 at, u32 kind, bool gd)
{
	struct kvm_debugregs d = { .db[0] = at, .dr6 = 0xffff0ff0,
				   .dr7 = 0x402 | kind << 16 | gd << 13 };
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_DEBUGREGS, &d));
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.cr4 |= 8;		/* DE */
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
}

static void use_ist(u8 vector)
{
	*guest_word(&g, GUEST_TSS + 0x24) = GUEST_STACK;
	((u64 *)(g.mem + GUEST_IDT))[vector * 2] |= 1ull << 32;
}

static void set_string(u64 from, u64 to, u64 count)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rsi = from;
	r.rdi = to;
	r.rcx = count;
	guest_set_regs(&g, 0, &r);
}

/* To the HLT; returns how many exits for ports there were. */
static u32 run(void)
{
	u32 exits = 0;

	while (guest_run(&g, 0) == KVM_EXIT_IO)
		exits++;
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_HLT);
	return exits;
}

/* With a LAPIC HLT sleeps: to the port that ends these. */
static void run_with_apic(const u8 *code, const u8 *end)
{
	start(GUEST_IRQCHIP, code, end);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
}

static u64 rbx(void)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	return r.rbx;
}

static const struct record *record(u32 i)
{
	return (const struct record *)(g.mem + RECORDS) + i;
}

static void assert_records(u64 n)
{
	assert_int_equal(*guest_word(&g, COUNT), n);
}

static void assert_record(u32 i, u8 vector, u64 rip)
{
	assert_int_equal(record(i)->vector, vector);
	assert_int_equal(record(i)->rip, rip);
}

/* #DB number @i: RIP from the code's start, DR6, RF in the image. */
static void assert_db(u32 i, u64 at, u64 dr6, bool rf)
{
	assert_record(i, 1, GUEST_CODE + at);
	assert_int_equal(record(i)->dr6, 0xffff0ff0 | dr6);
	assert_int_equal(!!(record(i)->rflags & RF), rf);
}

/* -- I/O breakpoints ---------------------------------------------------------------- */

/*
 * Between two elements RF is set (SDM vol. 3B 17.3.1.1); the frame of the #DB
 * has it on Intel's processors only.
 */
static bool rf_amid_rep(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx != signature_AMD_ebx;
}

/* After each element. */
static void io_breakpoints(void **state)
{
	START(trap_io);
	watch(0x10, BREAK_IO, false);
	set_string(GUEST_DATA, GUEST_DATA + 16, 3);
	assert_int_equal(run(), 7);
	assert_records(7);
	assert_db(0, 2, 1, false);
	assert_db(1, 4, 1, false);
	assert_db(2, 9, 1, rf_amid_rep());
	assert_db(3, 9, 1, rf_amid_rep());
	assert_db(4, 11, 1, false);
	assert_db(5, 16, 1, rf_amid_rep());
	assert_db(6, 18, 1, false);
}

/* TF sees the same elements as breakpoints do. */
static void io_is_stepped(void **state)
{
	START(trap_io);
	set_flags(TF);
	set_string(GUEST_DATA, GUEST_DATA + 16, 3);
	assert_int_equal(run(), 7);
	assert_records(9);
	assert_db(3, 9, BS, rf_amid_rep());
	assert_db(4, 9, BS, rf_amid_rep());
	assert_db(5, 11, BS, false);
	assert_db(7, 16, BS, rf_amid_rep());
	assert_db(8, 18, BS, false);
}

static void io_breakpoint_where_rip_moves_first(void **state)
{
	START(trap_out_7e);
	watch(0x7e, BREAK_IO, false);
	assert_int_equal(run(), 1);
	assert_records(1);
	assert_db(0, 6, 1, false);
}

/* -- Repetition ---------------------------------------------------------------------- */

static void rep_is_stepped(void **state)
{
	START(trap_rep);
	set_flags(TF);
	set_string(GUEST_DATA, GUEST_DATA + 16, 3);
	run();
	assert_records(4);
	assert_db(0, 0, BS, rf_amid_rep());
	assert_db(1, 0, BS, rf_amid_rep());
	assert_db(2, 2, BS, false);
	assert_db(3, 3, BS, false);
}

static void rep_meets_a_data_breakpoint(void **state)
{
	START(trap_rep);
	watch(GUEST_DATA + 17, BREAK_WRITE, false);
	set_string(GUEST_DATA, GUEST_DATA + 16, 3);
	run();
	assert_records(1);
	assert_db(0, 0, 1, rf_amid_rep());
}

/* Its own breakpoint comes once, however often it pauses. */
static void rep_breaks_once(void **state)
{
	START(trap_rep);
	watch(GUEST_CODE, BREAK_EXEC, false);
	*guest_word(&g, DB_SET) = RF;
	set_string(0x60000, 0x80000, 0x10000);
	run();
	assert_records(1);
	assert_db(0, 0, 1, false);
}

/* An interrupt in its middle finds RF set, too. */
static void interrupt_amid_rep(void **state)
{
	run_with_apic(guest_trap_rep_irq, guest_trap_rep_irq_end);
	assert_records(1);
	assert_record(0, 0x31, rbx());
	assert_true(record(0)->rflags & RF);
}

/* -- What holds traps off --------------------------------------------------------------- */

/* The #DB of MOV SS comes when INT is in its handler (SDM vol. 3A 6.8.3). */
static void mov_ss_then_int(void **state)
{
	START(trap_mov_ss_int);
	*guest_word(&g, GUEST_DATA) = SEL_DATA;
	watch(GUEST_DATA, BREAK_ANY, false);
	run();
	assert_records(2);
	assert_record(0, 1, STUBS + 0x30 * 16);
	assert_int_equal(record(0)->dr6, 0xffff0ff1);
	assert_record(1, 0x30, GUEST_CODE + 9);
}

static void mov_ss_is_not_stepped(void **state)
{
	START(trap_mov_ss_step);
	set_flags(TF);
	run();
	assert_records(3);
	assert_db(0, 2, BS, false);
	assert_db(1, 5, BS, false);
	assert_db(2, 6, BS, false);
}

/* If it faults instead, nothing is left of it. */
static void mov_ss_then_fault(void **state)
{
	START(trap_mov_ss_int);
	*guest_word(&g, GUEST_DATA) = SEL_DATA;
	memcpy(g.mem + GUEST_CODE + 7, "\x0f\x0b", 2);	/* UD2 */
	watch(GUEST_DATA, BREAK_ANY, false);
	run();
	assert_records(1);
	assert_record(0, 6, GUEST_CODE + 7);
	assert_int_equal(record(0)->dr6, 0xffff0ff0);
}

/* An instruction that faults has not done what a breakpoint could have seen. */
static void fault_forgets_data_breakpoints(void **state)
{
	struct kvm_regs r;

	START(trap_fault_after_hit);
	watch(GUEST_DATA, BREAK_ANY, false);
	set_string(GUEST_DATA, 0, 0);
	guest_regs(&g, 0, &r);
	r.rsp = 0x140000000;	/* nothing there */
	guest_set_regs(&g, 0, &r);
	use_ist(14);
	run();
	assert_records(1);
	assert_record(0, 14, GUEST_CODE);
	assert_int_equal(record(0)->dr6, 0xffff0ff0);
}

static void iret_that_loads_tf(void **state)
{
	u64 at = guest_trap_iret_end - guest_trap_iret - 3;

	START(trap_iret);
	run();
	assert_records(2);
	assert_db(0, at + 1, BS, false);
	assert_db(1, at + 2, BS, false);
}

/* -- SYSCALL, ICEBP, GD, HLT ------------------------------------------------------------- */

static void run_syscall(u64 fmask)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[4];
	} m = { .head.nmsrs = 4, .entry = {
		{ .index = 0xc0000080, .data = 0xd01 },
		{ .index = 0xc0000081, .data = (u64)SEL_CODE64 << 32 },
		{ .index = 0xc0000082, .data = GUEST_CODE + 0x100 },
		{ .index = 0xc0000084, .data = fmask },
	} };

	START(trap_syscall);
	guest_load(&g, GUEST_CODE + 0x100, trap_nops);
	assert_int_equal(kvm_ioctl_val(g.vcpu[0], KVM_SET_MSRS, (long)&m), 4);
	set_flags(TF);
	run();
}

/* TF as it is after SYSCALL decides (SDM vol. 3B 17.3.1.4). */
static void syscall_is_stepped(void **state)
{
	run_syscall(0);
	assert_records(4);
	assert_db(0, 0x100, BS, false);
	assert_db(1, 0x101, BS, false);
}

static void syscall_with_tf_masked(void **state)
{
	run_syscall(TF);
	assert_records(0);
}

/* A trap that says nothing in DR6, and needs no TF. */
static void icebp(void **state)
{
	START(trap_icebp);
	run();
	assert_records(1);
	assert_db(0, 1, 0, false);
}

/* A fault; the handler may use the registers. */
static void general_detect(void **state)
{
	START(trap_gd);
	watch(0, BREAK_EXEC, true);
	run();
	assert_records(1);
	assert_db(0, 0, BD, true);	/* it is no instruction breakpoint */
	assert_int_equal(record(0)->dr7 & 0x2000, 0);
}

/* Its trap ends the sleep, too. */
static void hlt_is_stepped(void **state)
{
	start(GUEST_IRQCHIP, guest_trap_hlt, guest_trap_hlt_end);
	set_flags(TF);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_records(2);
	assert_db(0, 1, BS, false);
	assert_db(1, 2, BS, false);
}

/* -- Rank --------------------------------------------------------------------------------- */

/* The breakpoint of an instruction that cannot be fetched comes first. */
static void breakpoint_before_fetch_fault(void **state)
{
	u64 *pd, *table;

	START(trap_nops);
	pd = (u64 *)(g.mem + GUEST_PML4 + 0x2000);
	table = (u64 *)(g.mem + TABLE);
	for (u64 i = 0; i < 512; i++)
		table[i] = i << 12 | 7;
	table[GUEST_CODE >> 12] = 0;
	pd[0] = TABLE | 7;
	watch(GUEST_CODE, BREAK_EXEC, false);
	*guest_word(&g, DB_SET) = RF;
	run();
	assert_records(2);
	assert_db(0, 0, 1, false);
	assert_record(1, 14, GUEST_CODE);
	assert_int_equal(record(1)->error, 0x10);
	assert_true(record(1)->rflags & RF);
}

/* RF in the image keeps the breakpoint off, once. */
static void resume_flag(void **state)
{
	START(trap_nops);
	watch(GUEST_CODE + 1, BREAK_EXEC, false);
	set_flags(RF);
	*guest_word(&g, DB_SET) = RF;
	run();
	assert_records(1);
	assert_db(0, 1, 1, false);
}

static void trap_comes_before_interrupt(void **state)
{
	run_with_apic(guest_trap_before_irq, guest_trap_before_irq_end);
	assert_records(3);
	assert_record(0, 1, rbx());
	assert_record(1, 0x31, rbx());
	assert_true(record(1)->rflags & TF);
	assert_record(2, 1, rbx() + 1);
}

/* One #DB tells of both. */
static void step_and_data_breakpoint(void **state)
{
	START(trap_rep);
	watch(GUEST_DATA + 16, BREAK_WRITE, false);
	set_flags(TF);
	set_string(GUEST_DATA, GUEST_DATA + 16, 1);
	run();
	assert_records(2);
	assert_db(0, 2, BS | 1, false);
	assert_db(1, 3, BS, false);
}

/* -- Events whose delivery fails -------------------------------------------------------- */

/* The processor has taken the vector: it does not come once more. */
static void interrupt_without_a_gate(void **state)
{
	start(GUEST_IRQCHIP, guest_trap_sti, guest_trap_sti_end);
	((u64 *)(g.mem + GUEST_IDT))[0x31 * 2] &= ~(1ull << 47);
	memcpy(g.mem + STUBS + 11 * 16, "\x58\xe6\x99", 3);	/* pop %rax; out */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(guest_rax(&g, 0), 0x31 << 3 | 3);
	assert_int_equal(*guest_word(&g, GUEST_STACK - 40), rbx());
}

static void nmi_without_a_gate(void **state)
{
	START(trap_nops);
	((u64 *)(g.mem + GUEST_IDT))[2 * 2] &= ~(1ull << 47);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_NMI, NULL));
	run();
	assert_records(1);
	assert_record(0, 11, GUEST_CODE);
	assert_int_equal(record(0)->error, 2 << 3 | 3);
}

/* #UD finds no stack, nor does the page fault it meets: #DF has its own. */
static void double_fault_without_a_stack(void **state)
{
	struct kvm_regs r;

	START(trap_nops);
	memcpy(g.mem + GUEST_CODE, "\x0f\x0b", 2);
	guest_regs(&g, 0, &r);
	r.rsp = 0x140000000;
	guest_set_regs(&g, 0, &r);
	use_ist(8);
	run();
	assert_records(1);
	assert_record(0, 8, GUEST_CODE);
	assert_int_equal(record(0)->error, 0);
	assert_int_equal(record(0)->rsp, 0x140000000);
	assert_int_equal(record(0)->rflags & RF, 0);
}

static void sti_shadow(void **state)
{
	run_with_apic(guest_trap_sti, guest_trap_sti_end);
	assert_records(1);
	assert_record(0, 0x31, rbx());
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, done)
	const struct CMUnitTest tests[] = {
		TEST(io_breakpoints),
		TEST(io_is_stepped),
		TEST(io_breakpoint_where_rip_moves_first),
		TEST(rep_is_stepped),
		TEST(rep_meets_a_data_breakpoint),
		TEST(rep_breaks_once),
		TEST(interrupt_amid_rep),
		TEST(mov_ss_then_int),
		TEST(mov_ss_then_fault),
		TEST(mov_ss_is_not_stepped),
		TEST(fault_forgets_data_breakpoints),
		TEST(iret_that_loads_tf),
		TEST(syscall_is_stepped),
		TEST(syscall_with_tf_masked),
		TEST(icebp),
		TEST(general_detect),
		TEST(hlt_is_stepped),
		TEST(breakpoint_before_fetch_fault),
		TEST(resume_flag),
		TEST(trap_comes_before_interrupt),
		TEST(sti_shadow),
		TEST(step_and_data_breakpoint),
		TEST(interrupt_without_a_gate),
		TEST(nmi_without_a_gate),
		TEST(double_fault_without_a_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
