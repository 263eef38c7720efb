/* SPDX-License-Identifier: MIT */
/*
 * cmocka takes SIGSEGV and SIGBUS for itself in every test.  A test whose
 * engine must see them calls own_faults() first, as a host that manages its
 * signals would (anykvm_manage_signals).
 */
#ifndef ANYKVM_TESTS_LIB_SIGNALS_H
#define ANYKVM_TESTS_LIB_SIGNALS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "anykvm.h"
#include "util/types.h"

static inline void fault_handler(int sig, siginfo_t *info, void *ucontext)
{
	if (!anykvm_fault(sig, info, ucontext))
		signal(sig, SIG_DFL);
}

static inline void own_faults(void)
{
	struct sigaction sa = { .sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO };

	anykvm_manage_signals();
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/*
 * TSan holds an asynchronous signal back until the thread calls libc, which a
 * vCPU in guest does not.  Under TSan the handler is installed behind its back,
 * and is IN_SIGNAL_HANDLER.
 */
#ifdef __SANITIZE_THREAD__
__asm__(".pushsection .text\n"
	"return_from_handler: mov $15, %eax\n"	/* rt_sigreturn */
	"syscall\n"
	".popsection");
void return_from_handler(void) __attribute__((visibility("hidden")));

static inline void set_handler(int sig, void (*handler)(int), int flags)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} sa = { handler, flags | 0x04000000 /* SA_RESTORER */, return_from_handler, 0 };

	syscall(SYS_rt_sigaction, sig, &sa, NULL, sizeof(sa.mask));
}
#else
static inline void set_handler(int sig, void (*handler)(int), int flags)
{
	const struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}
#endif

#endif
