/* SPDX-License-Identifier: MIT */
/* Instructions that KVM_RUN executes one at a time: stepped, or ended in pieces. */
#include "harness.h"

#include "api/vm.h"

enum { CODE = 0x600, HANDLER = 0x500, STACK = 0x4000, PORT = 0x80 };
enum { RAM_END = GUEST_PAGES * PAGE_SIZE };

static struct machine *m;
static struct cpu *c;

static int setup(void **state)
{
	if (machine_up(state))
		return -1;
	m = *state;
	c = machine_cpu(m);
	return 0;
}


/* Real-mode code at CODE; #DB halts in HANDLER. */
static void start(const u8 *code, u32 n, u64 rflags)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = rflags | 2,
				 .rcx = 3, .rdx = PORT };
	struct kvm_sregs sregs;

	memcpy(m->ram + CODE, code, n);
	memcpy(m->ram + 4 * EXC_DB, &(u32){ HANDLER }, 4);
	m->ram[HANDLER] = 0xf4;
	assert_int_equal(call(m->vcpu_file[0], KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.es.base = RAM_END;
	sregs.es.selector = RAM_END >> 4;
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_REGS, &regs), 0);
}

#define START(rflags, ...) \
	start((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }), rflags)

static void run_to(u32 exit_reason)
{
	assert_int_equal(call(m->vcpu_file[0], KVM_RUN, NULL), 0);
	assert_int_equal(m->run->exit_reason, exit_reason);
}

/* What #DB pushed. */
static u16 stacked_ip(void)
{
	u16 ip;

	memcpy(&ip, m->ram + STACK - 6, 2);
	return ip - CODE;
}

static void io_exit_is_stepped_too(void **state)
{
	START(X86_EFLAGS_TF, 0xe4, PORT, 0x90, 0x90);		/* IN AL, imm; NOP; NOP */
	run_to(KVM_EXIT_IO);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 2);
	assert_true(c->dr6 & DR6_BS);
}

static void userspace_steps_io_exits_too(void **state)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	START(0, 0xe4, PORT, 0x90, 0x90);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_GUEST_DEBUG, &dbg), 0);
	run_to(KVM_EXIT_IO);
	run_to(KVM_EXIT_DEBUG);
	assert_int_equal(m->run->debug.arch.pc, CODE + 2);
}

/* DR7.GD of the debugger, not only of the guest. */
static void debugger_guards_debug_registers(void **state)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg[7] = 0x400 | DR7_GD,
	};

	START(0, 0x90, 0x0f, 0x21, 0xc0, 0xf4);		/* NOP; MOV EAX, DR0; HLT */
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_GUEST_DEBUG, &dbg), 0);
	run_to(KVM_EXIT_DEBUG);
	assert_int_equal(m->run->debug.arch.exception, EXC_DB);
	assert_int_equal(m->run->debug.arch.pc, CODE + 1);
	assert_int_equal(m->run->debug.arch.dr6, DR6_RESET | DR6_BD);
}

static void mov_ss_is_not_stepped(void **state)
{
	START(X86_EFLAGS_TF, 0x8e, 0xd0, 0x90, 0x90);		/* MOV SS, AX; NOP; NOP */
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 3);
}

static void no_breakpoint_right_after_mov_ss(void **state)
{
	struct kvm_debugregs dr = { .db = { CODE + 2, CODE + 3 }, .dr7 = 0x405 };

	START(0, 0x8e, 0xd0, 0x90, 0x90, 0xf4);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_DEBUGREGS, &dr), 0);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 3);
	assert_int_equal(c->dr6 & 0xf, 2);
}

static void amd_breaks_right_after_mov_ss(void **state)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[1];
	} amd = {
		.head.nent = 1,
		.entry[0] = { .ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163 },
	};
	struct kvm_debugregs dr = { .db = { CODE + 2 }, .dr7 = 0x401 };

	START(0, 0x8e, 0xd0, 0x90, 0xf4);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_CPUID2, &amd), 0);
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_DEBUGREGS, &dr), 0);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 2);
}

/* A data breakpoint hit by MOV SS waits for the next instruction. */
static void data_breakpoint_waits_after_mov_ss(void **state)
{
	struct kvm_debugregs dr = { .db = { 0x3000 }, .dr7 = 0x403 | 0xf << 16 };

	START(0, 0x8e, 0x16, 0x00, 0x30, 0x90, 0x90, 0xf4);	/* MOV SS, [3000h] */
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_DEBUGREGS, &dr), 0);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 5);
	assert_int_equal(c->dr6 & 0xf, 1);
}

/* One #DB for both, as on the processor. */
static void icebp_takes_the_data_breakpoint_along(void **state)
{
	struct kvm_debugregs dr = { .db = { 0x3000 }, .dr7 = 0x403 | 0xf << 16 };

	START(0, 0x8e, 0x16, 0x00, 0x30, 0xf1);			/* MOV SS, [3000h]; INT1 */
	assert_int_equal(call(m->vcpu_file[0], KVM_SET_DEBUGREGS, &dr), 0);
	run_to(KVM_EXIT_HLT);
	assert_int_equal(stacked_ip(), 5);
	assert_int_equal(c->gpr[RSP], STACK - 6);
	assert_int_equal(c->dr6 & 0xf, 1);
}

/* REP INS in one exit, and each element stored to a device in another. */
static void rep_ins_to_a_device(void **state)
{
	START(0, 0xf3, 0x6c, 0xf4);				/* REP INSB; HLT */
	run_to(KVM_EXIT_IO);
	assert_int_equal(m->run->io.count, 3);
	memcpy((u8 *)m->run + m->run->io.data_offset, "abc", 3);
	for (u32 i = 0; i < 3; i++) {
		run_to(KVM_EXIT_MMIO);
		assert_int_equal(m->run->mmio.phys_addr, RAM_END + i);
		assert_int_equal(m->run->mmio.data[0], 'a' + i);
	}
	run_to(KVM_EXIT_HLT);
	assert_int_equal(c->gpr[RCX], 0);
	assert_int_equal(c->gpr[RDI], 3);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, machine_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(io_exit_is_stepped_too),
		TEST(userspace_steps_io_exits_too),
		TEST(debugger_guards_debug_registers),
		TEST(mov_ss_is_not_stepped),
		TEST(no_breakpoint_right_after_mov_ss),
		TEST(amd_breaks_right_after_mov_ss),
		TEST(data_breakpoint_waits_after_mov_ss),
		TEST(icebp_takes_the_data_breakpoint_along),
		TEST(rep_ins_to_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
