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
/* Accesses to the page of @lin take the fast path, or the slow one. */
void guest_map(struct cpu *c, u64 lin, bool mapped);

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

/* states.c */
struct state {
	_Alignas(64) u8 fx[512];
	u8 ymm[16][32];
	u64 gpr[16];
	u64 flags;
};
enum { MEM_BYTES = 1280, MEM_AT = 192 };
extern u8 *memory;		/* below 4 GiB */
bool memory_create(void);
u64 rnd(void);
void fill(void *p, u32 n);
/* RBX is @memory + MEM_AT - 10h, RDI @memory + MEM_AT; the rest is random. */
void random_state(struct state *s);
void state_to_guest(struct cpu *cpu, const struct state *s);

#endif
