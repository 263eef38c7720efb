/* SPDX-License-Identifier: MIT */
/*
 * The host CPU as the oracle: one instruction, executed natively with all
 * registers and flags loaded.
 */
#ifndef ANYKVM_TESTS_INSN_ORACLE_H
#define ANYKVM_TESTS_INSN_ORACLE_H

#include "util/types.h"

enum {
	ORACLE_TAKEN_DISP = 0x40,	/* a taken branch lands this far from its start */
	ORACLE_MEM_SIZE = 2 * 4096,
	ORACLE_MAX_LEN = 15,
};

struct oracle_state {
	u64 gpr[16];
	u64 flags;
	u64 host_rsp;
	u64 taken;
	struct { u32 offset; u16 selector; } compat;	/* far pointer to 32-bit code */
};

struct oracle {
	u8 *code;	/* page with the stub; below 2 GiB, as all of it */
	u8 *insn;	/* where 64-bit instructions are executed */
	u8 *insn32;	/* and those of compatibility mode */
	u8 *mem;	/* ORACLE_MEM_SIZE bytes for memory operands and stack */
	struct oracle_state *state;
};

/* False if the host refuses executable memory. */
bool oracle_create(struct oracle *o);
void oracle_destroy(struct oracle *o);
/* Within the test: cmocka has handlers of its own. */
void oracle_take_signals(void);

/*
 * Executes @bytes on o->state, as 64-bit or 32-bit code.  Returns 0, or the
 * signal it raised; registers are then lost.  A taken branch must land
 * ORACLE_TAKEN_DISP beyond o->insn or o->insn32.
 */
int oracle_run(struct oracle *o, const u8 *bytes, u32 len, bool compat);

#endif
