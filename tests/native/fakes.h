/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_TESTS_NATIVE_FAKES_H
#define ANYKVM_TESTS_NATIVE_FAKES_H

#include <Zydis/Zydis.h>

#include "x86/decode/insn.h"
#include "x86/native/native.h"

struct fake_mmu {
	u64 fault_start, fault_end;	/* accesses to these addresses fault */
	bool fault_writes_only;
};
extern struct fake_mmu fake;

/* guest.c: a vCPU in 64-bit code with everything enabled. */
struct cpu *guest_create(void);
void guest_destroy(struct cpu *c);

/*
 * Decodes @bytes as decode_insn() would, for instructions that are native or
 * in ops_fpu.def.  in->op is NULL if it is neither.
 */
struct decoded {
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct insn in;
};
bool guest_decode(struct cpu *c, const u8 *bytes, u32 n, struct decoded *d);
enum step guest_step(struct cpu *c, const u8 *bytes, u32 n);

/* oracle.c: the same bytes on the host's CPU. */
struct state {
	_Alignas(64) u8 fx[512];
	u8 ymm[16][32];
	u64 gpr[16];
	u64 flags;
	u32 host_mxcsr;
};
bool oracle_available(void);
/* 0, or the signal that the bytes raised (state unspecified then). */
int oracle_run(struct state *s, const u8 *bytes, u32 n);

#endif
