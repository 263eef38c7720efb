/* SPDX-License-Identifier: MIT */
/* What happens once per process, and once more in a forked child. */
#ifndef ANYKVM_API_PROCESS_H
#define ANYKVM_API_PROCESS_H

#include "util/types.h"

enum { PROCESS_NEW, PROCESS_BUSY, PROCESS_READY };

/* In a page that fork wipes (MADV_WIPEONFORK), so a child reads NEW. */
extern u32 *process_state;

/* -errno if the engine cannot work here. */
int process_enter_slow(void);

/* First call of every public function.  No system call once it is ready. */
static inline int process_enter(void)
{
	if (likely(__atomic_load_n(__atomic_load_n(&process_state, __ATOMIC_CONSUME),
				   __ATOMIC_ACQUIRE) == PROCESS_READY))
		return 0;
	return process_enter_slow();
}

/* The host installs SIGSEGV and SIGBUS handlers and calls anykvm_fault(). */
extern bool process_manages_signals;

#endif
