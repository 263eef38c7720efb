/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN, as far as it is the same on every architecture.
 *
 * Signals.  In the kernel a pending signal ends KVM_RUN and is handled on the
 * way out.  Here the handler runs first, on top of the guest loop, and whoever
 * wraps handlers says so (run_signalled), which posts REQ_SIGNAL.
 *
 * KVM_SET_SIGNAL_MASK replaces the thread's mask inside KVM_RUN.  A signal S
 * that the thread blocks and the vCPU mask does not must end the run, stay
 * pending, and do nothing else: not run its handler, not kill the process.
 *   - If a wrapper will ask run_signal_is_masked(), S is opened; when it comes
 *     it is noted, and sent to the thread again under the restored mask.
 *   - If S has no handler, or nobody wraps it, opening it would let its
 *     default action or the program's handler loose.  It stays blocked, and
 *     sigpending() is looked at every POLL_NS.
 */
#include "api/run.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/handlers.h"
#include "api/process.h"
#include "api/stats.h"
#include "api/worker.h"
#include "util/guard.h"

#define KERNEL_SIGSET_SIZE	8
#define NR_SIGNALS		64
#define POLL_NS			1000000
#define STALE			(REQ_SIGNAL | REQ_SYNC | REQ_PAUSE)
#define SIGBIT(sig)		(1ull << ((sig) - 1))

/* A guarded access raises these; they are never blocked here. */
#define SYNC_SIGNALS	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | \
			 SIGBIT(SIGILL) | SIGBIT(SIGTRAP))

__thread struct vcpu *current_vcpu
	__attribute__((tls_model("initial-exec")));

/* Signals open only in the vCPU's mask, and those of them that have come. */
static __thread u64 opened __attribute__((tls_model("initial-exec")));
static __thread u64 noted __attribute__((tls_model("initial-exec")));
/* A handler has run in this KVM_RUN. */
static __thread bool handler_ran __attribute__((tls_model("initial-exec")));

IN_SIGNAL_HANDLER void run_signalled(int sig)
{
	struct vcpu *vcpu = current_vcpu;

	if (!vcpu)
		return;
	handler_ran = true;
	vcpu_request_signal(vcpu);
}

IN_SIGNAL_HANDLER bool run_signal_is_masked(int sig)
{
	if (!current_vcpu || sig < 1 || sig > NR_SIGNALS || !(opened & SIGBIT(sig)))
		return false;
	noted |= SIGBIT(sig);
	run_signalled(sig);
	return true;
}

/* -- The vCPU's signal mask ------------------------------------------------------ */

struct mask_state {
	u64 thread_mask;	/* to be restored */
	u64 watched;		/* blocked by the thread, open in the vCPU's mask */
	u64 polled;		/* those of them that stay blocked */
	struct vcpu *vcpu;
	struct worker_timer poll;
};

static void set_mask(int how, const u64 *mask, u64 *old)
{
	syscall(SYS_rt_sigprocmask, how, mask, old, KERNEL_SIGSET_SIZE);
}

static u64 pending_signals(void)
{
	u64 set = 0;

	syscall(SYS_rt_sigpending, &set, KERNEL_SIGSET_SIZE);
	return set;
}

static bool default_is_ignored(int sig)
{
	return sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT;
}

/* Discarded on arrival once it is open, so the kernel would not see it. */
static bool is_ignored(int sig, const struct sigaction *sa)
{
	return sa->sa_handler == SIG_IGN ||
	       (sa->sa_handler == SIG_DFL && default_is_ignored(sig));
}

static u64 signals_to_poll(u64 watched)
{
	u64 polled = 0;

	for (u64 left = watched; left; left &= left - 1) {
		int sig = __builtin_ctzll(left) + 1;
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) < 0 || is_ignored(sig, &sa))
			continue;
		if (sa.sa_handler == SIG_DFL || !process_manages_signals)
			polled |= SIGBIT(sig);
	}
	return polled;
}

static void on_poll(struct worker_timer *t)
{
	struct mask_state *m = container_of(t, struct mask_state, poll);

	vcpu_request(m->vcpu, REQ_SIGNAL);
	worker_timer_arm(t, worker_now_ns() + POLL_NS);
}

static void mask_enter(struct mask_state *m, struct vcpu *vcpu)
{
	u64 vcpu_mask, mask;

	memcpy(&vcpu_mask, &vcpu->sigmask, sizeof(vcpu_mask));
	set_mask(SIG_BLOCK, NULL, &m->thread_mask);
	m->vcpu = vcpu;
	m->watched = m->thread_mask & ~vcpu_mask & ~SYNC_SIGNALS;
	m->polled = signals_to_poll(m->watched);

	noted = 0;
	opened = m->watched & ~m->polled;
	/* Before the mask opens: what is pending now comes in through it. */
	if (pending_signals() & m->watched)
		vcpu_request(vcpu, REQ_SIGNAL);
	mask = (vcpu_mask | m->polled) & ~SYNC_SIGNALS;
	set_mask(SIG_SETMASK, &mask, NULL);
	if (m->polled) {
		worker_timer_init(&m->poll, on_poll);
		worker_timer_arm(&m->poll, worker_now_ns() + POLL_NS);
	}
}

static void mask_leave(void *arg)
{
	struct mask_state *m = arg;

	if (m->polled)
		worker_timer_cancel(&m->poll);
	set_mask(SIG_SETMASK, &m->thread_mask, NULL);
	opened = 0;
	for (u64 left = noted; left; left &= left - 1)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid),
			__builtin_ctzll(left) + 1);
	noted = 0;
}

/* REQ_SIGNAL may only have been a reminder to look. */
static bool was_only_polling(const struct mask_state *m)
{
	return m->polled && !handler_ran && !(pending_signals() & m->watched);
}

/* -- KVM_RUN --------------------------------------------------------------------- */

static int run_masked(struct vcpu *vcpu, bool immediate_exit)
{
	struct mask_state m;
	int ret;

	mask_enter(&m, vcpu);
	pthread_cleanup_push(mask_leave, &m);
	do {
		ret = arch_vcpu_run(vcpu, immediate_exit);
		vcpu_take_requests(vcpu, REQ_SIGNAL);
	} while (ret == -EINTR && !immediate_exit && was_only_polling(&m));
	pthread_cleanup_pop(1);
	return ret;
}

long vcpu_run(struct kfile *f, void *arg)
{
	struct vcpu *vcpu = f->vcpu;
	bool immediate_exit;
	int ret;

	/*
	 * Left over: a handler that ran after the last exit was decided, a sync
	 * that found the vCPU leaving (vcpu_enter_guest() makes up for it).
	 */
	vcpu_take_requests(vcpu, STALE);
	handler_ran = false;
	/*
	 * A handler before this line is seen by immediate_exit, which it sets;
	 * one after it posts REQ_SIGNAL.  Sampling first would lose a kick.
	 */
	WRITE_ONCE(current_vcpu, vcpu);
	immediate_exit = READ_ONCE(vcpu->run->immediate_exit);
	vcpu->run->flags = 0;

	if (unlikely(vcpu->sigmask_active))
		ret = run_masked(vcpu, immediate_exit);
	else
		ret = arch_vcpu_run(vcpu, immediate_exit);

	/* An exit asked for by the VMM leaves exit_reason as it is. */
	if (ret == -EINTR && !immediate_exit) {
		stat_inc(vcpu, signal_exits);
		arch_vcpu_interrupted(vcpu);
	}
	WRITE_ONCE(current_vcpu, NULL);
	return ret;
}

/* -- KVM_SET_SIGNAL_MASK (api.rst 4.21) -------------------------------------------- */

long vcpu_set_signal_mask(struct kfile *f, void *arg)
{
	struct vcpu *vcpu = f->vcpu;
	struct kvm_signal_mask head;
	u64 mask;

	if (!arg) {
		vcpu->sigmask_active = false;
		return 0;
	}
	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.len != KERNEL_SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_user(&mask, (u8 *)arg + sizeof(head), sizeof(mask)))
		return -EFAULT;
	mask &= ~(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP));
	memcpy(&vcpu->sigmask, &mask, sizeof(mask));
	vcpu->sigmask_active = true;
	return 0;
}
