/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's loop, the MMU and the block cache tell a translator,
 * if the vCPU has one (cpu->translator).  All but create() is called on the
 * vCPU's thread or under vcpu->mutex.
 */
#ifndef ANYKVM_X86_CPU_TRANSLATOR_H
#define ANYKVM_X86_CPU_TRANSLATOR_H

#include "x86/cpu/state.h"
#include "x86/cpu/step.h"

struct block;

struct translator_ops {
	/*
	 * Runs translated code from CS:RIP until there is none, or something is
	 * to be looked at.  False if there was none: the block has to be
	 * interpreted.  Else *@st is what the last instruction returned.
	 */
	bool (*run)(struct cpu *c, enum step *st);
	/*
	 * A block is about to be interpreted; one that often is gets translated.
	 * True if it has been: run() finds it.
	 */
	bool (*count)(struct cpu *c, const struct block *b);
	/* KVM_RUN begins: an epoch. */
	void (*begin)(struct cpu *c);
	/* Linear pages may lead elsewhere now. */
	void (*tlb_flushed)(struct cpu *c);
	/* Memory may have been written by others than vCPUs since. */
	void (*epoch)(struct cpu *c);
	/* Another vCPU has written to code. */
	void (*code_changed)(struct cpu *c);
	/* May the page of @host be written without notice? */
	bool (*may_write)(struct cpu *c, const u8 *host);
	/* It is going to be written. */
	void (*written)(struct cpu *c, const u8 *host);
	/* A fault of host memory, of struct cpu @arg: see struct guard. */
	bool (*rescue)(void *arg, void *ucontext);
	/* No struct block is valid any more. */
	void (*blocks_flushed)(struct cpu *c);
	void (*destroy)(struct cpu *c);
};

#define TRANSLATOR(c, op, ...)						\
	do {								\
		if ((c)->translator)					\
			(c)->translator->op((c), ##__VA_ARGS__);	\
	} while (0)

#endif
