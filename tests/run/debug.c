/* SPDX-License-Identifier: MIT */
/* Guest debugging (api.rst, KVM_SET_GUEST_DEBUG) and exceptions end to end. */
#include "guest.h"

GUEST_BLOB(dbg_steps);
GUEST_BLOB(dbg_bp);
GUEST_BLOB(dbg_record);
GUEST_BLOB(dbg_branch_step);
GUEST_BLOB(dbg_ud);
GUEST_BLOB(dbg_de);
GUEST_BLOB(dbg_gp);
GUEST_BLOB(dbg_pf);
GUEST_BLOB(dbg_int);
GUEST_BLOB(dbg_int3);
GUEST_BLOB(dbg_real_de);
GUEST_BLOB(dbg_real_int);

#define START(name) struct guest g; guest_create(&g, 0, 1); \
	guest_load(&g, GUEST_CODE, name); guest_long(&g, 0, GUEST_CODE)

enum { DR6_INIT = 0xffff0ff0, DR6_BS = 0x4000 };

static void debug(struct guest *g, struct kvm_guest_debug d)
{
	d.control |= KVM_GUESTDBG_ENABLE;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_GUEST_DEBUG, &d));
}

static void assert_debug(struct guest *g, u32 exception, u64 pc, u64 dr6)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_DEBUG);
	assert_int_equal(g->run[0]->debug.arch.exception, exception);
	assert_int_equal(g->run[0]->debug.arch.pc, pc);
	if (dr6)
		assert_int_equal(g->run[0]->debug.arch.dr6, dr6);
	assert_int_equal(guest_rip(g, 0), pc);
}

static void single_step(void **state)
{
	/* nop, xor (2), mov (5), then dec (2) and jnz (2) three times */
	static const u8 at[] = { 1, 3, 8, 10, 8, 10, 8, 10, 12 };
	START(dbg_steps);
	struct kvm_regs r;

	debug(&g, (struct kvm_guest_debug){ .control = KVM_GUESTDBG_SINGLESTEP });
	for (u32 i = 0; i < sizeof(at); i++)
		assert_debug(&g, 1, GUEST_CODE + at[i], DR6_INIT | DR6_BS);
	/* IN exits first, is completed, then the step is reported. */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	*guest_pio(&g, 0) = 0x77;
	assert_debug(&g, 1, GUEST_CODE + 14, DR6_INIT | DR6_BS);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax & 0xff, 0x77);
	assert_int_equal(r.rflags & 0x100, 0);	/* TF is not the guest's */
	guest_destroy(&g);
}

enum { DEBUGCTL = 0x1d9, BRANCH_FROM = 0x1db, BRANCH_TO, EXCEPTION_FROM, EXCEPTION_TO };
enum { RECORD_HANDLER = 0x20000 };

static u64 msr(struct guest *g, u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = index };

	assert_int_equal(kvm_ioctl(g->vcpu[0], KVM_GET_MSRS, &m), 1);
	return m.entry.data;
}

static void handler_halts(struct guest *g, u8 vector)
{
	g->mem[RECORD_HANDLER] = 0xf4;
	guest_gate(g, vector, RECORD_HANDLER);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rip(g, 0), RECORD_HANDLER + 1);
}

/* The last of all control transfers, and what was last before an interrupt. */
static void last_branches_are_recorded(void **state)
{
	START(dbg_record);

	handler_halts(&g, 0x55);
	assert_int_equal(msr(&g, DEBUGCTL), 1);
	assert_int_equal(msr(&g, BRANCH_FROM), GUEST_CODE + 18);
	assert_int_equal(msr(&g, BRANCH_TO), RECORD_HANDLER);
	assert_int_equal(msr(&g, EXCEPTION_FROM), GUEST_CODE + 14);
	assert_int_equal(msr(&g, EXCEPTION_TO), GUEST_CODE + 18);
	guest_destroy(&g);
}

/* TF with BTF: one #DB, after the jump that is taken; both bits are clear then. */
static void branch_step(void **state)
{
	START(dbg_branch_step);
	struct kvm_regs r;
	u64 rip;

	handler_halts(&g, 1);
	guest_regs(&g, 0, &r);
	memcpy(&rip, g.mem + r.rsp, sizeof(rip));
	assert_int_equal(rip, GUEST_CODE + 31);
	assert_int_equal(msr(&g, DEBUGCTL), 0);
	assert_int_equal(msr(&g, BRANCH_FROM), GUEST_CODE + 28);
	assert_int_equal(msr(&g, BRANCH_TO), GUEST_CODE + 31);
	assert_int_equal(msr(&g, EXCEPTION_FROM), 0);
	guest_destroy(&g);
}

static void software_breakpoint(void **state)
{
	START(dbg_bp);
	struct kvm_regs r;

	debug(&g, (struct kvm_guest_debug){ .control = KVM_GUESTDBG_USE_SW_BP });
	/* RIP stays on the INT3. */
	assert_debug(&g, 3, GUEST_CODE + 1, 0);
	guest_regs(&g, 0, &r);
	r.rip++;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

static void hardware_breakpoints(void **state)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_USE_HW_BP };
	START(dbg_bp);
	struct kvm_regs r;
	u64 store = GUEST_CODE + 3, after;

	g.mem[GUEST_CODE + 1] = 0x90;
	/* 0: executes the store; 1: writes 0x40000; 2: reads 0x40004. */
	d.arch.debugreg[0] = store;
	d.arch.debugreg[1] = 0x40000;
	d.arch.debugreg[2] = 0x40004;
	d.arch.debugreg[7] = 0x2a | 0x400 | 0xd << 20 | 0xfu << 24;
	debug(&g, d);
	assert_debug(&g, 1, store, DR6_INIT | 1);
	/* The debugger moves on by single-stepping or without it: take it off. */
	d.arch.debugreg[7] &= ~3ull;
	debug(&g, d);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_DEBUG);
	assert_int_equal(g.run[0]->debug.arch.dr6, DR6_INIT | 2);
	assert_int_equal(*guest_word(&g, 0x40000), 5);
	after = g.run[0]->debug.arch.pc;
	assert_true(after > store && after < store + 16);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_DEBUG);
	assert_int_equal(g.run[0]->debug.arch.dr6, DR6_INIT | 4);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	guest_destroy(&g);
}

/* -- Exceptions -------------------------------------------------------------------- */

struct fault {
	const u8 *code, *end;
	u8 vector;
	bool has_error;
	u32 error;
	u64 rip;	/* on the stack, from the code's start */
};

/* Gates of all vectors lead to HLTs, whose address tells which. */
static void stubs(struct guest *g)
{
	for (u32 v = 0; v < 256; v++) {
		g->mem[0x20000 + v * 16] = 0xf4;
		guest_gate(g, v, 0x20000 + v * 16);
	}
}

static void exceptions_in_long_mode(void **state)
{
#define F(name) guest_##name, guest_##name##_end
	const struct fault faults[] = {
		{ F(dbg_ud), 6, false, 0, 0 },
		{ F(dbg_de), 0, false, 0, 2 },
		{ F(dbg_gp), 13, true, 0, 10 },
		{ F(dbg_pf), 14, true, 2, 10 },
		{ F(dbg_int), 0x55, false, 0, 2 },
		{ F(dbg_int3), 3, false, 0, 1 },
	};
	struct kvm_sregs s;
	struct kvm_regs r;
	struct guest g;

	guest_create(&g, 0, 1);
	stubs(&g);
	for (u32 i = 0; i < 6; i++) {
		const struct fault *f = &faults[i];
		u64 *frame;

		memcpy(g.mem + GUEST_CODE, f->code, f->end - f->code);
		guest_long(&g, 0, GUEST_CODE);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
		guest_regs(&g, 0, &r);
		assert_int_equal(r.rip, 0x20001 + f->vector * 16);
		assert_int_equal(r.rsp, GUEST_STACK - 40 - 8 * f->has_error);
		frame = (u64 *)(g.mem + r.rsp);
		if (f->has_error)
			assert_int_equal(*frame++, f->error);
		assert_int_equal(frame[0], GUEST_CODE + f->rip);
		assert_int_equal(frame[1], SEL_CODE64);
		assert_int_equal(frame[3], GUEST_STACK);
	}
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	assert_int_equal(s.cr2, 0x123456789000);
	guest_destroy(&g);
}

static void exceptions_in_real_mode(void **state)
{
	struct kvm_regs r;
	struct guest g;

	guest_create(&g, 0, 1);
	for (u32 v = 0; v < 256; v++) {
		*(u32 *)(g.mem + v * 4) = 0x20000000 | v;	/* 2000:v */
		g.mem[0x20000 + v] = 0xf4;
	}
	guest_load(&g, GUEST_CODE, dbg_real_de);
	guest_real(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, 0 + 1);
	assert_int_equal(r.rsp, 0x6000 - 6);
	assert_int_equal(*(u16 *)(g.mem + r.rsp), 2);
	guest_load(&g, GUEST_CODE, dbg_real_int);
	guest_real(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, 0x55 + 1);
	assert_int_equal(*(u16 *)(g.mem + r.rsp), 2);
	assert_int_equal(*(u16 *)(g.mem + r.rsp + 2), 0x1000);
	guest_destroy(&g);
}

/* No IDT: #UD, double fault, shutdown; the vCPU can be set up anew. */
static void triple_fault(void **state)
{
	struct kvm_sregs s;
	START(dbg_ud);

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	s.idt.limit = 0;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_SREGS, &s));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SHUTDOWN);
	guest_load(&g, GUEST_CODE, dbg_steps);
	guest_long(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	guest_destroy(&g);
}

static void translate(void **state)
{
	struct kvm_translation t = { .linear_address = 0x123456 };
	START(dbg_ud);

	assert_ok(kvm_ioctl(g.vcpu[0], KVM_TRANSLATE, &t));
	assert_int_equal(t.valid, 1);
	assert_int_equal(t.physical_address, 0x123456);
	t = (struct kvm_translation){ .linear_address = 0x123456789000 };
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_TRANSLATE, &t));
	assert_int_equal(t.valid, 0);
	assert_int_equal(t.physical_address, ~0ull);
	/* Tables that are not memory. */
	*guest_word(&g, GUEST_PML4) = 0xfffffff000 | 7;
	t = (struct kvm_translation){ .linear_address = 0x123456 };
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_TRANSLATE, &t));
	assert_int_equal(t.valid, 0);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_step),
		cmocka_unit_test(last_branches_are_recorded),
		cmocka_unit_test(branch_step),
		cmocka_unit_test(software_breakpoint),
		cmocka_unit_test(hardware_breakpoints),
		cmocka_unit_test(exceptions_in_long_mode),
		cmocka_unit_test(exceptions_in_real_mode),
		cmocka_unit_test(triple_fault),
		cmocka_unit_test(translate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
