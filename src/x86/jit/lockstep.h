/* SPDX-License-Identifier: MIT */
/*
 * Both engines, compared.  The interpreter goes first, with its stores held
 * back (x86/mmu/shadow.h) and the registers put back afterwards; then the
 * translated code of the same block runs, and has to come to the same.
 *
 * An instruction without a translation is executed once: what was before it is
 * compared, and what follows is a comparison of its own.  So is one that
 * faults or that meets MMIO.  One vCPU of a VM at a time executes a block, so
 * that others change nothing in between.  The VMM and its devices may: a
 * difference does not count if what was loaded has changed since, and one of a
 * block that also stores where it loads counts when it comes three times in a
 * row, as that of a wrong translation does.
 */
#ifndef ANYKVM_X86_JIT_LOCKSTEP_H
#define ANYKVM_X86_JIT_LOCKSTEP_H

#include "x86/jit/internal.h"

struct lockstep;

struct lockstep *lockstep_create(void);		/* NULL without memory */
void lockstep_destroy(struct lockstep *ls);

/* As translator_ops.run, of blocks that are not translated too. */
bool lockstep_run(struct cpu *c, enum step *st);
/* The run was abandoned: a fault of host memory. */
void lockstep_abandon(struct cpu *c);

/* Translated code is about to punt @in; false if it has gone wrong before. */
bool lockstep_before(struct cpu *c, const struct insn *in);
/* @in is done, and the next instruction follows. */
void lockstep_after(struct cpu *c, const struct insn *in);

#endif
