/* SPDX-License-Identifier: MIT */
/*
 * Guarded access: a chain of jump buffers per thread, and the handlers that
 * jump to the innermost.
 *
 * A jump out of a handler leaves the signal, and what sa_mask added, blocked;
 * the guards save no mask because that is a system call each.  So the handler
 * puts back the mask of the interrupted context itself, before it jumps.
 */
#include "util/guard.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define KERNEL_SIGSET_SIZE 8

static __thread struct guard *innermost
	__attribute__((tls_model("initial-exec")));

static __thread bool thread_ready
	__attribute__((tls_model("initial-exec")));

static const int guarded_signals[] = { SIGSEGV, SIGBUS };
static struct sigaction chained[ARRAY_SIZE(guarded_signals)];

void guard_push(struct guard *g)
{
	g->outer = innermost;
	g->rescue = NULL;
	innermost = g;
	/* The accesses that follow must not move above this. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void guard_leave(struct guard *g)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	innermost = g->outer;
}

/* No memory of a program's, but memcpy of the sanitizer stops at a try. */
static bool in_shadow(const void *p, size_t n)
{
#ifdef __SANITIZE_ADDRESS__
	return (u64)p < 0x10007fff8000 && (u64)p + n > 0x7fff8000;
#else
	return false;
#endif
}

/* Nothing of a program's lies there: not worth a try, and n may wrap. */
static bool beyond_user_space(const void *p, size_t n)
{
	return n && ((u64)p > USER_SPACE_END || n > USER_SPACE_END - (u64)p ||
		     in_shadow(p, n));
}

/* A null or wild pointer is the caller's mistake to report, not to rule out. */
#define MAY_FAULT __attribute__((noinline, no_sanitize("undefined")))

MAY_FAULT int guard_copy_in(void *dst, const void *user_src, size_t n)
{
	struct guard g;

	if (beyond_user_space(user_src, n) || guard_enter(&g))
		return -EFAULT;
	memcpy(dst, user_src, n);
	guard_leave(&g);
	return 0;
}

MAY_FAULT int guard_copy_out(void *user_dst, const void *src, size_t n)
{
	struct guard g;

	if (beyond_user_space(user_dst, n) || guard_enter(&g))
		return -EFAULT;
	memcpy(user_dst, src, n);
	guard_leave(&g);
	return 0;
}

/* A synchronous fault has a positive code; BUS_MCEERR_AO is not an access. */
static bool is_access_fault(int sig, const siginfo_t *info)
{
	if (sig != SIGSEGV && sig != SIGBUS)
		return false;
	if (!info || info->si_code <= 0)
		return false;
	return sig != SIGBUS || info->si_code != BUS_MCEERR_AO;
}

static void restore_mask(int sig, void *ucontext)
{
	u64 mask = 1ull << (sig - 1);
	int how = SIG_UNBLOCK;

	if (ucontext) {
		memcpy(&mask, &((ucontext_t *)ucontext)->uc_sigmask, sizeof(mask));
		how = SIG_SETMASK;
	}
	syscall(SYS_rt_sigprocmask, how, &mask, NULL, KERNEL_SIGSET_SIZE);
}

bool guard_fault(int sig, siginfo_t *info, void *ucontext)
{
	struct guard *g = innermost;

	if (!g || !is_access_fault(sig, info))
		return false;
	if (g->rescue && ucontext && g->rescue(g->rescue_arg, ucontext))
		return true;
	innermost = g->outer;
	restore_mask(sig, ucontext);
	siglongjmp(g->env, 1);
}

/* The default action, with the context of the original fault. */
static void die_of(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sigaction(sig, &dfl, NULL);
	/* A synchronous fault happens again on return; others are sent again. */
	if (info->si_code <= 0)
		raise(sig);
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	const struct sigaction *next = &chained[sig == SIGBUS];

	if (guard_fault(sig, info, ucontext))
		return;
	if (next->sa_flags & SA_SIGINFO)
		next->sa_sigaction(sig, info, ucontext);
	else if (next->sa_handler == SIG_DFL ||
		 (next->sa_handler == SIG_IGN && info->si_code > 0))
		die_of(sig, info);
	else if (next->sa_handler != SIG_IGN)
		next->sa_handler(sig);
}

void guard_install_handlers(void)
{
	static u32 done;

	if (__atomic_exchange_n(&done, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(guarded_signals); i++) {
		struct sigaction sa = { .sa_sigaction = on_fault };

		/* Keep what the chained handler relies on, its stack above all. */
		sigaction(guarded_signals[i], NULL, &chained[i]);
		sa.sa_mask = chained[i].sa_mask;
		sa.sa_flags = SA_SIGINFO | SA_ONSTACK |
			      (chained[i].sa_flags & (SA_NODEFER | SA_RESTART));
		sigaction(guarded_signals[i], &sa, NULL);
	}
}

/*
 * A fault whose signal the thread blocks kills the process, handler or not.
 * Threads that were created under a full mask get these back, once.
 */
void guard_prepare_thread(void)
{
	static const int sync_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	u64 mask = 0;

	if (likely(thread_ready))
		return;
	thread_ready = true;
	for (size_t i = 0; i < ARRAY_SIZE(sync_signals); i++)
		mask |= 1ull << (sync_signals[i] - 1);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, KERNEL_SIGSET_SIZE);
}
