/* SPDX-License-Identifier: MIT */
/* The host's calls (hostcalls.def), of which one fails. */
#ifndef ANYKVM_TESTS_ROBUST_INJECT_H
#define ANYKVM_TESTS_ROBUST_INJECT_H

#include "util/types.h"

/* From here on the @nth call fails, once; 0: none, they are only counted. */
void inject_arm(u32 nth);
/* Of the call that failed: its name and errno; NULL if none has. */
const char *inject_disarm(int *err);

/*
 * One in @n calls of this thread fails, as the state @rng says, except those
 * without which VMs do not end; 0: none does.
 */
void inject_random(u32 n, u64 rng);

/* What is held now. */
struct held {
	long blocks;		/* of malloc */
	long mapped;		/* bytes */
	long fds;
};

struct held inject_held(void);

#endif
