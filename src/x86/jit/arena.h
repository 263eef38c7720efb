/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_X86_JIT_ARENA_H
#define ANYKVM_X86_JIT_ARENA_H

#include "x86/jit/internal.h"

/* NULL and errno if the host has no memory, or refuses executable memory. */
struct jit *jit_alloc(struct cpu *c);
void jit_free(struct jit *j);
/* Is there executable memory? */
bool jit_host_permits(void);

#endif
