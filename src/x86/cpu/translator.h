/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's loop, the MMU and the block cache tell a translator,
 * if the vCPU has one (cpu->translator).  All is called on the vCPU's
 * thread or under vcpu->mutex.
 */
#ifndef ANYKVM_X86_CPU_TRANSLATOR_H
#define ANYKVM_X86_CPU_TRANSLATOR_H

#include "x86/cpu/state.h"
#include "x86/cpu/step.h"
#include "x86/mmu/tlb.h"

struct block;

/* JUMP_CACHE_FOLD: functions begin at few offsets in pages. */
enum { JUMP_CACHE_SIZE = 1 << 14, JUMP_CACHE_FOLD = 8, CODE_TLB_SIZE = 4096,
       NR_GUESSES = 2048, NR_RECENT = 2048 };

/* The page that one access of translated code had last, its own TLB (recent.c). */
struct recent {
	u64 tag;		/* or TLB_NO_PAGE */
	u64 addend;
};

struct recent_use {
	u32 left;		/* for misses, until somebody looks */
	u32 logged;		/* is in recent_log */
	u64 since;		/* TSC, when somebody has looked */
};
_Static_assert(sizeof(struct recent_use) == sizeof(struct recent), "one index");

/* Of code: an access class, and whether it is flat 32-bit code (FLAT_CODE). */
enum { CODE_FLAT32 = 4, NR_CODE_CLASSES = 8 };
_Static_assert(TLB_FILLED_CLASSES <= (int)CODE_FLAT32, "beside the access class");

/* What translated code reads besides the CPU's state; lies behind it in memory. */
struct translator_tables {
	u64 jump_key;	/* generation and class of code, xored to the RIP */
	/* Of the jump cache, by class: from 1 on; stay for the next vCPU. */
	u32 generation[NR_CODE_CLASSES];
	/*
	 * From RIP, of which jump_slot() makes the index, to code.  A key is
	 * the RIP xor jump_key, which is no canonical address (a RIP of
	 * 32-bit code has bit 47 of the key).
	 */
	u64 jump_rip[JUMP_CACHE_SIZE];
	const u8 *jump_code[JUMP_CACHE_SIZE];
	/*
	 * By linear page: the id of the code page that it is known to lead to,
	 * and whose blocks are known to be current.
	 */
	u32 page_id[CODE_TLB_SIZE];
	/*
	 * Addends that accesses expect: those of the pages they had last, and
	 * how often they may be wrong until somebody looks (guess.c).
	 */
	u64 guess[NR_GUESSES];
	u32 guess_left[NR_GUESSES];
	/* Of loads, then of stores, from 1 on; those that may have a page are logged. */
	struct recent recent[2 * NR_RECENT];
	struct recent_use recent_use[2 * NR_RECENT];
	u32 recent_count;
	u32 recent_log[2 * NR_RECENT];
};

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
	/* The instruction at CS:RIP that has left KVM_RUN for MMIO, if it is current. */
	const struct insn *(*waiting)(struct cpu *c);
	/* Linear pages may lead elsewhere now; global ones too? */
	void (*tlb_flushed)(struct cpu *c, bool global);
	/* Those in the @size bytes around @lin, a power of two, may. */
	void (*page_flushed)(struct cpu *c, u64 lin, u64 size);
	/* Memory may have been written by others than vCPUs since. */
	void (*epoch)(struct cpu *c);
	/* All code is to be compared with memory. */
	void (*sweep)(struct cpu *c);
	/* Another vCPU has written to code. */
	void (*code_changed)(struct cpu *c);
	/* May the page of @host be written without notice? */
	bool (*may_write)(struct cpu *c, const u8 *host);
	/* It is going to be written. */
	void (*written)(struct cpu *c, const u8 *host);
	/* A fault of host memory, of struct cpu @arg: see struct guard. */
	bool (*rescue)(void *arg, void *ucontext);
	void (*destroy)(struct cpu *c);
};

#define TRANSLATOR(c, op, ...)						\
	do {								\
		if ((c)->translator)					\
			(c)->translator->op((c), ##__VA_ARGS__);	\
	} while (0)

#endif
