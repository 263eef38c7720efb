/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_X86_JIT_SWEEP_H
#define ANYKVM_X86_JIT_SWEEP_H

#include "x86/jit/internal.h"

void sweep_create(struct cpu *c);
void sweep_destroy(struct jit *j);	/* waits for the worker */
/* The vCPU is in guest now. */
void sweep_begin(struct jit *j);

#endif
