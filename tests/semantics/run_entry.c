/* SPDX-License-Identifier: MIT */
#define SEMANTICS "run_entry.def"
#include "semantics.h"

#include "call.h"
#include "child.h"

GUEST_BLOB(one_in);
GUEST_BLOB(wide_read);
GUEST_BLOB(tpr);
GUEST_BLOB(unknown);
GUEST_BLOB(skip_msr);

enum { NO_REASON = 0x55, UNKNOWN_FLAGS = 0x77 };
static const u64 UNKNOWN_REGS = 1ull << 63;

static void start(struct guest *g, const u8 *code, const u8 *end)
{
	guest_create(g, GUEST_PLAIN, 1);
	memcpy(g->mem + GUEST_CODE, code, end - code);
	guest_long(g, 0, GUEST_CODE);
}

#define START(name) struct guest g; start(&g, guest_##name, guest_##name##_end)

static int run_at_once(struct guest *g, u32 i)
{
	int r;

	g->run[i]->immediate_exit = 1;
	r = guest_run(g, i);
	assert_int_equal(g->run[i]->immediate_exit, 1);
	g->run[i]->immediate_exit = 0;
	return r;
}

/* What no vCPU of these tests has. */
static void spoil_outputs(struct kvm_run *run)
{
	run->exit_reason = NO_REASON;
	run->flags = UNKNOWN_FLAGS;
	run->if_flag = 9;
	run->ready_for_interrupt_injection = 9;
	run->apic_base = 9;
}

static void assert_outputs(struct guest *g, u32 i)
{
	struct kvm_run *run = g->run[i];
	struct kvm_sregs s;
	struct kvm_regs r;

	guest_regs(g, i, &r);
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_SREGS, &s));
	assert_int_equal(run->flags, 0);
	assert_int_equal(run->if_flag, r.rflags >> 9 & 1);
	assert_int_equal(run->cr8, s.cr8);
	assert_int_equal(run->apic_base, s.apic_base);
	assert_in_range(run->ready_for_interrupt_injection, 0, 1);
}

/* -- 14 ------------------------------------------------------------------------ */

static void argument_is_looked_at_first(struct guest *g)
{
	struct kvm_run *run = g->run[0];

	spoil_outputs(run);
	run->kvm_valid_regs = UNKNOWN_REGS;
	run->immediate_exit = 1;
	assert_errno(EINVAL, kvm_ioctl_val(g->vcpu[0], KVM_RUN, 1));
	run->immediate_exit = 0;
	run->kvm_valid_regs = 0;
	assert_int_equal(run->exit_reason, NO_REASON);
	assert_int_equal(run->flags, UNKNOWN_FLAGS);
	assert_int_equal(run->apic_base, 9);
}

/* vCPU 1 has had no INIT: it does not come as far as its registers. */
static void waiting_comes_before_registers(struct guest *g)
{
	spoil_outputs(g->run[1]);
	g->run[1]->kvm_valid_regs = UNKNOWN_REGS;
	assert_int_equal(run_at_once(g, 1), -EINTR);
	g->run[1]->kvm_valid_regs = 0;
	assert_int_equal(g->run[1]->exit_reason, NO_REASON);
	assert_outputs(g, 1);
}

static void the_mutex_comes_before_all(struct guest *g)
{
	struct runner r;
	struct call c;

	runner_start(&r, g, 1);
	usleep(5000);
	call_start(&c, g->vcpu[1], KVM_RUN, (void *)1);
	usleep(20000);
	assert_false(c.done);
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(call_join(&c), -EINVAL);
}

static void dirty_rax(struct guest *g, u64 rax)
{
	guest_regs(g, 0, &g->run[0]->s.regs.regs);
	g->run[0]->s.regs.regs.rax = rax;
	g->run[0]->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

static void registers_come_before_cr8(struct guest *g)
{
	struct kvm_run *run = g->run[0];

	/* An unknown bit, and nothing is taken over. */
	spoil_outputs(run);
	dirty_rax(g, 0x1111);
	run->kvm_dirty_regs |= UNKNOWN_REGS;
	assert_int_equal(run_at_once(g, 0), -EINVAL);
	assert_int_equal(run->kvm_dirty_regs, KVM_SYNC_X86_REGS | UNKNOWN_REGS);
	assert_int_equal(run->exit_reason, NO_REASON);
	assert_outputs(g, 0);
	assert_int_not_equal(guest_rax(g, 0), 0x1111);

	spoil_outputs(run);
	dirty_rax(g, 0x2222);
	run->cr8 = 16;
	assert_int_equal(run_at_once(g, 0), -EINVAL);
	assert_int_equal(run->kvm_dirty_regs, 0);
	assert_int_equal(guest_rax(g, 0), 0x2222);
	assert_int_equal(run->cr8, 0);
	assert_outputs(g, 0);
}

static void cr8_comes_before_pending_io(void)
{
	START(one_in);
	u64 ip;

	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	ip = guest_rip(&g, 0);
	*guest_pio(&g, 0) = 0xab;
	g.run[0]->cr8 = 16;
	assert_int_equal(guest_run(&g, 0), -EINVAL);
	assert_int_equal(guest_rip(&g, 0), ip);
	assert_int_equal(guest_rax(&g, 0), 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&g, 0), 0xab);
	guest_destroy(&g);
}

/* There is more of the same instruction: the exit wins over immediate_exit. */
static void pending_io_may_exit_again(void)
{
	START(wide_read);
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rbx = GUEST_MMIO;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_MMIO);
	assert_int_equal(g.run[0]->mmio.phys_addr, GUEST_MMIO);
	assert_int_equal(run_at_once(&g, 0), KVM_EXIT_MMIO);
	assert_int_equal(g.run[0]->mmio.phys_addr, GUEST_MMIO + 8);
	assert_int_equal(run_at_once(&g, 0), -EINTR);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

static struct guest *of_the_parent;

static void child_runs_it(void)
{
	CHECK_ERRNO(EIO, kvm_ioctl_val(of_the_parent->vcpu[0], KVM_RUN, 1));
}

static void run_has_a_fixed_order(void **state)
{
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	of_the_parent = &g;
	in_child(child_runs_it);
	argument_is_looked_at_first(&g);
	registers_come_before_cr8(&g);
	guest_destroy(&g);
	guest_create(&g, GUEST_IRQCHIP, 2);
	waiting_comes_before_registers(&g);
	the_mutex_comes_before_all(&g);
	guest_destroy(&g);
	needs_guest();
	cr8_comes_before_pending_io();
	pending_io_may_exit_again();
}

/* -- 15 ------------------------------------------------------------------------ */

static void is_not_looked_at_again(void)
{
	struct runner r;
	struct guest g;

	guest_create(&g, GUEST_IRQCHIP, 1);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_HALTED);
	runner_start(&r, &g, 0);
	usleep(10000);
	g.run[0]->immediate_exit = 1;
	usleep(20000);
	assert_false(r.done);
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_INTR);
	guest_destroy(&g);
}

static void immediate_exit_counts_once_at_entry(void **state)
{
	struct guest g;
	u64 ip;

	guest_create(&g, GUEST_PLAIN, 1);
	g.run[0]->exit_reason = NO_REASON;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run_at_once(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->exit_reason, NO_REASON);
	}
	guest_destroy(&g);
	is_not_looked_at_again();

	needs_guest();
	start(&g, guest_one_in, guest_one_in_end);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	ip = guest_rip(&g, 0);
	*guest_pio(&g, 0) = 0xab;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_at_once(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_IO);
		assert_int_equal(guest_rip(&g, 0), ip + 2);
		assert_int_equal(guest_rax(&g, 0), 0xab);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

/* -- 21 ------------------------------------------------------------------------ */

enum { LAPIC_TPR = 0x80 };

static void set_if_and_tpr(struct guest *g, u8 tpr)
{
	struct kvm_lapic_state lapic;
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rflags |= 1 << 9;
	guest_set_regs(g, 0, &r);
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_LAPIC, &lapic));
	lapic.regs[LAPIC_TPR] = tpr;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_LAPIC, &lapic));
}

static void with_the_lapic_in_the_kernel(void)
{
	struct guest g;

	guest_create(&g, GUEST_IRQCHIP, 1);
	set_if_and_tpr(&g, 0x5a);
	spoil_outputs(g.run[0]);
	g.run[0]->cr8 = 99;		/* an output, no more */
	assert_int_equal(run_at_once(&g, 0), -EINTR);
	assert_outputs(&g, 0);
	assert_int_equal(g.run[0]->cr8, 5);
	assert_int_equal(g.run[0]->if_flag, 1);
	assert_int_equal(g.run[0]->ready_for_interrupt_injection, 1);
	guest_destroy(&g);
}

static void set_smm(struct guest *g, bool smm)
{
	struct kvm_vcpu_events ev;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	ev.flags = KVM_VCPUEVENT_VALID_SMM;
	ev.smi.smm = smm;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
}

static void with_a_lapic_in_user_space(void)
{
	struct kvm_sregs s;
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	spoil_outputs(g.run[0]);
	g.run[0]->cr8 = 9;
	assert_int_equal(run_at_once(&g, 0), -EINTR);
	assert_outputs(&g, 0);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_SREGS, &s));
	assert_int_equal(s.cr8, 9);
	assert_int_equal(g.run[0]->if_flag, 0);
	assert_int_equal(g.run[0]->ready_for_interrupt_injection, 0);
	if (kvm_ioctl_val(g.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0) {
		set_smm(&g, true);
		assert_int_equal(run_at_once(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->flags, KVM_RUN_X86_SMM);
		set_smm(&g, false);
		assert_int_equal(run_at_once(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->flags, 0);
	}
	guest_destroy(&g);
}

/* A guest that moves its TPR; lowering it is an exit. */
static void cr8_goes_both_ways(void)
{
	START(tpr);
	struct kvm_regs r;

	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(g.run[0]->cr8, 5);
	assert_outputs(&g, 0);
	g.run[0]->cr8 = 9;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_SET_TPR);
	assert_int_equal(g.run[0]->cr8, 3);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_outputs(&g, 0);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rbx, 9);
	guest_destroy(&g);
}

static void output_fields_are_valid_after_every_return(void **state)
{
	with_the_lapic_in_the_kernel();
	with_a_lapic_in_user_space();
	needs_guest();
	cr8_goes_both_ways();
}

/* -- 24 ------------------------------------------------------------------------ */

static void valid_registers_are_stored(struct guest *g)
{
	struct kvm_run *run = g->run[0];
	struct kvm_regs r;

	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	guest_regs(g, 0, &r);
	for (u64 i = 1; i < 4; i++) {
		r.rbx = i;
		guest_set_regs(g, 0, &r);
		/* Another failure each time. */
		run->cr8 = i == 2 ? 16 : 0;
		assert_int_equal(run_at_once(g, 0), i == 2 ? -EINVAL : -EINTR);
		assert_int_equal(run->s.regs.regs.rbx, i);
		assert_int_not_equal(run->s.regs.sregs.cr0, 0);
		assert_int_equal(run->kvm_valid_regs, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS);
		memset(&run->s.regs, 0, sizeof(run->s.regs));
	}
	run->kvm_valid_regs = 0;
	assert_int_equal(run_at_once(g, 0), -EINTR);
	assert_int_equal(run->s.regs.regs.rbx, 0);
}

/* REGS is good and is consumed; SREGS is not. */
static void dirty_bits_go_one_by_one(struct guest *g)
{
	struct kvm_run *run = g->run[0];

	dirty_rax(g, 0x3333);
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &run->s.regs.sregs));
	run->s.regs.sregs.cr4 = 1ull << 63;
	run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	assert_int_equal(run_at_once(g, 0), -EINVAL);
	assert_int_equal(run->kvm_dirty_regs, KVM_SYNC_X86_SREGS);
	assert_int_equal(guest_rax(g, 0), 0x3333);
	run->s.regs.sregs.cr4 = 0;
	run->s.regs.sregs.cr2 = 0x4444;
	assert_int_equal(run_at_once(g, 0), -EINTR);
	assert_int_equal(run->kvm_dirty_regs, 0);
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &run->s.regs.sregs));
	assert_int_equal(run->s.regs.sregs.cr2, 0x4444);
}

static void dirty_registers_come_before_pending_io(void)
{
	START(one_in);
	struct kvm_run *run = g.run[0];

	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	*guest_pio(&g, 0) = 0xab;
	run->s.regs.regs.rax = 0x1122334455667788;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(run_at_once(&g, 0), -EINTR);
	assert_int_equal(run->s.regs.regs.rax, 0x11223344556677ab);
	assert_int_equal(run->s.regs.regs.rip, GUEST_CODE + 2);

	/* Moved elsewhere, the vCPU has no use for the answer. */
	guest_long(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	run->s.regs.regs.rip = GUEST_CODE + 2;
	run->s.regs.regs.rax = 7;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(run->s.regs.regs.rax, 7);
	guest_destroy(&g);
}

static void synced_registers_come_and_go_with_every_run(void **state)
{
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	valid_registers_are_stored(&g);
	dirty_bits_go_one_by_one(&g);
	guest_destroy(&g);
	needs_guest();
	dirty_registers_come_before_pending_io();
}

/* -- 26 ------------------------------------------------------------------------ */

static void what_the_guest_does_never_fails_the_run(void **state)
{
	static const int exits[] = { KVM_EXIT_IO, KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_MMIO };
	struct kvm_regs r;

	needs_guest();
	START(unknown);
	guest_load(&g, 0x20000, skip_msr);
	guest_gate(&g, 13, 0x20000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(guest_run(&g, 0), exits[i]);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.r8, 2);
	/* The memory behind a slot has gone: that is the VMM's affair. */
	mprotect(g.mem, GUEST_RAM, PROT_NONE);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	guest_destroy(&g);
}
