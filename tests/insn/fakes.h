/* SPDX-License-Identifier: MIT */
/*
 * The rest of the CPU as flat as it can be, for instructions tested alone:
 * linear = host address, and what is outside the mapped range faults.
 */
#ifndef ANYKVM_TESTS_INSN_FAKES_H
#define ANYKVM_TESTS_INSN_FAKES_H

#include "x86/cpu/state.h"
#include "x86/decode/insn.h"

struct machine {
	struct cpu *cpu;
	u64 lo, hi;		/* linear addresses that may be accessed */
	bool rmw_no_host;	/* read-modify-write as if on MMIO */
	u32 rmw_races;		/* commits that lose before one wins */
};

extern struct machine machine;

/* A CPU in @code_size (2, 4, 8) code with flat segments, no TLB entries. */
struct cpu *machine_create(u8 code_size);
void machine_destroy(void);
void machine_set_mode(u8 code_size);
/* Maps linear [lo, hi) onto the same host addresses; into the TLB if @fill. */
void machine_map(u64 lo, u64 hi, bool fill);

/* Decodes and executes one instruction; RIP advances as the loop does it. */
enum step machine_step(const u8 *bytes, u32 len);
/* The same for a decoded one. */
enum step machine_exec(const struct insn *in);

#endif
