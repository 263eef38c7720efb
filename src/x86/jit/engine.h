/* SPDX-License-Identifier: MIT */
/* What executes guest code in this process: ANYKVM_ENGINE. */
#ifndef ANYKVM_X86_JIT_ENGINE_H
#define ANYKVM_X86_JIT_ENGINE_H

enum engine {
	ENGINE_INTERP,
	ENGINE_JIT,
	ENGINE_LOCKSTEP,	/* both, compared: lockstep.h */
};

/* The one that runs, which may not be the one asked for. */
extern enum engine engine_used;

/* Reads the environment; -EINVAL for a name that is none. */
int engine_init(void);

/* Its name, and why it is not the one asked for. */
const char *engine_name(void);

#endif
