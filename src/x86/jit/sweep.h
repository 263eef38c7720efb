/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_X86_JIT_SWEEP_H
#define ANYKVM_X86_JIT_SWEEP_H

#include "x86/jit/internal.h"

void sweep_create(struct cpu *c);
void sweep_destroy(struct jit *j);	/* waits for the worker */
/* The vCPU is in guest now.  True if it was not when the timer fired last. */
bool sweep_begin(struct jit *j);

#endif
