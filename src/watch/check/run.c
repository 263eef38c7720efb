/* SPDX-License-Identifier: MIT */
/* KVM_RUN: what it begins with, what it ends with, what is done in between. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watch/check/check.h"

enum {
	WANDERS = 16,			/* changes of thread */
	WANDERS_OF = 8,			/* one in so many runs, or more */
	LEFT_SET = 100,			/* runs that find immediate_exit set */
	SPINS = 1000,			/* runs that fail, before the guest gets far */
	GUEST_RUNS_NS = 200000,
};

static const u64 WAITED_NS = 20000000;	/* less may be a kick on its way */

static bool thread_is_alive(u32 thread)
{
	return !syscall(SYS_tgkill, getpid(), thread, 0);
}

/*
 * What of kvm_run counts, as far as it still stands there: another thread may be
 * in KVM_RUN again, and immediate_exit is anybody's.
 */
struct glance {
	u32 reason;
	bool immediate_exit, dirty;
};

static __attribute__((no_sanitize("thread"))) struct glance look(const struct check_call *c)
{
	const volatile struct kvm_run *run = c->file->vcpu->run;

	return (struct glance){ run->exit_reason, run->immediate_exit, run->kvm_dirty_regs };
}

/* -- Before ----------------------------------------------------------------------------- */

static void judge_results(struct check_call *c)
{
	struct check_vcpu *vcpu = c->vcpu;
	struct check_vm *vm = c->vm;

	for (u32 left = vcpu->refused; left; left &= left - 1) {
		u32 setter = __builtin_ctz(left);

		check_found(c, RULE_RESULT_IGNORED, NULL, "KVM_RUN after %s has failed with %s",
			    setter_name(setter),
			    strerrorname_np(vcpu->refused_errno[setter]) ?: "?");
	}
	vcpu->refused = 0;
	if (vm->slot_refused)
		check_found(c, RULE_RESULT_IGNORED, "4.35",
			    "KVM_RUN after KVM_SET_USER_MEMORY_REGION of slot %u has failed with %s",
			    vm->slot_refused_id, strerrorname_np(vm->slot_refused_errno) ?: "?");
	vm->slot_refused = false;
	if (vcpu->msrs_cut.set)
		check_found(c, RULE_MSRS_CUT, NULL, "MSR 0x%x", vcpu->msrs_cut.index);
	vcpu->msrs_cut.set = false;
}

static void judge_last_exit(struct check_call *c, bool dirty)
{
	struct check_vcpu *vcpu = c->vcpu;

	if (dirty)
		return;
	switch (vcpu->exit) {
	case KVM_EXIT_INTERNAL_ERROR:
		check_found(c, RULE_FAILURE_IGNORED, NULL, "KVM_EXIT_INTERNAL_ERROR");
		return;
	case KVM_EXIT_FAIL_ENTRY:
		check_found(c, RULE_FAILURE_IGNORED, NULL, "KVM_EXIT_FAIL_ENTRY");
		return;
	case KVM_EXIT_SHUTDOWN:
		check_found(c, RULE_SHUTDOWN_IGNORED, NULL, "%s", "");
		return;
	case KVM_EXIT_DIRTY_RING_FULL:
		if (!vcpu->ring_reset)
			check_found(c, RULE_DIRTY_RING_IGNORED, NULL, "%s", "");
		return;
	}
}

static void judge_thread(struct check_call *c)
{
	struct check_vcpu *vcpu = c->vcpu;

	if (vcpu->running && vcpu->run_thread != c->thread && thread_is_alive(vcpu->run_thread))
		check_found(c, RULE_RUN_WAITED, NULL, "another KVM_RUN of the same vCPU, on thread %u",
			    vcpu->run_thread);
	vcpu->runs++;
	if (!vcpu->run_thread || vcpu->run_thread == c->thread)
		return;
	if (++vcpu->changes < WANDERS || vcpu->changes * WANDERS_OF < vcpu->runs)
		return;
	check_found(c, RULE_RUN_WANDERS, NULL, "changing threads: %u changes in %u runs",
		    vcpu->changes, vcpu->runs);
	vcpu->changes = vcpu->runs = 0;
}

static void judge_immediate_exit(struct check_call *c, bool is_set)
{
	if (!is_set)
		c->vcpu->left = 0;
	else if (++c->vcpu->left == LEFT_SET)
		check_found(c, RULE_IMMEDIATE_EXIT_LEFT, NULL,
			    "%u KVM_RUNs, none of which has run the guest", LEFT_SET);
}

void judge_entry(struct check_call *c)
{
	const struct glance run = look(c);
	struct check_vcpu *vcpu = c->vcpu;

	if (c->vm->inherited)
		return;
	if (!c->vm->run)
		judge_first_run(c);
	c->vm->run = true;
	if (!vcpu->mapped)
		check_found(c, RULE_RUN_UNMAPPED, NULL, "%s", "");
	judge_results(c);
	judge_last_exit(c, run.dirty);
	judge_thread(c);
	judge_immediate_exit(c, run.immediate_exit);
	vcpu->running = true;
	vcpu->run_thread = c->thread;
	vcpu->run_start = watch_now();
}

/* -- After ------------------------------------------------------------------------------- */

static bool is_io(int exit)
{
	return exit == KVM_EXIT_IO || exit == KVM_EXIT_MMIO ||
	       exit == KVM_EXIT_X86_RDMSR || exit == KVM_EXIT_X86_WRMSR;
}

static void judge_failure(struct check_call *c, const struct glance *run)
{
	struct check_vcpu *vcpu = c->vcpu;

	if (c->ret == -EFAULT)
		judge_run_fault(c);
	if (c->ret != -EINTR && c->ret != -EAGAIN)
		return;
	/* A thread of its own has signals for nothing but to be kicked. */
	if (c->ret == -EINTR && run->reason == KVM_EXIT_INTR && !vcpu->sigmask &&
	    !run->immediate_exit && c->thread != (u32)getpid())
		check_found(c, RULE_KICK_RACE, NULL, "%s", "");
	/* One that lasts makes up for some that did not. */
	if (vcpu->left || c->call->end - c->call->start > GUEST_RUNS_NS)
		vcpu->interrupted -= MIN(vcpu->interrupted, SPINS / 50);
	else if (++vcpu->interrupted == SPINS)
		check_found(c, RULE_RUN_SPINS, NULL, "%s %u times, at once and with nothing between",
			    strerrorname_np(-c->ret), SPINS);
}

void judge_exit(struct check_call *c)
{
	const struct glance run = look(c);
	struct check_vcpu *vcpu = c->vcpu;

	if (c->vm->inherited)
		return;
	vcpu->running = false;
	vcpu->run_end = c->call->end;
	vcpu->entered |= c->ret == 0 || c->ret == -EINTR || c->ret == -EFAULT;
	vcpu->exit = c->ret ? -1 : (int)run.reason;
	vcpu->io_pending = is_io(vcpu->exit);
	vcpu->rip_known = false;
	vcpu->ring_reset = false;
	if (c->ret)
		judge_failure(c, &run);
	else
		vcpu->interrupted = 0;
}

/* -- In between ---------------------------------------------------------------------------- */

static void judge_wait(struct check_call *c)
{
	const struct check_vcpu *vcpu = c->vcpu;
	u64 start = c->call->start;

	if (c->call->end - start < WAITED_NS || vcpu->run_thread == c->thread ||
	    vcpu->run_start >= start)
		return;
	if (vcpu->running ? thread_is_alive(vcpu->run_thread) : vcpu->run_end > start)
		check_found(c, RULE_RUN_WAITED, NULL, "the KVM_RUN of thread %u: %llu ms",
			    vcpu->run_thread,
			    (unsigned long long)(c->call->end - start) / 1000000);
}

static void judge_registers(struct check_call *c)
{
	const struct kvm_regs *regs = check_arg(c, struct kvm_regs);
	struct check_vcpu *vcpu = c->vcpu;

	if (!regs || c->ret < 0 || !vcpu->io_pending)
		return;
	/* Others may be changed, RIP may not. */
	if (vcpu->rip_known && vcpu->rip == regs->rip)
		return;
	check_found(c, RULE_IO_UNFINISHED, NULL, "RIP is set");
	vcpu->io_pending = false;
}

static void judge_signal_mask(struct check_call *c)
{
	const struct kvm_signal_mask *mask = check_arg(c, struct kvm_signal_mask);

	if (mask && c->call->arg && c->ret == -EINVAL)
		check_found(c, RULE_SIGNAL_MASK_LENGTH, NULL, "%u", mask->len);
}

static void judge_debug(struct check_call *c)
{
	const struct kvm_guest_debug *dbg = check_arg(c, struct kvm_guest_debug);
	const u32 wanted = KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP |
			   KVM_GUESTDBG_USE_HW_BP;

	if (dbg && (dbg->control & wanted) && !(dbg->control & KVM_GUESTDBG_ENABLE))
		check_found(c, RULE_DEBUG_DISABLED, NULL, "%s", "");
}

void judge_vcpu(struct check_call *c)
{
	if (!c->vcpu || c->vm->inherited)
		return;
	judge_wait(c);
	switch (c->cmd) {
	case (u32)KVM_SET_REGS:
		judge_registers(c);
		return;
	case (u32)KVM_SET_SIGNAL_MASK:
		judge_signal_mask(c);
		return;
	case (u32)KVM_SET_GUEST_DEBUG:
		judge_debug(c);
		return;
	}
}

void judge_mapping(struct check_call *c, size_t length, off_t offset)
{
	if (offset)
		return;
	c->vcpu->mapped = true;
	if (length < CHECK_RUN_SIZE)
		check_found(c, RULE_MMAP_SHORT, NULL, "%zu bytes of %lu", length, CHECK_RUN_SIZE);
	if (!check_process.size_asked)
		check_found(c, RULE_MMAP_UNASKED, NULL, "%s", "");
}
