/* SPDX-License-Identifier: MIT */
/* Looking at translations: the switches, what is printed, the verifier. */
#ifndef ANYKVM_X86_JIT_DEBUG_H
#define ANYKVM_X86_JIT_DEBUG_H

#include <stdio.h>

#include "x86/jit/internal.h"

enum {
	JIT_DUMP_GUEST	= BIT(0),
	JIT_DUMP_HOST	= BIT(1),
	JIT_DUMP_PUNTS	= BIT(2),
	JIT_PERF	= BIT(3),
	JIT_VERIFY	= BIT(4),
	JIT_LOCKSTEP	= BIT(5),
};

extern u32 jit_debug;

/* Reads the environment; env.def has the names. */
void jit_debug_init(bool lockstep);

/* -- dump.c -------------------------------------------------------------------- */

/* Where it is all printed. */
FILE *jit_dump_file(void);
void jit_dump_guest(FILE *f, const struct tu *tu);
void jit_dump_host(FILE *f, const struct jit *j, const struct tu *tu);

/* A block has been translated. */
void jit_debug_translated(const struct jit *j, const struct tu *tu);

enum punt_reason { PUNT_NONE, PUNT_SLOW, PUNT_MMIO, NR_PUNT_REASONS };

/* @in has been punted. */
void jit_debug_punt(const struct insn *in, enum punt_reason why);

/* -- verify.c ------------------------------------------------------------------ */

/*
 * Is the code of @tu, before any edge is linked, of the kinds that the
 * translator means to make?  If not, *why says so of the instruction at *@at.
 */
bool jit_verify(const struct cpu *c, const struct tu *tu, const u8 **at, const char **why);

#endif
