/* SPDX-License-Identifier: MIT */
/* kvm_run around KVM_RUN (api.rst section 5): for x86/api/run.c. */
#ifndef ANYKVM_X86_API_RUN_STATE_H
#define ANYKVM_X86_API_RUN_STATE_H

#include "x86/cpu/state.h"

/*
 * After every KVM_RUN: if_flag, cr8, apic_base, flags,
 * ready_for_interrupt_injection; with sync_regs_store() at the end of it.
 */
void run_fill(struct cpu *c);

/* KVM: is the vCPU at a point where KVM_INTERRUPT may be used? */
bool run_ready_for_interrupt(struct cpu *c);

/* At entry: kvm_dirty_regs.  -EINVAL for unknown bits or bad values. */
int sync_regs_load(struct cpu *c);

/* At exit: kvm_valid_regs. */
void sync_regs_store(struct cpu *c);

/*
 * At entry, before guest code: takes userspace's answer to KVM_EXIT_X86_RDMSR,
 * _WRMSR and _HYPERCALL.  The instruction is then executed again and finds it.
 */
void user_reply_complete(struct cpu *c);

/*
 * True from such an exit until its instruction has been executed again.
 * The loop delivers no event meanwhile: the instruction would exit twice.
 */
bool user_reply_pending(const struct cpu *c);

/* The instruction is abandoned: userspace moved RIP. */
void user_reply_drop(struct cpu *c);

#endif
