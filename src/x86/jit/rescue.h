/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_X86_JIT_RESCUE_H
#define ANYKVM_X86_JIT_RESCUE_H

#include "x86/jit/internal.h"

/* struct translator_ops.rescue.  Async-signal-safe. */
bool rescue_resume(void *arg, void *ucontext);

#endif
