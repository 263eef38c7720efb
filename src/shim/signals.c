/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers.
 *
 * Until the engine is loaded, sigaction() and its relations go straight to
 * libc.  Then every handler is replaced by on_signal(), which gives faults to
 * the engine first, runs the program's handler, and tells the engine that one
 * ran, so that KVM_RUN returns EINTR.  What the program set is kept in
 * table[], and is what sigaction() tells it.
 *
 * The kernel's disposition decides whether on_signal() runs at all: a default
 * or ignored signal is left alone, save the faults that guest work raises.
 *
 * The lock is a spin lock held with all signals blocked, so a handler may
 * call sigaction(); on_signal() reads the table through the sequence count.
 */
#include "signals.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "engine.h"
#include "libc.h"

#define SIG_FIRST_RT_LIBC	32	/* 32 and 33 are glibc's own */
#define SIG_LAST_RT_LIBC	33

static struct sigaction table[NSIG];
static unsigned int table_seq;
static int table_lock;

static void on_signal(int sig, siginfo_t *info, void *ucontext);

/* -- The table ----------------------------------------------------------- */

static void lock_table(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
	while (__atomic_exchange_n(&table_lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock_table(const sigset_t *saved)
{
	__atomic_store_n(&table_lock, 0, __ATOMIC_RELEASE);
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

static void table_set(int sig, const struct sigaction *act)
{
	__atomic_fetch_add(&table_seq, 1, __ATOMIC_SEQ_CST);
	table[sig] = *act;
	__atomic_fetch_add(&table_seq, 1, __ATOMIC_SEQ_CST);
}

static struct sigaction table_get(int sig)
{
	struct sigaction act;
	unsigned int seq;

	do {
		seq = __atomic_load_n(&table_seq, __ATOMIC_ACQUIRE);
		act = table[sig];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((seq & 1) ||
		 seq != __atomic_load_n(&table_seq, __ATOMIC_RELAXED));
	return act;
}

static sigset_t fork_saved;

static void before_fork(void)
{
	sigset_t saved;

	lock_table(&saved);
	fork_saved = saved;
}

static void after_fork(void)
{
	sigset_t saved = fork_saved;

	unlock_table(&saved);
}

void signals_start(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
	       sig == SIGILL;
}

static bool is_ours(int sig)
{
	return sig > 0 && sig < NSIG && sig != SIGKILL && sig != SIGSTOP &&
	       !(sig >= SIG_FIRST_RT_LIBC && sig <= SIG_LAST_RT_LIBC);
}

static bool is_wrapped(const struct sigaction *act)
{
	return (act->sa_flags & SA_SIGINFO) && act->sa_sigaction == on_signal;
}

static bool is_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

/*
 * What the kernel gets for @act.  SA_RESETHAND is done by on_signal(), since
 * not every delivery reaches the program.  The engine unwinds out of faults,
 * so they must change no mask; on_signal() applies the program's.
 */
static struct sigaction wrap(int sig, const struct sigaction *act)
{
	struct sigaction ours = *act;

	ours.sa_sigaction = on_signal;
	ours.sa_flags |= SA_SIGINFO;
	ours.sa_flags &= ~SA_RESETHAND;
	if (!is_handler(act))
		ours.sa_flags |= SA_RESTART | SA_ONSTACK;
	if (is_fault(sig)) {
		ours.sa_flags |= SA_NODEFER;
		sigemptyset(&ours.sa_mask);
	}
	return ours;
}

/* Caller holds the lock. */
static int install(int sig, const struct sigaction *act)
{
	struct sigaction before = table[sig];
	struct sigaction ours;
	int ret;

	if (!is_handler(act) && !is_fault(sig))
		return REAL(sigaction)(sig, act, NULL);
	ours = wrap(sig, act);
	table_set(sig, act);
	ret = REAL(sigaction)(sig, &ours, NULL);
	if (ret)
		table_set(sig, &before);
	return ret;
}

/* What the program believes to be installed. */
static int query(int sig, struct sigaction *act)
{
	int ret = REAL(sigaction)(sig, NULL, act);

	if (!ret && is_wrapped(act))
		*act = table_get(sig);
	return ret;
}

static void adopt(int sig)
{
	struct sigaction act;
	sigset_t saved;

	lock_table(&saved);
	if (!REAL(sigaction)(sig, NULL, &act) && !is_wrapped(&act) &&
	    (is_handler(&act) || is_fault(sig)))
		install(sig, &act);
	unlock_table(&saved);
}

void signals_adopt_all(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (is_ours(sig))
			adopt(sig);
}

static void cover(int sig)
{
	struct sigaction act, ours;
	sigset_t saved;

	lock_table(&saved);
	if (!REAL(sigaction)(sig, NULL, &act) && !is_wrapped(&act)) {
		ours = wrap(sig, &act);
		table_set(sig, &act);
		REAL(sigaction)(sig, &ours, NULL);
	}
	unlock_table(&saved);
}

void signals_cover_mask(const void *mask)
{
	const struct kvm_signal_mask *vcpu = mask;
	unsigned long long closed;
	sigset_t blocked;

	if (!mask)
		return;
	memcpy(&closed, vcpu->sigset, sizeof(closed));
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	for (int sig = 1; sig < NSIG; sig++)
		if (is_ours(sig) && sigismember(&blocked, sig) == 1 &&
		    !(closed >> (sig - 1) & 1))
			cover(sig);
}

/* -- Delivery ------------------------------------------------------------ */

/*
 * The default action, with the kernel's help: a fault happens again, anything
 * else is sent again.  Signals whose default is to be ignored or to stop us
 * come back here, and are covered anew.
 */
static void default_action(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t one, saved;

	REAL(sigaction)(sig, &dfl, NULL);
	if (is_fault(sig) && info->si_code > 0)
		return;
	sigemptyset(&one);
	sigaddset(&one, sig);
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), sig);
	pthread_sigmask(SIG_UNBLOCK, &one, &saved);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	cover(sig);
}

/* SA_RESETHAND: true for the one delivery that gets the handler. */
static bool reset_handler(int sig, const struct sigaction *act)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t saved;
	bool first;

	lock_table(&saved);
	first = table[sig].sa_sigaction == act->sa_sigaction &&
		(table[sig].sa_flags & SA_RESETHAND);
	if (first) {
		table_set(sig, &dfl);
		install(sig, &dfl);
	}
	unlock_table(&saved);
	return first;
}

static void mask_as_asked(int sig, const struct sigaction *act)
{
	sigset_t mask = act->sa_mask;

	if (!(act->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
}

static void run_program_handler(int sig, siginfo_t *info, void *ucontext)
{
	struct sigaction act = table_get(sig);

	if (act.sa_handler == SIG_IGN && !(is_fault(sig) && info->si_code > 0))
		return;
	if (is_handler(&act) && (act.sa_flags & SA_RESETHAND) &&
	    !reset_handler(sig, &act))
		act.sa_handler = SIG_DFL;
	if (!is_handler(&act)) {
		default_action(sig, info);
		return;
	}
	if (is_fault(sig))
		mask_as_asked(sig, &act);
	/* The ABI lets a handler of one argument be called with three. */
	act.sa_sigaction(sig, info, ucontext);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	int depth = engine_depth;
	int err = errno;

	if (is_fault(sig) && engine.fault(sig, info, ucontext)) {
		errno = err;
		return;
	}
	if (!(is_fault(sig) && info->si_code > 0) &&
	    engine.signal_is_masked(sig)) {
		errno = err;
		return;
	}
	errno = err;
	engine_depth = 0;
	run_program_handler(sig, info, ucontext);
	engine_depth = depth;
	err = errno;
	engine.signalled(sig);
	errno = err;
}

/* -- The program's calls ------------------------------------------------- */

/* Past the table: not loaded yet, not a signal of ours, or a vfork() child. */
static int pass(int sig, const struct sigaction *act, struct sigaction *old)
{
	int ret = REAL(sigaction)(sig, act, old);

	if (!ret && old && is_ours(sig) && is_wrapped(old))
		*old = table_get(sig);
	return ret;
}

INTERPOSE int sigaction(int sig, const struct sigaction *act,
			struct sigaction *old)
{
	struct sigaction before, now;
	sigset_t saved;
	int ret;

	if (!engine_listens() || !is_ours(sig) || !engine_own_process()) {
		ret = pass(sig, act, old);
		/* The engine may have been loaded meanwhile, by a thread. */
		if (!ret && act && engine_listens() && is_ours(sig) &&
		    engine_own_process())
			adopt(sig);
		return ret;
	}
	if (act)
		now = *act;
	lock_table(&saved);
	ret = query(sig, &before);
	if (!ret && act)
		ret = install(sig, &now);
	unlock_table(&saved);
	if (!ret && old)
		*old = before;
	return ret;
}

static sighandler_t set_handler(int sig, sighandler_t handler, int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	if (sigaction(sig, &act, &old))
		return SIG_ERR;
	return old.sa_handler;
}

#define DEFINE_SIGNAL(fn, flags)				\
INTERPOSE sighandler_t fn(int sig, sighandler_t handler);	\
INTERPOSE sighandler_t fn(int sig, sighandler_t handler)	\
{								\
	return set_handler(sig, handler, flags);		\
}

DEFINE_SIGNAL(signal, SA_RESTART)
DEFINE_SIGNAL(bsd_signal, SA_RESTART)
DEFINE_SIGNAL(ssignal, SA_RESTART)
DEFINE_SIGNAL(sysv_signal, SA_RESETHAND | SA_NODEFER)
DEFINE_SIGNAL(__sysv_signal, SA_RESETHAND | SA_NODEFER)
