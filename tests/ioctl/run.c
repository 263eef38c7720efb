/* SPDX-License-Identifier: MIT */
/* KVM_RUN (api.rst 4.10; kvm_run: section 5). */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "run/guest.h"
#include "vcpu_test.h"

#define SYNC_ALL	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

struct runnable {
	struct machine m;
	struct kvm_run *run;
};

static struct runnable runnable(enum chips chips)
{
	struct runnable r = { .m = machine_new(chips) };

	r.run = map_run(r.m.vcpu);
	return r;
}

static void runnable_free(struct runnable r)
{
	munmap(r.run, 3 * PG);
	machine_free(r.m);
}

static int run(struct runnable *r)
{
	return kvm_ioctl_val(r->m.vcpu, KVM_RUN, 0);
}

/* -- Errors that come before the guest --------------------------------------------- */

static void the_argument_must_be_zero(void **state)
{
	struct runnable r = runnable(NO_CHIPS);

	r.run->immediate_exit = 1;
	assert_errno(EINVAL, kvm_ioctl_val(r.m.vcpu, KVM_RUN, 1));
	assert_errno(EINVAL, kvm_ioctl_val(r.m.vcpu, KVM_RUN, ~0ul));
	assert_errno(EINTR, run(&r));
	runnable_free(r);
}

static void immediate_exit_is_kept_and_says_nothing(void **state)
{
	struct runnable r = runnable(NO_CHIPS);

	r.run->exit_reason = 0xdead;
	for (int value = 1; value < 256; value += 127) {
		r.run->immediate_exit = value;
		assert_errno(EINTR, run(&r));
		assert_int_equal(r.run->immediate_exit, value);
		assert_int_equal(r.run->exit_reason, 0xdead);
	}
	runnable_free(r);
}

/* Whatever it returns. */
static void output_fields_are_filled(void **state)
{
	struct kvm_regs regs = { .rflags = 0x202 };
	struct runnable r = runnable(FULL_CHIPS);
	struct kvm_sregs s;

	must(r.m.vcpu, KVM_GET_SREGS, &s);
	s.cr8 = 7;
	must(r.m.vcpu, KVM_SET_SREGS, &s);
	must(r.m.vcpu, KVM_SET_REGS, &regs);
	r.run->immediate_exit = 1;
	r.run->flags = 0xffff;
	assert_errno(EINTR, run(&r));
	assert_int_equal(r.run->if_flag, 1);
	assert_int_equal(r.run->cr8, 7);
	assert_int_equal(r.run->apic_base, s.apic_base);
	assert_int_equal(r.run->ready_for_interrupt_injection, 1);
	assert_int_equal(r.run->flags, 0);
	runnable_free(r);
}

static void ready_only_with_interrupts_enabled(void **state)
{
	static const struct {
		uint64_t rflags;
		struct kvm_vcpu_events e;
		int ready;
	} rows[] = {
		{ 2, { .flags = 0 }, 0 },
		{ 0x202, { .flags = 0 }, 1 },
		{ 0x202, { .flags = KVM_VCPUEVENT_VALID_SHADOW,
			   .interrupt.shadow = KVM_X86_SHADOW_INT_STI }, 0 },
		{ 0x202, { .flags = KVM_VCPUEVENT_VALID_SHADOW,
			   .interrupt = { .injected = 1, .nr = 0x20 } }, 0 },
		{ 0x202, { .exception = { .injected = 1, .nr = 6 } }, 0 },
		{ 0x202, { .nmi.injected = 1 }, 0 },
	};
	struct runnable r = runnable(NO_CHIPS);

	r.run->immediate_exit = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kvm_regs regs = { .rflags = rows[i].rflags };
		struct kvm_vcpu_events e = rows[i].e;

		must(r.m.vcpu, KVM_SET_REGS, &regs);
		must(r.m.vcpu, KVM_SET_VCPU_EVENTS, &e);
		assert_errno(EINTR, run(&r));
		assert_int_equal(r.run->ready_for_interrupt_injection, rows[i].ready);
		assert_int_equal(r.run->if_flag, rows[i].rflags >> 9 & 1);
	}
	runnable_free(r);
}

/* An input only if the LAPIC is userspace's. */
static void cr8_above_15(void **state)
{
	struct runnable r = runnable(NO_CHIPS);
	struct kvm_sregs s;

	r.run->immediate_exit = 1;
	r.run->cr8 = 16;
	assert_errno(EINVAL, run(&r));
	r.run->cr8 = ~0ull;
	assert_errno(EINVAL, run(&r));
	r.run->cr8 = 9;
	assert_errno(EINTR, run(&r));
	must(r.m.vcpu, KVM_GET_SREGS, &s);
	assert_int_equal(s.cr8, 9);
	runnable_free(r);

	r = runnable(FULL_CHIPS);
	r.run->immediate_exit = 1;
	r.run->cr8 = 16;
	assert_errno(EINTR, run(&r));
	assert_int_equal(r.run->cr8, 0);
	runnable_free(r);
}

/* -- Synchronised registers ----------------------------------------------------------- */

static void unknown_register_sets(void **state)
{
	struct runnable r = runnable(NO_CHIPS);

	r.run->immediate_exit = 1;
	r.run->cr8 = 16;		/* found later */
	for (int bit = 3; bit < 64; bit += 12) {
		r.run->kvm_valid_regs = 1ull << bit | SYNC_ALL;
		r.run->kvm_dirty_regs = 0;
		assert_errno(EINVAL, run(&r));
		r.run->kvm_valid_regs = 0;
		r.run->kvm_dirty_regs = 1ull << bit | KVM_SYNC_X86_REGS;
		assert_errno(EINVAL, run(&r));
		assert_int_equal(r.run->kvm_dirty_regs, 1ull << bit | KVM_SYNC_X86_REGS);
	}
	runnable_free(r);
}

static void valid_sets_are_stored(void **state)
{
	struct runnable r = runnable(NO_CHIPS);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rax = 0x1234, .rip = 0x100, .rflags = 2 };

	must(r.m.vcpu, KVM_SET_REGS, &regs);
	must(r.m.vcpu, KVM_GET_SREGS, &sregs);
	must(r.m.vcpu, KVM_GET_VCPU_EVENTS, &events);
	r.run->immediate_exit = 1;
	r.run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	assert_errno(EINTR, run(&r));
	assert_memory_equal(&r.run->s.regs.regs, &regs, sizeof(regs));
	assert_int_equal(r.run->s.regs.sregs.cr0, 0);
	r.run->kvm_valid_regs = SYNC_ALL;
	assert_errno(EINTR, run(&r));
	assert_memory_equal(&r.run->s.regs.sregs, &sregs, sizeof(sregs));
	assert_memory_equal(&r.run->s.regs.events, &events, sizeof(events));
	assert_int_equal(r.run->kvm_valid_regs, SYNC_ALL);
	runnable_free(r);
}

static void dirty_sets_are_taken_and_cleared(void **state)
{
	struct runnable r = runnable(NO_CHIPS);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	r.run->immediate_exit = 1;
	r.run->kvm_valid_regs = SYNC_ALL;
	assert_errno(EINTR, run(&r));
	r.run->kvm_valid_regs = 0;
	r.run->s.regs.regs.rbx = 0xbbbb;
	r.run->s.regs.sregs.cr2 = 0x2222;
	assert_errno(EINTR, run(&r));		/* nobody said they are dirty */
	must(r.m.vcpu, KVM_GET_REGS, &regs);
	assert_int_equal(regs.rbx, 0);
	r.run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	assert_errno(EINTR, run(&r));
	assert_int_equal(r.run->kvm_dirty_regs, 0);
	must(r.m.vcpu, KVM_GET_REGS, &regs);
	must(r.m.vcpu, KVM_GET_SREGS, &sregs);
	assert_int_equal(regs.rbx, 0xbbbb);
	assert_int_equal(sregs.cr2, 0x2222);
	r.run->s.regs.events.nmi.masked = 1;
	r.run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	assert_errno(EINTR, run(&r));
	assert_int_equal(r.run->kvm_dirty_regs, 0);
	runnable_free(r);
}

/* What was taken before the bad one stays, and its bit is gone. */
static void invalid_dirty_state(void **state)
{
	struct runnable r = runnable(NO_CHIPS);
	struct kvm_regs regs;

	r.run->immediate_exit = 1;
	r.run->kvm_valid_regs = SYNC_ALL;
	assert_errno(EINTR, run(&r));
	r.run->s.regs.regs.rcx = 0xcccc;
	r.run->s.regs.sregs.cr4 = 1ull << 63;
	r.run->kvm_dirty_regs = SYNC_ALL;
	assert_errno(EINVAL, run(&r));
	assert_int_equal(r.run->kvm_dirty_regs, KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS);
	must(r.m.vcpu, KVM_GET_REGS, &regs);
	assert_int_equal(regs.rcx, 0xcccc);
	r.run->s.regs.events.flags = 1u << 31;
	r.run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	assert_errno(EINVAL, run(&r));
	assert_int_equal(r.run->kvm_dirty_regs, KVM_SYNC_X86_EVENTS);
	runnable_free(r);
}

/* -- Processors that wait for SIPI --------------------------------------------------- */

static void an_ap_is_woken_with_eagain(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_run *run = map_run(ap);
	struct kvm_mp_state s;

	run->exit_reason = 0xdead;
	run->immediate_exit = 1;
	assert_errno(EINTR, kvm_ioctl_val(ap, KVM_RUN, 0));
	run->immediate_exit = 0;
	send_ipi(m.vm, ap, 1, MSI_INIT);
	assert_errno(EAGAIN, kvm_ioctl_val(ap, KVM_RUN, 0));
	assert_int_equal(run->exit_reason, 0xdead);
	must(ap, KVM_GET_MP_STATE, &s);
	assert_int_equal(s.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	munmap(run, 3 * PG);
	close(ap);
	machine_free(m);
}

/* Reset, a processor waits for SIPI: no answer is to be taken, nothing finished. */
static void init_forgets_what_was_asked(void **state)
{
	static const uint8_t code[] = { 0xb9, 0x99, 9, 0, 0, 0x0f, 0x32 };	/* RDMSR 999H */
	struct runner r;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_IRQCHIP, 2);
	assert_ok(enable_cap(g.vm, KVM_CAP_X86_USER_SPACE_MSR, 0, KVM_MSR_EXIT_REASON_UNKNOWN));
	memcpy(g.mem + GUEST_CODE, code, sizeof(code));
	guest_long(&g, 1, GUEST_CODE);
	assert_int_equal(guest_run(&g, 1), KVM_EXIT_X86_RDMSR);
	send_ipi(g.vm, g.vcpu[1], 1, MSI_INIT);
	assert_int_equal(guest_mp_state(&g, 1), KVM_MP_STATE_INIT_RECEIVED);
	runner_start(&r, &g, 1);
	usleep(10000);
	assert_false(r.done);
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(guest_rip(&g, 1), 0xfff0);
	guest_destroy(&g);
}

static volatile int alarms;

IN_SIGNAL_HANDLER static void on_alarm(int sig)
{
	alarms++;
	anykvm_signalled(sig);
}

/* Again and again: one that comes before KVM_RUN does not count. */
static void alarm_every(int ms)
{
	struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	alarms = 0;
	set_handler(SIGALRM, on_alarm, SA_RESTART);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* It sleeps, and a signal ends that: never restarted, SA_RESTART or not. */
static void an_ap_waits_until_a_signal(void **state)
{
	struct machine m = machine_new(FULL_CHIPS);
	int ap = new_vcpu(m.vm, 1);
	struct kvm_run *run = map_run(ap);

	alarm_every(20);
	assert_errno(EINTR, kvm_ioctl_val(ap, KVM_RUN, 0));
	assert_true(alarms > 0);
	alarm_every(0);
	assert_int_equal(run->exit_reason, KVM_EXIT_INTR);
	munmap(run, 3 * PG);
	close(ap);
	machine_free(m);
}

/* -- In the guest --------------------------------------------------------------------- */

static void guest_with(struct guest *g, u32 flags, const u8 *code, size_t n)
{
	guest_create(g, flags, 1);
	memcpy(g->mem + GUEST_CODE, code, n);
	guest_long(g, 0, GUEST_CODE);
}

static void a_signal_ends_a_busy_guest(void **state)
{
	static const u8 loop[] = { 0xeb, 0xfe };	/* jmp . */
	struct guest g;

	needs_guest();
	guest_with(&g, GUEST_PLAIN, loop, sizeof(loop));
	alarm_every(5);
	assert_int_equal(guest_run(&g, 0), -EINTR);
	alarm_every(0);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
	guest_destroy(&g);
}

/* With a LAPIC HLT sleeps in the ioctl. */
static void a_signal_ends_a_halt(void **state)
{
	static const u8 halt[] = { 0xf4 };
	struct kvm_mp_state s;
	struct guest g;

	needs_guest();
	guest_with(&g, GUEST_IRQCHIP, halt, sizeof(halt));
	alarm_every(5);
	do {	/* until it has come as far as the HLT */
		assert_int_equal(guest_run(&g, 0), -EINTR);
		assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_INTR);
		must(g.vcpu[0], KVM_GET_MP_STATE, &s);
	} while (guest_rip(&g, 0) == GUEST_CODE);
	alarm_every(0);
	assert_int_equal(s.mp_state, KVM_MP_STATE_HALTED);
	guest_destroy(&g);
}

/* The data of IN are taken before immediate_exit counts. */
static void immediate_exit_completes_io(void **state)
{
	static const u8 in[] = { 0xe4, 0x42, 0xf4 };	/* in $0x42, %al; hlt */
	struct kvm_regs r;
	struct guest g;

	needs_guest();
	guest_with(&g, GUEST_PLAIN, in, sizeof(in));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	*guest_pio(&g, 0) = 0x77;
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(g.run[0]->exit_reason, KVM_EXIT_IO);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax & 0xff, 0x77);
	assert_int_equal(r.rip, GUEST_CODE + 2);
	guest_destroy(&g);
}

static void memory_that_is_gone_is_efault(void **state)
{
	static const u8 load[] = { 0x8a, 0x04, 0x25, 0, 0, 4, 0, 0xf4 };	/* mov GUEST_DATA, %al */
	struct guest g;

	needs_guest();
	guest_with(&g, GUEST_PLAIN, load, sizeof(load));
	assert_int_equal(mprotect(g.mem + GUEST_DATA, PG, PROT_NONE), 0);
	assert_int_equal(guest_run(&g, 0), -EFAULT);
	assert_int_equal(guest_rip(&g, 0), GUEST_CODE);
	assert_int_equal(mprotect(g.mem + GUEST_DATA, PG, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

/* No memory at all: nothing to execute. */
static void nothing_at_the_reset_vector(void **state)
{
	struct runnable r = runnable(NO_CHIPS);

	needs_guest();
	assert_ok(run(&r));
	assert_int_equal(r.run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(r.run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	runnable_free(r);
}

/* -- Processes ------------------------------------------------------------------------ */

/* The exit status of a child that does @fn, which returns 0 if all is well. */
static int in_child(int (*fn)(struct runnable *r), struct runnable *r)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fn(r));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_eio(int fd, unsigned long request, void *arg)
{
	errno = 0;
	return kvm_ioctl(fd, request, arg) == -1 && errno == EIO;
}

/* Before the request, its argument and the pointer are looked at. */
static int use_the_parents_vm(struct runnable *r)
{
	return !is_eio(r->m.vcpu, KVM_RUN, NULL) +
	       !is_eio(r->m.vcpu, KVM_RUN, (void *)1) * 2 +
	       !is_eio(r->m.vcpu, KVM_GET_REGS, NULL) * 4 +
	       !is_eio(r->m.vcpu, _IO(KVMIO, 0xff), NULL) * 8 +
	       !is_eio(r->m.vm, KVM_CREATE_VCPU, (void *)1) * 16 +
	       !is_eio(r->m.vm, _IO(KVMIO, 0xff), NULL) * 32;
}

static void a_forked_child_gets_eio(void **state)
{
	struct runnable r = runnable(NO_CHIPS);

	assert_int_equal(in_child(use_the_parents_vm, &r), 0);
	r.run->immediate_exit = 1;
	assert_errno(EINTR, run(&r));
	runnable_free(r);
}

static void scope(void **state)
{
	only_for_vcpus(KVM_RUN);
}

IOCTL_TESTS(run,
	    cmocka_unit_test(the_argument_must_be_zero),
	    cmocka_unit_test(immediate_exit_is_kept_and_says_nothing),
	    cmocka_unit_test(output_fields_are_filled),
	    cmocka_unit_test(ready_only_with_interrupts_enabled),
	    cmocka_unit_test(cr8_above_15),
	    cmocka_unit_test(unknown_register_sets),
	    cmocka_unit_test(valid_sets_are_stored),
	    cmocka_unit_test(dirty_sets_are_taken_and_cleared),
	    cmocka_unit_test(invalid_dirty_state),
	    cmocka_unit_test(an_ap_is_woken_with_eagain),
	    cmocka_unit_test(init_forgets_what_was_asked),
	    cmocka_unit_test(an_ap_waits_until_a_signal),
	    cmocka_unit_test(a_signal_ends_a_busy_guest),
	    cmocka_unit_test(a_signal_ends_a_halt),
	    cmocka_unit_test(immediate_exit_completes_io),
	    cmocka_unit_test(memory_that_is_gone_is_efault),
	    cmocka_unit_test(nothing_at_the_reset_vector),
	    cmocka_unit_test(a_forked_child_gets_eio),
	    cmocka_unit_test(scope))
