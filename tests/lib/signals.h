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

#include "anykvm.h"

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

#endif
