/* SPDX-License-Identifier: MIT */
/* Tries in a child, which a sandbox may kill, what the engine will call. */
#ifndef ANYKVM_DOCTOR_CALL_H
#define ANYKVM_DOCTOR_CALL_H

struct call_result {
	int error;		/* errno; 0: it worked */
	int signal;		/* that ended the child; 0: none */
	int no_process;		/* errno of fork() */
};

/* @call returns 0 or an errno. */
struct call_result call_try(int (*call)(void));

#endif
