/* SPDX-License-Identifier: MIT */
/*
 * The translator: hot blocks of 64-bit and of flat 32-bit code become
 * host code.
 *
 * A guest register lives in a host register or in its home in struct cpu for
 * as long as translated code runs.  Memory is reached through the software TLB;
 * what the fast path does not do, and every instruction that has no
 * translation, is done by the interpreter's handler for the one instruction.
 */
#ifndef ANYKVM_X86_JIT_JIT_H
#define ANYKVM_X86_JIT_JIT_H

#include "x86/cpu/state.h"

struct jit_vm;

/* What the vCPUs of a VM share; NULL if there is no memory for it. */
struct jit_vm *jit_vm_create(void);
void jit_vm_destroy(struct jit_vm *jv);
/* Whose turn it is to execute: vCPU id + 1; 0: nobody's.  Atomic. */
u32 *jit_vm_turn(struct jit_vm *jv);

/*
 * Gives the vCPU a translator.  0, -ENOMEM, or another negative errno if the
 * host refuses executable memory; the vCPU is then interpreted.
 */
int jit_create(struct cpu *c);

#endif
