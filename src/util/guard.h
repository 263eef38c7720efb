/* SPDX-License-Identifier: MIT */
/*
 * Guarded access to memory that may not be there.
 *
 * The VMM's structures and the memory behind a memslot belong to the VMM: it
 * may pass bad pointers, unmap, truncate or write-protect them at any time.
 * Such an access runs under a guard; the SIGSEGV or SIGBUS it raises unwinds
 * to the innermost guard of the thread, and never reaches the VMM.
 */
#ifndef ANYKVM_UTIL_GUARD_H
#define ANYKVM_UTIL_GUARD_H

#include <setjmp.h>
#include <signal.h>

#include "util/types.h"

struct guard {
	sigjmp_buf env;
	struct guard *outer;
	/* In the signal handler: true if @ucontext is to go on instead, changed. */
	bool (*rescue)(void *arg, void *ucontext);
	void *rescue_arg;
};

/*
 * if (guard_enter(&g) == 0) { accesses; guard_leave(&g); } else { it faulted;
 * the guard has been left already. }
 * A fault unwinds the C stack between: hold no lock and own no memory across
 * a guarded access.  Locals changed inside must be volatile to be read after.
 */
#define guard_enter(g)	(guard_push(g), sigsetjmp((g)->env, 0))
void guard_push(struct guard *g);
void guard_leave(struct guard *g);

/*
 * For functions of atomic accesses that may unwind.  TSan takes a lock
 * of its own around such an access, which would be held for ever then.
 */
#define ATOMIC_MAY_UNWIND	__attribute__((no_sanitize("thread")))

#define USER_SPACE_END	0x7ffffffff000ul	/* TASK_SIZE_MAX of x86-64 */

/* Copies of @n bytes; 0, or -EFAULT with an unspecified part copied. */
int guard_copy_in(void *dst, const void *user_src, size_t n);
int guard_copy_out(void *user_dst, const void *src, size_t n);
#define copy_from_user(dst, src, n)	guard_copy_in(dst, (const void *)(src), n)
#define copy_to_user(dst, src, n)	guard_copy_out((void *)(dst), src, n)

/* Installs SIGSEGV and SIGBUS handlers that chain; once per process. */
void guard_install_handlers(void);

/* Once per thread, before its first guard: opens the signals of faults. */
void guard_prepare_thread(void);

/* As anykvm_fault(): unwinds if this thread has a guard. Else false. */
bool guard_fault(int sig, siginfo_t *info, void *ucontext);

#endif
