/* SPDX-License-Identifier: MIT */
/* What became of an instruction: the only vocabulary for guest events. */
#ifndef ANYKVM_X86_CPU_STEP_H
#define ANYKVM_X86_CPU_STEP_H

enum step {
	STEP_NEXT = 0,	/* done; the loop advances RIP by the length */
	STEP_JUMP,	/* done; RIP is already right, the block ends here */
	STEP_END,	/* done; advance RIP, and look at the mode afresh */
	STEP_FAULT,	/* cpu->exc describes the exception; nothing changed */
	STEP_EXIT,	/* kvm_run is filled in; re-executed when RUN comes back */
	STEP_EXIT_DONE,	/* kvm_run is filled in; done, the loop advances RIP */
	STEP_EXIT_AGAIN, /* kvm_run is filled in; one iteration of REP of several is done */
	STEP_AGAIN,	/* not complete (REP, lost race): execute it again */
	STEP_MAX = STEP_AGAIN,
};

/* Passes anything but STEP_NEXT on to the caller. */
#define TRY(expr)						\
	do {							\
		enum step try_step = (expr);			\
		if (__builtin_expect(try_step != STEP_NEXT, 0))	\
			return try_step;			\
	} while (0)

#endif
